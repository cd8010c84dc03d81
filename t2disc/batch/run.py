"""Running a study: every visit gets its result or its refusal, and one bad visit never stops the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from time import perf_counter
from typing import TYPE_CHECKING

from t2disc import store, study
from t2disc.batch.faults import as_refusal
from t2disc.batch.pairs import run_pairs
from t2disc.batch.plan import Action, Decision, Earlier, Wanted, changed_settings, compare, decide
from t2disc.batch.progress import Reporter, Silent
from t2disc.batch.settings import RunSettings
from t2disc.errors import InstallError, StoreError
from t2disc.model import Visit

if TYPE_CHECKING:
    from t2disc.model.protocol import Protocol

    Files = tuple[store.StoredFile, ...]
    Paths = tuple[PurePosixPath, ...]

_NOT_DRAWN = "pictures could not be drawn"
_NOTHING: Paths = ()


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
    """Measure the visits of a study one after the other, then write the study's tables.

    Parameters
    ----------
    visits
        All visits of the study, as found by :func:`t2disc.study.find_visits`: the tables hold these and no others.
        Results of other visits that lie in the output folder stay there, and a warning names them.
    settings
        Output folder, protocol, labels, corrections.
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
        ended = [_run_visit(visit, settings, reporter) for visit in visits]
        records = tuple(record for record, _ in ended)
        pairs = run_pairs(study.pairs_of(records, settings.protocol.study.visit_order), settings, reporter)
        summary = _summary(records, pairs, settings.protocol)
        study.write_summary(settings.out, summary)
        strangers = (*_strangers(settings.out, records), *_strange_pairs(settings.out, records, pairs))
        warnings = (*strangers, *summary.warnings)
    n_skipped = sum(action == "skip" for _, action in ended)
    return StudyOutcome(records=records, summary=summary, warnings=warnings, n_skipped=n_skipped)


def _summary(
    records: Sequence[store.VisitRecord], pairs: Sequence[store.PairRecord], protocol: Protocol
) -> study.StudySummary:
    return study.summarise(records, pairs, protocol.study.visit_order, protocol.repeatability, protocol.checks)


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


def _run_visit(visit: Visit, settings: RunSettings, reporter: Reporter) -> tuple[store.VisitRecord, Action]:
    """Do with a visit what is decided; return its record, and what was done."""
    earlier, wanted = _earlier(visit, settings.out), _wanted(visit, settings)
    previous = earlier.record if earlier else None
    decision = decide(earlier, wanted)
    reporter.visit_started(visit, decision)
    if changed := changed_settings(previous.fit if previous else None, settings.protocol.fit):
        reporter.visit_warned(visit, f"other settings than those of the earlier result: {', '.join(changed)}")
    started = perf_counter()
    record, written = previous, _NOTHING
    if record is None or decision.action != "skip":
        record, written = _measure(visit, settings, wanted, reporter)
    for warning in _warnings(record, decision, written):
        reporter.visit_warned(visit, warning)
    reporter.visit_finished(record, perf_counter() - started, compare(previous, record, has_changed=bool(written)))
    return record, decision.action


def _earlier(visit: Visit, out: Path) -> Earlier | None:
    record = store.read_record(out, visit.participant_id, visit.session_id)
    if record is None:
        return None
    folder = _folder(visit, out)
    return Earlier(
        record=record,
        is_whole=store.is_whole(folder),
        has_pictures=store.has_figures(folder),
        lacks_pictures=any(note.startswith(_NOT_DRAWN) for note in record.notes),
    )


def _wanted(visit: Visit, settings: RunSettings) -> Wanted:
    basis = study.visit_basis(visit, settings.protocol, settings.label_folders)
    return Wanted(basis=basis, index_level=visit.index_level, with_pictures=settings.with_figures)


def _folder(visit: Visit, out: Path) -> Path:
    return out / visit.participant_id / visit.session_id


def _measure(
    visit: Visit, settings: RunSettings, wanted: Wanted, reporter: Reporter
) -> tuple[store.VisitRecord, Paths]:
    """Run a visit and put its outputs in place; return its record and the files that were written."""
    record, files = _attempt(visit, settings, wanted, reporter)
    return record, store.publish_visit(_folder(visit, settings.out), files)


def _warnings(record: store.VisitRecord, decision: Decision, written: Paths) -> Iterator[str]:
    """Tell what should be looked at in a visit that is done."""
    if study.T2_STAR in record.notes:
        yield study.T2_STAR
    if decision.action == "relabel" and record.is_done and any(map(_is_map, written)):
        yield "its maps differ from the earlier ones though nothing they depend on has changed: another computer?"
    for reason in record.labels.reasons:
        yield f"to review: {reason}"


def _is_map(path: PurePosixPath) -> bool:
    return path.name.endswith((*(f"_{name}.nii.gz" for name in ("T2map", "T2starmap", "S0map")), "_mask.nii.gz"))


def _attempt(
    visit: Visit, settings: RunSettings, wanted: Wanted, reporter: Reporter
) -> tuple[store.VisitRecord, Files]:
    """Tell the visit's story; when it fails, its record says why and is all that is stored of it."""
    try:
        result = study.analyse_visit(visit, settings.protocol, settings.label_folders)
        maps = study.visit_files(result)
        pictures, remarks = _draw(result, reporter) if settings.with_figures else ((), ())
        record = replace(study.visit_record(result, remarks), basis=wanted.basis)
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
        remark = f"{_NOT_DRAWN} ({type(fault).__name__})"
        reporter.visit_warned(result.visit, remark)
        return (), (remark,)
