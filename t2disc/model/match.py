"""How the discs of one visit lie at another: a rigid motion for each, how sure it is, and what speaks against it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from t2disc.model._arrays import frozen_affine
from t2disc.model.labels import DiscLabels


class MatchCode(StrEnum):
    """What speaks against the match of a disc; they stand in tables: add, never rename."""

    LEVEL_MISSING = "level-missing"
    OUT_OF_FIELD = "out-of-field"
    DIVERGED = "diverged"
    INCONSISTENT = "inverse-inconsistent"
    POOR_FIT = "poor-fit"
    THROUGH_PLANE_UNSURE = "through-plane-unsure"
    PERHAPS_ANOTHER = "perhaps-another-person"


class HowMatched(Protocol):
    """What is told of a disc's match, in memory or in a record; see :class:`DiscMatch`."""

    @property
    def level(self) -> str:
        """``L4/L5``."""

    @property
    def correlation(self) -> float:
        """Of the images about the disc."""

    @property
    def inverse_mm(self) -> float:
        """Distance between there and back, mm."""

    @property
    def codes(self) -> tuple[MatchCode, ...]:
        """What speaks against it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DiscMatch:
    """The rigid motion of one disc from baseline to follow-up, with its two half-vertebrae as context.

    Attributes
    ----------
    level
        ``L4/L5``.
    motion
        ``(4, 4)`` RAS+ mm of the scanner at baseline to RAS+ mm at follow-up.
    correlation
        Of the two locally normalised images over the context, 1 is perfect; NaN where nothing was compared.
    inverse_mm
        Mean distance over the disc between there and back: baseline to follow-up, then follow-up to baseline, each
        found for itself. NaN where nothing was compared.
    through_plane_mm
        How far the disc alone would have gone from the through-plane motion that all discs share, mm.
    is_fallback
        Whether ``motion`` is that of its neighbours because its own could not be found.
    codes
        What speaks against the match; empty when nothing does.
    """

    level: str
    motion: NDArray[np.float64]
    correlation: float
    inverse_mm: float
    through_plane_mm: float
    is_fallback: bool = False
    codes: tuple[MatchCode, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "motion", frozen_affine(self.motion))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VisitMatch:
    """How every disc of the baseline lies at the follow-up.

    Attributes
    ----------
    motion
        ``(4, 4)`` the one rigid motion that fits all discs best, baseline to follow-up, RAS+ mm.
    correlation
        Of the locally normalised images over all discs' contexts under that one motion.
    discs
        The discs found at both visits, from superior to inferior.
    missing
        Levels found at one visit only.
    """

    motion: NDArray[np.float64]
    correlation: float
    discs: tuple[DiscMatch, ...]
    missing: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "motion", frozen_affine(self.motion))

    @property
    def levels(self) -> tuple[str, ...]:
        """Levels with a motion."""
        return tuple(disc.level for disc in self.discs)

    def disc(self, level: str) -> DiscMatch | None:
        """Return the match of one level; ``None`` where there is none."""
        return next((disc for disc in self.discs if disc.level == level), None)

    @property
    def warnings(self) -> Iterator[str]:
        """What should be looked at, level by level."""
        for disc in self.discs:
            if disc.codes:
                yield f"{disc.level}: {', '.join(code.value for code in disc.codes)}"

    def __repr__(self) -> str:
        return f"VisitMatch(levels={list(self.levels)}, correlation={self.correlation:.3f})"


Roi = Literal["own", "matched", "baseline", "followup"]
ROIS: tuple[Roi, ...] = ("matched", "own", "baseline", "followup")
"""Whose regions a change is measured in: those both visits agree on (primary), each visit's own, or one visit's."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MatchedLabels:
    """The same regions at both visits, each on that visit's own grid; ``roi`` says whose outlines they are."""

    roi: Roi
    baseline: DiscLabels
    followup: DiscLabels
