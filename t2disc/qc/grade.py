"""How far a visit can be used: one word and its reasons, from all checks together."""

from __future__ import annotations

from collections.abc import Sequence

from t2disc.model.checks import Check, Grade, GradeWord

NOT_DELIVERED = ("no-images", "no-multi-echo-series")
"""Codes of refusals that say that the scan is not there at all."""
_VERBS = {"deviation": "deviates", "cannot be checked": "cannot be checked"}


def grade_visit(
    checks: Sequence[Check], *, levels: Sequence[str] = (), index_level: str | None = None, refusal: str = ""
) -> Grade | None:
    """Return how far a visit can be used; ``None`` where the protocol asks nothing of it.

    - ``not done``: nothing that could be measured was delivered.
    - ``non-evaluable``: refused; without any disc; or a major deviation of the visit, of its index disc, or of all
      its discs.
    - ``sub-optimal``: any other deviation, and anything that cannot be checked, unless it is for information only.
    - ``optimal``: every check that is more than information was made, and passed.

    Parameters
    ----------
    checks
        Of the visit, of its discs, and of its pair with the baseline.
    levels
        Discs of the visit.
    index_level
        The treated disc; None where none is named.
    refusal
        Code, where the visit could not be measured.
    """
    if refusal:
        word: GradeWord = "not done" if refusal in NOT_DELIVERED else "non-evaluable"
        return Grade(word=word, reasons=(f"refused: {refusal}",))
    if not checks:
        return None
    counting = sorted((check for check in checks if check.counts), key=_weight)
    reasons = (*([] if levels else ["no disc was labelled"]), *_told(counting, levels))
    if not levels or _is_lost(checks, levels, index_level):
        return Grade(word="non-evaluable", reasons=reasons)
    return Grade(word="sub-optimal" if counting else "optimal", reasons=reasons)


def _is_lost(checks: Sequence[Check], levels: Sequence[str], index_level: str | None) -> bool:
    """Tell whether a major deviation takes the visit, its index disc, or every one of its discs."""
    lost = {check.level for check in checks if check.outcome == "deviation" and check.severity == "major"}
    return None in lost or (index_level is not None and index_level in lost) or set(levels) <= lost


def _weight(check: Check) -> tuple[bool, bool]:
    """Sort deviations before what cannot be checked, and major ones before minor ones."""
    return check.outcome != "deviation", check.severity != "major"


def _told(checks: Sequence[Check], levels: Sequence[str]) -> tuple[str, ...]:
    """Return one reason for each check that was not passed, with all the discs it concerns."""
    places: dict[tuple[str, str, str], list[str]] = {}
    for check in checks:
        at = places.setdefault((check.name, _VERBS[check.outcome], check.severity), [])
        if check.level is not None:
            at.append(check.level)
    return tuple(f"{name}{_of(at, levels)} {verb} ({severity})" for (name, verb, severity), at in places.items())


def _of(at: Sequence[str], levels: Sequence[str]) -> str:
    if len(levels) > 1 and set(at) == set(levels):
        return " of every disc"
    return f" of {', '.join(at)}" if at else ""
