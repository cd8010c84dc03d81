"""One run at a time on one output folder, or several shards of one division of its study."""

from __future__ import annotations

import json
import os
import platform
import secrets
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from t2disc.errors import OutputBusy, WriteFailed
from t2disc.store.files import storing

LOCK = ".t2disc.lock"
_SHARDS = ".t2disc.shard-*.lock"
_GRACE_S = 10.0  # where a disk has no hard links, a lock without an owner is being written, or its writer has died
_UNKNOWN = "unknown"  # the token of a lock that does not tell its owner
_MOST_PID, _MOST_TOKEN, _MOST_BYTES = 2**31 - 1, 64, 4096  # of a lock of ours
_held: set[str] = set()  # tokens of this process


@dataclass(frozen=True, slots=True)
class _Owner:
    """The run that a lock names, and when it was written (s since 1970)."""

    pid: int
    machine: str
    token: str
    written_s: float

    def is_dead(self) -> bool:
        """Tell whether the run has died on this machine; of one on another machine that cannot be told."""
        if self.token == _UNKNOWN:
            return time.time() - self.written_s > _GRACE_S
        if self.machine != platform.node():
            return False
        if self.pid == os.getpid():
            return self.token not in _held
        return not is_alive(self.pid)


@contextmanager
def output_lock(out: Path) -> Iterator[None]:
    """Hold the output folder for the length of a ``with`` block.

    The lock is a file that names its process, and appears with that name in it. A lock whose process has died on this
    machine is taken over; whether a process on another machine lives cannot be told, so its lock is respected.

    Raises
    ------
    OutputBusy
        ``output-busy``: another run holds the folder, or a shard of it.
    StoreError
        ``disk-full``, ``permission-denied`` or ``write-failed``: the lock cannot be written.
    """
    _refuse_live(_shards(out))  # before as well, so that no shard that starts meets a lock in vain
    with _hold(out / LOCK):
        _refuse_live(_shards(out))
        _sweep(out, f"{_SHARDS}*")  # of processes that have died: a new one would see our lock, and leave
        yield


@contextmanager
def shard_lock(out: Path, *, number: int, n_shards: int, division: str) -> Iterator[None]:
    """Hold one shard of the output folder for the length of a ``with`` block.

    A shard and a whole run exclude each other: each makes its own lock and then looks for the other's. So do shards
    of different divisions, in which a participant may belong to two of them.

    Parameters
    ----------
    out
        The output folder.
    number, n_shards
        Which shard, from 1, of how many.
    division
        A word that is the same for all shards of one division of the study, and for no others.

    Raises
    ------
    OutputBusy
        ``output-busy``: another run holds the same shard, the whole folder, or a shard of another division.
    StoreError
        ``disk-full``, ``permission-denied`` or ``write-failed``: the lock cannot be written.
    """
    _refuse_live([out / LOCK])
    with _hold(out / f".t2disc.shard-{division}-{number}-of-{n_shards}.lock"):
        others = [lock for lock in _shards(out) if not lock.name.startswith(f".t2disc.shard-{division}-")]
        _refuse_live([out / LOCK, *others])
        yield


def refuse_running(out: Path) -> None:
    """Refuse an output folder that a run, or a shard, is writing to; nothing is locked, and nothing written.

    Raises
    ------
    OutputBusy
        ``output-busy``.
    StoreError
        ``permission-denied`` or ``write-failed``: a lock cannot be read.
    """
    _refuse_live([out / LOCK, *_shards(out)])


def _shards(out: Path) -> list[Path]:
    return sorted(out.glob(_SHARDS))


def _refuse_live(locks: Iterable[Path]) -> None:
    """Refuse to go on beside another run; locks of processes that have died do not count."""
    with storing("the lock of the output folder"):
        for lock in locks:
            owner = _owner_of(lock)
            if owner and not owner.is_dead():
                raise _busy("that another run is writing to", lock)


@contextmanager
def _hold(lock: Path) -> Iterator[None]:
    token = secrets.token_hex(8)
    _held.add(token)
    try:
        with storing("the lock of the output folder"):
            lock.parent.mkdir(parents=True, exist_ok=True)
            _acquire(lock, token)
        _sweep(lock.parent, f"{lock.name}.*.tmp", f"{lock.name}.*takeover")
        yield
    finally:
        _release(lock, token)
        _held.discard(token)


