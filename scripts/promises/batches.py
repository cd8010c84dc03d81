"""Rows 4, 5, 8, 16, 17, 19: whole studies, again, changed, in other ways, and with bad visits."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from stories import hangs_once, measured
from studies import broken_visit, label_map, small_study, sound_visit, tree

import t2disc.batch.plan
from promises.figure import Figure, Trial
from promises.outputs import measure
from promises.staging import environment
from t2disc.batch import Decision
from t2disc.batch.progress import Silent
from t2disc.model import Visit
from t2disc.model.protocol import (
    FitSettings,
    IngestSettings,
    Protocol,
    RegionSettings,
    RegisterSettings,
    SegmentSettings,
    StudySettings,
)
from t2disc.study import LabelFolders, VisitResult


class Listener(Silent):
    """Keeps what was decided of each visit."""

    def __init__(self) -> None:
        self.decided: dict[str, str] = {}

    def visit_planned(self, visit: Visit, decision: Decision) -> None:
        """Keep the action."""
        self.decided[visit.key] = decision.action


def study_of(folder: Path, n_participants: int) -> Path:
    """Write a study of two visits each."""
    small_study(folder)
    for number in range(2, n_participants + 1):
        copy_participant(folder, f"P{number}")
    rows = "".join(f"P{number}\tL4/L5\n" for number in range(1, n_participants + 1))
    (folder / "participants.tsv").write_text(f"participant_id\tindex_level\n{rows}")
    return folder


def copy_participant(folder: Path, name: str) -> None:
    """Write the first participant again under another name."""
    shutil.copytree(folder / "P1", folder / name)
    for path in (folder / "labels").glob("sub-P1_*"):
        shutil.copy(path, path.with_name(path.name.replace("sub-P1_", f"sub-{name}_")))


def seconds_of(do: Callable[[], Any]) -> float:
    """Return how long something takes, s."""
    started = time.perf_counter()
    do()
    return time.perf_counter() - started


def states(out: Path) -> dict[str, tuple[int, str]]:
    """Return time of change and SHA-256 of every file but logs and the index, which tells times itself."""
    return {
        name: ((out / name).stat().st_mtime_ns, hashlib.sha256(content).hexdigest())
        for name, content in tree(out).items()
    }


# ------------------------------------------------------------------------------------------------ again
def same_again(trial: Trial) -> Figure:
    """Row 4."""
    study, out = study_of(trial.folder / "study", trial.count(6, 2)), trial.folder / "out"
    first_s = seconds_of(lambda: measure(study, out))
    before = states(out)
    second_s = seconds_of(lambda: measure(study, out))
    after = states(out)
    n_changed = sum(before.get(name) != state for name, state in after.items()) + len(before.keys() - after.keys())
    return Figure(
        asked=f"{len(list(out.glob('sub-*/ses-*')))} visits run twice: SHA-256 and time of {len(before)} files",
        found=f"changed {n_changed}, the second run took {second_s / first_s:.3f} of the first's time",
        holds=n_changed == 0,
    )


# ------------------------------------------------------------------------------------------------ changed
def one_changed(trial: Trial) -> Figure:
    """Row 5: each change is made to a study that stands, and what is done is compared with what must be."""
    study, out = study_of(trial.folder / "study", 3), trial.folder / "out"
    measure(study, out)
    wrong, cases, own_version = [], _changes(study, out), t2disc.batch.plan.__version__
    try:
        for case in cases:
            listener = Listener()
            case.happen()
            measure(study, out, listener, **case.settings)
            done = {key: action for key, action in listener.decided.items() if action != "skip"}
            if done != case.expected:
                told = ", ".join(f"{key} {action}" for key, action in done.items()) or "nothing"
                wrong.append(f"{case.name} ({told})")
    finally:
        t2disc.batch.plan.__version__ = own_version  # rows that follow plan, too
    return Figure(
        asked=f"{len(cases)} changes in a study of 6 visits, one after the other: {', '.join(c.name for c in cases)}",
        found=f"reruns = expected {len(cases) - len(wrong)}/{len(cases)}",
        holds=not wrong,
        short=f"not so: {'; '.join(wrong)}" if wrong else "",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A change, what must be done because of it, and the settings of the run."""

    name: str
    expected: dict[str, str] = field(default_factory=dict)
    happen: Callable[[], object] = lambda: None
    settings: dict[str, Any] = field(default_factory=dict)


