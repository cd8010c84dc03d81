"""Where the slices lie: image grids in RAS mm, and the planes of samples that cross them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from t2disc.simulate.recipe import AcquisitionRecipe, PoseRecipe

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grid:
    """A stack of parallel slices in image order (slice, row, column), in RAS mm of the scanner.

    ``first_mm`` is the centre of the first pixel of the first slice; the steps lead to the next column, row and slice,
    slices running along the normal (row direction x column direction, DICOM PS3.3 C.7.6.2.1.1).
    """

    n_slices: int
    rows: int
    columns: int
    first_mm: Vector
    column_step_mm: Vector
    row_step_mm: Vector
    slice_step_mm: Vector
    thickness_mm: float

    @property
    def affine(self) -> Vector:
        """``(4, 4)`` voxel index to RAS+ mm for arrays (columns, rows from the bottom up, slices)."""
        affine = np.eye(4)
        affine[:3, 0] = self.column_step_mm
        affine[:3, 1] = -self.row_step_mm
        affine[:3, 2] = self.slice_step_mm
        affine[:3, 3] = self.first_mm + (self.rows - 1) * self.row_step_mm
        return affine

    def to_nifti_order(self, images: NDArray[np.generic]) -> NDArray[np.generic]:
        """Return images ``(Z, rows, columns)`` as ``(X, Y, Z)`` for :attr:`affine`."""
        return np.ascontiguousarray(images[:, ::-1, :].transpose(2, 1, 0))

    def slice_centres_mm(self, index: int) -> Vector:
        """Return the centres of one slice's pixels ``(rows, columns, 3)`` in RAS mm."""
        rows = np.arange(self.rows)[:, None, None] * self.row_step_mm
        columns = np.arange(self.columns)[None, :, None] * self.column_step_mm
        return np.asarray(self.first_mm + index * self.slice_step_mm + rows + columns)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plane:
    """A plane of ``rows`` x ``columns`` samples in body coordinates (RAS mm, origin in the middle of L3)."""

    rows: int
    columns: int
    first_mm: Vector
    column_step_mm: Vector
    row_step_mm: Vector


def rotation(about_x: float, about_y: float, about_z: float) -> Vector:
    """Return the rotation matrix of three angles in degrees, applied about x, then y, then z."""
    out = np.eye(3)
    for axis, degrees in enumerate((about_x, about_y, about_z)):
        c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
        turn = np.eye(3)
        j, k = (axis + 1) % 3, (axis + 2) % 3
        turn[j, j], turn[j, k], turn[k, j], turn[k, k] = c, -s, s, c
        out = turn @ out
    return out


def _stack(
    column: Vector, row: Vector, centre: Vector, n_slices: int, shape: tuple[int, int], spacing: tuple[float, ...]
) -> Grid:
    voxel_mm, thickness_mm, gap_mm = spacing
    rows, columns = shape
    slice_step = np.cross(column, row) * (thickness_mm + gap_mm)
    first = (
        centre
        - (columns - 1) / 2 * voxel_mm * column
        - (rows - 1) / 2 * voxel_mm * row
        - (n_slices - 1) / 2 * slice_step
    )
    return Grid(
        n_slices=n_slices,
        rows=rows,
        columns=columns,
        first_mm=first,
        column_step_mm=voxel_mm * column,
        row_step_mm=voxel_mm * row,
        slice_step_mm=slice_step,
        thickness_mm=thickness_mm,
    )


def sagittal_grid(acquisition: AcquisitionRecipe) -> Grid:
    """Return the slightly oblique sagittal stack of the multi-echo series: columns backwards, rows downwards."""
    about_s, about_a = acquisition.oblique_deg
    turn = rotation(0.0, about_a, about_s)
    return _stack(
        turn @ np.array([0.0, -1.0, 0.0]),
        turn @ np.array([0.0, 0.0, -1.0]),
        np.array(acquisition.centre_mm),
        acquisition.n_slices,
        (acquisition.rows, acquisition.columns),
        (acquisition.voxel_mm, acquisition.thickness_mm, acquisition.gap_mm),
    )


def localiser_grids(centre_mm: tuple[float, float, float]) -> tuple[Grid, Grid, Grid]:
    """Return the sagittal, coronal and axial slice of a three-plane localiser (96 x 96, 4 mm pixels)."""
    left, back, down = np.array([-1.0, 0, 0]), np.array([0, -1.0, 0]), np.array([0, 0, -1.0])
    centre = np.array(centre_mm)
    sagittal, coronal, axial = (
        _stack(column, row, centre, 1, (96, 96), (4.0, 8.0, 0.0))
        for column, row in ((back, down), (left, down), (left, back))
    )
    return sagittal, coronal, axial


def sample_planes(grid: Grid, index: int, pose: PoseRecipe, *, in_plane: int, through: int) -> Iterator[Plane]:
    """Yield the planes that sample one slice: ``in_plane`` squared points a pixel, ``through`` planes a slice.

    The slice profile is a boxcar over the slice thickness, so the gap between slices is seen by none.
    """
    turn = rotation(*pose.rotation_deg).T  # scanner to body
    normal = grid.slice_step_mm / np.linalg.norm(grid.slice_step_mm) * grid.thickness_mm
    edge = -(in_plane - 1) / (2 * in_plane)
    corner = grid.first_mm + index * grid.slice_step_mm + edge * (grid.column_step_mm + grid.row_step_mm)
    for k in range(through):
        first = corner + ((k + 0.5) / through - 0.5) * normal
        yield Plane(
            rows=grid.rows * in_plane,
            columns=grid.columns * in_plane,
            first_mm=turn @ (first - np.array(pose.shift_mm)),
            column_step_mm=turn @ grid.column_step_mm / in_plane,
            row_step_mm=turn @ grid.row_step_mm / in_plane,
        )


def to_body_mm(points_mm: Vector, pose: PoseRecipe) -> Vector:
    """Return scanner points ``(..., 3)`` in body coordinates for the pose of a visit."""
    return np.asarray((points_mm - np.array(pose.shift_mm)) @ rotation(*pose.rotation_deg))
