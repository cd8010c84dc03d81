"""Segments that may overlap, drawn into one label map: a voxel can have one name only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from t2disc.errors import LabelsRepeated, LabelsUnreadable
from t2disc.model import level_or_none

_MAX_VOXELS = 1 << 28  # 1 GiB of label values


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """What a label file holds: values ``(X, Y, Z)``, ``affine`` to RAS+ mm, and the names it gives to values."""

    values: NDArray[np.int32]
    affine: NDArray[np.float64]
    names: tuple[tuple[int, str], ...] = ()


def merged(segments: Iterable[tuple[int, str, NDArray[np.bool_]]], shape: tuple[int, int, int]) -> NDArray[np.int32]:
    """Return ``(X, Y, Z)`` with each segment under its value; discs lie over anything else.

    Parameters
    ----------
    segments
        Value, name and voxels ``(X, Y, Z)`` of each.
    shape
        Grid of all of them.

    Raises
    ------
    LabelsRepeated
        ``labels-repeated``: a voxel that belongs to two discs.
    """
    values = np.zeros(shape, np.int32)
    is_disc = np.zeros(shape, np.bool_)
    for value, name, mask in segments:
        if level_or_none(name) is None:
            values[mask & ~is_disc] = value
            continue
        if (shared := np.count_nonzero(mask & is_disc)) > 0:
            raise LabelsRepeated(f"{shared} voxels that belong to two discs", todo="correct the outlines of the discs")
        values[mask] = value
        is_disc |= mask
    return values


def whole_numbers(values: NDArray[np.generic]) -> NDArray[np.int32]:
    """Return label values as int32.

    Raises
    ------
    LabelsUnreadable
        ``labels-unreadable``: fractions, values below 0, or beyond 32 bits.
    """
    whole = np.asarray(values, np.float64)
    if not np.isfinite(whole).all() or (whole != np.round(whole)).any() or whole.min(initial=0) < 0:
        raise LabelsUnreadable("label values that are no whole numbers from 0")
    if whole.max(initial=0) > np.iinfo(np.int32).max:
        raise LabelsUnreadable("label values beyond 32 bits")
    return whole.astype(np.int32)


def require_size(sizes: Iterable[int]) -> int:
    """Return how many voxels a grid has, refusing what no label map has before anything is allocated.

    Raises
    ------
    LabelsUnreadable
        ``labels-unreadable``: an axis without voxels, or more than 2**28 voxels.
    """
    n_voxels = 1
    for size in sizes:
        n_voxels *= size if size > 0 else 0
    if not 0 < n_voxels <= _MAX_VOXELS:
        raise LabelsUnreadable(f"a header that states {n_voxels} voxels")
    return n_voxels
