"""What a study's outputs hold, participant by participant, and whom the study expected and never saw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from t2disc import store
from t2disc.errors import OutputsDamaged, StudyNotFound
from t2disc.model import Change, DiscMatch, StudyChange, VisitMatch
from t2disc.study.expected import Expected
from t2disc.study.summary import StudySummary, summarise

if TYPE_CHECKING:
    from t2disc.model.protocol import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """What the outputs hold of one participant, visits in order, and the visits that never came."""

    participant_id: str
    visits: tuple[store.VisitRow, ...] = ()
    pairs: tuple[store.PairRecord, ...] = ()
    changes: tuple[store.ChangeRow, ...] = ()
    checks: tuple[store.CheckRow, ...] = ()
    absent: tuple[str, ...] = ()  # sessions that were expected and have no record

    @property
    def report_name(self) -> str:
        """File of the participant's page."""
        return f"{self.participant_id}_report.html"

    @property
    def index_level(self) -> str | None:
        """The treated disc; ``None`` where none is named."""
        return self.visits[0].record.index_level if self.visits else None

    def changes_of(self, pair: store.PairRecord) -> tuple[Change, ...]:
        """Return the changes of a pair beside what measuring twice gives, as the primary regions tell them."""
        roi = "matched" if pair.is_matched else "own"
        return tuple(
            row.change
            for row in self.changes
            if row.followup_session_id == pair.followup_session_id and row.change.roi == roi
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """All participants of a study with their changes."""

    out: Path = field(repr=False)
    participants: tuple[Participant, ...]

    @property
    def study_changes(self) -> tuple[StudyChange, ...]:
        """Every change of the study with its place in it."""
        return tuple(change for one in self.participants for change in study_changes(one))

    @property
    def followups(self) -> tuple[str, ...]:
        """The visits that were compared with a first one, in the order in which they are met."""
        return tuple(dict.fromkeys(one.followup_session_id for one in self.study_changes))


def gather(out: Path, protocol: Protocol | None = None, expected: Expected | None = None) -> Gathered:
    """Read all records in ``out``.

    Raises
    ------
    StudyNotFound
        ``study-not-found``: no visit has a record there.
    """
    keys = [key.split("/") for key in store.recorded_keys(out)]
    records = [record for p, s in keys if (record := store.read_record(out, p, s)) is not None]
    if not records:
        raise StudyNotFound("a folder without records of visits", expected="the outputs of t2disc fit")
    names = store.recorded_pairs(out)
    pairs = [pair for name in names if (pair := store.read_pair_record(out, *name)) is not None]
    summary = _summary(records, pairs, protocol)
    return Gathered(out=out, participants=tuple(_participants(summary, pairs, expected or Expected())))


def _summary(
    records: Sequence[store.VisitRecord], pairs: Sequence[store.PairRecord], protocol: Protocol | None
) -> StudySummary:
    if protocol is None:
        return summarise(records, pairs)
    return summarise(records, pairs, protocol.study.visit_order, protocol.repeatability, protocol.checks)


def _participants(
    summary: StudySummary, pairs: Sequence[store.PairRecord], expected: Expected
) -> Iterator[Participant]:
    seen = tuple(dict.fromkeys(row.record.participant_id for row in summary.visits))
    for participant_id in seen:
        visits = tuple(row for row in summary.visits if row.record.participant_id == participant_id)
        yield Participant(
            participant_id=participant_id,
            visits=visits,
            pairs=tuple(pair for pair in pairs if pair.participant_id == participant_id),
            changes=tuple(row for row in summary.changes if row.participant_id == participant_id),
            checks=tuple(row for row in summary.checks if row.participant_id == participant_id),
            absent=expected.absent([row.record.session_id for row in visits]),
        )
    for participant_id in expected.never_seen(seen):
        yield Participant(participant_id=participant_id, absent=expected.absent([]))


# ------------------------------------------------------------------------------------------------ of one participant
def study_changes(participant: Participant) -> Iterator[StudyChange]:
    """Yield a participant's changes with their place in the study."""
    for row in participant.changes:
        yield StudyChange(
            participant_id=row.participant_id,
            baseline_session_id=row.baseline_session_id,
            followup_session_id=row.followup_session_id,
            change=row.change,
            index_level=participant.index_level,
        )


def read_maps(out: Path, participant: Participant) -> dict[str, store.StoredVisit]:
    """Return the maps of each visit that has them, by session; a visit whose maps are damaged is left out."""
    found = {row.record.session_id: read_visit(out, row.record) for row in participant.visits}
    return {session_id: visit for session_id, visit in found.items() if visit is not None}


def read_visit(out: Path, record: store.VisitRecord) -> store.StoredVisit | None:
    """Return the maps of a visit; ``None`` where there are none, or none that can be read."""
    if not record.is_done:
        return None
    try:
        return store.read_visit(out, record, with_schemes=False)
    except OutputsDamaged:
        return None


def visit_match(pair: store.PairRecord) -> VisitMatch | None:
    """Return the match as the record keeps it: the motions, which is all that a picture needs."""
    if not pair.is_matched or not pair.matches:
        return None
    discs = tuple(
        DiscMatch(
            level=facts.level,
            motion=np.array(facts.motion),
            correlation=facts.correlation,
            inverse_mm=facts.inverse_mm,
            through_plane_mm=facts.through_plane_mm,
            is_fallback=facts.is_fallback,
            codes=facts.codes,
        )
        for facts in pair.matches
    )
    return VisitMatch(motion=discs[0].motion, correlation=pair.correlation, discs=discs, missing=pair.missing)
