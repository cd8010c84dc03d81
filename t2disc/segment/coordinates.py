"""Where a voxel lies in its disc: along the disc's own bent mid-surface, across its thickness, and to the side.

Front-back distances are arc lengths along the mid-line of the voxel's slice, so that lines of equal ``u`` stand upright
on the disc's mid-surface however the disc is bent, wedged or tilted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from t2disc.segment.midline import fit_midline
from t2disc.segment.sections import Floats, Indices, Sections, cut_sections

_DECIMALS = 9  # a voxel on a border must not hang on the last bit


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DiscCoordinates:
    """Coordinates of the voxels of one disc, each ``(V,)`` in the order of ``values[disc]``.

    Attributes
    ----------
    u
        0 at the front to 1 at the back edge of the disc in that slice, by arc length along the mid-line.
    v
        0 at the upper to 1 at the lower edge, across the thickness at that ``u``.
    w
        -1 at the left to 1 at the right edge of the disc; the same all over a slice.
    lateral_mm
        Distance of the slice from the disc's middle (the mean over its voxels), mm, positive to the right.
    """

    u: Floats
    v: Floats
    w: Floats
    lateral_mm: Floats


def disc_coordinates(disc: NDArray[np.bool_], affine: NDArray[np.float64]) -> DiscCoordinates:
    """Tell where each voxel lies in its disc: from front to back, from top to bottom, from left to right.

    The voxel axis closest to left-right counts the slices; ``u`` and ``v`` are found in the plane of each. Where a disc
    shows no long axis (a fragment hardly longer than high, or one steeper than 60 degrees) the body's own front-back
    direction stands in, unbent. Edges are the outer borders of voxels: n voxels in a row have u = (i + 1/2) / n.

    Parameters
    ----------
    disc
        ``(X, Y, Z)`` voxels of one disc.
    affine
        ``(4, 4)`` voxel index to RAS+ mm.

    Returns
    -------
    DiscCoordinates
        ``(V,)`` each.
    """
    sections = cut_sections(disc, affine)
    line = fit_midline(sections)
    feet = line.feet_mm(sections.points_mm)
    backward = line.tangents(feet)
    downward = np.stack([-backward[:, 1], backward[:, 0]], axis=1)
    along_mm, length_mm = line.arcs_mm(feet), sections.voxel_mm(backward)
    feet_mm = np.stack([feet, line.heights_mm(feet)], axis=1)
    across_mm = ((sections.points_mm - feet_mm) * downward).sum(axis=1)
    lateral_mm, w = _sideways(sections)
    return DiscCoordinates(
        u=_shares(along_mm, length_mm, sections.slices),
        v=_shares_of_thickness(across_mm, sections.voxel_mm(downward), _columns(along_mm, length_mm, sections.slices)),
        w=w,
        lateral_mm=lateral_mm,
    )


def _shares(positions_mm: Floats, voxel_mm: Floats, slices: Indices) -> Floats:
    """Return positions ``(V,)`` as shares of their slice's extent, voxel border to voxel border."""
    first, last = _extents(positions_mm, voxel_mm, slices, int(slices.max(initial=-1)) + 1)
    return np.round((positions_mm - first[slices]) / (last[slices] - first[slices]), _DECIMALS)


def _extents(positions_mm: Floats, voxel_mm: Floats, groups: Indices, n_groups: int) -> tuple[Floats, Floats]:
    """Return the outer borders of the first and the last voxel of each group."""
    first, last = np.full(n_groups, np.inf), np.full(n_groups, -np.inf)
    np.minimum.at(first, groups, positions_mm - voxel_mm / 2)
    np.maximum.at(last, groups, positions_mm + voxel_mm / 2)
    return first, last


def _columns(along_mm: Floats, voxel_mm: Floats, slices: Indices) -> Indices:
    """Return the number of each voxel's column: a stretch of mid-line one voxel long, counted slice by slice.

    Between the columns of two slices one number stays free.
    """
    if not slices.size:
        return slices
    first, _ = _extents(along_mm, voxel_mm, slices, int(slices.max()) + 1)
    column = np.round((along_mm - first[slices]) / voxel_mm.max(), _DECIMALS).astype(np.intp)
    numbers: Indices = slices * (column.max() + 2) + column + 1
    return numbers


def _shares_of_thickness(across_mm: Floats, voxel_mm: Floats, columns: Indices) -> Floats:
    """Return positions ``(V,)`` as shares of the thickness of their column and its two neighbours together."""
    first, last = _extents(across_mm, voxel_mm, columns, int(columns.max(initial=-1)) + 2)
    first = np.minimum(first, np.minimum(np.roll(first, 1), np.roll(first, -1)))
    last = np.maximum(last, np.maximum(np.roll(last, 1), np.roll(last, -1)))
    return np.round((across_mm - first[columns]) / (last[columns] - first[columns]), _DECIMALS)


def _sideways(sections: Sections) -> tuple[Floats, Floats]:
    """Return ``lateral_mm`` and ``w`` of each voxel ``(V,)``: its slice's place about the disc's middle, and edges."""
    right_mm = sections.positions_mm[sections.slices]
    if not right_mm.size:
        return right_mm, right_mm
    slice_mm = abs(sections.positions_mm[1] - sections.positions_mm[0]) if sections.n_slices > 1 else 1.0
    first, last = right_mm.min() - slice_mm / 2, right_mm.max() + slice_mm / 2
    w = 2 * (right_mm - first) / (last - first) - 1
    return np.round(right_mm - right_mm.mean(), _DECIMALS), np.round(w, _DECIMALS)
