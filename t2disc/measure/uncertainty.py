"""How sure the median T2 of a region is, from what each of its voxels says of itself."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_SILVERMAN = 0.9
_IQR_OF_NORMAL = 1.349  # interquartile range of a normal law, in SD
_LEAST_VOXELS = 5


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
    known = np.isfinite(t2_se_ms) & (t2_se_ms > 0)
    if np.count_nonzero(known) < _LEAST_VOXELS:
        return math.nan
    t2, se = t2_ms[known].astype(np.float64), t2_se_ms[known].astype(np.float64)
    median = float(np.median(t2))
    spread = _spread(t2)
    if spread == 0:
        return math.nan
    signal_share = max(0.0, 1 - float(np.mean(se**2)) / spread**2)
    crossing = _normal_cdf(signal_share * (median - t2) / se)
    n_crossing = float((crossing * (1 - crossing)).sum())
    independent: float = voxels_per_sample if voxels_per_sample >= 1 else 1.0
    crossed_ms = math.sqrt(independent * n_crossing) / (float(t2.size) * _density(t2, median, spread))
    return crossed_ms if n_crossing >= 1 else max(crossed_ms, _middle_se_ms(t2, se))


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


def _normal_cdf(z: Floats) -> Floats:
    """Return the normal distribution function, to 1e-7.

    Source: Abramowitz and Stegun 1964, 26.2.17.
    """
    t = 1 / (1 + 0.2316419 * np.abs(z))
    poly = t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
    upper = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) * poly
    below: Floats = np.where(z >= 0, 1 - upper, upper)
    return below
