"""Readers' ratings: a file per reader that only grows, each line chained to the one before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import accumulate
from pathlib import Path
from typing import Any
from urllib.parse import quote

from t2disc import __version__
from t2disc.errors import ArgumentInvalid, RatingsDamaged
from t2disc.model.ratings import READER_RULE, Rating, is_reader, same_reader
from t2disc.store.chain import append_entries, parse_chain
from t2disc.store.files import storing

_FOLDER = "ratings"
_FIELDS = tuple(field.name for field in fields(Rating))


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
    ArgumentInvalid
        ``argument-invalid``: a name under which no file can be kept everywhere.
    """
    if not is_reader(rating.reader):
        raise ArgumentInvalid("a name that no reader can have", expected=READER_RULE, todo="type another name")
    path = folder / _FOLDER / _file_name(rating.reader)
    append_entries(path, [asdict(rating) | {"version": __version__}], RatingsDamaged)


def read_ratings(folder: Path, reader: str = "") -> KeptRatings:
    """Read the ratings in ``folder/ratings``, in order of time; of one reader where told, whoever else is damaged.

    A reader's own ratings stay in the order in which they were kept, also where a clock was set back meanwhile: the
    later line is the later word.

    Raises
    ------
    RatingsDamaged
        ``ratings-damaged``: a line was changed, taken out, or is no rating.
    """
    wanted = _file_name(reader) if reader else ""
    files = [path for path in sorted((folder / _FOLDER).glob("*.jsonl")) if wanted in ("", path.name)]
    with storing("the ratings"):
        kept = [_parsed(path.read_bytes()) for path in files]
    timed = sorted((pair for one in kept for pair in _timed(one.ratings)), key=lambda pair: pair[0])
    return KeptRatings(ratings=tuple(rating for _, rating in timed), n_torn=sum(one.n_torn for one in kept))


def _file_name(reader: str) -> str:
    """Return the name of a reader's file: what is no plain letter or digit as UTF-8 in hexadecimal, as in addresses."""
    return f"{quote(same_reader(reader), safe='')}.jsonl"


def _timed(ratings: Sequence[Rating]) -> Iterator[tuple[str, Rating]]:
    """Yield a reader's ratings, each with the latest time that was seen until then."""
    yield from zip(accumulate((rating.rated_utc for rating in ratings), max), ratings, strict=True)


def _parsed(content: bytes) -> KeptRatings:
    """Return the ratings of one reader's file, as they follow each other there."""
    chain = parse_chain(content, RatingsDamaged)
    return KeptRatings(ratings=tuple(_rating(entry) for entry in chain.entries), n_torn=chain.n_torn)


def _rating(entry: Mapping[str, object]) -> Rating:
    told: dict[str, Any] = {name: entry.get(name) for name in _FIELDS}
    try:
        return Rating(**told)
    except (TypeError, AttributeError, ArgumentInvalid):
        raise RatingsDamaged("a line with other fields than a rating has") from None
