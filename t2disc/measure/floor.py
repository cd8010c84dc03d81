"""What the noise floor of magnitude images does to a T2 that was fitted without regard to it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from t2disc.model import T2Map

CORRECTED_MODELS = frozenset({"rician", "epg-rician"})
"""Models that account for the noise floor, so that none of it is left in their T2."""
LEAST_SQUARES_MODELS = frozenset({"mono", "epg"})
"""Models whose answer to the floor is that of least squares; what it does to any other is not known."""

_LEAST, _MOST = 0.5, 20.0  # of the true T2: where that of the lifted echoes is looked for


def floor_bias_ms(t2_ms: float, s0: float, sigma: float, echo_times_ms: NDArray[np.float64]) -> float:
    """Return by how much the noise floor lengthens a mono-exponential T2, ms.

    Magnitude noise lifts an echo ``S`` to the Rician mean::

        M = sigma sqrt(pi / 2) ((1 + a) I0(a / 2) + a I1(a / 2)) exp(-a / 2),    a = S**2 / (2 sigma**2)

    most where the signal is low. Least squares answers these means with the T2 at which what is left over,
    ``M - A exp(-TE / T2)`` with the best ``A``, has no part along ``TE exp(-TE / T2)``.

    Parameters
    ----------
    t2_ms, s0
        Of a region, ms and signal units.
    sigma
        Noise per channel, signal units.
    echo_times_ms
        ``(E,)`` ms.

    Returns
    -------
    float
        0 or more for usual trains; NaN where something is not known, or the floor leaves no decay.

    Source: Gudbjartsson and Patz 1995, Magn Reson Med 34:910 (the mean of a magnitude).
    """
    if not (t2_ms > 0 and s0 > 0 and sigma > 0):
        return math.nan
    from scipy.optimize import brentq

    late_ms = echo_times_ms - echo_times_ms[0]  # from the first echo on: nothing vanishes
    lifted = rician_mean(s0 * np.exp(-echo_times_ms / t2_ms), sigma)

    def slope(factor: float) -> float:
        decay = np.exp(-late_ms / (factor * t2_ms))
        left = lifted / lifted[0] - decay * float(decay @ lifted / lifted[0]) / float(decay @ decay)
        return float(late_ms * decay @ left) / t2_ms

    if slope(_LEAST) * slope(_MOST) >= 0:
        return math.nan
    return (float(brentq(slope, _LEAST, _MOST)) - 1) * t2_ms


def median_floor_ms(t2_median_ms: float, s0_median: float, t2map: T2Map) -> float:
    """Return what the noise floor adds to the median T2 of a region of a map, ms.

    0 by a model that accounts for it. NaN, never 0, where it cannot be told: sigma is not known, the decay has drowned
    in the floor, the model is none of those whose answer is known, or the region has no T2.
    """
    if t2map.model in CORRECTED_MODELS:
        return 0.0 if math.isfinite(t2_median_ms) else math.nan
    if t2map.model not in LEAST_SQUARES_MODELS:
        return math.nan
    return floor_bias_ms(t2_median_ms, s0_median, t2map.noise.sigma, t2map.echo_times_ms)


def rician_mean(signal: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Return the mean of the magnitude of a signal with noise ``sigma`` in both channels."""
    from scipy.special import i0e, i1e

    half = (signal / sigma) ** 2 / 4
    mean: NDArray[np.float64] = sigma * math.sqrt(math.pi / 2) * ((1 + 2 * half) * i0e(half) + 2 * half * i1e(half))
    return mean