def _changes(study: Path, out: Path) -> list[Case]:
    keys = [f"sub-P{number}/ses-{visit}" for number in (1, 2, 3) for visit in ("baseline", "month12")]
    every, relabelled = dict.fromkeys(keys, "run"), dict.fromkeys(keys, "relabel")
    fit = Protocol(fit=FitSettings(min_snr=2.0))
    discs = fit.model_copy(update={"segment": SegmentSettings(least_confidence=0.9)})
    order = discs.model_copy(update={"study": StudySettings(visit_order=("baseline", "month12"))})
    drawn = {"protocol": order, "with_figures": True}
    image = partial(_one_image, study / "P1" / "baseline")
    labels = partial(_one_label, study / "labels", "sub-P2_ses-month12")
    level = partial(_one_level, study, "P3")
    lost = partial(_one_lost, out / "sub-P1" / "ses-month12")
    return [
        Case(name="none"),
        Case(name="an image", expected={keys[0]: "run"}, happen=image),
        Case(name="labels", expected={keys[3]: "relabel"}, happen=labels),
        Case(name="a treated level", expected=dict.fromkeys(keys[4:], "relabel"), happen=level),
        Case(name="[fit]", expected=every, settings={"protocol": fit}),
        Case(name="[segment]", expected=relabelled, settings={"protocol": discs}),
        Case(name="[study]", settings={"protocol": order}),
        Case(name="pictures", expected=relabelled, settings=drawn),
        Case(name="an output lost", expected={keys[1]: "run"}, happen=lost, settings=drawn),
        Case(name="version", expected=every, happen=_other_version, settings=drawn),
    ]


def _one_image(folder: Path) -> None:
    path = sorted((folder / "scan").iterdir())[0]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def _one_label(folder: Path, stem: str) -> None:
    (folder / f"{stem}_dseg.tsv").write_text("index\tname\n1\tL3/L4\n2\tL4/L5\n")


def _one_level(study: Path, name: str) -> None:
    path = study / "participants.tsv"
    path.write_text(path.read_text().replace(f"{name}\tL4/L5", f"{name}\tL5/S1"))


def _one_lost(folder: Path) -> None:
    next(folder.rglob("*_T2map.nii.gz")).unlink()


def _other_version() -> None:
    t2disc.batch.plan.__version__ = "0.0.0+promises"


