"""The ``loglinear`` model: a straight line through ln S, the classical fit, kept for comparison."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2disc.fit.models import BlockFit, Solver, register_model
from t2disc.fit.search import judge_signal
from t2disc.fit.train import EchoTrain
from t2disc.model import Flag


@register_model(
    "loglinear",
    algorithm="Linear least squares of ln S(TE) = ln S0 - TE / T2 in every voxel",
    reference="Milford D, et al. PLoS ONE 2015;10:e0145255. doi:10.1371/journal.pone.0145255",
)
def loglinear(train: EchoTrain, sigma: float | None, width: int) -> Solver:  # noqa: ARG001 - the line needs neither
    """Ordinary least squares of ln S = ln S0 - TE / T2, every echo with the same weight.

    Its standard error is that of the line's slope with n - 2 degrees of freedom, carried to T2. Low signals weigh too
    much and the noise floor bends the line: expect T2 too long where T2 is short. Needs every echo above zero.

    Source: the ordinary regression line; see docs/methods.md for its bias.
    """
    centred = train.echo_times_ms - train.echo_times_ms.mean()
    spread = float((centred**2).sum())

    def solve(signal: NDArray[Any]) -> BlockFit:
        logs = np.log(signal)
        middle = _sum_over_echoes(logs, np.full(train.n_echoes, 1.0 / train.n_echoes))
        rate = -_sum_over_echoes(logs, centred) / spread
        residual = _sum_of_squares(logs - middle + centred[:, None] * rate)
        t2_ms = 1.0 / rate
        s0 = np.exp(middle + rate * train.echo_times_ms.mean())
        t2_se_ms = t2_ms**2 * _slope_error(residual, spread, train.n_echoes)
        return BlockFit(t2_ms, s0, t2_se_ms, _flag(train, signal, rate, t2_ms))

    return solve


def _sum_over_echoes(rows: NDArray[Any], weights: NDArray[np.float64]) -> NDArray[Any]:
    total = np.zeros(rows.shape[1])
    for row, weight in zip(rows, weights, strict=True):
        total += weight * row
    return total


def _sum_of_squares(rows: NDArray[Any]) -> NDArray[Any]:
    total = np.zeros(rows.shape[1])
    for row in rows:
        total += row * row
    return total


def _slope_error(residual: NDArray[Any], spread: float, n_echoes: int) -> NDArray[Any]:
    """Standard error of the slope in 1/ms; NaN with 2 echoes."""
    if n_echoes == 2:
        return np.full(residual.shape, np.nan)
    error: NDArray[Any] = np.sqrt(residual / ((n_echoes - 2) * spread))
    return error


def _flag(train: EchoTrain, signal: NDArray[Any], rate: NDArray[Any], t2_ms: NDArray[Any]) -> NDArray[np.uint8]:
    outside = (t2_ms < train.shortest_t2_ms) | (t2_ms > train.longest_t2_ms)
    flag = np.where(outside, np.uint8(Flag.BEYOND_ECHO_RANGE), np.uint8(Flag.OK))
    flag[rate <= 1e-9 / train.spacing_ms] = Flag.NOT_DECAYING
    flag[(signal <= 0).any(axis=0)] = Flag.NO_SIGNAL
    unusable = judge_signal(signal)
    return np.where(unusable != Flag.OK, unusable, flag)
