"""From a map of structures to named discs: pieces joined in three dimensions, ordered along the spine, named."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from t2disc.model import LEVELS, DiscLabels
from t2disc.model.grids import anatomical_axes
from t2disc.model.review import ReviewCode, ReviewReason
from t2disc.segment.candidates import Candidate, find_candidates
from t2disc.segment.chain import find_chain
from t2disc.segment.pieces import SliceGrid, find_pieces
from t2disc.segment.tracks import join_pieces


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NamedDiscs:
    """Discs with their names, and how sure both are.

    ``discs`` ``(X, Y, Z)`` uint8 with the values of :meth:`DiscLabels.value_of`; ``levels`` from superior to inferior,
    each with a number 0 to 1 in ``confidences``; ``reasons`` why a reader should look.
    """

    discs: NDArray[np.uint8]
    levels: tuple[str, ...]
    confidences: tuple[float, ...]
    reasons: tuple[ReviewReason, ...]


def name_discs(
    structures: NDArray[np.uint8],
    affine: NDArray[np.float64],
    *,
    disc_probability: NDArray[np.floating] | None = None,
) -> NamedDiscs:
    """Find the lumbar discs in a map of structures and name them from the sacrum upwards."""
    values = np.zeros(structures.shape, np.uint8)
    seen, grid, put = _as_seen(structures, affine), _grid(structures.shape, affine), _as_seen(values, affine)
    pieces = find_pieces(seen == 2, grid)
    chain = find_chain(find_candidates(join_pieces(pieces, grid), seen, grid), seen, grid)
    reasons: list[ReviewReason] = []
    if not chain:
        reasons.append(ReviewReason(code=ReviewCode.NO_DISC_FOUND, detail="no disc between two vertebrae"))
    if not (structures == 4).any():
        reasons.append(ReviewReason(code=ReviewCode.SACRUM_NOT_SEEN, detail="named from the lowest disc"))
    while len(chain) > 1 and chain[-1].above[4] > 0.5:
        chain = chain[:-1]
    named = dict(zip(reversed(LEVELS), reversed(chain), strict=False))
    levels = tuple(level for level in LEVELS if level in named)
    for level in levels:
        put[named[level].track.index] = DiscLabels.value_of(level)
    return NamedDiscs(
        discs=values,
        levels=levels,
        confidences=tuple(0.5 for _ in levels),
        reasons=tuple(reasons),
    )


def _as_seen(volume: NDArray[np.uint8], affine: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return a view of a volume whose axes run to the right, forward and up, as nearly as may be."""
    axes = anatomical_axes(affine)
    return volume.transpose(axes)[tuple(slice(None, None, _sign(affine, way, axis)) for way, axis in enumerate(axes))]


def _sign(affine: NDArray[np.float64], way: int, axis: int) -> int:
    return 1 if affine[way, axis] >= 0 else -1


def _grid(shape: tuple[int, ...], affine: NDArray[np.float64]) -> SliceGrid:
    """Return the grid of the volume as seen."""
    axes = anatomical_axes(affine)
    seen = np.array(affine[:, [*axes, 3]], np.float64)
    for way, axis in enumerate(axes):
        if _sign(affine, way, axis) < 0:
            seen[:, 3] += seen[:, way] * (shape[axis] - 1)
            seen[:, way] *= -1
    right, forward, up = (shape[axis] for axis in axes)
    return SliceGrid(shape=(right, forward, up), affine=seen)
