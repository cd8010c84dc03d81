"""Rigid motions as matrices: the best one between points, the middle of two, and their parts in and through plane."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

Matrix = NDArray[Any]  # of float64

_LEAST_POINTS = 4


def moved(motion: Matrix, points_mm: Matrix) -> Matrix:
    """Return points ``(V, 3)`` after a motion ``(4, 4)``."""
    out: Matrix = points_mm @ motion[:3, :3].T + motion[:3, 3]
    return out


def fit_motion(before_mm: Matrix, after_mm: Matrix, weights: Matrix | None = None) -> Matrix:
    """Return the rigid motion ``(4, 4)`` that carries points ``(N, 3)`` closest to others, in the least-squares sense.

    Source: Arun, Huang and Blostein 1987 (IEEE PAMI 9:698); the determinant as in Umeyama 1991.
    """
    share = np.ones(len(before_mm)) if weights is None else weights
    share = share / share.sum()
    middle, aim = share @ before_mm, share @ after_mm
    u, _, vt = np.linalg.svd((before_mm - middle).T @ ((after_mm - aim) * share[:, None]))
    flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(vt.T @ u.T))])
    out = np.eye(4)
    out[:3, :3] = vt.T @ flip @ u.T
    out[:3, 3] = aim - out[:3, :3] @ middle
    return out


def middle_of(one: Matrix, other: Matrix, centre_mm: Matrix) -> Matrix:
    """Return the motion halfway between two, at a point ``(3,)`` of the space they start from."""
    rest = np.linalg.inv(one) @ other  # small, in the space before the motion
    rest = about(rest, centre_mm)
    half = np.eye(4)
    half[:3, :3] = Rotation.from_rotvec(Rotation.from_matrix(rest[:3, :3]).as_rotvec() / 2).as_matrix()
    half[:3, 3] = rest[:3, 3] / 2
    return one @ about(half, -centre_mm)


def about(motion: Matrix, centre_mm: Matrix) -> Matrix:
    """Return a motion as seen from a centre: the same turn, and how far the centre itself goes."""
    out = motion.copy()
    out[:3, 3] = motion[:3, 3] + motion[:3, :3] @ centre_mm - centre_mm
    return out


def stretch(before_mm: Matrix, after_mm: Matrix) -> float:
    """Return how many times longer the way from one point ``(N, 3)`` to the next is after than before.

    Of all ways the one that changed least: a single point that went astray has a part in two of them. NaN below four
    points.
    """
    if len(before_mm) < _LEAST_POINTS:
        return float("nan")
    before, after = (np.linalg.norm(np.diff(points, axis=0), axis=1) for points in (before_mm, after_mm))
    ratios = after / before
    return float(ratios[np.abs(np.log(ratios)).argmin()])


def distance_mm(one: Matrix, other: Matrix, points_mm: Matrix) -> float:
    """Return how far two motions carry points ``(V, 3)`` apart, on average."""
    return float(np.linalg.norm(moved(one, points_mm) - moved(other, points_mm), axis=1).mean())
