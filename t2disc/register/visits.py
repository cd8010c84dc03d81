"""Where each disc of one visit lies at another: one rigid motion per disc, found there and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from t2disc.errors import NoCommonLevel, OrientationDiffers, VisitsUnalike
from t2disc.model import LEVELS, DiscMatch, MeasuredVisit, VisitMatch
from t2disc.register.context import Side, ready
from t2disc.register.contrast import Picture
from t2disc.register.doubts import has_diverged, is_perhaps_another, match_codes, share_in_field
from t2disc.register.engine import Found, find_motion
from t2disc.register.motions import Matrix, distance_mm, fit_motion, middle_of, moved, stretch
from t2disc.register.sharing import share_through_plane
from t2disc.register.whole import find_whole_motion, start_motion

LARGEST_ANGLE_DEG = 30.0
"""Slices of two visits may not stand at a greater angle to each other: thick slices then cut other tissue together."""
LEAST_ALIKE = 0.6
"""Least median correlation of the discs' contexts under which two visits are taken to show one person."""
_SLICE_LIKE = 1.5  # longest voxel edge over the middle one from which a stack has slices
_REACH_LEVELS = 0.8  # SD, in levels, of the weight that neighbours have in a disc's first guess
_N_SAMPLES = 6000  # voxels compared: all in pictures of large pixels


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Alone:
    """A disc's motion as found by itself, there and back."""

    level: str
    motion: Matrix
    correlation: float
    inverse_mm: float

    @property
    def is_lost(self) -> bool:
        """Whether the motion is not to be used."""
        return has_diverged(self.correlation, self.inverse_mm)


def match_visits(baseline: MeasuredVisit, followup: MeasuredVisit, *, n_threads: int = 1) -> VisitMatch:
    """Tell where each disc of the baseline lies at the follow-up, so that both are measured in the same place.

    One rigid motion for the whole spine is found first, from the named levels; then one for each disc with half a
    vertebra above and below, its nucleus left out of the comparison. Each is found twice, baseline to follow-up and
    follow-up to baseline, and the middle of both is taken, so that neither visit is favoured. What thick slices see
    poorly - the way across slices and turns out of the slice plane - is shared by all discs.

    Parameters
    ----------
    baseline, followup
        Each with ``t2map`` and ``discs`` on its own grid ``(X, Y, Z)``; the grids need not agree.
    n_threads
        Discs matched at the same time; the result is the same for any number.

    Returns
    -------
    VisitMatch
        A motion ``(4, 4)`` in RAS+ mm for every level found at both visits, with what speaks against it. A disc whose
        own motion cannot be found takes that of its neighbours and says so.

    Raises
    ------
    MatchError
        ``no-common-level``, ``orientation-differs``, ``levels-slipped`` or ``visits-unalike``: the two visits cannot
        be compared disc by disc.
    """
    _require_one_orientation(baseline, followup)
    common = [level for level in LEVELS if level in baseline.discs.levels and level in followup.discs.levels]
    if not common:
        raise NoCommonLevel(f"discs {_listed(baseline)} at baseline and {_listed(followup)} at follow-up")
    with ThreadPoolExecutor(max_workers=n_threads) as pool:
        before, after = pool.map(ready, (baseline, followup))
        whole = find_whole_motion(before, after)
        alone = list(pool.map(lambda level: _match_disc(level, before, after, whole.motion, common), common))
    _require_alike(alone)
    joined, away_mm = _agreed(alone, whole.motion, before)
    is_other = is_perhaps_another(_median_correlation(alone), _stretch(alone, joined, before))
    missing = {*baseline.discs.levels} ^ {*followup.discs.levels}
    return VisitMatch(
        motion=whole.motion,
        correlation=whole.correlation,
        discs=tuple(
            _disc_match(disc, motion, float(away), before, followup, is_other=is_other)
            for disc, motion, away in zip(alone, joined, away_mm, strict=True)
        ),
        missing=tuple(level for level in LEVELS if level in missing),
    )


def _listed(visit: MeasuredVisit) -> str:
    return ", ".join(visit.discs.levels) or "none"


def _require_one_orientation(baseline: MeasuredVisit, followup: MeasuredVisit) -> None:
    """Refuse stacks whose slices stand at a wide angle to each other; cubic voxels have no slices."""
    one, other = (_slice_normal(visit.discs.affine) for visit in (baseline, followup))
    if one is None or other is None:
        return
    angle_deg = float(np.rad2deg(np.arccos(min(abs(float(one @ other)), 1.0))))
    if angle_deg > LARGEST_ANGLE_DEG:
        raise OrientationDiffers(f"slices at {angle_deg:.0f} degrees to those of the baseline")


def _slice_normal(affine: Matrix) -> Matrix | None:
    """Return the unit direction ``(3,)`` in which voxels are clearly longest; ``None`` where there is none."""
    size_mm = np.linalg.norm(affine[:3, :3], axis=0)
    thick = int(size_mm.argmax())
    if size_mm[thick] < _SLICE_LIKE * np.median(size_mm):
        return None
    return np.asarray(affine[:3, thick] / size_mm[thick])


def _require_alike(discs: Sequence[_Alone]) -> None:
    """Refuse two visits whose bones do not look alike wherever they are laid."""
    median = _median_correlation(discs)
    if median < LEAST_ALIKE:
        raise VisitsUnalike(f"bones and annuli that correlate by {median:.2f} (median of {len(discs)} discs)")


