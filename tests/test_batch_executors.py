"""Wherever a visit is measured, the bytes are the same: workers of dask, shards of a job array, Slurm."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import pickle
import shlex
import signal
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest
import stories
from hypothesis import given
from hypothesis import strategies as st
from killed import Run, command
from studies import label_map, small_study, sound_visit, tree

from t2disc import __version__, study
from t2disc.batch import RunSettings, Shard, StudyOutcome, distributed, run_study
from t2disc.batch.audit import Author, lock_study
from t2disc.batch.distributed import Errand, run_errand
from t2disc.batch.limits import Limits
from t2disc.batch.progress import Silent
from t2disc.batch.task import Done, Effort
from t2disc.batch.visits import VisitTask
from t2disc.cli.requests import FitRequest
from t2disc.cli.slurm import slurm_script
from t2disc.errors import (
    ArgumentInvalid,
    AuditDamaged,
    DaskMissing,
    OutputBusy,
    PseudonymKeyMissing,
    SchedulerUnreachable,
    StudyLocked,
)
from t2disc.model import Visit
from t2disc.model.protocol import FitSettings, Protocol
from t2disc.store import (
    AUDIT,
    AuditEntry,
    VisitRecord,
    leave_audit,
    output_lock,
    read_audit,
    shard_lock,
    take_up_audit,
    verify_outputs,
)
from t2disc.store.lock import LOCK

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc and sends POSIX signals")


@pytest.fixture
def dask():
    """Skip where the extra is not installed."""
    return pytest.importorskip("distributed", reason="the extra dask is not installed")


class Listener(Silent):
    """Keeps what a run tells; ``at_end`` is called when a visit has ended."""

    def __init__(self, at_end: object = None) -> None:
        self.warned: list[str] = []
        self.n_tries: dict[str, int] = {}
        self._at_end = at_end

    def visit_warned(self, visit: Visit, text: str) -> None:
        self.warned.append(f"{visit.key}: {text}")

    def visit_finished(self, record: VisitRecord, effort: Effort, compared: str) -> None:
        self.n_tries[record.key] = effort.n_tries
        if self._at_end:
            self._at_end()


def find(folder: Path) -> tuple[Visit, ...]:
    return study.find_visits(folder, ignore=[folder / "out"])


def wanted(folder: Path, out: Path, **settings: object) -> RunSettings:
    return RunSettings(**{"out": out, "protocol": Protocol(), "labels_dir": folder / "labels", "jobs": 2} | settings)


def run(folder: Path, out: Path, reporter: Silent | None = None, **settings: object) -> StudyOutcome:
    return run_study(find(folder), wanted(folder, out, **settings), reporter)


def hidden(out: Path) -> set[str]:
    return {path.name for path in out.rglob(".*")} - {".bidsignore"}


def tries(folder: Path) -> dict[str, int]:
    lines = (folder / "tries").read_text().splitlines()
    return {key: lines.count(key) for key in sorted(set(lines))}


def sha256s(out: Path) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in tree(out).items()}


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def seen(path: Path, patience_s: float = 60.0) -> bool:
    deadline = time.monotonic() + patience_s
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return path.exists()


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    """A study of three participants and five visits, measured in this process; stories let sub-BAD go wrong."""
    folder = small_study(tmp_path_factory.mktemp("study"))
    for participant, visit, date in (
        ("BAD", "baseline", "20240102"),
        ("P3", "baseline", "20240102"),
        ("P3", "month12", "20250105"),
    ):
        sound_visit(folder / participant / visit, date)
        label_map(folder / "labels", f"sub-{participant}_ses-{visit}")
    (folder / "participants.tsv").write_text("participant_id\tindex_level\nP1\tL4/L5\nP3\tL4/L5\nBAD\tL4/L5\n")
    run(folder, folder / "out", jobs=0)
    return folder


@pytest.fixture
def copied(sound, tmp_path) -> Path:
    """The same study, not measured, for stories that leave their tries in it."""
    return copytree(sound, tmp_path / "study", ignore=ignore_patterns("out"))


# ------------------------------------------------------------------------------------------------ dask
def test_workers_of_our_own_give_the_bytes_of_this_process_and_leave_nothing_else(dask, sound, tmp_path):
    listener = Listener()
    run(sound, tmp_path, listener, executor="dask-local")
    assert tree(tmp_path) == tree(sound / "out")
    assert not hidden(tmp_path)
    assert listener.warned == []
    assert set(listener.n_tries.values()) == {1}


def test_workers_of_a_scheduler_that_runs_already_give_the_same_bytes_and_stay(dask, sound, tmp_path, monkeypatch):
    with own_cluster(dask) as cluster:
        executor = cluster.scheduler_address.replace("tcp://", "dask://")
        monkeypatch.chdir(sound)  # relative paths mean the same there
        labels = Path("labels")
        visits = study.find_visits(Path(), ignore=[Path("out")])
        out = Path(os.path.relpath(tmp_path / "out", sound))
        run_study(visits, RunSettings(out=out, protocol=Protocol(), labels_dir=labels, jobs=1, executor=executor))
        assert len(cluster.scheduler_info["workers"]) == 2
        assert not cluster.scheduler.tasks  # released
    assert tree(tmp_path / "out") == tree(sound / "out")
    assert not hidden(tmp_path / "out")


def own_cluster(dask):
    quiet = {"silence_logs": 60, "dashboard_address": ":0", "memory_limit": 0, "host": "127.0.0.1"}
    return dask.LocalCluster(n_workers=2, threads_per_worker=1, **quiet)


def test_a_worker_that_is_killed_midway_has_its_running_visit_run_again_and_nothing_else(dask, sound, copied, tmp_path):
    killed = []

    def kill() -> None:
        if seen(copied / "pids"):
            worker, child = map(int, (copied / "pids").read_text().split())
            os.kill(worker, signal.SIGKILL)
            killed.extend((worker, child))

    killer = threading.Thread(target=kill)
    killer.start()
    listener = Listener()
    outcome = run(copied, tmp_path / "out", listener, analyse=stories.hangs_once, executor="dask-local")
    killer.join()
    assert not outcome.quarantined
    assert tries(copied) == {key: 1 + ("BAD" in key) for key in (visit.key for visit in find(copied))}
    assert listener.n_tries["sub-BAD/ses-baseline"] == 2
    (warned,) = listener.warned
    assert warned.startswith("sub-BAD/ses-baseline: tried again after [child-crashed] ")
    assert tree(tmp_path / "out") == tree(sound / "out")
    assert not hidden(tmp_path / "out")
    assert killed
    assert not any(map(lives, killed))


@pytest.mark.parametrize("is_ours", [True, False])
def test_a_visit_whose_workers_die_is_quarantined_alone(dask, copied, tmp_path, is_ours):
    from contextlib import nullcontext

    with nullcontext() if is_ours else own_cluster(dask) as cluster:
        executor = "dask-local" if is_ours else cluster.scheduler_address.replace("tcp://", "dask://")
        outcome = run(copied, tmp_path / "out", analyse=stories.kills_its_worker, executor=executor)
        n_deaths = 2 if is_ours else cluster.scheduler.allowed_failures + 1
    (refused,) = outcome.quarantined
    assert (refused.key, refused.code) == ("sub-BAD/ses-baseline", "child-crashed")
    assert tries(copied) == {key: n_deaths if "BAD" in key else 1 for key in (visit.key for visit in find(copied))}


def test_a_run_that_is_stopped_ends_its_visits_at_workers_that_go_on(dask, copied, tmp_path):
    def stop() -> None:
        assert seen(copied / "pids")
        raise KeyboardInterrupt

    with own_cluster(dask) as cluster:
        executor = cluster.scheduler_address.replace("tcp://", "dask://")
        with pytest.raises(KeyboardInterrupt):
            run(copied, tmp_path / "out", Listener(stop), analyse=stories.hangs_once, executor=executor)
        worker, child = map(int, (copied / "pids").read_text().split())
        assert lives(worker)
        assert not lives(child)
    assert not hidden(tmp_path / "out")


HANGING = """
    import sys
    from functools import partial
    import stories, t2disc.batch as batch
    batch.RunSettings = partial(batch.RunSettings, analyse=stories.hangs_once)
    from t2disc.cli import main
    main(sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_workers_of_our_own_and_their_children_end_with_the_run(dask, copied, tmp_path, monkeypatch, number, code):
    out = tmp_path / "out"
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), *sys.path]))
    arguments = command(copied, out, "--jobs", "1", "--executor", "dask-local")[3:]
    started = Run([sys.executable, "-c", textwrap.dedent(HANGING), *arguments], out)
    assert seen(copied / "pids")
    assert started.stop(number, 0.0, whole_group=number == signal.SIGINT) == code
    assert started.survivors() == ()
    assert bool(hidden(out)) is (number == signal.SIGKILL)
    if number != signal.SIGKILL:  # after which Python's own tracker of semaphores has a word to say
        assert all(line.startswith("20") for line in started.errors.splitlines()), started.errors


