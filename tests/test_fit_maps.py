"""Maps of a whole stack: noise, masks, memory layouts and memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from t2disc.errors import ArgumentInvalid, ModelUnknown
from t2disc.fit import estimate_sigma, fit_t2, fit_voxels
from t2disc.model import EchoStack, Flag, NoiseEstimate, T2Map

TE = 10.0 * np.arange(1, 9)


def phantom(
    *,
    sigma: float = 8.0,
    air: float = 0.4,
    shape=(60, 48, 7),
    te=TE,
    n_coils: int = 1,
    whole: bool = True,
    seed: int = 0,
) -> EchoStack:
    """Tissue of T2 30-150 ms in the first columns, air in the others; Rician, or chi noise of several coils."""
    rng = np.random.default_rng(seed)
    t2 = rng.uniform(30.0, 150.0, shape)
    s0 = rng.uniform(300.0, 1500.0, shape)
    s0[round(shape[0] * (1 - air)) :] = 0.0
    clean = s0[..., None] * np.exp(-te / t2[..., None]) / np.sqrt(n_coils)
    power = sum(
        (clean + rng.normal(0, sigma, clean.shape)) ** 2 + rng.normal(0, sigma, clean.shape) ** 2
        for _ in range(n_coils)
    )
    signal = np.sqrt(power)
    return stack_of(np.round(signal) if whole else signal, te)


def stack_of(signal: np.ndarray, te=TE) -> EchoStack:
    return EchoStack(signal=signal.astype(np.float32), echo_times_ms=te, affine=np.diag([0.5, 0.5, 4.0, 1.0]))


def assert_same(one: T2Map, other: T2Map) -> None:
    for name in ("t2_ms", "s0", "t2_se_ms", "flag"):
        assert getattr(one, name).tobytes("C") == getattr(other, name).tobytes("C"), name


# ------------------------------------------------------------------------------------------------ noise
@pytest.mark.parametrize("n_echoes", [3, 8, 16])
@pytest.mark.parametrize("sigma", [2.0, 8.0, 25.0])
@pytest.mark.parametrize("air", [0.1, 0.4, 0.8])
def test_sigma_is_found_in_the_air_within_three_percent(n_echoes, sigma, air):
    te = 10.0 * np.arange(1, n_echoes + 1)
    noise = estimate_sigma(phantom(sigma=sigma, air=air, te=te))
    assert noise.method == "background"
    assert noise.sigma == pytest.approx(sigma, rel=0.03)
    assert noise.n_voxels > 0.5 * air * 60 * 48 * 7


@pytest.mark.parametrize("n_echoes", [3, 8, 16])
def test_sigma_comes_from_the_residual_when_the_air_is_blanked_or_absent(n_echoes):
    te = 10.0 * np.arange(1, n_echoes + 1)
    signal = phantom(te=te).signal.copy()
    signal[36:] = 0.0
    for changed in (signal, signal[:36]):
        noise = estimate_sigma(stack_of(changed, te))
        assert noise.method == "residual"
        assert noise.sigma == pytest.approx(8.0, rel=0.05)


def test_air_of_several_coils_is_not_taken_for_that_of_one():
    noise = estimate_sigma(phantom(n_coils=4))
    assert noise.method == "residual"
    assert noise.sigma == pytest.approx(8.0, rel=0.05)


def test_nothing_to_estimate_sigma_from_is_said():
    for stack in (stack_of(np.zeros((20, 20, 4, 8))), stack_of(np.full((20, 20, 4, 8), np.nan))):
        noise = estimate_sigma(stack)
        assert noise.method == "none"
        assert np.isnan(noise.sigma)
        assert (fit_t2(stack).flag != Flag.OK).all()


@pytest.mark.parametrize(
    "told",
    [
        {"sigma": 50.0, "noise": NoiseEstimate(sigma=10.0, method="given")},
        {"sigma": 50.0, "noise": "background"},
        {"sigma": 50.0, "noise": "foo"},
        {"noise": "foo"},
        {"noise": None},
        {"noise": 12.0},
    ],
    ids=["two-sigmas", "given-and-estimated", "given-and-nonsense", "nonsense", "none", "number"],
)
def test_sigma_is_told_once_and_its_source_is_one_that_there_is(told):
    with pytest.raises(ArgumentInvalid, match=r"\[argument-invalid\] found .*(sigma|noise)"):
        fit_t2(stack_of(np.ones((2, 2, 2, 8))), **told)


# ------------------------------------------------------------------------------------------------ maps
def test_every_voxel_of_the_map_is_that_of_the_list():
    stack = phantom()
    t2map = fit_t2(stack)
    fit = fit_voxels(stack.signal.reshape(-1, 8), TE, sigma=t2map.noise.sigma)
    np.testing.assert_array_equal(t2map.flag, fit.flag.reshape(stack.shape))
    np.testing.assert_array_equal(t2map.t2_ms, fit.t2_ms.reshape(stack.shape).astype(np.float32))
    np.testing.assert_array_equal(t2map.t2_se_ms, fit.t2_se_ms.reshape(stack.shape).astype(np.float32))
    assert (t2map.flag[36:] == Flag.LOW_SNR).all()
    assert (t2map.flag[:36] == Flag.OK).mean() > 0.99
    np.testing.assert_array_equal(t2map.affine, stack.affine)


def test_memory_layout_and_slabs_leave_the_maps_as_they_are(monkeypatch):
    stack = phantom()
    reference = fit_t2(stack)
    planes = np.ascontiguousarray(stack.signal.transpose(3, 2, 1, 0))
    wide = np.zeros((62, 50, 9, 8), np.float32)
    wide[1:-1, 1:-1, 1:-1] = stack.signal
    layouts = [planes.transpose(3, 2, 1, 0), np.asfortranarray(stack.signal), wide[1:-1, 1:-1, 1:-1]]
    for slab in (1, 5000, 10**9):
        monkeypatch.setattr("t2disc.fit.blocks.SLAB", slab)
        for signal in layouts:
            assert_same(fit_t2(stack.replace(signal=signal)), reference)
    flipped = fit_t2(stack.replace(signal=stack.signal[::-1, :, ::-1]))
    ours = reference.flag != Flag.LOW_SNR
    np.testing.assert_array_equal(np.isfinite(flipped.t2_ms[::-1, :, ::-1])[ours], np.isfinite(reference.t2_ms)[ours])


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_mask_leaves_the_rest_nan_and_says_so(order):
    stack = phantom()
    mask = np.zeros(stack.shape, bool, order=order)
    mask[10:20, 5:30, 2:4] = True
    inside, everywhere = fit_t2(stack, mask), fit_t2(stack)
    assert (inside.flag[~mask] == Flag.OUTSIDE_MASK).all()
    assert np.isnan(inside.t2_ms[~mask]).all()
    np.testing.assert_array_equal(inside.t2_ms[mask], everywhere.t2_ms[mask])
    np.testing.assert_array_equal(inside.flag[mask], everywhere.flag[mask])


def test_skipped_echoes_are_recorded():
    t2map = fit_t2(phantom(), skip_first=2)
    np.testing.assert_array_equal(t2map.echo_times_ms, TE[2:])
    assert t2map.model == "mono"


def test_a_mask_of_zeros_and_ones_as_tools_save_it_is_taken():
    stack = phantom(shape=(20, 16, 4))
    mask = np.zeros(stack.shape, bool)
    mask[5:15] = True
    for dtype in (np.uint8, np.float64):
        np.testing.assert_array_equal(fit_t2(stack, mask.astype(dtype)).flag, fit_t2(stack, mask).flag)


def test_wrong_masks_models_and_skips_are_refused():
    stack = phantom(shape=(20, 16, 4))
    for mask in (np.ones((20, 16, 5), bool), np.full(stack.shape, 2), np.full(stack.shape, np.nan)):
        with pytest.raises(ArgumentInvalid):
            fit_t2(stack, mask)
    with pytest.raises(ModelUnknown):
        fit_t2(stack, model="none-such")
    with pytest.raises(ArgumentInvalid):
        fit_t2(stack, skip_first=7)


@pytest.mark.parametrize("order", ["C", "F"])
def test_fitting_a_volume_takes_at_most_100_mib_above_the_data(order):
    rng = np.random.default_rng(0)
    decays = np.exp(-10.0 * np.arange(1, 17) / 80.0)
    values = (1000.0 * decays + rng.normal(0, 10, (200, 1, 1, 16))).astype(np.float32)
    signal = np.array(np.broadcast_to(values, (200, 256, 15, 16)), order=order)
    stack = stack_of(signal, 10.0 * np.arange(1, 17))
    tracemalloc.start()
    fit_t2(stack)
    peak_mib = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    assert peak_mib <= 100
