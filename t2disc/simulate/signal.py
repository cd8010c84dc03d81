"""The signal a scanner would measure: decay, B1, coil sensitivity, texture, and Rician noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from t2disc.errors import ArgumentInvalid
from t2disc.simulate.epg import cpmg_echoes
from t2disc.simulate.recipe import AcquisitionRecipe
from t2disc.simulate.tissues import TissueTable

B1_LIMITS = (0.5, 1.25)  # of nominal
B1_STEP = 0.004  # B1 maps are whole steps, so that the table below is exact; 0.7 degrees of a refocusing pulse
_COIL_MM = -110.0  # the array lies behind the back


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Decay:
    """Echo amplitudes ``(N, K, E)`` of pure tissues at N steps of B1; N is 1 where the model does not feel B1."""

    curves: NDArray[np.float32]

    def signal(self, shares: NDArray[np.float32], b1: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the signal ``(V, E)`` of voxels with tissue shares ``(V, K)`` at B1 ``(V,)``."""
        if len(self.curves) == 1:
            return np.asarray(shares @ self.curves[0])
        step = np.rint((b1 - B1_LIMITS[0]) / B1_STEP).astype(np.intp)
        out = np.empty((len(shares), self.curves.shape[2]), np.float32)
        order = np.argsort(step, kind="stable")
        steps, first = np.unique(step[order], return_index=True)
        for number, voxels in zip(steps, np.split(order, first[1:]), strict=True):
            out[voxels] = shares[voxels] @ self.curves[number]
        return out


def b1_steps() -> NDArray[np.float64]:
    """Return every value a B1 map may take."""
    n_steps = round((B1_LIMITS[1] - B1_LIMITS[0]) / B1_STEP)
    return np.asarray(B1_LIMITS[0] + B1_STEP * np.arange(n_steps + 1))


def decay_table(tissues: TissueTable, acquisition: AcquisitionRecipe) -> Decay:
    """Return the echo amplitudes of every tissue, proton density and saturation by TR included.

    ``mono``: S(TE) = PD (1 - exp(-TR/T1)) exp(-TE/T2). ``epg``: the same amplitude with the CPMG train's echoes, the
    excitation and the refocusing angle both scaled by B1.
    """
    echo_times_ms = np.array(acquisition.echo_times_ms)
    amplitude = tissues.proton_density * (1 - np.exp(-acquisition.repetition_time_ms / tissues.t1_ms))
    if acquisition.model == "mono":
        curves = amplitude[:, None] * np.exp(-echo_times_ms / tissues.t2_ms[:, None])
        return Decay(curves=curves[None].astype(np.float32))
    spacing_ms = float(echo_times_ms[0])
    if not np.allclose(echo_times_ms, spacing_ms * np.arange(1, echo_times_ms.size + 1)):
        raise ArgumentInvalid("unequal echo times for the EPG model", expected="echo times n x the first")
    b1 = b1_steps()
    angle = b1[:, None] * acquisition.refocusing_deg
    echoes = cpmg_echoes(echo_times_ms.size, spacing_ms, tissues.t1_ms[None], tissues.t2_ms[None], angle)
    excited = np.sin(b1 * np.pi / 2)
    return Decay(curves=(amplitude[:, None] * excited[:, None, None] * echoes).astype(np.float32))


def b1_map(points_mm: NDArray[np.float64], acquisition: AcquisitionRecipe) -> NDArray[np.float32]:
    """Return B1 relative to nominal at body points ``(..., 3)``: highest in the middle, falling outwards."""
    _, anterior, up = np.moveaxis(points_mm, -1, 0)
    away = (up / 130.0) ** 2 + ((anterior + 10.0) / 120.0) ** 2
    b1 = acquisition.b1_mean + acquisition.b1_spread * (0.25 - away) - 0.03 * np.sin(anterior / 40.0)
    steps = np.rint((np.clip(b1, *B1_LIMITS) - B1_LIMITS[0]) / B1_STEP)
    return np.asarray(B1_LIMITS[0] + B1_STEP * steps, np.float32)


def coil_sensitivity(points_mm: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the sensitivity at scanner points ``(..., 3)`` of a spine array: five rows of elements behind the back."""
    right, anterior, up = np.moveaxis(points_mm, -1, 0)
    total = np.zeros(right.shape)
    for row_mm in (-160.0, -80.0, 0.0, 80.0, 160.0):
        distance = (anterior - _COIL_MM) ** 2 + (0.7 * (up - row_mm)) ** 2 + (0.5 * right) ** 2
        total += (1 + distance / 90.0**2) ** -2.0
    return np.asarray(np.sqrt(total), np.float32)


def texture_field(points_mm: NDArray[np.float64], seed: int) -> NDArray[np.float32]:
    """Return a smooth random field of unit SD at body points ``(..., 3)``, the same at every visit of a person."""
    lattice = np.random.default_rng([seed, 0x7E]).standard_normal((32, 32, 32))
    field = np.zeros(points_mm.shape[:-1])
    for step_mm, weight in ((3.5, 1.0), (11.0, 0.8)):
        place = np.moveaxis(points_mm / step_mm, -1, 0)
        field += weight * map_coordinates(lattice, place, order=1, mode="grid-wrap")
    return np.asarray(field, np.float32)


def phase_field(points_mm: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the phase, in radians, of the transverse magnetisation at scanner points ``(..., 3)``."""
    right, anterior, up = np.moveaxis(points_mm, -1, 0)
    return np.asarray(0.015 * up - 0.02 * anterior + 0.01 * right + (anterior / 90.0) ** 2, np.float32)


def noisy_channels(
    signal: NDArray[np.float32], sigma: float, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the real and imaginary channel of a signal on the real axis, Gaussian noise of SD ``sigma`` in both.

    Their magnitude is Rician. Source: Gudbjartsson and Patz, Magn Reson Med 1995.
    """
    noise = rng.standard_normal((2, *signal.shape), np.float32) * np.float32(sigma)
    noise[0] += signal
    return noise[0], noise[1]


def wrapped_phase(
    real: NDArray[np.float32], imaginary: NDArray[np.float32], field: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the phase of both channels turned by a phase field, in radians from -pi to pi."""
    turned = np.arctan2(imaginary, real) + field + np.float32(np.pi)
    return np.asarray(turned % np.float32(2 * np.pi) - np.float32(np.pi))


def loglinear_t2(magnitude: NDArray[np.float32], echo_times_ms: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the T2 in ms a scanner's own map would show: log-linear fit of echoes ``(E, ...)``, 0 to 1000 ms."""
    centred = (echo_times_ms - echo_times_ms.mean()).astype(np.float32)
    slope = np.tensordot(centred / (centred @ centred), np.log(np.maximum(magnitude, 1e-3)), axes=1)
    return np.asarray(np.where(slope < -1e-3, -1 / np.minimum(slope, -1e-3), 1000.0), np.float32)
