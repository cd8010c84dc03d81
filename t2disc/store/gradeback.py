"""Grades and checks of a study, read back from its tables: by which protocol it was judged is settled there."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast, get_args

from t2disc.errors import OutputsDamaged
from t2disc.model import Check, Grade
from t2disc.model.checks import GRADES, OUTCOMES, SEVERITIES, Group
from t2disc.store.check_table import CheckRow

_MISSING = "n/a"
_BETWEEN = "; "  # reasons in one cell


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredGrades:
    """What ``visits.tsv`` and ``checks.tsv`` hold.

    Attributes
    ----------
    checks
        Every check of every visit, in the order of the table.
    grades
        By study key; ``None`` of visits that have none.
    """

    checks: tuple[CheckRow, ...] = ()
    grades: Mapping[str, Grade | None] = field(default_factory=dict)

    def knows(self, key: str) -> bool:
        """Tell whether the table of visits has a row for ``sub-X/ses-Y``."""
        return key in self.grades

    def grade(self, key: str) -> Grade | None:
        """Return the grade of ``sub-X/ses-Y``; ``None`` where there is none."""
        return self.grades.get(key)


def read_grades(out: Path) -> StoredGrades:
    """Read the grades and checks of a study's outputs; nothing where it has no such tables.

    Raises
    ------
    OutputsDamaged
        ``outputs-damaged``: a table is there and is not as t2disc writes it.
    """
    grades = dict(_visit(row) for row in _rows(out / "visits.tsv"))
    return StoredGrades(checks=tuple(_check(row) for row in _rows(out / "checks.tsv")), grades=grades)


def _rows(path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a table; whatever does not fit, here or in what is made of a row, is one error."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            yield from csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE, restkey="", restval=None)
    except FileNotFoundError:
        return
    except (OSError, ValueError, csv.Error) as error:
        raise _damaged(path.name, type(error).__name__) from None


def _visit(row: Mapping[str, Any]) -> tuple[str, Grade | None]:
    if not row.get("participant_id") or not row.get("session_id"):
        raise _damaged("visits.tsv", "a row without its visit")
    return f"{row['participant_id']}/{row['session_id']}", _grade(row)


def _grade(row: Mapping[str, Any]) -> Grade | None:
    word, reasons = row.get("grade"), row.get("grade_reasons")
    if word is None or word == _MISSING:
        return None  # of outputs older than grades, too
    if word not in GRADES:
        raise _damaged("visits.tsv", "an unknown grade")
    return Grade(word=word, reasons=() if reasons in (None, _MISSING) else tuple(str(reasons).split(_BETWEEN)))


def _check(row: Mapping[str, Any]) -> CheckRow:
    try:
        group, severity, outcome = (row[name] for name in ("group", "severity", "outcome"))
        is_known = (group in get_args(Group), severity in SEVERITIES, outcome in OUTCOMES)
        if not all(is_known):
            raise LookupError("an unknown word")
        check = Check(
            group=cast("Group", group),
            name=row["check"],
            severity=severity,
            outcome=outcome,
            expected=_known(row["expected"]) or "",
            found=_known(row["found"]) or "",
            level=_known(row["level"]),
        )
        return CheckRow(
            participant_id=row["participant_id"],
            session_id=row["session_id"],
            baseline_session_id=_known(row["baseline_session_id"]),
            check=check,
        )
    except LookupError as error:
        raise _damaged("checks.tsv", type(error).__name__) from None


def _known(cell: str | None) -> str | None:
    return None if cell in (None, _MISSING) else cell


def _damaged(name: str, how: str) -> OutputsDamaged:
    return OutputsDamaged(f"a {name} that cannot be read back ({how})")