def test_a_child_s_fate_is_the_same_at_a_worker_and_nothing_is_passed_on(dask, copied, tmp_path):
    script = """
        import sys
        from functools import partial
        import stories, t2disc.batch as batch
        batch.RunSettings = partial(batch.RunSettings, analyse=stories.crashes)
        from t2disc.cli import main
        main(sys.argv[1:])
    """
    out = tmp_path / "out"
    fit = ["fit", copied, "-o", out, "--labels", copied / "labels", "--jobs", "2", "--executor", "dask-local"]
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, fit)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert ended.returncode == 3, ended.stderr
    assert "sub-BAD/ses-baseline: quarantined [child-crashed] found a process that was ended by SIGSEGV" in ended.stderr
    assert tries(copied)["sub-BAD/ses-baseline"] == 2
    assert all(line.startswith("20") for line in ended.stderr.splitlines())  # the log's own lines, and no others
    (log,) = (out / "logs").iterdir()
    for text in (ended.stdout.replace(str(out), ""), ended.stderr, log.read_text()):
        assert stories.CANARY not in text
        assert str(tmp_path) not in text


def test_a_second_run_starts_no_worker(sound, tmp_path, monkeypatch):
    copytree(sound / "out", tmp_path / "out")
    monkeypatch.setattr(distributed, "_client", None)
    assert run(sound, tmp_path / "out", executor="dask-local").n_skipped == 5


