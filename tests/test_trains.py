"""The tests' own trains agree with another simulator's, and with what is known without one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from trains import contaminated_trains, cpmg_trains

EPYG = Path(__file__).with_name("epyg_trains.json")  # made by scripts/epyg_trains.py


def test_trains_equal_those_of_epyg():
    golden = json.loads(EPYG.read_text())
    for t2_ms, b1, t1_ms, *echoes in golden["trains"]:
        train = cpmg_trains([t2_ms], [b1], len(echoes), t1_ms=t1_ms, spacing_ms=golden["spacing_ms"])
        assert train[0] == pytest.approx(echoes, abs=1e-9)


def test_the_reference_train():
    train = cpmg_trains([100.0], [150 / 180], 8, t1_ms=1000)
    assert train[0] == pytest.approx([0.8442, 0.8247, 0.6979, 0.6743, 0.5812, 0.5489, 0.4846, 0.4477], abs=5e-5)


def test_perfect_pulses_leave_the_exponential():
    t2_ms = np.array([30.0, 80.0, 200.0])
    train = cpmg_trains(t2_ms, np.ones(3), 16)
    assert train == pytest.approx(np.exp(-10 * np.arange(1, 17) / t2_ms[:, None]), rel=1e-12)


def test_contaminated_voxels_are_the_same_for_any_train_and_noise():
    short, long = (contaminated_trains(n_echoes, 50, seed=1, snr=np.inf) for n_echoes in (8, 16))
    assert short.signal == pytest.approx(long.signal[:, :8], rel=1e-12)
    noisy = contaminated_trains(8, 50, seed=1)
    assert np.array_equal(noisy.t2_ms, short.t2_ms)
    assert np.array_equal(noisy.b1, short.b1)
    assert noisy.sigma == pytest.approx(np.median(short.signal[:, 0]) / 50)


def test_the_noise_is_rician_of_the_sigma_told():
    many = contaminated_trains(16, 4000, seed=2, snr=20)
    clean = contaminated_trains(16, 4000, seed=2, snr=np.inf)
    second_moment = np.mean(many.signal**2 - clean.signal**2)
    assert second_moment == pytest.approx(2 * many.sigma**2, rel=0.15)
    bright = clean.signal > 10 * many.sigma
    assert np.std((many.signal - clean.signal)[bright]) == pytest.approx(many.sigma, rel=0.02)