def _acquire(lock: Path, token: str) -> None:
    """Make the lock, or take over that of a dead run under a guard that is acquired in the same way.

    A lock is removed by its own run, or by the holder of the guard that bears its token. A token never comes back, so
    a guard that a kill left behind weighs no more than a lock so left.
    """
    if _create(lock, token):
        return
    owner = _owner_of(lock)
    if owner and not owner.is_dead():
        raise _busy("that another run is writing to", lock)
    with _guarded(lock, owner, token):
        if owner and _owner_of(lock) == owner:
            lock.unlink(missing_ok=True)
        if not _create(lock, token):
            raise _busy("that another run has just taken", lock)


@contextmanager
def _guarded(lock: Path, owner: _Owner | None, token: str) -> Iterator[None]:
    """Be the only one that may remove the lock of a dead run; a lock that is gone needs no guard."""
    if owner is None:
        yield
        return
    guard = lock.with_name(f"{lock.name}.{owner.token}.takeover")
    try:
        _acquire(guard, token)
        yield
    finally:
        _release(guard, token)


def _release(lock: Path, token: str) -> None:
    with suppress(OSError, WriteFailed):
        owner = _owner_of(lock)
        if owner and owner.token == token:
            lock.unlink()


def _create(lock: Path, token: str) -> bool:
    """Make the lock, unless it exists; it gets its name when its owner stands in it: no kill leaves it empty."""
    content = json.dumps({"pid": os.getpid(), "machine": platform.node(), "token": token})
    written = lock.with_name(f"{lock.name}.{secrets.token_hex(4)}.tmp")
    try:
        _write_new(written, content)
        return _link(written, lock) or _create_in_place(lock, content)
    except FileExistsError:
        return False
    finally:
        with suppress(OSError):
            written.unlink()


def _link(written: Path, lock: Path) -> bool:
    """Name the lock; ``False`` where the disk knows no hard links, or the lock's holder has just swept ``written``."""
    try:
        os.link(written, lock)
    except FileExistsError:
        raise
    except OSError:
        return False
    return True


def _create_in_place(lock: Path, content: str) -> bool:
    try:
        _write_new(lock, content)
    except FileExistsError:
        raise
    except BaseException:
        with suppress(OSError):
            lock.unlink()
        raise
    return True


def _write_new(path: Path, content: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(content)


def _sweep(folder: Path, *patterns: str) -> None:
    """Clear what kills left beside a lock that is held; a live run that loses a file here is one to be refused."""
    for path in chain.from_iterable(folder.glob(pattern) for pattern in patterns):
        with suppress(OSError):
            path.unlink()


def _busy(how: str, lock: Path) -> OutputBusy:
    last = f"if none is alive, on this machine or another, delete {lock.name} from the folder"
    return OutputBusy(f"an output folder {how}", todo=f"wait for the other run; {last}")


def _owner_of(lock: Path) -> _Owner | None:
    """Read who holds a lock; ``None`` where there is none. What cannot be one of ours has an unknown owner."""
    try:
        written_s, content = _read(lock)
    except FileNotFoundError:
        return None
    try:
        told = json.loads(content)
        owner = _Owner(int(told["pid"]), str(told["machine"]), str(told["token"]), written_s)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return _Owner(0, "", _UNKNOWN, written_s)
    is_sound = 0 < owner.pid <= _MOST_PID and owner.token.isalnum() and len(owner.token) <= _MOST_TOKEN
    return owner if is_sound else _Owner(0, "", _UNKNOWN, written_s)


def _read(lock: Path) -> tuple[float, bytes]:
    """Return when a lock was written, and what it tells; of a pipe or the like nothing, for it would be waited for."""
    if lock.is_dir():
        raise WriteFailed(
            "a folder in the place of the lock of the output folder",
            expected="no such folder",
            todo=f"delete the folder {lock.name} from the output folder, then run again",
        )
    descriptor = os.open(lock, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        return status.st_mtime, stream.read(_MOST_BYTES) if stat.S_ISREG(status.st_mode) else b""


def is_alive(pid: int) -> bool:
    """Tell whether a process of this machine lives; where that cannot be asked without harm (Windows), say yes."""
    if os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