def test_without_the_extra_it_is_told_what_to_install(sound, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(DaskMissing, match="t2disc's extra dask"):
        run(sound, tmp_path, executor="dask-local")
    assert not (tmp_path / LOCK).exists()


def test_a_scheduler_that_does_not_answer_is_told(dask, sound, tmp_path, monkeypatch):
    monkeypatch.setattr(distributed, "_CONNECT_S", 1.0)
    with pytest.raises(SchedulerUnreachable):
        run(sound, tmp_path, executor="dask://127.0.0.1:9")
    assert not hidden(tmp_path)


def test_a_scheduler_without_workers_is_told(dask, sound, tmp_path, monkeypatch):
    monkeypatch.setattr(distributed, "_IDLE_S", 1.0)
    with (
        dask.LocalCluster(n_workers=0, silence_logs=60, dashboard_address=":0", host="127.0.0.1") as cluster,
        pytest.raises(SchedulerUnreachable, match="no worker for 1 s"),
    ):
        run(sound, tmp_path, executor=cluster.scheduler_address.replace("tcp://", "dask://"))
    assert not hidden(tmp_path)


def parcel(sound: Path, **changes: object) -> bytes:
    lease = sound / "lease"
    lease.touch()
    task = VisitTask(visit=find(sound)[0], settings=wanted(sound, sound / "out"))
    return pickle.dumps((Errand(**{"task": task, "folder": sound, "lease": lease} | changes), Limits()))


@pytest.mark.parametrize(
    ("version", "changes", "told"),
    [
        ("0.0.0", {}, f"a worker with t2disc {__version__}"),
        (__version__, {"lease": Path("/nowhere/lease")}, "does not see"),
        (__version__, {"folder": Path("/nowhere")}, "does not see"),
        (__version__, None, "cannot load its task (UnpicklingError)"),
    ],
)
def test_a_worker_that_would_do_something_else_is_told(sound, version, changes, told):
    content = b"nothing" if changes is None else parcel(sound, **changes)
    answer = run_errand(version, content, False)
    assert answer.done is None
    assert (answer.faults[-1].code, told in answer.faults[-1].found) == ("worker-unsuited", True)


def test_what_a_worker_tells_is_small(sound, tmp_path):
    task = VisitTask(visit=find(sound)[0], settings=wanted(sound, tmp_path))
    told = run_errand(__version__, parcel(sound, task=task), False)
    assert isinstance(told.done, Done)
    assert told.done.written
    assert len(pickle.dumps(told)) < 4000


@pytest.mark.parametrize("executor", ["dask", "dask://", "dask://host", "dask://host:port", "tcp://host:1", "Local"])
def test_an_executor_that_there_is_not_is_refused(tmp_path, executor):
    with pytest.raises(ArgumentInvalid):
        RunSettings(out=tmp_path, protocol=Protocol(), jobs=1, executor=executor)


def test_dask_without_jobs_is_refused(tmp_path):
    with pytest.raises(ArgumentInvalid):
        RunSettings(out=tmp_path, protocol=Protocol(), jobs=0, executor="dask-local")


# ------------------------------------------------------------------------------------------------ shards
COUNTS = st.lists(st.integers(1, 6), min_size=1, max_size=12)


def visits_of(counts: list[int]) -> list[Visit]:
    names = ((f"sub-{who}", f"ses-{number}") for who, n in enumerate(counts) for number in range(n))
    return [Visit(participant_id=who, session_id=session, folder=Path()) for who, session in names]


@given(COUNTS, st.integers(1, 5), st.randoms())
def test_shards_share_all_visits_out_participants_as_a_whole_and_fairly(counts, n_shards, random):
    visits = visits_of(counts)
    shares = [Shard(number=number, n_shards=n_shards).of(visits) for number in range(1, n_shards + 1)]
    assert sorted(visit.key for share in shares for visit in share) == sorted(visit.key for visit in visits)
    owners = [{visit.participant_id for visit in share} for share in shares]
    assert sum(map(len, owners)) == len(set().union(*owners))
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= max(counts)
    mixed = random.sample(visits, len(visits))
    assert [{v.key for v in Shard(number=1, n_shards=n_shards).of(mixed)}] == [{v.key for v in shares[0]}]


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "1/0", "-1/3", "1/3/5", "a/b", "1/3 ", "1.0/3", ""])
def test_a_shard_that_there_is_not_is_refused(text):
    with pytest.raises(ArgumentInvalid):
        Shard.parse(text)


