"""Goodness of fit in each disc and region."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from t2disc.model import DiscLabels, DiscQuality, FitQuality
from t2disc.model.grids import require_same_grid

TAIL = 0.01
"""Share of voxels beyond the point of the law that counts as a poor fit, where the model holds."""


def measure_quality(quality: FitQuality, discs: DiscLabels) -> tuple[DiscQuality, ...]:
    """Summarise goodness of fit within each disc and each of its regions, in the order of ``measure_discs``.

    Parameters
    ----------
    quality
        ``(X, Y, Z)`` maps of :func:`~t2disc.fit.judge_fit`.
    discs
        ``(X, Y, Z)`` labels on the same grid.

    Returns
    -------
    tuple of DiscQuality
        Levels from superior to inferior, within each the regions; NaN where no voxel could be judged.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: the two lie on different grids.

    Source: n - p squared standard normal deviates add up to chi-square's law; Abramowitz and Stegun 1964, 26.4.
    """
    require_same_grid(quality, discs)
    return tuple(
        _measure_region(quality, discs.mask(level, region), level, region)
        for level in discs.levels
        for region in discs.region_names
    )


def _measure_region(quality: FitQuality, inside: NDArray[np.bool_], level: str, region: str) -> DiscQuality:
    places = np.unravel_index(np.flatnonzero(inside), inside.shape)  # the maps' planes do not lie in this order
    chi2_red, r2 = quality.chi2_red[places], quality.r2[places]
    degrees_of_freedom = quality.degrees_of_freedom[places]
    return DiscQuality(
        level=level,
        region=region,
        n_judged=int(np.count_nonzero(np.isfinite(r2))),
        chi2_red_median=_median(chi2_red / _law_median(degrees_of_freedom)),
        r2_median=_median(r2),
        odd_even_median=_median(quality.odd_even[places]),
        decay_variance_median=_median(quality.decay_variance[places]),
        poor_fit_share=_poor_fit_share(chi2_red, degrees_of_freedom),
    )


def _median(values: NDArray[np.float32]) -> float:
    known = values[np.isfinite(values)].astype(np.float64)
    return float(np.median(known)) if known.size else np.nan


def _law_median(degrees_of_freedom: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the median of chi-square / nu: 0.455 for 1 degree of freedom, 0.89 for 6, towards 1."""
    from scipy.special import chdtri

    left = np.maximum(degrees_of_freedom, 1).astype(np.float64)
    return np.asarray(chdtri(left, 0.5) / left, np.float32)


def _poor_fit_share(chi2_red: NDArray[np.float32], degrees_of_freedom: NDArray[np.uint8]) -> float:
    """Return the share of voxels beyond the 99 % point of the law with their own degrees of freedom."""
    from scipy.special import chdtri

    known = np.isfinite(chi2_red)
    if not known.any():
        return np.nan
    left = degrees_of_freedom[known].astype(np.float64)
    return float(np.mean(chi2_red[known] > chdtri(left, TAIL) / left))
