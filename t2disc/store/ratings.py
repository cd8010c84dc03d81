"""Readers' ratings: a file per reader that only grows, each line chained to the one before it."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from io import BufferedRandom
from itertools import accumulate
from pathlib import Path
from typing import Any

from t2disc import __version__
from t2disc.errors import ArgumentInvalid, RatingsDamaged
from t2disc.model.ratings import Rating
from t2disc.store.files import flush_folder, storing

_FOLDER = "ratings"
_FIRST = "0" * 64  # stands before the first line
_FIELDS = tuple(field.name for field in fields(Rating))
_writing = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRatings:
    """Every rating of a folder in order of time; ``n_torn`` lines were cut off while written, and never confirmed."""

    ratings: tuple[Rating, ...]
    n_torn: int = 0


def append_rating(folder: Path, rating: Rating) -> None:
    """Add one rating to its reader's file in ``folder/ratings``, and return once it is on the disk.

    Each line holds the SHA-256 of its own content and that of the line before, so that a line that was changed or
    taken out is found. Threads and processes take turns; readers write files of their own.

    Raises
    ------
    StoreError
        ``disk-full``, ``permission-denied`` or ``write-failed``: nothing is confirmed.
    RatingsDamaged
        ``ratings-damaged``: the reader's file is not as it was written; nothing is added to it.
    """
    path = folder / _FOLDER / f"{rating.reader.casefold()}.jsonl"
    with storing(path.name):
        is_new = not path.exists()
        made = [one for one in (path.parent, *path.parent.parents) if not one.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        with _writing, path.open("a+b") as stream, _locked(stream):
            stream.seek(0)
            kept = _parsed(stream.read())
            torn_end = b"" if kept.ends_whole else b"\n"
            stream.write(torn_end + _line(rating, kept.last_sha256))
            stream.flush()
            os.fsync(stream.fileno())
        if is_new:
            for one in (path.parent, *(new.parent for new in made)):
                flush_folder(one)


def read_ratings(folder: Path, reader: str = "") -> KeptRatings:
    """Read the ratings in ``folder/ratings``, in order of time; of one reader where told, whoever else is damaged.

    A reader's own ratings stay in the order in which they were kept, also where a clock was set back meanwhile: the
    later line is the later word.

    Raises
    ------
    RatingsDamaged
        ``ratings-damaged``: a line was changed, taken out, or is no rating.
    """
    files = [path for path in sorted((folder / _FOLDER).glob("*.jsonl")) if reader.casefold() in ("", path.stem)]
    with storing("the ratings"):
        kept = [_parsed(path.read_bytes()) for path in files]
    timed = sorted((pair for one in kept for pair in _timed(one.ratings)), key=lambda pair: pair[0])
    return KeptRatings(ratings=tuple(rating for _, rating in timed), n_torn=sum(one.n_torn for one in kept))


def _timed(ratings: Sequence[Rating]) -> Iterator[tuple[str, Rating]]:
    """Yield a reader's ratings, each with the latest time that was seen until then."""
    yield from zip(accumulate((rating.rated_utc for rating in ratings), max), ratings, strict=True)


# ------------------------------------------------------------------------------------------------ lines
@dataclass(frozen=True, slots=True, kw_only=True)
class _Parsed:
    ratings: tuple[Rating, ...]
    n_torn: int
    last_sha256: str
    ends_whole: bool


def _line(rating: Rating, previous: str) -> bytes:
    entry = asdict(rating) | {"version": __version__, "previous": previous}
    return _canonical(entry | {"sha256": _sha256(entry)}) + b"\n"


def _canonical(entry: dict[str, Any]) -> bytes:
    return json.dumps(entry, sort_keys=True, ensure_ascii=True).encode("ascii")


def _sha256(entry: dict[str, Any]) -> str:
    return hashlib.sha256(_canonical(entry)).hexdigest()


def _parsed(content: bytes) -> _Parsed:
    """Return the ratings of one reader's file after its chain has been followed.

    A line that is no JSON was cut off by a crash before it was confirmed, and its reader was told so: it is counted
    and passed over. Anything else that does not fit is damage.
    """
    ratings: list[Rating] = []
    previous, n_torn = _FIRST, 0
    *lines, rest = content.split(b"\n")
    for line in [*lines, *([rest] if rest else [])]:
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            n_torn += 1
            continue
        rating, previous = _checked(entry, previous)
        ratings.append(rating)
    return _Parsed(ratings=tuple(ratings), n_torn=n_torn, last_sha256=previous, ends_whole=not rest)


def _checked(entry: Any, previous: str) -> tuple[Rating, str]:
    """Return a line's rating and its check sum.

    Raises
    ------
    RatingsDamaged
        ``ratings-damaged``.
    """
    if not isinstance(entry, dict):
        raise RatingsDamaged("a line of ratings that is none")
    said = str(entry.pop("sha256", ""))
    if entry.get("previous") != previous:
        raise RatingsDamaged("a line of ratings that does not follow the one before it")
    if said != _sha256(entry):
        raise RatingsDamaged("a line of ratings that is not as it was written")
    try:
        return Rating(**{name: entry[name] for name in _FIELDS}), said
    except (LookupError, TypeError, AttributeError, ArgumentInvalid):
        raise RatingsDamaged("a line of ratings with other fields") from None


@contextmanager
def _locked(stream: BufferedRandom) -> Iterator[None]:
    """Keep other processes of this machine, or of the file server where it knows locks, from the file meanwhile."""
    try:
        import fcntl
    except ImportError:  # Windows: one server per reader and machine is the rule there
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
