"""The table of checks: what the protocol expects of visits, discs and pairs, what was found, and what that means."""

from __future__ import annotations

from dataclasses import dataclass

from t2disc.model import Check
from t2disc.store.columns import LEVEL, LEVEL_WORDS, PARTICIPANT, Column


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """One check of one visit; ``baseline_session_id`` where it is of the visit with its baseline."""

    participant_id: str
    session_id: str
    check: Check
    baseline_session_id: str | None = None


GRADE_WORDS = {
    "optimal": "Every check that is more than information was made, and passed",
    "sub-optimal": "A deviation, or something that cannot be checked, that leaves the visit usable",
    "non-evaluable": "Refused, without discs, or a major deviation of the visit, its index disc or all its discs",
    "not done": "Nothing that could be measured was delivered",
}
_GROUPS = {
    "scan": "How the visit was scanned",
    "signal": "What the signal gives",
    "pair": "How the visit stands to its baseline",
}
_SEVERITIES = {
    "major": "A deviation makes the visit, or the disc, non-evaluable",
    "minor": "A deviation makes the visit sub-optimal",
    "info": "Told, and without effect on the grade",
}
_OUTCOMES = {
    "pass": "As expected, within tolerance",
    "deviation": "Not as expected",
    "cannot be checked": "The header, or the images, do not tell",
}
CHECK_COLUMNS: tuple[Column[CheckRow], ...] = (
    Column("participant_id", PARTICIPANT, lambda row: row.participant_id),
    Column("session_id", "Visit; of pairs the later one", lambda row: row.session_id),
    Column(
        "baseline_session_id",
        "First visit of the participant, where the check is of the pair; n/a else, and where there is no pair",
        lambda row: row.baseline_session_id,
    ),
    Column("level", f"{LEVEL}; n/a for the whole visit", lambda row: row.check.level, levels=LEVEL_WORDS),
    Column("group", "Table of [checks] in the protocol file", lambda row: row.check.group, levels=_GROUPS),
    Column("check", "Key of that table", lambda row: row.check.name),
    Column("severity", "How bad a deviation is", lambda row: row.check.severity, levels=_SEVERITIES),
    Column("outcome", "What came out", lambda row: row.check.outcome, levels=_OUTCOMES),
    Column("expected", "What the protocol expects", lambda row: row.check.expected),
    Column("found", "What was found; texts of headers are not repeated", lambda row: row.check.found),
)
