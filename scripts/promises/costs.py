"""Rows 20, 21, 24, 25, 26: what it costs to measure many visits, to find them unchanged, and to measure a large one."""

from __future__ import annotations

import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from studies import label_map, sound_visit

from promises.batches import seconds_of, states, study_of
from promises.figure import Figure, Trial
from promises.outputs import measure
from promises.staging import environment
from t2disc import store
from t2disc.batch import Effort, Planned, RunSettings, plan_visits
from t2disc.batch.progress import Silent
from t2disc.model import Visit
from t2disc.model.protocol import Protocol
from t2disc.store import VisitRecord
from t2disc.study import LabelFolders, VisitResult, analyse_visit, find_visits, visit_basis

AGE_S = 2.1  # younger files have no stamp
MOST_OVERHEAD_S = 0.3
LEAST_GAIN = 1.75
MOST_MIB = 800


def no_change(trial: Trial) -> Figure:
    """Row 20: the third run is timed, for the second one finds outputs too young to be known unread."""
    n = trial.count(60, 5)
    study, out = study_of(trial.folder / "study", n), trial.folder / "out"
    first_s = seconds_of(lambda: measure(study, out, jobs=2))
    time.sleep(AGE_S)
    measure(study, out, jobs=2)
    time.sleep(AGE_S)
    before = states(out)
    command = [sys.executable, "-m", "t2disc", "fit", str(study), "-o", str(out), "--labels", str(study / "labels")]
    run = {"env": environment(), "capture_output": True, "check": True}
    again_s = seconds_of(lambda: subprocess.run(command, **run))  # type: ignore[call-overload]
    n_changed = sum(before.get(name) != state for name, state in states(out).items())
    return Figure(
        asked=f"{2 * n} visits of which nothing has changed, by the command line",
        found=f"{again_s:.2f} s (the first run {first_s:.1f} s with two jobs), changed {n_changed}",
        holds=again_s <= 3.0 and not n_changed,
        short="" if again_s <= 3.0 else "aim: at most 3 s",
    )


def planning(trial: Trial) -> Figure:
    """Row 21: outputs and inputs of one visit under many names, an index made from reading them all once."""
    n = trial.count(2000, 20)
    study, out = _many(trial.folder, n)
    settings = RunSettings(out=out, protocol=Protocol(), labels_dir=study / "labels")
    read_s = seconds_of(lambda: _know(study, settings))
    started, started_cpu = time.perf_counter(), time.process_time()
    plan = _plan(study, settings)
    seconds, cpu_s = time.perf_counter() - started, time.process_time() - started_cpu
    actions = Counter(planned.decision.action for planned in plan)
    return Figure(
        asked=f"{n} visits of which nothing has changed (synthetic records of one visit), decided of with an index",
        found=f"{seconds:.2f} s ({cpu_s:.2f} s of one core), "
        f"{', '.join(f'{action} {count}' for action, count in actions.items())}; without an index {read_s:.1f} s",
        holds=seconds <= 5.0 and actions == {"skip": n},
        short="" if seconds <= 5.0 else "aim: at most 5 s",
    )


def _many(folder: Path, n: int) -> tuple[Path, Path]:
    """Write one visit with its outputs, and link both under ``n`` names; records and manifests are each visit's own."""
    study, out = folder / "study", folder / "out"
    sound_visit(study / "P1" / "a")
    label_map(study / "labels", "sub-P1_ses-a")
    measure(study, out)
    own = out / "sub-P1" / "ses-a"
    record_path = next(own.glob("*_record.json"))
    contents = {path: path.read_bytes() for path in sorted(own.rglob("*")) if path.is_file()}
    for number in range(2, n + 1):
        shutil.copytree(study / "P1", study / f"P{number}", copy_function=os.link)
        for path in list((study / "labels").glob("sub-P1_*")):
            os.link(path, path.with_name(path.name.replace("sub-P1_", f"sub-P{number}_")))
    folders = LabelFolders(given=study / "labels").listed()
    labels = {visit.participant_id: _labels_sha256(visit, folders) for visit in _visits(study, out)}
    for number in range(2, n + 1):
        name = f"P{number}"
        record = contents[record_path].replace(b'"sub-P1"', f'"sub-{name}"'.encode())
        record = record.replace(labels["sub-P1"], labels[f"sub-{name}"])
        _link_outputs(own, out / f"sub-{name}" / "ses-a", name, record_path, record)
    return study, out


