"""What a study's outputs hold, participant by participant, and whom the study expected and never saw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from t2disc import store
from t2disc.errors import OutputsDamaged, StudyNotFound, VisitOrderUnknown
from t2disc.model import CONTROL_LEVELS, Change, DiscMatch, Grade, StudyChange, VisitMatch, role_of
from t2disc.model.checks import GradeWord
from t2disc.study.expected import Expected, expected_visits
from t2disc.study.order import order_visits, plain_session
from t2disc.study.provenance import published_protocol
from t2disc.study.summary import StudySummary, summarise

if TYPE_CHECKING:
    from t2disc.model.protocol import Protocol

GREY_WORDS = {True: "the first echo", False: "made from S0 and T2, at an echo time of 30 ms"}
"""What is grey in pictures of slices, by whether the first echo is shown."""
NON_EVALUABLE: GradeWord = "non-evaluable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """What the outputs hold of one participant, visits in order, and the visits that never came."""

    participant_id: str
    visits: tuple[store.VisitRow, ...] = ()
    pairs: tuple[store.PairRecord, ...] = ()
    changes: tuple[store.ChangeRow, ...] = ()
    checks: tuple[store.CheckRow, ...] = ()
    absent: tuple[str, ...] = ()  # sessions that were expected and have no record
    visit_order: tuple[str, ...] = ()  # sessions that were expected, in their order
    control_levels: tuple[str, ...] = CONTROL_LEVELS
    has_other_grades: bool = False  # than the tables of the outputs hold

    @property
    def report_name(self) -> str:
        """File of the participant's page."""
        return f"{self.participant_id}_report.html"

    @property
    def index_level(self) -> str | None:
        """The treated disc; ``None`` where none is named."""
        return self.visits[0].record.index_level if self.visits else None

    @property
    def session_ids(self) -> tuple[str, ...]:
        """Visits that came in their order, and between them, as the study planned it, those that never came."""
        return in_order([row.record.session_id for row in self.visits], self.absent, self.visit_order)

    def role(self, level: str) -> str:
        """Return what a disc is to the study."""
        return role_of(level, self.index_level, self.control_levels)

    def visit(self, session_id: str) -> store.VisitRow | None:
        """Return a visit that has a record."""
        return next((row for row in self.visits if row.record.session_id == session_id), None)

    def grade(self, session_id: str) -> Grade | None:
        """Return how far a visit can be used, where that was judged."""
        row = self.visit(session_id)
        return row.grade if row else None

    def non_evaluable(self, pair: store.PairRecord) -> tuple[str, ...]:
        """Return which visits of a pair are non-evaluable."""
        both = (pair.baseline_session_id, pair.followup_session_id)
        return tuple(one for one in both if (grade := self.grade(one)) is not None and grade.word == NON_EVALUABLE)

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
    has_stored_grades: bool = False  # of measured visits, in the tables of the outputs

    @property
    def study_changes(self) -> tuple[StudyChange, ...]:
        """Every change of the study with its place in it."""
        return tuple(change for one in self.participants for change in study_changes(one))

    @property
    def followups(self) -> tuple[str, ...]:
        """The visits that were compared with a first one, in the order of the study."""
        compared = {one.followup_session_id for one in self.study_changes}
        return tuple(session_id for session_id in self.session_ids if session_id in compared)

    @property
    def session_ids(self) -> tuple[str, ...]:
        """Every visit that came or was expected: as the study planned them, else by name, else as they are met."""
        planned = tuple(dict.fromkeys(name for one in self.participants for name in one.visit_order))
        met = tuple(dict.fromkeys(row.record.session_id for one in self.participants for row in one.visits))
        with suppress(VisitOrderUnknown):
            met = order_visits(dict.fromkeys(met), planned).session_ids
        came = {plain_session(name) for name in met}
        return in_order(met, [name for name in planned if plain_session(name) not in came], planned)


def gather(out: Path, protocol: Protocol | None = None, expected: Expected | None = None) -> Gathered:
    """Read all records in ``out``.

    Grades and checks are those that ``protocol`` gives; without one, or without ``[checks]`` in it, those of the tables
    in ``out``. Without one, order, controls and coefficients too are those of the tables. ``expected`` is what the
    protocol says where it is left out.

    Raises
    ------
    OutputsDamaged
        ``outputs-damaged``: the study's manifest, or its table of visits or of checks, cannot be read back.
    StudyNotFound
        ``study-not-found``: no visit has a record there.
    RecordsOutdated
        ``records-outdated``: a visit or pair has one of another version.
    """
    store.refuse_outdated(out)
    keys = [key.split("/") for key in store.recorded_keys(out)]
    records = [record for p, s in keys if (record := store.read_record(out, p, s)) is not None]
    if not records:
        raise StudyNotFound("a folder without records of visits", expected="the outputs of t2disc fit")
    names = store.recorded_pairs(out)
    pairs = [pair for name in names if (pair := store.read_pair_record(out, *name)) is not None]
    stored = store.read_grades(out)
    protocol = protocol or published_protocol(out)
    summary = _summary(records, pairs, protocol, stored)
    expected = expected_visits(protocol) if expected is None else expected
    return Gathered(
        out=out,
        participants=tuple(_participants(summary, pairs, expected, stored)),
        has_stored_grades=any(record.is_done and stored.grade(record.key) for record in records),
    )


