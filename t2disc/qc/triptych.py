"""Three pictures of one slice, side by side: the baseline, the follow-up carried to it, and their difference."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from t2disc.model import DiscLabels, MeasuredVisit, VisitMatch
from t2disc.qc.asked import require_slice
from t2disc.qc.carried import (
    Grey,
    ViewedSlice,
    Window,
    carried_slice,
    difference_ms,
    own_slice,
    shaded,
    window_beside,
    window_of,
)
from t2disc.qc.panels import (
    MARGINS_MM,
    axes_in,
    draw_borders,
    draw_colour,
    draw_grey,
    draw_scale,
    mark_directions,
    mark_slice,
    name_discs,
)
from t2disc.qc.views import Box, SagittalView, best_slice, crop_box, sagittal_view

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DIVERGING = "RdBu_r"  # told apart by readers who confuse red and green
_DIM = 0.55  # of the grey picture behind the difference

HEIGHT_IN, BOTTOM_IN = 5.2, 0.95  # of a picture; below it, for the colour bars
_N_PICTURES = 3
_NARROWEST_IN, _WIDEST_IN = 2.1, 3.4
_EDGE_IN, _GAP_IN = 0.12, 0.06


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Triptych:
    """Three pictures of one part of a slice: which part it is, how large, and where they stand on the sheet."""

    view: SagittalView
    index: int  # slice
    box: Box
    width_in: float  # of a panel; its height is always the same
    mm_per_in: float
    base_in: float = BOTTOM_IN  # from the figure's lower edge up to the pictures

    @property
    def limits(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Ends of the panel in columns and in rows of the part shown; beyond the picture it is black."""
        rows, columns = (part.stop - part.start for part in self.box)
        wide, high = self.width_in * self.mm_per_in, HEIGHT_IN * self.mm_per_in
        middle_x, half_x = (columns - 1) / 2, wide / self.view.column_mm / 2
        middle_y, half_y = (rows - 1) / 2, high / self.view.row_mm / 2
        return (middle_x - half_x, middle_x + half_x), (middle_y + half_y, middle_y - half_y)

    def down_in(self, row: float) -> float:
        """Return how far below the top of the panel a row of the whole slice lies, inches."""
        top = self.limits[1][1]
        return float(row - self.box[0].start - top) * self.view.row_mm / self.mm_per_in

    def left_in(self, number: int) -> float:
        """Return where a picture begins, inches from the left of the figure."""
        return _EDGE_IN + number * (self.width_in + _GAP_IN)

    @property
    def beside_in(self) -> float:
        """Where a fourth picture would begin, inches from the left: there is room for what stands beside them."""
        return self.left_in(_N_PICTURES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Colours:
    """What the colours reach from and to, ms, and of what they are."""

    t2_ms: tuple[float, float]
    change_ms: tuple[float, float]
    quantity: str  # T2 or T2*


def triptych_of(discs: DiscLabels, slice_index: int | None) -> Triptych:
    """Return the slice, the part of it that holds all discs, and the scale at which it fits a panel."""
    view = sagittal_view(discs.affine)
    labels = view.turn(discs.discs)
    index = best_slice(labels) if slice_index is None else slice_index
    require_slice(index, len(labels))
    box = crop_box(labels > 0, view, MARGINS_MM)
    high_mm, wide_mm = (
        (part.stop - part.start) * mm for part, mm in zip(box, (view.row_mm, view.column_mm), strict=True)
    )
    width_in = min(max(HEIGHT_IN * wide_mm / high_mm, _NARROWEST_IN), _WIDEST_IN)
    scale = max(high_mm / HEIGHT_IN, wide_mm / width_in)
    return Triptych(view=view, index=index, box=box, width_in=width_in, mm_per_in=scale)


def draw_triptych(
    figure: Figure,
    visits: tuple[MeasuredVisit, MeasuredVisit],
    greys: tuple[Grey, Grey],
    match: VisitMatch | None,
    reason: str,
    triptych: Triptych,
    colours: Colours,
) -> None:
    """Draw the baseline, and beside it the follow-up and the difference, or why there is none."""
    first, second, third = (_panel(figure, triptych, number) for number in range(_N_PICTURES))
    second.set_title("Follow-up, carried to\nbaseline for viewing only", fontsize=10)
    third.set_title("Follow-up minus baseline,\nwithin discs", fontsize=10)
    baseline, followup = visits
    before = own_slice(baseline, triptych.view, triptych.index, triptych.box, greys[0])
    window = window_of([before])
    _draw_baseline(first, before, window, baseline.discs, colours.t2_ms, triptych)
    end = "max" if colours.t2_ms[0] <= 0 else "both"
    _draw_bar(figure, first, triptych, (0, 1), f"{colours.quantity} (ms)", end)
    if match is None:
        _explain((second, third), reason, triptych)
        return
    places_mm = triptych.view.places_mm(triptych.index, triptych.box, baseline.discs.shape)
    pixel_mm = (triptych.view.row_mm, triptych.view.column_mm)
    after = carried_slice(followup, match, before, places_mm, pixel_mm, grey=greys[1])
    _draw_slice(second, after, window_beside(window, [before], [after]), colours.t2_ms, triptych)
    _draw_difference(third, (before, after), window, colours.change_ms, triptych)
    _draw_bar(figure, third, triptych, (2, 2), f"Change of {colours.quantity} (ms)", "both")


def _panel(figure: Figure, triptych: Triptych, number: int) -> Axes:
    """Return black axes for one of the three pictures."""
    axes = axes_in(figure, (triptych.left_in(number), triptych.base_in, triptych.width_in, HEIGHT_IN))
    axes.set(facecolor="black", xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    return axes


def _draw_baseline(
    axes: Axes,
    shown: ViewedSlice,
    window: Window,
    discs: DiscLabels,
    t2_range_ms: tuple[float, float],
    triptych: Triptych,
) -> None:
    """Draw the baseline with its levels, how large it is, and which slice."""
    _draw_slice(axes, shown, window, t2_range_ms, triptych)
    axes.set_title("Baseline", fontsize=10)
    name_discs(axes, shown.discs, discs.levels, triptych.view)
    mark_slice(axes, triptych.index, triptych.view, discs.shape)
    draw_scale(axes, triptych.view)


def _draw_slice(
    axes: Axes, shown: ViewedSlice, window: Window, t2_range_ms: tuple[float, float], triptych: Triptych
) -> None:
    """Draw T2 in colour on the grey picture."""
    draw_grey(axes, shaded(shown.signal, window), triptych.view)
    draw_colour(axes, shown.t2_ms, t2_range_ms, triptych.view)
    draw_borders(axes, shown.discs, shown.regions)
    _finish(axes, triptych)


def _draw_difference(
    axes: Axes,
    visits: tuple[ViewedSlice, ViewedSlice],
    window: Window,
    change_range_ms: tuple[float, float],
    triptych: Triptych,
) -> None:
    """Draw the difference in colour on a dim baseline, with the baseline's borders."""
    before, after = visits
    draw_grey(axes, _DIM * shaded(before.signal, window), triptych.view)
    draw_colour(axes, difference_ms(before, after), change_range_ms, triptych.view, _DIVERGING)
    draw_borders(axes, before.discs, before.regions, nucleus_colour="black")
    _finish(axes, triptych)


def _finish(axes: Axes, triptych: Triptych) -> None:
    """Keep all pictures at one scale, and mark their sides."""
    xlim, ylim = triptych.limits
    axes.set(xlim=xlim, ylim=ylim)
    mark_directions(axes)


def _explain(panels: tuple[Axes, ...], reason: str, triptych: Triptych) -> None:
    """Write why there is no picture."""
    words = textwrap.fill(reason, int(triptych.width_in * 11))
    for axes in panels:
        axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", color="white", fontsize=9)


def _draw_bar(
    figure: Figure, panel: Axes, triptych: Triptych, panels: tuple[int, int], label: str, extend: str
) -> None:
    """Draw a colour bar below the first to the last of some panels."""
    left, right = triptych.left_in(panels[0]), triptych.left_in(panels[1]) + triptych.width_in
    inset = 0.12 * (right - left)
    axes = axes_in(figure, (left + inset, triptych.base_in - 0.3, right - left - 2 * inset, 0.14))
    bar: Any = figure.colorbar(panel.images[-1], cax=axes, orientation="horizontal", extend=extend)
    bar.set_label(label, fontsize=10)
    bar.set_ticks(np.linspace(*panel.images[-1].get_clim(), 5))
    bar.ax.tick_params(labelsize=9)
