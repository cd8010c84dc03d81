"""Why a reader should look at automatic labels: stable codes, each with its sentence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ReviewCode(StrEnum):
    """Codes of :class:`ReviewReason`; they stand in tables: add, never rename."""

    NO_DISC_FOUND = "no-disc-found"
    SACRUM_NOT_SEEN = "sacrum-not-seen"
    SIX_LUMBAR_BODIES = "six-lumbar-bodies"
    TRANSITIONAL_VERTEBRA = "transitional-vertebra"
    DISC_MISSING = "disc-missing"
    GAP_IN_ORDER = "gap-in-order"
    DISC_CUT_OFF = "disc-cut-off"
    NAMING_UNCERTAIN = "naming-uncertain"
    OUTLINE_UNCERTAIN = "outline-uncertain"
    LOW_CONFIDENCE = "low-confidence"
    TOO_FEW_SLICES = "too-few-slices"
    INDEX_LEVEL_NOT_FOUND = "index-level-not-found"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewReason:
    """One reason: its code, and what was seen, in words free of header text."""

    code: ReviewCode
    detail: str
    level: str | None = None  # the disc it concerns, when it concerns one

    @property
    def words(self) -> str:
        """What was seen, and where."""
        return f"{self.level}: {self.detail}" if self.level else self.detail

    def __str__(self) -> str:
        return f"[{self.code.value}] {self.words}"
