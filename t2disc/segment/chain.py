"""The discs of the spine among the candidates: the chain, from head to feet, for which most speaks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from t2disc.segment.candidates import Candidate, bone_share, structure_at
from t2disc.segment.pieces import SliceGrid

Floats = NDArray[np.float64]

_NEEDED = 1.2  # score that a candidate must bring, or else the chain is better off without it
_NEAREST_MM, _FURTHEST_MM = 16.0, 125.0  # between neighbours of the chain; three discs may be missing between them
_KINK_DEG = 28.0  # between a disc's normal and the way to its neighbour: usual within
_ASIDE = 0.5  # sideways per way down: usual within
_BONE_GAIN = 1.5  # for a way that leads through bone alone
_NO_BONE = -0.5  # for one that leads through none, as where a body was taken for something else
_SURE_SCORE = 2.0  # a chain must have one disc that is a good one
_SURE_BONE = 0.6  # ... with bone on both sides


def find_chain(candidates: list[Candidate], structures: NDArray[np.uint8], grid: SliceGrid) -> list[Candidate]:
    """Return the candidates that follow each other down one spine, from superior to inferior.

    The chain with the greatest sum of what speaks for its discs and for the ways between them: through bone, across
    the discs, not sideways. Solved from head to feet.
    """
    best = np.array([one.score - _NEEDED for one in candidates])
    before = np.full(len(candidates), -1)
    for lower, here in enumerate(candidates):
        gains = [best[upper] + _way(candidates[upper], here, structures, grid) for upper in range(lower)]
        if gains and max(gains) > 0:
            before[lower] = int(np.argmax(gains))
            best[lower] += max(gains)
    if not candidates:
        return []
    chain, at = [], int(best.argmax())
    while at >= 0:
        chain.append(candidates[at])
        at = int(before[at])
    return chain[::-1] if any(_is_sure(disc) for disc in chain) else []


def _is_sure(disc: Candidate) -> bool:
    """Whether a disc lies between two bones beyond doubt."""
    return disc.score >= _SURE_SCORE and min(bone_share(disc.above), bone_share(disc.below)) >= _SURE_BONE


def _way(upper: Candidate, lower: Candidate, structures: NDArray[np.uint8], grid: SliceGrid) -> float:
    """Return what speaks for two discs being neighbours; minus infinity where they cannot be."""
    away = upper.plane_mm - lower.plane_mm
    distance_mm = float(np.hypot(*away))
    if not _NEAREST_MM <= distance_mm <= _FURTHEST_MM:
        return -np.inf
    kinks = [_angle_deg(away, one.outline.upward) / _KINK_DEG for one in (upper, lower)]
    aside = abs(upper.centre_mm[0] - lower.centre_mm[0]) / distance_mm / _ASIDE
    bone = _bone_between(upper, lower, structures, grid)
    return float(
        max(_BONE_GAIN * (2 * bone - 1), _NO_BONE)
        - 0.4 * min(sum(kink**2 for kink in kinks), 6.0)
        - 0.3 * min(aside**2, 4.0)
    )


def _angle_deg(one: Floats, other: Floats) -> float:
    cosine = (one @ other) / (np.linalg.norm(one) * np.linalg.norm(other))
    return float(np.rad2deg(np.arccos(np.clip(cosine, -1, 1))))


def _bone_between(upper: Candidate, lower: Candidate, structures: NDArray[np.uint8], grid: SliceGrid) -> float:
    """Return the share of bone on the way between two discs, in the slices on the straight line between them."""
    shares = np.linspace(0, 1, 25)
    top = upper.plane_mm - upper.outline.upward * upper.outline.height_mm
    bottom = lower.plane_mm + lower.outline.upward * lower.outline.height_mm
    slices = np.clip(np.rint(upper.x + (lower.x - upper.x) * shares), 0, grid.shape[0] - 1)
    values = np.concatenate(
        [
            structure_at(top + (bottom - top) * share, int(x), structures, grid)[None]
            for share, x in zip(shares, slices, strict=True)
        ]
    )
    return float(np.isin(values, (1, 4)).mean())
