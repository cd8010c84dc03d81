"""Visits: what is decided of each, what is done, and what is told when it ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from t2disc import store, study
from t2disc.batch.executors import do_tasks
from t2disc.batch.limits import is_lack_of_memory
from t2disc.batch.plan import Action, Decision, Earlier, Wanted, changed_settings, compare, decide, differences
from t2disc.batch.progress import Reporter
from t2disc.batch.settings import RunSettings
from t2disc.batch.task import Done, Effort, Ended
from t2disc.errors import ArgumentInvalid, InstallError, OutOfMemory, StoreError, T2DiscError, WriteFailed
from t2disc.model import InputFacts, Visit

_NOT_DRAWN = "pictures could not be drawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitTask:
    """A visit to be measured. The check sums of its inputs are taken where it is, right before."""

    visit: Visit
    settings: RunSettings

    @property
    def key(self) -> str:
        """Study key of the visit."""
        return self.visit.key

    def do(self) -> Done:
        """Measure the visit and put its outputs in place: its maps and numbers, or its refusal."""
        is_steady = study.is_as_found(self.visit)
        basis = study.visit_basis(self.visit, self.settings.protocol, self.settings.label_folders)
        try:
            result = self.settings.analyse(self.visit, self.settings.protocol, self.settings.label_folders)
        except (InstallError, StoreError):
            raise
        except T2DiscError as refusal:
            _refuse_to_believe(refusal, self.settings)
            return self.give_up(refusal)
        maps = study.visit_files(result)
        pictures, remarks = _draw(result) if self.settings.with_figures else ((), ())
        record = replace(
            study.visit_record(result, remarks),
            basis=basis,
            provenance=study.visit_provenance(self.settings.protocol),
        )
        done = self._publish((*maps, *pictures, store.record_file(record)), remarks)
        return replace(done, has_steady_inputs=is_steady and study.is_as_found(self.visit))

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
    """A visit, what is decided of it, and what that rests on."""

    visit: Visit
    decision: Decision
    wanted: Wanted
    earlier: Earlier | None
    inputs: InputFacts | None = None  # what its files told when it was planned, if they are those that were found
    is_outdated: bool = False  # its earlier record is of another version, and counts for no result


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitEnd:
    """How a visit stands after a run: its record, what was done, and what its files told, where that is sure."""

    record: store.VisitRecord
    action: Action
    inputs: InputFacts | None = None


def inputs_that_changed(visits: Sequence[Visit], settings: RunSettings) -> dict[str, str]:
    """Return, by study key, what of a measured visit's inputs differs from what its result was made from.

    Every file is read; nothing is taken as known.

    Raises
    ------
    RecordsOutdated
        ``records-outdated``: what a result was made from cannot be read.
    """
    store.refuse_outdated(settings.out)
    differing, folders = {}, settings.label_folders.listed()
    for visit in visits:
        record = _record(visit, settings.out)
        if record is None or not record.is_done:
            continue
        now = study.visit_basis(visit, settings.protocol, folders)
        if parts := ", ".join(differences(record.basis, now)):
            differing[visit.key] = parts
    return differing


def plan_visits(visits: Sequence[Visit], settings: RunSettings, index: store.StudyIndex) -> tuple[Planned, ...]:
    """Decide of every visit; what the index knows to be unchanged, inputs and outputs, is not read.

    Where some visits alone are asked for, the others stay as they are, and those that have no result yet are not
    part of the plan. The plan of a shard holds its own visits alone.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: nothing is meant by what is asked for.
    """
    for name, patterns in (("--only", settings.only), ("--redo", settings.redo)):
        _refuse_aimless(name, patterns, [visit.key for visit in visits])
    own = visits if settings.shard is None else settings.shard.of(visits)
    folders = settings.label_folders.listed()
    plan = (_plan(visit, settings, folders, index) for visit in own)
    return tuple(planned for planned in plan if planned.wanted.is_asked or planned.earlier is not None)


def asked_for(keys: Iterable[str], patterns: Sequence[str], name: str) -> tuple[str, ...]:
    """Return the study keys that are meant by patterns such as ``sub-X`` or ``sub-X/ses-*``; all where there are none.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: a pattern, given as the option ``name``, that means no visit.
    """
    known = tuple(keys)
    _refuse_aimless(name, patterns, known)
    return tuple(key for key in known if not patterns or _is_meant(key, patterns))


def _refuse_aimless(name: str, patterns: Sequence[str], keys: Sequence[str]) -> None:
    for pattern in patterns:
        if not any(_is_meant(key, (pattern,)) for key in keys):
            raise ArgumentInvalid(
                f"a visit asked for with {name} that the study does not have",
                expected="sub-X or sub-X/ses-Y, as t2disc check names them; * and ? stand for any text and letter",
            )


def _is_meant(key: str, patterns: Sequence[str]) -> bool:
    names = (key, *key.split("/"))
    return any(fnmatchcase(name, pattern) for name in names for pattern in patterns)


def run_visits(plan: Sequence[Planned], settings: RunSettings, reporter: Reporter) -> tuple[VisitEnd, ...]:
    """Do what was decided; return how each visit stands, with its record as it lies on disk, in their order."""
    of_key = {planned.visit.key: planned for planned in plan}
    for planned in plan:
        _announce(planned, settings, reporter)
    ends = {
        key: VisitEnd(record=record, action=planned.decision.action, inputs=planned.inputs)
        for key, planned in of_key.items()
        if (record := _skipped(planned, settings, reporter))
    }
    tasks = [VisitTask(visit=planned.visit, settings=settings) for key, planned in of_key.items() if key not in ends]
    before = {task.key: _record(task.visit, settings.out) for task in tasks}
    with closing(do_tasks(tasks, settings)) as every:
        for ended in every:
            planned = of_key[ended.task.key]
            record = _tell(planned, ended, before[ended.task.key], settings, reporter)
            inputs = _inputs(planned.visit, record.basis) if ended.done and ended.done.has_steady_inputs else None
            ends[ended.task.key] = VisitEnd(record=record, action=planned.decision.action, inputs=inputs)
    return tuple(ends[key] for key in of_key)


def _inputs(visit: Visit, basis: store.Basis | None) -> InputFacts | None:
    return None if basis is None else InputFacts(basis.images_sha256, visit.acquisition_date)


def visit_facts(planned: Planned, record: store.VisitRecord, out: Path, index: store.StudyIndex) -> store.VisitFacts:
    """Return what the index keeps of a visit whose outputs are known to be whole: they were just looked at, or made."""
    folder = _folder(planned.visit, out)
    stamp, kept = store.folder_stamp(folder), index.visits.get(record.key)
    if kept is not None and stamp is not None and kept.stamp == stamp:
        return kept
    return store.VisitFacts.of(
        record, has_pictures=store.has_figures(folder), lacks_pictures=lacks_pictures(record), stamp=stamp
    )


def _plan(visit: Visit, settings: RunSettings, folders: study.LabelFolders, index: store.StudyIndex) -> Planned:
    earlier = _earlier(visit, settings.out, index)
    is_outdated = earlier is None and store.is_outdated(settings.out, visit.participant_id, visit.session_id)
    wanted = _wanted(visit, settings, folders, index, has_earlier=earlier is not None)
    is_sure = visit.stamp in index.inputs or (wanted.basis is not None and study.is_as_found(visit))
    return Planned(
        visit=visit,
        decision=decide(earlier, wanted, is_outdated=is_outdated),
        wanted=wanted,
        earlier=earlier,
        inputs=_inputs(visit, wanted.basis) if is_sure else None,
        is_outdated=is_outdated,
    )


def _earlier(visit: Visit, out: Path, index: store.StudyIndex) -> Earlier | None:
    folder, facts = _folder(visit, out), index.visits.get(visit.key)
    if facts is not None and facts.stamp is not None and facts.stamp == store.folder_stamp(folder):
        pictures = {"has_pictures": facts.has_pictures, "lacks_pictures": facts.lacks_pictures}
        return Earlier(record=facts, is_whole=True, **pictures)
    record = _record(visit, out)
    if record is None:
        return None
    return Earlier(
        record=record,
        is_whole=store.is_whole(folder),
        has_pictures=store.has_figures(folder),
        lacks_pictures=lacks_pictures(record),
    )


def lacks_pictures(record: store.VisitRecord) -> bool:
    """Tell whether a visit's pictures were asked for and could not be drawn."""
    return any(note.startswith(_NOT_DRAWN) for note in record.notes)


