"""Which disc of whom was treated: ``participants.tsv`` of the study folder, read strictly."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

from t2disc.errors import LabelsLevelUnknown, LayoutUnclear, ParticipantsInvalid
from t2disc.model import parse_level
from t2disc.study.names import bids_label

_FILE = "participants.tsv"
_MISSING = frozenset({"", "n/a"})


def read_index_levels(study_dir: Path, rename: Callable[[str], str] | None = None) -> dict[str, str]:
    """Read the treated level of each participant.

    Parameters
    ----------
    study_dir
        Folder with ``participants.tsv``; without one, or without its column ``index_level``, no level is named.
    rename
        For a heap of files: the pseudonym of a PatientID, by which a participant may be named in the table too.

    Returns
    -------
    dict
        ``sub-...`` to level. Participants whose level is ``n/a`` are left out.

    Raises
    ------
    ParticipantsInvalid
        ``participants-invalid``: not a UTF-8 table, a column missing or misspelt, a participant twice, or a name that
        is no disc level.
    """
    rows = _rows(study_dir / _FILE)
    levels: dict[str, str] = {}
    seen: set[str] = set()
    for number, row in enumerate(rows, start=2):
        name, level = (row["participant_id"] or "").strip(), (row["index_level"] or "").strip()
        participant_id = _participant_id(name, number)
        if participant_id in seen:
            raise ParticipantsInvalid(f"{participant_id} twice (line {number} of participants.tsv)")
        seen.add(participant_id)
        if level not in _MISSING:
            levels[participant_id] = _level(level, number)
            if rename is not None:
                levels[rename(name)] = levels[participant_id]
    return levels


def _rows(path: Path) -> list[dict[str, str | None]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise ParticipantsInvalid(f"a participants.tsv that cannot be read ({type(error).__name__})") from None
    reader = csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE, restval=None)
    columns = [column.strip() for column in reader.fieldnames or ()]
    if _names_index_levels(columns):
        reader.fieldnames = columns
        return list(reader)
    return []


def _names_index_levels(columns: list[str]) -> bool:
    """Tell whether the table names levels at all, as a BIDS table need not; refuse what only looks like it."""
    if "participant_id" not in columns:
        raise ParticipantsInvalid("a participants.tsv without the column participant_id (are its columns tabbed?)")
    if "index_level" not in columns and any("level" in name.lower() or "index" in name.lower() for name in columns):
        raise ParticipantsInvalid("a participants.tsv whose column of levels is not named index_level")
    if len(set(columns)) != len(columns):
        raise ParticipantsInvalid("a participants.tsv with a column twice")
    return "index_level" in columns


def _participant_id(name: str, number: int) -> str:
    try:
        return bids_label(name, "sub-")
    except LayoutUnclear:
        raise ParticipantsInvalid(f"no participant in line {number} of participants.tsv") from None


def _level(text: str, number: int) -> str:
    try:
        return parse_level(text)
    except LabelsLevelUnknown as error:
        raise ParticipantsInvalid(
            f"a name that is no disc level in line {number} of participants.tsv", expected=error.expected
        ) from None