def _median_correlation(discs: Sequence[_Alone]) -> float:
    return float(np.median([np.nan_to_num(disc.correlation) for disc in discs]))


def _stretch(alone: Sequence[_Alone], motions: Sequence[Matrix], before: Side) -> float:
    """Return how many times longer the ways between the discs that were found are at the follow-up."""
    sound = [(before.centre_mm(d.level), motion) for d, motion in zip(alone, motions, strict=True) if not d.is_lost]
    middles = np.array([centre for centre, _ in sound]).reshape(-1, 3)
    return stretch(middles, np.array([moved(motion, centre[None])[0] for centre, motion in sound]).reshape(-1, 3))


def _match_disc(level: str, before: Side, after: Side, whole: Matrix, common: Sequence[str]) -> _Alone:
    """Find the motion of one disc there and back, each for itself."""
    starts = (_start(level, before, after, common), whole)
    there = _search(level, before, after, starts)
    back = _search(level, after, before, [np.linalg.inv(start) for start in starts])
    returned = np.linalg.inv(back.motion)
    return _Alone(
        level=level,
        motion=middle_of(there.motion, returned, before.centre_mm(level)),
        correlation=min(there.correlation, back.correlation),
        inverse_mm=distance_mm(there.motion, returned, before.points_mm[level]),
    )


def _start(level: str, before: Side, after: Side, common: Sequence[str]) -> Matrix:
    """Return a first guess from the middles of the disc and, with less weight, of its neighbours."""
    away = np.array([LEVELS.index(other) - LEVELS.index(level) for other in common]) / _REACH_LEVELS
    return start_motion(before, after, [(other, other) for other in common], np.exp(-(away**2) / 2))


def _search(level: str, fixed: Side, moving: Side, starts: Sequence[Matrix]) -> Found:
    """Search from every start in ever sharper pictures, and from the best of their ends in the sharpest."""
    where, centre_mm = fixed.contexts[level], fixed.centre_mm(level)

    def find(one: Picture, other: Picture, start: Matrix, n_samples: int) -> Found:
        return find_motion(one, other, where, start, centre_mm, n_samples=n_samples)

    blurred = [find(fixed.blurred, moving.blurred, start, _N_SAMPLES) for start in starts]
    coarse = [find(fixed.coarse, moving.coarse, found.motion, _N_SAMPLES) for found in blurred]
    best = max(coarse, key=lambda found: np.nan_to_num(found.correlation, nan=-1.0))
    return find(fixed.fine, moving.fine, best.motion, _N_SAMPLES)


def _agreed(alone: Sequence[_Alone], whole: Matrix, before: Side) -> tuple[list[Matrix], NDArray[np.float64]]:
    """Return the discs' motions with one through-plane motion for all, and how far each by itself lay from it, mm.

    A disc that is lost follows its neighbours.
    """
    sound = [disc for disc in alone if not disc.is_lost]
    centres_mm = np.array([before.centre_mm(disc.level) for disc in sound]).reshape(-1, 3)
    common = _common_motion(sound, before) if sound else whole
    shared, away_mm = share_through_plane([disc.motion for disc in sound], common, centres_mm, before.frame)
    found = {disc.level: motion for disc, motion in zip(sound, shared, strict=True)}
    away = {disc.level: float(mm) for disc, mm in zip(sound, away_mm, strict=True)}
    motions = [found.get(disc.level, _as_neighbours(disc.level, found, whole, before)) for disc in alone]
    return motions, np.array([away.get(disc.level, np.nan) for disc in alone])


def _common_motion(sound: Sequence[_Alone], before: Side) -> Matrix:
    """Return the one rigid motion closest to what the discs do, each by itself."""
    points_mm = [before.points_mm[disc.level] for disc in sound]
    aims_mm = [moved(disc.motion, points) for disc, points in zip(sound, points_mm, strict=True)]
    return fit_motion(np.concatenate(points_mm), np.concatenate(aims_mm))


def _as_neighbours(level: str, found: Mapping[str, Matrix], whole: Matrix, before: Side) -> Matrix:
    """Return the rigid motion that follows those of the discs nearest by; the whole spine's where there is none."""
    if not found:
        return whole
    away = {other: abs(LEVELS.index(other) - LEVELS.index(level)) for other in found}
    nearest = [motion for other, motion in found.items() if away[other] == min(away.values())]
    points_mm = before.points_mm[level]
    return fit_motion(points_mm, np.mean([moved(motion, points_mm) for motion in nearest], axis=0))


def _disc_match(
    disc: _Alone, motion: Matrix, away_mm: float, before: Side, followup: MeasuredVisit, *, is_other: bool
) -> DiscMatch:
    """Return what is known of a disc's match."""
    aim_mm = moved(motion, before.points_mm[disc.level])
    codes = match_codes(
        correlation=disc.correlation,
        inverse_mm=disc.inverse_mm,
        through_plane_mm=away_mm,
        in_field=share_in_field(aim_mm, followup.discs.affine, followup.discs.shape),
        is_fallback=disc.is_lost,
        is_other=is_other,
    )
    return DiscMatch(
        level=disc.level,
        motion=motion,
        correlation=disc.correlation,
        inverse_mm=disc.inverse_mm,
        through_plane_mm=away_mm,
        is_fallback=disc.is_lost,
        codes=tuple(codes),
    )
