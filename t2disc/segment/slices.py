"""Volumes as the network sees them: sagittal slices on a grid of 1 mm, freed of coil shading, with their neighbours.

Rows run from superior to inferior and columns from anterior to posterior, as a reader looks at them. Everything here is
done slice by slice and in one thread, so that results do not depend on the number of threads.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

GRID_MM = 1.0
NEIGHBOUR_MM = 4.0
"""Distance at which the neighbouring slices are taken where slices lie closer than that."""

N_CHANNELS = 4
MULTIPLE = 16  # of the network's downsampling

_SHADING_MM = 33  # side of the box, applied twice
_FLOOR = 0.1  # of the volume's mean: keeps the noise of air low
_BRIGHTEST = 4.0


def to_planes(volume: NDArray[np.generic], spacing_mm: tuple[float, float, float]) -> Floats:
    """Return a volume ``(X, Y, Z)`` in RAS+ as planes ``(X, H, W)`` on the grid of 1 mm.

    In-plane pixels finer than the grid are smoothed to its resolution first, so that nothing aliases.
    """
    planes = np.empty((volume.shape[0], *grid_shape(volume.shape, spacing_mm)), np.float32)
    for x in range(volume.shape[0]):
        image = np.asarray(volume[x].T[::-1, ::-1], np.float32)
        image = np.where(np.isfinite(image), image, np.float32(0))
        planes[x] = _resampled(_smoothed(image, spacing_mm), planes.shape[1:], spacing_mm)
    return planes


def grid_shape(shape: tuple[int, ...], spacing_mm: tuple[float, float, float]) -> tuple[int, int]:
    """Return rows and columns of the 1 mm grid that covers the slices of a volume ``(X, Y, Z)``."""
    _, columns, rows = shape
    return max(round(rows * spacing_mm[2] / GRID_MM), 1), max(round(columns * spacing_mm[1] / GRID_MM), 1)


def _smoothed(image: Floats, spacing_mm: tuple[float, float, float]) -> Floats:
    """Return an image ``(rows, columns)`` at the resolution of the grid: sigma = sqrt(ratio^2 - 1) / 2 pixels."""
    from scipy.ndimage import gaussian_filter

    ratios = np.array([GRID_MM / spacing_mm[2], GRID_MM / spacing_mm[1]])
    sigma = 0.5 * np.sqrt(np.maximum(ratios**2 - 1, 0))
    return np.asarray(gaussian_filter(image, sigma, mode="nearest", truncate=3.0)) if sigma.any() else image


def _resampled(image: Floats, shape: tuple[int, ...], spacing_mm: tuple[float, float, float]) -> Floats:
    rows, columns = shape
    image = _lerp(image, np.arange(rows, dtype=np.float32) * np.float32(1), GRID_MM / spacing_mm[2])
    return _lerp(image.T, np.arange(columns, dtype=np.float32), GRID_MM / spacing_mm[1]).T


def _lerp(image: Floats, index: Floats, ratio: float) -> Floats:
    """Return rows of an image at the centres of pixels ``ratio`` input pixels wide, by linear interpolation."""
    at = np.clip((index.astype(np.float64) + 0.5) * ratio - 0.5, 0, image.shape[0] - 1)
    first = np.minimum(at.astype(np.intp), max(image.shape[0] - 2, 0))
    second = np.minimum(first + 1, image.shape[0] - 1)
    share = (at - first).astype(np.float32)[:, None]
    return np.asarray(image[first] * (1 - share) + image[second] * share)


def to_volume(plane: Floats, shape: tuple[int, int], spacing_mm: tuple[float, float, float]) -> Floats:
    """Return a plane ``(H, W)`` of the 1 mm grid on a volume's own slice ``(Y, Z)``: the way back of `to_planes`."""
    columns, rows = shape
    image = _lerp(plane, np.arange(rows, dtype=np.float32), spacing_mm[2] / GRID_MM)
    image = _lerp(image.T, np.arange(columns, dtype=np.float32), spacing_mm[1] / GRID_MM)
    return np.asarray(image[::-1, ::-1])


def unshaded(planes: Floats) -> Floats:
    """Return planes ``(X, H, W)`` divided by their own surroundings, so that a surface coil's shading is gone.

    ``I / (mean of I within some 3 cm + 0.1 mean of the volume)``, at most 4.
    """
    from scipy.ndimage import uniform_filter

    out = np.empty_like(planes)
    floor = np.float32(_FLOOR * max(float(planes.mean(dtype=np.float64)), 1e-12))
    for x, plane in enumerate(planes):
        around = uniform_filter(uniform_filter(plane, _SHADING_MM, mode="nearest"), _SHADING_MM, mode="nearest")
        out[x] = np.minimum(plane / (around + floor), _BRIGHTEST)
    return out


def with_neighbours(late: Floats, early: Floats, x: int, step: int) -> Floats:
    """Return the channels ``(1, C, H, W)`` of slice x: before, itself, after (late echo), itself (early echo).

    A slice at the end of the stack is its own neighbour. H and W are padded with 0 to a multiple of 16.
    """
    before, after = (x - step if x >= step else x), (x + step if x + step < len(late) else x)
    channels = np.stack([late[before], late[x], late[after], early[x]])
    height, width = (-n % MULTIPLE for n in channels.shape[1:])
    return np.pad(channels, ((0, 0), (0, height), (0, width)))[None]


def neighbour_step(slice_mm: float) -> int:
    """Return how many slices away the neighbours are: those nearest to 4 mm, at least one slice."""
    return max(round(NEIGHBOUR_MM / slice_mm), 1)
