"""How sure the mean and the median T2 of a region are, from what each of its voxels says of itself."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_SILVERMAN = 0.9
_IQR_OF_NORMAL = 1.349  # interquartile range of a normal law, in SD
_LEAST_VOXELS = 5


def mean_se_ms(t2_se_ms: Floats, *, voxels_per_sample: float = 1.0) -> float:
    """Return the standard error of a mean that the voxels' own noise gives it, ms.

    ::

        se = sqrt(D sum(se_v**2)) / n

    A voxel's standard error rests on few degrees of freedom, the echoes less two, but its square is right on average,
    and so is the sum. Unlike SD / sqrt(n), this does not count that tissue differs within the region: the mean of the
    tissue that is there is what is measured.

    Parameters
    ----------
    t2_se_ms
        ``(V,)`` standard errors of the voxels, ms. One that has none counts as the others do on average.
    voxels_per_sample
        ``D``: voxels that share one independent sample of noise, see
        :attr:`~t2disc.model.NoiseEstimate.voxels_per_sample`; taken as 1 where it is not known (NaN). For a
        region with edges see :func:`~t2disc.measure.sharing.voxels_per_mean`.

    Returns
    -------
    float
        NaN without standard errors (two echoes).

    Source: Priestley 1981, Spectral Analysis and Time Series, chapter 5 (variance of a mean of correlated samples).
    """
    known = t2_se_ms[_has_error(t2_se_ms)].astype(np.float64)
    if known.size == 0:
        return math.nan
    return math.sqrt(_shared(voxels_per_sample) * float(np.mean(known**2)) / t2_se_ms.size)


def median_se_ms(t2_ms: Floats, t2_se_ms: Floats, *, voxels_per_sample: float = 1.0) -> float:
    """Return the standard error of a median that the voxels' own noise gives it, ms.

    Noise moves a voxel across the median with probability ``p = Phi((m - T) / s)``; the median then moves by the share
    of voxels that crossed, over the density ``f`` of T2 at the median::

        se = sqrt(D sum(p (1 - p))) / (n f(m))

    In a uniform region this is the textbook ``sqrt(pi / 2) s / sqrt(n)``; where T2 differs between voxels by more than
    its noise, less. Where not even one voxel is expected to cross, as in the gap between two tissues, the median has
    the noise of the one or two voxels that it is made of.

    Parameters
    ----------
    t2_ms, t2_se_ms
        ``(V,)`` T2 and its standard error in each voxel, ms. Measured T2 holds the noise once already: its distances
        from the median are shrunk by the share of their variance that is not noise.
    voxels_per_sample
        ``D``: voxels that share one independent sample of noise, see
        :attr:`~t2disc.model.NoiseEstimate.voxels_per_sample`; taken as 1 where it is not known (NaN).

    Returns
    -------
    float
        NaN for fewer than five voxels, or without standard errors.

    Source: Bahadur 1966, Ann Math Stat 37:577 (a quantile's error from the empirical distribution); Silverman 1986,
    Density Estimation, eq. 3.31 (width of the kernel).
    """
    known = _has_error(t2_se_ms)
    if np.count_nonzero(known) < _LEAST_VOXELS:
        return math.nan
    t2, se = t2_ms[known].astype(np.float64), t2_se_ms[known].astype(np.float64)
    median, spread = float(np.median(t2)), _spread(t2)
    if spread == 0:
        return math.nan
    crossing = normal_cdf(distances_from_median(t2, se))
    n_crossing = float((crossing * (1 - crossing)).sum())
    crossed_ms = math.sqrt(_shared(voxels_per_sample) * n_crossing) / (float(t2.size) * _density(t2, median, spread))
    return crossed_ms if n_crossing >= 1 else max(crossed_ms, _middle_se_ms(t2, se))


def distances_from_median(t2_ms: Floats, t2_se_ms: Floats) -> Floats:
    """Return how many of its standard errors each voxel's true T2 ``(V,)`` is expected to lie below the median.

    Measured T2 holds the noise already: its distances are shrunk by the share of their variance that is not noise. NaN
    for a voxel without standard error.
    """
    known = _has_error(t2_se_ms)
    distances = np.full(t2_ms.shape, np.nan)
    if not known.any():
        return distances
    t2, se = t2_ms[known].astype(np.float64), t2_se_ms[known].astype(np.float64)
    spread = _spread(t2)
    signal_share = max(0.0, 1 - float(np.mean(se**2)) / spread**2) if spread else 0.0
    distances[known] = signal_share * (float(np.median(t2)) - t2) / se
    return distances


def median_blur_ms(t2_ms: Floats, t2_se_ms: Floats) -> float:
    """Return how far noise is expected to move a median from that of the true T2, however often it were measured, ms.

    Noise blurs the distribution of T2 over the voxels, and the median of the blurred distribution is another one
    wherever the tissue is not symmetric about it. How far is told by blurring once more: the ``x`` with
    ``sum(Phi((x - T) / s)) = n / 2``, less the median. It tells the size of the move; its sign it tells poorly.

    Parameters
    ----------
    t2_ms, t2_se_ms
        ``(V,)`` T2 and its standard error in each voxel, ms.

    Returns
    -------
    float
        0 or more; NaN for fewer than five voxels, or without standard errors.

    Source: Cook and Stefanski 1994, J Am Stat Assoc 89:1314 (noise added once more tells what noise did).
    """
    known = _has_error(t2_se_ms)
    if np.count_nonzero(known) < _LEAST_VOXELS:
        return math.nan
    from scipy.optimize import brentq

    t2, se = t2_ms[known].astype(np.float64), t2_se_ms[known].astype(np.float64)

    def above_half(at_ms: float) -> float:
        return float(normal_cdf((at_ms - t2) / se).mean()) - 0.5

    reach_ms = float(se.max())  # far enough beyond all values, so that the ends differ in sign
    blurred_ms = float(brentq(above_half, float(t2.min()) - reach_ms, float(t2.max()) + reach_ms))
    return abs(blurred_ms - float(np.median(t2)))


def _has_error(t2_se_ms: Floats) -> NDArray[np.bool_]:
    return np.isfinite(t2_se_ms) & (t2_se_ms > 0)


def _shared(voxels_per_sample: float) -> float:
    """Return the design effect, 1 where it is not known."""
    return voxels_per_sample if voxels_per_sample >= 1 else 1.0


def _middle_se_ms(t2_ms: Floats, t2_se_ms: Floats) -> float:
    """Return the standard error of the mean of the middle voxel, or of the two in the middle."""
    middle: Floats = t2_se_ms[np.argsort(t2_ms)][(t2_ms.size - 1) // 2 : t2_ms.size // 2 + 1]
    return math.sqrt(float((middle**2).sum())) / float(middle.size)


def _spread(values: Floats) -> float:
    """Return a robust SD: from the interquartile range, else from all values."""
    low, high = np.percentile(values, [25, 75])
    return float(high - low) / _IQR_OF_NORMAL or float(values.std())


def _density(values: Floats, at: float, spread: float) -> float:
    """Return the density of values at a point, per ms, by a Gaussian kernel."""
    width = _SILVERMAN * min(spread, float(values.std())) * math.pow(values.size, -0.2)
    return float(np.exp(-(((at - values) / width) ** 2) / 2).mean()) / (width * math.sqrt(2 * math.pi))


def normal_cdf(z: Floats) -> Floats:
    """Return the normal distribution function, to 1e-7.

    Source: Abramowitz and Stegun 1964, 26.2.17.
    """
    t = 1 / (1 + 0.2316419 * np.abs(z))
    poly = t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
    upper = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) * poly
    below: Floats = np.where(z >= 0, 1 - upper, upper)
    return below
