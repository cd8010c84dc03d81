"""What a child process does: one task, quietly, within its limits, and never longer than its parent lives."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from time import perf_counter

from t2disc.batch.faults import as_refusal
from t2disc.batch.limits import Limits, is_lack_of_memory, memory_limit, peak_memory_mib
from t2disc.batch.task import Done, Effort, Task
from t2disc.errors import OutOfMemory, T2DiscError


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a child tells its parent: what was done, or why not, and what it cost."""

    done: Done | None = None
    fault: T2DiscError | None = None
    effort: Effort


def serve(connection: Connection) -> None:
    """Do the task that comes through ``connection`` and send a :class:`Report` back."""
    be_quiet()
    _stand_alone()
    threading.Thread(target=_follow_parent, daemon=True).start()
    with suppress(EOFError, OSError):  # the parent was stopped between starting this child and giving it work
        task, limits = connection.recv()
        report = attempt(task, limits)
        connection.send(replace(report, effort=replace(report.effort, peak_mib=peak_memory_mib())))


def attempt(task: Task, limits: Limits | None = None) -> Report:
    """Do a task within its limits; whatever it raises becomes a coded fault."""
    limits = limits or Limits()
    started = perf_counter()
    try:
        with memory_limit(limits.memory_mib):
            report = Report(done=task.do(), effort=Effort(seconds=0.0))
    except Exception as fault:
        report = Report(fault=_coded(fault, limits).at(task.key), effort=Effort(seconds=0.0))
    return replace(report, effort=Effort(seconds=perf_counter() - started))


def _coded(fault: Exception, limits: Limits) -> T2DiscError:
    if not is_lack_of_memory(fault):
        return as_refusal(fault)
    given = f"its limit of {limits.memory_mib} MiB" if limits.memory_mib else "what the system gives"
    return OutOfMemory(f"a process that asked for more memory than {given}")


def be_quiet() -> None:
    """Send what libraries print, which may quote a header or a path, to nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)


def _stand_alone() -> None:
    """Leave the terminal's group: Ctrl-C is for the parent, who ends its children and cleans up after them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if hasattr(os, "setsid"):
        with suppress(PermissionError):  # leads a group already
            os.setsid()


def _follow_parent() -> None:
    """End this process when its parent has died, for nobody would sweep up after it."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
