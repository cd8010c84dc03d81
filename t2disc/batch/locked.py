"""A locked study changes only for a reason."""

from __future__ import annotations

from pathlib import Path

from t2disc import store
from t2disc.errors import StudyLocked


def refuse_locked(out: Path, what: str, reason: str) -> None:
    """Refuse to change a locked study without a reason.

    Parameters
    ----------
    out
        The outputs.
    what
        What would change.
    reason
        Why, as whoever started the run says; empty where nothing was said.

    Raises
    ------
    StudyLocked
        ``study-locked``.
    """
    if not reason.strip() and store.read_audit(out).is_locked:
        raise StudyLocked(f"a locked study of which {what}")
