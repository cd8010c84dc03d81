"""The simulated signal against physics and published numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2disc.errors import ArgumentInvalid
from t2disc.simulate import AcquisitionRecipe, cpmg_echoes
from t2disc.simulate.signal import decay_table, loglinear_t2, noisy_channels
from t2disc.simulate.tissues import N_TISSUES, Tissue, tissue_table

PUBLISHED_150_DEG = [0.8442, 0.8247, 0.6979, 0.6743, 0.5812, 0.5489, 0.4846, 0.4477]


def test_cpmg_train_at_150_degrees_gives_the_published_echoes() -> None:
    np.testing.assert_allclose(cpmg_echoes(8, 10.0, 1000.0, 100.0, 150.0), PUBLISHED_150_DEG, atol=5e-5)


@given(t2_ms=st.floats(10, 500), t1_ms=st.floats(500, 4000), spacing_ms=st.floats(4, 20))
def test_perfect_refocusing_leaves_pure_t2_decay(t2_ms: float, t1_ms: float, spacing_ms: float) -> None:
    expected = np.exp(-spacing_ms * np.arange(1, 13) / t2_ms)
    np.testing.assert_allclose(cpmg_echoes(12, spacing_ms, t1_ms, t2_ms, 180.0), expected, rtol=1e-10)


@given(angle=st.floats(60, 180))
def test_first_echo_is_sine_squared_of_half_the_refocusing_angle(angle: float) -> None:
    first = cpmg_echoes(1, 10.0, 1e9, 1e9, angle)[0]
    assert first == pytest.approx(np.sin(np.deg2rad(angle) / 2) ** 2, abs=1e-6)


@given(angle=st.floats(90, 180), t2_ms=st.floats(20, 300))
def test_echoes_lie_below_what_t1_alone_would_leave(angle: float, t2_ms: float) -> None:
    # A stimulated echo spends part of its time along z, where it loses by T1 only; never all of it.
    left_by_t1 = np.exp(-10.0 * np.arange(1, 9) / 1000.0)
    assert (np.abs(cpmg_echoes(8, 10.0, 1000.0, t2_ms, angle)) < left_by_t1).all()


def test_epg_of_many_tissues_equals_epg_of_each() -> None:
    t2_ms, angle = np.array([30.0, 80.0, 200.0]), np.array([[120.0], [180.0]])
    together = cpmg_echoes(6, 9.0, 1000.0, t2_ms, angle)
    assert together.shape == (2, 3, 6)
    np.testing.assert_allclose(together[0, 2], cpmg_echoes(6, 9.0, 1000.0, 200.0, 120.0), rtol=1e-12)


def test_signal_at_a_b1_is_the_extended_phase_graph_at_that_b1() -> None:
    acquisition = AcquisitionRecipe(model="epg", refocusing_deg=180.0, repetition_time_ms=1e9)
    tissues = tissue_table(())
    shares = np.zeros((4, N_TISSUES), np.float32)
    shares[:, Tissue.CORD] = 1.0
    b1 = np.array([1.128, 0.8, 0.972, 0.8], np.float32)
    signal = decay_table(tissues, acquisition).signal(shares, b1)
    density = tissues.proton_density[Tissue.CORD]
    echoes = cpmg_echoes(8, 10.0, tissues.t1_ms[Tissue.CORD], tissues.t2_ms[Tissue.CORD], 180.0 * b1.astype(float))
    expected = density * np.sin(b1[:, None] * np.pi / 2) * echoes
    np.testing.assert_allclose(signal, expected, atol=1e-6)


def test_mono_signal_of_a_pure_tissue_decays_with_its_t2() -> None:
    acquisition = AcquisitionRecipe(echo_times_ms=(7.0, 11.0, 30.0))
    tissues = tissue_table(())
    shares = np.eye(N_TISSUES, dtype=np.float32)[[Tissue.MUSCLE]]
    signal = decay_table(tissues, acquisition).signal(shares, np.ones(1, np.float32))[0]
    assert -23.0 / np.log(signal[2] / signal[0]) == pytest.approx(33.0, rel=1e-5)


def test_epg_refuses_unequal_echo_times() -> None:
    acquisition = AcquisitionRecipe(model="epg", echo_times_ms=(10.0, 20.0, 35.0))
    with pytest.raises(ArgumentInvalid):
        decay_table(tissue_table(()), acquisition)


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(ArgumentInvalid):
        replace(AcquisitionRecipe(), model="bi")


def test_noise_without_signal_is_rayleigh_distributed() -> None:
    sigma = 7.0
    real, imaginary = noisy_channels(np.zeros(200_000, np.float32), sigma, np.random.default_rng(1))
    magnitude = np.hypot(real, imaginary)
    assert magnitude.mean() == pytest.approx(sigma * np.sqrt(np.pi / 2), rel=0.01)
    assert magnitude.std() == pytest.approx(sigma * np.sqrt(2 - np.pi / 2), rel=0.01)


def test_scanner_map_recovers_t2_and_stays_finite_where_nothing_decays() -> None:
    echo_times_ms = np.array([10.0, 20.0, 40.0])
    decaying = 500 * np.exp(-echo_times_ms / 62.0)
    signal = np.stack([decaying, np.full(3, 100.0), np.zeros(3)], axis=1).astype(np.float32)
    assert loglinear_t2(signal, echo_times_ms) == pytest.approx([62.0, 1000.0, 1000.0], rel=1e-4)
