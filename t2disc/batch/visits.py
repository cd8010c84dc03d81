"""Visits: what is decided of each, what is done, and what is told when it ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from t2disc import store, study
from t2disc.batch.executors import do_tasks
from t2disc.batch.limits import is_lack_of_memory
from t2disc.batch.plan import Action, Decision, Earlier, Wanted, changed_settings, compare, decide
from t2disc.batch.progress import Reporter
from t2disc.batch.settings import RunSettings
from t2disc.batch.task import Done, Effort, Ended
from t2disc.errors import InstallError, OutOfMemory, StoreError, T2DiscError, WriteFailed
from t2disc.model import Visit

_NOT_DRAWN = "pictures could not be drawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitTask:
    """A visit to be measured; ``basis`` of its inputs was told when it was planned."""

    visit: Visit
    settings: RunSettings
    basis: store.Basis | None

    @property
    def key(self) -> str:
        """Study key of the visit."""
        return self.visit.key

    def do(self) -> Done:
        """Measure the visit and put its outputs in place: its maps and numbers, or its refusal."""
        try:
            result = self.settings.analyse(self.visit, self.settings.protocol, self.settings.label_folders)
        except (InstallError, StoreError):
            raise
        except T2DiscError as refusal:
            _refuse_to_believe(refusal, self.settings)
            return self.give_up(refusal)
        maps = study.visit_files(result)
        pictures, remarks = _draw(result) if self.settings.with_figures else ((), ())
        record = replace(study.visit_record(result, remarks), basis=self.basis)
        return self._publish((*maps, *pictures, store.record_file(record)), remarks)

    def give_up(self, fault: T2DiscError) -> Done:
        """Put the refusal of the visit in the place of its outputs."""
        record = study.refusal_record(self.visit, fault.at(self.key))
        return self._publish((store.record_file(record),))

    def _publish(self, files: tuple[store.StoredFile, ...], remarks: tuple[str, ...] = ()) -> Done:
        written = store.publish_visit(_folder(self.visit, self.settings.out), files)
        return Done(written=written, remarks=remarks)


def _refuse_to_believe(refusal: T2DiscError, settings: RunSettings) -> None:
    """Raise where a refusal of the data has a lack of memory behind it that the limit explains.

    Doors turn whatever their libraries raise on damaged files into a refusal; with little memory sound files look so.
    """
    behind: BaseException | None = refusal
    while settings.jobs and settings.memory_limit_mib and behind is not None:
        if is_lack_of_memory(behind):
            raise OutOfMemory(f"a process that asked for more memory than its limit of {settings.memory_limit_mib} MiB")
        behind = behind.__cause__ or behind.__context__


def _draw(result: study.VisitResult) -> tuple[tuple[store.StoredFile, ...], tuple[str, ...]]:
    """Draw the pictures of a measured visit; when that fails, its numbers stand and a remark says so."""
    try:
        return tuple(study.visit_figures(result)), ()
    except Exception as fault:
        return (), (f"{_NOT_DRAWN} ({type(fault).__name__})",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A visit, what is decided of it, and its earlier record."""

    visit: Visit
    decision: Decision
    wanted: Wanted
    previous: store.VisitRecord | None


def run_visits(
    visits: Sequence[Visit], settings: RunSettings, reporter: Reporter
) -> tuple[tuple[store.VisitRecord, Action], ...]:
    """Decide of every visit, then do what is decided; return the record of each, as it lies on disk, in their order."""
    plan = {visit.key: _plan(visit, settings, reporter) for visit in visits}
    records = {key: record for key, planned in plan.items() if (record := _skipped(planned, reporter))}
    tasks = [
        VisitTask(visit=planned.visit, settings=settings, basis=planned.wanted.basis)
        for key, planned in plan.items()
        if key not in records
    ]
    with closing(do_tasks(tasks, settings)) as every:
        for ended in every:
            records[ended.task.key] = _tell(plan[ended.task.key], ended, settings, reporter)
    return tuple((records[key], planned.decision.action) for key, planned in plan.items())


def _plan(visit: Visit, settings: RunSettings, reporter: Reporter) -> Planned:
    earlier, wanted = _earlier(visit, settings.out), _wanted(visit, settings)
    previous = earlier.record if earlier else None
    planned = Planned(visit=visit, decision=decide(earlier, wanted), wanted=wanted, previous=previous)
    reporter.visit_planned(visit, planned.decision)
    if changed := changed_settings(previous.fit if previous else None, settings.protocol.fit):
        reporter.visit_warned(visit, f"other settings than those of the earlier result: {', '.join(changed)}")
    return planned


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


def _skipped(planned: Planned, reporter: Reporter) -> store.VisitRecord | None:
    """Return the record of a visit that is left alone, and tell of it."""
    record = planned.previous
    if record is None or planned.decision.action != "skip":
        return None
    for warning in _warnings(record, planned, ()):
        reporter.visit_warned(planned.visit, warning)
    reporter.visit_finished(record, Effort(seconds=0.0), compare(record, record, has_changed=False))
    return record


def _tell(planned: Planned, ended: Ended, settings: RunSettings, reporter: Reporter) -> store.VisitRecord:
    """Read the record of a visit that has ended, and tell of it."""
    done, visit = ended.done or Done(), planned.visit
    record = store.read_record(settings.out, visit.participant_id, visit.session_id)
    if record is None:
        raise WriteFailed(f"no record of {visit.key} that can be read back")
    for warning in (*first_try(ended), *done.remarks, *_warnings(record, planned, done.written)):
        reporter.visit_warned(visit, warning)
    compared = compare(planned.previous, record, has_changed=bool(done.written))
    reporter.visit_finished(record, ended.effort, compared)
    return record


def first_try(ended: Ended) -> Iterator[str]:
    """Tell how the first of two tries ended."""
    if ended.effort.n_tries > 1:
        fault = ended.faults[0]
        yield f"tried again after [{fault.code}] {fault.found}"


def _warnings(record: store.VisitRecord, planned: Planned, written: tuple[PurePosixPath, ...]) -> Iterator[str]:
    """Tell what should be looked at in a visit that is done."""
    if study.T2_STAR in record.notes:
        yield study.T2_STAR
    if planned.decision.action == "relabel" and record.is_done and any(map(_is_map, written)):
        yield "its maps differ from the earlier ones though nothing they depend on has changed: another computer?"
    for reason in record.labels.reasons:
        yield f"to review: {reason}"


def _is_map(path: PurePosixPath) -> bool:
    return path.name.endswith((*(f"_{name}.nii.gz" for name in ("T2map", "T2starmap", "S0map")), "_mask.nii.gz"))