def test_shards_and_a_last_whole_run_give_the_bytes_of_one_run(sound, copied, tmp_path):
    out = tmp_path / "out"
    for number in (1, 2, 3):
        shard = Shard(number=number, n_shards=3)
        outcome = run(copied, out, analyse=stories.measured, shard=shard)
        assert {record.key for record in outcome.records} == {visit.key for visit in shard.of(find(copied))}
        assert not [*out.glob("*.tsv"), *out.glob("index.sqlite"), *out.glob("manifest.json")]
        assert all(name.startswith(".t2disc.audit-") for name in hidden(out))
    pairs = {path.parent.parent.name for path in out.glob("sub-*/pairs/ses-*")}
    assert pairs == {"sub-P1", "sub-P3"}
    assert run(copied, out, analyse=stories.raises).n_skipped == 5
    assert tries(copied) == {visit.key: 1 for visit in find(copied)}
    assert sha256s(out) == sha256s(sound / "out")


def test_a_shard_is_planned_alone_and_others_may_be_asked_for(sound, tmp_path):
    shard = Shard(number=1, n_shards=3)
    (own, *_), other = shard.of(find(sound)), "sub-P3"
    assert own.participant_id != other
    assert run(sound, tmp_path, shard=shard, only=(other,)).records == ()
    with pytest.raises(ArgumentInvalid):
        run(sound, tmp_path, shard=shard, only=("sub-X",))


