"""Two visits side by side: where T2 changed within the discs, and whether by more than measuring twice would give."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from matplotlib.figure import Figure

from t2disc.errors import ArgumentInvalid
from t2disc.model import LEVELS, Change, DiscLabels, MeasuredVisit, Roi, VisitMatch
from t2disc.model.grids import require_same_grid
from t2disc.qc.asked import require_region, require_roi, require_slice
from t2disc.qc.carried import (
    Grey,
    Greys,
    ViewedSlice,
    Window,
    carried_slice,
    difference_ms,
    own_slice,
    shaded,
    window_beside,
    window_of,
)
from t2disc.qc.forest import ROI_WORDS, Row, draw_rows, legend_of, notes_of, spread_in
from t2disc.qc.panels import (
    MARGINS_MM,
    T2_RANGE_MS,
    axes_in,
    draw_borders,
    draw_colour,
    draw_grey,
    draw_scale,
    mark_directions,
    mark_slice,
    name_discs,
    require_rising,
)
from t2disc.qc.views import Box, SagittalView, best_slice, crop_box, sagittal_view

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RowsPlace = Literal["beside", "below"]

CHANGE_RANGE_MS = 30.0
"""The difference picture reaches as far to both sides, for every pair of visits."""

_DIVERGING = "RdBu_r"  # told apart by readers who confuse red and green
_DIM = 0.55  # of the grey picture behind the difference
_NO_REASON = "The two visits were not matched."

_HEIGHT_IN = 5.2
_NARROWEST_IN, _WIDEST_IN = 2.1, 3.4
_TOP_IN, _BOTTOM_IN, _EDGE_IN, _GAP_IN = 0.62, 0.95, 0.12, 0.06
_NAMES_IN, _ROWS_IN, _WORDS_IN = 1.0, 3.0, 3.75
_ROW_GAP_IN = 0.6
_ROW_IN, _ROWS_TOP_IN, _ROWS_BOTTOM_IN = 0.55, 0.65, 1.25  # of rows below the pictures: each, above and below them


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Place:
    """Which part of the baseline is shown, and how large."""

    view: SagittalView
    index: int  # slice
    box: Box
    width_in: float  # of a panel; its height is always the same
    mm_per_in: float
    base_in: float = _BOTTOM_IN  # from the figure's lower edge up to the pictures

    @property
    def limits(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Ends of the panel in columns and in rows of the part shown; beyond the picture it is black."""
        rows, columns = (part.stop - part.start for part in self.box)
        wide, high = self.width_in * self.mm_per_in, _HEIGHT_IN * self.mm_per_in
        middle_x, half_x = (columns - 1) / 2, wide / self.view.column_mm / 2
        middle_y, half_y = (rows - 1) / 2, high / self.view.row_mm / 2
        return (middle_x - half_x, middle_x + half_x), (middle_y + half_y, middle_y - half_y)

    def down_in(self, row: float) -> float:
        """Return how far below the top of the panel a row of the whole slice lies, inches."""
        top = self.limits[1][1]
        return float(row - self.box[0].start - top) * self.view.row_mm / self.mm_per_in


@dataclass(frozen=True, slots=True, kw_only=True)
class _Colours:
    """What the colours reach from and to, ms, and of what they are."""

    t2_ms: tuple[float, float]
    change_ms: tuple[float, float]
    quantity: str  # T2 or T2*


