"""How large and how high a disc is: volume, mid-sagittal area, mean height and length, from its outline alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from t2disc.errors import ArgumentInvalid
from t2disc.model import DiscLabels, DiscShape
from t2disc.model.grids import anatomical_axes

_STEEPEST_RAD = np.deg2rad(60.0)  # L5/S1 may slope by 50 degrees; a longer axis beyond 60 is no front-back axis
_LEAST_ELONGATION = 0.2  # (l1 - l2) / (l1 + l2) of the variances; 0.2 is a disc 1.2 times as long as high
_ROUNDING_MM = 1e-6  # a slice on the border must not hang on the last bit

Floats = NDArray[np.float64]


def measure_shapes(discs: DiscLabels, *, mid_sagittal_mm: float = 20.0) -> tuple[DiscShape, ...]:
    """Measure the size and form of each disc: a disc that loses water loses height too.

    Area and length are means over the sagittal slices about the disc's middle; the mean height is
    ``height = area / length``, and the height index ``height / length``.

    Parameters
    ----------
    discs
        ``(X, Y, Z)`` labels; the voxel axis closest to left-right counts the slices.
    mid_sagittal_mm
        Width of the slices about the disc's middle (the mean over its voxels), mm, as in the protocol's ``[regions]``;
        the slice nearest to the middle belongs to it however thick slices are.

    Returns
    -------
    tuple of DiscShape
        One per level, from superior to inferior. A level without a voxel has a volume of 0 and NaN elsewhere.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: a width that is not above 0.

    Notes
    -----
    **The long axis** is the principal axis of the mid-sagittal sections together, each about its own centre. A fragment
    hardly longer than high, or one steeper than 60 degrees, takes the body's front-back direction. A bent disc is
    measured along its chord.

    **The length** is the distance of the outermost voxel centres along that axis and one voxel more.

    **The height index** refers to the disc's own length, and not, as usual, to a vertebra (its height, Masuda et al.
    2005, Spine 30:5; its depth, Frobin et al. 1997, Clin Biomech 12 Suppl 1:S1): the labels hold no vertebrae. It too
    is free of body size and of the voxel size, but bulging lengthens the disc and lowers it; it must not be compared
    with published values of the others. Outlines end on whole voxels: on 0.7 mm voxels heights of 8 to 12 mm repeat
    within a few per cent, and a thin disc less well.
    """
    if not mid_sagittal_mm > 0:
        raise ArgumentInvalid(f"mid_sagittal_mm={mid_sagittal_mm}", expected="a width above 0 mm")
    return tuple(_shape(level, np.argwhere(discs.mask(level)), discs.affine, mid_sagittal_mm) for level in discs.levels)


def _shape(level: str, voxels: NDArray[np.intp], affine: Floats, mid_sagittal_mm: float) -> DiscShape:
    slice_axis, *_ = anatomical_axes(affine)
    steps_mm = np.delete(affine[:3, :3], slice_axis, axis=1)  # (3, 2) between voxels of a slice
    middle = voxels[_mid_sagittal(voxels[:, slice_axis], affine[:3, slice_axis], steps_mm, mid_sagittal_mm)]
    _, slices = np.unique(middle[:, slice_axis], return_inverse=True)
    n_slices = int(slices.max(initial=-1)) + 1
    area_mm2 = _ratio(len(middle) * float(np.linalg.norm(np.cross(*steps_mm.T))), n_slices)
    length_mm = _length_mm(middle @ affine[:3, :3].T, slices, steps_mm)
    height_mm = _ratio(area_mm2, length_mm)
    return DiscShape(
        level=level,
        n_voxels=len(voxels),
        n_slices=n_slices,
        volume_mm3=len(voxels) * float(abs(np.linalg.det(affine[:3, :3]))),
        area_mm2=area_mm2,
        length_mm=length_mm,
        height_mm=height_mm,
        height_index=_ratio(height_mm, length_mm),
    )


def _mid_sagittal(slices: NDArray[np.intp], step_mm: Floats, steps_mm: Floats, width_mm: float) -> NDArray[np.bool_]:
    """Return the voxels ``(V,)`` in slices within the width, measured along the slices' normal."""
    if not slices.size:
        return np.zeros(0, np.bool_)
    normal = np.cross(*steps_mm.T)
    slice_mm = abs(float(step_mm @ normal)) / float(np.linalg.norm(normal))
    from_middle_mm = np.abs(slices - slices.mean()) * slice_mm
    within: NDArray[np.bool_] = from_middle_mm <= max(width_mm / 2, from_middle_mm.min()) + _ROUNDING_MM
    return within


def _length_mm(points_mm: Floats, slices: NDArray[np.intp], steps_mm: Floats) -> float:
    """Return the mean over slices of the extent of points ``(V, 3)`` along the long axis; NaN without a point."""
    if not len(points_mm):
        return np.nan
    axis = _long_axis(points_mm, slices, steps_mm)
    along_mm = points_mm @ axis
    first, last = np.full(slices.max() + 1, np.inf), np.full(slices.max() + 1, -np.inf)
    np.minimum.at(first, slices, along_mm)
    np.maximum.at(last, slices, along_mm)
    return float((last - first).mean() + np.linalg.norm(axis @ steps_mm))


def _long_axis(points_mm: Floats, slices: NDArray[np.intp], steps_mm: Floats) -> Floats:
    """Return the unit vector ``(3,)`` in the plane of the slices along which the sections are longest.

    ``tan 2t = 2 Sas / (Saa - Sss)`` with t the angle above anterior, and the second moments along anterior (a) and
    superior (s).
    """
    anterior, superior = _plane_directions(steps_mm)
    flat_mm = points_mm @ np.stack([anterior, superior], axis=1)
    n = np.bincount(slices)
    centres = np.stack([np.bincount(slices, weights=column) / n for column in flat_mm.T], axis=1)
    a, s = (flat_mm - centres[slices]).T
    difference, twice_mixed, total = float(a @ a - s @ s), float(2 * a @ s), float(a @ a + s @ s)
    tilt = 0.5 * float(np.arctan2(twice_mixed, difference))
    if np.hypot(difference, twice_mixed) <= _LEAST_ELONGATION * total or abs(tilt) > _STEEPEST_RAD:
        tilt = 0.0
    axis: Floats = np.cos(tilt) * anterior + np.sin(tilt) * superior
    return axis


def _plane_directions(steps_mm: Floats) -> tuple[Floats, Floats]:
    """Return unit vectors ``(3,)`` within the slice plane: the most anterior one, and the superior one across it."""
    basis, _ = np.linalg.qr(steps_mm)
    anterior = basis @ basis[1]  # projection of +A (world y) on the plane
    anterior /= np.linalg.norm(anterior)
    superior = basis @ basis[2]
    superior -= anterior * (anterior @ superior)
    return anterior, superior / np.linalg.norm(superior)


def _ratio(value: float, by: float) -> float:
    return value / by if by else np.nan
