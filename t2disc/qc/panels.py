"""What the pictures of a sagittal slice have in common: grey, colour, borders, names, sides, scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps
from matplotlib.collections import LineCollection
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from t2disc.errors import ArgumentInvalid
from t2disc.model import DiscLabels, Region
from t2disc.qc.views import SagittalView, outline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

T2_RANGE_MS = (0.0, 200.0)
"""One colour scale for every visit and participant, so that pictures can be compared by eye."""

MARGINS_MM = (16.0, 24.0)  # above and below the discs; in front, where the levels are written, and behind


def require_rising(t2_range_ms: tuple[float, float]) -> None:
    """Refuse a colour range whose ends do not rise.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``
    """
    low, high = t2_range_ms
    if not (np.isfinite([low, high]).all() and low < high):
        raise ArgumentInvalid(f"a T2 range from {low} to {high} ms", expected="two rising ends in ms")


def axes_in(figure: Figure, box_in: tuple[float, float, float, float]) -> Axes:
    """Return axes in a box of left, bottom, width and height, inches from the figure's lower left."""
    wide, high = figure.get_size_inches()
    left, bottom, width, height = box_in
    return figure.add_axes((left / wide, bottom / high, width / wide, height / high))


def windowed(picture: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return a picture of any shape from black 0 to white 1; what is not finite is black."""
    finite = np.nan_to_num(picture.astype(np.float64), posinf=0.0, neginf=0.0)
    black, white = np.percentile(finite, [1.0, 97.0])  # the brightest are fluid and skin near the coil
    grey: NDArray[np.float64] = np.clip((finite - black) / max(white - black, np.finfo(np.float64).tiny), 0, 1)
    return grey


def draw_grey(axes: Axes, grey: NDArray[np.float64], view: SagittalView) -> None:
    """Draw a picture from black 0 to white 1, in true proportions."""
    aspect = view.row_mm / view.column_mm
    axes.imshow(grey, cmap=colormaps["gray"], vmin=0, vmax=1, aspect=aspect, interpolation="bilinear")


def draw_colour(
    axes: Axes,
    values_ms: NDArray[np.floating[Any]],
    range_ms: tuple[float, float],
    view: SagittalView,
    colours: str | Colormap = "viridis",
) -> None:
    """Draw T2, a difference of it, or any other map in colour; voxels without a value stay clear."""
    axes.imshow(
        np.ma.masked_invalid(values_ms),
        cmap=colormaps[colours] if isinstance(colours, str) else colours,
        vmin=range_ms[0],
        vmax=range_ms[1],
        aspect=view.row_mm / view.column_mm,
        interpolation="nearest",
    )


def draw_borders(
    axes: Axes,
    labels: NDArray[np.uint8],
    regions: NDArray[np.uint8],
    nucleus_colour: str = "white",
    widths: tuple[float, float] = (0.9, 0.4),
) -> None:
    """Draw the borders of discs and, thinner, of their nuclei."""
    for number in np.unique(labels[labels > 0]):
        disc = labels == number
        nucleus = outline(disc & (regions == Region.NP))
        axes.add_collection(LineCollection(nucleus, colors=nucleus_colour, linewidths=widths[1]))
        axes.add_collection(LineCollection(outline(disc), colors="white", linewidths=widths[0]))


def name_discs(axes: Axes, labels: NDArray[np.uint8], levels: tuple[str, ...], view: SagittalView) -> None:
    """Write each level in front of its disc."""
    for number, level in ((DiscLabels.value_of(level), level) for level in levels):
        rows, columns = np.nonzero(labels == number)
        if rows.size == 0:
            continue
        front = int(columns.min())
        height = float(rows[columns == front].mean())
        write(axes, front - 0.5 - 1.5 / view.column_mm, height, level, ha="right", va="center", in_voxels=True)


def mark_sides(axes: Axes, index: int, view: SagittalView, shape: tuple[int, int, int]) -> None:
    """Write S, I, A and P at the edges, which slice this is, and how far to the right or left it lies."""
    mark_directions(axes)
    mark_slice(axes, index, view, shape)


def mark_slice(axes: Axes, index: int, view: SagittalView, shape: tuple[int, int, int]) -> None:
    """Write which slice this is, and how far to the right or left it lies."""
    side_mm = view.side_mm(index, shape)
    write(axes, 0.03, 0.99, f"{'R' if side_mm >= 0 else 'L'} {abs(side_mm):.0f} mm", ha="left", va="top")
    write(axes, 0.97, 0.99, f"{index + 1}/{shape[view.axes[0]]}", ha="right", va="top")


def mark_directions(axes: Axes) -> None:
    """Write S, I, A and P at the edges."""
    for mark, x, y in (("S", 0.5, 0.98), ("I", 0.5, 0.02), ("A", 0.03, 0.5), ("P", 0.97, 0.5)):
        write(axes, x, y, mark, ha="center", va="center", weight="bold")


def write(axes: Axes, x: float, y: float, text: str, *, in_voxels: bool = False, **style: Any) -> None:
    """Write white on black edges, readable on any grey, at a place in voxels or in shares of the panel."""
    edge = withStroke(linewidth=1.8, foreground="black")
    transform = axes.transData if in_voxels else axes.transAxes
    axes.text(x, y, text, transform=transform, fontsize=8, color="white", path_effects=[edge], **style)


def draw_scale(axes: Axes, view: SagittalView, length_mm: float = 20.0) -> None:
    """Draw a bar of some mm in the lower left corner."""
    left, right = axes.get_xlim()
    bottom, _ = axes.get_ylim()
    rise_mm = length_mm / 20
    start, height = left + 0.04 * (right - left), bottom - 4 * rise_mm / view.row_mm
    axes.plot([start, start + length_mm / view.column_mm], [height, height], color="white", linewidth=2)
    above = height - 1.5 * rise_mm / view.row_mm
    write(axes, start, above, f"{length_mm:.0f} mm", ha="left", va="bottom", in_voxels=True)


def draw_white_bar(place: Axes, panel: Axes, t2_range_ms: tuple[float, float], label: str) -> None:
    """Draw the upright colour bar of a panel into ``place``, white on black; it says where T2 may lie beyond."""
    extend = "max" if t2_range_ms[0] <= 0 else "both"
    bar: Any = place.get_figure().colorbar(panel.images[-1], cax=place, extend=extend)  # type: ignore[union-attr]
    bar.set_label(label, color="white", fontsize=10)
    bar.ax.tick_params(colors="white", labelsize=9)
    bar.outline.set_edgecolor("white")
