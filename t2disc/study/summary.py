"""All visits of a study put together: in which order they came, and what changed since the first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from t2disc import store
from t2disc.errors import VisitOrderUnknown
from t2disc.model import CONTROL_LEVELS
from t2disc.study.changes import change_rows
from t2disc.study.checks import check_record
from t2disc.study.order import VisitOrder, order_visits
from t2disc.study.pair import Pair
from t2disc.study.visit import Inspection

if TYPE_CHECKING:
    from t2disc.model.checksettings import CheckSettings
    from t2disc.model.protocol import RepeatabilitySettings

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
    models: tuple[store.ModelRow, ...] = ()
    checks: tuple[store.CheckRow, ...] = ()
    control_levels: tuple[str, ...] = CONTROL_LEVELS


def summarise(
    records: Sequence[store.VisitRecord],
    pairs: Sequence[store.PairRecord] = (),
    visit_order: Sequence[str] = (),
    settings: RepeatabilitySettings | None = None,
    checks: CheckSettings | None = None,
    control_levels: tuple[str, ...] = CONTROL_LEVELS,
) -> StudySummary:
    """Put all visits of a study in order, with the changes of each later visit since its participant's first.

    A participant whose visits cannot be put in order is measured all the same; only its changes are left out, with a
    warning. The first visit stays the baseline even when it is quarantined: its discs are then missing from the
    changes, and no other visit takes its place.

    Parameters
    ----------
    records, pairs
        Of the study's visits, and of each measured visit with its baseline.
    visit_order
        ``[study] visit_order`` of the protocol.
    settings
        ``[repeatability]`` of the protocol: what measuring twice gives.
    checks
        ``[checks]`` of the protocol: what is expected of visits, discs and pairs.
    control_levels
        ``[study] control_levels`` of the protocol: which discs can be controls.
    """
    discs: list[store.DiscRow] = []
    visits: list[store.VisitRow] = []
    sensitivities: list[store.RoiRow] = []
    models: list[store.ModelRow] = []
    judged: list[store.CheckRow] = []
    warnings: list[str] = []
    of_followup = {(pair.participant_id, pair.followup_session_id): pair for pair in pairs}
    for participant_id, ordered, order in _by_participant(records, visit_order):
        warnings += _warnings(participant_id, order)
        is_ordered = order.ordered_by != "unknown"
        for number, record in enumerate(ordered, start=1):
            is_later = len(ordered) > 1 and (number > 1 or not is_ordered)
            pair = of_followup.get((participant_id, record.session_id))
            rows, grade = check_record(record, pair, checks, is_later=is_later)
            judged += rows
            place = number if is_ordered else None
            visits.append(store.VisitRow(record=record, number=place, ordered_by=order.ordered_by, grade=grade))
            discs += [
                store.DiscRow(record=record, measure=measure, control_levels=control_levels)
                for measure in record.measures
            ]
            sensitivities += [
                store.RoiRow(record=record, sensitivity=item, control_levels=control_levels)
                for item in record.roi_sensitivity
            ]
            models += [
                store.ModelRow(record=record, sensitivity=item, control_levels=control_levels)
                for item in record.model_sensitivity
            ]
    return StudySummary(
        discs=tuple(discs),
        changes=change_rows(records, pairs, settings, control_levels),
        visits=tuple(visits),
        warnings=(*warnings, *_repeated(records)),
        sensitivities=tuple(sensitivities),
        models=tuple(models),
        checks=tuple(judged),
        control_levels=control_levels,
    )


def pairs_of(records: Sequence[store.VisitRecord], visit_order: Sequence[str] = ()) -> tuple[Pair, ...]:
    """Return each measured later visit with its participant's first; none where the order is not known."""
    return tuple(
        Pair(baseline=ordered[0], followup=followup)
        for _, ordered, order in _by_participant(records, visit_order)
        if order.ordered_by != "unknown"
        for followup in ordered[1:]
        if ordered[0].is_done and followup.is_done
    )


def _by_participant(
    records: Sequence[store.VisitRecord], visit_order: Sequence[str]
) -> Iterator[tuple[str, list[store.VisitRecord], VisitOrder]]:
    """Yield each participant with the visits in order, as far as it is known."""
    by_key = sorted(records, key=lambda record: (record.participant_id, record.session_id))
    for participant_id, group in groupby(by_key, key=lambda record: record.participant_id):
        of_session = {record.session_id: record for record in group}
        order = _order({s: record.acquisition_date for s, record in of_session.items()}, visit_order)
        yield participant_id, [of_session[session_id] for session_id in order.session_ids], order


def write_summary(out: Path, summary: StudySummary) -> tuple[str, ...]:
    """Write the study's tables into the output folder and return their names; a table that would not change stays."""
    tables = (summary.discs, summary.changes, summary.visits, summary.sensitivities, summary.models, summary.checks)
    files = store.table_files(*tables)
    for file in files:
        store.update_file(out.joinpath(*file.path.parts), file.content)
    return tuple(file.path.name for file in files)


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


def _repeated(records: Sequence[store.VisitRecord]) -> Iterator[str]:
    """Tell which visits were made from the same images, whatever their files are called."""
    of_images: defaultdict[str, list[str]] = defaultdict(list)
    for record in records:
        if record.basis is not None:
            of_images[record.basis.images_sha256].append(record.key)
    for keys in of_images.values():
        if len(keys) > 1:
            yield f"the same images in {len(keys)} visits: {', '.join(sorted(keys))}"


def _warnings(participant_id: str, order: VisitOrder) -> Iterator[str]:
    if order.ordered_by == "unknown":
        yield str(VisitOrderUnknown("visits whose order neither dates nor names tell", where=participant_id))
    if order.contradicted_by:
        yield f"{participant_id}: {_ANOTHER_ORDER[order.contradicted_by]} than their dates; the dates were followed"
