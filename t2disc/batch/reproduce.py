"""Measuring visits again from what their own records tell, elsewhere, and comparing every byte."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from t2disc import __version__, store, study
from t2disc.batch.executors import do_tasks
from t2disc.batch.plan import differences
from t2disc.batch.settings import RunSettings
from t2disc.batch.visits import VisitTask, asked_for
from t2disc.errors import ProtocolInvalid
from t2disc.model import Visit

State = Literal["same", "differs", "not tried"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduced:
    """How a visit that was measured again from its own record compares with its result."""

    key: str
    state: State
    why: str = ""
    files: tuple[str, ...] = ()  # those that differ, or that one of the two has not, below the visit's folder


def reproduce_visits(visits: Sequence[Visit], settings: RunSettings, scratch: Path) -> Iterator[Reproduced]:
    """Measure visits again by the settings that their records tell, and compare what comes of it byte for byte.

    The outputs are only read. A visit is not tried where it has no result, where another version of t2disc measured
    it, where its files, labels or outputs are not as they were, or where its record does not tell enough.

    Parameters
    ----------
    visits
        The study's visits, as found by :func:`t2disc.study.find_visits`.
    settings
        ``out`` holds the results; ``only`` says which are meant; jobs, limits and executor say how to measure. Of the
        protocol only what records withhold is used (``[ingest] series_description``).
    scratch
        An empty folder for what is measured again; a visit's files are removed when they have been compared.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: nothing is meant by what is asked for.
    InstallError, StoreError, ExecutorError
        What concerns the whole run.
    """
    tasks: list[VisitTask] = []
    for visit in asked_for(visits, settings.only, "--only"):
        task = _task(visit, settings, scratch)
        if isinstance(task, Reproduced):
            yield task
        else:
            tasks.append(task)
    with closing(do_tasks(tasks, settings)) as every:
        for ended in every:
            key = ended.task.key
            yield _compared(key, settings.out / key, scratch / key)
            shutil.rmtree(scratch / key, ignore_errors=True)


def _task(visit: Visit, settings: RunSettings, scratch: Path) -> VisitTask | Reproduced:
    """Return the work that makes a visit's result again, or why that is not tried."""
    record = store.read_record(settings.out, visit.participant_id, visit.session_id)
    if record is None or not record.is_done:
        return _not_tried(visit, "no result" if record is None else f"quarantined: {record.code}")
    if record.version != __version__:
        return _not_tried(visit, f"measured by version {record.version}, this is {__version__}")
    if not store.is_whole(settings.out / visit.key):
        return _not_tried(visit, "outputs were changed, added or lost since they were published")
    if record.basis is None or record.provenance is None:
        return _not_tried(visit, "its record does not tell all it was made from; t2disc fit --redo measures it anew")
    try:
        protocol = study.protocol_of(record.provenance, settings.protocol)
    except ProtocolInvalid as fault:
        return _not_tried(visit, f"its record tells of settings that this version does not know: {fault.found}")
    basis = study.visit_basis(visit, protocol, settings.label_folders)
    if why := ", ".join(differences(record.basis, basis)):
        withheld = ", ".join(record.provenance.withheld)
        return _not_tried(visit, f"{why} (the record withholds {withheld}; give --protocol)" if withheld else why)
    own = replace(
        settings,
        out=scratch,
        protocol=protocol,
        with_figures=store.has_figures(settings.out / visit.key),
        only=(),
    )
    return VisitTask(visit=replace(visit, index_level=record.index_level), settings=own, basis=record.basis)


def _not_tried(visit: Visit, why: str) -> Reproduced:
    return Reproduced(key=visit.key, state="not tried", why=why)


def _compared(key: str, folder: Path, again: Path) -> Reproduced:
    """Compare a visit's files with those made again."""
    before, now = (store.listed_sha256s(each) for each in (folder, again))
    names = tuple(sorted(name for name in {**before, **now} if before.get(name) != now.get(name)))
    if not names:
        return Reproduced(key=key, state="same")
    return Reproduced(key=key, state="differs", why=_why(folder, again), files=names)


def _why(folder: Path, again: Path) -> str:
    """Tell what may have made the difference: a refusal, or other libraries."""
    before, now = (store.read_record(each.parent.parent, each.parent.name, each.name) for each in (folder, again))
    if now is None or not now.is_done:
        return f"quarantined now: {now.code}" if now else "no result now"
    software = before.provenance.software if before and before.provenance else {}
    others = now.provenance.software if now.provenance else {}
    changed = [name for name in others if software.get(name) != others[name]]
    told = ", ".join(f"{name} {software.get(name, 'none')} -> {others[name]}" for name in changed)
    return f"other software: {told}" if told else "by the same software"
