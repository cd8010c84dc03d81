"""Measuring visits and pairs again from what their own records tell, elsewhere, and comparing every byte."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from t2disc import __version__, store, study
from t2disc.batch.executors import do_tasks
from t2disc.batch.pairs import PairTask
from t2disc.batch.plan import differences, pair_differences
from t2disc.batch.settings import RunSettings
from t2disc.batch.visits import VisitTask, asked_for, lacks_pictures
from t2disc.errors import ProtocolInvalid
from t2disc.model import Visit

State = Literal["same", "differs", "not tried"]

_DAMAGED = "outputs were changed, added or lost since they were published; t2disc verify names them"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduced:
    """How a visit, or a pair of visits, that was measured again compares with its result."""

    key: str  # ``sub-X/ses-B``, of a pair ``sub-X/ses-B since ses-A``
    state: State
    why: str = ""
    files: tuple[str, ...] = ()  # those that differ, or that one of the two has not, below the folder of the result


def reproduce_results(visits: Sequence[Visit], settings: RunSettings, scratch: Path) -> Iterator[Reproduced]:
    """Measure visits again by the settings that their records tell, compare them again, and hold every byte against it.

    The outputs are only read. A visit is not tried where it has no result, where another version of t2disc measured
    it, where its files, labels, treated level or outputs are not as they were, where the study no longer has it, or
    where its record does not tell enough. A pair is tried where both of its visits came out the same.

    Parameters
    ----------
    visits
        The study's visits, as found by :func:`t2disc.study.find_visits`.
    settings
        ``out`` holds the results; ``only`` says which are meant; jobs, limits and executor say how to measure. Of the
        protocol only what records withhold is used (``[ingest] series_description``).
    scratch
        An empty folder for what is measured again; files are removed when they have been compared.

    Yields
    ------
    Reproduced
        Each visit, then each pair, as they end.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: nothing is meant by what is asked for.
    InstallError, StoreError, ExecutorError
        What concerns the whole run, ``records-outdated`` among it.
    """
    store.refuse_outdated(settings.out)
    same, of_key = set(), {visit.key: visit for visit in visits}
    keys = asked_for(sorted({*store.recorded_keys(settings.out), *of_key}), settings.only, "--only")
    for told in _visits(keys, of_key, settings, scratch):
        if told.state == "same":
            same.add(told.key)
        yield told
    yield from _pairs(same, settings, scratch)


# ------------------------------------------------------------------------------------------------ visits
def _visits(
    keys: Sequence[str], of_key: Mapping[str, Visit], settings: RunSettings, scratch: Path
) -> Iterator[Reproduced]:
    tasks: list[VisitTask] = []
    for key in keys:
        visit = of_key.get(key)
        task = _visit_task(visit, settings, scratch) if visit else _not_tried(key, "the study has no such visit")
        if isinstance(task, Reproduced):
            yield task
        else:
            tasks.append(task)
    with closing(do_tasks(tasks, settings)) as every:
        for ended in every:
            key = ended.task.key
            yield _compared(key, settings.out / key, scratch / key)


def _visit_task(visit: Visit, settings: RunSettings, scratch: Path) -> VisitTask | Reproduced:
    """Return the work that makes a visit's result again, or why that is not tried."""
    record = store.read_record(settings.out, visit.participant_id, visit.session_id)
    if record is None or not record.is_done:
        return _not_tried(visit.key, "no result" if record is None else f"quarantined: {record.code}")
    if record.version != __version__:
        return _not_tried(visit.key, _by_another(record.version))
    if not store.is_whole(settings.out / visit.key):
        return _not_tried(visit.key, _DAMAGED)
    if record.index_level != visit.index_level:
        levels = f"{record.index_level or 'none'} -> {visit.index_level or 'none'}"
        return _not_tried(visit.key, f"other treated level: {levels}")
    if record.basis is None or record.provenance is None:
        return _not_tried(
            visit.key, "its record does not tell all it was made from; t2disc fit --redo measures it anew"
        )
    try:
        protocol = study.protocol_of(record.provenance, settings.protocol)
    except ProtocolInvalid as fault:
        return _not_tried(visit.key, f"its record tells of settings that this version does not know: {fault.found}")
    basis = study.visit_basis(visit, protocol, settings.label_folders)
    if why := ", ".join(differences(record.basis, basis)):
        return _not_tried(visit.key, f"{why}{_advice(record, record.basis, basis, settings)}")
    pictures = store.has_figures(settings.out / visit.key) or lacks_pictures(record)
    own = replace(settings, out=scratch, protocol=protocol, with_figures=pictures, only=())
    return VisitTask(visit=visit, settings=own)


