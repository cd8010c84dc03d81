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

Floats = NDArray[np.float32]
Matrix = NDArray[np.float64]

LEVELS_MM = (4.0, 1.5)  # pixels that are looked at, coarse to fine, unless the image's own are larger
LEAST_PIXELS = 16  # along each axis of a coarse image
SMOOTHING = 0.7  # SD of the Gauss filter, pixels of the level
WINDOW = 5  # side of the square of the local fits, pixels of the level
MOST_SLICES = 8  # spread evenly over the stack
BODY_FRACTION = 0.1  # of the first image's 99th percentile, above which a pixel is body
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
_RIDGE = 1e-6  # of the mean square, added to local variances


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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Level:
    """The first image at one size of pixel, with all that the steps need of it.

    Attributes
    ----------
    factors, pixel_mm
        Pixels of the volume in one of the level, along X and Y; its size in mm.
    x_mm, y_mm
        ``(X, 1)`` and ``(1, Y)``, centres of the pixels.
    image, mean, certainty
        ``(Z, X, Y)``: the image, its mean in the window, and one over its variance there.
    along_x, along_y
        ``(Z, X, Y)``, slope of the image per mm, less what a line in the image itself explains of it.
    weight
        ``(Z, X, Y)``, 1 where the body is known, otherwise 0.
    body_mm
        ``(V, 2)``, places of the body in any slice.
    """

    factors: tuple[int, int]
    pixel_mm: tuple[float, float]
    x_mm: Matrix
    y_mm: Matrix
    image: Floats
    mean: Floats
    certainty: Floats
    along_x: Floats
    along_y: Floats
    weight: Floats
    body_mm: Matrix


def levels_of(
    volume: NDArray[np.float32], known: NDArray[np.bool_], pixel_mm: tuple[float, float]
) -> tuple[Level, ...]:
    """Prepare the first image ``(X, Y, Z)``; ``known`` is false where a voxel of any image has no value."""
    shape = volume.shape[:2]
    factors = dict.fromkeys(_factors(shape, pixel_mm, level_mm) for level_mm in LEVELS_MM)
    return tuple(_level(volume, known, pixel_mm, each) for each in factors)


