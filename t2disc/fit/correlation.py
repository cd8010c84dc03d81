"""How many voxels share one independent noise sample: scanners that interpolate or filter make neighbours alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from t2disc.model import EchoStack

LEAST_ECHOES = 4  # with three, no combination of echoes is free of anatomy
LEAST_PAIRS = 1000  # of voxels; a correlation from them is good to 0.05
SLICES = 5  # looked at, in the middle of the stack
BRIGHT_SNR = 5.0  # at the weakest echo; there the noise of a magnitude is Gaussian to 1 %
SIGNAL_COMPONENTS = 5  # of the echo train: decay, stimulated echoes, mixtures
MOST_COMPONENTS = 3  # of noise; more would only cost time
SAME_POWER = 1.1  # times the least; a combination with more holds anatomy too
SAMPLE = 50_000  # voxels that tell which combinations those are
NEAR = range(1, 9)  # lags (voxels) at which noise may be alike
FAR = range(9, 13)  # lags at which only anatomy is
MOST_ANATOMY = 0.3  # share of the variance beyond which the rest is not called noise
LEAST_CORRELATION = 0.03
_DECIMALS = 3
_UNKNOWN = (np.nan, np.nan, np.nan)

Signs = NDArray[np.int8]
Floats = NDArray[np.float64]


def estimate_design_effect(stack: EchoStack, sigma: float) -> tuple[float, float, float]:
    """Tell how much a mean over neighbouring voxels has more noise than independent voxels would give.

    Along each axis ``D = 1 + 2 sum_k rho_k``, with ``rho_k`` the correlation of the noise of voxels ``k`` apart: the
    variance of the mean of many voxels in a row is ``D sigma**2 / n``. Of a region of n voxels, about
    ``n / (D_x D_y D_z)`` are independent. An image zero-filled to twice its matrix has 2 along each axis in plane.

    Parameters
    ----------
    stack
        ``(X, Y, Z, E)``; the middle slices are looked at.
    sigma
        Noise standard deviation in signal units, to choose voxels bright at every echo.

    Returns
    -------
    tuple of float
        ``D`` along X, Y, Z, from 1 up; 1 along an axis of a single voxel. NaN where it cannot be told: unknown sigma,
        fewer than 4 echoes, fewer than 1000 pairs of bright voxels, or too much anatomy in what was to be noise. With
        four echoes anatomy is not all told apart: on coarse voxels D may come out 0.3 too large along each axis.

    Notes
    -----
    **Noise without anatomy.** The echo trains of all tissues, stimulated echoes and mixtures included, span few
    dimensions. Those combinations of the echoes that vary least over bright voxels (the last eigenvectors of their
    second moments, up to three, as long as their variances are within 10 %) hold noise and next to nothing else.

    **Correlation from signs.** ``rho = sin(pi/2 mean(sign a sign b))`` for Gaussian noise: it asks for no local
    variance (parallel imaging) and is not led by vessels and edges, where noise is not all there is.

    **What is left of anatomy** is alike over many voxels, noise is not: the level at lags 9 to 12, p, is taken off,
    ``(rho - p) / (1 - p)``. An axis without such lags takes the mean of the others. A correlation no greater than p
    itself does not count: on its way to lag 9 anatomy may have lost as much.

    **Where the sum ends.** At the lag m <= 4 after which two lags in turn are not significant (below 0.03, p or twice
    the standard error; the correlation of a zero-filled image is 0 at every other lag); from m to 2 m the weight falls
    linearly to 0.

    Source: variance of a mean, Priestley 1981, Spectral Analysis and Time Series, chapter 5; combinations of least
    variance as noise, Veraart et al. 2016, NeuroImage 142:394; correlation from signs, Van Vleck and Middleton 1966,
    Proc IEEE 54:2; the end of the sum, Politis 2003, J Nonparametr Stat 15:517, and its weights, Politis and Romano
    1995, J Time Ser Anal 16:67.
    """
    if not sigma > 0 or stack.n_echoes < LEAST_ECHOES:
        return _UNKNOWN
    signal = _middle_slices(stack.signal)
    bright = signal.min(axis=3) >= BRIGHT_SNR * sigma
    if np.count_nonzero(bright) < LEAST_PAIRS:
        return _UNKNOWN
    signs = [_signs(values, bright) for values in _noise(signal[bright])]
    near = [_correlations(signs, bright, axis, NEAR) for axis in range(3)]
    anatomy = _anatomy([_correlations(signs, bright, axis, FAR) for axis in range(3)])
    if not max(anatomy) <= MOST_ANATOMY:
        return _UNKNOWN
    x, y, z = (_design_effect(one_axis, p) for one_axis, p in zip(near, anatomy, strict=True))
    nx, ny, nz = stack.shape
    return x if nx > 1 else 1.0, y if ny > 1 else 1.0, z if nz > 1 else 1.0


class _Correlations(NamedTuple):
    """Along one axis, ``(K,)`` each: correlation at every lag and its standard error; NaN where pairs are too few."""

    rho: Floats
    error: Floats


def _middle_slices(signal: NDArray[Any]) -> NDArray[Any]:
    first = max(0, (signal.shape[2] - SLICES) // 2)
    return signal[:, :, first : first + SLICES]


def _noise(trains: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Yield the combinations ``(V,)`` of the echoes ``(V, E)`` that vary least, median 0.

    No BLAS over the voxels: the same volume gives the same bits in any memory layout and on any number of threads.
    """
    n_echoes = trains.shape[1]
    thinned = trains[:: max(1, len(trains) // SAMPLE)].astype(np.float64)
    power, directions = np.linalg.eigh(np.einsum("ve,vf->ef", thinned, thinned))
    n_alike = np.count_nonzero(power <= SAME_POWER * power[0])
    n_noise = max(1, min(n_alike, MOST_COMPONENTS, n_echoes - SIGNAL_COMPONENTS))
    for direction in directions.T[:n_noise]:
        values = np.zeros(len(trains), np.float32)
        for echo in range(n_echoes):
            values += np.float32(direction[echo]) * trains[:, echo]
        yield values - np.median(values)


def _signs(values: NDArray[np.float32], bright: NDArray[np.bool_]) -> Signs:
    """Return 1 and -1 on the grid, 0 where nothing is known."""
    signs = np.zeros(bright.shape, np.int8)
    signs[bright] = np.where(values >= 0, 1, -1)
    return signs


def _correlations(signs: Sequence[Signs], bright: NDArray[np.bool_], axis: int, lags: range) -> _Correlations:
    known = bright.view(np.int8)
    n_pairs = np.array([_sum_of_pairs(known, axis, lag) for lag in lags], dtype=np.float64)
    n_pairs[n_pairs < LEAST_PAIRS] = np.nan
    alike = np.array([sum(_sum_of_pairs(one, axis, lag) for one in signs) for lag in lags]) / (len(signs) * n_pairs)
    return _Correlations(np.sin(np.pi / 2 * alike), np.pi / 2 / np.sqrt(len(signs) * n_pairs))


def _sum_of_pairs(values: Signs, axis: int, lag: int) -> int:
    """Return the sum of the products of all voxels ``lag`` apart along an axis."""
    along = np.moveaxis(values, axis, 0)
    return int((along[lag:] * along[:-lag]).sum(dtype=np.int64))


def _anatomy(far: Sequence[_Correlations]) -> list[float]:
    """Return, for each axis, the share of the variance that is alike far apart."""
    shares = [float(np.mean(rho)) for rho, _ in far]
    known = [share for share in shares if np.isfinite(share)]
    mean = float(np.mean(known)) if known else 0.0
    return [max(0.0, share if np.isfinite(share) else mean) for share in shares]


def _design_effect(near: _Correlations, anatomy: float) -> float:
    """Return ``1 + 2 sum_k w_k rho_k`` with the weights that end the sum; NaN without a pair of neighbours."""
    if np.isnan(near.rho[0]):
        return np.nan
    rho = (np.nan_to_num(near.rho) - anatomy) / (1 - anatomy)
    rho[np.isnan(near.rho)] = 0.0
    significant = np.abs(rho) > np.fmax(2 * near.error, max(LEAST_CORRELATION, anatomy))
    last = _last_significant(significant)
    weights = np.clip(2 - np.arange(1, rho.size + 1) / max(last, 0.5), 0.0, 1.0)
    return round(max(1.0, 1 + 2 * float(weights @ rho)), _DECIMALS)


def _last_significant(significant: NDArray[np.bool_]) -> int:
    """Return the lag, 0 to half of all, that two lags follow which are not significant."""
    quiet = ~significant
    for lag in range(significant.size // 2):
        if quiet[lag] and quiet[lag + 1]:
            return lag
    return significant.size // 2
