"""T2 in colour on the anatomy: the picture by which a reader accepts or rejects a visit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from t2disc.errors import ArgumentInvalid
from t2disc.model import DiscLabels, EchoStack, Region, T2Map
from t2disc.model.grids import require_same_grid
from t2disc.qc.views import SagittalView, crop_box, outline, sagittal_view

if TYPE_CHECKING:
    from matplotlib.axes import Axes

T2_RANGE_MS = (0.0, 200.0)
"""One colour scale for every visit and participant, so that pictures can be compared by eye."""

_MOST_PANELS = 6
_MARGINS_MM = (16.0, 24.0)  # above and below the discs; in front, where the levels are written, and behind
_PANEL_HEIGHT_IN = 5.2
_WIDEST_IN = 16.0
_GAP_IN = 0.04
_BAR_IN = 0.95
_SCALE_MM = 20.0


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
    _require_rising(t2_range_ms)
    view = sagittal_view(stack.affine)
    labels = view.turn(discs.discs)
    chosen = _chosen_slices(labels, slices, view, stack.shape)
    box = crop_box(labels[chosen] > 0, view, _MARGINS_MM)
    figure, panels = _panels(len(chosen), labels[0][box].shape, view)
    grey = _grey(view.turn(stack.signal)[:, *box][chosen])
    colours = _colours(view.turn(t2map.t2_ms), labels)
    for place, (axes, index) in enumerate(zip(panels, chosen, strict=True)):
        _draw_grey(axes, grey[place], view)
        _draw_t2(axes, colours[index][box], t2_range_ms, view)
        _draw_borders(axes, labels[index][box], view.turn(discs.regions)[index][box])
        _name_discs(axes, labels[index][box], discs.levels, view)
        _mark_sides(axes, index, view, stack.shape)
    _draw_scale(panels[0], view)
    _draw_colour_bar(figure, panels[0], t2_range_ms, stack.acquisition.quantity)
    return figure


# ------------------------------------------------------------------------------------------------ what to show
def _require_rising(t2_range_ms: tuple[float, float]) -> None:
    low, high = t2_range_ms
    if not (np.isfinite([low, high]).all() and low < high):
        raise ArgumentInvalid(f"a T2 range from {low} to {high} ms", expected="two rising ends in ms")


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


def _grey(signal: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the mean over echoes of what is shown ``(slices, rows, columns)``, from black 0 to white 1."""
    mean = np.nan_to_num(signal.mean(axis=-1, dtype=np.float64), posinf=0.0, neginf=0.0)
    black, white = np.percentile(mean, [1.0, 97.0])  # the brightest are fluid and skin near the coil
    grey: NDArray[np.float64] = np.clip((mean - black) / max(white - black, np.finfo(np.float64).tiny), 0, 1)
    return grey


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


def _draw_grey(axes: Axes, grey: NDArray[np.float64], view: SagittalView) -> None:
    aspect = view.row_mm / view.column_mm
    axes.imshow(grey, cmap=colormaps["gray"], vmin=0, vmax=1, aspect=aspect, interpolation="bilinear")


def _draw_t2(axes: Axes, t2_ms: NDArray[np.float32], t2_range_ms: tuple[float, float], view: SagittalView) -> None:
    """Draw T2 in colour; voxels without one stay clear."""
    axes.imshow(
        np.ma.masked_invalid(t2_ms),
        cmap=colormaps["viridis"],
        vmin=t2_range_ms[0],
        vmax=t2_range_ms[1],
        aspect=view.row_mm / view.column_mm,
        interpolation="nearest",
    )


def _draw_borders(axes: Axes, labels: NDArray[np.uint8], regions: NDArray[np.uint8]) -> None:
    """Draw the borders of discs and, thinner, of their nuclei."""
    for number in np.unique(labels[labels > 0]):
        disc = labels == number
        nucleus = outline(disc & (regions == Region.NP))
        axes.add_collection(LineCollection(nucleus, colors="white", linewidths=0.4))
        axes.add_collection(LineCollection(outline(disc), colors="white", linewidths=0.9))


def _name_discs(axes: Axes, labels: NDArray[np.uint8], levels: tuple[str, ...], view: SagittalView) -> None:
    """Write each level in front of its disc."""
    for number, level in ((DiscLabels.value_of(level), level) for level in levels):
        rows, columns = np.nonzero(labels == number)
        if rows.size == 0:
            continue
        front = int(columns.min())
        height = float(rows[columns == front].mean())
        _write(axes, front - 0.5 - 1.5 / view.column_mm, height, level, ha="right", va="center", in_voxels=True)


def _mark_sides(axes: Axes, index: int, view: SagittalView, shape: tuple[int, int, int]) -> None:
    """Write S, I, A and P at the edges, which slice this is, and how far to the right or left it lies."""
    for mark, x, y in (("S", 0.5, 0.98), ("I", 0.5, 0.02), ("A", 0.03, 0.5), ("P", 0.97, 0.5)):
        _write(axes, x, y, mark, ha="center", va="center", weight="bold")
    side_mm = view.side_mm(index, shape)
    _write(axes, 0.03, 0.99, f"{'R' if side_mm >= 0 else 'L'} {abs(side_mm):.0f} mm", ha="left", va="top")
    _write(axes, 0.97, 0.99, f"{index + 1}/{shape[view.axes[0]]}", ha="right", va="top")


def _write(axes: Axes, x: float, y: float, text: str, *, in_voxels: bool = False, **style: Any) -> None:
    """Write white on black edges, readable on any grey, at a place in voxels or in shares of the panel."""
    edge = withStroke(linewidth=1.8, foreground="black")
    transform = axes.transData if in_voxels else axes.transAxes
    axes.text(x, y, text, transform=transform, fontsize=8, color="white", path_effects=[edge], **style)


def _draw_scale(axes: Axes, view: SagittalView) -> None:
    """Draw a bar of 20 mm in the lower left corner."""
    left, right = axes.get_xlim()
    bottom, _ = axes.get_ylim()
    start, height = left + 0.04 * (right - left), bottom - 4 / view.row_mm
    axes.plot([start, start + _SCALE_MM / view.column_mm], [height, height], color="white", linewidth=2)
    _write(axes, start, height - 1.5 / view.row_mm, f"{_SCALE_MM:.0f} mm", ha="left", va="bottom", in_voxels=True)


def _draw_colour_bar(figure: Figure, panel: Axes, t2_range_ms: tuple[float, float], quantity: str) -> None:
    width_in, height_in = figure.get_size_inches()
    place = figure.add_axes((1 - (_BAR_IN - 0.12) / width_in, 0.6 / height_in, 0.16 / width_in, 1 - 1.2 / height_in))
    bar = figure.colorbar(panel.images[-1], cax=place, extend="max" if t2_range_ms[0] <= 0 else "both")
    bar.set_label(f"{quantity} (ms)", color="white", fontsize=10)
    bar.ax.tick_params(colors="white", labelsize=9)
    bar.outline.set_edgecolor("white")
