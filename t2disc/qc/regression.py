"""Does what is measured follow what is true? Measured over true T2, with the line through them and what it leaves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from t2disc.errors import ArgumentInvalid
from t2disc.qc.asked import require_pairs
from t2disc.qc.charts import BAND, CONTROL, INDEX, QUIET, bare, say, shared_reach
from t2disc.qc.figure import QcFigure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEAST_POINTS = 3
"""Fewer points have no line with an uncertainty."""

_Z = 1.96


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """``measured = intercept + slope true``, with half the width of both 95 % intervals."""

    slope: float
    intercept_ms: float
    slope_ci: float
    intercept_ci_ms: float
    r2: float
    sd_ms: float  # about the line
    mean_ms: float  # of the true values
    spread: float  # sum of squared distances of the true values from their mean
    quantile: float
    n: int

    def at(self, true_ms: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what the line says."""
        return np.asarray(self.intercept_ms + self.slope * true_ms, np.float64)

    def half_ms(self, true_ms: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return half the width of the line's 95 % interval."""
        root = np.sqrt(1 / self.n + (true_ms - self.mean_ms) ** 2 / self.spread)
        return np.asarray(self.quantile * self.sd_ms * root, np.float64)


def plot_regression(
    true_ms: ArrayLike,
    measured_ms: ArrayLike,
    *,
    measured_se_ms: ArrayLike | None = None,
    true_name: str = "True",
    measured_name: str = "Measured",
    quantity: str = "T2",
) -> Figure:
    """Show measured over true T2, as for the spheres of a phantom or simulated discs.

    Above, the points with their 95 % intervals where standard errors are given, the line of least squares with its
    95 % band, and the dashed line on which both agree. Below, measured minus true in % of true: a bias that grows or
    falls with T2 shows there. Pairs of which a value is missing are counted and not drawn.

    Parameters
    ----------
    true_ms, measured_ms
        ``(N,)`` ms, in one order; NaN where there is none.
    measured_se_ms
        ``(N,)`` standard errors of what was measured, ms; no bars where left out or NaN.
    true_name, measured_name
        What the two are, in a word or two each.
    quantity
        ``T2`` or ``T2*``, for the labels.

    Returns
    -------
    matplotlib.figure.Figure
        Save it with ``figure.savefig(path)``; PNG bytes repeat for the same data.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: lists of different lengths, or a true T2 of 0 ms or less.

    Source: Draper and Smith 1998, Applied Regression Analysis, ch. 1 and 3 (intervals of slope, intercept and line).
    """
    true, measured = require_pairs(true_ms, measured_ms)
    _, errors = require_pairs(true, np.full(true.shape, np.nan) if measured_se_ms is None else measured_se_ms)
    if (true <= 0).any():
        raise ArgumentInvalid(f"a {true_name.lower()} {quantity} of {np.nanmin(true):g} ms", expected="above 0 ms")
    known = np.isfinite(true) & np.isfinite(measured)
    line = _fitted(true[known], measured[known])
    figure = QcFigure(figsize=(8, 6), dpi=110, layout="constrained")
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1.2))
    axes.set_ylabel(f"{measured_name} {quantity} (ms)", fontsize=10)
    below.set_ylabel(f"{measured_name} minus {true_name.lower()}\n(% of {true_name.lower()})", fontsize=10)
    below.set_xlabel(f"{true_name} {quantity} (ms)", fontsize=10)
    bare(axes)
    bare(below)
    if known.any():
        _draw(axes, true[known], measured[known], errors[known], line)
        _draw_bias(below, true[known], measured[known], errors[known])
    else:
        say(axes, "no pair of values")
    axes.set_title(_heading(true.size, int(known.sum()), line), fontsize=10, loc="left")
    return figure


# ------------------------------------------------------------------------------------------------ numbers
def _fitted(true: NDArray[np.float64], measured: NDArray[np.float64]) -> _Line | None:
    """Return the line of least squares; None with too few points or no spread."""
    from scipy.stats import t

    n = true.size
    if n < LEAST_POINTS or np.ptp(true) == 0:
        return None
    mean = float(true.mean())
    spread = float(((true - mean) ** 2).sum())
    slope = float(((true - mean) * (measured - measured.mean())).sum() / spread)
    intercept = float(measured.mean() - slope * mean)
    left = float(((measured - intercept - slope * true) ** 2).sum())
    total = float(((measured - measured.mean()) ** 2).sum())
    sd, quantile = math.sqrt(left / (n - 2)), float(t.ppf(0.975, n - 2))
    return _Line(
        slope=slope,
        intercept_ms=intercept,
        slope_ci=quantile * sd / math.sqrt(spread),
        intercept_ci_ms=quantile * sd * math.sqrt(1 / n + mean**2 / spread),
        r2=1 - left / total if total else math.nan,
        sd_ms=sd,
        mean_ms=mean,
        spread=spread,
        quantile=quantile,
        n=n,
    )


def _heading(n: int, n_known: int, line: _Line | None) -> str:
    missing = f"; {n - n_known} without one of the two values, not drawn" if n > n_known else ""
    points = "1 point" if n_known == 1 else f"{n_known} points"
    if line is None:
        return points + missing + ("; too few, or too alike, for a line" if n_known else "")
    slope = f"slope {line.slope:.3f} ± {line.slope_ci:.3f}"
    intercept = f"intercept {line.intercept_ms:+.1f} ± {line.intercept_ci_ms:.1f} ms"
    return f"{points}{missing}\n{slope}, {intercept}, R² {line.r2:.4f}".replace("-", "−")


# ------------------------------------------------------------------------------------------------ drawing
def _draw(
    axes: Axes,
    true: NDArray[np.float64],
    measured: NDArray[np.float64],
    errors: NDArray[np.float64],
    line: _Line | None,
) -> None:
    low, high = shared_reach(true, 20.0)
    span = np.linspace(max(low, 0.0), high, 100)
    axes.plot(span, span, color=QUIET, ls="--", lw=1, label="both agree", zorder=1)
    if line is not None:
        half = line.half_ms(span)
        axes.fill_between(span, line.at(span) - half, line.at(span) + half, color=BAND, lw=0, zorder=0)
        axes.plot(span, line.at(span), color=INDEX, lw=1.4, label="least squares, 95 % band", zorder=2)
    axes.vlines(true, measured - _Z * errors, measured + _Z * errors, color=CONTROL, lw=1.2, zorder=3)
    axes.plot(true, measured, "o", color=CONTROL, ms=5.5, mec="white", mew=0.6, label="points, 95 % interval", zorder=4)
    axes.set_xlim(max(low, 0.0), high)
    axes.legend(frameon=False, fontsize=9, loc="upper left")


def _draw_bias(
    axes: Axes, true: NDArray[np.float64], measured: NDArray[np.float64], errors: NDArray[np.float64]
) -> None:
    bias_pct, half_pct = 100 * (measured - true) / true, 100 * _Z * errors / true
    axes.axhline(0, color=QUIET, ls="--", lw=1, zorder=1)
    axes.vlines(true, bias_pct - half_pct, bias_pct + half_pct, color=CONTROL, lw=1.2, zorder=3)
    axes.plot(true, bias_pct, "o", color=CONTROL, ms=5.5, mec="white", mew=0.6, zorder=4)
    reach = max(1.0, 1.15 * float(np.nanmax(np.abs([bias_pct - half_pct, bias_pct + half_pct, bias_pct]))))
    axes.set_ylim(-reach, reach)