def _advice(record: store.VisitRecord, before: store.Basis, now: store.Basis | None, settings: RunSettings) -> str:
    """Tell which option may be missing, where one is."""
    if now is None:
        return ""
    advice = []
    if before.maps_settings_sha256 != now.maps_settings_sha256 and record.provenance is not None:
        advice.append(
            f"the record withholds {', '.join(record.provenance.withheld)}: give the protocol file it was measured by"
        )
    if before.labels_sha256 != now.labels_sha256 and record.labels.kind == "given" and settings.labels_dir is None:
        advice.append("it was measured with labels from a folder: give --labels")
    return f" ({'; '.join(advice)})" if advice else ""


# ------------------------------------------------------------------------------------------------ pairs
def _pairs(same: set[str], settings: RunSettings, scratch: Path) -> Iterator[Reproduced]:
    """Compare the visits of each pair again, both of which were made again with the bytes that they have."""
    tasks: list[PairTask] = []
    for participant_id, baseline, followup in store.recorded_pairs(settings.out):
        if not {f"{participant_id}/{baseline}", f"{participant_id}/{followup}"} <= same:
            continue
        task = _pair_task((participant_id, baseline, followup), settings, scratch)
        if isinstance(task, Reproduced):
            yield task
        else:
            tasks.append(task)
    names = {task.key: task.pair.names for task in tasks}
    with closing(do_tasks(tasks, settings)) as every:
        for ended in every:
            key = ended.task.key
            yield _compared(key, *(store.pair_folder(home, *names[key]) for home in (settings.out, scratch)))


def _pair_task(names: tuple[str, str, str], settings: RunSettings, scratch: Path) -> PairTask | Reproduced:
    """Return the work that makes a pair's result again, or why that is not tried."""
    out, (participant_id, baseline, followup) = settings.out, names
    key = f"{participant_id}/{followup} since {baseline}"
    record, folder = store.read_pair_record(out, *names), store.pair_folder(out, *names)
    visits = [store.read_record(out, participant_id, session_id) for session_id in (baseline, followup)]
    if record is None or visits[0] is None or visits[1] is None:
        return _not_tried(key, "no result")
    if record.version != __version__:
        return _not_tried(key, _by_another(record.version))
    if not store.is_whole(folder):
        return _not_tried(key, _DAMAGED)
    if record.basis is None:
        return _not_tried(key, f"it could not be measured: {record.code}")
    pair = study.Pair(baseline=visits[0], followup=visits[1])
    protocol = study.protocol_of_pair(record.basis, settings.protocol)
    basis = study.pair_basis(pair, out, protocol.repeatability)
    if basis is None:
        return _not_tried(key, "the outputs of its visits cannot be told")
    if why := ", ".join(pair_differences(record.basis, basis)):
        advice = " (give the protocol file)" if record.basis.settings_sha256 != basis.settings_sha256 else ""
        return _not_tried(key, f"{why}{advice}")
    own = replace(settings, protocol=protocol, with_figures=store.has_figures(folder))
    return PairTask(pair=pair, settings=own, basis=record.basis, into=scratch)


# ------------------------------------------------------------------------------------------------ what came of it
def _by_another(version: str) -> str:
    return f"measured by version {version}, this is {__version__}"


def _not_tried(key: str, why: str) -> Reproduced:
    return Reproduced(key=key, state="not tried", why=why)


def _compared(key: str, folder: Path, again: Path) -> Reproduced:
    """Compare the files of a result with those made again, and take these away."""
    before, now = (store.listed_sha256s(each) for each in (folder, again))
    names = tuple(sorted(name for name in {**before, **now} if before.get(name) != now.get(name)))
    records = [store.read_record(each.parents[1], each.parent.name, each.name) for each in (folder, again)]
    shutil.rmtree(again, ignore_errors=True)
    if not store.is_whole(folder):
        return Reproduced(key=key, state="differs", why=_DAMAGED)
    if not names:
        return Reproduced(key=key, state="same")
    one, other = records
    software = _other_software(one, other)
    if one and other and len(names) == 1 and _without_software(one) == _without_software(other):
        return Reproduced(key=key, state="same", why=f"but for the versions that the record tells: {software}")
    if other is not None and not other.is_done:
        return Reproduced(key=key, state="differs", why=f"quarantined now: {other.code}", files=names)
    why = f"other software: {software}" if software else "by the same software"
    return Reproduced(key=key, state="differs", why=why, files=names)


def _other_software(before: store.VisitRecord | None, now: store.VisitRecord | None) -> str:
    """Name the libraries that are not of the versions they were."""
    one, other = (each.provenance.software if each and each.provenance else {} for each in (before, now))
    changed = [name for name in other if one.get(name) != other[name]]
    return ", ".join(f"{name} {one.get(name, 'none')} -> {other[name]}" for name in changed)


def _without_software(record: store.VisitRecord) -> bytes:
    """Return a record as it is written, without the versions that it tells."""
    provenance = replace(record.provenance, software={}) if record.provenance else None
    return store.record_file(replace(record, provenance=provenance)).content
