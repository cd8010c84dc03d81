"""Starts a child process for each task, watches them, and ends those that hang; one bad task never stops the others."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pickle import UnpicklingError
from time import monotonic
from types import ModuleType
from typing import TYPE_CHECKING

from t2disc.batch.limits import Limits
from t2disc.batch.task import Effort, Ended, Task, concerns_the_run
from t2disc.batch.work import Report, serve
from t2disc.errors import ChildCrashed, OutOfMemory, T2DiscError, TimeLimit

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext, SpawnContext

MOST_TRIES = 2
_GRACE_S = 2.0  # between asking a child to end and killing it
_PRELOADED = (
    "t2disc.batch",
    *(f"t2disc.{room}" for room in ("ingest", "register", "segment", "fit", "measure")),
    *("onnxruntime", "SimpleITK", "nibabel", "pydicom", "scipy.ndimage", "scipy.optimize", "scipy.spatial"),
)
"""What the fork server imports once for all children: what every visit needs and what loads slowly."""
_STARTING = threading.Lock()  # a worker of dask may start children from several threads
_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"), "1"
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Child:
    """A running child and what it works on."""

    task: Task
    process: BaseProcess
    connection: Connection
    started: float = field(default_factory=monotonic)
    faults: tuple[T2DiscError, ...] = ()  # of earlier tries


def do_in_children(tasks: Sequence[Task], jobs: int, limits: Limits) -> Generator[Ended, None, None]:
    """Do each task in a process of its own, at most ``jobs`` at once, and yield them as they end.

    A child that raises, crashes, runs out of memory or time is tried once more. Closing the generator ends all
    children.

    Raises
    ------
    StoreError, InstallError
        What concerns the whole run, from the first child that met it; the others are ended.
    """
    waiting: deque[tuple[Task, tuple[T2DiscError, ...]]] = deque((task, ()) for task in tasks)
    running: list[_Child] = []
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                _start(*waiting.popleft(), limits, running)
            for child in _ready(running, limits):
                report = _report(child, limits)
                running.remove(child)
                if report.fault is not None and concerns_the_run(report.fault):
                    raise report.fault
                faults = (*child.faults, report.fault) if report.fault else child.faults
                if report.fault is not None and len(faults) < MOST_TRIES:
                    waiting.append((child.task, faults))  # behind the others: what it lacked may be there then
                else:
                    n_tries = len(child.faults) + 1
                    effort = replace(report.effort, n_tries=n_tries)
                    yield Ended(task=child.task, done=report.done, faults=faults, effort=effort)
    finally:
        _end(running)


def _start(task: Task, faults: tuple[T2DiscError, ...], limits: Limits, running: list[_Child]) -> None:
    """Start a child, and give it work once it is known to be running: an interrupt in between leaves it idle."""
    context = _context()
    own, its = context.Pipe()
    process = context.Process(target=serve, args=(its,), daemon=True)
    with _STARTING, nameless_main(), _one_thread(), _free_to_have_children(), _without_interrupts():
        process.start()
    its.close()
    running.append(_Child(task=task, process=process, connection=own, faults=faults))
    with suppress(BrokenPipeError):  # it has died already, which its report will tell
        own.send((task, limits))


def _context() -> ForkServerContext | SpawnContext:
    """Return the fork server where there is one: children start with everything imported. Elsewhere each imports."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_PRELOADED))
    return context


@contextmanager
def nameless_main() -> Iterator[None]:
    """Keep children from importing the program that called us, so that a script needs no ``__name__`` guard."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def _free_to_have_children() -> Iterator[None]:
    """Let a daemonic process, such as a worker of dask, start children.

    ``multiprocessing`` forbids it lest they outlive it; ours end by themselves when their parent does.
    """
    config: dict[str, object] = getattr(multiprocessing.current_process(), "_config", {})
    is_daemonic = config.pop("daemon", None)
    try:
        yield
    finally:
        if is_daemonic is not None:
            config["daemon"] = is_daemonic


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let the libraries of a process started in a ``with`` block, such as the fork server, use one thread each."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(_ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Block Ctrl-C in what is started meanwhile: a fork server that still imports would answer with a traceback."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # unblocks Ctrl-C when it starts, so it must have started
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ready(running: Sequence[_Child], limits: Limits) -> list[_Child]:
    """Wait for children that have told something, died, or passed their time."""
    patience = None
    if limits.timeout_s is not None:
        patience = max(0.0, min(child.started for child in running) + limits.timeout_s - monotonic())
    spoke = wait([child.connection for child in running], patience)
    return [child for child in running if child.connection in spoke or _is_late(child, limits)]


def _is_late(child: _Child, limits: Limits) -> bool:
    return limits.timeout_s is not None and monotonic() - child.started >= limits.timeout_s


def _report(child: _Child, limits: Limits) -> Report:
    """Return what a child told, or what its end tells; it has ended then."""
    seconds = monotonic() - child.started
    try:
        if child.connection.poll():
            report = child.connection.recv()
            child.process.join(_GRACE_S)
            if isinstance(report, Report):
                return report
        else:
            fault = TimeLimit(f"a process that ran longer than {limits.timeout_s:g} s")
            return Report(fault=fault.at(child.task.key), effort=Effort(seconds=seconds))
    except (EOFError, OSError, UnpicklingError):
        child.process.join(_GRACE_S)
    finally:
        _end([child])
    return Report(fault=_crash(child, limits).at(child.task.key), effort=Effort(seconds=seconds))


def _crash(child: _Child, limits: Limits) -> T2DiscError:
    """Tell how a child died that told nothing."""
    code = child.process.exitcode
    if code == -getattr(signal, "SIGKILL", 9) and limits.memory_mib is not None:
        return OutOfMemory(f"a process that was killed; its memory was limited to {limits.memory_mib} MiB")
    if code is not None and code < 0:
        return ChildCrashed(f"a process that was ended by {_signal_name(-code)}")
    return ChildCrashed(f"a process that ended with code {code} and told no result")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _end(children: Sequence[_Child]) -> None:
    """End children that still run: ask, then kill, each by its own process group, and no other process."""
    for child in children:
        if child.process.is_alive():
            _signal(child, "SIGTERM")
    deadline = monotonic() + _GRACE_S
    for child in children:
        child.process.join(max(0.0, deadline - monotonic()))
        if child.process.is_alive():
            _signal(child, "SIGKILL")
            child.process.join()
        child.connection.close()


def _signal(child: _Child, name: str) -> None:
    pid = child.process.pid
    if os.name != "posix" or pid is None:
        child.process.kill()
        return
    number = signal.Signals[name]
    with suppress(ProcessLookupError):
        try:
            os.killpg(pid, number)
        except (ProcessLookupError, PermissionError):  # no group of its own yet
            os.kill(pid, number)
