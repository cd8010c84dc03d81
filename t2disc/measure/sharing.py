"""How much of the noise that neighbouring voxels share reaches the mean and the median of a region."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from t2disc.measure.uncertainty import normal_cdf

Floats = NDArray[np.float64]
Lag = tuple[int, int, int]

_REACH = 2.5  # of a Gaussian profile, in its own lengths; 1 % lies beyond
_WIDE = 1.6  # design effect from which neighbours two voxels apart count in the length of the profile


def voxels_per_mean(voxels: NDArray[np.intp], design_effect: tuple[float, float, float]) -> float:
    """Return how many voxels share one independent sample of noise in the mean of a region, its edges counted.

    A voxel at the edge shares noise with fewer neighbours of the region than one inside::

        D' = sum(i, j, r_ij) / n

    with ``r_ij`` the correlation of the noise of two voxels, taken as Gaussian in shape along each axis. In a region of
    many voxels along every axis this is ``D_x D_y D_z``.

    Parameters
    ----------
    voxels
        ``(V, 3)`` indices on the grid.
    design_effect
        ``D`` along X, Y, Z, see :attr:`~t2disc.model.NoiseEstimate.design_effect`.

    Returns
    -------
    float
        From 1 up to ``D_x D_y D_z``; 1 where that is not known (NaN), or without voxels.
    """
    most = math.prod(design_effect)
    if not most > 1 or not len(voxels):
        return 1.0
    ones = _on_grid(np.ones(len(voxels)), voxels)
    pairs = sum(2 * correlation * _product(ones, lag) for lag, correlation in _profile(design_effect, ones.shape))
    return min(most, 1 + pairs / len(voxels))


def voxels_per_crossing(
    distances: Floats, voxels: NDArray[np.intp], design_effect: tuple[float, float, float]
) -> float:
    """Return how many voxels share one independent sample of noise in the median of a region.

    A mean feels the noise of every voxel; a median that of voxels that may cross it. Two neighbours with the same noise
    but tissue of different T2 do not cross together. With ``a`` a voxel's distance from the median in standard errors,
    ``p = Phi(a)``, ``w`` the normal density at ``a`` and ``r_ij`` the correlation of the noise of two voxels::

        D' = 1 + sum(i != j, asin(r_ij) w_i w_j) / sum(p (1 - p))

    exact where both lie at the median, and for small ``r`` anywhere. In uniform tissue D' nears D; where T2 jumps from
    voxel to voxel by more than its noise it nears 1.

    Parameters
    ----------
    distances
        ``(V,)`` from :func:`~t2disc.measure.uncertainty.distances_from_median`; NaN counts for nothing.
    voxels
        ``(V, 3)`` indices on the grid.
    design_effect
        ``D`` along X, Y, Z, see :attr:`~t2disc.model.NoiseEstimate.design_effect`. The correlations are taken as
        Gaussian in shape, ``exp(-k**2 / (2 l**2))``, and scaled to make ``D_x D_y D_z`` in the region as a whole.

    Returns
    -------
    float
        From 1 up to ``D_x D_y D_z``; 1 where that is not known (NaN).

    Source: Sheppard 1899, Phil Trans A 192:101 (two normal variates on one side of their medians).
    """
    most = math.prod(design_effect)
    known = np.isfinite(distances)
    if not most > 1 or not known.any():
        return 1.0
    places = np.where(known[:, None], voxels, voxels[known][0])
    near = np.where(known, np.exp(-np.square(np.where(known, distances, 0.0)) / 2) / math.sqrt(2 * math.pi), 0.0)
    below = normal_cdf(distances[known])
    shared, all_alike = 0.0, 0.0
    weights, ones = _on_grid(near, places), _on_grid(known.astype(np.float64), places)
    for lag, correlation in _profile(design_effect, weights.shape):
        shared += 2 * math.asin(correlation) * _product(weights, lag)
        all_alike += 2 * correlation * _product(ones, lag)
    if not all_alike > 0:
        return 1.0
    scale = (most - 1) * np.count_nonzero(known) / all_alike
    return min(most, 1 + scale * shared / float((below * (1 - below)).sum()))


def _on_grid(values: Floats, voxels: NDArray[np.intp]) -> Floats:
    """Return values in the box about their voxels, 0 elsewhere."""
    places = voxels - voxels.min(axis=0)
    box = np.zeros(tuple(places.max(axis=0) + 1))
    np.add.at(box, tuple(places.T), values)
    return box


def _profile(design_effect: tuple[float, float, float], shape: tuple[int, ...]) -> Iterator[tuple[Lag, float]]:
    """Yield one of each two opposite lags within the region, and the correlation of noise that far apart."""
    lengths = [_length(effect) for effect in design_effect]
    reach = [min(math.ceil(_REACH * length), n - 1) for length, n in zip(lengths, shape, strict=True)]
    for x, y, z in itertools.product(*(range(-far, far + 1) for far in reach)):
        if (x, y, z) > (0, 0, 0):
            away = sum((k / length) ** 2 for k, length in zip((x, y, z), lengths, strict=True) if length)
            yield (x, y, z), math.exp(-away / 2)


def _length(effect: float) -> float:
    """Return the length, in voxels, of the Gaussian profile whose sum over all lags is a design effect."""
    if effect <= 1:
        return 0.0
    return effect / math.sqrt(2 * math.pi) if effect > _WIDE else math.sqrt(-1 / (2 * math.log((effect - 1) / 2)))


def _product(box: Floats, lag: Lag) -> float:
    """Return the sum of the products of all pairs of voxels that lie one lag apart."""
    here = tuple(slice(max(0, k), n + min(0, k)) for k, n in zip(lag, box.shape, strict=True))
    there = tuple(slice(max(0, -k), n + min(0, -k)) for k, n in zip(lag, box.shape, strict=True))
    return float((box[here] * box[there]).sum())
