"""A plane of samples on which tissues are painted, one over the other, each only where it can be."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from t2disc.simulate.grid import Plane
from t2disc.simulate.shapes import Frame, Vector
from t2disc.simulate.structures import Structure

Coordinates = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
Mask = NDArray[np.bool_]
Window = tuple[slice, slice]

BODY = Frame(origin_mm=np.zeros(3), axes=np.eye(3)[[1, 0, 2]], tilt_deg=0.0)
"""The body's own axes: anterior, right, up."""


class Canvas:
    """Tissue and structure numbers ``(rows, columns)`` of one plane, and its samples' place in any local frame."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._column_mm = float(np.linalg.norm(plane.column_step_mm))
        self._row_mm = float(np.linalg.norm(plane.row_step_mm))
        self._column, self._row = plane.column_step_mm / self._column_mm, plane.row_step_mm / self._row_mm
        self._normal = np.cross(self._column, self._row)
        self.labels: NDArray[np.uint8] = np.zeros((plane.rows, plane.columns), np.uint8)
        self.structures: NDArray[np.uint8] = np.zeros((plane.rows, plane.columns), np.uint8)

    @property
    def everywhere(self) -> Window:
        """The window that holds the whole plane."""
        return slice(0, self._plane.rows), slice(0, self._plane.columns)

    def window(self, centre_mm: Vector, radius_mm: float) -> Window | None:
        """Return the part of the plane within a ball, as a rectangle; None where the plane misses the ball."""
        plane = self._plane
        away = centre_mm - plane.first_mm
        if abs(away @ self._normal) > radius_mm:
            return None
        rows = _span(float(away @ self._row), radius_mm, self._row_mm, plane.rows)
        columns = _span(float(away @ self._column), radius_mm, self._column_mm, plane.columns)
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return None
        return rows, columns

    def local(self, frame: Frame, window: Window) -> Coordinates:
        """Return the samples of a window as (anterior, right, up) of a frame, each ``(rows, columns)``, in mm."""
        plane, axes = self._plane, frame.axes
        rows = np.arange(window[0].start, window[0].stop, dtype=np.float32)[:, None]
        columns = np.arange(window[1].start, window[1].stop, dtype=np.float32)[None, :]
        first, row, column = (
            axes @ (plane.first_mm - frame.origin_mm),
            axes @ plane.row_step_mm,
            axes @ plane.column_step_mm,
        )
        anterior, right, up = (
            rows * np.float32(row[k]) + (columns * np.float32(column[k]) + np.float32(first[k])) for k in range(3)
        )
        return anterior, right, up

    def paint(self, window: Window, mask: Mask, tissue: int, structure: int = Structure.BACKGROUND) -> None:
        """Lay a tissue of a structure over the samples of a window where the mask is set."""
        np.copyto(self.labels[window], np.uint8(tissue), where=mask)
        np.copyto(self.structures[window], np.uint8(structure), where=mask)

    def replace(self, window: Window, mask: Mask, old: int, new: int) -> None:
        """Turn one tissue into another where the mask is set; the structure stays."""
        labels = self.labels[window]
        np.copyto(labels, np.uint8(new), where=mask & (labels == old))


def _span(centre_mm: float, radius_mm: float, step_mm: float, size: int) -> slice:
    first = int(np.floor((centre_mm - radius_mm) / step_mm))
    last = int(np.ceil((centre_mm + radius_mm) / step_mm)) + 1
    return slice(max(first, 0), max(min(last, size), 0))


def bounds(mask: Mask) -> Window | None:
    """Return the smallest window that holds all samples where a mask of the whole plane is set; None where none is."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return None
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def superellipse(x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return x^4 + y^4: below 1 inside a rounded square."""
    x2, y2 = x * x, y * y
    return x2 * x2 + y2 * y2


def rounded(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return |x|^2.5, the exponent of the rounded front of bodies and discs."""
    magnitude = np.abs(x)
    return np.asarray(magnitude * magnitude * np.sqrt(magnitude))
