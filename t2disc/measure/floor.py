"""What the noise floor of magnitude images does to a T2 that was fitted without regard to it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def floor_bias_ms(t2_ms: float, s0: float, sigma: float, echo_times_ms: NDArray[np.float64]) -> float:
    """Return by how much the noise floor lengthens a mono-exponential T2, ms.

    Magnitude noise lifts an echo ``S`` to about ``sqrt(S**2 + sigma**2)`` on average, most where the signal is low. To
    first order least squares answers the lifts ``b`` with ``dT2``, the second element of ``(J'J)^-1 J'b``, ``J`` being
    the derivatives of ``S0 exp(-TE / T2)`` by S0 and T2.

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
        0 or more for usual trains; NaN where something is not known.

    Source: Gudbjartsson and Patz 1995, Magn Reson Med 34:910, eq. 4 (the mean at S well above sigma).
    """
    if not (t2_ms > 0 and s0 > 0 and sigma > 0):
        return math.nan
    decay = np.exp(-echo_times_ms / t2_ms)
    signal = s0 * decay
    lift = np.sqrt(signal**2 + sigma**2) - signal
    jacobian = np.stack([decay, signal * echo_times_ms / t2_ms**2], axis=1)
    return float(np.linalg.lstsq(jacobian, lift, rcond=None)[0][1])
