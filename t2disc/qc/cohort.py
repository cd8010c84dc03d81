"""All participants of a study on one page: changes of index and control discs, site by site."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from t2disc.model import Roi, StudyChange
from t2disc.qc.asked import require_region, require_roi
from t2disc.qc.charts import BAND, FAINT_BAND, INK, QUIET, ROLE_COLOURS, ROLE_MARKERS, bare, say
from t2disc.qc.figure import QcFigure
from t2disc.qc.forest import ROI_WORDS
from t2disc.qc.panels import axes_in

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

_ROLES = {"index": "index", "control": "control", "other": "no control", "unknown": "role not told"}
_WORDS = {"index": "index disc", "control": "control disc", "other": "no control", "unknown": "role not told"}
_ALL, _NO_SITE = "all sites", "site not told"
_ROW_IN, _ROOM_IN = 0.7, 1.5
_LEFT_IN, _RIGHT_IN, _WIDE_IN, _TOP_IN = 1.35, 2.95, 9.2, 0.4
_LEAST_REACH_PCT, _MOST_REACH_PCT = 20.0, 100.0
_SHOWN_PCT = 97.0  # of the changes lie within the axis, the others are arrows at its ends
_BIN_SHARE, _STEP, _HIGHEST = 0.018, 0.085, 0.3  # of the axis; rows between dots of one bin; from a row's middle
_END = 0.98  # where arrows stand, of the axis
_MEAN_DOWN = 0.42  # below the row's middle
_FAINT = 0.55  # of marks that the mean is not of


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Group:
    """The discs of one role at one site."""

    site: str
    role: str
    pct: NDArray[np.float64]  # (N,) changes that are known, in the order given
    exceeds: tuple[bool | None, ...]  # (N,)
    usable: NDArray[np.bool_]  # (N,) both visits can be used
    n_missing: int

    @property
    def usable_pct(self) -> NDArray[np.float64]:
        """Changes ``(M,)`` that the mean is of."""
        return self.pct[self.usable]

    @property
    def interval_pct(self) -> tuple[float, float]:
        """95 % interval of the mean change, from the spread between discs; NaN under two."""
        from scipy.stats import t

        found = self.usable_pct
        if found.size < 2:
            return math.nan, math.nan
        half = float(t.ppf(0.975, found.size - 1) * found.std(ddof=1) / math.sqrt(found.size))
        return float(found.mean()) - half, float(found.mean()) + half


def plot_cohort(
    changes: Sequence[StudyChange], *, region: str = "NP", roi: Roi = "matched", quantity: str = "T2"
) -> Figure:
    """Show the changes of all participants' discs at one follow-up: index and control discs, all sites and each site.

    A row for each site and role, a mark for each disc: full where the change exceeds what measuring twice gives for
    that region and level, hollow where it does not, grey where that is not known. The bar
    below the marks is the mean with its 95 % interval, from the spread between discs. The dark band is the smallest
    and the pale band the greatest repeatability over the levels. Beside each row stand the numbers: discs, missing
    ones, mean, and how many exceed their band. An arrow marks a change beyond the axis. Changes of which one visit is
    graded non-evaluable are shown as faint crosses and counted beside the row; the mean and the count of those that
    exceed their band are without them.

    Parameters
    ----------
    changes
        Of one follow-up; those of ``region`` and ``roi`` are shown. A participant has one index disc and several
        controls, which are not independent: the interval of controls is too narrow by as much as they go together.
    region, roi
        Which part of the discs, and whose outlines.
    quantity
        ``T2`` or ``T2*``, for the labels.

    Returns
    -------
    matplotlib.figure.Figure
        Save it with ``figure.savefig(path)``; PNG bytes repeat for the same data.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: an unknown region or outline.
    """
    require_region(region)
    require_roi(roi)
    shown = [one for one in changes if (one.change.region, one.change.roi) == (region, roi)]
    groups = _groups(shown)
    height_in = max(len(groups), 1) * _ROW_IN + _ROOM_IN
    figure = QcFigure(figsize=(_WIDE_IN, height_in), dpi=110)
    bottom_in = _ROOM_IN - _TOP_IN
    box_in = (_LEFT_IN, bottom_in, _WIDE_IN - _LEFT_IN - _RIGHT_IN, height_in - _ROOM_IN)
    axes = axes_in(figure, box_in)
    if not groups:
        say(axes, f"no change of {region} is known")
        axes.set_axis_off()
        return figure
    reach_pct = _reach_pct(shown)
    axes.set(xlim=(-reach_pct, reach_pct), ylim=(len(groups) - 0.4, -0.6))
    bands = _draw_bands(axes, shown, reach_pct)
    for row, group in enumerate(groups):
        _draw_group(axes, row, group, reach_pct)
        _write_group(axes, row, group)
    _finish(axes, groups, f"Change of median {quantity}, {region} (% of baseline)")
    n_people = len({one.participant_id for one in shown})
    people = "1 participant" if n_people == 1 else f"{n_people} participants"
    axes.set_title(f"{people}; median {quantity} of {region}, {ROI_WORDS[roi]}", fontsize=10, loc="left", pad=8)
    style: dict[str, Any] = {"frameon": False, "fontsize": 8.5, "ncols": 3, "columnspacing": 1.4}
    figure.legend(handles=[*_marks(groups), *bands], loc="lower left", bbox_to_anchor=(0.01, 0.0), **style)
    return figure


# ------------------------------------------------------------------------------------------------ numbers
def _groups(shown: Sequence[StudyChange]) -> list[_Group]:
    """Return index and control discs of all sites together, then of each site by name."""
    sites = sorted({one.site for one in shown if one.site is not None})
    if sites and any(one.site is None for one in shown):
        sites.append(_NO_SITE)
    found = [_group(shown, _ALL, role) for role in _ROLES]
    if len(sites) > 1:
        for site in sites:
            own = [one for one in shown if (one.site or _NO_SITE) == site]
            found += [_group(own, site, role) for role in _ROLES]
    return [group for group in found if group.pct.size or group.n_missing]


def _group(shown: Sequence[StudyChange], site: str, role: str) -> _Group:
    own = [one for one in shown if one.role == role]
    known = [one for one in own if math.isfinite(one.change.change_pct)]
    return _Group(
        site=site,
        role=role,
        pct=np.array([one.change.change_pct for one in known], np.float64),
        exceeds=tuple(one.change.exceeds_rc for one in known),
        usable=np.array([one.is_evaluable for one in known], np.bool_),
        n_missing=len(own) - len(known),
    )


def _reach_pct(shown: Sequence[StudyChange]) -> float:
    """Return how far the axis reaches to both sides: all bands, and all but the outermost changes, up to 100 %."""
    bands = [rc for one in shown if math.isfinite(rc := one.change.repeatability.rc_pct)]
    changes = [abs(pct) for one in shown if math.isfinite(pct := one.change.change_pct)]
    most = 1.15 * float(np.percentile(changes, _SHOWN_PCT)) if changes else 0.0
    widest = max([*bands, most])
    return min(max(math.ceil(widest * 1.08 / 10) * 10, _LEAST_REACH_PCT), _MOST_REACH_PCT)


def _lifts(pct: NDArray[np.float64], reach_pct: float) -> NDArray[np.float64]:
    """Return how far above or below the row's middle each mark lies, so that marks of like changes do not overlap."""
    bins = np.round(pct / (2 * reach_pct * _BIN_SHARE)).astype(np.intp)
    lifts = np.zeros(pct.size)
    for number in np.unique(bins):
        inside = np.flatnonzero(bins == number)
        steps = (np.arange(inside.size) + 1) // 2 * np.where(np.arange(inside.size) % 2, -1, 1)
        most = np.abs(steps).max()
        lifts[inside] = steps * (min(_STEP, _HIGHEST / most) if most else 0.0)
    return lifts