def plot_change(
    baseline: MeasuredVisit,
    followup: MeasuredVisit,
    match: VisitMatch | None,
    changes: Sequence[Change],
    *,
    region: str = "NP",
    roi: Roi = "matched",
    index_level: str | None = None,
    reason: str = "",
    slice_index: int | None = None,
    t2_range_ms: tuple[float, float] = T2_RANGE_MS,
    change_range_ms: float = CHANGE_RANGE_MS,
    quantity: str = "T2",
    rows_place: RowsPlace = "beside",
    greys: Greys = None,
) -> Figure:
    """Show how T2 changed from baseline to follow-up: pictures to check the match by, and numbers to judge it by.

    From left to right: a mid-sagittal slice of the baseline with T2 in colour on its discs; the follow-up carried
    there, each disc by its own rigid motion, for viewing only; the difference within the discs that both show; and a
    row for each level, beside its disc: change in % of baseline with its 95 % interval, the band within which 95 % of
    repeats without a change stay, medians in ms, and what speaks against the match. The numbers come from ``changes``
    and were measured on each visit's own grid; nothing is measured in these pictures.

    Parameters
    ----------
    baseline, followup
        Each with ``t2map`` and ``discs`` on its own grid ``(X, Y, Z)``; the grids need not agree.
    match
        Where each disc of the baseline lies at the follow-up; ``None`` where the visits could not be matched.
    changes
        Rows of :func:`t2disc.measure.measure_changes`; those of ``region`` and ``roi`` are shown.
    region, roi
        Which part of the discs, and whose outlines.
    index_level
        The treated disc, to be marked.
    reason
        Why there is no match; written in place of the pictures that need one.
    slice_index
        Voxel index along the left-right axis of the baseline; the slice that cuts all discs best when left out.
    t2_range_ms, change_range_ms
        Ends of the colour bar of T2, and the end to both sides of that of the difference, ms. Keep them the same for
        all participants of a study.
    quantity
        ``T2`` or ``T2*``, for the labels.
    rows_place
        Rows ``beside`` the pictures, each at its disc, on a wide sheet; or ``below`` them, readable on a page.
    greys
        ``(X, Y, Z)`` images of baseline and follow-up on their own grids, such as their first echoes, to be shown in
        grey; made from S0 and T2 when left out.

    Returns
    -------
    matplotlib.figure.Figure
        Save it with ``figure.savefig(path)``; PNG bytes repeat for the same data.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: a map and labels on different grids, a slice, region, outline, level or place that does
        not exist, or a colour range without extent.
    """
    _require_sound(baseline, followup, region, roi, index_level)
    if rows_place not in get_args(RowsPlace):
        raise ArgumentInvalid("an unknown place of the rows", expected=f"one of {', '.join(get_args(RowsPlace))}")
    require_rising(t2_range_ms)
    require_rising((-change_range_ms, change_range_ms))
    place = _place(baseline.discs, slice_index)
    rows = _rows(baseline.discs, followup.discs, match, _chosen(changes, region, roi), index_level, place)
    if rows_place == "below":
        rows, place = _moved_below(rows, place)
    figure = Figure(figsize=_size_in(place, rows_place), dpi=110)
    colours = _Colours(t2_ms=t2_range_ms, change_ms=(-change_range_ms, change_range_ms), quantity=quantity)
    _draw_pictures(figure, (baseline, followup), greys or (None, None), match, reason or _NO_REASON, place, colours)
    draw = _draw_changes if rows_place == "beside" else _draw_changes_below
    draw(figure, rows, place, f"{quantity} of {region}", roi)
    return figure


# ------------------------------------------------------------------------------------------------ what to show
def _require_sound(
    baseline: MeasuredVisit, followup: MeasuredVisit, region: str, roi: str, index_level: str | None
) -> None:
    require_same_grid(baseline.t2map, baseline.discs)
    require_same_grid(followup.t2map, followup.discs)
    require_region(region)
    require_roi(roi)
    if index_level is not None and index_level not in LEVELS:
        raise ArgumentInvalid("an index disc that is no disc level", expected=f"one of {', '.join(LEVELS)}")


def _place(discs: DiscLabels, slice_index: int | None) -> _Place:
    """Return the slice, the part of it that holds all discs, and the scale at which it fits a panel."""
    view = sagittal_view(discs.affine)
    labels = view.turn(discs.discs)
    index = best_slice(labels) if slice_index is None else slice_index
    require_slice(index, len(labels))
    box = crop_box(labels > 0, view, MARGINS_MM)
    high_mm, wide_mm = (
        (part.stop - part.start) * mm for part, mm in zip(box, (view.row_mm, view.column_mm), strict=True)
    )
    width_in = min(max(_HEIGHT_IN * wide_mm / high_mm, _NARROWEST_IN), _WIDEST_IN)
    scale = max(high_mm / _HEIGHT_IN, wide_mm / width_in)
    return _Place(view=view, index=index, box=box, width_in=width_in, mm_per_in=scale)


def _chosen(changes: Sequence[Change], region: str, roi: Roi) -> dict[str, Change]:
    return {change.level: change for change in changes if (change.region, change.roi) == (region, roi)}


