"""One child for each visit: whatever ends a child badly ends its visit alone, and nothing is lost, doubled or torn."""

from __future__ import annotations

import csv
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest
import stories
from killed import Run, command, stop_and_resume
from studies import label_map, small_study, sound_visit, tree

from t2disc import study
from t2disc.batch import Effort, RunSettings, StudyOutcome, run_study
from t2disc.batch.limits import is_lack_of_memory, memory_limit
from t2disc.batch.progress import Silent
from t2disc.batch.supervisor import MOST_TRIES
from t2disc.errors import ArgumentInvalid, DiskFull
from t2disc.model import Visit
from t2disc.model.protocol import Protocol
from t2disc.store import VisitRecord
from t2disc.store.lock import LOCK

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc and sends POSIX signals")

N_STOPS = int(os.environ.get("T2DISC_TEST_STOPS", "3"))  # of each signal, at random instants


class Listener(Silent):
    """Keeps what a run tells."""

    def __init__(self) -> None:
        self.warned: list[str] = []
        self.efforts: dict[str, Effort] = {}

    def visit_warned(self, visit: Visit, text: str) -> None:
        self.warned.append(f"{visit.key}: {text}")

    def pair_warned(self, key: str, text: str) -> None:
        self.warned.append(f"{key}: {text}")

    def visit_finished(self, record: VisitRecord, effort: Effort, compared: str) -> None:
        self.efforts[record.key] = effort


def run(folder: Path, out: Path, reporter: Silent | None = None, **settings: object) -> StudyOutcome:
    visits = study.find_visits(folder, ignore=[out])
    wanted = {"out": out, "protocol": Protocol(), "labels_dir": folder / "labels", "jobs": 2} | settings
    return run_study(visits, RunSettings(**wanted), reporter)


def table(out: Path, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((out / name).read_text().splitlines(), delimiter="\t"))


def hidden(out: Path) -> set[str]:
    return {path.name for path in out.rglob(".*")} - {".bidsignore"}


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    """A study of two visits, measured in this process; the fork server is warm, so that limits of time can be short."""
    folder = small_study(tmp_path_factory.mktemp("study"))
    run(folder, folder / "out", jobs=0)
    run(folder, tmp_path_factory.mktemp("warm"), jobs=1)
    return folder


@pytest.fixture
def mixed(sound, tmp_path) -> Path:
    """The same two visits, and a third that stories make go wrong."""
    folder = copytree(sound, tmp_path / "study", ignore=ignore_patterns("out"))
    sound_visit(folder / "BAD" / "baseline")
    label_map(folder / "labels", "sub-BAD_ses-baseline")
    return folder


# ------------------------------------------------------------------------------------------------ the same bytes
@pytest.mark.parametrize("jobs", [1, 2])
def test_children_give_the_bytes_of_this_process_and_leave_nothing_else(sound, tmp_path, jobs):
    listener = Listener()
    run(sound, tmp_path, listener, jobs=jobs)
    assert tree(tmp_path) == tree(sound / "out")
    assert not hidden(tmp_path)
    assert listener.warned == []
    assert {key: effort.n_tries for key, effort in listener.efforts.items()} == {
        "sub-P1/ses-baseline": 1,
        "sub-P1/ses-month12": 1,
    }
    assert all(30 < effort.peak_mib < 2000 for effort in listener.efforts.values())


def test_pairs_of_a_simulated_spine_are_the_same_bytes_in_children(tmp_path):
    simulated = tmp_path / "study"
    simulate = ["simulate", str(simulated), "--participants", "1", "--size", "tiny"]
    subprocess.run([sys.executable, "-m", "t2disc", *simulate], check=True, capture_output=True)
    trees = []
    for jobs in (0, 2):
        out = tmp_path / str(jobs)
        outcome = run(simulated, out, jobs=jobs, labels_dir=simulated / "labels")
        assert any(row.change.roi == "matched" for row in outcome.summary.changes)
        trees.append(tree(out))
    assert trees[0] == trees[1]


def test_pictures_are_the_same_bytes_in_children(sound, tmp_path):
    for jobs in (0, 2):
        run(sound, tmp_path / str(jobs), jobs=jobs, with_figures=True)
    here, there = tree(tmp_path / "0"), tree(tmp_path / "2")
    assert sum(name.endswith(".png") for name in here) == 2 * (1 + 2) + 1
    assert here == there


def test_a_second_run_starts_no_child(sound, tmp_path, monkeypatch):
    run(sound, tmp_path)
    monkeypatch.setattr("t2disc.batch.supervisor._start", None)
    assert run(sound, tmp_path).n_skipped == 2


