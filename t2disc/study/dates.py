"""Dates of acquisition, and what is no date at all."""

from __future__ import annotations

from datetime import date

_FIRST_YEAR = 1900  # de-identification shifts dates to 1925 or before (BIDS) but writes placeholders before 1900
_PLACEHOLDER = date(1900, 1, 1)


def real_date(text: str | None) -> str | None:
    """Return an ISO date (``YYYY-MM-DD``), or ``None`` for what is missing, no date, or a placeholder."""
    try:
        day = date.fromisoformat(text or "")
    except ValueError:
        return None
    return None if day.year < _FIRST_YEAR or day == _PLACEHOLDER else day.isoformat()
