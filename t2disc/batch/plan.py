"""What to do with a visit, and why: decided apart from doing it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from t2disc import __version__
from t2disc.store import FitFacts, VisitRecord, record_file

if TYPE_CHECKING:
    from t2disc.model.protocol import FitSettings

Action = Literal["run"]  # skipping what is up to date comes with the inputs' check sums


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


def changed_settings(earlier: FitFacts | None, wanted: FitSettings) -> tuple[str, ...]:
    """Name the settings of the fit that differ from those of the earlier result, with both values."""
    if earlier is None:
        return ()
    pairs = ((name, getattr(earlier, name), getattr(wanted, name)) for name in ("model", "skip_first", "min_snr"))
    return tuple(f"{name} {before} -> {now}" for name, before, now in pairs if before != now)


def compare(earlier: VisitRecord | None, record: VisitRecord, *, has_changed: bool) -> str:
    """Tell in words how a visit's result stands to its earlier one; ``has_changed`` when any byte was written."""
    if earlier is None:
        return "first result"
    if not has_changed:
        return "unchanged"
    if record_file(earlier).content == record_file(record).content:
        return "numbers unchanged, other files differ from the earlier result"
    return "differs from the earlier result"
