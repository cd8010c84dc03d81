"""The mono-exponential fit: physics, agreement with an independent least-squares fit, and the figures of the bench."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import curve_fit

from t2disc.fit import fit_voxels, t2_interval_ms
from t2disc.fit.models import Problem, find_model
from t2disc.fit.train import echo_train
from t2disc.model import Flag, VoxelFit

EQUAL_8 = 10.0 * np.arange(1, 9)
EQUAL_16 = 10.0 * np.arange(1, 17)
LATE_START = 23.0 + 7.5 * np.arange(10)
UNEQUAL = np.array([8.0, 17.0, 24.0, 40.0, 66.0, 100.0, 140.0])
TRAINS = [
    pytest.param(EQUAL_8, id="8-equal"),
    pytest.param(EQUAL_16, id="16-equal"),
    pytest.param(LATE_START, id="late-start"),
    pytest.param(UNEQUAL, id="unequal"),
    pytest.param(np.array([12.0, 30.0, 55.0]), id="3-unequal"),
    pytest.param(np.array([12.0, 62.0]), id="2-echoes"),
]


def decay(te: NDArray[np.float64], t2: NDArray[np.float64], s0: float | NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(s0)[..., None] * np.exp(-te / np.asarray(t2)[:, None])


def noisy(
    te: NDArray[np.float64], n: int, sigma: float, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    t2 = rng.uniform(30.0, 200.0, n)
    clean = decay(te, t2, rng.uniform(500.0, 1500.0, n))
    return np.hypot(clean + rng.normal(0, sigma, clean.shape), rng.normal(0, sigma, clean.shape)), t2


def bits(fit: VoxelFit) -> tuple[bytes, ...]:
    return tuple(a.tobytes() for a in (fit.t2_ms, fit.s0, fit.t2_se_ms, fit.flag))


# ------------------------------------------------------------------------------------------------ physics
@pytest.mark.parametrize("te", TRAINS)
def test_noise_free_decays_are_recovered_to_a_millionth(te):
    t2 = np.geomspace(0.15 * max(te[0], te[1] - te[0]), 9.5 * te[-1], 4000)
    s0 = np.geomspace(1e-3, 1e5, 4000)
    fit = fit_voxels(decay(te, t2, s0), te)
    assert (fit.flag == Flag.OK).all()
    np.testing.assert_allclose(fit.t2_ms, t2, rtol=1e-6)
    np.testing.assert_allclose(fit.s0, s0, rtol=1e-6)


@given(scale=st.floats(1e-30, 1e30), seed=st.integers(0, 1000))
def test_scaling_the_signal_leaves_t2_and_scales_s0(scale, seed):
    signal, _ = noisy(UNEQUAL if seed % 2 else EQUAL_8, 40, 30.0, seed)
    te = UNEQUAL if seed % 2 else EQUAL_8
    one, other = fit_voxels(signal, te), fit_voxels(scale * signal, te)
    np.testing.assert_array_equal(one.flag, other.flag)
    np.testing.assert_allclose(other.t2_ms, one.t2_ms, rtol=1e-6)
    np.testing.assert_allclose(other.s0, scale * one.s0, rtol=1e-6)
    np.testing.assert_allclose(other.t2_se_ms, one.t2_se_ms, rtol=1e-3)


@given(scale=st.floats(1e-3, 1e3), seed=st.integers(0, 1000))
def test_scaling_the_echo_times_scales_t2_and_its_error(scale, seed):
    te = UNEQUAL if seed % 2 else LATE_START
    signal, _ = noisy(te, 40, 30.0, seed)
    one, other = fit_voxels(signal, te), fit_voxels(signal, scale * te)
    np.testing.assert_array_equal(one.flag, other.flag)
    np.testing.assert_allclose(other.t2_ms, scale * one.t2_ms, rtol=1e-6)
    np.testing.assert_allclose(other.t2_se_ms, scale * one.t2_se_ms, rtol=1e-3)


@given(seed=st.integers(0, 1000), model=st.sampled_from(["mono", "loglinear"]))
def test_permuting_voxels_commutes_with_fitting(seed, model):
    te = UNEQUAL if seed % 2 else EQUAL_16
    signal, _ = noisy(te, 101, 150.0, seed)
    order = np.random.default_rng(seed).permutation(101)
    fit = fit_voxels(signal, te, model=model)
    there = fit_voxels(signal[order], te, model=model)
    assert bits(there) == tuple(a[order].tobytes() for a in (fit.t2_ms, fit.s0, fit.t2_se_ms, fit.flag))


@pytest.mark.parametrize("model", ["mono", "loglinear", "wls"])
@pytest.mark.parametrize("te", TRAINS)
def test_a_voxel_alone_equals_the_same_voxel_in_any_chunk_order_and_layout(te, model, monkeypatch):
    signal = np.concatenate([noisy(te, 60, 20.0)[0], noisy(te, 60, 400.0)[0], np.full((3, te.size), 7.0)])
    whole = fit_voxels(signal, te, model=model)
    assert len(set(whole.flag.tolist())) > 1, "some voxels are flagged, so that every path is walked"
    alone = [fit_voxels(voxel[None], te, model=model) for voxel in signal]
    joined = tuple(b"".join(part) for part in zip(*map(bits, alone), strict=True))
    assert joined == bits(whole)
    assert bits(fit_voxels(np.asfortranarray(signal), te, model=model)) == bits(whole)
    for block, most_left in ((1, 1024), (7, 3), (64, 0)):
        monkeypatch.setattr("t2disc.fit.run._block", lambda model, backend, width=block: width)
        monkeypatch.setattr("t2disc.fit.blocks.MOST_LEFT", most_left)  # voxels kept for a second pass
        assert bits(fit_voxels(signal, te, model=model)) == bits(whole)


def test_a_block_by_itself_gives_what_both_passes_give_over_many():
    signal = np.concatenate([noisy(EQUAL_8, 60, 20.0)[0], noisy(EQUAL_8, 60, 400.0)[0]])
    solver = find_model("mono").solver(
        Problem(train=echo_train(EQUAL_8, n_signals=8), width=120, wants_covariance=True)
    )
    with np.errstate(all="ignore"):
        block = solver(np.ascontiguousarray(signal.T), None)
    whole = fit_voxels(signal, EQUAL_8, covariance=True)
    ok = block.flag == Flag.OK
    assert (block.flag == whole.flag).all()
    assert 0 < ok.sum() < 120
    for row, told in zip((block.t2_ms, block.s0, block.t2_se_ms), (whole.t2_ms, whole.s0, whole.t2_se_ms), strict=True):
        assert row[ok].tobytes() == told[ok].tobytes()
    for row, told in zip(
        block.covariance, (whole.covariance[:, i, j] for i, j in ((0, 0), (1, 0), (1, 1))), strict=True
    ):
        assert row[ok].tobytes() == told[ok].tobytes()


def test_float32_signals_give_what_their_float64_values_give():
    signal = noisy(EQUAL_8, 500, 20.0)[0].astype(np.float32)
    assert bits(fit_voxels(signal, EQUAL_8)) == bits(fit_voxels(signal.astype(np.float64), EQUAL_8))


def test_t2_far_below_the_first_gap_and_far_above_the_train_is_said_to_be_out_of_range():
    t2 = np.array([0.01, 0.9, 1.1, 790.0, 810.0, 1e5])
    fit = fit_voxels(decay(EQUAL_8, t2, 1e3), EQUAL_8)
    beyond, ok = Flag.BEYOND_ECHO_RANGE, Flag.OK
    assert fit.flag[1:].tolist() == [beyond, ok, ok, beyond, beyond]
    assert fit.flag[0] in (Flag.NO_SIGNAL, beyond)
    assert np.isnan(fit.t2_ms[[0, 1, 4, 5]]).all()


# ------------------------------------------------------------------------------------------------ the right optimum
@pytest.mark.parametrize("te", TRAINS[:5])
def test_it_agrees_with_curve_fit_on_noisy_voxels(te):
    signal, _ = noisy(te, 300, 25.0, seed=3)
    fit = fit_voxels(signal, te)
    chosen = np.flatnonzero(fit.flag == Flag.OK)
    assert chosen.size > 290
    for v in chosen:
        p, cov = curve_fit(lambda t, a, b: a * np.exp(-t / b), te, signal[v], p0=(signal[v, 0], 50.0), xtol=1e-12)
        assert fit.t2_ms[v] == pytest.approx(p[1], rel=1e-5)
        assert fit.s0[v] == pytest.approx(p[0], rel=1e-5)
        assert fit.t2_se_ms[v] == pytest.approx(np.sqrt(cov[1, 1]), rel=1e-3)


@pytest.mark.parametrize("te", TRAINS)
def test_no_t2_on_a_dense_grid_fits_better_even_in_noise(te):
    rng = np.random.default_rng(11)
    clean = decay(te, rng.uniform(5.0, 500.0, 4000), 100.0 * rng.random(4000) ** 2)
    signal = np.hypot(clean + rng.normal(0, 10, clean.shape), rng.normal(0, 10, clean.shape))
    fit = fit_voxels(signal, te)
    ok = fit.flag == Flag.OK
    assert ok.sum() > 1000
    assert set(fit.flag.tolist()) <= {Flag.OK, Flag.NOT_DECAYING, Flag.BEYOND_ECHO_RANGE}
    shortest, longest = 0.1 * max(te[0], te[1] - te[0]), 10 * te[-1]
    grid_ms = np.concatenate([np.geomspace(shortest / 2, longest, 3000), longest * np.geomspace(1, 1e6, 200)[1:]])
    curves = np.exp(-(te - te[0]) / grid_ms[:, None])
    quality = signal @ (curves / np.linalg.norm(curves, axis=1, keepdims=True)).T
    own = np.exp(-(te - te[0]) / fit.t2_ms[ok, None])
    own_quality = (signal[ok] * own).sum(axis=1) / np.linalg.norm(own, axis=1)
    assert (own_quality >= quality[ok].max(axis=1) * (1 - 1e-9)).all()
    best_ms = grid_ms[quality.argmax(axis=1)]
    clearly_inside = (best_ms > 1.01 * shortest) & (best_ms < 0.99 * longest)
    assert ok[clearly_inside].all()


# ------------------------------------------------------------------------------------------------ the bench
def load_bench(shared: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_peers", shared / "bench" / "bench_peers.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("n_echoes", "error_pct", "bias_pct"), [(8, 3.2586, 0.1295), (16, 1.7998, 0.2702)])
def test_the_bench_gives_the_known_error_and_bias_without_failures(shared, n_echoes, error_pct, bias_pct):
    bench = load_bench(shared)
    data, te, mask, t2, _, _ = bench.make_dataset(n_echoes)
    signal, truth = bench.subset(20_000, data, mask, t2)
    fit = fit_voxels(signal, te)
    assert (fit.flag == Flag.OK).all()
    relative = 100 * (fit.t2_ms - truth) / truth
    assert np.median(np.abs(relative)) == pytest.approx(error_pct, abs=5e-5)
    assert np.median(relative) == pytest.approx(bias_pct, abs=5e-5)
    assert np.isfinite(fit.t2_se_ms).all()


def test_it_is_at_least_a_hundred_times_faster_than_curve_fit():
    from time import process_time

    signal, _ = noisy(EQUAL_8, 20_000, 18.0)
    fit_voxels(signal[:16], EQUAL_8)
    start = process_time()
    fit_voxels(signal, EQUAL_8)
    ours = (process_time() - start) / 20_000
    start = process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for y in signal[:100]:
            curve_fit(lambda t, a, b: a * np.exp(-t / b), EQUAL_8, y, p0=(y[0], 50.0))
    assert (process_time() - start) / 100 >= 100 * ours


# ------------------------------------------------------------------------------------------------ uncertainty
@pytest.mark.parametrize("te", [EQUAL_8, EQUAL_16], ids=["8", "16"])
@pytest.mark.parametrize("noise", ["gaussian", "rician"])
def test_95_percent_intervals_cover_the_truth_95_times_in_a_hundred(te, noise):
    rng = np.random.default_rng(5)
    t2 = rng.uniform(30.0, 200.0, 30_000)
    clean = decay(te, t2, 1000.0)
    sigma = np.median(clean[:, 0]) / 50
    signal = clean + rng.normal(0, sigma, clean.shape)
    if noise == "rician":
        signal = np.hypot(signal, rng.normal(0, sigma, clean.shape))
    low, high = t2_interval_ms(fit_voxels(signal, te))
    assert 0.93 <= np.mean((low <= t2) & (t2 <= high)) <= 0.97


def test_two_echoes_give_t2_but_no_standard_error():
    fit = fit_voxels([[100.0, 50.0]], [10.0, 20.0])
    assert fit.flag[0] == Flag.OK
    assert fit.t2_ms[0] == pytest.approx(10.0 / np.log(2.0))
    assert np.isnan(fit.t2_se_ms[0])
