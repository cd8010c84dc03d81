"""The signal of one region over the echo train with its fitted curve: does the model hold?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from t2disc.model import DiscLabels, EchoStack, Flag, T2Map
from t2disc.model.grids import require_same_grid
from t2disc.qc.asked import region_mask
from t2disc.qc.figure import QcFigure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_POINT, _FIT, _FLOOR = "#0072b2", "#d55e00", "#6e6e6e"  # told apart by every reader (Okabe and Ito 2008)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Decay:
    """What the picture shows: E echoes of the mean over V voxels, and the parameters of those voxels' fits."""

    times_ms: NDArray[np.float64]  # (E,)
    mean: NDArray[np.float64]  # (E,) signal, mean over voxels
    p10: NDArray[np.float64]  # (E,) over voxels
    p90: NDArray[np.float64]  # (E,)
    is_fitted: NDArray[np.bool_]  # (E,) echoes that the fit used
    s0: NDArray[np.float64]  # (V,)
    t2_ms: NDArray[np.float64]  # (V,)
    n_voxels: int  # in the region, fitted or not
    noise_floor: float  # signal units; NaN when sigma is unknown
    quantity: str  # T2 or T2*


def plot_decay(stack: EchoStack, t2map: T2Map, discs: DiscLabels, level: str, region: str = "NP") -> Figure:
    """Show whether the signal of a region decays as its T2 says: measured means, curve, residuals.

    The points are the mean over the fitted voxels of the region, the band spans their 10th to 90th percentile. The
    curve is what the voxels' own S0 and T2 describe, ``mean_v S0_v exp(-TE / T2_v)``, for every model and not a new
    fit: what a model adds to the exponential (stimulated echoes, a noise floor) shows in the residuals. Echoes that
    the fit skipped are hollow. The dashed line is the mean of pure noise in a magnitude image,
    ``sigma sqrt(pi / 2)``. Residuals are measured minus fitted in % of the fitted first echo: one scale for all echoes,
    as the fit weighs them, so that a curve sinking into the noise floor shows as a slow rise and not as an explosion.

    Parameters
    ----------
    stack, t2map, discs
        Finished data of one visit, on one grid.
    level, region
        Which disc (``L4/L5``) and which part of it (``disc``, ``NP``, ``AF``).

    Returns
    -------
    matplotlib.figure.Figure
        Save it with ``figure.savefig(path)``; PNG bytes repeat for the same data.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: different grids, or a level or region that is not there.

    Source: noise floor, Gudbjartsson and Patz 1995, magnitude of pure noise.
    """
    require_same_grid(stack, t2map, discs)
    decay = _mean_decay(stack, t2map, region_mask(discs, level, region))
    figure = QcFigure(figsize=(6.4, 5.2), dpi=110, layout="constrained")
    signal_axes, residual_axes = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    _draw_signal(signal_axes, decay)
    _draw_residuals(residual_axes, decay)
    signal_axes.set_title(_heading(decay, level, region), fontsize=10, loc="left")
    return figure


# ------------------------------------------------------------------------------------------------ numbers
def _mean_curve(decay: _Decay, times_ms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``mean_v S0_v exp(-t / T2_v)`` at times ``(T,)``."""
    mean: NDArray[np.float64] = (decay.s0 * np.exp(-times_ms[:, None] / decay.t2_ms)).mean(axis=1)
    return mean


def _mean_decay(stack: EchoStack, t2map: T2Map, inside: NDArray[np.bool_]) -> _Decay:
    used = inside & (t2map.flag == Flag.OK)
    signal = stack.signal[used].astype(np.float64)
    nothing = np.full(stack.n_echoes, np.nan)
    p10, p90 = np.percentile(signal, [10, 90], axis=0) if len(signal) else (nothing, nothing)
    return _Decay(
        times_ms=stack.echo_times_ms,
        mean=signal.mean(axis=0) if len(signal) else nothing,
        p10=p10,
        p90=p90,
        is_fitted=np.isin(stack.echo_times_ms, t2map.echo_times_ms),
        s0=t2map.s0[used].astype(np.float64),
        t2_ms=t2map.t2_ms[used].astype(np.float64),
        n_voxels=int(np.count_nonzero(inside)),
        noise_floor=t2map.noise.sigma * float(np.sqrt(np.pi / 2)),
        quantity=stack.acquisition.quantity,
    )


def _heading(decay: _Decay, level: str, region: str) -> str:
    voxels = f"{decay.t2_ms.size} of {decay.n_voxels} voxels"
    if decay.t2_ms.size == 0:
        return f"{level} {region}: no voxel with a {decay.quantity} ({voxels})"
    return f"{level} {region}: median {decay.quantity} {np.median(decay.t2_ms):.1f} ms ({voxels})"


# ------------------------------------------------------------------------------------------------ drawing
def _draw_signal(axes: Axes, decay: _Decay) -> None:
    if decay.t2_ms.size:
        times_ms = np.linspace(0, decay.times_ms[-1] * 1.03, 200)
        axes.fill_between(decay.times_ms, decay.p10, decay.p90, color=_POINT, alpha=0.15, lw=0, label="p10 to p90")
        axes.plot(times_ms, _mean_curve(decay, times_ms), color=_FIT, lw=1.5, label="mean of fitted curves")
        _draw_points(axes, decay, decay.mean)
    if decay.noise_floor > 0:
        axes.axhline(decay.noise_floor, color=_FLOOR, ls="--", lw=1, label="mean of noise alone")
    axes.set(xlim=(0, decay.times_ms[-1] * 1.03), ylabel="Signal (a.u.)", ylim=(0, None))
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_residuals(axes: Axes, decay: _Decay) -> None:
    axes.axhline(0, color=_FIT, lw=1)
    if decay.t2_ms.size:
        fitted = _mean_curve(decay, decay.times_ms)
        residual_pct = 100 * (decay.mean - fitted) / fitted[0]
        _draw_points(axes, decay, residual_pct)
        reach = max(1.0, 1.2 * float(np.abs(residual_pct).max()))
        axes.set_ylim(-reach, reach)
    axes.set(xlabel="Echo time (ms)", ylabel="Residual\n(% of first echo)")
    axes.spines[["top", "right"]].set_visible(False)


def _draw_points(axes: Axes, decay: _Decay, values: NDArray[np.float64]) -> None:
    """Draw filled points for fitted echoes, hollow ones for those the fit skipped."""
    fitted, skipped = decay.is_fitted, ~decay.is_fitted
    axes.plot(decay.times_ms[fitted], values[fitted], "o", color=_POINT, ms=5, label="mean of voxels")
    if skipped.any():
        axes.plot(decay.times_ms[skipped], values[skipped], "o", color=_POINT, mfc="white", ms=5, label="not fitted")
