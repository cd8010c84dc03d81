"""One plot by its name and place, so that ``t2disc plot`` and a page draw the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from t2disc import store
from t2disc.errors import ArgumentInvalid, OutputsDamaged
from t2disc.study.report.gather import Gathered, Participant, gather, read_maps
from t2disc.study.report.plots import (
    AGREEMENT,
    BY_LEVEL,
    CHANGE,
    COHORT,
    STUDY_TRAJECTORIES,
    TRAJECTORIES,
    VISIT_PLOTS,
    WHOLE_STUDY,
    draw_agreement,
    draw_change,
    draw_cohort,
    draw_study_trajectories,
    draw_trajectories,
    shown_levels,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from t2disc.model.protocol import Protocol


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
