"""The ``loglinear`` and ``wls`` models: straight lines through ln S, the classical fits, kept for comparison."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2disc.fit.curves import mono_signal_of
from t2disc.fit.models import BlockFit, Problem, Solver, register_model
from t2disc.fit.search import judge_signal
from t2disc.fit.sums import added
from t2disc.fit.train import EchoTrain
from t2disc.model import Flag

Floats = NDArray[np.float64]


@register_model(
    "loglinear",
    algorithm="Linear least squares of ln S(TE) = ln S0 - TE / T2 in every voxel",
    reference="Milford D, et al. PLoS ONE 2015;10:e0145255. doi:10.1371/journal.pone.0145255",
    error_basis="the residual of ln S about the line with n - 2 degrees of freedom",
    signal=mono_signal_of,
)
def loglinear(problem: Problem) -> Solver:
    """Ordinary least squares of ln S = ln S0 - TE / T2, every echo with the same weight.

    Its standard error is that of the line's slope with n - 2 degrees of freedom, carried to T2. Low signals weigh too
    much and the noise floor bends the line: expect T2 too long where T2 is short. Needs every echo above zero.

    Source: the ordinary regression line; see docs/methods.md for its bias.
    """
    return _line_solver(problem.train, is_weighted=False)


@register_model(
    "wls",
    algorithm="Linear least squares of ln S(TE) = ln S0 - TE / T2, each echo weighted by its signal squared",
    reference="Bonny JM, Zanca M, Boire JY, Veyre A. Magn Reson Med 1996;36:287-293. doi:10.1002/mrm.1910360216",
    error_basis="the weighted residual of ln S about the line with n - 2 degrees of freedom",
    signal=mono_signal_of,
)
def wls(problem: Problem) -> Solver:
    """Weighted least squares of ln S = ln S0 - TE / T2 with weights S**2.

    The variance of ln S is sigma**2 / S**2 where the signal is far above the noise, so that these are the weights of
    equal noise at every echo. The measured signal stands in for the true one: the noise floor still makes weak echoes
    both too high and too heavy. Needs every echo above zero.

    Source: Bonny et al. 1996, Magn Reson Med 36:287.
    """
    return _line_solver(problem.train, is_weighted=True)


def _line_solver(train: EchoTrain, *, is_weighted: bool) -> Solver:
    times = train.echo_times_ms[:, None]

    def solve(signal: NDArray[Any], b1: NDArray[Any] | None = None) -> BlockFit:  # noqa: ARG001 - a solver's signature
        logs = np.log(signal)
        weights = _weights(signal) if is_weighted else np.ones_like(signal)
        total = added(weights)
        middle, late = added(weights * logs) / total, added(weights * times) / total
        spread = added(weights * (times - late) ** 2)
        rate = -added(weights * (times - late) * logs) / spread
        residual = added(weights * (logs - middle + (times - late) * rate) ** 2)
        t2_ms, s0 = 1.0 / rate, np.exp(middle + rate * late)
        covariance = _covariance(t2_ms, s0, late, residual / _left(train), total, spread)
        return BlockFit(t2_ms, s0, np.sqrt(covariance[0]), _flag(train, signal, rate, t2_ms), None, covariance)

    return solve


def _weights(signal: NDArray[Any]) -> Floats:
    """Return the signal squared, over that of the brightest echo."""
    weights: Floats = (signal / np.abs(signal).max(axis=0)) ** 2
    return weights


def _left(train: EchoTrain) -> float:
    """Return the degrees of freedom; NaN with 2 echoes, which leave none."""
    return float(train.n_echoes - 2) or float("nan")


def _covariance(
    t2_ms: Floats, s0: Floats, late: Floats, variance: Floats, total: Floats, spread: Floats
) -> tuple[Floats, ...]:
    """Return var(T2), cov(S0, T2) and var(S0): with rate r and ln S0 = middle + r late, var(r) = v / spread."""
    of_rate = variance / spread
    of_log_s0 = variance / total + late**2 * of_rate
    return t2_ms**4 * of_rate, -(t2_ms**2) * s0 * late * of_rate, s0**2 * of_log_s0


def _flag(train: EchoTrain, signal: NDArray[Any], rate: Floats, t2_ms: Floats) -> NDArray[np.uint8]:
    outside = (t2_ms < train.shortest_t2_ms) | (t2_ms > train.longest_t2_ms)
    flag = np.where(outside, np.uint8(Flag.BEYOND_ECHO_RANGE), np.uint8(Flag.OK))
    flag[~np.isfinite(t2_ms)] = Flag.BEYOND_ECHO_RANGE  # an echo too weak for its weight to be held
    flag[rate <= 1e-9 / train.spacing_ms] = Flag.NOT_DECAYING
    flag[(signal <= 0).any(axis=0)] = Flag.NO_SIGNAL
    unusable = judge_signal(signal)
    return np.where(unusable != Flag.OK, unusable, flag)
