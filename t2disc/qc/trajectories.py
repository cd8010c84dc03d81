"""T2 of every participant's discs over the visits, level by level, beside what measuring twice would give."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from t2disc.errors import ArgumentInvalid
from t2disc.model import LEVELS, Repeatability, Roi, StudyChange
from t2disc.qc.asked import require_region, require_roi
from t2disc.qc.charts import BAND, QUIET, ROLE_COLOURS, ROLE_MARKERS, bare, say, shared_reach
from t2disc.qc.figure import QcFigure
from t2disc.qc.forest import ROI_WORDS

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

Unit = Literal["%", "ms"]

_COLUMNS = 3
_PANEL_IN, _ROOM_IN, _WIDE_IN = 2.5, 0.9, 8.0
_MARGINS_IN = (0.75, 0.12, 0.95, 0.6)  # left, right, bottom, top
_ALONE_IN = (5.5, 3.4)  # width and height of a panel that stands alone
_LEAST_REACH: dict[Unit, float] = {"%": 30.0, "ms": 20.0}
_LABELS: dict[Unit, str] = {"%": "Change of median {} (% of baseline)", "ms": "Median {} (ms)"}


def plot_trajectories(
    changes: Sequence[StudyChange],
    *,
    region: str = "NP",
    roi: Roi = "matched",
    unit: Unit = "%",
    quantity: str = "T2",
    visits: Sequence[str] = (),
) -> Figure:
    """Show how T2 of each participant's discs went from visit to visit, a panel for each level.

    A line is one disc of one participant: its first visit, then the follow-ups in the order of ``visits``.
    Index discs are drawn in vermilion with diamonds, controls in blue with dots. The grey band holds 95 % of the
    differences that measuring twice gives without a change: about 0 in %, or, with ``unit="ms"``, about each
    participant's own baseline, which is clear for one participant or two. A line breaks at a visit without a value, and
    the panel says how many are missing; nothing is drawn as 0.

    Parameters
    ----------
    changes
        Of one participant or of many; those of ``region`` and ``roi`` are shown.
    region, roi
        Which part of the discs, and whose outlines.
    unit
        ``%`` for change in % of baseline, ``ms`` for medians.
    quantity
        ``T2`` or ``T2*``, for the labels.
    visits
        Sessions in their order, those that never came among them; where left out, follow-ups stand as they are first
        met.

    Returns
    -------
    matplotlib.figure.Figure
        Save it with ``figure.savefig(path)``; PNG bytes repeat for the same data.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: an unknown region, outline or unit.
    """
    require_region(region)
    require_roi(roi)
    if unit not in get_args(Unit):
        raise ArgumentInvalid("an unknown unit", expected=f"one of {', '.join(get_args(Unit))}")
    shown = [one for one in changes if (one.change.region, one.change.roi) == (region, roi)]
    levels = [level for level in LEVELS if any(one.change.level == level for one in shown)]
    n_rows, n_columns = math.ceil(max(len(levels), 1) / _COLUMNS), min(max(len(levels), 1), _COLUMNS)
    wide_in, high_in = (_WIDE_IN, n_rows * _PANEL_IN) if n_columns > 1 else _ALONE_IN
    figure = QcFigure(figsize=(wide_in, high_in + _ROOM_IN), dpi=110)
    place = _place(wide_in, high_in + _ROOM_IN)
    grid = figure.subplots(n_rows, n_columns, squeeze=False, sharex=True, sharey=True, gridspec_kw=place)
    if not levels:
        say(grid[0, 0], f"no change of {region} is known")
        grid[0, 0].set_axis_off()
        return figure
    _draw_panels(list(grid.ravel()), shown, levels, _in_order(shown, visits), unit)
    figure.supylabel(_LABELS[unit].format(f"{quantity}, {region}"), fontsize=10, x=0.08 / wide_in, ha="left")
    figure.suptitle(f"Median {quantity} of {region}, {ROI_WORDS[roi]}", fontsize=10, x=0.01, ha="left")
    figure.legend(
        handles=_legend(shown), loc="lower center", ncols=2 if n_columns > 1 else 1, frameon=False, fontsize=8.5
    )
    return figure


def _in_order(shown: Sequence[StudyChange], visits: Sequence[str]) -> list[str]:
    """Return the sessions of the axis: those given, first visits before and follow-ups behind those that are not."""
    first = [one.baseline_session_id for one in shown if one.baseline_session_id not in visits]
    return list(dict.fromkeys((*first, *visits, *(one.followup_session_id for one in shown))))


def _place(wide_in: float, high_in: float) -> dict[str, float]:
    """Return the place of the panels: given margins draw in half the time of a layout that is found."""
    left, right, bottom, top = _MARGINS_IN
    return {
        "left": left / wide_in,
        "right": 1 - right / wide_in,
        "bottom": bottom / high_in,
        "top": 1 - top / high_in,
        "wspace": 0.08,
        "hspace": 0.3,
    }


def _draw_panels(
    panels: Sequence[Axes], shown: Sequence[StudyChange], levels: Sequence[str], visits: Sequence[str], unit: Unit
) -> None:
    ends: list[float] = []
    for axes, level in zip(panels, levels, strict=False):
        own = [one for one in shown if one.change.level == level]
        _draw_bands(axes, own, len(visits) - 1, unit)
        lines = [_line(group, visits, unit) for group in _participants(own)]
        for group, line in zip(_participants(own), lines, strict=True):
            _draw_line(axes, line, group[0].role)
            ends += line
        ends += [end for one in own for end in _band(one, unit)]
        n_missing = sum(not math.isfinite(value) for line in lines for value in line)
        _head(axes, level, len(lines), n_missing)
        if n_missing == sum(map(len, lines)):
            say(axes, "no value")
    for axes in panels[len(levels) :]:
        axes.set_axis_off()
    panels[0].set_ylim(shared_reach(np.array(ends), _LEAST_REACH[unit]))
    panels[0].set_xlim(-0.25, len(visits) - 0.75)
    for axes in panels[max(len(levels) - _COLUMNS, 0) : len(levels)]:
        axes.set_xticks(range(len(visits)), [visit.removeprefix("ses-") for visit in visits])
        axes.tick_params(labelbottom=True)
        axes.set_xlabel("Visit", fontsize=9)


# ------------------------------------------------------------------------------------------------ numbers
def _participants(changes: Sequence[StudyChange]) -> list[list[StudyChange]]:
    """Return the changes of one level, a list for each participant, in the order in which they are first met."""
    groups: dict[str, list[StudyChange]] = {}
    for one in changes:
        groups.setdefault(one.participant_id, []).append(one)
    return list(groups.values())


def _line(group: Sequence[StudyChange], visits: Sequence[str], unit: Unit) -> list[float]:
    """Return a participant's values at all visits; NaN where there is none."""
    values = dict.fromkeys(visits, math.nan)
    before_ms = next((c for one in group if math.isfinite(c := one.change.baseline_t2_median_ms)), math.nan)
    values[group[0].baseline_session_id] = (
        before_ms if unit == "ms" else (0.0 if math.isfinite(before_ms) else math.nan)
    )
    for one in group:
        follow = one.change.change_pct if unit == "%" else one.change.followup_t2_median_ms
        values[one.followup_session_id] = follow if one.change.is_comparable else math.nan
    return list(values.values())


