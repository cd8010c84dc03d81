"""The protocol's checks of visits and pairs, from their records alone: a run again needs no image for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from t2disc import store
from t2disc.model import Acquisition, Check, Grade
from t2disc.study.visit import Inspection

if TYPE_CHECKING:
    from t2disc.model.checksettings import CheckSettings


def inspection_checks(inspection: Inspection, settings: CheckSettings) -> tuple[Check, ...]:
    """Return what headers alone tell of a visit's scan; nothing of a visit that is refused can be checked."""
    if settings.is_empty:
        return ()
    from t2disc.qc import check_visit

    found = inspection.inventory
    if found is None:
        return check_visit(settings.scan, Acquisition())
    return check_visit(settings.scan, found.acquisition, found.echo_times_ms)


def visit_checks(record: store.VisitRecord, settings: CheckSettings) -> tuple[Check, ...]:
    """Return the checks of a visit and of its discs."""
    if settings.is_empty:
        return ()
    from t2disc.qc import check_discs, check_visit

    reasons, is_labelled = record.labels.reasons, record.labels.kind != "none"
    scan = check_visit(
        settings.scan,
        record.acquisition or Acquisition(),
        acquired_echo_times_ms(record),
        levels=record.levels if is_labelled else None,
        reasons=reasons,
    )
    discs = check_discs(
        settings.signal,
        record.measures,
        levels=record.levels,
        motion=record.motion,
        reasons=reasons,
        is_labelled=is_labelled,
        noise=record.fit.noise if record.fit else None,
        qualities=record.disc_quality,
    )
    return scan + discs


def acquired_echo_times_ms(record: store.VisitRecord) -> tuple[float, ...] | None:
    """Return the whole train of a visit, ms: that of its motion, or the echoes used where those are all; else None."""
    if record.motion is not None:
        return tuple(echo.echo_time_ms for echo in record.motion.echoes)
    if record.fit is not None and record.fit.n_acquired == len(record.fit.echo_times_ms):
        return record.fit.echo_times_ms
    return None


def pair_checks(record: store.VisitRecord, pair: store.PairRecord | None, settings: CheckSettings) -> tuple[Check, ...]:
    """Return the checks of a later visit beside its baseline; without a pair, that they cannot be made."""
    if settings.is_empty:
        return ()
    from t2disc.qc import check_pair

    if pair is None:
        return check_pair(settings.pair, record.session_id, levels=record.levels)
    levels = dict.fromkeys(change.level for change in pair.changes)
    return check_pair(
        settings.pair,
        record.session_id,
        pair.drift,
        levels=tuple(levels),
        matches=pair.matches,
        missing=pair.missing,
        refusal=pair.code,
    )


def check_record(
    record: store.VisitRecord, pair: store.PairRecord | None, settings: CheckSettings | None, *, is_later: bool
) -> tuple[tuple[store.CheckRow, ...], Grade | None]:
    """Return all checks of a visit, those of its pair with the baseline among them, and its grade.

    ``is_later`` where the visit is not, or may not be, its participant's first: it is to be compared with that one. So
    is a visit that ``[checks.pair] interval_days`` names, when its baseline never came.
    """
    own = visit_checks(record, settings) if settings else ()
    is_paired = settings is not None and (is_later or settings.pair.names(record.session_id))
    paired = pair_checks(record, pair, settings) if settings and is_paired else ()
    baseline = pair.baseline_session_id if pair else None
    return (*_rows(record, own), *_rows(record, paired, baseline)), _grade(record, (*own, *paired))


def _rows(record: store.VisitRecord, checks: Sequence[Check], baseline: str | None = None) -> Iterator[store.CheckRow]:
    for check in checks:
        yield store.CheckRow(
            participant_id=record.participant_id,
            session_id=record.session_id,
            baseline_session_id=baseline,
            check=check,
        )


def _grade(record: store.VisitRecord, checks: Sequence[Check]) -> Grade | None:
    if record.is_done and not checks:
        return None
    from t2disc.qc import grade_visit

    return grade_visit(checks, levels=record.levels, index_level=record.index_level, refusal=record.code)