def _wanted(
    visit: Visit, settings: RunSettings, folders: study.LabelFolders, index: store.StudyIndex, *, has_earlier: bool
) -> Wanted:
    """Return what a run would use; a first result is needed whatever its inputs are, and its child reads them."""
    basis = study.visit_basis(visit, settings.protocol, folders, index.inputs) if has_earlier else None
    return Wanted(
        basis=basis,
        index_level=visit.index_level,
        with_pictures=settings.with_figures,
        is_asked=not settings.only or _is_meant(visit.key, settings.only),
        is_redone=_is_meant(visit.key, settings.redo),
    )


def _record(visit: Visit, out: Path) -> store.VisitRecord | None:
    return store.read_record(out, visit.participant_id, visit.session_id)


def _announce(planned: Planned, settings: RunSettings, reporter: Reporter) -> None:
    """Tell what was decided of a visit, and which settings of the fit differ from its earlier result's."""
    reporter.visit_planned(planned.visit, planned.decision)
    if planned.earlier is None or planned.decision.action == "skip":
        return
    previous = _record(planned.visit, settings.out)
    if changed := changed_settings(previous.fit if previous else None, settings.protocol.fit):
        text = f"other settings than those of the earlier result: {', '.join(changed)}"
        reporter.visit_warned(planned.visit, text)


def _folder(visit: Visit, out: Path) -> Path:
    return out / visit.participant_id / visit.session_id


def _skipped(planned: Planned, settings: RunSettings, reporter: Reporter) -> store.VisitRecord | None:
    """Return the record of a visit that is left alone, and tell of it."""
    record = _record(planned.visit, settings.out) if planned.decision.action == "skip" else None
    if record is None:
        return None
    for warning in _warnings(record, planned, ()):
        reporter.visit_warned(planned.visit, warning)
    reporter.visit_finished(record, Effort(seconds=0.0), compare(record, record, has_changed=False))
    return record


def _tell(
    planned: Planned, ended: Ended, before: store.VisitRecord | None, settings: RunSettings, reporter: Reporter
) -> store.VisitRecord:
    """Read the record of a visit that has ended, and tell of it and of how it stands to the one before."""
    done, visit = ended.done or Done(), planned.visit
    record = _record(visit, settings.out)
    if record is None:
        raise WriteFailed(f"no record of {visit.key} that can be read back")
    for warning in (*first_try(ended), *done.remarks, *_warnings(record, planned, done.written)):
        reporter.visit_warned(visit, warning)
    compared = compare(before, record, has_changed=bool(done.written), is_outdated=planned.is_outdated)
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
