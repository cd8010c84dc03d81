"""A disc as its sagittal cross-sections: each voxel's place in its slice, seen along the disc's own long axis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from t2disc.model.grids import anatomical_axes

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

_STEEPEST_RAD = np.deg2rad(60.0)  # L5/S1 may slope by 50 degrees; a longer axis beyond 60 is no front-back axis
_LEAST_ELONGATION = 0.2  # (l1 - l2) / (l1 + l2) of the variances; 0.2 is a disc 1.2 times as long as high


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sections:
    """Voxels of one disc in the planes of their slices.

    Attributes
    ----------
    points_mm
        ``(V, 2)`` backward and downward of the centre of the voxel's own cross-section.
    slices
        ``(V,)`` number of the slice, from 0.
    steps_mm
        ``(2, 2)`` the two steps between voxels of a slice as columns, backward and downward.
    positions_mm
        ``(S,)`` of the slices along their normal, rising to the right.
    has_axis
        Whether the disc shows a long axis; otherwise backward is that of the body.
    """

    points_mm: Floats
    slices: Indices
    steps_mm: Floats
    positions_mm: Floats
    has_axis: bool

    @property
    def n_slices(self) -> int:
        """Slices up to the last that holds the disc."""
        return len(self.positions_mm)

    def voxel_mm(self, directions: Floats) -> Floats:
        """Return the extent of a voxel along unit vectors ``(V, 2)``, mm: that of its two steps together."""
        extent: Floats = np.abs(directions @ self.steps_mm).sum(axis=1)
        return extent


def cut_sections(disc: NDArray[np.bool_], affine: NDArray[np.float64]) -> Sections:
    """Return the cross-sections of a disc ``(X, Y, Z)``, backward along its long axis.

    The axis is the principal axis of all cross-sections together, each taken about its own centre. Where a disc shows
    no such axis (a fragment hardly longer than high, or one steeper than 60 degrees) the body's own front-back
    direction stands in.
    """
    voxels = np.argwhere(disc)
    slice_axis, *_ = anatomical_axes(affine)
    slices = voxels[:, slice_axis]
    in_plane = np.delete(affine[:3, :3], slice_axis, axis=1)  # (3, 2) steps between voxels of a slice, mm
    plane = np.stack(_plane_directions(in_plane))
    offsets_mm = _centred(voxels @ affine[:3, :3].T @ plane.T, slices)
    tilt, has_axis = _tilt_rad(offsets_mm)
    frame = np.array([[-np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), -np.cos(tilt)]])  # rows backward, downward
    n_slices = int(slices.max(initial=-1)) + 1
    positions_mm: Floats = np.arange(n_slices, dtype=np.float64) * _step_right_mm(affine, slice_axis, in_plane)
    return Sections(
        points_mm=offsets_mm @ frame.T,
        slices=slices,
        steps_mm=frame @ plane @ in_plane,
        positions_mm=positions_mm,
        has_axis=has_axis,
    )


def _plane_directions(in_plane: Floats) -> tuple[Floats, Floats]:
    """Return unit vectors ``(3,)`` within the slice plane: the most anterior one, and the superior one across it."""
    basis, _ = np.linalg.qr(in_plane)
    anterior = basis @ basis[1]  # projection of +A (world y) on the plane
    anterior /= np.linalg.norm(anterior)
    superior = basis @ basis[2]
    superior -= anterior * (anterior @ superior)
    return anterior, superior / np.linalg.norm(superior)


def _step_right_mm(affine: Floats, slice_axis: int, in_plane: Floats) -> float:
    """Return the step from slice to slice along their normal, positive to the right."""
    normal = np.cross(in_plane[:, 0], in_plane[:, 1])
    normal *= np.sign(normal[0]) / np.linalg.norm(normal)
    return float(affine[:3, slice_axis] @ normal)


def _centred(points_mm: Floats, slices: Indices) -> Floats:
    """Return ``(V, 2)`` points about the centre of their own slice, so that a curved spine does not tilt the axis."""
    offsets: Floats = points_mm - slice_means(points_mm, slices)[slices]
    return offsets


def slice_means(values: Floats, slices: Indices) -> Floats:
    """Return the mean of each column of ``(V, K)`` in every slice, ``(S, K)``; 0 in slices without a voxel."""
    n = np.maximum(np.bincount(slices), 1)
    return np.stack([np.bincount(slices, weights=column) / n for column in values.T], axis=1)


def _tilt_rad(offsets_mm: Floats) -> tuple[float, bool]:
    """Return the angle of the long axis above the anterior direction, and whether the shape has such an axis.

    ``tan 2t = 2 Sas / (Saa - Sss)`` with the second moments along anterior (a) and superior (s).
    """
    along, across = offsets_mm.T
    difference = float(along @ along - across @ across)
    twice_mixed = float(2 * along @ across)
    total = float(along @ along + across @ across)
    if np.hypot(difference, twice_mixed) <= _LEAST_ELONGATION * total:
        return 0.0, False
    tilt = 0.5 * float(np.arctan2(twice_mixed, difference))
    return (tilt, True) if abs(tilt) <= _STEEPEST_RAD else (0.0, False)