def in_order(came: Sequence[str], absent: Sequence[str], visit_order: Sequence[str]) -> tuple[str, ...]:
    """Put visits that never came between those that did, each before the first that was planned after it."""
    places = {plain_session(name): place for place, name in enumerate(visit_order)}
    ordered = list(came)
    for session_id in absent:
        own = places.get(plain_session(session_id), len(places))
        later = (at for at, other in enumerate(ordered) if places.get(plain_session(other), -1) > own)
        ordered.insert(next(later, len(ordered)), session_id)
    return tuple(ordered)


def _summary(
    records: Sequence[store.VisitRecord],
    pairs: Sequence[store.PairRecord],
    protocol: Protocol | None,
    stored: store.StoredGrades,
) -> StudySummary:
    """Return the study put together; by the grades of its own tables where no protocol gives any."""
    if protocol is None:
        return _graded(summarise(records, pairs), stored)
    given = protocol.study
    summary = summarise(
        records, pairs, given.visit_order, protocol.repeatability, protocol.checks, given.control_levels
    )
    return _graded(summary, stored) if protocol.checks.is_empty else summary


def _graded(summary: StudySummary, stored: store.StoredGrades) -> StudySummary:
    visits = tuple(
        replace(row, grade=stored.grade(row.record.key)) if stored.knows(row.record.key) else row
        for row in summary.visits
    )
    return replace(summary, visits=visits, checks=stored.checks)


def _participants(
    summary: StudySummary, pairs: Sequence[store.PairRecord], expected: Expected, stored: store.StoredGrades
) -> Iterator[Participant]:
    seen = tuple(dict.fromkeys(row.record.participant_id for row in summary.visits))
    for participant_id in seen:
        visits = tuple(row for row in summary.visits if row.record.participant_id == participant_id)
        known = [row for row in visits if stored.knows(row.record.key)]
        places = {row.record.session_id: place for place, row in enumerate(visits)}
        own = [pair for pair in pairs if pair.participant_id == participant_id]
        changes = [row for row in summary.changes if row.participant_id == participant_id]
        yield Participant(
            participant_id=participant_id,
            visits=visits,
            pairs=tuple(sorted(own, key=lambda pair: places.get(pair.followup_session_id, len(places)))),
            changes=tuple(sorted(changes, key=lambda row: places.get(row.followup_session_id, len(places)))),
            checks=tuple(row for row in summary.checks if row.participant_id == participant_id),
            absent=expected.absent([row.record.session_id for row in visits]),
            visit_order=expected.session_ids,
            control_levels=summary.control_levels,
            has_other_grades=any(row.grade != stored.grade(row.record.key) for row in known),
        )
    for participant_id in expected.never_seen(seen):
        absent = expected.absent([])
        yield Participant(participant_id=participant_id, absent=absent, visit_order=expected.session_ids)


# ------------------------------------------------------------------------------------------------ of one participant
def study_changes(participant: Participant) -> Iterator[StudyChange]:
    """Yield a participant's changes with their place in the study, and whether both visits can be used."""
    lost = {session_id for pair in participant.pairs for session_id in participant.non_evaluable(pair)}
    for row in participant.changes:
        yield StudyChange(
            participant_id=row.participant_id,
            baseline_session_id=row.baseline_session_id,
            followup_session_id=row.followup_session_id,
            change=row.change,
            index_level=participant.index_level,
            control_levels=participant.control_levels,
            is_evaluable=lost.isdisjoint((row.baseline_session_id, row.followup_session_id)),
        )


def read_maps(out: Path, participant: Participant) -> dict[str, store.StoredVisit]:
    """Return the maps of each visit that has them, by session; a visit whose maps are damaged is left out.

    First echoes come along where every visit has one: what is grey in one visit is then grey in the same way in all.
    """
    found = {row.record.session_id: _read_visit(out, row.record) for row in participant.visits}
    visits = {session_id: visit for session_id, visit in found.items() if visit is not None}
    if all(visit.echo is not None for visit in visits.values()):
        return visits
    return {session_id: replace(visit, echo=None) for session_id, visit in visits.items()}


def _read_visit(out: Path, record: store.VisitRecord) -> store.StoredVisit | None:
    """Return the maps of a visit; ``None`` where there are none, or none that can be read."""
    if not record.is_done:
        return None
    try:
        visit = store.read_visit(out, record, with_schemes=False)
    except OutputsDamaged:
        return None
    with suppress(OutputsDamaged):
        echo = store.read_first_echo(out, record)
        return replace(visit, echo=echo if echo is not None and echo.shape == visit.t2map.shape else None)
    return visit


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
