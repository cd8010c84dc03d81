"""Volumes as a radiologist looks at them: sagittal, anterior on the left, superior at the top, whatever the affine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2disc.model.grids import anatomical_axes

Box = tuple[slice, slice]
"""Rows and columns of a part of a view."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SagittalView:
    """How a grid is turned for display. Slices keep their voxel index; rows run down, columns run backward."""

    affine: NDArray[np.float64]  # (4, 4) voxel index to RAS+ mm
    axes: tuple[int, int, int]  # voxel axes of slices, rows, columns
    backwards: tuple[int, ...]  # display axes whose voxel axis is turned round (1 rows, 2 columns)
    row_mm: float
    column_mm: float

    def turn(self, volume: NDArray[Any]) -> NDArray[Any]:
        """Return a volume ``(X, Y, Z, ...)`` as ``(slices, rows, columns, ...)``; no copy."""
        return np.flip(np.moveaxis(volume, self.axes, (0, 1, 2)), self.backwards)

    def side_mm(self, index: int, shape: tuple[int, int, int]) -> float:
        """Return how far right of the isocentre the centre of a slice lies, in mm (left is negative)."""
        voxel = [(n - 1) / 2 for n in shape]
        voxel[self.axes[0]] = index
        return float(self.affine[0, :3] @ voxel + self.affine[0, 3])

    def places_mm(self, index: int, box: Box, shape: tuple[int, int, int]) -> NDArray[np.float64]:
        """Return where the pixels of a part of a slice lie: ``(rows, columns, 3)``, RAS+ mm."""
        voxels: list[NDArray[np.intp]] = [np.array([[0]])] * 3
        voxels[self.axes[0]] = np.array([[index]])
        for axis, part in enumerate(box, start=1):
            n = shape[self.axes[axis]]
            along = np.arange(n)[::-1] if axis in self.backwards else np.arange(n)
            voxels[self.axes[axis]] = np.expand_dims(along[part], 2 - axis)
        places = np.stack(np.broadcast_arrays(*voxels), axis=-1)
        return np.asarray(places @ self.affine[:3, :3].T + self.affine[:3, 3])


def sagittal_view(affine: NDArray[np.float64]) -> SagittalView:
    """Return the view in which rows run from superior to inferior and columns from anterior to posterior."""
    lr, pa, si = anatomical_axes(affine)
    step_mm = np.linalg.norm(affine[:3, :3], axis=0)
    turned = ((1, affine[2, si] > 0), (2, affine[1, pa] > 0))
    return SagittalView(
        affine=affine,
        axes=(lr, si, pa),
        backwards=tuple(axis for axis, rises in turned if rises),
        row_mm=float(step_mm[si]),
        column_mm=float(step_mm[pa]),
    )


def crop_box(inside: NDArray[np.bool_], view: SagittalView, margins_mm: tuple[float, float]) -> Box:
    """Return the rows and columns that hold all inside ``(slices, rows, columns)``, with margins; all if none is."""
    _, rows, columns = np.nonzero(inside)
    _, n_rows, n_columns = inside.shape
    row_margin_mm, column_margin_mm = margins_mm
    return _span(rows, n_rows, row_margin_mm / view.row_mm), _span(
        columns, n_columns, column_margin_mm / view.column_mm
    )


def best_slice(labels: NDArray[np.uint8]) -> int:
    """Return the slice in which the worst cut of all discs is largest, in shares of a disc's largest; or the middle."""
    areas = np.array([(labels == number).sum(axis=(1, 2)) for number in np.unique(labels[labels > 0])])
    if areas.size == 0:
        return len(labels) // 2
    shares = areas / areas.max(axis=1, keepdims=True)
    return max(range(len(labels)), key=lambda index: (shares[:, index].min(), shares[:, index].sum()))


def _span(found: NDArray[np.intp], n: int, margin: float) -> slice:
    if found.size == 0:
        return slice(0, n)
    extra = round(margin)
    return slice(max(int(found.min()) - extra, 0), min(int(found.max()) + extra + 1, n))


def outline(inside: NDArray[np.bool_]) -> list[list[tuple[float, float]]]:
    """Return the border of a mask ``(rows, columns)`` as segments of (x, y) along the edges of its pixels.

    Pixel centres lie at whole numbers, so edges lie at halves: nothing is smoothed, the line shows what is measured.
    """
    padded = np.pad(inside, 1).astype(np.int8)
    row, column = np.nonzero(np.diff(padded, axis=0))  # between row - 1 and row, in the mask's own numbering
    across = [[(c - 1.5, r - 0.5), (c - 0.5, r - 0.5)] for r, c in zip(row.tolist(), column.tolist(), strict=True)]
    row, column = np.nonzero(np.diff(padded, axis=1))
    down = [[(c - 0.5, r - 1.5), (c - 0.5, r - 0.5)] for r, c in zip(row.tolist(), column.tolist(), strict=True)]
    return across + down