def test_a_shard_of_a_locked_study_needs_a_reason(sound, tmp_path):
    out = copytree(sound / "out", tmp_path / "out")
    lock_study(out, Author(who="me", reason="released"))
    shard = Shard(number=1, n_shards=3)
    assert run(sound, out, shard=shard).n_skipped == 2
    with pytest.raises(StudyLocked):
        run(sound, out, shard=shard, redo=("*",))
    assert run(sound, out, shard=shard, redo=("*",), reason="to be sure").n_skipped == 0


def test_the_audit_log_tells_what_shards_did_and_for_what_reason_once_the_study_is_whole(sound, copied, tmp_path):
    out = tmp_path / "out"
    for number in (1, 2, 3):
        run(copied, out, shard=Shard(number=number, n_shards=3), reason=f"delivery {number}")
    assert not (out / AUDIT).exists()
    run(copied, out, reason="all shards are done")
    entries = read_audit(out).entries
    visits = [entry for entry in entries if entry.action == "run"]
    assert sorted(entry.target for entry in visits) == sorted(visit.key for visit in find(copied))
    assert {entry.why for entry in visits} == {"no earlier result"}
    for number in (1, 2, 3):
        own = {visit.key for visit in Shard(number=number, n_shards=3).of(find(copied))}
        assert {entry.target for entry in visits if entry.reason == f"delivery {number}"} == own
    assert [entry.action for entry in entries if entry.reason == "all shards are done"] == ["tables"]
    assert not list(out.glob(".t2disc.audit-*"))
    assert verify_outputs(out)[1] == ()


def test_what_shards_left_for_the_audit_log_is_told_once_though_a_run_was_cut_off(tmp_path):
    entry = AuditEntry(who="a", utc="2026-01-01T00:00:00.000Z", action="run", target="sub-A/ses-1", after_sha256="1")
    later = replace(entry, utc="2026-01-02T00:00:00.000Z", before_sha256="1", after_sha256="2")
    leave_audit(tmp_path, [later])
    leave_audit(tmp_path, [entry])
    left = {path: path.read_bytes() for path in tmp_path.glob(".t2disc.audit-*")}
    take_up_audit(tmp_path)
    for path, content in left.items():
        path.write_bytes(content)
    assert read_audit(tmp_path).entries == (entry, later)
    for path in left:  # cut off while they were taken away
        path.unlink()
    leave_audit(tmp_path, [later])
    take_up_audit(tmp_path)
    assert read_audit(tmp_path).entries == (entry, later)


def test_what_shards_left_is_told_in_the_order_of_its_states_whatever_their_clocks_say(tmp_path):
    first = AuditEntry(who="a", utc="2026-01-09T00:00:00.000Z", action="run", target="sub-A/ses-1", after_sha256="1")
    second = replace(first, who="b", utc="2026-01-02T00:00:00.000Z", before_sha256="1", after_sha256="2")
    third = replace(first, who="c", utc="2026-01-01T00:00:00.000Z", before_sha256="2", after_sha256="1")
    for entry in (third, first, second):
        leave_audit(tmp_path, [entry])
    take_up_audit(tmp_path)
    assert read_audit(tmp_path).entries == (first, second, third)


