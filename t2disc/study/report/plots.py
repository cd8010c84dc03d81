"""Plots that are made from outputs alone: what a page says of each, and how it is drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from t2disc import store
from t2disc.model import StudyChange
from t2disc.study.report.gather import Gathered, Participant, study_changes, visit_match

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

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
