"""The noise floor: the likelihood of magnitudes against its laws, and T2 where the last echoes are noise."""

from __future__ import annotations

import numpy as np
import pytest
from modelled import TE_8, TE_16, decays, noisy, share_covered
from scipy import stats

from t2disc.fit import estimate_sigma, fit_t2, fit_voxels, t2_interval_ms
from t2disc.fit.backend import Backend
from t2disc.fit.likelihood import Magnitude, magnitude_mean
from t2disc.model import EchoStack, Flag, ModelOptions

PLACES = [(35.0, 10.0, 2.0), (35.0, 20.0, 1.0), (60.0, 20.0, 1.0), (60.0, 10.0, 1.0)]
"""T2 in ms, SNR of the first echo, and the greatest bias of the median in per cent when sigma is known."""


def log_density(measured, signal, n_channels):
    """Of a root sum of squares: its square is non-central chi-square."""
    return np.log(2 * measured) + stats.ncx2.logpdf(measured**2, 2 * n_channels, signal**2)


# ------------------------------------------------------------------------------------------------ the likelihood
def test_one_channel_is_rice():
    measured, signal = (grid.ravel() for grid in np.meshgrid(np.linspace(0.05, 12, 25), np.linspace(0.1, 10, 21)))
    rice = stats.rice.logpdf(measured, signal)
    np.testing.assert_allclose(log_density(measured, signal, 1), rice, atol=1e-8)
    assert_score_and_curvature(1, measured, signal, lambda f: stats.rice.logpdf(measured, f))


@pytest.mark.parametrize("n_channels", [1, 2, 4, 16, 64])
def test_several_channels_are_non_central_chi(n_channels):
    middle = np.sqrt(2 * n_channels)
    signal = np.linspace(0.1, 10, 21)
    measured, signal = (grid.ravel() for grid in np.meshgrid(middle + np.linspace(-1, 8, 25), signal))
    assert_score_and_curvature(n_channels, measured, signal, lambda f: log_density(measured, f, n_channels))


def assert_score_and_curvature(n_channels, measured, signal, density):
    """Against central differences; the cost against the density itself, but for a constant of each measurement."""
    seen = Magnitude(n_channels, Backend()).observer()
    score, hidden = seen.score(measured, signal)
    step = 2e-3
    at = [density(signal + k * step) for k in (-2, -1, 0, 1, 2)]
    np.testing.assert_allclose(score, (8 * (at[3] - at[1]) - (at[4] - at[0])) / (12 * step), atol=1e-6)
    bend = (16 * (at[3] + at[1]) - (at[4] + at[0]) - 30 * at[2]) / (12 * step**2)
    np.testing.assert_allclose(hidden - 1, bend, atol=1e-4)
    other = Magnitude(n_channels, Backend()).observer()
    other.score(measured, signal + 0.5)
    np.testing.assert_allclose(seen.cost(0) - other.cost(0), density(signal + 0.5) - at[2], atol=1e-6)


def test_far_above_the_noise_the_score_is_the_residual_and_little_is_hidden():
    signal = np.geomspace(1e2, 1e12, 60)
    score, hidden = Magnitude(1, Backend()).observer().score(signal + 1.0, signal)
    assert (np.abs(score - 1) <= 1e-2 + 4e-16 * signal).all()
    np.testing.assert_allclose(hidden, 1 / (2 * signal**2), rtol=0.05)


def test_the_mean_magnitude_is_that_of_rice_and_of_simulated_coils():
    signal = np.linspace(0, 35, 71)
    np.testing.assert_allclose(
        magnitude_mean(signal[::7]), [stats.rice.expect(args=(f,)) for f in signal[::7]], rtol=1e-5
    )
    for n_channels in (2, 8):
        drawn = noisy(np.full((200_000, 1), 3.0), 1.0, n_channels=n_channels).mean()
        assert magnitude_mean(np.array([3.0]), n_channels)[0] == pytest.approx(drawn, rel=2e-3)


# ------------------------------------------------------------------------------------------------ bias
@pytest.mark.parametrize(("t2_ms", "snr", "bias_pct"), PLACES)
def test_with_sigma_known_short_t2_at_low_snr_is_hardly_biased(t2_ms, snr, bias_pct):
    signal = noisy(np.repeat(decays(TE_16, t2_ms), 30_000, axis=0), 1000 / snr)
    fit = fit_voxels(signal, TE_16, model="rician", sigma=1000 / snr)
    assert (fit.flag == Flag.OK).mean() > 0.99
    assert abs(100 * (np.nanmedian(fit.t2_ms) / t2_ms - 1)) <= bias_pct
    assert 0.93 <= share_covered(*t2_interval_ms(fit), t2_ms) <= 0.97
    mono = fit_voxels(signal, TE_16)
    assert 100 * (np.nanmedian(mono.t2_ms) / t2_ms - 1) > 2 * bias_pct, "what the model is for"


