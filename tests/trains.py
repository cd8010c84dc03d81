"""Multi-echo trains with stimulated echoes, by the Bloch equations alone: the phase graph is what they test."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SPACING_MS = 10.0
Floats = NDArray[np.float64]


class Trains(NamedTuple):
    """Voxels whose refocusing is imperfect, and their truth."""

    signal: Floats  # (V, E)
    echo_times_ms: Floats  # (E,)
    t2_ms: Floats  # (V,)
    b1: Floats  # (V,) refocusing angle / 180 deg
    sigma: float  # of the Rician noise


def cpmg_trains(
    t2_ms: Floats, b1: Floats, n_echoes: int, *, t1_ms: float = 1200, spacing_ms: float = SPACING_MS
) -> Floats:
    """``(V, E)`` magnitudes of the echoes, unit magnetisation, perfect excitation, pulses of 180 b1 deg on its axis.

    Spins dephase evenly over the circle in every half spacing, so their sum over ``2 E + 1`` of them is that over all:
    no component turns more than ``2 E`` times before the last echo.
    """
    decay, recovery = np.exp(-spacing_ms / 2 / np.asarray(t2_ms))[:, None], np.exp(-spacing_ms / 2 / t1_ms)
    cosine, sine = (turn(np.pi * np.asarray(b1))[:, None] for turn in (np.cos, np.sin))
    dephase = decay * np.exp(2j * np.pi * np.arange(2 * n_echoes + 1) / (2 * n_echoes + 1))
    across, along = np.ones_like(dephase), np.zeros(dephase.shape)
    echoes = np.empty((dephase.shape[0], n_echoes))
    for echo in range(n_echoes):
        across, along = across * dephase, 1 - (1 - along) * recovery
        turned = cosine * across.imag - sine * along
        along = sine * across.imag + cosine * along
        across, along = (across.real + 1j * turned) * dephase, 1 - (1 - along) * recovery
        echoes[:, echo] = np.abs(across.mean(axis=1))
    return echoes


def contaminated_trains(
    n_echoes: int,
    n: int,
    *,
    seed: int,
    t2_ms: tuple[float, float] = (30, 200),
    b1: tuple[float, float] = (0.75, 1.0),
    t1_ms: float = 1200,
    snr: float = 50,
    simulate: Callable[..., Floats] = cpmg_trains,
    is_snr_alike: bool = False,
) -> Trains:
    """Trains of uniform T2, B1 and S0 with Rician noise of one sigma: the median first echo / ``snr``.

    The voxels are the same whatever the number of echoes and the noise; an ``snr`` of infinity is no noise. With
    ``is_snr_alike`` every first echo is 1000, and ``snr`` that of every voxel.
    """
    truth, noise = np.random.default_rng((seed, 0)), np.random.default_rng((seed, 1))
    voxel_t2_ms, voxel_b1 = truth.uniform(*t2_ms, n), truth.uniform(*b1, n)
    clean = truth.uniform(500, 1500, n)[:, None] * simulate(voxel_t2_ms, voxel_b1, n_echoes, t1_ms=t1_ms)
    if is_snr_alike:
        clean *= 1000 / clean[:, :1]
    sigma = float(np.median(clean[:, 0]) / snr)
    real, imaginary = noise.normal(0, sigma, (2, *clean.shape))
    echo_times_ms = SPACING_MS * np.arange(1, n_echoes + 1)
    return Trains(np.hypot(clean + real, imaginary), echo_times_ms, voxel_t2_ms, voxel_b1, sigma)
