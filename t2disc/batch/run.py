"""Running a study: every visit gets its result or its refusal, and one bad visit never stops the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from t2disc import store, study
from t2disc.batch.faults import as_refusal
from t2disc.batch.plan import changed_settings, compare, decide
from t2disc.batch.progress import Reporter, Silent
from t2disc.errors import InstallError, StoreError
from t2disc.model import Visit

if TYPE_CHECKING:
    from t2disc.model.protocol import Protocol

    Files = tuple[store.StoredFile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """What a run needs to know beside its visits."""

    out: Path
    protocol: Protocol
    labels_dir: Path | None = None
    with_figures: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyOutcome:
    """How a run ended: the record of each visit, what the tables say, and what should be looked at."""

    records: tuple[store.VisitRecord, ...]
    summary: study.StudySummary
    warnings: tuple[str, ...] = ()

    @property
    def quarantined(self) -> tuple[store.VisitRecord, ...]:
        """Visits that were refused."""
        return tuple(record for record in self.records if not record.is_done)


def run_study(visits: Sequence[Visit], settings: RunSettings, reporter: Reporter | None = None) -> StudyOutcome:
    """Measure the visits of a study one after the other, then write the study's tables.

    Parameters
    ----------
    visits
        All visits of the study, as found by :func:`t2disc.study.find_visits`: the tables hold these and no others.
        Results of other visits that lie in the output folder stay there, and a warning names them.
    settings
        Output folder, protocol, labels.
    reporter
        Listens to the run.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: the output folder holds another dataset.
    StoreError
        ``output-busy``, ``disk-full``, ``permission-denied`` or ``write-failed``: the run stops, earlier results are
        untouched. Whatever else goes wrong with a visit puts that visit in quarantine.
    """
    reporter = reporter or Silent()
    with store.output_lock(settings.out):
        _describe_dataset(settings.out)
        store.sweep_leftovers(settings.out)
        reporter.run_started(len(visits))
        records = tuple(_run_visit(visit, settings, reporter) for visit in visits)
        summary = study.summarise(records, settings.protocol.study.visit_order)
        study.write_summary(settings.out, summary)
        warnings = (*_strangers(settings.out, records), *summary.warnings)
    return StudyOutcome(records=records, summary=summary, warnings=warnings)


def _describe_dataset(out: Path) -> None:
    store.refuse_foreign_dataset(out)
    for file in store.dataset_files():
        if file.path.stem == "README" and any(out.glob("README*")):
            continue  # somebody may have written more into it
        store.update_file(out.joinpath(*file.path.parts), file.content)


def _strangers(out: Path, records: Sequence[store.VisitRecord]) -> tuple[str, ...]:
    """Name the results in the output folder that are of no visit of the study, in one warning."""
    own = {record.key for record in records}
    others = [key for key in store.recorded_keys(out) if key not in own]
    if not others:
        return ()
    return (f"left out of the tables: earlier results of visits that are not in the study: {', '.join(others)}",)


def _run_visit(visit: Visit, settings: RunSettings, reporter: Reporter) -> store.VisitRecord:
    previous = store.read_record(settings.out, visit.participant_id, visit.session_id)
    decision = decide(previous)
    reporter.visit_started(visit, decision)
    if changed := changed_settings(previous.fit if previous else None, settings.protocol.fit):
        reporter.visit_warned(visit, f"other settings than those of the earlier result: {', '.join(changed)}")
    started = perf_counter()
    record, files = _attempt(visit, settings, reporter)
    if study.T2_STAR in record.notes:
        reporter.visit_warned(visit, study.T2_STAR)
    has_changed = store.publish_visit(settings.out / visit.participant_id / visit.session_id, files)
    reporter.visit_finished(record, perf_counter() - started, compare(previous, record, has_changed=has_changed))
    return record


def _attempt(visit: Visit, settings: RunSettings, reporter: Reporter) -> tuple[store.VisitRecord, Files]:
    """Tell the visit's story; when it fails, its record says why and is all that is stored of it."""
    try:
        result = study.analyse_visit(visit, settings.protocol, settings.labels_dir)
        maps = study.visit_files(result)
        pictures, remarks = _draw(result, reporter) if settings.with_figures else ((), ())
        record = study.visit_record(result, remarks)
        return record, (*maps, *pictures, store.record_file(record))
    except (InstallError, StoreError):
        raise
    except Exception as fault:
        record = study.refusal_record(visit, as_refusal(fault).at(visit.key))
        return record, (store.record_file(record),)


def _draw(result: study.VisitResult, reporter: Reporter) -> tuple[Files, tuple[str, ...]]:
    """Draw the pictures of a measured visit; when that fails, its numbers stand and a remark says so."""
    try:
        return tuple(study.visit_figures(result)), ()
    except Exception as fault:
        remark = f"pictures could not be drawn ({type(fault).__name__})"
        reporter.visit_warned(result.visit, remark)
        return (), (remark,)