# ------------------------------------------------------------------------------------------------ drawing
def _draw_bands(axes: Axes, shown: Sequence[StudyChange], reach_pct: float) -> list[Artist]:
    """Shade the greatest and the smallest repeatability over the levels; return what they stand for."""
    found = [one.change.repeatability.rc_pct for one in shown]
    known = [rc for rc in found if math.isfinite(rc)]
    axes.axvline(0, color=INK, lw=0.8, zorder=1)
    if not known:
        return [Patch(color="none", lw=0, label="repeatability not known: no band")]
    bands = sorted({max(known): FAINT_BAND, min(known): BAND}.items(), reverse=True)
    words = {FAINT_BAND: "greatest over levels", BAND: "smallest over levels"}
    marks: list[Artist] = []
    for rc_pct, colour in bands:
        axes.axvspan(-min(rc_pct, reach_pct), min(rc_pct, reach_pct), color=colour, lw=0, zorder=0)
        text = f"95 % of repeats, ±{rc_pct:.0f} %" + (f", {words[colour]}" if len(bands) > 1 else "")
        marks.append(Patch(color=colour, lw=0, label=text))
    return marks


def _draw_group(axes: Axes, row: int, group: _Group, reach_pct: float) -> None:
    colour, marker = ROLE_COLOURS[group.role], ROLE_MARKERS[group.role]
    lifts = _lifts(group.pct, reach_pct)
    for pct, lift, exceeds, is_usable in zip(group.pct, lifts, group.exceeds, group.usable, strict=True):
        beyond = abs(pct) > reach_pct
        shape = (">" if pct > 0 else "<") if beyond else marker
        end_pct = _END * reach_pct if beyond else reach_pct
        shown_pct = min(max(pct, -end_pct), end_pct)
        face, edge = (BAND, QUIET) if exceeds is None else (colour if exceeds else "white", colour)
        y = row - 0.05 + lift
        style: dict[str, Any] = {"ms": 5, "mew": 1, "zorder": 3, "clip_on": False}
        if is_usable:
            axes.plot([shown_pct], [y], shape, mfc=face, mec=edge, **style)
        else:
            axes.plot([shown_pct], [y], "x", color=edge, alpha=_FAINT, **style)
    if group.usable_pct.size:
        low, high = group.interval_pct
        y = row + _MEAN_DOWN
        if math.isfinite(low):
            axes.plot([low, high], [y, y], color=INK, lw=2.2, solid_capstyle="butt", zorder=4)
        axes.plot([group.usable_pct.mean()], [y], "|", color=INK, ms=8, mew=2, zorder=4)


