"""Rigid motion in the image plane between two volumes of the same slices, blind to how their contrast differs.

Where two tissues meet and nothing moves, the second image is a gain times the first plus an offset: voxels that hold
some of both keep their shares, whatever the signal of each tissue becomes. In small windows about every pixel such a
line is fitted; what it leaves, and the slopes of the first image, tell the motion (Gauss-Newton steps, to the place
where they vanish). Windows of which the line leaves much, where three tissues meet or something flows, count less.

Coordinates are mm along the first two axes of the volumes, from the middle of the field; motions are ``(3, 3)``
matrices that carry a place in the first image to its place in the second. Everything is done in one thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from t2disc.register.pyramid import WINDOW, Floats, Level, Matrix, around, shrunk

MOST_STEPS = 16
SETTLED_MM = 0.01  # a step that moves no place of the body by more ends the search
SETTLED_PIXELS = 0.005  # or more than this share of a pixel of the level
REACH_MM = 15.0  # motions beyond are not believed
DISTRUST = 1.5  # power of the unexplained variance by which a pixel counts less
LEAST_REST = 1e-5  # unexplained variance, as a share of the mean square, that costs no trust
TRUST_STEPS = 8  # after which the weights stay as they are, so that the search settles
MOST_UNEVEN = 1e9  # condition number of the equations beyond which no motion can be told
BLOCK = 12  # side of the squares whose sums are taken as independent, pixels
_ARM_MM = 50.0  # makes the rotation a length, for well-conditioned equations


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """What was found of the motion from the first image to the second.

    Attributes
    ----------
    motion
        ``(3, 3)``.
    displacement_mm, standard_error_mm
        Largest displacement of the body; standard error of the place of the body that is least sure.
    clarity
        Mean square of what the first image explains of the second, over the median square of what it leaves (noise,
        where they are alike); 0.1 where the second is noise.
    is_settled
        Whether the search came to rest within reach.
    """

    motion: Matrix
    displacement_mm: float
    standard_error_mm: float
    clarity: float
    is_settled: bool


def measure_motion(levels: tuple[Level, ...], volume: NDArray[np.float32]) -> Measured:
    """Return the motion from the first image to ``volume`` ``(X, Y, Z)``."""
    found = _Found(motion=np.eye(3))
    for level in levels:
        found = _search(level, shrunk(volume, level.factors), found.motion)
    displacement_mm = _largest(found.motion, levels[-1].body_mm)
    return Measured(
        motion=found.motion,
        displacement_mm=displacement_mm,
        standard_error_mm=found.standard_error_mm,
        clarity=found.clarity,
        is_settled=found.is_settled and displacement_mm <= REACH_MM,
    )


class _Found(NamedTuple):
    """Where the search at one level ended."""

    motion: Matrix
    standard_error_mm: float = np.inf
    clarity: float = 0.0
    is_settled: bool = False


def _search(level: Level, moving: Floats, motion: Matrix) -> _Found:
    """Step until the motion settles; a coarse level need not settle finer than the next one looks."""
    trust, found = level.weight, _Found(motion)
    settled_mm = max(SETTLED_MM, SETTLED_PIXELS * min(level.pixel_mm))
    for number in range(MOST_STEPS):
        fit = _local_fit(level, moving, found.motion)
        if number < TRUST_STEPS:
            trust = _trust(level, fit)
        step, standard_error_mm = _step(level, fit, trust)
        if step is None:
            return _Found(found.motion)
        is_settled = _largest(step, level.body_mm) <= settled_mm
        found = _Found(found.motion @ np.linalg.inv(step), standard_error_mm, is_settled=is_settled)
        if is_settled:
            break
    return found._replace(clarity=_clarity(level, fit))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _LocalFit:
    """The second image where the motion puts it, explained by the first: local gain, and the rest. ``(Z, X, Y)``."""

    gain: Floats
    rest: Floats
    mean_square: float  # of the second image
    is_inside: NDArray[np.bool_]  # (X, Y), where the fits lie inside the field


def _local_fit(level: Level, moving: Floats, motion: Matrix) -> _LocalFit:
    carried, is_inside = _carried(level, moving, motion)
    mean = around(carried)
    gain = (around(carried * level.image) - mean * level.mean) * level.certainty
    rest = carried - mean - gain * (level.image - level.mean)
    mean_square = float(np.square(carried, dtype=np.float64).mean())
    return _LocalFit(gain=gain, rest=rest, mean_square=mean_square, is_inside=is_inside)


def _trust(level: Level, fit: _LocalFit) -> Floats:
    """Return the weights: large where the local fits leave little, nothing outside body or field."""
    floor = np.float32(max(LEAST_REST * fit.mean_square, 1e-30))
    unlike = around(fit.rest * fit.rest) / floor + 1
    return np.asarray(level.weight * fit.is_inside / unlike**DISTRUST, np.float32)


def _clarity(level: Level, fit: _LocalFit) -> float:
    """Return how much the first image explains of the second, over what it leaves where it leaves little: the noise."""
    is_seen = (level.weight * fit.is_inside) > 0
    if not is_seen.any():
        return 0.0
    explained = np.square(fit.gain * (level.image - level.mean))[is_seen].mean(dtype=np.float64)
    return float(explained / max(float(np.median(around(fit.rest * fit.rest)[is_seen])), 1e-30))


def _step(level: Level, fit: _LocalFit, trust: Floats) -> tuple[Matrix | None, float]:
    """Return the motion still to be made, as far as one linear step tells, and the standard error in mm."""
    weighted = fit.gain * trust * fit.is_inside
    scores = _scores(level, weighted * fit.rest)
    curvature = _curvature(level, weighted * fit.gain)
    if not np.isfinite(curvature).all() or not np.linalg.cond(curvature) <= MOST_UNEVEN:
        return None, np.inf
    inverse = np.linalg.inv(curvature)
    covariance = inverse @ _spread(scores) @ inverse
    shift_x, shift_y, turn = inverse @ scores.sum(axis=(1, 2))
    return _limited(shift_x, shift_y, turn / _ARM_MM, level), _uncertainty(covariance, level.body_mm)


def _carried(level: Level, moving: Floats, motion: Matrix) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the second image at the places of the first, and where its local fits lie inside the field."""
    shape = moving.shape[1:]
    offset_mm = (float(level.x_mm.mean()), float(level.y_mm.mean()))
    turn, start = index_motion(motion, shape, level.pixel_mm, offset_mm)
    x, y = np.ogrid[: shape[0], : shape[1]]
    places = [turn[row, 0] * x + turn[row, 1] * y + start[row] for row in (0, 1)]
    is_inside = np.ones(shape, bool)
    for at, n in zip(places, shape, strict=True):
        edge = min(WINDOW // 2, (n - 1) // 4)
        is_inside &= (at >= edge - 0.5) & (at <= n - 0.5 - edge)
    return _interpolated(moving, places), is_inside


def _interpolated(images: Floats, places: list[Matrix]) -> Floats:
    """Return images ``(Z, X, Y)`` linearly interpolated at places ``(X, Y)`` each, the same of every image.

    Where the four neighbours lie and what they weigh is worked out once for all slices: three times as fast as SciPy's
    ``affine_transform``, which does so for each. Outside, the edge goes on.
    """
    (x, share_x), (y, share_y) = (_neighbour(at, n) for at, n in zip(places, images.shape[1:], strict=True))
    nx, ny = images.shape[1:]
    along_y, along_x = min(1, ny - 1), ny * min(1, nx - 1)
    corners = [x * ny + y + step for step in (0, along_y, along_x, along_x + along_y)]
    out = np.empty_like(images)
    for image, moved in zip(images, out, strict=True):
        near, right, below, far = (image.ravel().take(corner, mode="clip") for corner in corners)
        near += share_y * (right - near)
        below += share_y * (far - below)
        np.add(near, share_x * (below - near), out=moved)
    return out


def _neighbour(at: Matrix, n: int) -> tuple[NDArray[np.intp], Floats]:
    """Return the pixel before each place along an axis of ``n``, and how far the place lies beyond it, in pixels."""
    inside = np.clip(at, 0, n - 1)
    before = np.minimum(inside.astype(np.intp), max(n - 2, 0))
    return before, (inside - before).astype(np.float32)


def index_motion(
    motion: Matrix, shape: tuple[int, ...], pixel_mm: tuple[float, float], offset_mm: tuple[float, float] = (0.0, 0.0)
) -> tuple[Matrix, Matrix]:
    """Return a motion as ``(2, 2)`` and ``(2,)`` on the indices of an image ``(X, Y)``.

    ``offset_mm`` is where the image's middle lies, from the middle of the field.
    """
    size, offset = np.array(pixel_mm), np.array(offset_mm)
    middle = (np.array(shape) - 1) / 2
    turn = motion[:2, :2] * size[None, :] / size[:, None]
    shift_mm = motion[:2, :2] @ offset + motion[:2, 2] - offset
    start: Matrix = middle + shift_mm / size - turn @ middle
    return turn, start


def _scores(level: Level, weighted_rest: Floats) -> Matrix:
    """Return ``(3, X, Y)``: what each pixel says for a shift along X, along Y and for a turn."""
    along_x = np.einsum("zxy,zxy->xy", weighted_rest, level.along_x, dtype=np.float64)
    along_y = np.einsum("zxy,zxy->xy", weighted_rest, level.along_y, dtype=np.float64)
    return np.stack([along_x, along_y, (level.x_mm * along_y - level.y_mm * along_x) / _ARM_MM])


def _curvature(level: Level, weight: Floats) -> Matrix:
    """Return the ``(3, 3)`` sums of products of slopes for shifts and turn."""
    weighted_x, weighted_y = weight * level.along_x, weight * level.along_y
    xx = np.einsum("zxy,zxy->xy", weighted_x, level.along_x, dtype=np.float64)
    xy = np.einsum("zxy,zxy->xy", weighted_x, level.along_y, dtype=np.float64)
    yy = np.einsum("zxy,zxy->xy", weighted_y, level.along_y, dtype=np.float64)
    x, y = level.x_mm / _ARM_MM, level.y_mm / _ARM_MM
    x_turn, y_turn = x * xy - y * xx, x * yy - y * xy
    turn = x * y_turn - y * x_turn
    sums = [[xx, xy, x_turn], [xy, yy, y_turn], [x_turn, y_turn, turn]]
    return np.array([[part.sum() for part in row] for row in sums])


def _spread(scores: Matrix) -> Matrix:
    """Return the ``(3, 3)`` covariance of the summed scores, squares of the plane taken as independent."""
    starts = [np.arange(0, n, BLOCK) for n in scores.shape[1:]]
    sums = np.add.reduceat(np.add.reduceat(scores, starts[0], axis=1), starts[1], axis=2).reshape(3, -1)
    return np.asarray(np.einsum("ib,jb->ij", sums, sums))


def _limited(shift_x: float, shift_y: float, turn: float, level: Level) -> Matrix:
    """Return a step as a motion that moves no place of the body by more than one and a half pixels."""
    step = rigid(shift_x, shift_y, turn)
    most_mm = 1.5 * min(level.pixel_mm)
    share = min(1.0, most_mm / max(_largest(step, level.body_mm), 1e-12))
    return rigid(share * shift_x, share * shift_y, share * turn)


def rigid(shift_x_mm: float, shift_y_mm: float, turn_rad: float) -> Matrix:
    """Return a turn about the middle of the field followed by a shift, as a ``(3, 3)`` matrix in mm."""
    c, s = np.cos(turn_rad), np.sin(turn_rad)
    return np.array([[c, -s, shift_x_mm], [s, c, shift_y_mm], [0.0, 0.0, 1.0]])


def _largest(motion: Matrix, places_mm: Matrix) -> float:
    """Return the largest displacement of any place, mm; 0 where there is none."""
    x, y = places_mm.T
    shift_x = (motion[0, 0] - 1) * x + motion[0, 1] * y + motion[0, 2]
    shift_y = motion[1, 0] * x + (motion[1, 1] - 1) * y + motion[1, 2]
    return float(np.hypot(shift_x, shift_y).max(initial=0.0))


def _uncertainty(covariance: Matrix, places_mm: Matrix) -> float:
    """Return the standard error of the place that is least sure, mm."""
    x, y = places_mm.T / _ARM_MM
    of_x = covariance[0, 0] - 2 * y * covariance[0, 2] + y * y * covariance[2, 2]
    of_y = covariance[1, 1] + 2 * x * covariance[1, 2] + x * x * covariance[2, 2]
    return float(np.sqrt((of_x + of_y).max(initial=0.0)))
