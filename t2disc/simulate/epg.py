"""Echo amplitudes of a CPMG train by extended phase graphs, for many tissues and flip angles at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def cpmg_echoes(
    n_echoes: int, spacing_ms: float, t1_ms: ArrayLike, t2_ms: ArrayLike, refocusing_deg: ArrayLike
) -> NDArray[np.float64]:
    """Return the amplitudes ``(..., E)`` of a CPMG echo train after a perfect 90 degree excitation.

    Each refocusing pulse mixes the dephasing, rephasing and longitudinal states F(k), F(-k), Z(k); half an echo
    spacing of relaxation and one step of dephasing lie before and after it. T1, T2 (ms) and the refocusing angle
    (degrees) are broadcast against each other.

    Source: Hennig, Concepts Magn Reson 1991; Weigel, J Magn Reson Imaging 2015, eq. 15 (CPMG, real-valued).
    """
    t1, t2, angle = np.broadcast_arrays(
        np.asarray(t1_ms, float), np.asarray(t2_ms, float), np.deg2rad(np.asarray(refocusing_deg, float))
    )
    e1, e2 = np.exp(-spacing_ms / (2 * t1))[..., None], np.exp(-spacing_ms / (2 * t2))[..., None]
    shape = (*t1.shape, 2 * n_echoes + 2)
    plus, minus, along = np.zeros(shape), np.zeros(shape), np.zeros(shape)  # F(k), F(-k) and Z(k), k = 0, 1, ...
    plus[..., 0] = minus[..., 0] = 1.0
    echoes = np.empty((*t1.shape, n_echoes))
    for n in range(n_echoes):
        plus, minus, along = _dephased(plus * e2, minus * e2, along * e1)
        plus, minus, along = _refocused(plus, minus, along, angle[..., None])
        plus, minus, along = _dephased(plus * e2, minus * e2, along * e1)
        echoes[..., n] = plus[..., 0]
    return echoes


def _dephased(plus: Any, minus: Any, along: Any) -> tuple[Any, Any, Any]:
    """Shift F by one order: F(-1) becomes F(0). Z stays; T1 recovery stays out of a CPMG train's echoes."""
    up, down = np.empty_like(plus), np.zeros_like(minus)
    up[..., 1:] = plus[..., :-1]
    down[..., :-1] = minus[..., 1:]
    up[..., 0] = down[..., 0]
    return up, down, along


def _refocused(plus: Any, minus: Any, along: Any, angle: Any) -> tuple[Any, Any, Any]:
    """Rotate about the axis of the magnetisation (CPMG condition); Z(k) holds the real amplitude of i Z(k)."""
    cos2, sin2 = np.cos(angle / 2) ** 2, np.sin(angle / 2) ** 2
    sin, cos = np.sin(angle), np.cos(angle)
    return (
        cos2 * plus + sin2 * minus + sin * along,
        sin2 * plus + cos2 * minus - sin * along,
        -0.5 * sin * plus + 0.5 * sin * minus + cos * along,
    )
