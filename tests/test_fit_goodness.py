"""Goodness of fit: what its numbers are on a model's own data, what they catch, and when there is none."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from trains import cpmg_trains

from t2disc.errors import ArgumentInvalid, ModelUnknown
from t2disc.fit import expected_signal, fit_t2, judge_fit, mono_signal
from t2disc.fit.likelihood import magnitude_mean, magnitude_moments
from t2disc.fit.models import Model, find_model
from t2disc.fit.train import echo_train
from t2disc.model import EchoChoice, EchoStack, FitQuality, Flag, ModelOptions, NoiseEstimate, T2Map

MAPS = ("chi2_red", "r2", "odd_even", "decay_variance")
MODELS = ("mono", "wls", "loglinear", "rician", "mono-offset", "epg", "epg-rician")
SIGMA = 20.0
AFFINE = np.diag([0.5, 0.5, 4.0, 1.0])


def times(n_echoes: int) -> np.ndarray:
    return 10.0 * np.arange(1, n_echoes + 1)


def stack_of(signal: np.ndarray, te: np.ndarray | None = None) -> EchoStack:
    """(V, E) signals as a volume; V a multiple of 100."""
    te = times(signal.shape[-1]) if te is None else te
    return EchoStack(signal=signal.reshape(-1, 10, 10, te.size).astype(np.float32), echo_times_ms=te, affine=AFFINE)


def noisy(clean: np.ndarray, seed: int = 0, *, is_rician: bool = False) -> np.ndarray:
    rng = np.random.default_rng(seed)
    real = clean + rng.normal(0, SIGMA, clean.shape)
    return np.hypot(real, rng.normal(0, SIGMA, clean.shape)) if is_rician else real


def decays(n_echoes: int, snr: float, n: int = 20_000, seed: int = 1) -> np.ndarray:
    """T2 30-150 ms, all of one SNR at the first echo."""
    t2_ms = np.random.default_rng(seed).uniform(30, 150, n)
    return snr * SIGMA * np.exp(-10.0 * np.arange(n_echoes) / t2_ms[:, None])


def trains(n_echoes: int, snr: float, b1: tuple[float, float], n: int = 20_000, seed: int = 2) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return snr * SIGMA * cpmg_trains(rng.uniform(40, 150, n), rng.uniform(*b1, n), n_echoes, t1_ms=1000)


def judged(stack: EchoStack, model: str = "mono", **settings) -> FitQuality:
    return judge_fit(stack, fit_t2(stack, model=model, **{"sigma": SIGMA, **settings}))


def map_by_hand(t2_ms: float, s0: float, te: np.ndarray, **changes) -> T2Map:
    one = np.ones((1, 1, 1), np.float32)
    fitted = T2Map(
        t2_ms=t2_ms * one,
        s0=s0 * one,
        t2_se_ms=one,
        flag=np.zeros((1, 1, 1), np.uint8),
        affine=AFFINE,
        echo_times_ms=te,
        model="mono",
        noise=NoiseEstimate(sigma=SIGMA, method="given"),
    )
    return replace(fitted, **changes)


def voxel(signal: np.ndarray, te: np.ndarray) -> EchoStack:
    return EchoStack(signal=signal.reshape(1, 1, 1, -1), echo_times_ms=te, affine=AFFINE)


# ------------------------------------------------------------------------------------------------ the law
@pytest.mark.parametrize("n_echoes", [4, 8, 16])
def test_on_its_own_data_the_mean_chi_square_of_mono_is_1(n_echoes):
    quality = judged(stack_of(noisy(decays(n_echoes, 50.0))))
    share = np.sqrt(2 / (n_echoes - 2) / 20_000)
    assert np.nanmean(quality.chi2_red) == pytest.approx(1, abs=4 * share)
    assert (quality.degrees_of_freedom == n_echoes - 2).all()
    assert abs(np.nanmean(quality.odd_even)) < 5e-4


@pytest.mark.parametrize("n_echoes", [8, 16])
def test_at_snr_10_that_of_rician_is_1_in_the_noise_of_magnitudes_and_that_of_mono_is_not(n_echoes):
    stack = stack_of(noisy(decays(n_echoes, 10.0), is_rician=True))
    error = np.sqrt(2 / (n_echoes - 2) / 20_000)
    assert np.nanmean(judged(stack, "rician").chi2_red) == pytest.approx(1, abs=4 * error)
    assert abs(np.nanmean(judged(stack).chi2_red) - 1) > 4 * error


@pytest.mark.parametrize(("b1", "tolerance"), [((0.7, 0.9), 0.01), ((1.0, 1.0), 0.015)])
@pytest.mark.parametrize("model", ["epg", "epg-rician"])
def test_that_of_epg_is_1_inside_and_where_b1_rests_on_its_bound(model, b1, tolerance):
    quality = judged(stack_of(noisy(trains(8, 50.0, b1), is_rician=True)), model)
    assert np.nanmean(quality.chi2_red) == pytest.approx(1, abs=tolerance)
    at_bound = np.mean(quality.degrees_of_freedom == 6)
    assert at_bound == pytest.approx(0.5, abs=0.1) if b1[0] == 1.0 else at_bound < 0.05


def test_of_several_channels_it_is_1_too():
    clean, rng = decays(8, 12.0), np.random.default_rng(3)
    power = sum((clean / 2 + rng.normal(0, SIGMA, clean.shape)) ** 2 for _ in range(4))
    power = power + sum(rng.normal(0, SIGMA, clean.shape) ** 2 for _ in range(4))
    quality = judged(stack_of(np.sqrt(power)), "rician", options=ModelOptions(n_channels=4))
    assert np.nanmean(quality.chi2_red) == pytest.approx(1, abs=0.02)


def test_where_the_model_is_right_decay_variance_tells_the_noise_whatever_the_number_of_echoes():
    for n_echoes in (4, 8, 16):
        quality = judged(stack_of(noisy(decays(n_echoes, 50.0))))
        assert np.nanmean(quality.decay_variance) == pytest.approx(50.0**-2, rel=0.02)


# ------------------------------------------------------------------------------------------------ hand calculations
def test_every_number_of_an_alternating_train_is_that_of_a_hand_calculation():
    te = times(6)
    fitted = 1000 * np.exp(-te / 60)
    signs = np.array([-1, 1, -1, 1, -1, 1])
    measured = fitted * (1 + 0.05 * signs)
    quality = judge_fit(voxel(measured, te), map_by_hand(60, 1000, te))
    squares = 0.05**2 * np.sum(fitted**2)
    assert quality.odd_even.item() == pytest.approx(0.05, rel=1e-5)
    assert quality.chi2_red.item() == pytest.approx(squares / SIGMA**2 / 4, rel=1e-5)
    assert quality.r2.item() == pytest.approx(1 - squares / np.sum((measured - measured.mean()) ** 2), rel=1e-6)
    assert quality.decay_variance.item() == pytest.approx(squares / 4 / fitted[0] ** 2, rel=1e-5)
    assert judge_fit(voxel(2 * fitted - measured, te), map_by_hand(60, 1000, te)).odd_even.item() == pytest.approx(
        -0.05, rel=1e-5
    )


def test_echoes_count_as_odd_or_even_by_their_number_in_the_train():
    te = times(8)
    measured = 1000 * np.exp(-te / 60) * (1 + 0.05 * (-1.0) ** np.arange(1, 9))
    quality = judge_fit(voxel(measured, te), map_by_hand(60, 1000, te[1:]))
    assert quality.odd_even.item() == pytest.approx(0.05, rel=1e-5)
    assert quality.degrees_of_freedom.item() == 5


def test_a_weak_signal_of_a_noise_floor_model_is_held_against_the_mean_magnitude():
    te = times(6)
    floor = np.sqrt(np.pi / 2) * SIGMA
    quality = judge_fit(voxel(np.full(6, floor), te), map_by_hand(60, 1e-3, te, model="rician"))
    assert quality.chi2_red.item() == pytest.approx(0, abs=1e-6)
    off = judge_fit(voxel(np.full(6, floor + SIGMA), te), map_by_hand(60, 1e-3, te, model="rician"))
    assert off.chi2_red.item() == pytest.approx(6 / (2 - np.pi / 2) / 4, rel=1e-5)


# ------------------------------------------------------------------------------------------------ what it catches
@pytest.mark.parametrize("model", MODELS)
def test_a_noise_free_curve_of_the_model_itself_is_perfect(model):
    n = 400
    t2_ms = np.linspace(20, 60, n)
    clean = 1000 * np.exp(-times(12) / t2_ms[:, None])
    if model.startswith("epg"):
        clean = 1000 * cpmg_trains(t2_ms, np.linspace(0.7, 0.9, n), 12, t1_ms=1000)
    if model == "mono-offset":
        clean = clean + 30
    quality = judged(stack_of(clean), model, sigma=0.01, min_snr=0)
    assert np.isfinite(quality.r2).mean() > (0.8 if model == "mono-offset" else 0.99)  # its guard against long T2
    assert np.nanmin(quality.r2) > 1 - 1e-7
    assert np.nanmax(np.abs(quality.odd_even)) < 1e-4
    assert np.nanmax(quality.decay_variance) < 1e-9


@pytest.mark.parametrize(("n_echoes", "least"), [(6, 0.03), (8, 0.025), (16, 0.02)])
def test_imperfect_refocusing_makes_even_echoes_high_to_mono_and_not_to_epg(n_echoes, least):
    stack = stack_of(trains(n_echoes, 50.0, (0.8, 0.8), 1000))
    odd_even = judged(stack).odd_even
    assert odd_even.min() > least
    assert odd_even.max() < 0.08
    assert np.nanmax(np.abs(judged(stack, "epg").odd_even)) < 1e-4


def test_a_smooth_misfit_is_seen_by_chi_square_and_gives_a_small_negative_index():
    two_pools = 1000 * (np.exp(-times(8) / 30) + np.exp(-times(8) / 150)) * np.ones((100, 1))
    quality = judged(stack_of(two_pools), sigma=5.0)
    assert quality.chi2_red.min() > 3
    assert -0.02 < quality.odd_even.max() < 0


@pytest.mark.parametrize("model", ["mono", "rician", "epg"])
def test_scaling_the_signal_and_its_noise_changes_nothing(model):
    signal = noisy(trains(8, 30.0, (0.7, 0.9), 1000), is_rician=True)
    one, other = judged(stack_of(signal), model), judged(stack_of(64 * signal), model, sigma=64 * SIGMA)
    for name in MAPS:
        np.testing.assert_allclose(getattr(other, name), getattr(one, name), rtol=2e-3, atol=1e-5)


# ------------------------------------------------------------------------------------------------ missing
def test_a_voxel_without_t2_has_no_quality_and_is_counted_nowhere():
    signal = noisy(decays(8, 50.0, 1000))
    signal[::7] = 1.0
    stack = stack_of(signal)
    t2map = fit_t2(stack, sigma=SIGMA)
    quality = judge_fit(stack, t2map)
    for name in MAPS:
        np.testing.assert_array_equal(np.isfinite(getattr(quality, name)), t2map.flag == Flag.OK)
    np.testing.assert_array_equal(quality.degrees_of_freedom, np.where(t2map.flag == Flag.OK, 6, 0))


@pytest.mark.parametrize(
    ("n_echoes", "echoes", "has_index"),
    [
        (3, EchoChoice(), False),
        (4, EchoChoice(), True),
        (5, EchoChoice(skip_first=1), True),
        (8, EchoChoice(even_only=True), False),
        (8, EchoChoice(numbers=(1, 2, 4, 6)), False),
        (8, EchoChoice(numbers=(1, 2, 5, 6)), True),
    ],
)
def test_an_alternation_is_told_from_two_odd_and_two_even_echoes_up(n_echoes, echoes, has_index):
    quality = judged(stack_of(noisy(decays(n_echoes, 50.0, 100))), echoes=echoes)
    assert np.isfinite(quality.odd_even).all() == has_index
    assert np.isfinite(quality.odd_even).any() == has_index
    assert np.isfinite(quality.r2).all()


def test_two_echoes_leave_nothing_to_judge_by():
    quality = judged(stack_of(decays(2, 50.0, 100)))
    assert all(np.isnan(getattr(quality, name)).all() for name in MAPS)


def test_without_sigma_there_is_no_chi_square_and_all_else():
    stack = stack_of(noisy(decays(8, 50.0, 100)))
    t2map = replace(fit_t2(stack, sigma=SIGMA), noise=NoiseEstimate(sigma=np.nan, method="none"))
    quality = judge_fit(stack, t2map)
    assert np.isnan(quality.chi2_red).all()
    assert all(np.isfinite(getattr(quality, name)).all() for name in MAPS[1:])
    with pytest.raises(ArgumentInvalid, match="without sigma"):
        judge_fit(stack, replace(t2map, model="rician"))


@pytest.mark.parametrize("model", ["mono", "rician", "epg-rician"])
def test_where_echoes_are_dropped_voxel_by_voxel_each_is_judged_by_its_own(model):
    signal = noisy(trains(12, 20.0, (0.7, 0.9), 2000), is_rician=True)
    signal[:50, -1] = np.nan  # behind where most of them end
    stack = stack_of(signal)
    t2map = fit_t2(stack, model=model, sigma=SIGMA, echoes=EchoChoice(drop_below=3.0))
    quality = judge_fit(stack, t2map)
    assert np.unique(t2map.n_echoes).size > 4
    for n_echoes in np.unique(t2map.n_echoes[t2map.flag == Flag.OK]):
        own = (t2map.n_echoes == n_echoes) & (t2map.flag == Flag.OK)
        alone = judge_fit(stack, replace(t2map, echo_times_ms=times(int(n_echoes)), n_echoes=None))
        for name in (*MAPS, "degrees_of_freedom"):
            np.testing.assert_allclose(getattr(quality, name)[own], getattr(alone, name)[own], rtol=1e-5)


def test_b1_from_a_map_is_no_unknown():
    stack = stack_of(noisy(trains(8, 50.0, (1.1, 1.1), 1000)))
    t2map = fit_t2(stack, model="epg", sigma=SIGMA, b1=np.full(stack.shape, 1.1))
    quality = judge_fit(stack, t2map, is_b1_given=True)
    assert (quality.degrees_of_freedom == 6).all()
    assert np.nanmean(quality.chi2_red) == pytest.approx(1, abs=0.08)
    for model, given in (("epg", False), ("epg-rician", False)):
        with pytest.raises(ArgumentInvalid):
            judge_fit(stack, replace(t2map, model=model, degrees_of_freedom=np.nan), is_b1_given=given)
    with pytest.raises(ArgumentInvalid, match="degrees of freedom"):
        judge_fit(stack, fit_t2(stack, model="epg", sigma=SIGMA), is_b1_given=True)


def test_another_stack_another_map_and_a_model_without_curve_are_refused(monkeypatch):
    stack = stack_of(noisy(decays(8, 50.0, 200)))
    t2map = fit_t2(stack, sigma=SIGMA)
    other_times = EchoStack(signal=stack.signal, echo_times_ms=times(8) + 1, affine=AFFINE)
    for other in (stack_of(noisy(decays(8, 50.0, 100))), other_times):
        with pytest.raises(ArgumentInvalid):
            judge_fit(other, t2map)
    with pytest.raises(ModelUnknown):
        judge_fit(stack, replace(t2map, model="none-such"))
    silent = Model(name="silent", algorithm="", reference="", solver=find_model("mono").solver)
    monkeypatch.setitem(find_model.__globals__["_MODELS"], "silent", silent)
    with pytest.raises(ArgumentInvalid, match="without a curve"):
        judge_fit(stack, replace(t2map, model="silent"))
    with pytest.raises(ArgumentInvalid, match="third"):
        judge_fit(stack, replace(t2map, model="epg"))


# ------------------------------------------------------------------------------------------------ blocks and memory
@pytest.mark.parametrize("model", ["mono", "rician", "epg"])
def test_slabs_blocks_and_memory_layouts_leave_the_maps_as_they_are(monkeypatch, model):
    signal = noisy(trains(8, 30.0, (0.7, 0.9), 1000), is_rician=True)
    signal[::9] = 1.0
    stack = stack_of(signal)
    t2map = fit_t2(stack, model=model, sigma=SIGMA)
    reference = judge_fit(stack, t2map)
    planes = np.ascontiguousarray(stack.signal.transpose(3, 2, 1, 0)).transpose(3, 2, 1, 0)
    for slab, width in ((1, 7168), (300, 64), (10**9, 1)):
        monkeypatch.setattr("t2disc.fit.goodness.SLAB", slab)
        monkeypatch.setattr("t2disc.fit.goodness.WIDTH", width)
        for layout in (stack.signal, planes, np.asfortranarray(stack.signal)):
            quality = judge_fit(stack.replace(signal=layout), t2map)
            for name in (*MAPS, "degrees_of_freedom"):
                assert getattr(quality, name).tobytes("C") == getattr(reference, name).tobytes("C"), name


@pytest.mark.parametrize("order", ["C", "F"])
def test_judging_a_volume_takes_at_most_60_mib_above_the_data(order):
    signal = np.array(
        np.broadcast_to(noisy(decays(16, 50.0, 200)).reshape(200, 1, 1, 16), (200, 256, 15, 16)), order=order
    )
    stack = EchoStack(signal=signal.astype(np.float32), echo_times_ms=times(16), affine=AFFINE)
    t2map = fit_t2(stack, sigma=SIGMA)
    tracemalloc.start()
    judge_fit(stack, t2map)
    peak_mib = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    assert peak_mib <= 60


# ------------------------------------------------------------------------------------------------ expected signal
def test_the_expected_signal_is_the_model_s_own_equation():
    te, t2_ms, s0 = times(10), np.array([40.0, np.nan, 120.0]), np.array([1000.0, 500.0, 800.0])
    train = echo_train(te, n_signals=10)
    np.testing.assert_allclose(expected_signal(t2_ms, s0, train), mono_signal(te, t2_ms, s0), rtol=1e-12)
    lifted = expected_signal(t2_ms, s0, train, model="mono-offset", third=np.array([5.0, 6.0, 7.0]))
    np.testing.assert_allclose(lifted, mono_signal(te, t2_ms, s0) + np.array([[5.0], [6.0], [7.0]]), rtol=1e-12)
    uneven = np.array([8.0, 20.0, 25.0, 60.0, 61.0])
    few = expected_signal(t2_ms, s0, echo_train(uneven, n_signals=5, echoes=EchoChoice(numbers=(1, 2, 4, 5))))
    np.testing.assert_allclose(few, mono_signal(uneven[[0, 1, 3, 4]], t2_ms, s0), rtol=1e-12)


def test_that_of_a_train_with_stimulated_echoes_is_bloch_s():
    rng = np.random.default_rng(5)
    t2_ms, b1 = rng.uniform(20, 300, 200), rng.uniform(0.5, 1.0, 200)
    train = echo_train(times(12), n_signals=12)
    found = expected_signal(t2_ms, np.full(200, 1000.0), train, model="epg", third=b1)
    np.testing.assert_allclose(found, 1000 * cpmg_trains(t2_ms, b1, 12, t1_ms=1000), atol=1e-3)
    with pytest.raises(ArgumentInvalid, match="B1 from"):
        expected_signal(t2_ms, t2_ms, train, model="epg", third=b1 + 0.5)


@pytest.mark.parametrize("n_channels", [1, 4, 16, 64])
def test_mean_and_variance_of_a_magnitude_are_those_of_many_draws_and_of_the_exact_function(n_channels):
    signal = np.array([0.0, 0.5, 3.0, 9.0, 10.0, 29.9, 30.1, 200.0, 1e5])
    mean, variance = magnitude_moments(signal, n_channels)
    np.testing.assert_allclose(mean, magnitude_mean(signal, n_channels), rtol=1e-13, atol=1e-9)
    rng = np.random.default_rng(6)
    for f, m, v in zip(signal[:-1], mean, variance, strict=False):
        drawn = np.sqrt((f + rng.normal(size=40_000)) ** 2 + rng.chisquare(2 * n_channels - 1, 40_000))
        assert drawn.mean() == pytest.approx(m, abs=0.025)
        assert drawn.var() == pytest.approx(v, rel=0.04)
    assert mean[-1] - signal[-1] == pytest.approx(0, abs=1e-3)
    np.testing.assert_array_equal(magnitude_moments(-signal, n_channels)[0], mean)
