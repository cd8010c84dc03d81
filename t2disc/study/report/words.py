"""Numbers and names as pages print them."""

from __future__ import annotations

import math

COMPARED = ("disc", "NP", "AF")
"""Regions that stand in the tables."""
MISSING = "n/a"

OTHER_GRADES = "The grades here are by another protocol than those in the tables of the outputs."
"""Where a report was asked for with a protocol that judges visits in another way than the run that measured them."""


def number(value: float, decimals: int, *, sign: bool = False) -> str:
    """Return a number as it is printed; ``n/a`` where it is missing, and no sign before 0."""
    if not math.isfinite(value):
        return MISSING
    text = f"{value:+.{decimals}f}" if sign else f"{value:.{decimals}f}"
    return text.lstrip("+-") if float(text) == 0 else text


def interval(ends: tuple[float, float], decimals: int = 1) -> str:
    """Return both ends of an interval; ``n/a`` where it is missing."""
    low, high = ends
    if not math.isfinite(low) or not math.isfinite(high):
        return MISSING
    return f"{number(low, decimals)} to {number(high, decimals)}"


def plain(session_id: str) -> str:
    """Return the name of a visit within names of figures: ``month12``."""
    return session_id.removeprefix("ses-")