def test_a_shard_that_changes_back_what_another_changed_is_told_too(sound, copied, tmp_path):
    out, whole = tmp_path / "out", Shard(number=1, n_shards=1)
    run(copied, out, reason="first")
    other = Protocol(fit=FitSettings(min_snr=2.0))
    run(copied, out, shard=whole, protocol=other, reason="alice's")
    run(copied, out, shard=whole, reason="bob's")
    run(copied, out, shard=whole, reason="nothing to do")
    run(copied, out, reason="carol's")
    visits = [entry for entry in read_audit(out).entries if entry.target == "sub-P1/ses-baseline"]
    assert [(entry.action, entry.reason) for entry in visits] == [
        ("run", "first"),
        ("run", "alice's"),
        ("run", "bob's"),
    ]
    assert visits[1].after_sha256 == visits[2].before_sha256


@pytest.mark.parametrize(
    "content",
    [
        *("", "5", "[1]", "{}", "[]", '[{"who": []}]'),
        *(
            json.dumps([{**asdict(AuditEntry(who="a", utc="b", action="run", target="sub-A/ses-1")), **change}])
            for change in ({"action": "unlock"}, {"target": "."}, {"target": "../x"}, {"who": []}, {"utc": 1})
        ),
    ],
)
def test_a_note_that_no_shard_left_is_named_and_stops_a_run_before_it_begins(sound, tmp_path, content):
    out = copytree(sound / "out", tmp_path / "out")
    (out / ".t2disc.audit-00.json").write_text(content)
    before = tree(out)
    with pytest.raises(AuditDamaged, match=r"\.t2disc\.audit-00\.json") as refusal:
        run(sound, out, redo=("*",))
    assert "move .t2disc.audit-00.json out" in refusal.value.todo
    assert tree(out) == before


def test_a_shard_does_not_sweep_what_others_are_writing(sound, tmp_path):
    shard = Shard(number=1, n_shards=3)
    own = shard.of(find(sound))[0].participant_id
    (other,) = {visit.participant_id for visit in find(sound)} - {own, "sub-BAD"} if own != "sub-BAD" else {"sub-P1"}
    mine, theirs = (tmp_path / who / ".ses-1.00.staged" for who in (own, other))
    for folder in (mine, theirs):
        folder.mkdir(parents=True)
    (tmp_path / ".a.tmp").touch()
    run(sound, tmp_path, shard=shard)
    assert (mine.exists(), theirs.exists(), (tmp_path / ".a.tmp").exists()) == (False, True, True)


def test_equal_shards_exclude_each_other_and_others_do_not(tmp_path):
    with shard_lock(tmp_path, number=1, n_shards=3, division="a"):
        with pytest.raises(OutputBusy), shard_lock(tmp_path, number=1, n_shards=3, division="a"):
            pass
        with shard_lock(tmp_path, number=2, n_shards=3, division="a"):
            pass
        with pytest.raises(OutputBusy), shard_lock(tmp_path, number=2, n_shards=3, division="b"):
            pass
    assert list(tmp_path.iterdir()) == []


def test_a_shard_and_a_whole_run_exclude_each_other(sound, tmp_path):
    shard = Shard(number=1, n_shards=3)
    with output_lock(tmp_path), pytest.raises(OutputBusy):
        run(sound, tmp_path, shard=shard)
    with shard.lock(tmp_path, find(sound)):
        with pytest.raises(OutputBusy):
            run(sound, tmp_path)
        with pytest.raises(OutputBusy):
            run(sound, tmp_path, shard=Shard(number=2, n_shards=4))
        with pytest.raises(OutputBusy):
            run_study(find(sound)[1:], wanted(sound, tmp_path, shard=Shard(number=2, n_shards=3)))
    assert list(tmp_path.iterdir()) == []


