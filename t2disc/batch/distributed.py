"""Tasks done by workers of dask.distributed: the engine brings them there, and a child of the worker does each.

What a child may use, how often it is tried and what its end tells is the supervisor's business there as here. This
module alone knows dask, and loads it where it is needed.
"""

from __future__ import annotations

import logging
import os
import pickle
import secrets
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from t2disc import __version__, store
from t2disc.batch.faults import as_refusal
from t2disc.batch.limits import Limits
from t2disc.batch.settings import DASK_LOCAL, RunSettings
from t2disc.batch.supervisor import MOST_TRIES, do_in_children, nameless_main
from t2disc.batch.task import Done, Effort, Ended, Task, concerns_the_run
from t2disc.batch.work import be_quiet
from t2disc.errors import ChildCrashed, DaskMissing, SchedulerUnreachable, T2DiscError, WorkerUnsuited

if TYPE_CHECKING:
    from distributed import Client, Future

_CONNECT_S = 30.0  # patience with a scheduler that does not answer
_IDLE_S = 120.0  # with one that has no workers: clusters take a while to give them, and to give them back
_STOP_S = 15.0  # with workers that are to stop
_POLL_S = 0.5
_NOISY = ("distributed", "tornado", "asyncio")


# ------------------------------------------------------------------------------------------------ at the worker
@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """A task that a worker does in the run's folder, for as long as the run's ``lease`` lies in the output folder.

    A run that is stopped, or taken over by another, removes the lease, and its errands end wherever they are.
    """

    task: Task
    folder: Path
    lease: Path  # absolute

    @property
    def key(self) -> str:
        """The visit or pair, in a line."""
        return self.task.key

    def do(self) -> Done:
        """Do the task; called in a child of the worker."""
        os.chdir(self.folder)
        threading.Thread(target=self._follow, daemon=True).start()
        return self.task.do()

    def give_up(self, fault: T2DiscError) -> Done:
        """Give the task up."""
        return self.task.give_up(fault)

    def refuse_blind_worker(self) -> None:
        """Refuse a worker that does not see what this run sees."""
        if not (self.folder.is_dir() and self.lease.is_file()):
            raise WorkerUnsuited("a worker that does not see the folder of the run, or the output folder")

    def _follow(self) -> None:
        while True:
            with suppress(OSError):
                if not self.lease.exists():
                    os._exit(1)
            time.sleep(_POLL_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a worker tells of an errand: all that comes back, for records and files lie on the disk."""

    done: Done | None = None
    faults: tuple[T2DiscError, ...] = ()
    effort: Effort = field(default_factory=lambda: Effort(seconds=0.0))


def run_errand(version: str, parcel: bytes, is_own_worker: bool) -> Told:
    """Do an errand in a child of this worker; nothing is raised, for dask would log it with its arguments."""
    if is_own_worker:
        be_quiet()  # its terminal is ours
    try:
        errand, limits = _unpacked(version, parcel)
        errand.refuse_blind_worker()
        with closing(do_in_children([errand], 1, limits)) as every:
            (ended,) = every
    except Exception as fault:
        return Told(faults=(as_refusal(fault),))
    return Told(done=ended.done, faults=ended.faults, effort=ended.effort)


def _unpacked(version: str, parcel: bytes) -> tuple[Errand, Limits]:
    if version != __version__:
        raise WorkerUnsuited(f"a worker with t2disc {__version__}", expected=f"t2disc {version}, as here")
    try:
        errand, limits = pickle.loads(parcel)
    except Exception as fault:
        raise WorkerUnsuited(f"a worker that cannot load its task ({type(fault).__name__})") from None
    return errand, limits


# ------------------------------------------------------------------------------------------------ here
def do_on_dask(tasks: Sequence[Task], settings: RunSettings) -> Generator[Ended, None, None]:
    """Give each task to a worker of dask, and yield them as they end.

    A task whose worker has died is given to another one, once. Closing the generator stops what is running.

    Raises
    ------
    ExecutorError
        ``dask-missing``, ``scheduler-unreachable`` or ``worker-unsuited``.
    StoreError, InstallError
        What concerns the whole run, from the first task that met it.
    """
    if not tasks:
        return
    with _client(settings, len(tasks)) as client, _lease(settings.out) as lease:
        herd = _Herd(client=client, settings=settings, lease=lease)
        try:
            yield from herd.drive(tasks)
        finally:
            herd.stop()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Given:
    """A task that is with a worker, or waits for one."""

    task: Task
    faults: tuple[T2DiscError, ...] = ()  # of workers that died
    n_deaths: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Herd:
    """The tasks that are with workers: no more than workers have threads, so that a death meets a running one alone."""

    client: Client
    settings: RunSettings
    lease: Path
    given: dict[str, tuple[Future, _Given]] = field(default_factory=dict)
    ended: SimpleQueue[Future] = field(default_factory=SimpleQueue)

    def drive(self, tasks: Sequence[Task]) -> Iterator[Ended]:
        """Yield each task as it ends."""
        waiting = deque(_Given(task=task) for task in tasks)
        while waiting or self.given:
            free = self._n_slots() - len(self.given)
            for _ in range(min(free, len(waiting))):
                self._give(waiting.popleft())
            with suppress(Empty):
                future, given = self.given.pop(self.ended.get(timeout=_POLL_S).key)
                told = _told(future, given)
                future.release()
                if isinstance(told, _Given):
                    waiting.append(told)
                else:
                    yield told

    def stop(self) -> None:
        """Stop what is running, and wait until it has: another run may follow at once."""
        with suppress(OSError):
            self.lease.unlink(missing_ok=True)
        deadline = time.monotonic() + _STOP_S
        with suppress(Empty):
            while self.given:
                self.given.pop(self.ended.get(timeout=max(0.0, deadline - time.monotonic())).key)

    def _n_slots(self) -> int:
        """Return how many threads the workers have; wait for the first one."""
        deadline = time.monotonic() + _IDLE_S
        while True:
            with _reached():
                n_threads: dict[str, int] = self.client.nthreads()
            if n_threads:
                return sum(n_threads.values())
            if time.monotonic() > deadline:
                raise SchedulerUnreachable(f"a scheduler that has had no worker for {_IDLE_S:g} s")
            time.sleep(_POLL_S)

    def _give(self, given: _Given) -> None:
        errand = Errand(task=given.task, folder=Path.cwd(), lease=self.lease)
        parcel = pickle.dumps((errand, self.settings.limits))
        name = f"{given.task.key}-{self.lease.stem}-{given.n_deaths}"
        is_own_worker = self.settings.executor == DASK_LOCAL
        with _reached():
            future = self.client.submit(run_errand, __version__, parcel, is_own_worker, key=name, pure=False, retries=0)
        self.given[name] = (future, given)
        future.add_done_callback(self.ended.put)


def _told(future: Future, given: _Given) -> Ended | _Given:
    """Return how a task has ended, or that it is to be given away again."""
    if future.status == "error":
        return _after_death(future.exception(), given)
    with _reached():
        told: Told = future.result(timeout=_CONNECT_S)
    if told.done is None and concerns_the_run(told.faults[-1]):
        raise told.faults[-1]
    effort = replace(told.effort, n_tries=told.effort.n_tries + given.n_deaths)
    return Ended(task=given.task, done=told.done, faults=(*given.faults, *told.faults), effort=effort)


def _after_death(fault: BaseException, given: _Given) -> Ended | _Given:
    """Give a task away again whose worker has died, but not more often than a child is tried.

    Every scheduler has a number of deaths after which it gives a task up (``allowed-failures``); they count.
    """
    from distributed.scheduler import KilledWorker

    if not isinstance(fault, KilledWorker):
        raise WorkerUnsuited(f"a worker that cannot load its task ({type(fault).__name__})")
    n_deaths = given.n_deaths + fault.allowed_failures + 1
    crash = ChildCrashed("a worker of the executor that ended before it told a result").at(given.task.key)
    faults = (*given.faults, crash)
    if n_deaths < MOST_TRIES:
        return _Given(task=given.task, faults=faults, n_deaths=n_deaths)
    return Ended(task=given.task, done=None, faults=faults, effort=Effort(seconds=0.0, n_tries=n_deaths))


@contextmanager
def _lease(out: Path) -> Iterator[Path]:
    """Lay the lease of a run into its output folder; whatever is left of it is swept with other temporary files."""
    lease = out.absolute() / f".dask-{secrets.token_hex(4)}.tmp"
    store.write_file(lease, b"")
    try:
        yield lease
    finally:
        with suppress(OSError):
            lease.unlink(missing_ok=True)


@contextmanager
def _client(settings: RunSettings, n_tasks: int) -> Iterator[Client]:
    """Connect to the scheduler that was asked for, or to one of our own with workers of our own."""
    try:
        import distributed
    except ImportError:
        raise DaskMissing("an installation without dask.distributed") from None
    with ExitStack() as stack:
        stack.enter_context(_silence())
        with _reached():
            if settings.executor == DASK_LOCAL:
                address: Any = stack.enter_context(_own_cluster(min(settings.jobs, n_tasks)))
            else:
                address = settings.executor.replace("dask://", "tcp://", 1)
            client = distributed.Client(address, timeout=_CONNECT_S, set_as_default=False)
        stack.enter_context(client)
        yield client


@contextmanager
def _own_cluster(n_workers: int) -> Iterator[object]:
    """Start single-threaded workers on this machine; one that dies is started again."""
    import dask
    from distributed import LocalCluster

    config = {"distributed.scheduler.allowed-failures": 0, "distributed.diagnostics.nvml": False}
    options = {"memory_limit": 0, "dashboard_address": ":0", "silence_logs": logging.CRITICAL}
    with (
        dask.config.set(config),
        nameless_main(),
        LocalCluster(n_workers=n_workers, threads_per_worker=1, host="127.0.0.1", **options) as cluster,
    ):
        yield cluster


@contextmanager
def _reached() -> Iterator[None]:
    """Turn what fails between here and the scheduler into a coded error."""
    from concurrent.futures import CancelledError

    try:
        yield
    except (OSError, TimeoutError, CancelledError, RuntimeError, ValueError) as fault:
        raise SchedulerUnreachable(f"a scheduler of dask that cannot be reached ({type(fault).__name__})") from None


@contextmanager
def _silence() -> Iterator[None]:
    """Keep the engine's own messages, which name addresses and paths, out of the log."""
    names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] in _NOISY]
    loggers = [logging.getLogger(name) for name in {*names, *_NOISY}]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
