"""The slices of a visit side by side, on black: what the overlay and the map of flags share."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from t2disc.errors import ArgumentInvalid
from t2disc.model import DiscLabels, EchoStack
from t2disc.qc.figure import QcFigure
from t2disc.qc.panels import MARGINS_MM, axes_in, draw_borders, draw_grey, mark_sides, name_discs, windowed
from t2disc.qc.views import Box, SagittalView, crop_box, sagittal_view

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_WITHOUT_DISCS = 6
HEIGHT_IN, SMALL_HEIGHT_IN = 5.2, 3.6  # of a panel; of one among many
_MANY, _MANY_WIDE_IN = 8, 2.1
_WIDEST_IN = 10.0  # with the room at the right side; readable on a page 800 pixels wide
_GAP_IN = 0.04


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mosaic:
    """A black figure with one panel per slice, from the patient's right to left, and room at its right side."""

    figure: Figure
    panels: tuple[Axes, ...]
    slices: tuple[int, ...]  # voxel indices along the left-right axis
    view: SagittalView
    box: Box
    shape: tuple[int, int, int]
    side_in: float  # width of the room at the right side

    def cut(self, volume: NDArray[Any]) -> Iterator[NDArray[Any]]:
        """Yield what each panel shows of a volume ``(X, Y, Z)``: ``(rows, columns)``."""
        turned = self.view.turn(volume)
        yield from (turned[index][self.box] for index in self.slices)

    def side_axes(self, box: tuple[float, float, float, float]) -> Axes:
        """Return axes in the room at the right side: left, bottom, width, height in inches, from its lower left."""
        left, bottom, wide, high = box
        start = float(self.figure.get_size_inches()[0]) - self.side_in
        return axes_in(self.figure, (start + left, bottom, wide, high))


def lay_out(discs: DiscLabels, slices: Sequence[int] | None, side_in: float, high_in: float = HEIGHT_IN) -> Mosaic:
    """Return an empty mosaic of the slices asked for, or of all that cross a disc.

    ``side_in`` is the width of the room at the right side, ``high_in`` the height of a panel where they are few.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: a slice that does not exist.
    """
    view = sagittal_view(discs.affine)
    labels = view.turn(discs.discs)
    chosen = _chosen_slices(labels, slices, view, discs.shape)
    box = crop_box(labels[chosen] > 0, view, MARGINS_MM)
    figure, panels = _panels(len(chosen), labels[0][box].shape, view, side_in, high_in)
    return Mosaic(
        figure=figure,
        panels=tuple(panels),
        slices=tuple(chosen),
        view=view,
        box=box,
        shape=discs.shape,
        side_in=side_in,
    )


def draw_anatomy(mosaic: Mosaic, stack: EchoStack) -> None:
    """Draw the mean over echoes in grey; one window for all slices."""
    mean = mosaic.view.turn(stack.signal)[:, *mosaic.box][list(mosaic.slices)].mean(axis=-1, dtype=np.float64)
    for axes, grey in zip(mosaic.panels, windowed(mean), strict=True):
        draw_grey(axes, grey, mosaic.view)


def draw_discs(mosaic: Mosaic, discs: DiscLabels) -> None:
    """Draw the borders and names of discs, and the sides, over what is there."""
    parts = zip(mosaic.panels, mosaic.slices, mosaic.cut(discs.discs), mosaic.cut(discs.regions), strict=True)
    for axes, index, labels, regions in parts:
        draw_borders(axes, labels, regions)
        name_discs(axes, labels, discs.levels, mosaic.view)
        mark_sides(axes, index, mosaic.view, mosaic.shape)


def within_discs(values: NDArray[Any], discs: DiscLabels) -> NDArray[np.float32]:
    """Return values ``(X, Y, Z)`` within the discs, or everywhere where there is none; NaN elsewhere."""
    inside = discs.discs > 0
    shown: NDArray[np.float32] = np.where(inside | ~inside.any(), values, np.float32(np.nan))
    return shown


# ------------------------------------------------------------------------------------------------ what to show
def _chosen_slices(
    labels: NDArray[np.uint8], slices: Sequence[int] | None, view: SagittalView, shape: tuple[int, int, int]
) -> list[int]:
    """Return the slices to show, from the patient's right to left."""
    chosen = list(slices) if slices is not None else _slices_of_interest(labels)
    if not chosen or min(chosen) < 0 or max(chosen) >= len(labels):
        raise ArgumentInvalid(f"slices {chosen}", expected=f"some of 0 to {len(labels) - 1}")
    return sorted(chosen, key=lambda index: -view.side_mm(index, shape))


def _slices_of_interest(labels: NDArray[np.uint8]) -> list[int]:
    """Return the slices that cross a disc; the six in the middle where none does."""
    crossed = np.flatnonzero(labels.any(axis=(1, 2)))
    if crossed.size == 0:
        first = max((len(labels) - _MOST_WITHOUT_DISCS) // 2, 0)
        crossed = np.arange(first, min(first + _MOST_WITHOUT_DISCS, len(labels)))
    return [int(index) for index in crossed]


# ------------------------------------------------------------------------------------------------ places
def _panels(
    n: int, shape: tuple[int, ...], view: SagittalView, side_in: float, high_in: float
) -> tuple[Figure, list[Axes]]:
    """Return a figure with n panels of the proportions of the part shown, in as few rows as fit, evenly filled."""
    slender = shape[0] * view.row_mm / (shape[1] * view.column_mm)
    high_in = high_in if n <= _MANY else min(high_in, SMALL_HEIGHT_IN, _MANY_WIDE_IN * slender)
    wide_in = high_in / slender
    n_rows = math.ceil(n / max(int((_WIDEST_IN - side_in) / (wide_in + _GAP_IN)), 1))
    n_columns = math.ceil(n / n_rows)
    width_in = n_columns * (wide_in + _GAP_IN) + side_in
    height_in = n_rows * (high_in + _GAP_IN)
    figure = QcFigure(figsize=(width_in, height_in), dpi=110, facecolor="black")
    panels = []
    for place in range(n):
        row, column = divmod(place, n_columns)
        left_in, bottom_in = column * (wide_in + _GAP_IN), height_in - (row + 1) * (high_in + _GAP_IN)
        axes = axes_in(figure, (left_in, bottom_in, wide_in, high_in))
        axes.set_axis_off()
        panels.append(axes)
    return figure, panels
