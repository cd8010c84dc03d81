"""Do two measurements of the same discs agree? Their differences over their means."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from t2disc.errors import ArgumentInvalid
from t2disc.model import Z_95
from t2disc.qc.asked import require_pairs
from t2disc.qc.charts import CONTROL, INDEX, INK, QUIET, bare, say, shared_reach
from t2disc.qc.figure import QcFigure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Unit = Literal["ms", "%"]

LEAST_PAIRS = 3
"""Fewer pairs have no limits of agreement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limits:
    """Mean difference and limits of agreement, with half the width of their 95 % intervals."""

    bias: float
    half: float  # from the bias to either limit
    bias_ci: float
    limit_ci: float


def plot_bland_altman(
    first_ms: ArrayLike,
    second_ms: ArrayLike,
    *,
    names: tuple[str, str] = ("first", "second"),
    unit: Unit = "ms",
    quantity: str = "T2",
    what: str = "",
) -> Figure:
    """Show how two measurements of the same things differ, over how great they are.

    Each point is a pair: second minus first, over their mean. Lines are the mean difference (bias) and the limits of
    agreement, ``bias -+ 1.96 SD``, between which 95 % of such differences lie; bars at the right edge are their 95 %
    intervals, side by side, for they overlap where pairs are few. Pairs of which a value is missing are counted and not
    drawn; fewer than three pairs have no limits.

    Parameters
    ----------
    first_ms, second_ms
        ``(N,)`` ms, in one order: two scans, two readers, two models. NaN where there is none.
    names
        What the two are, in a word or two each.
    unit
        ``ms``, or ``%`` for differences in % of each pair's mean.
    quantity
        ``T2`` or ``T2*``, for the labels.
    what
        What was measured, for the title: region, discs and outlines.

    Returns
    -------
    matplotlib.figure.Figure
        Save it with ``figure.savefig(path)``; PNG bytes repeat for the same data.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: two lists of different lengths, or an unknown unit.

    Source: Bland and Altman 1986, Lancet 327:307; intervals of the limits, Bland and Altman 1999, Stat Methods Med
    Res 8:135, section 2 (``var = (1/n + 1.96**2 / (2 (n - 1))) SD**2``).
    """
    first, second = require_pairs(first_ms, second_ms)
    if unit not in get_args(Unit):
        raise ArgumentInvalid("an unknown unit", expected=f"one of {', '.join(get_args(Unit))}")
    mean, difference = _differences(first, second, unit)
    figure = QcFigure(figsize=(8, 4.6), dpi=110, layout="constrained")
    axes = figure.subplots()
    bare(axes)
    axes.set_xlabel(f"Mean of {names[0]} and {names[1]}, {quantity} (ms)", fontsize=10)
    label = "ms" if unit == "ms" else "% of their mean"
    axes.set_ylabel(f"{names[1]} minus {names[0]}, {quantity} ({label})", fontsize=10)
    limits = _limits(difference)
    if difference.size == 0:
        say(axes, "no pair of values")
    else:
        _draw(axes, mean, difference, limits, unit)
    heading = _heading(first.size, difference.size)
    axes.set_title(f"{what}\n{heading}" if what else heading, fontsize=10, loc="left")
    return figure


# ------------------------------------------------------------------------------------------------ numbers
def _differences(
    first: NDArray[np.float64], second: NDArray[np.float64], unit: Unit
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and difference of the pairs that are complete."""
    known = np.isfinite(first) & np.isfinite(second)
    mean, difference = (first[known] + second[known]) / 2, second[known] - first[known]
    if unit == "ms":
        return mean, difference
    positive = mean > 0
    return mean[positive], 100 * difference[positive] / mean[positive]


def _limits(difference: NDArray[np.float64]) -> _Limits | None:
    from scipy.stats import t

    n = difference.size
    if n < LEAST_PAIRS:
        return None
    sd, quantile = float(difference.std(ddof=1)), float(t.ppf(0.975, n - 1))
    return _Limits(
        bias=float(difference.mean()),
        half=Z_95 * sd,
        bias_ci=quantile * sd / math.sqrt(n),
        limit_ci=quantile * sd * math.sqrt(1 / n + Z_95**2 / (2 * (n - 1))),
    )


def _heading(n: int, n_known: int) -> str:
    pairs = "1 pair" if n_known == 1 else f"{n_known} pairs"
    missing = f"; {n - n_known} without one of the two values, not drawn" if n > n_known else ""
    few = f"; fewer than {LEAST_PAIRS} have no limits of agreement" if 0 < n_known < LEAST_PAIRS else ""
    return pairs + missing + few


# ------------------------------------------------------------------------------------------------ drawing
def _draw(
    axes: Axes, mean: NDArray[np.float64], difference: NDArray[np.float64], limits: _Limits | None, unit: Unit
) -> None:
    axes.plot(mean, difference, "o", color=CONTROL, ms=5, mec="white", mew=0.6, zorder=3, label="pairs")
    axes.axhline(0, color=QUIET, lw=0.8, zorder=1)
    axes.set_xlim(shared_reach(mean, 20.0))
    ends = difference
    if limits is not None:
        tips = limits.half + limits.limit_ci
        ends = np.concatenate([difference, [limits.bias - tips, limits.bias + tips]])
        for value, half, colour, words, place in (
            (limits.bias, limits.bias_ci, INDEX, "bias", 0.985),
            (limits.bias + limits.half, limits.limit_ci, INK, "+1.96 SD", 0.965),
            (limits.bias - limits.half, limits.limit_ci, INK, "−1.96 SD", 0.945),
        ):
            bar = axes.errorbar([place], [value], [half], fmt="none", ecolor=colour, elinewidth=2.5, capsize=3)
            for line in (*bar[1], *bar[2]):
                line.set_transform(axes.get_yaxis_transform())
            axes.axhline(value, color=colour, lw=1.3, ls="-" if words == "bias" else "--", zorder=2, label=words)
            text = f"{words}\n{value:+.1f} {unit}".replace("-", "−")
            axes.text(1.01, value, text, transform=axes.get_yaxis_transform(), fontsize=9, va="center", color=colour)
        told = "bars at the right: 95 % interval of each line"
        mark = Line2D([], [], color=INK, marker="|", ms=10, mew=2.5, lw=0, label=told)
        axes.legend(handles=[mark], loc="lower right", fontsize=8.5, frameon=False, bbox_to_anchor=(1, 1), borderpad=0)
    axes.set_ylim(shared_reach(ends, 2.0))