# ------------------------------------------------------------------------------------------------ other ways
def same_bytes(trial: Trial) -> Figure:
    """Row 8: a simulated spine with a matched pair, measured in many ways."""
    study = trial.folder / "study"
    simulate = [sys.executable, "-m", "t2disc", "simulate", str(study), "--participants", "1", "--size", "tiny"]
    subprocess.run(simulate, env=environment(), check=True, capture_output=True)
    renamed = _renamed(study, trial.folder / "renamed")
    ways: list[tuple[str, Path, str, dict[str, str], int | None]] = [
        ("as it is", study, "0", {}, None),
        ("two jobs, hash seed 1", study, "2", {"PYTHONHASHSEED": "1"}, None),
        ("other names and order of files", renamed, "1", {"PYTHONHASHSEED": "2"}, None),
        ("blocks of 777 voxels", study, "0", {"PYTHONHASHSEED": "3"}, 777),
        ("three jobs, names", renamed, "3", {"PYTHONHASHSEED": "4"}, None),
        ("one thread", study, "0", {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}, None),
        ("three threads of ITK", study, "0", {"ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "3"}, None),
        ("another folder and time zone", study, "0", {"TZ": "Asia/Tokyo", "LC_ALL": "C"}, None),
    ]
    ways = ways[: trial.count(len(ways), 3)]
    sums = [_tree_sha256(trial.folder, n, *way[1:]) for n, way in enumerate(ways)]
    n_distinct = len(set(sums))
    odd = [way[0] for way, sha in zip(ways, sums, strict=True) if sha != sums[0]]
    return Figure(
        asked=f"{len(ways)} ways: " + ", ".join(way[0] for way in ways),
        found=f"distinct hashes {n_distinct}",
        holds=n_distinct == 1,
        short=f"other bytes: {', '.join(odd)}" if odd else "",
    )


def _renamed(study: Path, copy: Path) -> Path:
    """Copy a study with its images under other names, written in the opposite order."""
    shutil.copytree(study, copy, ignore=shutil.ignore_patterns("P[0-9]*"))
    for folder in sorted(study.glob("P[0-9]*")):
        files = sorted((path for path in folder.rglob("*") if path.is_file()), reverse=True)
        for n, path in enumerate(files):
            target = copy / path.relative_to(study).with_name(f"{(n * 7919) % 10007:05d}.bin")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    return copy


_IN_BLOCKS = """
import sys
import t2disc.fit.run as run
from t2disc.cli import main
if int(sys.argv[1]):
    run._block = lambda model, backend: int(sys.argv[1])
main(sys.argv[2:])
"""


def _tree_sha256(folder: Path, number: int, study: Path, jobs: str, more: dict[str, str], block: int | None) -> str:
    out = folder / f"way{number}"
    fit = ["fit", str(study), "-o", str(out), "--labels", str(study / "labels"), "--jobs", jobs]
    command = [sys.executable, "-c", _IN_BLOCKS, str(block or 0), *fit]
    ended = subprocess.run(command, env=environment(**more), capture_output=True, text=True, check=False)
    if ended.returncode:
        return f"exit code {ended.returncode}"
    whole = hashlib.sha256()
    for name, content in sorted(tree(out).items()):
        whole.update(f"{name} {hashlib.sha256(content).hexdigest()}\n".encode())
    return whole.hexdigest()


# ------------------------------------------------------------------------------------------------ bad visits
def bad_story(visit: Visit, protocol: Protocol, folders: LabelFolders) -> VisitResult:
    """Measure a visit; that of two participants ends its process, or asks for all memory."""
    result = measured(visit, protocol, folders)
    if visit.participant_id == "sub-CRASH":
        os.kill(os.getpid(), signal.SIGSEGV)
    if visit.participant_id == "sub-MEMORY":
        np.ones(1 << 29)  # 4 GiB
    return result


_WITH_STORY = """
import sys
from functools import partial
import t2disc.batch as batch
from promises.batches import bad_story
batch.RunSettings = partial(batch.RunSettings, analyse=bad_story)
from t2disc.cli import main
main(sys.argv[1:])
"""


def bad_among_good(trial: Trial) -> Figure:
    """Row 16: 99 sound visits of one participant each, one that is refused, one that crashes, one without memory."""
    study, out, n_good = trial.folder / "study", trial.folder / "out", trial.count(99, 4)
    names = [f"G{number}" for number in range(n_good)] + ["CRASH", "MEMORY"]
    for name in names:
        sound_visit(study / name / "a")
    label_map(study / "labels", "sub-CRASH_ses-a")
    broken_visit(study / "CUT" / "a")
    arguments = ["fit", str(study), "-o", str(out), "--jobs", "2", "--memory-limit", "1500"]
    command = [sys.executable, "-c", _WITH_STORY, *arguments]
    ended = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    with (out / "visits.tsv").open() as stream:
        rows = {row["participant_id"]: row for row in csv.DictReader(stream, delimiter="\t")}
    n_done = sum(rows[f"sub-G{number}"]["status"] == "done" for number in range(n_good))
    bad = {name: rows[f"sub-{name}"] for name in ("CRASH", "MEMORY", "CUT")}
    codes = {name: _code(row) for name, row in bad.items()}
    wanted = {"CRASH": "child-crashed", "MEMORY": "out-of-memory", "CUT": "slice-missing"}
    tries = Counter((study / "tries").read_text().split())
    n_again = sum(count > 1 for key, count in tries.items() if key.startswith("sub-G"))
    return Figure(
        asked=f"{n_good} sound visits with one refused, one that ends by SIGSEGV, one that asks for 4 GiB",
        found=f"{n_done}/{n_good} done, {n_again} measured twice, quarantined with {', '.join(codes.values())}, "
        f"exit code {ended.returncode}",
        holds=(n_done, n_again, codes, ended.returncode) == (n_good, 0, wanted, 3),
    )


def _code(row: dict[str, str]) -> str:
    return row["code"] if row["status"] == "quarantined" else row["status"]


def worker_killed(trial: Trial) -> Figure:
    """Row 17: the visit of one participant tells its worker's process and waits; that worker is killed."""
    asked = "one of two workers of dask-local killed while it measures one of 5 visits"
    if importlib.util.find_spec("distributed") is None:
        return Figure(asked=asked, found="none", holds=None, short="dask is not installed here (extra: dask)")
    study, out = study_of(trial.folder / "study", 2), trial.folder / "out"
    sound_visit(study / "BAD" / "baseline")
    label_map(study / "labels", "sub-BAD_ses-baseline")
    measure(study, trial.folder / "whole")
    with ThreadPoolExecutor(1) as pool:
        killed = pool.submit(_kill_worker, study / "pids")
        outcome = measure(study, out, analyse=hangs_once, executor="dask-local", jobs=2)
    tries = Counter((study / "tries").read_text().splitlines())
    n_lost = 5 - len(tries) + len(outcome.quarantined)
    repeated = sorted(key for key, count in tries.items() if count > 1)
    is_equal = tree(out) == tree(trial.folder / "whole")
    return Figure(
        asked=asked,
        found=f"lost {n_lost}, repeated {len(repeated)}, same bytes as without: {'yes' if is_equal else 'no'}",
        holds=killed.result() and not n_lost and repeated == ["sub-BAD/ses-baseline"] and is_equal,
    )


def _kill_worker(told: Path) -> bool:
    """Wait until a visit has told which process its worker is, and kill that; tell whether it came to that."""
    deadline = time.monotonic() + 120
    while not told.exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    os.kill(int(told.read_text().split()[0]), signal.SIGKILL)
    return True


# ------------------------------------------------------------------------------------------------ provenance
def run_from_record(trial: Trial) -> Figure:
    """Row 19: `t2disc reproduce` without the protocol file by which the visits were measured, in another process."""
    study, out = study_of(trial.folder / "study", trial.count(4, 1)), trial.folder / "out"
    measure(study, out, protocol=_UNUSUAL, with_figures=True)
    before = states(out)
    words = ["reproduce", str(out), "--study", str(study), "--labels", str(study / "labels"), "--jobs", "2", "--json"]
    command = [sys.executable, "-m", "t2disc", *words]
    ended = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    told = json.loads(ended.stdout)
    counts, n_changed = (
        Counter(each["state"] for each in told),
        sum(before[name] != s for name, s in states(out).items()),
    )
    return Figure(
        asked=f"{len(told)} visits with pictures, nine settings of the protocol changed, measured from records alone",
        found=f"same SHA-256 of every file {counts['same']}/{len(told)}, exit code {ended.returncode}, outputs changed "
        f"{n_changed}",
        holds=counts["same"] == len(told) > 0 and not ended.returncode and not n_changed,
    )


_UNUSUAL = Protocol(
    ingest=IngestSettings(n_echoes=4, first_echo_time_ms=10.0),
    register=RegisterSettings(echo_threshold_mm=0.9),
    fit=FitSettings(min_snr=4.0, skip_first=1, compare=("loglinear",)),
    segment=SegmentSettings(erosion_mm=0.4, least_confidence=0.6),
    regions=RegionSettings(annulus_fraction=0.3, schemes=("strips",)),
)