def _factors(shape: tuple[int, ...], pixel_mm: tuple[float, float], level_mm: float) -> tuple[int, int]:
    x, y = (max(1, min(round(level_mm / mm), n // LEAST_PIXELS)) for mm, n in zip(pixel_mm, shape, strict=True))
    return x, y


def _level(
    volume: NDArray[np.float32], known: NDArray[np.bool_], pixel_mm: tuple[float, float], factors: tuple[int, int]
) -> Level:
    image = shrunk(volume, factors)
    x_mm, y_mm = (_places(n, mm, f) for n, mm, f in zip(volume.shape[:2], pixel_mm, factors, strict=True))
    size_mm = (pixel_mm[0] * factors[0], pixel_mm[1] * factors[1])
    mean = _around(image)
    ridge = np.float32(_RIDGE * max(float(np.square(image, dtype=np.float64).mean()), 1e-30))
    certainty = np.float32(1) / (np.maximum(_around(image * image) - mean * mean, np.float32(0)) + ridge)
    is_body = image > BODY_FRACTION * max(float(np.percentile(image, 99)), 0.0)
    weight = is_body if known.all() else is_body & (_around(shrunk(~known, factors, 0.0)) < 1e-6)
    is_place = weight.any(axis=0)
    grid = np.broadcast_arrays(x_mm[:, None], y_mm[None, :])
    return Level(
        factors=factors,
        pixel_mm=size_mm,
        x_mm=x_mm[:, None],
        y_mm=y_mm[None, :],
        image=image,
        mean=mean,
        certainty=certainty,
        along_x=_unexplained(_slope(image, 1, size_mm[0]), image, mean, certainty),
        along_y=_unexplained(_slope(image, 2, size_mm[1]), image, mean, certainty),
        weight=weight.astype(np.float32),
        body_mm=np.stack([axis[is_place] for axis in grid], axis=1),
    )


def shrunk(volume: NDArray[np.generic], factors: tuple[int, int], smoothing: float | None = None) -> Floats:
    """Return the slices looked at as ``(Z, X, Y)`` on larger pixels, slightly smoothed; NaN counts as 0."""
    from scipy.ndimage import gaussian_filter1d

    smoothing = SMOOTHING if smoothing is None else smoothing
    n_slices = volume.shape[2]
    chosen = np.unique(np.linspace(0, n_slices - 1, min(n_slices, MOST_SLICES)).round().astype(int))
    fx, fy = factors
    nx, ny = volume.shape[0] // fx, volume.shape[1] // fy
    out = np.zeros((chosen.size, nx, ny), np.float32)
    for place, index in enumerate(chosen):
        part = np.nan_to_num(np.asarray(volume[: nx * fx, : ny * fy, index], np.float32), posinf=0, neginf=0)
        for i in range(fx):
            for j in range(fy):
                out[place] += part[i::fx, j::fy]
    out /= np.float32(fx * fy)
    for axis in (1, 2) if smoothing else ():
        out = gaussian_filter1d(out, smoothing, axis=axis, mode="nearest", truncate=3.0)
    return out


def _places(n: int, mm: float, factor: int) -> Matrix:
    """Return the centres of the larger pixels along one axis, mm from the middle of the field."""
    inside = np.arange(n // factor * factor, dtype=np.float64).reshape(-1, factor).mean(axis=1)
    return np.asarray((inside - (n - 1) / 2) * mm)


def _around(images: Floats) -> Floats:
    """Return the mean over the window about each pixel, slice by slice."""
    from scipy.ndimage import uniform_filter1d

    rows = uniform_filter1d(images, WINDOW, axis=2, mode="nearest")
    return np.asarray(uniform_filter1d(rows, WINDOW, axis=1, mode="nearest"))


def _slope(image: Floats, axis: int, step_mm: float) -> Floats:
    if image.shape[axis] < 2:
        return np.zeros_like(image)
    return np.asarray(np.gradient(image, np.float32(step_mm), axis=axis), np.float32)


def _unexplained(slope: Floats, image: Floats, mean: Floats, certainty: Floats) -> Floats:
    """Return what a line in the image itself, fitted in the window, leaves of its slope."""
    mean_slope = _around(slope)
    share = (_around(slope * image) - mean_slope * mean) * certainty
    return slope - mean_slope - share * (image - mean)


# ------------------------------------------------------------------------------------------------ the search
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
    mean = _around(carried)
    gain = (_around(carried * level.image) - mean * level.mean) * level.certainty
    rest = carried - mean - gain * (level.image - level.mean)
    mean_square = float(np.square(carried, dtype=np.float64).mean())
    return _LocalFit(gain=gain, rest=rest, mean_square=mean_square, is_inside=is_inside)


def _trust(level: Level, fit: _LocalFit) -> Floats:
    """Return the weights: large where the local fits leave little, nothing outside body or field."""
    floor = np.float32(max(LEAST_REST * fit.mean_square, 1e-30))
    unlike = _around(fit.rest * fit.rest) / floor + 1
    return np.asarray(level.weight * fit.is_inside / unlike**DISTRUST, np.float32)


def _clarity(level: Level, fit: _LocalFit) -> float:
    """Return how much the first image explains of the second, over what it leaves where it leaves little: the noise."""
    is_seen = (level.weight * fit.is_inside) > 0
    if not is_seen.any():
        return 0.0
    explained = np.square(fit.gain * (level.image - level.mean))[is_seen].mean(dtype=np.float64)
    return float(explained / max(float(np.median(_around(fit.rest * fit.rest)[is_seen])), 1e-30))


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
