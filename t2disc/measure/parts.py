"""How much a change of the median varies between the parts of a region: what noise alone does not tell."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

N_SIDEWAYS, N_FRONT_BACK = 4, 2
"""Parts of a region from left to right, and from front to back: each of thousands of cubic millimetres."""
_LEAST_PARTS = 4
_TIE_MM = 1e-3  # voxels of one row lie on one side of a cut through it, however their places were rounded


def change_se_by_parts(
    baseline_mm: Floats, baseline_t2_ms: Floats, followup_mm: Floats, followup_t2_ms: Floats, frame: Floats
) -> tuple[float, float]:
    """Return the standard errors of a change of the median, ms and % of baseline, from leaving out one part at a time.

    The region is cut into eight parts of the same tissue at both visits. With ``c_g`` the change without part ``g``, in
    ms or in %::

        se**2 = (G - 1) / G sum((c_g - mean(c))**2)

    Parts are large beside a voxel, so noise that neighbours share, tissue that differs from place to place and places
    that do not quite correspond all count. Tissue that lengthens by a tenth everywhere varies in ms, and not in %.

    Parameters
    ----------
    baseline_mm, followup_mm
        ``(V, 3)`` places of the voxels, those of the follow-up carried to the baseline; RAS+ mm.
    baseline_t2_ms, followup_t2_ms
        ``(V,)`` T2, ms.
    frame
        ``(3, 3)`` unit vectors in its columns: from slice to slice, front to back, and the third.

    Returns
    -------
    tuple of float
        ms, %; NaN where fewer than four parts hold voxels.

    Source: Künsch 1989, Ann Stat 17:1217 (jackknife over blocks).
    """
    cuts = _cuts(baseline_mm @ frame)
    before, after = (_part_of(places @ frame, cuts) for places in (baseline_mm, followup_mm))
    parts = np.union1d(before, after)
    if parts.size < _LEAST_PARTS:
        return math.nan, math.nan
    medians_ms = np.array(
        [
            (_median_without(baseline_t2_ms, before, part), _median_without(followup_t2_ms, after, part))
            for part in parts
        ]
    )
    changes_ms = medians_ms[:, 1] - medians_ms[:, 0]
    return _jackknife_se(changes_ms), _jackknife_se(100 * changes_ms / medians_ms[:, 0])


def _jackknife_se(without: Floats) -> float:
    """Return the standard error of a statistic from its values without each part in turn."""
    return math.sqrt((without.size - 1) * float(np.var(without)))


def _cuts(places: Floats) -> tuple[Floats, Floats]:
    """Return where the region is cut: at equal distances sideways, into equal numbers of voxels front to back."""
    low, high = places[:, 0].min(), places[:, 0].max()
    sideways = np.linspace(low, high, N_SIDEWAYS + 1)[1:-1]
    return sideways, np.quantile(places[:, 1], np.arange(1, N_FRONT_BACK) / N_FRONT_BACK)


def _part_of(places: Floats, cuts: tuple[Floats, Floats]) -> NDArray[np.intp]:
    """Return the number of the part that each place ``(V, 3)`` lies in."""
    sideways, front_back = cuts
    number: NDArray[np.intp] = np.searchsorted(sideways + _TIE_MM, places[:, 0]) * N_FRONT_BACK + np.searchsorted(
        front_back + _TIE_MM, places[:, 1]
    )
    return number


def _median_without(t2_ms: Floats, part: NDArray[np.intp], left_out: np.intp) -> float:
    kept = t2_ms[part != left_out]
    return float(np.median(kept)) if kept.size else math.nan
