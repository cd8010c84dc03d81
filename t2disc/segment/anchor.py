"""Where the spine ends below: the sacrum under the discs, and whether a disc further down would lie in the image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from t2disc.segment.candidates import Candidate
from t2disc.segment.pieces import SliceGrid

Floats = NDArray[np.float64]

_LEAST_AREA_MM2 = 40.0  # of a body of sacrum in a slice: less is a speck
_BACKWARD = 1.2  # way backwards per way down that the sacrum lies from a disc above it, at most
_FURTHEST_MM = 130.0  # from a disc to the sacrum: three more discs would be missing
_LOWEST_DISCS = 3  # from which the sacrum is looked for: two of them may lie within it
_MARGIN_MM = 4.0  # from the image's edge, within which a disc may go unseen


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Anchor:
    """What is seen of the sacrum from each disc of a chain, the lowest disc first.

    ``sacrum_mm`` ``(N,)`` from the middle of each disc's lower border to the sacrum below it, infinite where there is
    none; ``is_sacrum_seen``; ``room_mm`` from the lowest disc to the image's edge, along its normal.
    """

    sacrum_mm: Floats
    is_sacrum_seen: bool
    room_mm: float


def find_anchor(chain: list[Candidate], structures: NDArray[np.uint8], grid: SliceGrid) -> Anchor:
    """Look for the sacrum below the discs of a chain, the lowest disc first."""
    surfaces = {x: _sacrum(structures[x], x, grid) for x in {_slice(disc, grid) for disc in chain}}
    sacrum_mm = np.array([_distance_mm(disc, surfaces[_slice(disc, grid)]) for disc in chain])
    return Anchor(
        sacrum_mm=sacrum_mm,
        is_sacrum_seen=bool(np.isfinite(sacrum_mm[:_LOWEST_DISCS]).any()),
        room_mm=_room_mm(chain[0], grid),
    )


def _slice(disc: Candidate, grid: SliceGrid) -> int:
    return int(np.clip(round(disc.x), 0, grid.shape[0] - 1))


def _sacrum(plane: NDArray[np.uint8], x: int, grid: SliceGrid) -> Floats:
    """Return the points ``(V, 2)`` of the sacrum in a slice, in mm, without specks."""
    from scipy.ndimage import label

    numbers, _ = label(plane == 4)
    large = np.bincount(numbers.ravel()) * grid.pixel_mm[0] * grid.pixel_mm[1] >= _LEAST_AREA_MM2
    large[0] = False
    return grid.plane_mm(x, np.argwhere(large[numbers]))


def _distance_mm(disc: Candidate, sacrum_mm: Floats) -> float:
    """Return how far below a disc the sacrum begins; infinite where it does not lie below."""
    outline = disc.outline
    away = sacrum_mm - (outline.centre_mm - outline.upward * outline.height_mm / 2)
    down, forward = -away @ outline.upward, away @ outline.forward
    below = (
        (down > -2.0) & (forward < 0.5 * outline.length_mm) & (-forward < 0.5 * outline.length_mm + _BACKWARD * down)
    )
    distance_mm = float(np.hypot(down, forward)[below].min()) if below.any() else np.inf
    return distance_mm if distance_mm <= _FURTHEST_MM else np.inf


def _room_mm(disc: Candidate, grid: SliceGrid) -> float:
    """Return how far one can go from a disc across it, to the feet, before the image ends."""
    steps_mm = np.arange(0.0, 400.0, 2.0)
    points = disc.plane_mm - disc.outline.upward * steps_mm[:, None]
    pixels = grid.pixels(disc.x, points)
    inside = ((pixels >= 0) & (pixels < np.array(grid.shape[1:]))).all(axis=1)
    return float(steps_mm[inside].max(initial=0.0)) - _MARGIN_MM
