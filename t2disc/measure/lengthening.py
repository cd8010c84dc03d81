"""By how much noise lengthens the T2 of voxels on average: what a mean over many voxels does not average away."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from t2disc.measure.floor import rician_mean

Floats = NDArray[np.float64]

_STEPS = 20
_SETTLED = 1e-4  # last step, as a share of T2


def curvature_ms(t2_ms: Floats, t2_se_ms: Floats, echo_times_ms: Floats) -> Floats:
    """Return by how much the curvature of the decay lengthens T2 on average, ms, in every voxel.

    Noise that shortens T2 by one standard error bends the decay more than noise that lengthens it by as much: least
    squares is off by half the second derivative, whatever the noise floor. With ``p = exp(-TE / T2)``, ``q`` and ``r``
    its first and second derivative by T2, and ``q'`` the part of ``q`` across ``p``::

        bias = -se**2 / 2 (q' . r / q' . q' - 2 p . q / p . p)

    Parameters
    ----------
    t2_ms, t2_se_ms
        ``(V,)`` ms.
    echo_times_ms
        ``(E,)`` ms.

    Source: Box 1971, J R Stat Soc B 33:171, eq. 2.23, for a free amplitude.
    """
    decay = _Decay.at(t2_ms, echo_times_ms)
    late = echo_times_ms / t2_ms[:, None] ** 2
    second = decay.p * late * (late - 2 / t2_ms[:, None])
    bent = _dot(decay.across, second) / _dot(decay.across, decay.across)
    bias_ms: Floats = -(t2_se_ms**2) / 2 * (bent - 2 * _dot(decay.p, decay.q) / _dot(decay.p, decay.p))
    return bias_ms


def floor_ms(t2_ms: Floats, s0: Floats, sigma: float, echo_times_ms: Floats) -> Floats:
    """Return by how much the noise floor lengthens a mono-exponential T2, ms, in every voxel.

    As :func:`~t2disc.measure.floor.floor_bias_ms`, for many voxels at a time: Gauss-Newton steps of least squares on
    the Rician means of the echoes.

    Parameters
    ----------
    t2_ms, s0
        ``(V,)`` ms and signal units.
    sigma
        Noise per channel, signal units.
    echo_times_ms
        ``(E,)`` ms.

    Returns
    -------
    ndarray
        ``(V,)``; NaN where something is not known, or the floor leaves no decay.
    """
    lengthened = np.full(t2_ms.shape, np.nan)
    known = (t2_ms > 0) & (s0 > 0) & (sigma > 0)
    start = t2_ms[known]
    lifted = rician_mean(s0[known, None] * np.exp(-echo_times_ms / start[:, None]), sigma)
    lengthened[known] = _least_squares(lifted, echo_times_ms, start) - start
    return lengthened


def _least_squares(signal: Floats, echo_times_ms: Floats, start_ms: Floats) -> Floats:
    """Return the T2 ``(V,)`` that fits signals ``(V, E)`` best; NaN where the steps do not settle near their start."""
    t2_ms, step = start_ms, np.zeros_like(start_ms)
    for _ in range(_STEPS):
        decay = _Decay.at(t2_ms, echo_times_ms)
        amplitude = _dot(signal, decay.p) / _dot(decay.p, decay.p)
        step = _dot(signal, decay.across) / (amplitude * _dot(decay.across, decay.across))
        t2_ms = np.clip(t2_ms + step, t2_ms / 2, t2_ms * 2)
        if not np.any(np.abs(step) > _SETTLED * t2_ms):
            break
    return np.where(np.abs(step) <= _SETTLED * t2_ms, t2_ms, np.nan)


class _Decay(NamedTuple):
    """``(V, E)`` each: the decay, its derivative by T2, and the part of that across the decay."""

    p: Floats
    q: Floats
    across: Floats

    @classmethod
    def at(cls, t2_ms: Floats, echo_times_ms: Floats) -> _Decay:
        # from the first echo on: nothing vanishes, and what a free amplitude undoes is the same
        p = np.exp(-(echo_times_ms - echo_times_ms[0]) / t2_ms[:, None])
        q = p * echo_times_ms / t2_ms[:, None] ** 2
        return cls(p, q, q - p * (_dot(p, q) / _dot(p, p))[:, None])


def _dot(one: Floats, other: Floats) -> Floats:
    product: Floats = np.einsum("ve,ve->v", one, other)
    return product
