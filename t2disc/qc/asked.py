"""What a caller asked to see, checked: levels, regions, slices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from t2disc.errors import ArgumentInvalid
from t2disc.model import ROIS, SCHEME_OF, DiscLabels


def region_mask(discs: DiscLabels, level: str, region: str) -> NDArray[np.bool_]:
    """Return the voxels ``(X, Y, Z)`` of a region of a disc that is there.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: a level or region that is not there.
    """
    require_levels(discs, (level,))
    if region not in SCHEME_OF:
        raise ArgumentInvalid("an unknown region", expected=f"one of {', '.join(discs.region_names)}")
    return discs.mask(level, region)


def require_levels(discs: DiscLabels, levels: Sequence[str]) -> None:
    """Refuse levels that are not labelled.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``
    """
    if any(level not in discs.levels for level in levels):
        raise ArgumentInvalid("a level that is not labelled", expected=f"one of {', '.join(discs.levels) or 'none'}")


def require_slice(index: int, n_slices: int) -> None:
    """Refuse a slice that does not exist.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``
    """
    if not 0 <= index < n_slices:
        raise ArgumentInvalid(f"slice {index}", expected=f"one of 0 to {n_slices - 1}")


def require_region(region: str) -> None:
    """Refuse a name that is no region.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``
    """
    if region not in SCHEME_OF:
        raise ArgumentInvalid("an unknown region", expected=f"one of {', '.join(SCHEME_OF)}")


def require_roi(roi: str) -> None:
    """Refuse a name of outlines that is none.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``
    """
    if roi not in ROIS:
        raise ArgumentInvalid("unknown outlines", expected=f"one of {', '.join(ROIS)}")


def require_pairs(one: ArrayLike, other: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return two lists of numbers ``(N,)`` that belong together, one by one.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: not two lists of one length.
    """
    first, second = np.asarray(one, np.float64), np.asarray(other, np.float64)
    if first.ndim != 1 or first.shape != second.shape:
        raise ArgumentInvalid(f"numbers of shapes {first.shape} and {second.shape}", expected="two lists of one length")
    return first, second