def _rows(
    before: DiscLabels,
    after: DiscLabels,
    match: VisitMatch | None,
    changes: Mapping[str, Change],
    index_level: str | None,
    place: _Place,
) -> list[Row]:
    """Return a row for each level that anybody knows of, from superior to inferior, beside its disc."""
    known = {*before.levels, *after.levels, *changes, *(match.missing if match else ()), index_level}
    levels = [level for level in LEVELS if level in known]
    down_in = spread_in(levels, _disc_heights_in(before, place), _HEIGHT_IN, _ROW_GAP_IN)
    return [
        Row(
            level=level,
            change=changes.get(level),
            notes=tuple(
                notes_of(
                    changes.get(level),
                    match.disc(level) if match else None,
                    (level in before.levels, level in after.levels),
                )
            ),
            is_index=level == index_level,
            down_in=inches,
        )
        for level, inches in zip(levels, down_in, strict=True)
    ]


def _moved_below(rows: Sequence[Row], place: _Place) -> tuple[list[Row], _Place]:
    """Return the rows one below the other at even steps, and the pictures raised above them."""
    evenly = [replace(row, down_in=(number + 0.5) * _ROW_IN) for number, row in enumerate(rows)]
    high_in = _ROWS_BOTTOM_IN + max(len(rows), 1) * _ROW_IN + _ROWS_TOP_IN
    return evenly, replace(place, base_in=high_in + _BOTTOM_IN)


def _size_in(place: _Place, rows_place: RowsPlace) -> tuple[float, float]:
    """Return width and height of the figure."""
    pictures, rows = _left_in(place, 3), _NAMES_IN + _ROWS_IN + _WORDS_IN
    wide = pictures + rows if rows_place == "beside" else max(pictures, rows)
    return wide, place.base_in + _HEIGHT_IN + _TOP_IN


def _disc_heights_in(discs: DiscLabels, place: _Place) -> dict[str, float]:
    """Return how far down the middle of each disc lies in the picture, inches."""
    labels = place.view.turn(discs.discs)
    rows = {level: np.nonzero(labels == DiscLabels.value_of(level))[1] for level in discs.levels}
    return {level: place.down_in(float(found.mean())) for level, found in rows.items() if found.size}


# ------------------------------------------------------------------------------------------------ pictures
def _draw_pictures(
    figure: Figure,
    visits: tuple[MeasuredVisit, MeasuredVisit],
    greys: tuple[Grey, Grey],
    match: VisitMatch | None,
    reason: str,
    place: _Place,
    colours: _Colours,
) -> None:
    """Draw the baseline, and beside it the follow-up and the difference, or why there is none."""
    first, second, third = (_panel(figure, place, number) for number in range(3))
    second.set_title("Follow-up, carried to\nbaseline for viewing only", fontsize=10)
    third.set_title("Follow-up minus baseline,\nwithin discs", fontsize=10)
    baseline, followup = visits
    before = own_slice(baseline, place.view, place.index, place.box, greys[0])
    window = window_of([before])
    _draw_baseline(first, before, window, baseline.discs, colours.t2_ms, place)
    end = "max" if colours.t2_ms[0] <= 0 else "both"
    _draw_bar(figure, first, place, (0, 1), f"{colours.quantity} (ms)", end)
    if match is None:
        _explain((second, third), reason, place)
        return
    places_mm = place.view.places_mm(place.index, place.box, baseline.discs.shape)
    pixel_mm = (place.view.row_mm, place.view.column_mm)
    after = carried_slice(followup, match, before, places_mm, pixel_mm, grey=greys[1])
    _draw_slice(second, after, window_beside(window, [before], [after]), colours.t2_ms, place)
    _draw_difference(third, (before, after), window, colours.change_ms, place)
    _draw_bar(figure, third, place, (2, 2), f"Change of {colours.quantity} (ms)", "both")


