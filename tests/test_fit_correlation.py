"""How many voxels share one noise sample: against noise whose correlation is known, and where anatomy is in the way."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2disc.fit import estimate_design_effect, estimate_sigma, fit_t2
from t2disc.ingest import load_stack
from t2disc.model import EchoStack
from t2disc.simulate import default_study, simulate_scan

TE = 10.0 * np.arange(1, 9)
SIGMA = 10.0


def stack_of(signal: np.ndarray, te: np.ndarray = TE) -> EchoStack:
    return EchoStack(signal=signal.astype(np.float32), echo_times_ms=te, affine=np.diag([0.7, 0.7, 4.0, 1.0]))


def clean_signal(shape: tuple[int, int, int], te: np.ndarray = TE) -> np.ndarray:
    """Smooth anatomy, bright at every echo: T2 60-140 ms over waves of some ten voxels."""
    x, y, z = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    wave = np.sin(x / 9 + z) * np.cos(y / 7 - z)
    return (900 + 300 * wave)[..., None] * np.exp(-te / (100 + 40 * np.sin(y / 11))[..., None])


def white(shape: tuple[int, ...], seed: int = 0, sigma: float = SIGMA) -> np.ndarray:
    """Complex noise of SD sigma in each channel."""
    rng = np.random.default_rng(seed)
    return sigma * (rng.standard_normal(shape) + 1j * rng.standard_normal(shape))


def zero_filled(image: np.ndarray, factor: int = 2) -> np.ndarray:
    """The complex image on a finer grid in plane, as a scanner interpolates: k-space padded with zeros."""
    nx, ny = image.shape[:2]
    padded = np.zeros((factor * nx, factor * ny, *image.shape[2:]), complex)
    padded[:nx, :ny] = np.fft.fftshift(np.fft.fft2(image, axes=(0, 1)), axes=(0, 1))
    padded = np.roll(padded, (-(nx // 2), -(ny // 2)), axis=(0, 1))
    return factor * np.fft.ifft2(padded, axes=(0, 1)) * factor


def smoothed(noise: np.ndarray, kernel: list[float], axis: int) -> np.ndarray:
    return sum(weight * np.roll(noise, k, axis) for k, weight in enumerate(np.array(kernel) / np.linalg.norm(kernel)))


def analytic(kernel: list[float]) -> float:
    """D of white noise through a filter: (sum h)**2 / sum h**2."""
    return float(np.sum(kernel) ** 2 / np.sum(np.square(kernel)))


def scan_of(model: str, n_echoes: int, *, size: str = "small", snr: float = 60.0, b1: float = 0.92) -> EchoStack:
    person = default_study(1, size=size).participants[0]
    visit = person.visits[0]
    te = tuple(10.0 * n for n in range(1, n_echoes + 1))
    acquisition = replace(visit.acquisition, model=model, echo_times_ms=te, snr=snr, b1_mean=b1)
    scan = simulate_scan(person, replace(visit, acquisition=acquisition))
    return stack_of(np.stack([scan.grid.to_nifti_order(image) for image in scan.magnitude], axis=-1), np.array(te))


# ------------------------------------------------------------------------------------------------ truth
@pytest.mark.parametrize("n_echoes", [4, 5, 8, 16])
def test_white_noise_leaves_every_voxel_independent(n_echoes):
    te = 10.0 * np.arange(1, n_echoes + 1)
    stack = stack_of(np.abs(clean_signal((96, 80, 5), te) + white((96, 80, 5, n_echoes))), te)
    assert estimate_design_effect(stack, SIGMA) == pytest.approx((1, 1, 1), abs=0.02)


def test_an_image_zero_filled_to_twice_its_matrix_shares_each_sample_between_two_voxels_in_plane():
    stack = stack_of(np.abs(zero_filled(clean_signal((80, 80, 5)) + white((80, 80, 5, 8)))))
    dx, dy, dz = estimate_design_effect(stack, SIGMA)
    assert (dx, dy) == pytest.approx((2, 2), rel=0.05)
    assert dz == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("kernel", [[1, 1], [1, 2, 1], [1, 1, 1], [1, 3, 4, 3, 1]])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_filter_has_its_own_design_effect_along_its_axis_only(kernel, axis):
    shape = (112, 96, 5)
    stack = stack_of(np.abs(clean_signal(shape) + smoothed(white((*shape, 8)), kernel, axis)))
    expected = [1.0, 1.0, 1.0]
    expected[axis] = analytic(kernel)
    assert estimate_design_effect(stack, SIGMA) == pytest.approx(expected, rel=0.03)


def test_slices_that_are_interpolated_are_seen():
    shape = (96, 96, 12)
    stack = stack_of(np.abs(clean_signal(shape) + smoothed(white((*shape, 8)), [1, 1], 2)))
    assert estimate_design_effect(stack, SIGMA) == pytest.approx((1, 1, 2), rel=0.03)


def test_the_standard_error_of_a_mean_is_what_the_design_effect_says():
    """Not the formula but the thing itself: means over blocks of a zero-filled image scatter by sqrt(D) more."""
    image = np.abs(zero_filled(1000.0 + white((320, 320, 1, 5), seed=3)))
    blocks = image.reshape(20, 32, 20, 32, 5).mean(axis=(1, 3))
    scatter = blocks.var(axis=(0, 1), ddof=1).mean() / image.var(axis=(0, 1)).mean()
    dx, dy, _ = estimate_design_effect(stack_of(image, 10.0 * np.arange(1, 6)), SIGMA)
    assert scatter * 32 * 32 == pytest.approx(dx * dy, rel=0.12)


# ------------------------------------------------------------------------------------------------ anatomy
@pytest.mark.parametrize(("n_echoes", "snr", "b1"), [(16, 60, 0.92), (16, 200, 0.75), (8, 60, 0.92), (6, 60, 0.75)])
def test_stimulated_echoes_and_partial_volume_do_not_pass_for_correlated_noise(n_echoes, snr, b1):
    stack = scan_of("epg", n_echoes, snr=snr, b1=b1)
    assert estimate_design_effect(stack, estimate_sigma(stack).sigma) == pytest.approx((1, 1, 1), abs=0.05)


def test_with_four_echoes_anatomy_is_taken_for_little():
    stack = scan_of("epg", 4)
    assert max(estimate_design_effect(stack, estimate_sigma(stack).sigma)) < 1.3


def test_noise_that_differs_over_the_image_is_as_independent():
    """Parallel imaging amplifies noise in the middle; the correlation is that of the noise all the same."""
    shape = (112, 96, 5)
    amplified = 0.5 + np.exp(-(((np.arange(112) - 56) / 25) ** 2))[:, None, None, None]
    stack = stack_of(np.abs(clean_signal(shape) + amplified * smoothed(white((*shape, 8)), [1, 2, 1], 1)))
    assert estimate_design_effect(stack, SIGMA) == pytest.approx((1, analytic([1, 2, 1]), 1), rel=0.03)


def test_a_real_scan_is_filtered_in_plane_and_not_through_its_slices(shared):
    """The header of this knee says 256 x 256 acquired and stored: without the signals nobody would know."""
    stack = load_stack(shared / "real_dicom" / "ge_mese_knee_8echo_be")
    dx, dy, dz = estimate_design_effect(stack, estimate_sigma(stack).sigma)
    assert (dx, dy) == pytest.approx((1.6, 1.6), abs=0.15)
    assert dz == pytest.approx(1, abs=0.05)


# ------------------------------------------------------------------------------------------------ symmetries
@given(factor=st.floats(0.01, 100), axes=st.permutations(range(3)), flips=st.tuples(*[st.booleans()] * 2))
@settings(max_examples=10)
def test_it_follows_the_axes_and_knows_no_unit(factor, axes, flips):
    shape = (40, 48, 5)
    signal = np.abs(clean_signal(shape) + smoothed(white((*shape, 8)), [1, 1], 0))
    once = estimate_design_effect(stack_of(signal), SIGMA)
    x, y, z = (axes.index(a) for a in range(3))
    if z == 2:  # the slices stay the slices
        turned = np.flip(signal, [a for a, flip in enumerate(flips) if flip]).transpose(*axes, 3)
        again = estimate_design_effect(stack_of(factor * turned), factor * SIGMA)
        assert (again[x], again[y], again[z]) == pytest.approx(once, abs=0.02)


def test_memory_layout_changes_no_bit():
    signal = np.abs(clean_signal((48, 40, 5)) + smoothed(white((48, 40, 5, 8)), [1, 2, 1], 0)).astype(np.float32)
    layouts = [
        signal,
        np.asfortranarray(signal),
        np.ascontiguousarray(signal.transpose(2, 3, 0, 1)).transpose(2, 3, 0, 1),
    ]
    assert len({estimate_design_effect(stack_of(layout), SIGMA) for layout in layouts}) == 1


# ------------------------------------------------------------------------------------------------ what cannot be told
@pytest.mark.parametrize("sigma", [np.nan, 0.0])
def test_without_sigma_it_is_unknown(sigma):
    signal = np.abs(clean_signal((48, 40, 5)) + white((48, 40, 5, 8)))
    assert np.isnan(estimate_design_effect(stack_of(signal), sigma)).all()


def test_three_echoes_are_too_few():
    signal = np.abs(clean_signal((48, 40, 5)) + white((48, 40, 5, 8)))
    assert np.isnan(estimate_design_effect(stack_of(signal[..., :3], TE[:3]), SIGMA)).all()


def test_a_dark_or_tiny_stack_cannot_tell():
    assert np.isnan(estimate_design_effect(stack_of(np.abs(white((48, 40, 5, 8)))), SIGMA)).all()
    assert np.isnan(estimate_design_effect(stack_of(clean_signal((6, 5, 2))), SIGMA)).all()


def test_anatomy_that_outweighs_the_noise_is_not_called_noise():
    """Four pools in every voxel leave no combination of four echoes free of them."""
    te = TE[:4]
    x, y, z = np.meshgrid(np.arange(96), np.arange(80), np.arange(5), indexing="ij")
    pools = ((20, x // 24), (50, y // 20), (150, (x + y) // 30), (2000, z + (x - y) // 25))
    signal = sum((20 + 10 * (block % 2))[..., None] * 1e4 * np.exp(-te / t2) for t2, block in pools)
    signal = np.abs(signal + white((96, 80, 5, 4), sigma=1.0))
    assert np.isnan(estimate_design_effect(stack_of(signal, te), 1.0)).all()


def test_a_single_slice_has_no_neighbour_through_the_slices():
    dx, dy, dz = estimate_design_effect(stack_of(np.abs(clean_signal((96, 96, 1)) + white((96, 96, 1, 8)))), SIGMA)
    assert (dx, dy) == pytest.approx((1, 1), abs=0.02)
    assert dz == 1


def test_voxels_that_are_not_finite_are_left_out():
    signal = np.abs(clean_signal((96, 80, 5)) + white((96, 80, 5, 8)))
    signal[::7, ::5, :, 2] = np.nan
    assert estimate_design_effect(stack_of(signal), SIGMA) == pytest.approx((1, 1, 1), abs=0.02)


# ------------------------------------------------------------------------------------------------ in the fit
def test_the_fit_records_it_beside_sigma():
    stack = stack_of(np.abs(zero_filled(clean_signal((40, 40, 5)) + white((40, 40, 5, 8)))))
    noise = fit_t2(stack).noise
    assert noise.design_effect == estimate_design_effect(stack, noise.sigma)
    assert noise.voxels_per_sample == pytest.approx(4, rel=0.1)


def test_a_clinical_volume_takes_less_than_half_a_second():
    signal = np.tile(np.abs(clean_signal((96, 96, 15), TE) + white((96, 96, 15, 8))).astype(np.float32), (4, 4, 1, 2))
    stack = stack_of(signal, 10.0 * np.arange(1, 17))
    start = time.process_time()
    estimate_design_effect(stack, SIGMA)
    assert time.process_time() - start < 1.5  # 0.25 s on an idle core; the runner may be busy
