"""Discs without their rim: voxels that share their volume with an endplate say little of the disc."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from t2disc.errors import ArgumentInvalid
from t2disc.model.grids import anatomical_axes

LARGEST_MM = 3.0


def eroded(discs: NDArray[np.uint8], affine: NDArray[np.float64], erosion_mm: float) -> NDArray[np.uint8]:
    """Return discs ``(X, Y, Z)`` without the voxels whose centre lies within ``erosion_mm`` of their outline.

    The outline runs along voxel borders, half a voxel beyond the outermost centres; distances are taken within each
    slice, as neighbouring slices lie millimetres apart. A disc may vanish where it is thinner than twice the width.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: a width below 0 or above 3 mm.
    """
    if not 0 <= erosion_mm <= LARGEST_MM:
        raise ArgumentInvalid(f"erosion_mm {erosion_mm}", expected=f"0 to {LARGEST_MM} mm")
    if erosion_mm == 0:
        return discs
    slice_axis, *_ = anatomical_axes(affine)
    in_plane_mm = np.delete(np.linalg.norm(affine[:3, :3], axis=0), slice_axis)
    out = np.zeros_like(discs)
    by_slice, kept = np.moveaxis(discs, slice_axis, 0), np.moveaxis(out, slice_axis, 0)
    for number in np.unique(discs[discs > 0]):
        for x in np.flatnonzero((by_slice == number).any(axis=(1, 2))):
            kept[x][_deep(by_slice[x] == number, in_plane_mm, erosion_mm)] = number
    return out


def _deep(disc: NDArray[np.bool_], spacing_mm: NDArray[np.float64], erosion_mm: float) -> NDArray[np.bool_]:
    """Return the pixels of a disc ``(Y, Z)`` whose centre lies deeper than ``erosion_mm``; the image's edge is none."""
    from scipy.ndimage import distance_transform_edt

    to_outside_mm = distance_transform_edt(np.pad(disc, 1, mode="edge"), sampling=spacing_mm)[1:-1, 1:-1]
    return np.asarray(disc & (to_outside_mm - spacing_mm.min() / 2 > erosion_mm))