DIE_HOLDING = """
    import os, sys
    from pathlib import Path
    from t2disc.store import shard_lock
    with shard_lock(Path(sys.argv[1]), number=1, n_shards=2, division="a"):
        os._exit(9)
"""


def test_a_shard_that_has_died_is_in_nobody_s_way(tmp_path):
    def die() -> None:
        subprocess.run([sys.executable, "-c", textwrap.dedent(DIE_HOLDING), tmp_path], check=False)
        assert [path.name for path in tmp_path.iterdir()] == [".t2disc.shard-a-1-of-2.lock"]

    die()
    with shard_lock(tmp_path, number=1, n_shards=2, division="a"):
        pass
    assert list(tmp_path.iterdir()) == []
    die()
    with shard_lock(tmp_path, number=1, n_shards=3, division="b"):
        pass
    with output_lock(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == [LOCK]


def test_of_twenty_runs_that_start_at_once_none_does_a_visit_twice(sound, copied, tmp_path):
    shards = [Shard(number=1, n_shards=2), Shard(number=2, n_shards=2), None, Shard(number=1, n_shards=2)]
    context, visits, out = multiprocessing.get_context("forkserver"), find(copied), tmp_path / "out"
    barrier, processes = context.Barrier(20), []
    for number in range(20):
        settings = wanted(copied, out, jobs=0, analyse=stories.measured, shard=shards[number % 4])
        processes.append(context.Process(target=stories.start, args=(visits, settings, barrier)))
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    codes = [process.exitcode for process in processes]
    assert set(codes) <= {0, 4}
    assert 4 in codes
    run(copied, out, jobs=0, analyse=stories.measured)
    assert tries(copied) == {visit.key: 1 for visit in visits}
    assert sha256s(out) == sha256s(sound / "out")
    assert not hidden(out)


def fit(*arguments: object) -> subprocess.CompletedProcess[str]:
    fitting = [sys.executable, "-m", "t2disc", "fit", *map(str, arguments)]
    return subprocess.run(fitting, capture_output=True, text=True, check=False)


def test_shards_of_a_heap_make_no_key_each_of_their_own(copied, tmp_path):
    heap = tmp_path / "heap"
    heap.mkdir()
    for number, path in enumerate(sorted(path for path in (copied / "P1").rglob("*") if path.is_file())):
        path.rename(heap / f"{number}.dcm")
    ended = fit(heap, "-o", tmp_path / "out", "--shard", "1/2")
    assert (ended.returncode, PseudonymKeyMissing.code in ended.stderr) == (2, True)


def test_the_command_line_tells_what_a_shard_has_done(sound, tmp_path):
    places = (sound, "-o", tmp_path / "out", "--labels", sound / "labels")
    ended = fit(*places, "--shard", "1/3")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("Shard 1 of 3: 2 visits in ")
    (log,) = (tmp_path / "out" / "logs").iterdir()
    assert log.name.startswith("fit-1-of-3_")
    assert fit(*places, "--shard", "4/3").returncode == 2


# ------------------------------------------------------------------------------------------------ Slurm
SBATCH = """#!/bin/bash
# what sbatch does, as far as a script can see: takes a job from stdin, prints its number
number=$(ls "$JOBS" | wc -l)
printf '%s\\n' "$@" > "$JOBS/$number.arguments"
cat > "$JOBS/$number.sh"
echo "$((4711 + number));cluster"
"""


@pytest.fixture
def slurm(tmp_path, monkeypatch) -> Path:
    """A folder into which jobs are submitted; t2disc is on the path."""
    tools, jobs = tmp_path / "tools", tmp_path / "jobs"
    for folder in (tools, jobs):
        folder.mkdir()
    (tools / "sbatch").write_text(SBATCH)
    (tools / "t2disc").write_text(f'#!/bin/bash\nexec {shlex.quote(sys.executable)} -m t2disc "$@"\n')
    for tool in tools.iterdir():
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("JOBS", str(jobs))
    return jobs


def test_the_array_that_the_script_submits_and_its_last_job_give_the_bytes_of_one_run(sound, tmp_path, slurm):
    folder = copytree(sound, tmp_path / 'it\'s "$HOME" a study', ignore=ignore_patterns("out"))
    script, out = tmp_path / "array.sh", tmp_path / "out $(touch hacked)"
    options = ("--labels", folder / "labels", "--shards", "2", "--sbatch=--mem=2G", "--sbatch", "--time=01:00:00")
    asked = [sys.executable, "-m", "t2disc", "slurm", folder, "-o", out, *options, "--script", script]
    made = subprocess.run(list(map(str, asked)), capture_output=True, text=True, check=False)
    assert (made.returncode, made.stdout) == (0, ""), made.stderr
    printed = subprocess.run(list(map(str, asked[:-2])), capture_output=True, text=True, check=True)
    assert printed.stdout == script.read_text()
    for text in (["-n", script], [script]):
        subprocess.run(["bash", *text], check=True, capture_output=True)
    assert sorted(path.name for path in slurm.iterdir()) == ["0.arguments", "0.sh", "2.arguments", "2.sh"]
    assert (slurm / "0.arguments").read_text() == "--parsable\n"
    assert (slurm / "2.arguments").read_text() == "--dependency=afterany:4711\n"
    array, last = slurm / "0.sh", slurm / "2.sh"
    heads = [line for line in array.read_text().splitlines() if line.startswith("#SBATCH")]
    assert heads[1:] == ["#SBATCH --array=1-2", "#SBATCH --mem=2G", "#SBATCH --time=01:00:00"]
    for number in ("1", "2"):
        environment = os.environ | {"SLURM_ARRAY_TASK_ID": number}
        subprocess.run(["bash", array], check=True, capture_output=True, cwd=tmp_path, env=environment)
        assert not list(out.glob("*.tsv"))
    ended = subprocess.run(["bash", last], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert ended.stderr.count("(nothing has changed since its last run)") == 5 + 2  # visits and pairs
    assert sha256s(out) == sha256s(sound / "out")
    assert not list(tmp_path.rglob("hacked"))


def test_every_option_of_the_fit_is_given_to_every_task(tmp_path):
    request = FitRequest(
        study_dir=tmp_path,
        out=Path("out"),
        protocol_file=tmp_path / "p.toml",
        model="mono",
        models=("mono", "rician"),
        with_figures=True,
        memory_limit_mib=1500,
        timeout_s=60.5,
        reason="that's new",
    )
    lines = [line for line in slurm_script(request, 3).splitlines() if line.startswith("exec ")]
    assert len(lines) == 2
    for line in lines:
        words = shlex.split(line)
        assert words[1:5] == ["t2disc", "fit", str(tmp_path), "--out"]
        assert words[5] == str(Path.cwd() / "out")
        for option in ("--protocol", "--model", "--models", "--figures", "--memory-limit", "--timeout", "--jobs"):
            assert option in words
        assert words[words.index("--reason") + 1] == "that's new"
    assert lines[0].endswith(' --shard "$SLURM_ARRAY_TASK_ID/3"')


@pytest.mark.parametrize("options", [("mem=2G",), ("--mem=2G\nrm",), ("",)])
def test_what_would_be_no_option_of_sbatch_is_refused(tmp_path, options):
    with pytest.raises(ArgumentInvalid):
        slurm_script(FitRequest(study_dir=tmp_path, out=tmp_path), 2, options)


def test_a_path_of_several_lines_is_refused(tmp_path):
    with pytest.raises(ArgumentInvalid):
        slurm_script(FitRequest(study_dir=tmp_path / "a\nT2DISC_JOB\nrm", out=tmp_path), 2)
