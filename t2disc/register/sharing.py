"""Through-plane motion, shared by all discs: slices of several millimetres see it poorly in a single one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from t2disc.register.motions import Matrix, about

_MM_PER_RAD = 20.0  # a turn weighs as the way of a point so far from the disc's middle
_ROUNDS = 20
_TOLERATED_MM = 0.5  # beyond it a disc's say counts less and less (Huber)
_ASTRAY_MM = 2.0  # beyond it, and once the others agree, next to nothing (biweight)
_LEAST_WEIGHT = 1e-3  # so that discs which all contradict each other count alike
LEAST_DISCS = 3


def share_through_plane(
    motions: Sequence[Matrix], whole: Matrix, centres_mm: Matrix, frame: Matrix
) -> tuple[list[Matrix], NDArray[np.float64]]:
    """Give all discs of a visit one through-plane motion, and leave each its own motion within the slice plane.

    Relative to the whole spine's motion each disc has a way ``d`` along the slice normal ``n`` and turns ``a``, ``b``
    about the two axes in the plane. One small rigid motion is to explain those of all discs:
    ``d(x) = d0 + a y_b - b y_a`` at the disc's place ``y``, ``a`` and ``b`` alike for all. It is fitted with Huber's
    weights, then from there with Tukey's biweight, so that a single disc gone astray carries no other along.

    Parameters
    ----------
    motions
        One ``(4, 4)`` per disc, baseline to follow-up, RAS+ mm.
    whole
        ``(4, 4)`` of the whole spine.
    centres_mm
        ``(N, 3)`` middles of the discs at baseline.
    frame
        ``(3, 3)`` unit vectors in its columns: the slice normal, then two in the slice plane; of either hand.

    Returns
    -------
    tuple
        The motions with the shared part put in, and ``(N,)`` how far each disc's own lies from it, mm. With fewer than
        three discs there is nothing to share: the motions as they are, and 0.

    Source: Huber 1964, Ann Math Stat 35:73; Beaton and Tukey 1974, Technometrics 16:147 (weights).
    """
    if len(motions) < LEAST_DISCS:
        return list(motions), np.zeros(len(motions))
    frame = frame * (1, 1, np.sign(np.linalg.det(frame)))  # right-handed, as turns are
    own = [_parts(motion, whole, centre, frame) for motion, centre in zip(motions, centres_mm, strict=True)]
    places = (centres_mm - centres_mm.mean(axis=0)) @ frame
    design = np.stack([_design(place) for place in places])
    seen = np.stack([_through_plane(part) for part in own])
    shared = _fit_robustly(design, seen)
    predicted = design @ shared
    away_mm = np.linalg.norm(seen - predicted, axis=1)
    joined = [
        _joined(part, through, whole, centre, frame)
        for part, through, centre in zip(own, predicted, centres_mm, strict=True)
    ]
    return joined, away_mm


def _parts(motion: Matrix, whole: Matrix, centre_mm: Matrix, frame: Matrix) -> Matrix:
    """Return a disc's motion after the whole one as (3 turns in rad, 3 ways in mm) along the frame, at its middle."""
    rest = about(np.linalg.inv(whole) @ motion, centre_mm)
    turn = Rotation.from_matrix(rest[:3, :3]).as_rotvec()
    return np.concatenate([turn @ frame, rest[:3, 3] @ frame])


def _through_plane(part: Matrix) -> Matrix:
    """Return the way along the normal, and both turns out of the plane as ways, mm."""
    return np.array([part[3], part[1] * _MM_PER_RAD, part[2] * _MM_PER_RAD])


def _design(place: Matrix) -> Matrix:
    """Return ``(3, 3)``: what a shared way and two shared turns (as ways) do at a place along the frame."""
    _, a, b = place / _MM_PER_RAD
    return np.array([[1.0, b, -a], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])


def _fit_robustly(design: Matrix, seen: Matrix) -> Matrix:
    """Return the shared motion ``(3,)`` by least squares with weights that fall where a disc lies far off."""
    weights = np.ones(len(seen))
    shared = np.zeros(3)
    for weigh in (_huber,) * _ROUNDS + (_biweight,) * _ROUNDS:
        root = np.sqrt(weights)[:, None]
        shared = np.linalg.lstsq((design * root[..., None]).reshape(-1, 3), (seen * root).ravel(), rcond=None)[0]
        away_mm = np.linalg.norm(seen - design @ shared, axis=1)
        weights = weigh(away_mm)
    return shared


def _huber(away_mm: Matrix) -> Matrix:
    return np.asarray(_TOLERATED_MM / np.maximum(away_mm, _TOLERATED_MM))


def _biweight(away_mm: Matrix) -> Matrix:
    return np.asarray(np.maximum(np.maximum(1 - (away_mm / _ASTRAY_MM) ** 2, 0) ** 2, _LEAST_WEIGHT))


def _joined(part: Matrix, through: Matrix, whole: Matrix, centre_mm: Matrix, frame: Matrix) -> Matrix:
    """Return the motion with a disc's own turn and ways in plane, and the shared ones through it."""
    turn = frame @ np.array([part[0], through[1] / _MM_PER_RAD, through[2] / _MM_PER_RAD])
    rest = np.eye(4)
    rest[:3, :3] = Rotation.from_rotvec(turn).as_matrix()
    rest[:3, 3] = frame @ np.array([through[0], part[4], part[5]])
    return np.asarray(whole @ about(rest, -centre_mm))
