"""The one motion that fits all discs best; with it, whether both visits count their levels from the same one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from t2disc.errors import LevelsSlipped
from t2disc.model import LEVELS
from t2disc.register.context import Side
from t2disc.register.engine import Found, find_motion
from t2disc.register.motions import Matrix, fit_motion

_N_SAMPLES = 6000
_ASIDE_MM = 20.0
_CLEARLY = 0.1  # in correlation; rightly named levels lay 0.37 and more above slipped ones
_FITS = 0.5  # from which correlation a slipped pairing is taken to be the right one


def find_whole_motion(before: Side, after: Side) -> Found:
    """Return the rigid motion from baseline to follow-up under which all discs' contexts correlate best.

    It starts from the named levels; and, in case a numbering slipped, from levels paired one higher and one lower.

    Raises
    ------
    LevelsSlipped
        ``levels-slipped``: the images fit clearly better with the levels of one visit moved up or down by one.
    """
    as_named = _with_slip(0, before, after)
    for slip in (-1, 1):
        slipped = _with_slip(slip, before, after)
        if slipped.correlation > max(_FITS, np.nan_to_num(as_named.correlation) + _CLEARLY):
            raise LevelsSlipped(
                f"images that fit with correlation {slipped.correlation:.2f} when the follow-up's levels are moved "
                f"{'down' if slip < 0 else 'up'} by one, and {as_named.correlation:.2f} as they are named"
            )
    return as_named


def _with_slip(slip: int, before: Side, after: Side) -> Found:
    """Return the motion found when each level of the baseline is taken for the ``slip``-th below it."""
    pairs = [
        (level, other)
        for level in before.levels
        if (other := _neighbour(level, slip)) is not None and other in after.points_mm
    ]
    if not pairs:
        return Found(motion=np.eye(4), correlation=np.nan)
    start = start_motion(before, after, pairs)
    centre_mm = np.mean([before.centre_mm(level) for level, _ in pairs], axis=0)
    where = np.any([before.contexts[level] for level, _ in pairs], axis=0)
    return find_motion(before.blurred, after.blurred, where, start, centre_mm, n_samples=_N_SAMPLES)


def _neighbour(level: str, slip: int) -> str | None:
    place = LEVELS.index(level) + slip
    return LEVELS[place] if 0 <= place < len(LEVELS) else None


def start_motion(before: Side, after: Side, pairs: Sequence[tuple[str, str]], weights: Matrix | None = None) -> Matrix:
    """Return the rigid motion between the middles of discs that are taken for each other; a mere shift for one disc.

    Discs lie nearly in a line, which leaves the turn about it open. Each brings a point beside it along, to its left
    and right by the slices' normal: the patient is taken to lie as much on the side as before.

    Parameters
    ----------
    before, after
        Both visits.
    pairs
        Levels at baseline and at follow-up.
    weights
        One per pair; alike when left out.
    """
    before_mm, after_mm = (
        np.array([side.centre_mm(pair[place]) for pair in pairs]) for place, side in enumerate((before, after))
    )
    if len(pairs) < 2:
        out = np.eye(4)
        out[:3, 3] = after_mm[0] - before_mm[0]
        return out
    aside_mm = [_ASIDE_MM * side.frame[:, 0] for side in (before, after)]
    points, aims = (
        np.concatenate([middles - way, middles + way])
        for middles, way in zip((before_mm, after_mm), aside_mm, strict=True)
    )
    return fit_motion(points, aims, None if weights is None else np.tile(weights, 2))
