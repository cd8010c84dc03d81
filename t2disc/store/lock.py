"""One run at a time on one output folder, or several shards of one division of its study."""

from __future__ import annotations

import json
import os
import platform
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from t2disc.errors import OutputBusy
from t2disc.store.files import storing

LOCK = ".t2disc.lock"
_SHARDS = ".t2disc.shard-*.lock"
_GRACE_S = 10.0  # a lock without an owner is being written; after this long its writer must have died
_held: set[str] = set()  # tokens of this process


@contextmanager
def output_lock(out: Path) -> Iterator[None]:
    """Hold the output folder for the length of a ``with`` block.

    The lock is a file made with O_EXCL that names its process. A lock whose process has died on this machine is
    taken over; whether a process on another machine lives cannot be told, so its lock is respected.

    Raises
    ------
    OutputBusy
        ``output-busy``: another run holds the folder, or a shard of it.
    StoreError
        ``disk-full``, ``permission-denied`` or ``write-failed``: the lock cannot be written.
    """
    _refuse_live(_shards(out))  # before as well, so that no shard that starts meets a lock in vain
    with _hold(out, LOCK):
        _refuse_live(_shards(out))
        for lock in _shards(out):
            lock.unlink(missing_ok=True)  # of a process that has died: a new one would see our lock, and leave
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
    with _hold(out, f".t2disc.shard-{division}-{number}-of-{n_shards}.lock"):
        others = [lock for lock in _shards(out) if not lock.name.startswith(f".t2disc.shard-{division}-")]
        _refuse_live([out / LOCK, *others])
        yield


def _shards(out: Path) -> list[Path]:
    return sorted(out.glob(_SHARDS))


def _refuse_live(locks: Iterable[Path]) -> None:
    """Refuse to go on beside another run; locks of processes that have died do not count."""
    for lock in locks:
        if not _is_stale(lock):
            raise OutputBusy("an output folder that another run is writing to", todo=_todo(lock.name))


@contextmanager
def _hold(out: Path, name: str) -> Iterator[None]:
    token = secrets.token_hex(8)
    with storing("the lock of the output folder"):
        out.mkdir(parents=True, exist_ok=True)
        if not _create(out / name, token):
            _take_over(out / name, token)
    _held.add(token)
    try:
        yield
    finally:
        _held.discard(token)
        with suppress(OSError):
            (out / name).unlink()


def _create(lock: Path, token: str) -> bool:
    """Make the lock, unless it exists."""
    try:
        descriptor = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return False
    owner = {"pid": os.getpid(), "machine": platform.node(), "token": token}
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(json.dumps(owner))
    except BaseException:
        lock.unlink()
        raise
    return True


def _take_over(lock: Path, token: str) -> None:
    """Replace a dead run's lock. Only the holder of the guard may remove a lock that is not its own."""
    guard = lock.with_name(f"{lock.name}.takeover")
    if not _is_stale(lock):
        raise OutputBusy("an output folder that another run is writing to", todo=_todo(lock.name))
    if not _create(guard, token):
        raise OutputBusy("an output folder that another run is just taking over", todo=_todo(guard.name))
    try:
        if _is_stale(lock):
            lock.unlink(missing_ok=True)
        if not _create(lock, token):
            raise OutputBusy("an output folder that another run has just taken", todo=_todo(lock.name))
    finally:
        guard.unlink(missing_ok=True)


def _todo(name: str) -> str:
    return f"wait for the other run; if none is alive, on this machine or another, delete {name} from the folder"


def _is_stale(lock: Path) -> bool:
    try:
        owner = json.loads(lock.read_text(encoding="utf-8"))
        pid, machine, token = int(owner["pid"]), str(owner["machine"]), str(owner["token"])
    except FileNotFoundError:
        return True
    except (ValueError, KeyError, TypeError):
        return _age_s(lock) > _GRACE_S
    if machine != platform.node():
        return False
    if pid == os.getpid():
        return token not in _held
    return not is_alive(pid)


def _age_s(lock: Path) -> float:
    with suppress(FileNotFoundError):
        return time.time() - lock.stat().st_mtime
    return float("inf")


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
