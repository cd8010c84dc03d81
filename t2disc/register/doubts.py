"""What speaks against the match of a disc, and when its own motion is not to be used at all."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from t2disc.model import MatchCode

LEAST_CORRELATION = 0.5
"""Below it the two pictures do not show the same thing."""
LARGEST_INVERSE_MM = 1.0
"""Beyond it the way there and the way back have not found the same place."""
_GOOD_CORRELATION = 0.7  # the least of 240 simulated discs was 0.8; see docs/decisions/0012
_GOOD_INVERSE_MM = 0.4
_GOOD_THROUGH_PLANE_MM = 1.0
_LEAST_IN_FIELD = 0.95  # of the disc
_SURELY_ALIKE = 0.8  # median of the discs' correlations; of one person 0.84 and more in simulated pairs
_SURELY_AS_LONG = 0.01  # of 1; from disc to disc one person's bones keep their length to 0.003 in simulated pairs


def has_diverged(correlation: float, inverse_mm: float) -> bool:
    """Tell whether a disc's own motion is not to be used: nothing alike, or another place there than back."""
    return not (correlation >= LEAST_CORRELATION and inverse_mm <= LARGEST_INVERSE_MM)


def is_perhaps_another(correlation: float, stretch: float) -> bool:
    """Tell whether two visits may show two persons: bones not quite alike, or spines of another length.

    ``correlation`` is the discs' median; ``stretch`` how many times longer the way from one disc's middle to the next
    is at the other visit, where it changed least (NaN: not known). Bending leaves it as it is, and a disc that lost
    height changes only the ways to itself; bodies differ.
    """
    return correlation < _SURELY_ALIKE or abs(stretch - 1) > _SURELY_AS_LONG


def match_codes(
    *,
    correlation: float,
    inverse_mm: float,
    through_plane_mm: float,
    in_field: float,
    is_fallback: bool,
    is_other: bool = False,
) -> Iterator[MatchCode]:
    """Yield what speaks against a disc's match.

    ``in_field`` is the share of the disc that the other visit shows; ``is_other`` whether it may be another person's.
    """
    if is_other:
        yield MatchCode.PERHAPS_ANOTHER
    if in_field < _LEAST_IN_FIELD:
        yield MatchCode.OUT_OF_FIELD
    if is_fallback:
        yield MatchCode.DIVERGED
        return
    if correlation < _GOOD_CORRELATION:
        yield MatchCode.POOR_FIT
    if inverse_mm > _GOOD_INVERSE_MM:
        yield MatchCode.INCONSISTENT
    if through_plane_mm > _GOOD_THROUGH_PLANE_MM:
        yield MatchCode.THROUGH_PLANE_UNSURE


def share_in_field(points_mm: NDArray[np.float64], affine: NDArray[np.float64], shape: tuple[int, ...]) -> float:
    """Return the share of points ``(V, 3)``, RAS+ mm, that lie within a grid."""
    inverse = np.linalg.inv(affine)
    places = points_mm @ inverse[:3, :3].T + inverse[:3, 3]
    inside = ((places >= -0.5) & (places <= np.array(shape) - 0.5)).all(axis=1)
    return float(inside.mean())
