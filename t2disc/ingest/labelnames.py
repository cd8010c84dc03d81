"""The files beside a label map that name its values: the BIDS table, or a label description of ITK-SNAP.

Source: BIDS derivatives, imaging data types, common image-derived labels; ITK-SNAP, "Label description file" (lines
``IDX R G B A VIS MESH "LABEL"``).
"""

from __future__ import annotations

import csv
import re
from io import StringIO
from pathlib import Path

from t2disc.errors import LabelsUnnamed

Names = tuple[tuple[int, str], ...]

_MAX_BYTES = 1 << 20
_DESCRIPTIONS = (".label.txt", ".label", ".lbl", ".txt")
_DESCRIPTION_HEAD = "label description file"
_DESCRIBED = re.compile(r'(\d{1,9})(?:\s+[0-9.]+){6}\s+"(.*)"')
_GENERIC = re.compile(r"(label|segment)[\s_-]*\d+|clear label", re.IGNORECASE)
"""Names that tools give to what nobody has named."""


def names_beside(path: Path, stem: str) -> Names:
    """Return the names of a map's values from ``<stem>.tsv``, otherwise from a description of ITK-SNAP.

    That is ``<stem>.label.txt``, ``.label``, ``.lbl``, or ``.txt`` where its head says so: a note may be named so.
    Empty where there is no such file.

    Raises
    ------
    LabelsUnnamed
        ``labels-unnamed``: a file that cannot be read, or lacks a column.
    """
    table = path.with_name(f"{stem}.tsv")
    if table.exists():
        return _of_table(_text(table))
    for ending in _DESCRIPTIONS:
        if (file := path.with_name(f"{stem}{ending}")).exists():
            text = _text(file)
            if ending != ".txt" or _DESCRIPTION_HEAD in text.lower():
                return _of_description(text)
    return ()


def telling(names: Names) -> Names:
    """Return the names that somebody gave: not those like ``Label 7``, and none for the background."""
    return tuple((value, name) for value, name in names if value and not _GENERIC.fullmatch(name.strip()))


def _text(path: Path) -> str:
    if not path.is_file():  # a FIFO would block
        raise LabelsUnnamed("a label map whose table is no regular file")
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise LabelsUnnamed("a label table of more than 1 MiB")
        return content.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise LabelsUnnamed("a label table that cannot be read") from error


def _of_table(text: str) -> Names:
    try:
        rows = list(csv.DictReader(StringIO(text, newline=""), delimiter="\t"))
        return tuple((_index(row["index"]), row["name"].strip()) for row in rows)
    except (KeyError, ValueError, AttributeError, TypeError, csv.Error) as error:
        raise LabelsUnnamed(
            "a label table that lacks the columns index and name, or a whole number in index"
        ) from error


def _index(text: str) -> int:
    if not text.strip().isdecimal():
        raise ValueError("no whole number")
    return int(text)


def _of_description(text: str) -> Names:
    lines = [line.strip() for line in text.splitlines()]
    found = [_DESCRIBED.fullmatch(line) for line in lines if line and not line.startswith("#")]
    if not found or None in found:
        raise LabelsUnnamed(
            "a label description with other lines than ITK-SNAP's",
            expected='lines of: number, red, green, blue, alpha, visible, mesh, "name"',
            todo="save the label descriptions again in ITK-SNAP",
        )
    return telling(tuple((int(match[1]), match[2].strip()) for match in found if match))