def test_a_script_needs_no_guard_and_is_run_once(sound, tmp_path):
    script = tmp_path / "lab.py"
    text = f"""
        from pathlib import Path
        from t2disc import study
        from t2disc.batch import RunSettings, run_study
        from t2disc.model.protocol import Protocol
        print("begins")
        folder, out = Path({str(sound)!r}), Path({str(tmp_path / "out")!r})
        visits = study.find_visits(folder, ignore=[folder / "out"])
        run_study(visits, RunSettings(out=out, protocol=Protocol(), labels_dir=folder / "labels", jobs=2))
    """
    script.write_text(textwrap.dedent(text))
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "begins\n", "")
    assert tree(tmp_path / "out") == tree(sound / "out")


# ------------------------------------------------------------------------------------------------ bad children
@pytest.mark.parametrize(
    ("story", "code", "told", "limits"),
    [
        (stories.raises, "internal-error", "RuntimeError at ", {}),
        (stories.crashes, "child-crashed", "ended by SIGSEGV", {}),
        (stories.leaves, "child-crashed", "ended with code 7", {}),
        (stories.is_killed, "child-crashed", "ended by SIGKILL", {}),
        (stories.is_killed, "out-of-memory", "was killed", {"memory_limit_mib": 1500}),
        (stories.asks_for_memory, "out-of-memory", "limit of 1500 MiB", {"memory_limit_mib": 1500}),
        (stories.hangs, "time-limit", "longer than 5 s", {"timeout_s": 5.0}),
        (stories.hangs_and_does_not_listen, "time-limit", "longer than 5 s", {"timeout_s": 5.0}),
    ],
)
def test_a_visit_whose_child_ends_badly_is_tried_twice_and_quarantined_alone(
    sound, mixed, tmp_path, story, code, told, limits
):
    out, listener = tmp_path / "out", Listener()
    outcome = run(mixed, out, listener, analyse=story, **limits)
    (refused,) = outcome.quarantined
    assert (refused.key, refused.code) == ("sub-BAD/ses-baseline", code)
    assert told in refused.reason
    assert stories.CANARY not in refused.reason
    tries = (mixed / "tries").read_text().splitlines()
    assert {key: tries.count(key) for key in tries} == {
        "sub-BAD/ses-baseline": MOST_TRIES,
        "sub-P1/ses-baseline": 1,
        "sub-P1/ses-month12": 1,
    }
    assert listener.efforts["sub-BAD/ses-baseline"].n_tries == MOST_TRIES == 2
    assert [row["status"] for row in table(out, "visits.tsv")] == ["quarantined", "done", "done"]
    assert not hidden(out)
    good = {name: content for name, content in tree(out).items() if name.startswith("sub-P1/")}
    assert good == {name: content for name, content in tree(sound / "out").items() if name.startswith("sub-P1/")}


def test_a_visit_that_goes_well_at_the_second_try_is_done_and_says_so(mixed, tmp_path):
    listener = Listener()
    assert not run(mixed, tmp_path / "out", listener, analyse=stories.crashes_once).quarantined
    (warned,) = listener.warned
    assert warned.startswith("sub-BAD/ses-baseline: tried again after [child-crashed] ")
    assert run(mixed, tmp_path / "out", jobs=0).n_skipped == 3


def test_the_command_line_tells_by_code_3_and_passes_nothing_on(mixed, tmp_path):
    script = """
        import sys
        from functools import partial
        import stories, t2disc.batch as batch
        batch.RunSettings = partial(batch.RunSettings, analyse=stories.crashes)
        from t2disc.cli import main
        main(sys.argv[1:])
    """
    arguments = command(mixed, tmp_path / "out", "--jobs", "2", "--timeout", "60")[3:]
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert ended.returncode == 3, ended.stderr
    assert "quarantined [child-crashed] found a process that was ended by SIGSEGV" in ended.stderr
    (log,) = (tmp_path / "out" / "logs").iterdir()
    for text in (ended.stdout, ended.stderr, log.read_text()):
        assert stories.CANARY not in text
        assert str(mixed) not in text
    assert (mixed / "tries").read_text().count("BAD") == 2


def test_a_pair_whose_child_crashes_keeps_its_visits_own_numbers(sound, tmp_path, monkeypatch):
    monkeypatch.setattr("t2disc.batch.pairs.PairTask", stories.CrashingPair)
    outcome = run(sound, tmp_path)
    assert not outcome.quarantined
    assert {row.codes for row in outcome.summary.changes} == {("child-crashed",)}
    monkeypatch.undo()
    run(sound, tmp_path)
    assert tree(tmp_path) == tree(sound / "out")


