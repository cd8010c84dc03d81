"""Running a study: every visit gets its result or its refusal, and one bad visit never stops the others."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from t2disc import store, study
from t2disc.batch.audit import Author, audit_run, audit_shard
from t2disc.batch.locked import refuse_locked
from t2disc.batch.pairs import run_pairs
from t2disc.batch.progress import Reporter, Silent
from t2disc.batch.settings import RunSettings
from t2disc.batch.shards import Shard
from t2disc.batch.tables import write_tables
from t2disc.batch.visits import Planned, VisitEnd, plan_visits, run_visits, visit_facts
from t2disc.model import Visit

if TYPE_CHECKING:
    from t2disc.model.protocol import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyOutcome:
    """How a run ended: the record of each visit, what the tables say, and what should be looked at."""

    records: tuple[store.VisitRecord, ...]
    summary: study.StudySummary
    warnings: tuple[str, ...] = ()
    n_skipped: int = 0  # visits of which nothing had changed

    @property
    def quarantined(self) -> tuple[store.VisitRecord, ...]:
        """Visits that were refused."""
        return tuple(record for record in self.records if not record.is_done)


def run_study(visits: Sequence[Visit], settings: RunSettings, reporter: Reporter | None = None) -> StudyOutcome:
    """Measure the visits of a study, then compare them in pairs, then write the study's tables.

    What is done with each is decided first. Then each is measured and compared, in this process one after the other
    or, with ``settings.jobs``, in child processes; the tables are made from the records that lie on disk then.

    Parameters
    ----------
    visits
        All visits of the study, as found by :func:`t2disc.study.find_visits`: the tables hold these and no others.
        Results of other visits that lie in the output folder stay there, and a warning names them.
    settings
        Output folder, protocol, labels, corrections; how many child processes, and what each may use. With ``shard``
        the visits of a part of the study are measured and compared, and no table is written: a run without it does.
    reporter
        Listens to the run.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: the output folder holds another dataset.
    StudyLocked
        ``study-locked``: the study is locked, something would change, and no reason was given.
    RecordsOutdated
        ``records-outdated``: visits alone were asked for, and results that would be left as they are, or be left out of
        the tables, are of another version of the record.
    ExecutorError
        ``dask-missing``, ``scheduler-unreachable`` or ``worker-unsuited``: the run stops, earlier results stay.
    StoreError
        ``output-busy``, ``disk-full``, ``permission-denied`` or ``write-failed``: the run stops, earlier results are
        untouched. Whatever else goes wrong with a visit puts that visit in quarantine.
    """
    reporter = reporter or Silent()
    if settings.only:
        store.refuse_outdated(settings.out)
    if settings.shard is not None:
        return _run_shard(settings.shard, visits, settings, reporter)
    with store.output_lock(settings.out), _swept(settings.out):
        store.refuse_foreign_dataset(settings.out)
        store.take_up_audit(settings.out)
        reporter.run_started(len(visits))
        index = store.read_index(settings.out)
        plan = plan_visits(visits, settings, index)
        _refuse_locked(plan, settings)
        _describe_dataset(settings)
        ends = run_visits(plan, settings, reporter)
        records = tuple(end.record for end in ends)
        pairs = run_pairs(study.pairs_of(records, settings.protocol.study.visit_order), settings, reporter)
        summary = _summary(records, pairs, settings.protocol)
        write_tables(summary, records, pairs, settings)
        audit_run(settings.out, plan, Author.of_this_process(settings.reason))
        _write_index(plan, ends, settings, index)
        strangers = (*_strangers(settings.out, records), *_strange_pairs(settings.out, records, pairs))
        warnings = (*strangers, *summary.warnings, *study.retest_warnings(visits, settings.protocol))
    n_skipped = sum(end.action == "skip" for end in ends)
    return StudyOutcome(records=records, summary=summary, warnings=warnings, n_skipped=n_skipped)


def _run_shard(shard: Shard, visits: Sequence[Visit], settings: RunSettings, reporter: Reporter) -> StudyOutcome:
    """Measure the shard's own visits and compare them in pairs; tables and index are left to a whole run.

    The outcome tells of the shard alone.
    """
    own = shard.of(visits)
    with shard.lock(settings.out, visits), _swept(settings.out, {visit.participant_id for visit in own}):
        store.refuse_foreign_dataset(settings.out)
        reporter.run_started(len(own))
        plan = plan_visits(visits, settings, store.read_index(settings.out))
        _refuse_locked(plan, settings)
        _describe_dataset(settings)
        ends = run_visits(plan, settings, reporter)
        records = tuple(end.record for end in ends)
        pairs = run_pairs(study.pairs_of(records, settings.protocol.study.visit_order), settings, reporter)
        audit_shard(settings.out, plan, pairs, Author.of_this_process(settings.reason))
        summary = _summary(records, pairs, settings.protocol)
    warnings = (*summary.warnings, *study.retest_warnings(visits, settings.protocol))
    n_skipped = sum(end.action == "skip" for end in ends)
    return StudyOutcome(records=records, summary=summary, warnings=warnings, n_skipped=n_skipped)


def _refuse_locked(plan: Sequence[Planned], settings: RunSettings) -> None:
    if n_changing := sum(planned.decision.action != "skip" for planned in plan):
        refuse_locked(settings.out, f"{n_changing} visit{'s' * (n_changing > 1)} would be measured", settings.reason)


@contextmanager
def _swept(out: Path, participant_ids: Collection[str] | None = None) -> Iterator[None]:
    """Clear what a killed run left, and at the end what killed children left."""
    store.sweep_leftovers(out, participant_ids)
    try:
        yield
    finally:
        store.sweep_leftovers(out, participant_ids)


def _write_index(
    plan: Sequence[Planned], ends: Sequence[VisitEnd], settings: RunSettings, index: store.StudyIndex
) -> None:
    """Write what the next run may take as known."""
    pairs = tuple(zip(plan, ends, strict=True))
    facts = [visit_facts(planned, end.record, settings.out, index) for planned, end in pairs]
    inputs = {planned.visit.stamp: end.inputs for planned, end in pairs if planned.visit.stamp and end.inputs}
    store.write_index(settings.out, replace(index, visits={each.key: each for each in facts}, inputs=inputs))


def _summary(
    records: Sequence[store.VisitRecord], pairs: Sequence[store.PairRecord], protocol: Protocol
) -> study.StudySummary:
    given = protocol.study
    return study.summarise(
        records, pairs, given.visit_order, protocol.repeatability, protocol.checks, given.control_levels
    )


def _describe_dataset(settings: RunSettings) -> None:
    out = settings.out
    for file in store.dataset_files():
        path = out.joinpath(*file.path.parts)
        if path.stem == "README" and any(out.glob("README*")):
            continue  # somebody may have written more into it
        if store.file_sha256(path) != hashlib.sha256(file.content).hexdigest():
            refuse_locked(out, f"{path.name} would change", settings.reason)
            store.update_file(path, file.content)


def _strangers(out: Path, records: Sequence[store.VisitRecord]) -> tuple[str, ...]:
    """Name the results in the output folder that are of no visit of the study, in one warning."""
    own = {record.key for record in records}
    others = [key for key in store.recorded_keys(out) if key not in own]
    if not others:
        return ()
    return (f"left out of the tables: earlier results of visits that are not in the study: {', '.join(others)}",)


def _strange_pairs(
    out: Path, records: Sequence[store.VisitRecord], pairs: Sequence[store.PairRecord]
) -> tuple[str, ...]:
    """Name earlier changes between visits of the study that are no longer told, in one warning."""
    visits = {(record.participant_id, record.session_id) for record in records}
    told = {pair.key for pair in pairs}
    keys = (
        f"{participant_id}/{followup} since {baseline}"
        for participant_id, baseline, followup in store.recorded_pairs(out)
        if {(participant_id, baseline), (participant_id, followup)} <= visits
    )
    others = [key for key in keys if key not in told]
    if not others:
        return ()
    return (f"left out of the tables: earlier changes of visits that are no longer compared: {', '.join(others)}",)
