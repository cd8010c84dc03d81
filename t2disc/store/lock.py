"""One run at a time on one output folder."""

from __future__ import annotations

import json
import os
import platform
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from t2disc.errors import OutputBusy
from t2disc.store.files import storing

LOCK = ".t2disc.lock"
_GUARD = ".t2disc.lock.takeover"
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
        ``output-busy``: another run holds the folder.
    StoreError
        ``disk-full``, ``permission-denied`` or ``write-failed``: the lock cannot be written.
    """
    token = secrets.token_hex(8)
    with storing("the lock of the output folder"):
        out.mkdir(parents=True, exist_ok=True)
        if not _create(out / LOCK, token):
            _take_over(out, token)
    _held.add(token)
    try:
        yield
    finally:
        _held.discard(token)
        with suppress(OSError):
            (out / LOCK).unlink()


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


def _take_over(out: Path, token: str) -> None:
    """Replace a dead run's lock. Only the holder of the guard may remove a lock that is not its own."""
    guard = out / _GUARD
    if not _is_stale(out / LOCK):
        raise OutputBusy("an output folder that another run is writing to", todo=_todo(LOCK))
    if not _create(guard, token):
        raise OutputBusy("an output folder that another run is just taking over", todo=_todo(_GUARD))
    try:
        if _is_stale(out / LOCK):
            (out / LOCK).unlink(missing_ok=True)
        if not _create(out / LOCK, token):
            raise OutputBusy("an output folder that another run has just taken", todo=_todo(LOCK))
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
    return not _is_alive(pid)


def _age_s(lock: Path) -> float:
    with suppress(FileNotFoundError):
        return time.time() - lock.stat().st_mtime
    return float("inf")


def _is_alive(pid: int) -> bool:
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
