"""Plots that are made from outputs alone: each has a name, so that a page and ``t2disc plot`` draw the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from t2disc import store
from t2disc.errors import ArgumentInvalid, OutputsDamaged
from t2disc.model import StudyChange
from t2disc.study.report.gather import Gathered, Participant, gather, read_maps, study_changes, visit_match

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from t2disc.model.protocol import Protocol

WHOLE_STUDY = "study"
"""Place of the plots of all participants and visits."""

_N_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A plot by its name, with what a page says of it.

    Attributes
    ----------
    name
        As ``t2disc plot`` takes it.
    title, caption, alternative
        What it is; how to read it; what it shows, for those who cannot see it.
    """

    name: str
    title: str
    caption: str
    alternative: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitPlot(Plot):
    """A plot of one visit."""

    draw: Callable[[Path, store.StoredVisit, Sequence[str]], Figure]


def shown_levels(record: store.VisitRecord) -> tuple[str, ...]:
    """Return the discs that plots with a row for each disc show: the treated one and its neighbours; else all."""
    if record.index_level not in record.levels:
        return record.levels
    place = record.levels.index(record.index_level)
    first = max(min(place - 1, len(record.levels) - _N_SHOWN), 0)
    return record.levels[first : first + _N_SHOWN]


def _overlay(_out: Path, visit: store.StoredVisit, _levels: Sequence[str]) -> Figure:
    from t2disc.qc import plot_t2_overlay, viewed_stack

    return plot_t2_overlay(viewed_stack(visit.t2map, visit.discs, visit.echo), visit.t2map, visit.discs)


def _flags(_out: Path, visit: store.StoredVisit, _levels: Sequence[str]) -> Figure:
    from t2disc.qc import plot_flags, viewed_stack

    return plot_flags(viewed_stack(visit.t2map, visit.discs, visit.echo), visit.t2map, visit.discs)


def _quality(out: Path, visit: store.StoredVisit, _levels: Sequence[str]) -> Figure:
    from t2disc.qc import plot_quality, viewed_stack

    return plot_quality(
        viewed_stack(visit.t2map, visit.discs, visit.echo), store.read_quality(out, visit.record), visit.discs
    )


def _histogram(_out: Path, visit: store.StoredVisit, levels: Sequence[str]) -> Figure:
    from t2disc.qc import plot_histogram

    treated, quantity = visit.record.index_level, quantity_of(visit.record)
    return plot_histogram(visit.t2map, visit.discs, levels=levels, quantity=quantity, index_level=treated)


def _profiles(_out: Path, visit: store.StoredVisit, levels: Sequence[str]) -> Figure:
    from t2disc.qc import plot_profiles

    treated, quantity = visit.record.index_level, quantity_of(visit.record)
    return plot_profiles(visit.t2map, visit.discs, levels=levels, quantity=quantity, index_level=treated)


OVERLAY = VisitPlot(
    name="overlay",
    title="T2 on every slice",
    caption="Accept the visit when colour stays within the discs and no disc is named wrongly.",
    alternative="T2 in colour on the discs, slice by slice",
    draw=_overlay,
)
QUALITY = VisitPlot(
    name="quality",
    title="Goodness of fit",
    caption="Chi-square well above 1 says that the model does not hold, whatever R squared says; in these two and in "
    "the fourth picture yellow is worse. Red in the third is the zigzag of stimulated echoes.",
    alternative="Maps of four measures of fit on a middle slice",
    draw=_quality,
)
FLAGS = VisitPlot(
    name="flags",
    title="Voxels without a T2, and why",
    caption="A few at the rim are partial volume. A disc that misses many has medians that rest on what is left; a "
    "reason that covers one side of a disc points at the coil or at motion.",
    alternative="Voxels without a T2 by reason, slice by slice, and their share of each disc",
    draw=_flags,
)
HISTOGRAM = VisitPlot(
    name="histogram",
    title="T2 by region",
    caption="The treated disc and its neighbours. A healthy nucleus stands well to the right of its annulus; the two "
    "merge as a disc degenerates. Dashed lines are medians.",
    alternative="Histograms of T2 of nucleus and annulus, disc by disc",
    draw=_histogram,
)
PROFILES = VisitPlot(
    name="profiles",
    title="T2 along and across the discs",
    caption="The treated disc and its neighbours. From anterior to posterior a hill is the nucleus between both ends "
    "of the annulus; a plateau that falls to one side is a disc that changes there first. Crosses mark places with "
    "voxels that have no T2.",
    alternative="Profiles of T2 along and across each disc",
    draw=_profiles,
)
BY_LEVEL = (HISTOGRAM.name, PROFILES.name)
"""Plots with a row for each disc, of which some may be asked for."""
VISIT_PLOTS = (OVERLAY, QUALITY, FLAGS, HISTOGRAM, PROFILES)

