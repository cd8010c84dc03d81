"""How one expectation is answered: met, not met, or not to be told; never met because nothing was said."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from t2disc.model.checks import Check, Group, Outcome, Severity

if TYPE_CHECKING:
    from t2disc.model.checksettings import Least, Most

HEADER_SILENT = "the header does not say"
NOT_MEASURED = "not measured"
_ROUNDING = 1e-9  # a difference on the border must not hang on the last bit


@dataclass(frozen=True, slots=True)
class Question:
    """One expectation, put to one visit, pair or disc."""

    group: Group
    name: str
    severity: Severity
    expected: str
    level: str | None = None

    def answered(self, found: str, *, is_met: bool) -> Check:
        """Return the answer, where there is one."""
        return self._check("pass" if is_met else "deviation", found)

    def unanswered(self, why: str) -> Check:
        """Return that it cannot be checked, and why."""
        return self._check("cannot be checked", why)

    def _check(self, outcome: Outcome, found: str) -> Check:
        return Check(
            group=self.group,
            name=self.name,
            severity=self.severity,
            outcome=outcome,
            expected=self.expected,
            found=found,
            level=self.level,
        )


def at_least(
    group: Group,
    name: str,
    wanted: Least,
    found: float | None,
    unit: str = "",
    *,
    level: str | None = None,
    silent: str = NOT_MEASURED,
) -> Check:
    """Answer whether a number is as great as it must be; ``silent`` says why there is none."""
    question = Question(group, name, wanted.severity, f">= {number(wanted.least)}{unit}", level)
    if found is None or math.isnan(found):
        return question.unanswered(silent)
    return question.answered(f"{number(found)}{unit}", is_met=found >= wanted.least - _ROUNDING)


def at_most(
    group: Group,
    name: str,
    wanted: Most,
    found: float | None,
    unit: str = "",
    *,
    level: str | None = None,
    silent: str = NOT_MEASURED,
) -> Check:
    """Answer whether a number is as small as it must be; ``silent`` says why there is none."""
    question = Question(group, name, wanted.severity, f"<= {number(wanted.most)}{unit}", level)
    if found is None or math.isnan(found):
        return question.unanswered(silent)
    return question.answered(f"{number(found)}{unit}", is_met=found <= wanted.most + _ROUNDING)


def is_known(*values: float) -> bool:
    """Tell whether every number is one."""
    return all(map(math.isfinite, values))


def within(found: float, expected: float, tolerance: float) -> bool:
    """Tell whether a number is the expected one; the border belongs to it."""
    return abs(found - expected) <= tolerance + _ROUNDING


def number(value: float) -> str:
    """Write a number with four decimals at most, and no more of them than it has."""
    return f"{round(value, 4) + 0.0:.10g}"


def numbers(values: Sequence[float], mark: str = ", ") -> str:
    """Write several numbers."""
    return mark.join(map(number, values))
