"""From a map of structures to named discs: pieces joined in three dimensions, ordered along the spine, named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2disc.errors import ArgumentInvalid
from t2disc.model import DiscLabels
from t2disc.model.grids import anatomical_axes
from t2disc.model.review import ReviewCode, ReviewReason
from t2disc.segment.anchor import find_anchor
from t2disc.segment.candidates import find_candidates
from t2disc.segment.chain import find_chain
from t2disc.segment.doubts import NamedSpine, confidence_of, doubts_about, outline_sureness
from t2disc.segment.naming import name_chain
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
    """Find the lumbar discs in a map of structures and name them from the sacrum upwards.

    Every disc that is named has a confidence, and whatever speaks against a name or an outline is said in ``reasons``.
    Without ribs nobody can count from above: that a spine has four or six lumbar vertebrae is noticed only where its
    shape says so, and names then still count from the sacrum.

    Parameters
    ----------
    structures
        ``(X, Y, Z)`` values of :class:`~t2disc.segment.network.Structure`, on sagittal slices.
    affine
        ``(4, 4)`` voxel index to RAS+ mm; the axes may run any way.
    disc_probability
        ``(X, Y, Z)`` 0 to 1; taken for sure when left out.

    Returns
    -------
    NamedDiscs
        The discs of T12/L1 to L5/S1 that were found; none is an answer too.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: not a volume, or probabilities of another shape.
    """
    _require_volumes(structures, disc_probability)
    discs = np.zeros(structures.shape, np.uint8)
    seen, grid = _as_seen(structures, affine), _grid(structures.shape, affine)
    tracks = join_pieces(find_pieces(seen == 2, grid), grid)
    chain = find_chain(find_candidates(tracks, seen, grid), seen, grid)[::-1]
    if not chain:
        nothing = ReviewReason(code=ReviewCode.NO_DISC_FOUND, detail="no disc with vertebrae beside it was found")
        return NamedDiscs(discs=discs, levels=(), confidences=(), reasons=(nothing,))
    anchor = find_anchor(chain, seen, grid)
    probability = None if disc_probability is None else _as_seen(disc_probability, affine)
    naming = name_chain(chain, anchor)
    spine = NamedSpine(
        chain=tuple(chain),
        anchor=anchor,
        naming=naming,
        outline_sureness=outline_sureness(chain, naming, probability),
    )
    _paint(_as_seen(discs, affine), spine)
    return NamedDiscs(
        discs=discs,
        levels=spine.named_levels,
        confidences=tuple(confidence_of(spine, level) for level in spine.named_levels),
        reasons=doubts_about(spine),
    )


def _require_volumes(structures: NDArray[np.uint8], disc_probability: NDArray[np.floating] | None) -> None:
    if structures.ndim != 3 or 0 in structures.shape:
        raise ArgumentInvalid(f"structures of shape {structures.shape}", expected="a volume (X, Y, Z)")
    if disc_probability is not None and disc_probability.shape != structures.shape:
        raise ArgumentInvalid(
            f"probabilities of shape {disc_probability.shape}", expected=f"that of the structures, {structures.shape}"
        )


def _paint(discs: NDArray[np.uint8], spine: NamedSpine) -> None:
    """Write the value of each named disc into its voxels."""
    for level in spine.named_levels:
        discs[spine.disc(level).track.index] = DiscLabels.value_of(level)


def _as_seen(volume: NDArray[Any], affine: NDArray[np.float64]) -> NDArray[Any]:
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
