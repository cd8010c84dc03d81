"""The story of a pair of visits: which is the baseline, and what changed; told from the visits' records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from pathlib import Path

from t2disc import store
from t2disc.errors import VisitOrderUnknown
from t2disc.model import Change
from t2disc.study.order import VisitOrder, order_visits
from t2disc.study.visit import Inspection

_ANOTHER_ORDER = {
    "names": "the visits' names tell another order",
    "visit_order": "[study] visit_order of the protocol file puts the visits in another order",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySummary:
    """All visits of a study, their discs and their changes, and what should be looked at."""

    discs: tuple[store.DiscRow, ...]
    changes: tuple[store.ChangeRow, ...]
    visits: tuple[store.VisitRow, ...]
    warnings: tuple[str, ...] = ()
    sensitivities: tuple[store.RoiRow, ...] = ()


def summarise(records: Sequence[store.VisitRecord], visit_order: Sequence[str] = ()) -> StudySummary:
    """Put all visits of a study in order and compare each later visit with its participant's first.

    A participant whose visits cannot be put in order is measured all the same; only its changes are left out, with a
    warning. The first visit stays the baseline even when it is quarantined: its discs are then missing from the
    changes, and no other visit takes its place.
    """
    discs: list[store.DiscRow] = []
    changes: list[store.ChangeRow] = []
    visits: list[store.VisitRow] = []
    sensitivities: list[store.RoiRow] = []
    warnings: list[str] = []
    by_key = sorted(records, key=lambda record: (record.participant_id, record.session_id))
    for participant_id, group in groupby(by_key, key=lambda record: record.participant_id):
        of_session = {record.session_id: record for record in group}
        order = _order({s: record.acquisition_date for s, record in of_session.items()}, visit_order)
        ordered = [of_session[session_id] for session_id in order.session_ids]
        warnings += _warnings(participant_id, order)
        is_ordered = order.ordered_by != "unknown"
        for number, record in enumerate(ordered, start=1):
            row = store.VisitRow(record=record, number=number if is_ordered else None, ordered_by=order.ordered_by)
            visits.append(row)
            discs += [store.DiscRow(record=record, measure=measure) for measure in record.measures]
            sensitivities += [store.RoiRow(record=record, sensitivity=item) for item in record.roi_sensitivity]
        if is_ordered:
            changes += _changes(ordered)
    return StudySummary(
        discs=tuple(discs),
        changes=tuple(changes),
        visits=tuple(visits),
        warnings=tuple(warnings),
        sensitivities=tuple(sensitivities),
    )


def write_summary(out: Path, summary: StudySummary) -> None:
    """Write the study's tables into the output folder; a table that would not change stays."""
    for file in store.table_files(summary.discs, summary.changes, summary.visits, summary.sensitivities):
        store.update_file(out.joinpath(*file.path.parts), file.content)


def order_warnings(inspections: Sequence[Inspection], visit_order: Sequence[str] = ()) -> Iterator[str]:
    """Tell, before anything is measured, whose visits cannot be put in order or contradict their names."""
    by_key = sorted(inspections, key=lambda inspection: inspection.visit.participant_id)
    for participant_id, group in groupby(by_key, key=lambda inspection: inspection.visit.participant_id):
        dates = {inspection.visit.session_id: inspection.acquisition_date for inspection in group}
        yield from _warnings(participant_id, _order(dates, visit_order))


def _order(dates: dict[str, str | None], visit_order: Sequence[str]) -> VisitOrder:
    try:
        return order_visits(dates, visit_order)
    except VisitOrderUnknown:
        return VisitOrder(session_ids=tuple(sorted(dates)), ordered_by="unknown")


def _warnings(participant_id: str, order: VisitOrder) -> Iterator[str]:
    if order.ordered_by == "unknown":
        yield str(VisitOrderUnknown("visits whose order neither dates nor names tell", where=participant_id))
    if order.contradicted_by:
        yield f"{participant_id}: {_ANOTHER_ORDER[order.contradicted_by]} than their dates; the dates were followed"


def _changes(ordered: Sequence[store.VisitRecord]) -> Iterator[store.ChangeRow]:
    from t2disc.measure import compare_visits

    baseline, *followups = ordered
    for followup in followups:
        if not (baseline.is_done and followup.is_done):
            continue
        for change in compare_visits(baseline.measures, followup.measures):
            yield store.ChangeRow(
                participant_id=baseline.participant_id,
                role=baseline.role(change.level),
                baseline_session_id=baseline.session_id,
                followup_session_id=followup.session_id,
                interval_days=_interval_days(baseline, followup),
                baseline_n_used=_n_used(baseline, change),
                followup_n_used=_n_used(followup, change),
                change=change,
            )


def _interval_days(baseline: store.VisitRecord, followup: store.VisitRecord) -> int | None:
    if baseline.acquisition_date is None or followup.acquisition_date is None:
        return None
    return (date.fromisoformat(followup.acquisition_date) - date.fromisoformat(baseline.acquisition_date)).days


def _n_used(record: store.VisitRecord, change: Change) -> int | None:
    """Return the voxels behind one side of a change; ``None`` where the visit lacks the disc."""
    region = (change.level, change.region)
    return next((m.n_used for m in record.measures if (m.level, m.region) == region), None)
