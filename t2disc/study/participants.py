"""Which disc of whom was treated: ``participants.tsv`` of the study folder, read strictly."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from t2disc.errors import LabelsLevelUnknown, LayoutUnclear, ParticipantsInvalid
from t2disc.model import parse_level
from t2disc.study.names import bids_label
from t2disc.study.smallfile import read_small_file

_FILE = "participants.tsv"
_MISSING = frozenset({"", "n/a"})

Rename = Callable[[str], str]
"""In a heap of files: the pseudonym of a PatientID, by which a participant may be named in the table too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantRow:
    """One line of the table. The names stay out of the ``repr``: in a heap they may be a PatientID."""

    line: int
    name: str = field(repr=False)  # as written
    participant_id: str = field(repr=False)  # sub-...
    index_level: str | None


def read_participants(study_dir: Path) -> tuple[ParticipantRow, ...]:
    """Read ``participants.tsv``; no row where there is none, or where it has no column ``index_level``.

    Raises
    ------
    ParticipantsInvalid
        ``participants-invalid``: not a UTF-8 table of at most 1 MiB, a column missing or misspelt, a participant twice
        (case aside), or a name that is no disc level.
    """
    rows = tuple(_row(cells, line) for line, cells in _cells(study_dir / _FILE))
    line_of: dict[str, int] = {}
    for row in rows:
        first = line_of.setdefault(row.participant_id.casefold(), row.line)
        if first != row.line:
            raise ParticipantsInvalid(f"one participant in lines {first} and {row.line} of {_FILE}")
    return rows


def index_levels(rows: Sequence[ParticipantRow], rename: Rename | None = None) -> dict[str, str]:
    """Return ``sub-...``, in lower case, to treated level; participants whose level is ``n/a`` are left out."""
    levels: dict[str, str] = {}
    for row in rows:
        if row.index_level is not None:
            levels[row.participant_id.casefold()] = row.index_level
            if rename is not None:
                levels[rename(row.name)] = row.index_level
    return levels


def row_warnings(
    rows: Sequence[ParticipantRow], participant_ids: Collection[str], rename: Rename | None = None
) -> Iterator[str]:
    """Tell which rows name nobody in the study; by line alone in a heap, where a row may hold a PatientID."""
    known = {participant_id.casefold() for participant_id in participant_ids}
    for row in rows:
        if row.participant_id.casefold() in known or (rename is not None and rename(row.name) in known):
            continue
        who = row.participant_id if rename is None else "a participant"
        yield f"{_FILE}, line {row.line}: {who} is not in the study folder"


def _cells(path: Path) -> list[tuple[int, dict[str, str | None]]]:
    try:
        text = read_small_file(path, ParticipantsInvalid, f"a {_FILE}").decode("utf-8-sig")
    except FileNotFoundError:
        return []
    except UnicodeDecodeError:
        raise ParticipantsInvalid(f"a {_FILE} that is not in UTF-8") from None
    try:
        return list(_lines(text))
    except csv.Error:
        raise ParticipantsInvalid(f"a {_FILE} that is no table") from None


def _lines(text: str) -> Iterator[tuple[int, dict[str, str | None]]]:
    reader = csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE, restval=None)
    columns = [column.strip() for column in reader.fieldnames or ()]
    if _names_index_levels(columns):
        reader.fieldnames = columns
        for cells in reader:
            yield reader.line_num, cells


def _names_index_levels(columns: list[str]) -> bool:
    """Tell whether the table names levels at all, as a BIDS table need not; refuse what only looks like it."""
    if "participant_id" not in columns:
        raise ParticipantsInvalid(f"a {_FILE} without the column participant_id (are its columns tabbed?)")
    if "index_level" not in columns and any("level" in name.lower() or "index" in name.lower() for name in columns):
        raise ParticipantsInvalid(f"a {_FILE} whose column of levels is not named index_level")
    if len(set(columns)) != len(columns):
        raise ParticipantsInvalid(f"a {_FILE} with a column twice")
    return "index_level" in columns


def _row(cells: dict[str, str | None], line: int) -> ParticipantRow:
    name, level = (cells["participant_id"] or "").strip(), (cells["index_level"] or "").strip()
    return ParticipantRow(
        line=line,
        name=name,
        participant_id=_participant_id(name, line),
        index_level=None if level in _MISSING else _level(level, line),
    )


def _participant_id(name: str, line: int) -> str:
    try:
        return bids_label(name, "sub-")
    except LayoutUnclear as error:
        found = f"{error.found} for a participant" if name else "no participant"
        raise ParticipantsInvalid(f"{found} in line {line} of {_FILE}") from None


def _level(text: str, line: int) -> str:
    try:
        return parse_level(text)
    except LabelsLevelUnknown as error:
        raise ParticipantsInvalid(
            f"a name that is no disc level in line {line} of {_FILE}", expected=error.expected
        ) from None
