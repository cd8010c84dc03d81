"""One disc, large: where its borders and its nucleus were drawn, and T2 voxel by voxel within them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from t2disc.model import DiscLabels, EchoStack, Flag, Region, T2Map
from t2disc.model.grids import require_same_grid
from t2disc.qc.asked import region_mask, require_slice
from t2disc.qc.figure import QcFigure
from t2disc.qc.panels import (
    T2_RANGE_MS,
    axes_in,
    draw_borders,
    draw_colour,
    draw_grey,
    draw_scale,
    draw_white_bar,
    mark_directions,
    mark_slice,
    require_rising,
    windowed,
    write,
)
from t2disc.qc.views import SagittalView, best_slice, crop_box, sagittal_view

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARGINS_MM = (9.0, 9.0)
_SCALE_MM = 10.0
_PANEL_IN, _BAR_IN, _TOP_IN, _BOTTOM_IN, _GAP_IN = 3.6, 0.95, 0.35, 0.45, 0.06
_LOWEST_IN, _HIGHEST_IN = 1.8, 4.5
_WIDTHS = (1.8, 1.1)  # lines of the disc and of its nucleus
_REGIONS = ("disc", "NP", "AF")


def plot_disc_zoom(
    stack: EchoStack,
    t2map: T2Map,
    discs: DiscLabels,
    level: str,
    *,
    slice_index: int | None = None,
    t2_range_ms: tuple[float, float] = T2_RANGE_MS,
) -> Figure:
    """Show one disc large: its outline on the anatomy, and T2 in its nucleus and annulus, voxel by voxel.

    Left, the mean over echoes with the border of the disc and, thinner, of its nucleus (NP); the rest of the disc is
    annulus (AF). Right, T2 in colour on the same voxels, none of them smoothed; a cross marks a voxel of the disc
    without a T2. Below, the medians over the whole region, all slices, with the voxels they rest on.

    Parameters
    ----------
    stack, t2map, discs
        Finished data of one visit, on one grid.
    level
        Which disc, ``L4/L5``.
    slice_index
        Voxel index along the left-right axis; the slice with most of the disc when left out.
    t2_range_ms
        Ends of the colour bar in ms; keep it the same for all visits of a study.

    Returns
    -------
    matplotlib.figure.Figure
        Save it with ``figure.savefig(path)``; PNG bytes repeat for the same data.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: different grids, a level that is not labelled, a slice that does not exist, or a range
        that does not rise.
    """
    require_same_grid(stack, t2map, discs)
    require_rising(t2_range_ms)
    view = sagittal_view(discs.affine)
    inside = view.turn(region_mask(discs, level, "disc"))
    index = best_slice(inside.astype(np.uint8)) if slice_index is None else slice_index
    require_slice(index, len(inside))
    part = _part(stack, t2map, discs, view, inside, index)
    quantity = stack.acquisition.quantity
    figure, first, second = _panels(part.grey.shape, view)
    _draw_outline(first, part, view)
    first.set_title(f"{level}: mean over echoes", fontsize=10, color="white")
    _draw_t2(second, part, view, t2_range_ms)
    mark_slice(second, index, view, discs.shape)
    crossed = f" (× has no {quantity})" if part.is_missing.any() else ""
    second.set_title(f"{quantity} in the disc{crossed}", fontsize=10, color="white")
    _draw_bar(figure, second, t2_range_ms, f"{quantity} (ms)")
    figure.text(0.01, 0.04, _medians(t2map, discs, level, quantity), color="white", fontsize=9, va="bottom")
    return figure


# ------------------------------------------------------------------------------------------------ what to show
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Part:
    """The part of a slice about one disc, ``(rows, columns)`` each.

    Attributes
    ----------
    grey
        Mean over echoes, from black 0 to white 1.
    disc, regions
        The label of the disc and 0 elsewhere; the regions of all discs.
    t2_ms
        NaN outside the disc, and where there is none.
    is_missing
        Whether a voxel of the disc has no T2.
    """

    grey: NDArray[np.float64]
    disc: NDArray[np.uint8]
    regions: NDArray[np.uint8]
    t2_ms: NDArray[np.float32]
    is_missing: NDArray[np.bool_]


def _part(
    stack: EchoStack, t2map: T2Map, discs: DiscLabels, view: SagittalView, inside: NDArray[np.bool_], index: int
) -> _Part:
    """Return what is shown of a disc, which lies ``inside`` the volume ``(slices, rows, columns)``."""
    box = crop_box(inside, view, _MARGINS_MM)
    labels, regions, t2_ms, flag = (
        view.turn(volume)[index][box] for volume in (discs.discs, discs.regions, t2map.t2_ms, t2map.flag)
    )
    disc = np.where(inside[index][box], labels, 0).astype(np.uint8)
    return _Part(
        grey=windowed(view.turn(stack.signal)[index][box].mean(axis=-1, dtype=np.float64)),
        disc=disc,
        regions=regions,
        t2_ms=np.where(disc > 0, t2_ms, np.float32(np.nan)),
        is_missing=(disc > 0) & (flag != Flag.OK),
    )


def _medians(t2map: T2Map, discs: DiscLabels, level: str, quantity: str) -> str:
    """Return the medians of the regions in a line each, with the voxels that have a T2."""
    words = []
    for region in _REGIONS:
        values = t2map.t2_ms[discs.mask(level, region)]
        known = values[np.isfinite(values)]
        median = f"{np.median(known):.1f} ms" if known.size else "none"
        words.append(f"{region} {median} ({known.size} of {values.size} voxels)")
    return f"Median {quantity}, all slices:   " + "     ".join(words)


# ------------------------------------------------------------------------------------------------ drawing
def _panels(shape: tuple[int, ...], view: SagittalView) -> tuple[Figure, Axes, Axes]:
    """Return a black figure with two panels of the proportions of the part shown."""
    high_in = _PANEL_IN * shape[0] * view.row_mm / (shape[1] * view.column_mm)
    high_in = min(max(high_in, _LOWEST_IN), _HIGHEST_IN)
    width_in, height_in = 2 * _PANEL_IN + _GAP_IN + _BAR_IN, _TOP_IN + high_in + _BOTTOM_IN
    figure = QcFigure(figsize=(width_in, height_in), dpi=110, facecolor="black")
    axes = []
    for place in range(2):
        left_in = place * (_PANEL_IN + _GAP_IN)
        panel = axes_in(figure, (left_in, _BOTTOM_IN, _PANEL_IN, high_in))
        panel.set_axis_off()
        axes.append(panel)
    return figure, axes[0], axes[1]


def _draw_outline(axes: Axes, part: _Part, view: SagittalView) -> None:
    """Draw the borders of disc and nucleus on the anatomy, name the regions, and tell how large they are."""
    draw_grey(axes, part.grey, view)
    draw_borders(axes, part.disc, part.regions, widths=_WIDTHS)
    mark_directions(axes)
    _name_regions(axes, part)
    draw_scale(axes, view, _SCALE_MM)


def _draw_t2(axes: Axes, part: _Part, view: SagittalView, t2_range_ms: tuple[float, float]) -> None:
    """Draw T2 in the disc, and a cross on each of its voxels that has none."""
    draw_grey(axes, part.grey, view)
    draw_colour(axes, part.t2_ms, t2_range_ms, view)
    rows, columns = np.nonzero(part.is_missing)
    axes.plot(columns, rows, "x", color="white", ms=5, mew=1.2, label="no T2")
    draw_borders(axes, part.disc, part.regions, widths=_WIDTHS)
    mark_directions(axes)


def _draw_bar(figure: Figure, panel: Axes, t2_range_ms: tuple[float, float], label: str) -> None:
    """Draw the colour bar of the right panel beside it."""
    width_in, height_in = figure.get_size_inches()
    high_in = height_in - _TOP_IN - _BOTTOM_IN
    place = axes_in(figure, (width_in - _BAR_IN + 0.1, _BOTTOM_IN + 0.05, 0.14, high_in - 0.1))
    draw_white_bar(place, panel, t2_range_ms, label)


def _name_regions(axes: Axes, part: _Part) -> None:
    """Write NP and AF in the middle of their parts of the disc."""
    names = ((Region.NP, "NP"), (Region.AF_ANTERIOR, "AF"), (Region.AF_POSTERIOR, "AF"))
    for region, name in names:
        rows, columns = np.nonzero((part.disc > 0) & (part.regions == region))
        if rows.size:
            style: dict[str, Any] = {"ha": "center", "va": "center", "in_voxels": True}
            write(axes, float(np.median(columns)), float(np.median(rows)), name, **style)
