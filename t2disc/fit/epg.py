"""Extended phase graphs: the echoes of a CPMG train whose refocusing pulses are not 180 degrees.

A pulse of angle a splits the magnetisation of each dephasing order k into parts that go on, are refocused and are
stored along z (F+, F-, Z of that order); half an echo spacing of relaxation and one order of dephasing lie before and
after it. Echo e holds what every path has brought back to order 0. A path meets e pulses, each with cos(a),
cos(a / 2)**2 or sin(a / 2)**2, or with sin(a) twice, on its way to z and on its way back: as a function of the angle,
**echo e is a sum of cosines cos(k a), k = 0 ... e**, exactly. That is how it is kept: simulated at as
many angles as there are cosines, then known at every angle and for every slice profile.

Source: Hennig 1991, Concepts Magn Reson 3:125; Weigel 2015, J Magn Reson Imaging 41:266, eqs. 15 to 22 (real-valued for
CPMG phases).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def cosine_coefficients(n_echoes: int, spacing_ms: float, t1_ms: float, t2_ms: Floats) -> Floats:
    """Return ``(E, K, T)``: echo e of tissue T2 ``(T,)`` at refocusing angle a is ``sum_k C[e, k] cos(k a)``.

    K is E + 1. The transverse magnetisation after excitation is 1; T1 (ms) is one for all.
    """
    n_cosines = n_echoes + 1
    angles = np.pi * np.arange(n_cosines) / n_echoes
    echoes = _echoes(n_echoes, spacing_ms, t1_ms, t2_ms, angles)
    cosines = np.cos(np.outer(angles, np.arange(n_cosines)))
    coefficients: Floats = np.einsum("ka,eat->ekt", np.linalg.inv(cosines), echoes)
    return coefficients


def _echoes(n_echoes: int, spacing_ms: float, t1_ms: float, t2_ms: Floats, angles: Floats) -> Floats:
    """Return ``(E, A, T)`` echo amplitudes at refocusing angles ``(A,)``, radians."""
    kept_across = np.exp(-spacing_ms / 2 / t2_ms)
    kept_along = float(np.exp(-spacing_ms / 2 / t1_ms))
    turn = _mixing(angles)[..., None]  # (3, 3, A, 1)
    state = np.zeros((3, n_echoes + 2, angles.size, t2_ms.size))  # F+, F-, Z by order
    state[:2, 0] = 1.0
    echoes = np.empty((n_echoes, angles.size, t2_ms.size))
    for echo in echoes:
        _evolve(state, kept_across, kept_along)
        state = np.einsum("ijat,jkat->ikat", turn, state)
        _evolve(state, kept_across, kept_along)
        echo[...] = state[0, 0]
    return echoes


def _mixing(angles: Floats) -> Floats:
    """Return ``(3, 3, A)``: how a pulse about the magnetisation's axis mixes F+, F- and Z (its phase taken out)."""
    on, back = np.cos(angles / 2) ** 2, np.sin(angles / 2) ** 2
    sin, cos = np.sin(angles), np.cos(angles)
    return np.array([[on, back, sin], [back, on, -sin], [-sin / 2, sin / 2, cos]])


def _evolve(state: Floats, kept_across: Floats, kept_along: float) -> None:
    """Let half a spacing pass: relax, and move F+ up and F- down by one order. Recovery never joins the echoes."""
    plus, minus, along = state
    plus *= kept_across
    minus *= kept_across
    along *= kept_along
    plus[1:] = plus[:-1].copy()
    minus[:-1] = minus[1:].copy()
    minus[-1] = 0.0
    plus[0] = minus[0]
