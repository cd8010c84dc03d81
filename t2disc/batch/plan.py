"""What to do with a visit, and why: decided apart from doing it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from t2disc import __version__
from t2disc.store import VisitRecord

Action = Literal["run", "skip"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Whether a visit runs, and the reason in words."""

    action: Action
    why: str


def decide(previous: VisitRecord | None) -> Decision:
    """Decide whether a visit runs, from the record of its last run.

    For now every visit runs, and only the reason differs: a run writes nothing when its bytes are those that are
    there. Skipping what is up to date needs the inputs' check sums in the record; this function is where it goes.
    """
    if previous is None:
        return Decision(action="run", why="no earlier result")
    if previous.version != __version__:
        return Decision(action="run", why=f"earlier result by version {previous.version}")
    if not previous.is_done:
        return Decision(action="run", why=f"quarantined before: {previous.code}")
    return Decision(action="run", why="measured again, to be compared with the earlier result")
