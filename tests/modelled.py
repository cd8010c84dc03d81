"""Signals that every model can be fitted to, and the comparison of fits to the bit: for the tests of the models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from trains import cpmg_trains

from t2disc.fit import fit_voxels
from t2disc.model import VoxelFit

Floats = NDArray[np.float64]
TE_8 = 10.0 * np.arange(1, 9)
TE_16 = 10.0 * np.arange(1, 17)


class Own(NamedTuple):
    """Voxels of a model's own kind: noise-free signals ``(V, E)`` whose first echo is 1000, and their truth."""

    clean: Floats
    echo_times_ms: Floats
    t2_ms: Floats
    given: dict[str, Any]  # what fit_voxels is told beside signal and times
    is_rician: bool = True  # whether noise is that of magnitudes, or Gaussian

    def noisy(self, snr: float, seed: int = 0) -> Floats:
        """Return the signals with noise; ``snr`` is that of the first echo."""
        return noisy(self.clean, 1000 / snr, seed) if self.is_rician else noise_added(self.clean, 1000 / snr, seed)

    def fit(self, signal: Floats, snr: float | None = None, **more: Any) -> VoxelFit:
        """Fit signals, telling sigma where the model needs it."""
        sigma = {"sigma": 1000 / snr, "min_snr": 0.0} if snr and "rician" in self.given["model"] else {}
        return fit_voxels(signal, self.echo_times_ms, **(self.given | sigma | more))


def noisy(clean: Floats, sigma: float, seed: int = 0, n_channels: int = 1) -> Floats:
    """Return root sum of squares magnitudes of ``n_channels`` receivers that share a signal."""
    rng = np.random.default_rng(seed)
    power = np.zeros(clean.shape)
    for _ in range(n_channels):
        power += (clean / np.sqrt(n_channels) + sigma * rng.standard_normal(clean.shape)) ** 2
        power += (sigma * rng.standard_normal(clean.shape)) ** 2
    return np.sqrt(power)


def noise_added(clean: Floats, sigma: float, seed: int = 0) -> Floats:
    """Return signals with Gaussian noise."""
    return clean + sigma * np.random.default_rng(seed).standard_normal(clean.shape)


def decays(te: Floats, t2_ms: Any, offset: float = 0.0) -> Floats:
    """Return ``(V, E)`` mono-exponential decays on an offset; the first echo is 1000."""
    curves: Floats = np.exp(-te / np.atleast_1d(t2_ms)[:, None]) + offset
    return 1000.0 * curves / curves[:, :1]


def _decaying(model: str) -> Callable[..., Own]:
    def make(n: int, te: Floats = TE_16, seed: int = 0) -> Own:
        t2_ms = np.random.default_rng(seed).uniform(30, 150, n)
        return Own(decays(te, t2_ms), te, t2_ms, {"model": model})

    return make


def _on_an_offset(n: int, te: Floats = TE_16, seed: int = 0) -> Own:
    t2_ms = np.random.default_rng(seed).uniform(0.12, 0.25, n) * te[-1]
    return Own(decays(te, t2_ms, offset=0.05), te, t2_ms, {"model": "mono-offset"}, is_rician=False)


def _refocused(model: str, *, is_b1_given: bool) -> Callable[..., Own]:
    def make(n: int, te: Floats = TE_16, seed: int = 0) -> Own:
        rng = np.random.default_rng(seed)
        t2_ms, b1 = rng.uniform(30, 150, n), rng.uniform(0.75, 0.97, n)
        clean = cpmg_trains(t2_ms, b1, te.size, t1_ms=1000, spacing_ms=te[0])
        given = {"model": model, "b1": b1} if is_b1_given else {"model": model}
        return Own(1000 * clean / clean[:, :1], te, t2_ms, given)

    return make


MODELS: dict[str, Callable[..., Own]] = {
    "mono": _decaying("mono"),
    "loglinear": _decaying("loglinear"),
    "wls": _decaying("wls"),
    "rician": _decaying("rician"),
    "mono-offset": _on_an_offset,
    "epg": _refocused("epg", is_b1_given=False),
    "epg, B1 given": _refocused("epg", is_b1_given=True),
    "epg-rician": _refocused("epg-rician", is_b1_given=False),
    "epg-rician, B1 given": _refocused("epg-rician", is_b1_given=True),
}
"""By name: makes n voxels of the kind that the model describes."""


def rows(fit: VoxelFit) -> list[NDArray[Any]]:
    """Return every array of a fit."""
    names = ("t2_ms", "s0", "t2_se_ms", "flag", "degrees_of_freedom", "n_echoes", "b1", "offset", "covariance")
    return [array for name in names if (array := getattr(fit, name)) is not None]


def bits(fit: VoxelFit, order: Any = slice(None)) -> tuple[bytes, ...]:
    """Return every array of a fit as bytes, its voxels in an order."""
    return tuple(array[order].tobytes() for array in rows(fit))


def share_covered(low: Floats, high: Floats, truth: Any) -> float:
    """Return the share of the intervals there are that hold the truth."""
    there = np.isfinite(low)
    return float(np.mean(((low <= truth) & (truth <= high))[there]))