def _panel(figure: Figure, place: _Place, number: int) -> Axes:
    """Return black axes for one of the three pictures."""
    axes = axes_in(figure, (_left_in(place, number), place.base_in, place.width_in, _HEIGHT_IN))
    axes.set(facecolor="black", xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    return axes


def _left_in(place: _Place, number: int) -> float:
    """Return where a picture begins, inches from the left of the figure."""
    return _EDGE_IN + number * (place.width_in + _GAP_IN)


def _draw_baseline(
    axes: Axes,
    shown: ViewedSlice,
    window: Window,
    discs: DiscLabels,
    t2_range_ms: tuple[float, float],
    place: _Place,
) -> None:
    """Draw the baseline with its levels, how large it is, and which slice."""
    _draw_slice(axes, shown, window, t2_range_ms, place)
    axes.set_title("Baseline", fontsize=10)
    name_discs(axes, shown.discs, discs.levels, place.view)
    mark_slice(axes, place.index, place.view, discs.shape)
    draw_scale(axes, place.view)


def _draw_slice(
    axes: Axes, shown: ViewedSlice, window: Window, t2_range_ms: tuple[float, float], place: _Place
) -> None:
    """Draw T2 in colour on the grey picture."""
    draw_grey(axes, shaded(shown.signal, window), place.view)
    draw_colour(axes, shown.t2_ms, t2_range_ms, place.view)
    draw_borders(axes, shown.discs, shown.regions)
    _finish(axes, place)


def _draw_difference(
    axes: Axes,
    visits: tuple[ViewedSlice, ViewedSlice],
    window: Window,
    change_range_ms: tuple[float, float],
    place: _Place,
) -> None:
    """Draw the difference in colour on a dim baseline, with the baseline's borders."""
    before, after = visits
    draw_grey(axes, _DIM * shaded(before.signal, window), place.view)
    draw_colour(axes, difference_ms(before, after), change_range_ms, place.view, _DIVERGING)
    draw_borders(axes, before.discs, before.regions, nucleus_colour="black")
    _finish(axes, place)


def _finish(axes: Axes, place: _Place) -> None:
    """Keep all pictures at one scale, and mark their sides."""
    xlim, ylim = place.limits
    axes.set(xlim=xlim, ylim=ylim)
    mark_directions(axes)


def _explain(panels: tuple[Axes, ...], reason: str, place: _Place) -> None:
    """Write why there is no picture."""
    words = textwrap.fill(reason, int(place.width_in * 11))
    for axes in panels:
        axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", color="white", fontsize=9)


def _draw_bar(figure: Figure, panel: Axes, place: _Place, panels: tuple[int, int], label: str, extend: str) -> None:
    """Draw a colour bar below the first to the last of some panels."""
    left, right = _left_in(place, panels[0]), _left_in(place, panels[1]) + place.width_in
    inset = 0.12 * (right - left)
    axes = axes_in(figure, (left + inset, place.base_in - 0.3, right - left - 2 * inset, 0.14))
    bar: Any = figure.colorbar(panel.images[-1], cax=axes, orientation="horizontal", extend=extend)
    bar.set_label(label, fontsize=10)
    bar.set_ticks(np.linspace(*panel.images[-1].get_clim(), 5))
    bar.ax.tick_params(labelsize=9)


# ------------------------------------------------------------------------------------------------ changes
def _draw_changes(figure: Figure, rows: Sequence[Row], place: _Place, what: str, roi: Roi) -> None:
    left = _left_in(place, 3) + _NAMES_IN
    axes = axes_in(figure, (left, _BOTTOM_IN, _ROWS_IN, _HEIGHT_IN))
    draw_rows(axes, rows, _HEIGHT_IN, f"Change of median {what} (% of baseline)")
    axes.set_title(f"Median {what}, {ROI_WORDS[roi]}", fontsize=10, loc="left", pad=22)
    wide, high = figure.get_size_inches()
    corner = ((left + _ROWS_IN + 0.2) / wide, 0.12 / high)
    style: dict[str, Any] = {"frameon": False, "fontsize": 8.5, "borderpad": 0, "borderaxespad": 0}
    figure.legend(handles=legend_of(rows), loc="lower left", bbox_to_anchor=corner, **style)


def _draw_changes_below(figure: Figure, rows: Sequence[Row], place: _Place, what: str, roi: Roi) -> None:
    """Draw the rows under the pictures, and what their marks stand for under the rows."""
    high = place.base_in - _BOTTOM_IN - _ROWS_TOP_IN - _ROWS_BOTTOM_IN
    axes = axes_in(figure, (_NAMES_IN, _ROWS_BOTTOM_IN, _ROWS_IN, high))
    draw_rows(axes, rows, high, f"Change of median {what} (% of baseline)")
    wide_in, high_in = figure.get_size_inches()
    style: dict[str, Any] = {"frameon": False, "fontsize": 8.5, "borderpad": 0, "borderaxespad": 0}
    head_in = place.base_in - _BOTTOM_IN - 0.22
    figure.text(0.12 / wide_in, head_in / high_in, f"Median {what}, {ROI_WORDS[roi]}", fontsize=10)
    corner = (_NAMES_IN / wide_in, 0.1 / high_in)
    figure.legend(handles=legend_of(rows), loc="lower left", bbox_to_anchor=corner, **style)
