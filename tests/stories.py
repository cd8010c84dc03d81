"""Stories of visits that end badly, for child processes: they reach them by name, as a module's functions.

A visit of participant ``BAD`` meets the fault, any other is measured. Each try leaves a line in ``tries`` in the study.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Sequence
from multiprocessing.synchronize import Barrier

import numpy as np

from t2disc.batch import RunSettings, run_study
from t2disc.batch.pairs import PairTask
from t2disc.batch.task import Done
from t2disc.errors import DiskFull, OutputBusy
from t2disc.model import Visit
from t2disc.model.protocol import Protocol
from t2disc.study import LabelFolders, VisitResult, analyse_visit

BAD = "sub-BAD"
CANARY = "CANARY^JOHN"


def measured(visit: Visit, protocol: Protocol, folders: LabelFolders) -> VisitResult:
    with (visit.folder.parents[1] / "tries").open("a") as stream:
        stream.write(f"{visit.key}\n")
    return analyse_visit(visit, protocol, folders)


def raises(visit: Visit, protocol: Protocol, folders: LabelFolders) -> VisitResult:
    result = measured(visit, protocol, folders)
    if visit.participant_id == BAD:
        raise RuntimeError(CANARY)
    return result


def crashes(visit: Visit, protocol: Protocol, folders: LabelFolders) -> VisitResult:
    result = measured(visit, protocol, folders)
    if visit.participant_id == BAD:
        for stream in (1, 2):
            os.write(stream, f"{CANARY} {visit.folder}\n".encode())
        os.kill(os.getpid(), signal.SIGSEGV)
    return result


def leaves(visit: Visit, protocol: Protocol, folders: LabelFolders) -> VisitResult:
    result = measured(visit, protocol, folders)
    if visit.participant_id == BAD:
        os._exit(7)
    return result


def is_killed(visit: Visit, protocol: Protocol, folders: LabelFolders) -> VisitResult:
    result = measured(visit, protocol, folders)
    if visit.participant_id == BAD:
        os.kill(os.getpid(), signal.SIGKILL)
    return result


def asks_for_memory(visit: Visit, protocol: Protocol, folders: LabelFolders) -> VisitResult:
    result = measured(visit, protocol, folders)
    if visit.participant_id == BAD:
        np.ones(1 << 29)  # 4 GiB
    return result


def hangs(visit: Visit, protocol: Protocol, folders: LabelFolders) -> VisitResult:
    result = measured(visit, protocol, folders)
    while visit.participant_id == BAD:
        time.sleep(60)
    return result


def hangs_and_does_not_listen(visit: Visit, protocol: Protocol, folders: LabelFolders) -> VisitResult:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return hangs(visit, protocol, folders)


def crashes_once(visit: Visit, protocol: Protocol, folders: LabelFolders) -> VisitResult:
    tries = visit.folder.parents[1] / "tries"
    is_first = not tries.is_file() or BAD not in tries.read_text()
    return crashes(visit, protocol, folders) if is_first else measured(visit, protocol, folders)


def finds_the_disk_full(visit: Visit, protocol: Protocol, folders: LabelFolders) -> VisitResult:
    """The bad visit meets a full disk, the others never end."""
    while visit.participant_id != BAD:
        time.sleep(60)
    raise DiskFull("ENOSPC while writing a map")


class CrashingPair(PairTask):
    """A pair whose comparison crashes."""

    def do(self) -> Done:
        os.kill(os.getpid(), signal.SIGSEGV)
        return Done()


def hangs_once(visit: Visit, protocol: Protocol, folders: LabelFolders) -> VisitResult:
    """The bad visit tells the process that its worker is, and its own, and never ends the first time."""
    tries = visit.folder.parents[1] / "tries"
    is_first = not tries.is_file() or BAD not in tries.read_text()
    if is_first and visit.participant_id == BAD:
        parent = multiprocessing.parent_process()
        (tries.parent / "pids.tmp").write_text(f"{parent.pid} {os.getpid()}")
        (tries.parent / "pids.tmp").rename(tries.parent / "pids")
        return hangs(visit, protocol, folders)
    return measured(visit, protocol, folders)


def kills_its_worker(visit: Visit, protocol: Protocol, folders: LabelFolders) -> VisitResult:
    result = measured(visit, protocol, folders)
    if visit.participant_id == BAD:
        os.kill(multiprocessing.parent_process().pid, signal.SIGKILL)
        time.sleep(60)
    return result


def start(visits: Sequence[Visit], settings: RunSettings, barrier: Barrier) -> None:
    """Run a study as soon as all others are ready, for a process of its own; code 4 where it is refused."""
    barrier.wait()
    try:
        run_study(visits, settings)
    except OutputBusy:
        sys.exit(4)
