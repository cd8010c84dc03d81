"""The change of each disc as a row: a dot with its interval, the band of repeatability, and what speaks against it."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from t2disc.model import LEVELS, Change, DiscMatch, MatchCode, Repeatability, Roi
from t2disc.qc.charts import BAND, CONTROL, INDEX, INK, QUIET

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

ROI_WORDS: Mapping[Roi, str] = {
    "matched": "where both visits' outlines agree",
    "own": "in each visit's own outlines",
    "baseline": "in the baseline's outlines",
    "followup": "in the follow-up's outlines",
}

CODE_WORDS: Mapping[MatchCode, str] = {
    MatchCode.LEVEL_MISSING: "found at one visit only",
    MatchCode.OUT_OF_FIELD: "partly outside the follow-up's field of view",
    MatchCode.DIVERGED: "own motion not found, its neighbours' used",
    MatchCode.INCONSISTENT: "there and back disagree",
    MatchCode.POOR_FIT: "pictures fit poorly",
    MatchCode.THROUGH_PLANE_UNSURE: "place across slices unsure",
    MatchCode.PERHAPS_ANOTHER: "perhaps another person",
}
"""What speaks against the match of a disc, in words for the reader of a picture."""

_LEAST_REACH_PCT, _MOST_REACH_PCT = 10.0, 100.0
_STEPS_PCT = (10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 80.0, 100.0)  # reaches of the axis
_ROOM = 1.08  # beyond the outermost mark
_HALF_BAND_IN = 0.13
_WIDTH, _LEGEND_WIDTH = 58, 50  # characters in a line of notes, of the legend
_MEDIANS, _CHANGES = 1.03, 1.52  # where the columns of numbers begin, in widths of the axes


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One level in the picture: its change, if there is one, what the reader should know of it, and its place."""

    level: str
    change: Change | None
    notes: tuple[str, ...]
    is_index: bool
    down_in: float  # from the top of the panel

    @property
    def colour(self) -> str:
        """Colour of its dot and its name."""
        return INDEX if self.is_index else CONTROL

    @property
    def has_dot(self) -> bool:
        """Whether there is a change to show."""
        return self.change is not None and math.isfinite(self.change.change_pct)


# ------------------------------------------------------------------------------------------------ words
def notes_of(change: Change | None, match: DiscMatch | None, found: tuple[bool, bool]) -> Iterator[str]:
    """Yield what speaks against the match of a disc, and why it has no change; ``found`` at baseline, at follow-up."""
    if not all(found):
        yield "not found at " + {(False, True): "baseline", (True, False): "follow-up"}.get(found, "either visit")
        return
    if match is not None:
        words = [CODE_WORDS[code] for code in match.codes]
        if match.is_fallback and MatchCode.DIVERGED not in match.codes:
            words.append(CODE_WORDS[MatchCode.DIVERGED])
        yield from words
    if change is None:
        yield "not measured"
    elif not math.isfinite(change.change_pct):
        yield "no voxel with a T2 at " + _visits_without(change)


def _visits_without(change: Change) -> str:
    without = [change.baseline_n_used == 0, change.followup_n_used == 0]
    names = [name for name, is_empty in zip(("baseline", "follow-up"), without, strict=True) if is_empty]
    return " and ".join(names) or "one of the visits"


def _medians(change: Change) -> str:
    return f"{change.baseline_t2_median_ms:.1f} → {change.followup_t2_median_ms:.1f}"


def _change(change: Change) -> str:
    """Return the change and its interval."""
    low, high = change.interval_pct
    interval = f"({_signed(low)} to {_signed(high)})" if math.isfinite(low) else "(interval not known)"
    return f"{_signed(change.change_pct)} {interval}"


def _signed(value: float) -> str:
    text = f"{value:+.1f}"
    return "0.0" if float(text) == 0 else text.replace("-", "−")


# ------------------------------------------------------------------------------------------------ places
def spread_in(levels: Sequence[str], wanted_in: Mapping[str, float], height_in: float, gap_in: float) -> list[float]:
    """Return how far down each row stands, inches: beside its disc where there is room, in the order of levels.

    ``wanted_in`` holds the places of discs in the picture; a level without one stands between or beyond the others.
    """
    places = [LEVELS.index(level) for level in levels]
    gap = min(gap_in, height_in / max(len(levels), 1))
    down = _filled(places, {LEVELS.index(level): inches for level, inches in wanted_in.items()}, height_in)
    for row in range(1, len(down)):
        down[row] = max(down[row], down[row - 1] + gap)
    lowest = height_in - gap / 2
    for row in reversed(range(len(down))):
        down[row] = lowest = min(down[row], lowest)
        lowest -= gap
    return down


def _filled(places: Sequence[int], known_in: Mapping[int, float], height_in: float) -> list[float]:
    """Return a place for every level: its own, or in step with those known; evenly where none is."""
    if not known_in:
        step = height_in / max(len(places), 1)
        return [(row + 0.5) * step for row in range(len(places))]
    at = sorted(known_in)
    inches = [known_in[place] for place in at]
    step = (inches[-1] - inches[0]) / (at[-1] - at[0]) if len(at) > 1 else height_in / len(LEVELS)
    beyond = [min(place - at[0], 0) + max(place - at[-1], 0) for place in places]
    between = np.interp(places, at, inches)
    least = 0.5 * height_in / len(LEVELS)
    return [max(float(inch + step * more), least) for inch, more in zip(between, beyond, strict=True)]


