"""What a promise is, what was tried, and what came of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What was asked of t2disc and what was found; ``holds`` is ``None`` where nothing could be shown."""

    asked: str
    found: str
    holds: bool | None
    short: str = ""  # in words, what falls short or was not shown
    seconds: float = 0.0

    @property
    def verdict(self) -> str:
        """The figure in one word."""
        return {True: "holds", False: "FALLS SHORT", None: "not shown"}[self.holds]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Where a row may write, and by how much its counts are shrunk."""

    folder: Path
    scale: float = 1.0

    def count(self, whole: int, least: int = 1) -> int:
        """Return how often something is tried that is tried ``whole`` times in a full run."""
        return max(least, round(whole * self.scale))

    def draws(self, name: str) -> random.Random:
        """Return a source of random numbers that is the same on every run."""
        return random.Random(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A row of the table: a fault, what must hold, how it is shown, and the function that shows it."""

    number: int
    fault: str
    promise: str
    test: str
    measure: Callable[[Trial], Figure]