def stack(t2_ms, snr, *, has_air, n_channels=1):
    """A block of one tissue, its brightness varied by a fifth; SNR is that of its median; air around it or none."""
    shape = (56, 40, 7)
    brightness = np.random.default_rng(1).uniform(0.8, 1.2, shape)
    if has_air:
        brightness[34:] = 0.0
    clean = brightness[..., None] * decays(TE_16, t2_ms)[0]
    signal = noisy(clean, 1000 / snr, 2, n_channels).astype(np.float32)
    return EchoStack(signal=signal, echo_times_ms=TE_16, affine=np.eye(4)), brightness > 0


@pytest.mark.parametrize("has_air", [True, False], ids=["air", "no air"])
@pytest.mark.parametrize(("t2_ms", "snr", "bias_pct"), PLACES)
def test_with_sigma_estimated_the_bias_is_at_most_twice_that(t2_ms, snr, bias_pct, has_air):
    volume, tissue = stack(t2_ms, snr, has_air=has_air)
    t2map = fit_t2(volume, tissue, "rician", noise="auto" if has_air else "residual", min_snr=3.0)
    assert t2map.noise.method == ("background" if has_air else "residual")
    assert t2map.noise.sigma == pytest.approx(1000 / snr, rel=0.03)
    assert abs(100 * (np.nanmedian(t2map.t2_ms) / t2_ms - 1)) <= 2 * bias_pct


@pytest.mark.parametrize("n_channels", [4, 16])
def test_several_coils_need_to_be_told_and_are_then_unbiased(n_channels):
    volume, tissue = stack(40.0, 15.0, has_air=True, n_channels=n_channels)
    told, untold = (ModelOptions(n_channels=n) for n in (n_channels, 1))
    fit = fit_t2(volume, tissue, "rician", options=told)
    assert fit.noise.method == "background"
    assert fit.noise.sigma == pytest.approx(1000 / 15, rel=0.03)
    assert abs(np.nanmedian(fit.t2_ms) / 40 - 1) <= 0.02
    wrong = fit_t2(volume, tissue, "rician", options=untold, sigma=1000 / 15)
    assert np.nanmedian(wrong.t2_ms) / 40 - 1 > 0.05


def test_the_residual_tells_sigma_of_several_coils_without_air():
    volume, _ = stack(40.0, 15.0, has_air=False, n_channels=4)
    noise = estimate_sigma(volume, source="residual", n_channels=4)
    assert noise.sigma == pytest.approx(1000 / 15, rel=0.05)


def test_air_is_not_taken_where_the_residual_was_asked_for_nor_the_residual_where_air_was():
    with_air, _ = stack(60.0, 20.0, has_air=True)
    without, _ = stack(60.0, 20.0, has_air=False)
    assert estimate_sigma(with_air, source="residual").method == "residual"
    assert estimate_sigma(with_air, source="background").method == "background"
    assert estimate_sigma(without, source="background").method == "none"


# ------------------------------------------------------------------------------------------------ where it ends
def test_pure_noise_gives_few_t2_and_wide_intervals():
    signal = noisy(np.zeros((5000, 8)), 20.0)
    fit = fit_voxels(signal, TE_8, model="rician", sigma=20.0, min_snr=0.0)
    ok = fit.flag == Flag.OK
    assert ok.mean() < 0.7
    assert np.median(fit.t2_se_ms[ok] / fit.t2_ms[ok]) > 0.3
    assert (fit_voxels(signal, TE_8, model="rician", sigma=20.0).flag == Flag.LOW_SNR).mean() > 0.99


def test_the_standard_error_is_that_of_the_observed_information():
    sigma = 50.0
    signal = noisy(decays(TE_8, np.full(40, 60.0)), sigma)
    fit = fit_voxels(signal, TE_8, model="rician", sigma=sigma, covariance=True)
    for voxel in range(40):

        def cost(t2_ms, s0, measured=signal[voxel]):
            return -stats.rice.logpdf(measured / sigma, s0 * np.exp(-TE_8 / t2_ms) / sigma).sum()

        at = np.array([fit.t2_ms[voxel], fit.s0[voxel]])
        step = 1e-4 * at
        corners = {(i, j): cost(*(at + step * (i, j))) for i in (-1, 0, 1) for j in (-1, 0, 1)}
        assert corners[0, 0] <= min(corners.values()) + 1e-9, "no place nearby is likelier"
        bend = np.empty((2, 2))
        bend[0, 0] = (corners[1, 0] - 2 * corners[0, 0] + corners[-1, 0]) / step[0] ** 2
        bend[1, 1] = (corners[0, 1] - 2 * corners[0, 0] + corners[0, -1]) / step[1] ** 2
        bend[0, 1] = bend[1, 0] = (corners[1, 1] - corners[1, -1] - corners[-1, 1] + corners[-1, -1]) / (
            4 * step[0] * step[1]
        )
        np.testing.assert_allclose(fit.covariance[voxel], np.linalg.inv(bend), rtol=1e-3)
