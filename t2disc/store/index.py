"""The index of a study: what its records say, in one SQLite file that can be made again at any time.

Truth are the records and manifests. The index is made from them by the run that holds the output folder, written whole
or not at all, and never by a child. It lets a run of hundreds of visits see in a second that nothing has changed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from t2disc.model import InputFacts
from t2disc.store.files import update_file
from t2disc.store.provenance import Basis
from t2disc.store.records import Status, VisitRecord

INDEX = "index.sqlite"
_VERSION = 2  # 1: of records before their version 3


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitFacts:
    """What a run must know of a visit's earlier result to decide what to do, and what a glance at the study tells.

    ``stamp`` is that of the visit's outputs when they were last known to be whole (:func:`folder_stamp`).
    """

    participant_id: str
    session_id: str
    status: Status
    code: str = ""
    version: str
    index_level: str | None = None
    acquisition_date: str | None = None
    n_discs: int = 0
    review_codes: str = ""  # joined by commas
    has_pictures: bool = False
    lacks_pictures: bool = False
    images_sha256: str | None = None
    labels_sha256: str | None = None
    maps_settings_sha256: str | None = None
    labels_settings_sha256: str | None = None
    stamp: str | None = None

    @classmethod
    def of(
        cls, record: VisitRecord, *, has_pictures: bool, lacks_pictures: bool = False, stamp: str | None = None
    ) -> VisitFacts:
        """Gather the facts of a record; without a ``stamp`` its outputs are looked at again the next time."""
        basis = record.basis
        sums = {} if basis is None else {each.name: getattr(basis, each.name) for each in fields(basis)}
        return cls(
            participant_id=record.participant_id,
            session_id=record.session_id,
            status=record.status,
            code=record.code,
            version=record.version,
            index_level=record.index_level,
            acquisition_date=record.acquisition_date,
            n_discs=len(record.levels),
            review_codes=",".join(record.labels.review_codes),
            has_pictures=has_pictures,
            lacks_pictures=lacks_pictures,
            stamp=stamp,
            **sums,
        )

    @property
    def key(self) -> str:
        """Study key, ``sub-01/ses-baseline``."""
        return f"{self.participant_id}/{self.session_id}"

    @property
    def is_done(self) -> bool:
        """Whether the visit has maps."""
        return self.status == "done"

    @property
    def basis(self) -> Basis | None:
        """What the result was made from; ``None`` where that was not told."""
        sums = {each.name: getattr(self, each.name) for each in fields(Basis)}
        return None if None in sums.values() else Basis(**sums)


_NAMES = tuple(each.name for each in fields(VisitFacts))


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyIndex:
    """What an index holds: visits by study key, and facts of inputs by the stamp of their files."""

    visits: Mapping[str, VisitFacts] = field(default_factory=dict)
    inputs: Mapping[str, InputFacts] = field(default_factory=dict)


def read_index(out: Path) -> StudyIndex:
    """Read the index of ``out``; an empty one where there is none, or none of this version of t2disc."""
    try:
        content = (out / INDEX).read_bytes()
        with closing(sqlite3.connect(":memory:")) as base:
            base.deserialize(content)
            if base.execute("PRAGMA user_version").fetchone() != (_VERSION,):
                return StudyIndex()
            visits = [VisitFacts(**_row(names)) for names in base.execute(f"SELECT {', '.join(_NAMES)} FROM visits")]
            inputs = {str(row[0]): InputFacts(*row[1:]) for row in base.execute("SELECT * FROM inputs")}
    except (OSError, sqlite3.Error, TypeError, ValueError, OverflowError, MemoryError):  # the last of an empty file
        return StudyIndex()
    return StudyIndex(visits={facts.key: facts for facts in visits}, inputs=inputs)


def write_index(out: Path, index: StudyIndex) -> bool:
    """Write the index; tell whether it has changed.

    Raises
    ------
    StoreError
        ``disk-full``, ``permission-denied`` or ``write-failed``.
    """
    with closing(sqlite3.connect(":memory:")) as base:
        base.execute(f"PRAGMA user_version = {_VERSION}")
        _fill(base, sorted(index.visits.values(), key=lambda facts: facts.key))
        base.execute("CREATE TABLE inputs (stamp PRIMARY KEY, images_sha256, acquisition_date)")
        rows = ((stamp, f.images_sha256, f.acquisition_date) for stamp, f in sorted(index.inputs.items()))
        base.executemany("INSERT INTO inputs VALUES (?, ?, ?)", rows)
        base.commit()
        content = base.serialize()
    return update_file(out / INDEX, content)


def _fill(base: sqlite3.Connection, visits: Iterable[VisitFacts]) -> None:
    base.execute(f"CREATE TABLE visits ({', '.join(_NAMES)}, PRIMARY KEY (participant_id, session_id))")
    rows = ([getattr(facts, name) for name in _NAMES] for facts in visits)
    base.executemany(f"INSERT INTO visits VALUES ({', '.join('?' for _ in _NAMES)})", rows)


def _row(values: Iterable[Any]) -> dict[str, Any]:
    row = dict(zip(_NAMES, values, strict=True))
    return row | {name: bool(row[name]) for name in ("has_pictures", "lacks_pictures")}