def test_a_full_disk_in_a_child_stops_the_run_and_ends_the_others(mixed, tmp_path):
    started = time.monotonic()
    with pytest.raises(DiskFull):
        run(mixed, tmp_path / "out", analyse=stories.finds_the_disk_full, jobs=3)
    assert time.monotonic() - started < 30  # the others would never end
    assert not hidden(tmp_path / "out")
    assert not list((tmp_path / "out").glob("sub-*/ses-*"))


# ------------------------------------------------------------------------------------------------ limits
@pytest.mark.parametrize("changes", [{"jobs": -1}, {"memory_limit_mib": 0}, {"timeout_s": 0.0}, {"timeout_s": -1.0}])
def test_limits_that_no_visit_could_keep_are_refused(tmp_path, changes):
    with pytest.raises(ArgumentInvalid):
        RunSettings(out=tmp_path, protocol=Protocol(), **changes)


def test_memory_is_limited_inside_the_block_alone():
    code = """
        import numpy as np
        from t2disc.batch.limits import memory_limit
        np.ones(1 << 26)
        try:
            with memory_limit(300):
                np.ones(1 << 26)
        except MemoryError:
            print("refused")
        np.ones(1 << 26)
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert ended.stdout == "refused\n"
    with memory_limit(None):
        pass


@pytest.mark.parametrize(
    ("fault", "lacks"),
    [
        (MemoryError(), True),
        (RuntimeError("itk: std::bad_alloc"), True),
        (RuntimeError("a filter failed"), False),
        (ValueError("std::bad_alloc"), False),
    ],
)
def test_what_tells_that_memory_ran_out(fault, lacks):
    assert is_lack_of_memory(fault) is lacks


# ------------------------------------------------------------------------------------------------ being stopped
@pytest.fixture(scope="module")
def lasting_s(sound, tmp_path_factory) -> float:
    """How long an undisturbed run holds the lock, s."""
    out = tmp_path_factory.mktemp("timed") / "out"
    started = Run(command(sound, out, "--jobs", "2"), out)
    started.process.communicate(timeout=120)
    assert started.process.returncode == 0
    return time.monotonic() - started.started


@pytest.mark.parametrize("draw", range(N_STOPS))
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_run_that_is_stopped_leaves_no_lock_no_child_and_no_staged_folder(
    sound, tmp_path, lasting_s, number, code, draw
):
    after_s = random.Random(f"{number}{draw}").uniform(0, lasting_s)
    stopped = stop_and_resume(sound, tree(sound / "out"), tmp_path / "out", number, after_s)
    assert stopped.code in (code, 0)  # 0 where it was done by then
    assert (stopped.survivors, set(stopped.hidden) - {".bidsignore"}, stopped.torn) == ((), set(), ())
    assert stopped.is_equal


@pytest.mark.parametrize("draw", range(N_STOPS))
def test_a_run_that_is_killed_leaves_whole_files_and_is_completed_to_the_same_bytes(sound, tmp_path, lasting_s, draw):
    after_s = random.Random(f"kill{draw}").uniform(0, lasting_s)
    stopped = stop_and_resume(sound, tree(sound / "out"), tmp_path / "out", signal.SIGKILL, after_s)
    assert stopped.code in (-signal.SIGKILL, 0)
    assert (stopped.survivors, stopped.torn) == ((), ())
    assert stopped.is_equal


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_children_that_hang_end_with_their_parent(mixed, tmp_path, number, code):
    script = """
        import sys
        from functools import partial
        import stories, t2disc.batch as batch
        batch.RunSettings = partial(batch.RunSettings, analyse=stories.hangs)
        from t2disc.cli import main
        main(sys.argv[1:])
    """
    out = tmp_path / "out"
    arguments = [sys.executable, "-c", textwrap.dedent(script), *command(mixed, out, "--jobs", "1")[3:]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), *sys.path]))
        started = Run(arguments, out)
    deadline = time.monotonic() + 60
    while not (mixed / "tries").is_file() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(started.survivors(patience_s=0)) > 1
    assert started.stop(number, 0.0, whole_group=number == signal.SIGINT) == code
    assert started.survivors() == ()
    assert (out / LOCK).exists() is (number == signal.SIGKILL)
    assert stories.CANARY not in started.errors
    assert "Traceback" not in started.errors
