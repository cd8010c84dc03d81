"""Discs in three dimensions: pieces of neighbouring slices that continue one another, and halves of a broken disc."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from t2disc.segment.pieces import Outline, Piece, SliceGrid, measure_outline

Floats = NDArray[np.float64]

_REACH_MM = 10.0  # slices in which a disc was missed are bridged within this distance
_REACH_SLICES = 2  # ... and at least so many slices
_ACROSS_MM = 4.5  # between the centres of two pieces of one disc, across it
_TILT_MM = 0.45  # the same, more for every mm between slices: a disc tilted sideways by 24 degrees
_SAME_SLICE_ACROSS_MM = 6.0
_GAP_MM = 4.0  # along the disc, between pieces of neighbouring slices
_BROKEN_GAP_MM = 14.0  # ... between halves in one slice
_LONGEST_MM = 58.0  # no disc is longer from front to back
_FLAT = 0.5  # elongation from which a piece tells the slope
_ROUND_SIZE_MM = 14.0  # shorter pieces do not tell it either


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Track:
    """One body of disc voxels through the slices: ``slices`` ``(S,)``, per slice its pixels and its outline."""

    slices: NDArray[np.intp]
    pixels: tuple[NDArray[np.intp], ...]
    outlines: tuple[Outline, ...]
    is_on_edge: bool

    @property
    def weights(self) -> Floats:
        """Area ``(S,)`` in mm^2 of each slice."""
        return np.array([outline.area_mm2 for outline in self.outlines])

    @property
    def index(self) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
        """Index arrays of all voxels in a volume ``(X, Y, Z)``."""
        x = np.repeat(self.slices, [len(pixels) for pixels in self.pixels])
        y, z = np.concatenate(self.pixels).T
        return x, y, z


def join_pieces(pieces: list[Piece], grid: SliceGrid) -> list[Track]:
    """Join pieces to discs, nearest slices first, never two that lie one above the other in a slice."""
    clusters = _Clusters(pieces)
    for one, other in _links(pieces, grid):
        clusters.join(one, other)
    return [_track(members, grid) for members in clusters.members()]


def _links(pieces: list[Piece], grid: SliceGrid) -> list[tuple[int, int]]:
    """Return pairs of pieces that may belong to one disc, the surest first."""
    if len(pieces) < 2:
        return []
    x = np.array([piece.x for piece in pieces])
    first, second = np.triu_indices(len(pieces), 1)
    near = np.abs(x[first] - x[second]) <= max(_REACH_SLICES, round(_REACH_MM / grid.slice_mm))
    first, second = first[near], second[near]
    lag_mm = np.abs(x[first] - x[second]) * grid.slice_mm
    across_mm, gap_mm, together_mm = _apart(pieces, first, second)
    in_one_slice = lag_mm == 0
    most_across = np.where(in_one_slice, _SAME_SLICE_ACROSS_MM, _ACROSS_MM + _TILT_MM * lag_mm)
    fits = (across_mm <= most_across) & (gap_mm <= np.where(in_one_slice, _BROKEN_GAP_MM, _GAP_MM))
    fits &= ~in_one_slice | (together_mm <= _LONGEST_MM)
    first, second = first[fits], second[fits]
    cost = lag_mm + across_mm + gap_mm + 4.0 * in_one_slice
    order = np.argsort(cost[fits], kind="stable")
    return list(zip(first[order].tolist(), second[order].tolist(), strict=True))


def _apart(pieces: list[Piece], first: NDArray[np.intp], second: NDArray[np.intp]) -> tuple[Floats, Floats, Floats]:
    """Return how far pairs of pieces lie apart across the disc, the gap along it, and their length together, in mm.

    The slope is that of the longer, flatter piece of the two.
    """
    centre = np.array([piece.outline.centre_mm for piece in pieces])
    length = np.array([piece.outline.length_mm for piece in pieces])
    slope = np.deg2rad([piece.outline.slope_deg if _tells_slope(piece.outline) else 0.0 for piece in pieces])
    trust = length * [_tells_slope(piece.outline) for piece in pieces]
    angle = np.where(trust[first] >= trust[second], slope[first], slope[second])
    away = centre[second] - centre[first]
    along_mm = np.abs(away[:, 0] * np.cos(angle) - away[:, 1] * np.sin(angle))
    across_mm = np.abs(away[:, 0] * np.sin(angle) + away[:, 1] * np.cos(angle))
    half_mm = (length[first] + length[second]) / 2
    together_mm = np.maximum(along_mm + half_mm, np.maximum(length[first], length[second]))
    return across_mm, np.maximum(along_mm - half_mm, 0), together_mm


def _tells_slope(outline: Outline) -> bool:
    return outline.elongation >= _FLAT and outline.length_mm >= _ROUND_SIZE_MM


class _Clusters:
    """Pieces joined pair by pair; a pair is refused where its discs would lie one above the other in a slice."""

    def __init__(self, pieces: list[Piece]) -> None:
        self._pieces = pieces
        self._owner = list(range(len(pieces)))
        self._members = {number: [number] for number in self._owner}

    def join(self, one: int, other: int) -> None:
        """Join the clusters of two pieces unless they contradict each other."""
        keep, leave = sorted((self._owner[one], self._owner[other]))
        if keep == leave or not self._agree(keep, leave):
            return
        for number in self._members[leave]:
            self._owner[number] = keep
        self._members[keep] += self._members.pop(leave)

    def members(self) -> list[list[Piece]]:
        """Return the pieces of each cluster."""
        return [[self._pieces[number] for number in sorted(numbers)] for numbers in self._members.values()]

    def _agree(self, keep: int, leave: int) -> bool:
        """Whether no slice holds pieces of both that are too far apart for halves of one disc."""
        by_slice: dict[int, list[int]] = {}
        for number in self._members[keep]:
            by_slice.setdefault(self._pieces[number].x, []).append(number)
        pairs = [(mine, number) for number in self._members[leave] for mine in by_slice.get(self._pieces[number].x, ())]
        if not pairs:
            return True
        first, second = np.array(pairs).T
        across_mm, gap_mm, together_mm = _apart(self._pieces, first, second)
        return bool(
            (across_mm <= _SAME_SLICE_ACROSS_MM).all()
            and (gap_mm <= 2 * _BROKEN_GAP_MM).all()
            and (together_mm <= _LONGEST_MM).all()
        )


def _track(members: list[Piece], grid: SliceGrid) -> Track:
    slices = sorted({piece.x for piece in members})
    pixels, outlines = [], []
    for x in slices:
        here = [piece for piece in members if piece.x == x]
        pixels.append(np.concatenate([piece.pixels for piece in here]))
        together = len(here) > 1
        outlines.append(measure_outline(grid.plane_mm(x, pixels[-1]), grid.pixel_mm) if together else here[0].outline)
    return Track(
        slices=np.array(slices, np.intp),
        pixels=tuple(pixels),
        outlines=tuple(outlines),
        is_on_edge=any(piece.is_on_edge for piece in members),
    )
