"""Two visits side by side: where T2 changed within the discs, and whether by more than measuring twice would give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
from matplotlib.figure import Figure

from t2disc.errors import ArgumentInvalid
from t2disc.model import LEVELS, Change, DiscLabels, MeasuredVisit, Roi, VisitMatch
from t2disc.model.grids import require_same_grid
from t2disc.qc.asked import require_region, require_roi
from t2disc.qc.carried import Greys
from t2disc.qc.figure import QcFigure
from t2disc.qc.forest import ROI_WORDS, Row, draw_rows, legend_of, notes_of, spread_in
from t2disc.qc.panels import T2_RANGE_MS, axes_in, require_rising
from t2disc.qc.triptych import BOTTOM_IN, HEIGHT_IN, Colours, Triptych, draw_triptych, triptych_of

RowsPlace = Literal["beside", "below"]

CHANGE_RANGE_MS = 30.0
"""The difference picture reaches as far to both sides, for every pair of visits."""

_NO_REASON = "The two visits were not matched."

_TOP_IN = 0.62  # above the pictures
_NAMES_IN, _ROWS_IN, _WORDS_IN = 1.0, 3.0, 3.75
_ROW_GAP_IN = 0.6
_ROW_IN, _ROWS_TOP_IN, _ROWS_BOTTOM_IN = 0.55, 0.65, 1.25  # of rows below the pictures: each, above and below them
_LEGEND: dict[str, Any] = {"frameon": False, "fontsize": 8.5, "borderpad": 0, "borderaxespad": 0}


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
    triptych = triptych_of(baseline.discs, slice_index)
    rows = _rows(baseline.discs, followup.discs, match, _chosen(changes, region, roi), index_level, triptych)
    if rows_place == "below":
        rows, triptych = _moved_below(rows, triptych)
    figure = QcFigure(figsize=_size_in(triptych, rows_place), dpi=110)
    colours = Colours(t2_ms=t2_range_ms, change_ms=(-change_range_ms, change_range_ms), quantity=quantity)
    draw_triptych(figure, (baseline, followup), greys or (None, None), match, reason or _NO_REASON, triptych, colours)
    draw = _draw_changes_beside if rows_place == "beside" else _draw_changes_below
    draw(figure, rows, triptych, f"{quantity} of {region}", roi)
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


def _chosen(changes: Sequence[Change], region: str, roi: Roi) -> dict[str, Change]:
    return {change.level: change for change in changes if (change.region, change.roi) == (region, roi)}


def _rows(
    before: DiscLabels,
    after: DiscLabels,
    match: VisitMatch | None,
    changes: Mapping[str, Change],
    index_level: str | None,
    triptych: Triptych,
) -> list[Row]:
    """Return a row for each level that anybody knows of, from superior to inferior, beside its disc."""
    known = {*before.levels, *after.levels, *changes, *(match.missing if match else ()), index_level}
    levels = [level for level in LEVELS if level in known]
    down_in = spread_in(levels, _disc_heights_in(before, triptych), HEIGHT_IN, _ROW_GAP_IN)
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


def _moved_below(rows: Sequence[Row], triptych: Triptych) -> tuple[list[Row], Triptych]:
    """Return the rows one below the other at even steps, and the pictures raised above them."""
    evenly = [replace(row, down_in=(number + 0.5) * _ROW_IN) for number, row in enumerate(rows)]
    high_in = _ROWS_BOTTOM_IN + max(len(rows), 1) * _ROW_IN + _ROWS_TOP_IN
    return evenly, replace(triptych, base_in=high_in + BOTTOM_IN)


def _size_in(triptych: Triptych, rows_place: RowsPlace) -> tuple[float, float]:
    """Return width and height of the figure."""
    pictures, rows = triptych.beside_in, _NAMES_IN + _ROWS_IN + _WORDS_IN
    wide = pictures + rows if rows_place == "beside" else max(pictures, rows)
    return wide, triptych.base_in + HEIGHT_IN + _TOP_IN


def _disc_heights_in(discs: DiscLabels, triptych: Triptych) -> dict[str, float]:
    """Return how far down the middle of each disc lies in the picture, inches."""
    labels = triptych.view.turn(discs.discs)
    rows = {level: np.nonzero(labels == DiscLabels.value_of(level))[1] for level in discs.levels}
    return {level: triptych.down_in(float(found.mean())) for level, found in rows.items() if found.size}


# ------------------------------------------------------------------------------------------------ changes
def _draw_changes_beside(figure: Figure, rows: Sequence[Row], triptych: Triptych, what: str, roi: Roi) -> None:
    """Draw the rows to the right of the pictures, each at the height of its disc."""
    left = triptych.beside_in + _NAMES_IN
    axes = axes_in(figure, (left, BOTTOM_IN, _ROWS_IN, HEIGHT_IN))
    draw_rows(axes, rows, HEIGHT_IN, f"Change of median {what} (% of baseline)")
    axes.set_title(f"Median {what}, {ROI_WORDS[roi]}", fontsize=10, loc="left", pad=22)
    wide, high = figure.get_size_inches()
    corner = ((left + _ROWS_IN + 0.2) / wide, 0.12 / high)
    figure.legend(handles=legend_of(rows), loc="lower left", bbox_to_anchor=corner, **_LEGEND)


def _draw_changes_below(figure: Figure, rows: Sequence[Row], triptych: Triptych, what: str, roi: Roi) -> None:
    """Draw the rows under the pictures, and what their marks stand for under the rows."""
    high = triptych.base_in - BOTTOM_IN - _ROWS_TOP_IN - _ROWS_BOTTOM_IN
    axes = axes_in(figure, (_NAMES_IN, _ROWS_BOTTOM_IN, _ROWS_IN, high))
    draw_rows(axes, rows, high, f"Change of median {what} (% of baseline)")
    wide_in, high_in = figure.get_size_inches()
    head_in = triptych.base_in - BOTTOM_IN - 0.22
    figure.text(0.12 / wide_in, head_in / high_in, f"Median {what}, {ROI_WORDS[roi]}", fontsize=10)
    corner = (_NAMES_IN / wide_in, 0.1 / high_in)
    figure.legend(handles=legend_of(rows), loc="lower left", bbox_to_anchor=corner, **_LEGEND)