def _band(one: StudyChange, unit: Unit) -> tuple[float, float]:
    """Return the ends of the band of repeatability; NaN where nobody knows it."""
    rc_pct, before_ms = one.change.repeatability.rc_pct, one.change.baseline_t2_median_ms
    if unit == "%":
        return -rc_pct, rc_pct
    return before_ms * (1 - rc_pct / 100), before_ms * (1 + rc_pct / 100)


# ------------------------------------------------------------------------------------------------ drawing
def _draw_bands(axes: Axes, own: Sequence[StudyChange], last: int, unit: Unit) -> None:
    """Shade the bands that are known, each once."""
    bands = dict.fromkeys(_band(one, unit) for one in own)
    for low, high in bands:
        if math.isfinite(low):
            axes.fill_between([0, last], [low, low], [high, high], color=BAND, lw=0, zorder=0)
    if unit == "%":
        axes.axhline(0, color=QUIET, lw=0.8, zorder=1)


def _draw_line(axes: Axes, line: Sequence[float], role: str) -> None:
    colour, marker = ROLE_COLOURS[role], ROLE_MARKERS[role]
    above = 3 if role == "index" else 2
    axes.plot(range(len(line)), line, color=colour, marker=marker, ms=4.5, lw=1.2, mec="white", mew=0.5, zorder=above)


def _head(axes: Axes, level: str, n: int, n_missing: int) -> None:
    bare(axes)
    missing = f", {n_missing} values missing" if n_missing > 1 else ", 1 value missing" if n_missing else ""
    discs = "1 disc" if n == 1 else f"{n} discs"
    axes.set_title(level, fontsize=10, weight="bold", loc="left")
    axes.set_title(f"{discs}{missing}", fontsize=8, color=QUIET, loc="right")


def _legend(shown: Sequence[StudyChange]) -> list[Artist]:
    marks: list[Artist] = [
        Line2D([], [], color=ROLE_COLOURS[role], marker=ROLE_MARKERS[role], ms=5, mec="white", lw=1.2, label=words)
        for role, words in _roles(shown)
    ]
    return [*marks, band_mark([one.change.repeatability for one in shown])]


def _roles(shown: Sequence[StudyChange]) -> Iterator[tuple[str, str]]:
    words = {"index": "index disc", "control": "control disc", "other": "no control", "unknown": "role not told"}
    present = {one.role for one in shown}
    yield from ((role, text) for role, text in words.items() if role in present)


def band_mark(repeatabilities: Sequence[Repeatability]) -> Patch:
    """Return what the band of repeatability stands for, and who has measured it."""
    known = [one for one in repeatabilities if math.isfinite(one.rc_pct)]
    style: dict[str, Any] = {"lw": 0}
    if not known:
        return Patch(color="none", label="repeatability not known: no band", **style)
    sources = "; ".join(dict.fromkeys(one.source for one in known if one.source))
    words = "95 % of repeats without a change" + (f" ({sources})" if sources else "")
    return Patch(color=BAND, label=words, **style)
