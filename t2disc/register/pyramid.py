"""The first image of a search, on pixels from coarse to fine, with all that the steps at each size need of it.

Coordinates are mm along the first two axes of the volumes, from the middle of the field.
"""

from __future__ import annotations

from dataclasses import dataclass

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
_RIDGE = 1e-6  # of the mean square, added to local variances


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
    mean = around(image)
    ridge = np.float32(_RIDGE * max(float(np.square(image, dtype=np.float64).mean()), 1e-30))
    certainty = np.float32(1) / (np.maximum(around(image * image) - mean * mean, np.float32(0)) + ridge)
    is_body = image > BODY_FRACTION * max(float(np.percentile(image, 99)), 0.0)
    weight = is_body if known.all() else is_body & (around(shrunk(~known, factors, 0.0)) < 1e-6)
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


def around(images: Floats) -> Floats:
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
    mean_slope = around(slope)
    share = (around(slope * image) - mean_slope * mean) * certainty
    return slope - mean_slope - share * (image - mean)