CHANGE = Plot(
    name="change",
    title="Change of every disc",
    caption="The difference is shown within discs that both visits have. Below, each row is a disc: its change with "
    "the 95 % interval; a mark beyond the grey band is more than measuring twice would give.",
    alternative="Both visits, their difference, and the change of every disc with its interval",
)
TRAJECTORIES = Plot(
    name="trajectories",
    title="Discs over the visits",
    caption="Medians of the nuclei in ms; a line that leaves the grey band changed by more than measuring twice would "
    "give. Controls that leave it together with the treated disc point at the scanner.",
    alternative="Median T2 of each nucleus over the visits with the band of repeatability",
)
STUDY_TRAJECTORIES = Plot(
    name="trajectories",
    title="All participants over the visits",
    caption="Change of every nucleus in % of baseline, a panel for each level, non-evaluable visits among them. Lines "
    "that leave the grey band changed by more than measuring twice would give.",
    alternative="Change of each nucleus of all participants over the visits",
)
COHORT = Plot(
    name="cohort",
    title="The cohort",
    caption="Full marks exceed what measuring twice gives. The bar under the marks is the mean with its 95 % interval; "
    "controls that stand off 0 have drifted. Changes of non-evaluable visits are crosses, counted, and left out of the "
    "mean.",
    alternative="Changes of all treated and control discs",
)
AGREEMENT = Plot(
    name="agreement",
    title="Control discs at both visits",
    caption="Bland-Altman: nothing was done to these discs. A bias whose bar leaves 0, or a funnel, needs an "
    "explanation before the treated discs are believed.",
    alternative="Differences of control discs over their means",
)


# ------------------------------------------------------------------------------------------------ drawing
def draw_change(
    pair: store.PairRecord, baseline: store.StoredVisit, followup: store.StoredVisit, participant: Participant
) -> Figure:
    """Return the change of one pair of visits, its rows below its pictures."""
    from t2disc.qc import plot_change

    match = visit_match(pair)
    return plot_change(
        baseline,
        followup,
        match,
        participant.changes_of(pair),
        roi="matched" if match else "own",
        index_level=participant.index_level,
        reason=pair.reason,
        quantity=quantity_of(baseline.record),
        rows_place="below",
        greys=greys_of(baseline, followup),
    )


def greys_of(
    baseline: store.StoredVisit, followup: store.StoredVisit
) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """Return the first echoes of both visits; ``None`` where one has none."""
    if baseline.echo is None or followup.echo is None:
        return None
    return baseline.echo, followup.echo


def draw_trajectories(participant: Participant) -> Figure:
    """Return one participant's discs over the visits, ms."""
    from t2disc.qc import plot_trajectories

    quantity = quantity_of(participant.visits[0].record) if participant.visits else "T2"
    changes = tuple(study_changes(participant))
    return plot_trajectories(changes, unit="ms", quantity=quantity, visits=participant.session_ids)


def draw_study_trajectories(gathered: Gathered) -> Figure:
    """Return all participants' discs over the visits, % of baseline."""
    from t2disc.qc import plot_trajectories

    return plot_trajectories(gathered.study_changes, visits=gathered.session_ids)


def draw_cohort(changes: Sequence[StudyChange], followup: str) -> Figure:
    """Return the changes of all participants at one follow-up."""
    from t2disc.qc import plot_cohort

    return plot_cohort([one for one in changes if one.followup_session_id == followup])


def draw_agreement(changes: Sequence[StudyChange], followup: str) -> Figure:
    """Return the control discs' nuclei at one follow-up against baseline, of visits that can be used."""
    from t2disc.qc import plot_bland_altman
    from t2disc.qc.forest import ROI_WORDS

    found = controls(changes, followup)
    usable = [change for change in found if change.is_evaluable]
    left_out = f"; {len(found) - len(usable)} of non-evaluable visits left out" if len(usable) < len(found) else ""
    return plot_bland_altman(
        [change.change.baseline_t2_median_ms for change in usable],
        [change.change.followup_t2_median_ms for change in usable],
        names=("baseline", followup.removeprefix("ses-")),
        what=f"NP of control discs, {ROI_WORDS['matched']}{left_out}",
    )


def controls(changes: Sequence[StudyChange], followup: str) -> list[StudyChange]:
    """Return the control discs' nuclei that were compared at one follow-up."""
    place = ("control", followup, "NP", "matched")
    return [one for one in changes if (one.role, one.followup_session_id, one.change.region, one.change.roi) == place]


def quantity_of(record: store.VisitRecord) -> str:
    """Return what a visit measures: ``T2`` or ``T2*``."""
    return record.acquisition.quantity if record.acquisition else "T2"