def _labels_sha256(visit: Visit, folders: LabelFolders) -> bytes:
    """Return the check sum of a visit's labels, which holds their names too, as its record tells it."""
    basis = visit_basis(visit, Protocol(), folders)
    return basis.labels_sha256.encode() if basis else b""


def _link_outputs(own: Path, new: Path, name: str, record_path: Path, record: bytes) -> None:
    shutil.copytree(own, new, copy_function=os.link)
    for path in sorted(new.rglob("*sub-P1*")):
        path.rename(path.with_name(path.name.replace("sub-P1_", f"sub-{name}_")))
    renamed = new / record_path.name.replace("sub-P1_", f"sub-{name}_")
    renamed.unlink()
    renamed.write_bytes(record)
    text = (own / store.MANIFEST).read_text().replace("sub-P1_", f"sub-{name}_")
    old_sha, new_sha = (hashlib.sha256(content).hexdigest() for content in (record_path.read_bytes(), record))
    sizes = (record_path.stat().st_size, len(record))
    text = text.replace(f'{old_sha}",\n      "size_bytes": {sizes[0]}', f'{new_sha}",\n      "size_bytes": {sizes[1]}')
    (new / store.MANIFEST).unlink()
    (new / store.MANIFEST).write_text(text)


def _know(study: Path, settings: RunSettings) -> None:
    """Decide of every visit by reading all, and write the index from it, as a run does."""
    time.sleep(AGE_S)
    plan = plan_visits(_visits(study, settings.out), settings, store.StudyIndex())
    facts = {}
    for planned in plan:
        visit = planned.visit
        record = store.read_record(settings.out, visit.participant_id, visit.session_id)
        folder = settings.out / visit.participant_id / visit.session_id
        if record is not None:
            facts[visit.key] = store.VisitFacts.of(record, has_pictures=False, stamp=store.folder_stamp(folder))
    inputs = {planned.visit.stamp: planned.inputs for planned in plan if planned.visit.stamp and planned.inputs}
    store.write_index(settings.out, store.StudyIndex(visits=facts, inputs=inputs))


def _visits(study: Path, out: Path, index: store.StudyIndex | None = None) -> Sequence[Visit]:
    known = index.inputs if index else None
    return find_visits(study, Protocol(), ignore=(out, study / "labels"), key=None, known=known)


def _plan(study: Path, settings: RunSettings) -> tuple[Planned, ...]:
    index = store.read_index(settings.out)
    return plan_visits(_visits(study, settings.out, index), settings, index)


# ------------------------------------------------------------------------------------------------ measuring
def overhead(trial: Trial) -> Figure:
    """Row 24: what a run takes beside what its children spend in the analysis of a visit, by their own clocks."""
    n, told, study = trial.count(40, 4), [], trial.folder / "study"
    for number in range(1, n + 1):  # one visit each: a pair's analysis is nobody's overhead
        sound_visit(study / f"P{number}" / "a")
        label_map(study / "labels", f"sub-P{number}_ses-a")
    for number in range(trial.count(3)):
        (study / "seconds").unlink(missing_ok=True)
        out = trial.folder / f"out{number}"
        whole_s = seconds_of(lambda out=out: measure(study, out, jobs=1, analyse=timed_story))
        analysis_s = [float(line) for line in (study / "seconds").read_text().split()]
        told.append((whole_s - sum(analysis_s)) / len(analysis_s))
    return Figure(
        asked=f"{n} small visits, one job, {len(told)} times: wall time of the run less that of its analyses, by "
        "visit; start of all processes, check sums, compression, writing and tables included",
        found=f"{', '.join(f'{each:.2f}' for each in told)} s a visit (an analysis took "
        f"{statistics.median(analysis_s):.2f} s)",
        holds=statistics.median(told) <= MOST_OVERHEAD_S,
        short="" if statistics.median(told) <= MOST_OVERHEAD_S else f"aim: at most {MOST_OVERHEAD_S} s",
    )


