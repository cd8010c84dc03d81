"""T2 in colour on the anatomy: the picture by which a reader accepts or rejects a visit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from t2disc.errors import ArgumentInvalid
from t2disc.model import DiscLabels, EchoStack, T2Map
from t2disc.model.grids import require_same_grid
from t2disc.qc.panels import (
    MARGINS_MM,
    T2_RANGE_MS,
    draw_borders,
    draw_colour,
    draw_grey,
    draw_scale,
    mark_sides,
    name_discs,
    require_rising,
    windowed,
)
from t2disc.qc.views import SagittalView, crop_box, sagittal_view

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_PANELS = 6
_PANEL_HEIGHT_IN = 5.2
_WIDEST_IN = 16.0
_GAP_IN = 0.04
_BAR_IN = 0.95


def plot_t2_overlay(
    stack: EchoStack,
    t2map: T2Map,
    discs: DiscLabels,
    *,
    t2_range_ms: tuple[float, float] = T2_RANGE_MS,
    slices: Sequence[int] | None = None,
) -> Figure:
    """Show T2 in colour on the discs of a visit, slice by slice, for the reader who must accept or reject it.

    Sagittal slices from the patient's right to left, anterior on the left, superior at the top, in true proportions
    and cropped to the discs. Grey is the mean over echoes; colour is T2 where it was fitted (a voxel of a disc that
    stays grey has none); lines are the borders of discs and, thinner, of their nuclei. Without discs T2 is shown
    wherever it was fitted.

    Parameters
    ----------
    stack, t2map, discs
        Finished data of one visit, on one grid.
    t2_range_ms
        Ends of the colour bar in ms; keep it the same for all visits of a study.
    slices
        Voxel indices along the left-right axis; up to six that cross the discs when left out.

    Returns
    -------
    matplotlib.figure.Figure
        Save it with ``figure.savefig(path)``; PNG bytes repeat for the same data.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: different grids, a slice that does not exist, or a range that does not rise.
    """
    require_same_grid(stack, t2map, discs)
    require_rising(t2_range_ms)
    view = sagittal_view(stack.affine)
    labels = view.turn(discs.discs)
    chosen = _chosen_slices(labels, slices, view, stack.shape)
    box = crop_box(labels[chosen] > 0, view, MARGINS_MM)
    figure, panels = _panels(len(chosen), labels[0][box].shape, view)
    grey = windowed(view.turn(stack.signal)[:, *box][chosen].mean(axis=-1, dtype=np.float64))
    colours = _colours(view.turn(t2map.t2_ms), labels)
    for place, (axes, index) in enumerate(zip(panels, chosen, strict=True)):
        draw_grey(axes, grey[place], view)
        draw_colour(axes, colours[index][box], t2_range_ms, view)
        draw_borders(axes, labels[index][box], view.turn(discs.regions)[index][box])
        name_discs(axes, labels[index][box], discs.levels, view)
        mark_sides(axes, index, view, stack.shape)
    draw_scale(panels[0], view)
    _draw_colour_bar(figure, panels[0], t2_range_ms, stack.acquisition.quantity)
    return figure


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
    """Return up to six slices, evenly spread over those that cross a disc; the middle ones where there is none."""
    crossed = np.flatnonzero(labels.any(axis=(1, 2)))
    if crossed.size == 0:
        first = max((len(labels) - _MOST_PANELS) // 2, 0)
        crossed = np.arange(first, min(first + _MOST_PANELS, len(labels)))
    spread = np.linspace(0, crossed.size - 1, min(_MOST_PANELS, crossed.size))
    return [int(index) for index in crossed[np.round(spread).astype(np.intp)]]


def _colours(t2_ms: NDArray[np.float32], labels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return T2 within the discs, or everywhere where there is none; NaN elsewhere."""
    if not labels.any():
        return t2_ms
    shown: NDArray[np.float32] = np.where(labels > 0, t2_ms, np.float32(np.nan))
    return shown


# ------------------------------------------------------------------------------------------------ drawing
def _panels(n: int, shape: tuple[int, ...], view: SagittalView) -> tuple[Figure, list[Axes]]:
    """Return a figure with n panels of the proportions of the part shown, in as few rows as fit."""
    wide_in = _PANEL_HEIGHT_IN * shape[1] * view.column_mm / (shape[0] * view.row_mm)
    n_rows = math.ceil(n * wide_in / _WIDEST_IN)
    n_columns = math.ceil(n / n_rows)
    width_in, height_in = n_columns * (wide_in + _GAP_IN) + _BAR_IN, n_rows * (_PANEL_HEIGHT_IN + _GAP_IN)
    figure = Figure(figsize=(width_in, height_in), dpi=110, facecolor="black")
    panels = []
    for place in range(n):
        row, column = divmod(place, n_columns)
        left_in, bottom_in = column * (wide_in + _GAP_IN), (n_rows - 1 - row) * (_PANEL_HEIGHT_IN + _GAP_IN)
        box = (left_in / width_in, bottom_in / height_in, wide_in / width_in, _PANEL_HEIGHT_IN / height_in)
        axes = figure.add_axes(box)
        axes.set_axis_off()
        panels.append(axes)
    return figure, panels


def _draw_colour_bar(figure: Figure, panel: Axes, t2_range_ms: tuple[float, float], quantity: str) -> None:
    width_in, height_in = figure.get_size_inches()
    place = figure.add_axes((1 - (_BAR_IN - 0.12) / width_in, 0.6 / height_in, 0.16 / width_in, 1 - 1.2 / height_in))
    bar = figure.colorbar(panel.images[-1], cax=place, extend="max" if t2_range_ms[0] <= 0 else "both")
    bar.set_label(f"{quantity} (ms)", color="white", fontsize=10)
    bar.ax.tick_params(colors="white", labelsize=9)
    bar.outline.set_edgecolor("white")
