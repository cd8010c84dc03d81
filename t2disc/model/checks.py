"""What a check of the protocol found, and how far a visit can be used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Severity = Literal["major", "minor", "info"]
Outcome = Literal["pass", "deviation", "cannot be checked"]
Group = Literal["scan", "signal", "pair"]
GradeWord = Literal["optimal", "sub-optimal", "non-evaluable", "not done"]

SEVERITIES: tuple[Severity, ...] = get_args(Severity)
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
GRADES: tuple[GradeWord, ...] = get_args(GradeWord)
"""From the best to the worst."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One expectation of the protocol, held against one visit, one pair of visits, or one disc of either.

    Attributes
    ----------
    group, name
        Table and key of the protocol file below ``[checks]``; part of a key after a point: ``flagged_pct.low_snr``.
    severity
        What a deviation means for the grade.
    outcome
        ``cannot be checked`` where the header, or the images, do not tell; never a pass by absence.
    expected
        In words and numbers of the protocol file.
    found
        In numbers and words of this program; never text of a header.
    level
        The disc, ``L4/L5``; ``None`` where the check is of the whole visit or pair.
    """

    group: Group
    name: str
    severity: Severity
    outcome: Outcome
    expected: str
    found: str = ""
    level: str | None = None

    @property
    def counts(self) -> bool:
        """Whether it keeps a visit from being optimal: all but passes, and what is for information only."""
        return self.outcome != "pass" and self.severity != "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """How far a visit can be used, and why not further."""

    word: GradeWord
    reasons: tuple[str, ...] = ()

    @property
    def rank(self) -> int:
        """Place in GRADES, 0 the best."""
        return GRADES.index(self.word)