# ------------------------------------------------------------------------------------------------ drawing
def draw_rows(axes: Axes, rows: Sequence[Row], height_in: float, label: str) -> None:
    """Draw a row for each level; the axes run down in inches, and to the right in % of baseline."""
    reach_pct = _reach_pct(rows)
    axes.set(xlim=(-reach_pct * _ROOM, reach_pct * _ROOM), ylim=(height_in, 0), xlabel=label)
    axes.axvline(0, color=INK, lw=0.8, zorder=1)
    for row in rows:
        axes.axhline(row.down_in, color=BAND, lw=0.6, zorder=0)
        _draw_band(axes, row, reach_pct)
        _draw_dot(axes, row, reach_pct)
        _write_row(axes, row)
    _name_rows(axes, rows)
    _head_columns(axes)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(labelsize=9)


def _reach_pct(rows: Sequence[Row]) -> float:
    """Return how far the axis reaches to both sides: all dots, intervals and bands, up to 100 %."""
    changes = [row.change for row in rows if row.change is not None]
    ends = [end for change in changes for end in (change.change_pct, *change.interval_pct, change.repeatability.rc_pct)]
    widest = max((abs(end) for end in ends if math.isfinite(end)), default=_LEAST_REACH_PCT)
    return next((step for step in _STEPS_PCT if widest <= step), _MOST_REACH_PCT)


def _draw_band(axes: Axes, row: Row, reach_pct: float) -> None:
    """Shade what measuring twice would give; nothing where nobody knows."""
    if row.change is None or not row.has_dot or not math.isfinite(row.change.repeatability.rc_pct):
        return
    rc_pct = min(row.change.repeatability.rc_pct, reach_pct * _ROOM)
    corner = (-rc_pct, row.down_in - _HALF_BAND_IN)
    axes.add_patch(Rectangle(corner, 2 * rc_pct, 2 * _HALF_BAND_IN, color=BAND, lw=0, zorder=0.5))


def _draw_dot(axes: Axes, row: Row, reach_pct: float) -> None:
    """Draw the change and its interval; an arrow at the edge where it lies beyond the axis."""
    if row.change is None or not row.has_dot:
        return
    low, high = np.clip(row.change.interval_pct, -reach_pct * _ROOM, reach_pct * _ROOM)
    if math.isfinite(low):
        axes.plot([low, high], [row.down_in] * 2, color=row.colour, lw=2, solid_capstyle="butt", zorder=2)
    change_pct = row.change.change_pct
    marker = ("D" if row.is_index else "o") if abs(change_pct) <= reach_pct else (">" if change_pct > 0 else "<")
    shown_pct = min(max(change_pct, -reach_pct), reach_pct)
    axes.plot([shown_pct], [row.down_in], marker, color=row.colour, ms=7, mec="white", mew=0.8, zorder=3)


def _write_row(axes: Axes, row: Row) -> None:
    """Write the numbers to the right of a row, and below them what the reader should know."""
    place = axes.get_yaxis_transform()
    notes = "\n".join(textwrap.wrap("; ".join(row.notes), _WIDTH))
    style: dict[str, Any] = {"transform": place, "fontsize": 8, "color": QUIET, "style": "italic"}
    if row.change is None or not row.has_dot:
        axes.text(_MEDIANS, row.down_in, notes, va="center", **style)
        return
    for share, words in ((_MEDIANS, _medians(row.change)), (_CHANGES, _change(row.change))):
        weight = "bold" if row.is_index else "normal"
        axes.text(share, row.down_in, words, transform=place, fontsize=9, va="center", color=INK, weight=weight)
    axes.text(_MEDIANS, row.down_in + 0.1, notes, va="top", **style)


def _head_columns(axes: Axes) -> None:
    """Write above the numbers what they are."""
    for share, words in ((_MEDIANS, "Medians in ms"), (_CHANGES, "Change in % (95 % interval)")):
        axes.text(share, 1.015, words, transform=axes.transAxes, fontsize=9, va="bottom", color=QUIET)


def _name_rows(axes: Axes, rows: Sequence[Row]) -> None:
    """Write the levels on the left; the treated one in its colour, and that it is."""
    names = [f"{row.level}\nindex disc" if row.is_index else row.level for row in rows]
    axes.set_yticks([row.down_in for row in rows], names)
    axes.tick_params(axis="y", length=0)
    for name, row in zip(axes.get_yticklabels(), rows, strict=True):
        name.set(fontsize=10, color=INDEX if row.is_index else INK, weight="bold" if row.is_index else "normal")


def legend_of(rows: Sequence[Row]) -> list[Artist]:
    """Return what the marks in use stand for."""
    marks: list[Artist] = []
    dotted = [row for row in rows if row.has_dot]
    for is_index, marker, words in ((False, "o", "change and its 95 % interval"), (True, "D", "the same, index disc")):
        if any(row.is_index == is_index for row in dotted):
            colour = INDEX if is_index else CONTROL
            marks.append(Line2D([], [], color=colour, marker=marker, ms=7, mec="white", mew=0.8, lw=2, label=words))
    if dotted:
        marks.append(_band_mark([row.change.repeatability for row in dotted if row.change is not None]))
    return marks


def _band_mark(repeatabilities: Sequence[Repeatability]) -> Artist:
    """Return what the band stands for, and who has measured it."""
    known = [one for one in repeatabilities if math.isfinite(one.rc_pct)]
    if not known:
        return Patch(color="none", lw=0, label="repeatability not known: no band")
    sources = "; ".join(dict.fromkeys(_source(one) for one in known if one.source))
    words = "within it lie 95 % of repeats without a change" + (f" ({sources})" if sources else "")
    return Patch(color=BAND, lw=0, label=textwrap.fill(words, _LEGEND_WIDTH))


def _source(one: Repeatability) -> str:
    return one.source if one.n_participants is None else f"{one.source}, {one.n_participants} participants"
