"""Names for the discs of a chain: of all ways to name it, the one that fits the whole spine best, and how surely.

Levels are counted from the lumbosacral disc: 0 is L5/S1, 1 is L4/L5, 5 is T12/L1, -1 what is left of S1/S2. A naming
gives each disc of the chain a level. Its cost is the sum of what speaks against it (near a negative logarithm of its
likelihood): distances between discs, their lengths, the bends between them and their slopes, against what is usual at
those levels for a person of this size; where the sacrum lies; discs that would be missing. The weights of all namings
are ``exp(-cost)``, and a disc's name is as sure as the share of those that agree.

Source: usual distances, lengths and slopes are medians over the 24 people of the SPIDER subset (van der Graaf et al.,
Sci Data 2024), rounded, above T10/T11 continued; levels below L5/S1 after the simulated sacrum.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from t2disc.segment.anchor import Anchor
from t2disc.segment.candidates import OUTSIDE, Candidate

Floats = NDArray[np.float64]
Levels = NDArray[np.intp]

LOWEST, HIGHEST = -2, 12
"""Levels that a disc can have: S2/S3 to T5/T6."""

#                   S2/3  S1/2  L5/S1  L4/5  L3/4  L2/3  L1/2  T12   T11   T10   T9   T8    T7    T6    T5
_LENGTH_MM = np.array([18, 24, 36.5, 37.5, 37.5, 37.0, 35.5, 33.5, 32.0, 31.0, 30.0, 29.0, 28.0, 27.0, 26.0])
_SLOPE_DEG = np.array([38, 44, 34.0, 13.0, 1.0, -7.0, -10.0, -10.0, -8.0, -5.0, -2.0, 1.0, 4.0, 7.0, 10.0])
_PITCH_MM = np.array([26, 32, 35.0, 37.0, 36.5, 35.0, 33.0, 30.5, 28.0, 27.0, 26.0, 25.0, 24.0, 23.0])  # to the next up

_SPREAD_SIZE = 0.12  # of people, relative
_SPREAD_PITCH = 0.10  # of one person's, relative
_SPREAD_LENGTH = 0.11
_SPREAD_BEND_DEG = 7.5
_SPREAD_SLOPE_DEG = 14.0
_SPREAD_SACRUM_MM = 7.0

_MISSING = 3.5  # a disc between two others that was not found
_MISSING_BELOW = 3.0  # a disc below the lowest, where the image would show it
_CUT_BELOW = 1.0  # ... where it would not: lumbar protocols include the sacrum
_REMNANT = 2.0  # each level below L5/S1
_MISPLACED_BONE = 4.0  # sacrum where a vertebra should be, or the other way round
_SACRUM_ELSEWHERE = 7.0  # at most, for a sacrum at another distance than it should be
_NO_ROOM_MM = 10.0  # below a disc: the image may not show the sacrum under it
_LONELY_BONE = 3.0  # no bone below a disc that has a vertebra there
_FITS_WELL = 1.5  # cost per disc of a naming that fits
_MOST_WAYS = 2000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Naming:
    """The best naming of a chain, the lowest disc first.

    Attributes
    ----------
    levels
        ``(N,)`` level of each disc.
    sureness
        ``(N,)`` 0 to 1: share of the namings, by weight, that give the disc this level.
    relative_length
        ``(N,)`` length of each disc, relative to what is usual at its level in this person.
    relative_distance
        ``(N - 1,)`` distance to the next disc up, relative to what is usual in this person between such levels.
    six_lumbar
        How much better this naming fits a spine with six lumbar vertebrae than one with five, in units of cost.
    """

    levels: Levels
    sureness: Floats
    relative_length: Floats
    relative_distance: Floats
    six_lumbar: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Template:
    """What is usual per level from LOWEST on: length, slope ``(K,)``, and distance to the next level up."""

    length_mm: Floats
    slope_deg: Floats
    pitch_mm: Floats


_FIVE_LUMBAR = _Template(length_mm=_LENGTH_MM, slope_deg=_SLOPE_DEG, pitch_mm=_PITCH_MM)
_TWICE = 1 - LOWEST  # with six lumbar vertebrae, L4/L5 has a double above L5/S1
_SIX_LUMBAR = _Template(
    length_mm=np.insert(_LENGTH_MM, _TWICE, _LENGTH_MM[_TWICE]),
    slope_deg=np.insert(_SLOPE_DEG, _TWICE, _SLOPE_DEG[_TWICE : _TWICE + 2].mean()),
    pitch_mm=np.insert(_PITCH_MM, _TWICE, _PITCH_MM[_TWICE]),
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Chain:
    """What is measured of a chain, the lowest disc first: ``(N,)`` each; distance and bend to the next up ``(N - 1,)``.

    Bone is the share of vertebra or sacrum among points just above or below.
    """

    length_mm: Floats
    slope_deg: Floats
    distance_mm: Floats
    sacrum_above: Floats
    sacrum_below: Floats
    vertebra_below: Floats
    nothing_below: Floats


def name_chain(chain: list[Candidate], anchor: Anchor) -> Naming:
    """Return the best naming of a chain, the lowest disc first."""
    seen = _measured(chain)
    namings = _namings(seen.distance_mm)
    cost = _misfit(seen, namings, _FIVE_LUMBAR) + _missing(seen, namings, anchor) + _bone(seen, namings, anchor)
    weights = np.exp((cost.min() - cost) / _doubt(float(cost.min()), len(chain)))
    best = namings[int(cost.argmin())]
    one = best[None]
    away_distance, away_length, _ = (away[0] for away in _away_in_size(seen, one, _FIVE_LUMBAR))
    return Naming(
        levels=best,
        sureness=weights @ (namings == best) / weights.sum(),
        relative_length=np.exp(away_length),
        relative_distance=np.exp(away_distance),
        six_lumbar=float((_misfit(seen, one, _FIVE_LUMBAR) - _misfit(seen, one, _SIX_LUMBAR))[0]),
    )


def _doubt(cost: float, n_discs: int) -> float:
    """Return by how much the costs count less where even the best naming fits badly."""
    return 1.0 + max(cost - _FITS_WELL * n_discs, 0.0) / 8.0


def _measured(chain: list[Candidate]) -> _Chain:
    centres = np.array([disc.plane_mm for disc in chain])
    above, below = (np.array([getattr(disc, side) for disc in chain]) for side in ("above", "below"))
    return _Chain(
        length_mm=np.array([disc.outline.length_mm for disc in chain]),
        slope_deg=np.array([disc.outline.slope_deg for disc in chain]),
        distance_mm=np.hypot(*np.diff(centres, axis=0).T),
        sacrum_above=above[:, 4],
        sacrum_below=below[:, 4],
        vertebra_below=below[:, 1],
        nothing_below=1 - below[:, 1] - below[:, 4] - below[:, OUTSIDE],
    )


def _namings(distance_mm: Floats) -> Levels:
    """Return all namings worth a thought ``(A, N)``: levels are passed over only where the distance leaves room."""
    usual_mm = float(np.clip(np.median(distance_mm), 22.0, 42.0)) if distance_mm.size else 35.0
    steps = [[1] + [n for n in (2, 3) if mm > (n - 0.65) * usual_mm] for mm in distance_mm.tolist()]
    ways = np.array([(0, *way) for way in _product(steps)], np.intp).cumsum(axis=1)
    firsts = np.arange(LOWEST, HIGHEST)
    namings = (firsts[:, None, None] + ways).reshape(-1, ways.shape[1])
    possible: Levels = namings[namings[:, -1] <= HIGHEST]
    return possible if possible.size else (LOWEST + ways[:1]).clip(max=HIGHEST)


def _product(steps: list[list[int]]) -> list[tuple[int, ...]]:
    """Return every choice of one step each; where there are too many, no level is passed over."""
    count = int(np.prod([len(choice) for choice in steps], dtype=np.float64))
    return list(product(*(steps if count <= _MOST_WAYS else [[1]] * len(steps))))


# ------------------------------------------------------------------------------------------------ geometry
def _misfit(seen: _Chain, namings: Levels, usual: _Template) -> Floats:
    """Return what the geometry of the chain has against each naming ``(A,)``."""
    at = namings - LOWEST
    away_pitch, away_length, size = _away_in_size(seen, namings, usual)
    bend = np.diff(seen.slope_deg) - np.diff(usual.slope_deg[at], axis=1)
    slope = seen.slope_deg - usual.slope_deg[at]
    return np.asarray(
        _robust_below(away_pitch / _SPREAD_PITCH).sum(axis=1)
        + _robust(away_length / _SPREAD_LENGTH).sum(axis=1)
        + _robust(bend / _SPREAD_BEND_DEG).sum(axis=1)
        + _robust(slope.mean(axis=1) / _SPREAD_SLOPE_DEG)
        + 0.5 * (size**2).sum(axis=1) / _SPREAD_SIZE**2
    )


def _away_in_size(seen: _Chain, namings: Levels, usual: _Template) -> tuple[Floats, Floats, Floats]:
    """Return how far distances ``(A, N - 1)`` and lengths ``(A, N)`` are from usual, in logarithms, and the size.

    The person's size ``(A, 2)``, of distances and of lengths, is the mean drawn towards 0 by how much people differ.
    """
    at = namings - LOWEST
    along = np.concatenate([[0.0], usual.pitch_mm.cumsum()])
    pitch = np.log(seen.distance_mm) - np.log(np.diff(along[at], axis=1))
    length = np.log(seen.length_mm) - np.log(usual.length_mm[at])
    sizes = [
        away.sum(axis=1) / (away.shape[1] + (spread / _SPREAD_SIZE) ** 2)
        for away, spread in ((pitch, _SPREAD_PITCH), (length, _SPREAD_LENGTH))
    ]
    size = np.stack(sizes, axis=1)
    return pitch - size[:, :1], length - size[:, 1:], size


def _robust(z: Floats) -> Floats:
    """Return half of z^2 for what is usual, growing ever slower beyond: 2 log(1 + z^2 / 4)."""
    return np.asarray(2 * np.log1p(z**2 / 4))


def _robust_below(z: Floats) -> Floats:
    """Return the same for what is too small, as a broken vertebra is; too large grows on, in proportion beyond 3."""
    return np.where(z > 0, 0.5 * np.minimum(z, 3.0) ** 2 + 3.0 * np.maximum(z - 3.0, 0.0), _robust(z))


# ------------------------------------------------------------------------------------------------ bone and sacrum
def _missing(seen: _Chain, namings: Levels, anchor: Anchor) -> Floats:
    """Return what discs cost each naming ``(A,)`` that would be there and were not found, or lie below the image."""
    size = np.exp(_away_in_size(seen, namings, _FIVE_LUMBAR)[2][:, 0])
    between = namings[:, -1] - namings[:, 0] - (namings.shape[1] - 1)
    remnant = _REMNANT if anchor.is_sacrum_seen else _REMNANT + 1.0
    cost = _MISSING * between + remnant * np.maximum(-namings[:, 0], 0)
    along = np.concatenate([[0.0], _PITCH_MM.cumsum()])
    for level in range(HIGHEST):
        way_mm = size * (along[namings[:, 0] - LOWEST] - along[level - LOWEST])
        cost = cost + np.where(
            namings[:, 0] > level, np.where(way_mm < anchor.room_mm, _MISSING_BELOW, _CUT_BELOW), 0.0
        )
    return np.asarray(cost)


def _bone(seen: _Chain, namings: Levels, anchor: Anchor) -> Floats:
    """Return what vertebrae and sacrum have against each naming ``(A,)``."""
    is_sacral, is_lowest, is_upper = namings < 0, namings == 0, namings > 0
    if not anchor.is_sacrum_seen:
        against = _LONELY_BONE * is_upper * seen.nothing_below + is_lowest * seen.vertebra_below
        return np.asarray(against.sum(axis=1))
    against = _MISPLACED_BONE * (
        is_sacral * (1 - seen.sacrum_above)
        + ~is_sacral * seen.sacrum_above
        + is_lowest * seen.vertebra_below
        + is_upper * seen.sacrum_below
    )
    return np.asarray(against.sum(axis=1) + _sacrum_distance(seen, namings, anchor))


def _sacrum_distance(seen: _Chain, namings: Levels, anchor: Anchor) -> Floats:
    """Return what the distance from the lowest disc above the sacrum to the sacrum has against each naming ``(A,)``."""
    lowest = (namings >= 0).argmax(axis=1)
    level = np.maximum(namings[np.arange(len(namings)), lowest], 0)
    size = np.exp(_away_in_size(seen, namings, _FIVE_LUMBAR)[2][:, 0])
    along = np.concatenate([[0.0], _PITCH_MM.cumsum()])
    expected_mm = size * np.maximum(along[level - LOWEST] - along[-LOWEST] - 5.0 * (level > 0), 0.0)
    found_mm = np.minimum(anchor.sacrum_mm[lowest], 400.0)
    cost = np.minimum(_robust((found_mm - expected_mm) / (_SPREAD_SACRUM_MM * np.sqrt(1 + level))), _SACRUM_ELSEWHERE)
    cost = np.where((level == 0) & (anchor.room_mm < _NO_ROOM_MM), np.minimum(cost, _CUT_BELOW), cost)
    return np.where((namings >= 0).any(axis=1), cost, _SACRUM_ELSEWHERE)
