"""Nucleus and annulus by where a voxel lies in its disc, never by its T2: the measurement must not choose its region.

Each disc has its own coordinates in the sagittal plane: ``u`` runs along the disc from its anterior (0) to its
posterior edge (1), ``v`` across it from its superior (0) to its inferior edge (1), slice by slice. Region borders are
values of ``u``: the outer 20 % at the front and at the back is annulus, the rest nucleus.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from t2disc.errors import ArgumentInvalid
from t2disc.model import Region
from t2disc.model.grids import anatomical_axes

ANNULUS_FRACTION = 0.2
"""Share of the front-back length that is annulus at either end (the outer 20 % in common use)."""

_STEEPEST_RAD = np.deg2rad(60.0)  # L5/S1 may slope by 50 degrees; a longer axis beyond 60 is no front-back axis
_LEAST_ELONGATION = 0.2  # (l1 - l2) / (l1 + l2) of the variances; 0.2 is a disc 1.2 times as long as high


def divide_discs(
    discs: NDArray[np.uint8], affine: NDArray[np.float64], *, annulus_fraction: float = ANNULUS_FRACTION
) -> NDArray[np.uint8]:
    """Divide every disc into nucleus (NP) and front and back annulus (AF) by its own front-back coordinate.

    ``AF_ANTERIOR`` where ``u < f``, ``AF_POSTERIOR`` where ``u > 1 - f``, ``NP`` between. The annulus at the left and
    right ends of a disc is not told apart: it counts as nucleus in the lateral slices, as in the studies that use
    this division of sagittal images.

    Parameters
    ----------
    discs
        ``(X, Y, Z)``; 0 is background, 1, 2, ... are discs.
    affine
        ``(4, 4)`` voxel index to RAS+ mm.
    annulus_fraction
        ``f``, above 0 and below 0.5.

    Returns
    -------
    ndarray
        ``(X, Y, Z)`` uint8 of :class:`~t2disc.model.Region`.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: a fraction that leaves no nucleus or no annulus.
    """
    if not 0 < annulus_fraction < 0.5:
        raise ArgumentInvalid(f"annulus_fraction {annulus_fraction}", expected="a share above 0 and below 0.5")
    regions = np.zeros(discs.shape, dtype=np.uint8)
    for number in range(1, int(discs.max(initial=0)) + 1):
        disc = discs == number
        u, _ = disc_coordinates(disc, affine)
        regions[disc] = np.select(
            [u < annulus_fraction, u > 1 - annulus_fraction],
            [Region.AF_ANTERIOR, Region.AF_POSTERIOR],
            Region.NP,
        )
    return regions


def disc_coordinates(
    disc: NDArray[np.bool_], affine: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Tell where each voxel lies in its disc: how far from front to back, and how far from top to bottom.

    The front-back axis is the long principal axis of the disc's own cross-sections, each taken about its own centre,
    in the plane of the slices (the voxel axis closest to left-right counts the slices). Where a disc shows no such
    axis (a fragment hardly longer than high, or one steeper than 60 degrees) the body's own front-back direction
    stands in. Edges are the outer borders of voxels, so n voxels in a row have u = (i + 1/2) / n.

    Parameters
    ----------
    disc
        ``(X, Y, Z)`` voxels of one disc.
    affine
        ``(4, 4)`` voxel index to RAS+ mm.

    Returns
    -------
    u, v : ndarray
        ``(V,)`` each, in the order of ``values[disc]``, within 0 and 1: ``u`` from the anterior to the posterior edge
        of the disc in that slice, ``v`` from the superior to the inferior edge.
    """
    voxels = np.argwhere(disc)
    slice_axis, *_ = anatomical_axes(affine)
    slices = voxels[:, slice_axis]
    in_plane = np.delete(affine[:3, :3], slice_axis, axis=1)  # (3, 2) steps between voxels of a slice, mm
    anterior, superior = _plane_directions(in_plane)
    offsets_mm = _centred(voxels @ affine[:3, :3].T @ np.stack([anterior, superior], axis=1), slices)
    tilt = _tilt_rad(offsets_mm)
    backward, downward = -np.array([np.cos(tilt), np.sin(tilt)]), np.array([np.sin(tilt), -np.cos(tilt)])
    steps_mm = np.stack([anterior, superior]) @ in_plane  # (2, 2) the same steps seen in the plane
    u = _share_of_extent(offsets_mm @ backward, slices, np.abs(backward @ steps_mm).sum())
    v = _share_of_extent(offsets_mm @ downward, slices, np.abs(downward @ steps_mm).sum())
    return u, v


def _plane_directions(in_plane: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return unit vectors ``(3,)`` within the slice plane: the most anterior one, and the superior one across it."""
    basis, _ = np.linalg.qr(in_plane)
    anterior = basis @ basis[1]  # projection of +A (world y) on the plane
    anterior /= np.linalg.norm(anterior)
    superior = basis @ basis[2]
    superior -= anterior * (anterior @ superior)
    return anterior, superior / np.linalg.norm(superior)


def _centred(points_mm: NDArray[np.float64], slices: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return ``(V, 2)`` points about the centre of their own slice, so that a curved spine does not tilt the axis."""
    n = np.maximum(np.bincount(slices), 1)
    centre = np.stack([np.bincount(slices, weights=column) / n for column in points_mm.T], axis=1)
    offsets: NDArray[np.float64] = points_mm - centre[slices]
    return offsets


def _tilt_rad(offsets_mm: NDArray[np.float64]) -> float:
    """Return the angle of the long axis above the anterior direction; 0 where the shape has no such axis.

    ``tan 2t = 2 Sas / (Saa - Sss)`` with the second moments along anterior (a) and superior (s).
    """
    along, across = offsets_mm.T
    difference = float(along @ along - across @ across)
    twice_mixed = float(2 * along @ across)
    total = float(along @ along + across @ across)
    if np.hypot(difference, twice_mixed) <= _LEAST_ELONGATION * total:
        return 0.0
    tilt = 0.5 * float(np.arctan2(twice_mixed, difference))
    return tilt if abs(tilt) <= _STEEPEST_RAD else 0.0


def _share_of_extent(
    positions_mm: NDArray[np.float64], slices: NDArray[np.intp], voxel_mm: float
) -> NDArray[np.float64]:
    """Return positions ``(V,)`` as shares of their slice's extent, voxel border to voxel border."""
    n_slices = int(slices.max(initial=-1)) + 1
    first, last = np.full(n_slices, np.inf), np.full(n_slices, -np.inf)
    np.minimum.at(first, slices, positions_mm)
    np.maximum.at(last, slices, positions_mm)
    share = (positions_mm - first[slices] + voxel_mm / 2) / (last[slices] - first[slices] + voxel_mm)
    rounded: NDArray[np.float64] = np.round(share, 9)  # a voxel on a border must not hang on the last bit
    return rounded
