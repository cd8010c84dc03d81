"""Numbers and names as pages print them."""

from __future__ import annotations

import math

COMPARED = ("disc", "NP", "AF")
"""Regions that stand in the tables."""


def number(value: float, decimals: int, *, sign: bool = False) -> str:
    """Return a number as it is printed; ``n/a`` where it is missing."""
    if not math.isfinite(value):
        return "n/a"
    return f"{value:+.{decimals}f}" if sign else f"{value:.{decimals}f}"


def interval(ends: tuple[float, float], decimals: int = 1) -> str:
    """Return both ends of an interval; ``n/a`` where it is missing."""
    low, high = ends
    if not math.isfinite(low) or not math.isfinite(high):
        return "n/a"
    return f"{number(low, decimals)} to {number(high, decimals)}"


def plain(session_id: str) -> str:
    """Return the name of a visit within names of figures: ``month12``."""
    return session_id.removeprefix("ses-")