# ------------------------------------------------------------------------------------------------ by name
def plot_names() -> dict[str, tuple[str, ...]]:
    """Return the names of plots by their place: of a visit, a participant, a follow-up of all, the study."""
    return {
        "sub-X/ses-Y": (*(plot.name for plot in VISIT_PLOTS), CHANGE.name),
        "sub-X": (TRAJECTORIES.name,),
        "ses-Y": (COHORT.name, AGREEMENT.name),
        WHOLE_STUDY: (STUDY_TRAJECTORIES.name,),
    }


def draw_plot(
    out: Path, where: str, name: str, protocol: Protocol | None = None, *, levels: Sequence[str] = ()
) -> Figure:
    """Draw one plot from the outputs of a study.

    Parameters
    ----------
    out
        Outputs of ``t2disc fit``.
    where
        ``sub-X/ses-Y`` (``change``: of that visit since the first), ``sub-X``, ``ses-Y`` for all participants, or
        ``study``.
    name
        One of :func:`plot_names`.
    protocol
        Its ``[repeatability]`` gives the bands.
    levels
        Discs of ``histogram`` and ``profiles``; those that the report shows when left out.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: no plot of this name there, nobody of that name in ``out``, or levels of a plot that has
        no row for each disc.
    OutputsDamaged
        ``outputs-damaged``: the visit's maps cannot be read back.
    StudyNotFound
        ``study-not-found``: no visit has a record in ``out``.
    """
    _require_known(where, name, levels)
    gathered = gather(out, protocol)
    if where == WHOLE_STUDY:
        return draw_study_trajectories(gathered)
    if where.startswith("ses-"):
        draw = draw_cohort if name == COHORT.name else draw_agreement
        return draw(gathered.study_changes, _among(where, gathered.followups, "a visit with changes"))
    participant_id, _, session_id = where.partition("/")
    participant = _participant(gathered, participant_id)
    if not session_id:
        return draw_trajectories(participant)
    if name == CHANGE.name:
        return _named_change(gathered, participant, session_id)
    visit = _maps(gathered, participant, session_id)
    plot = next(plot for plot in VISIT_PLOTS if plot.name == name)
    return plot.draw(out, visit, levels or shown_levels(visit.record))


def plot_title(where: str) -> str:
    """Return whose plot it is, for a picture that leaves its page: names that the outputs have, and nothing else."""
    if where == WHOLE_STUDY:
        return "all participants, all visits"
    return f"all participants, {where}" if where.startswith("ses-") else where.replace("/", ", ")


def _require_known(where: str, name: str, levels: Sequence[str]) -> None:
    place = _place(where)
    known = plot_names().get(place, ())
    if not known:
        raise ArgumentInvalid("an unknown place of a plot", expected=f"one of {', '.join(plot_names())}")
    if name not in known:
        raise ArgumentInvalid("an unknown plot", expected=f"one of {', '.join(known)} for {place}")
    if levels and name not in BY_LEVEL:
        raise ArgumentInvalid(f"levels for {name}", expected=f"levels for {' or '.join(BY_LEVEL)} alone")


def _place(where: str) -> str:
    """Return which kind of place is meant, as :func:`plot_names` has it."""
    if where == WHOLE_STUDY:
        return where
    kinds = {"sub-": "sub-X", "ses-": "ses-Y"}
    return "sub-X/ses-Y" if "/" in where else kinds.get(where[:4], "")


def _among(found: str, known: Sequence[str], what: str) -> str:
    if found not in known:
        raise ArgumentInvalid(
            f"no {what.removeprefix('a ')} of this name in the outputs",
            expected=f"one of {', '.join(known)}" if known else f"{what}, of which there is none",
        )
    return found


def _participant(gathered: Gathered, participant_id: str) -> Participant:
    known = {one.participant_id: one for one in gathered.participants if one.visits}
    return known[_among(participant_id, tuple(known), "a participant")]


def _maps(gathered: Gathered, participant: Participant, session_id: str) -> store.StoredVisit:
    records = {row.record.session_id: row.record for row in participant.visits}
    record = records[_among(session_id, tuple(records), "a visit")]
    visit = read_maps(gathered.out, participant).get(session_id)
    if visit is None:
        raise OutputsDamaged("a visit without maps that can be read back", where=record.key)
    return visit


def _named_change(gathered: Gathered, participant: Participant, session_id: str) -> Figure:
    pairs = {pair.followup_session_id: pair for pair in participant.pairs}
    if session_id in {pair.baseline_session_id for pair in participant.pairs} - set(pairs):
        later = f"a later visit: {', '.join(pairs)}"
        raise ArgumentInvalid(f"{session_id}, which is the baseline and has no change", expected=later)
    pair = pairs[_among(session_id, tuple(pairs), "a visit that was compared")]
    baseline = _maps(gathered, participant, pair.baseline_session_id)
    return draw_change(pair, baseline, _maps(gathered, participant, session_id), participant)
