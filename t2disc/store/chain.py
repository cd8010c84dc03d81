"""Files that only grow: JSON lines, each holding the SHA-256 of its own content and that of the line before it."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedRandom
from pathlib import Path
from typing import Any

from t2disc.errors import StoreError
from t2disc.store.files import flush_folder, storing

_FIRST = "0" * 64  # stands before the first line
_writing = threading.Lock()

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The entries of a file whose chain holds; ``n_torn`` lines were cut off while written, and never confirmed."""

    entries: tuple[Entry, ...]
    n_torn: int
    last_sha256: str
    ends_whole: bool


def append_entries(path: Path, entries: Sequence[Entry], damage: type[StoreError]) -> None:
    """Add entries to a chained file and return once they are on the disk; threads and processes take turns.

    Raises
    ------
    StoreError
        ``disk-full``, ``permission-denied`` or ``write-failed``: nothing is confirmed. ``damage``: the file is not as
        it was written; nothing is added to it.
    """
    with storing(path.name):
        made = [one for one in (path.parent, *path.parent.parents) if not one.exists()]
        is_new = not path.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        with _writing, path.open("a+b") as stream, _locked(stream):
            stream.seek(0)
            chain = parse_chain(stream.read(), damage)
            torn_end = b"" if chain.ends_whole else b"\n"
            stream.write(torn_end + b"".join(_lines(entries, chain.last_sha256)))
            stream.flush()
            os.fsync(stream.fileno())
        if is_new:
            for folder in (path.parent, *(new.parent for new in made)):
                flush_folder(folder)


def parse_chain(content: bytes, damage: type[StoreError]) -> Chain:
    """Return the entries of a chained file, without what the chain adds, after the chain has been followed.

    A line that is no JSON was cut off by a crash before it was confirmed: it is counted and passed over. Anything else
    that does not fit is damage.

    Raises
    ------
    StoreError
        ``damage``: a line was changed or taken out.
    """
    entries: list[Entry] = []
    previous, n_torn = _FIRST, 0
    *lines, rest = content.split(b"\n")
    for line in [*lines, *([rest] if rest else [])]:
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            n_torn += 1
            continue
        previous = _checked(entry, previous, damage)
        entries.append(entry)
    return Chain(entries=tuple(entries), n_torn=n_torn, last_sha256=previous, ends_whole=not rest)


def _lines(entries: Sequence[Entry], previous: str) -> Iterator[bytes]:
    for entry in entries:
        whole = entry | {"previous": previous}
        previous = _sha256(whole)
        yield _canonical(whole | {"sha256": previous}) + b"\n"


def _checked(entry: Any, previous: str, damage: type[StoreError]) -> str:
    """Take from an entry what the chain added, and return its check sum."""
    if not isinstance(entry, dict):
        raise damage("a line that is no entry")
    said = str(entry.pop("sha256", ""))
    if entry.get("previous") != previous:
        raise damage("a line that does not follow the one before it")
    if said != _sha256(entry):
        raise damage("a line that is not as it was written")
    del entry["previous"]
    return said


def _canonical(entry: Entry) -> bytes:
    return json.dumps(entry, sort_keys=True, ensure_ascii=True).encode("ascii")


def _sha256(entry: Entry) -> str:
    return hashlib.sha256(_canonical(entry)).hexdigest()


@contextmanager
def _locked(stream: BufferedRandom) -> Iterator[None]:
    """Keep other processes of this machine, or of the file server where it knows locks, from the file meanwhile."""
    try:
        import fcntl
    except ImportError:  # Windows: one writer per machine and file is the rule there
        yield
        return
    try:
        fcntl.flock(stream.fileno(), fcntl.LOCK_EX)
    except OSError:  # a file system without locks
        yield
        return
    try:
        yield
    finally:
        fcntl.flock(stream.fileno(), fcntl.LOCK_UN)
