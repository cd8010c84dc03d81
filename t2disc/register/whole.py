"""The one motion that fits all discs best; with it, whether both visits count their levels from the same one."""

from __future__ import annotations

import numpy as np

from t2disc.errors import LevelsSlipped
from t2disc.model import LEVELS
from t2disc.register.context import Side
from t2disc.register.engine import Found, find_motion
from t2disc.register.motions import Matrix, fit_motion

_SMOOTH_MM = 3.0
_N_SAMPLES = 6000
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
    pairs = [(level, other) for level in before.levels if (other := _neighbour(level, slip)) in after.points_mm]
    if not pairs:
        return Found(motion=np.eye(4), correlation=np.nan)
    middles = np.array([before.centre_mm(level) for level, _ in pairs])
    start = start_motion(middles, np.array([after.centre_mm(level) for _, level in pairs]))
    where = np.any([before.contexts[level] for level, _ in pairs], axis=0)
    fixed, moving = (side.fine.smoothed(_SMOOTH_MM) for side in (before, after))
    return find_motion(fixed, moving, where, start, middles.mean(axis=0), n_samples=_N_SAMPLES)


def _neighbour(level: str, slip: int) -> str | None:
    place = LEVELS.index(level) + slip
    return LEVELS[place] if 0 <= place < len(LEVELS) else None


def start_motion(before_mm: Matrix, after_mm: Matrix, weights: Matrix | None = None) -> Matrix:
    """Return the motion between the middles of discs ``(N, 3)``; a mere shift where there are fewer than three."""
    if len(before_mm) > 2:
        return fit_motion(before_mm, after_mm, weights)
    out = np.eye(4)
    out[:3, 3] = (after_mm - before_mm).mean(axis=0)
    return out