def _write_group(axes: Axes, row: int, group: _Group) -> None:
    """Write beside a row how many discs it has, their mean, and how many exceed their band."""
    n, n_usable = group.pct.size, group.usable_pct.size
    discs = f"{n} disc{'' if n == 1 else 's'}" + (f", {group.n_missing} missing" if group.n_missing else "")
    place = axes.get_yaxis_transform()
    style: dict[str, Any] = {"transform": place, "fontsize": 9, "va": "center"}
    low, high = group.interval_pct
    interval = f" ({low:+.1f} to {high:+.1f})" if math.isfinite(low) else ""
    mean = (
        f"mean {group.usable_pct.mean():+.1f} %{interval}"
        if n_usable
        else "no usable change"
        if n
        else "no change known"
    )
    usable = [exceeds for exceeds, is_usable in zip(group.exceeds, group.usable, strict=True) if is_usable]
    known = [exceeds for exceeds in usable if exceeds is not None]
    beyond = f"; {sum(known)} of {len(known)} exceed" if known else "; band not known" if n_usable else ""
    up = 0.17 if n == n_usable else 0.3
    axes.text(1.03, row - up, discs + beyond, color=QUIET, **style)
    axes.text(1.03, row - up + 0.37, mean.replace("-", "−"), color=INK, **style)
    if n > n_usable:
        left_out = f"{n - n_usable} of non-evaluable visits left out"
        axes.text(1.03, row - up + 0.7, left_out, color=QUIET, **style)


def _finish(axes: Axes, groups: Sequence[_Group], label: str) -> None:
    bare(axes)
    axes.spines["left"].set_visible(False)
    axes.set_yticks(range(len(groups)), [f"{group.site}\n{_ROLES[group.role]}" for group in groups])
    axes.tick_params(axis="y", length=0)
    for name, group in zip(axes.get_yticklabels(), groups, strict=True):
        name.set_color(ROLE_COLOURS[group.role])
    for row in range(1, len(groups)):
        if groups[row].site != groups[row - 1].site:
            axes.axhline(row - 0.5, color=QUIET, lw=0.6)
    axes.set_xlabel(label, fontsize=10)


def _marks(groups: Sequence[_Group]) -> list[Artist]:
    def mark(role: str, face: str, edge: str, words: str) -> Line2D:
        return Line2D([], [], color=edge, marker=ROLE_MARKERS[role], mfc=face, mec=edge, lw=0, ms=5, label=words)

    is_judged = any(exceeds is not None for group in groups for exceeds in group.exceeds)
    full = ", full: exceeds" if is_judged else ""
    roles = dict.fromkeys(group.role for group in groups)
    marks: list[Artist] = [mark(role, ROLE_COLOURS[role], ROLE_COLOURS[role], _WORDS[role] + full) for role in roles]
    if any(exceeds is False for group in groups for exceeds in group.exceeds):
        marks.append(mark("control", "white", INK, "hollow: within repeatability"))
    if any(exceeds is None for group in groups for exceeds in group.exceeds):
        marks.append(mark("control", BAND, QUIET, "grey: repeatability not known"))
    if not all(group.usable.all() for group in groups):
        words = "a visit is non-evaluable"
        marks.append(Line2D([], [], color=INK, marker="x", lw=0, ms=5, alpha=_FAINT, label=words))
    marks.append(Line2D([], [], color=INK, lw=2.2, label="mean, 95 % interval"))
    return marks