def timed_story(visit: Visit, protocol: Protocol, folders: LabelFolders) -> VisitResult:
    """Measure a visit and tell how long its analysis took."""
    started = time.perf_counter()
    result = analyse_visit(visit, protocol, folders)
    with (visit.folder.parents[1] / "seconds").open("a") as stream:
        stream.write(f"{time.perf_counter() - started}\n")
    return result


def throughput(trial: Trial) -> Figure:
    """Row 25: the command line with one job and with two, in turn."""
    n_participants = trial.count(12)
    study = simulated(trial.folder / "study", n_participants, "small")
    gains, walls = [], []
    for number in range(trial.count(3)):
        walls = [_seconds_with(study, trial.folder / f"out{number}-{jobs}", jobs) for jobs in (1, 2)]
        gains.append(walls[0] / walls[1])
    gain = statistics.median(gains)
    return Figure(
        asked=f"{2 * n_participants} simulated visits and their pairs by the command line, with one job and with two, "
        f"{len(gains)} times in turn, {len(os.sched_getaffinity(0))} cores",
        found=f"two jobs are {', '.join(f'{each:.2f}' for each in gains)} times as fast (the last {walls[0]:.1f} and "
        f"{walls[1]:.1f} s)",
        holds=gain >= LEAST_GAIN,
        short="" if gain >= LEAST_GAIN else f"aim: at least {LEAST_GAIN}",
    )


def simulated(study: Path, n_participants: int, size: str) -> Path:
    """Simulate a study of two visits each."""
    words = ["simulate", str(study), "--participants", str(n_participants), "--size", size]
    subprocess.run([sys.executable, "-m", "t2disc", *words], env=environment(), check=True, capture_output=True)
    return study


def _seconds_with(study: Path, out: Path, jobs: int) -> float:
    words = ["fit", str(study), "-o", str(out), "--labels", str(study / "labels"), "--jobs", str(jobs)]
    command = [sys.executable, "-m", "t2disc", *words]
    seconds = seconds_of(lambda: subprocess.run(command, env=environment(), check=True, capture_output=True))
    shutil.rmtree(out)
    return seconds


class Efforts(Silent):
    """Keeps what each visit cost."""

    def __init__(self) -> None:
        self.of: dict[str, Effort] = {}

    def visit_finished(self, record: VisitRecord, effort: Effort, compared: str) -> None:  # noqa: ARG002
        """Keep the effort."""
        self.of[record.key] = effort


def child_memory(trial: Trial) -> Figure:
    """Row 26: a simulated visit of 15 x 384 x 384 x 16, its discs found automatically."""
    study, efforts = simulated(trial.folder / "study", 1, "full"), Efforts()
    shutil.rmtree(next(study.glob("P*")) / "month12")
    measure(study, trial.folder / "out", efforts, jobs=1, labels_dir=None)
    (effort,) = efforts.of.values()
    peak_mib = effort.peak_mib or float("nan")
    return Figure(
        asked="a child that measures a visit of 15 x 384 x 384 x 16, DICOM to tables, discs found automatically",
        found=f"peak memory {peak_mib:.0f} MiB, {effort.seconds:.1f} s",
        holds=peak_mib <= MOST_MIB,
        short="" if peak_mib <= MOST_MIB else f"aim: at most {MOST_MIB} MiB",
    )
