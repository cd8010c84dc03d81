"""A solver made of a curve and a likelihood: from a block of signals to T2, S0, what else there is, and flags."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2disc.fit.curves import Curve
from t2disc.fit.likelihood import Gaussian, Likelihood
from t2disc.fit.models import BlockFit, Problem
from t2disc.fit.newton import Climb, Matrix, climb, inverse
from t2disc.fit.search import RISING_Q, judge_signal
from t2disc.fit.train import EchoTrain
from t2disc.model import Flag

Rows = Any
"""Numbers of B voxels, ``(B,)``, in the arrays of any namespace."""

MOST_STEPS = 40
BRIGHTEST = 1e100  # in units of sigma: the square of more is not finite
BLOCK = 16384  # voxels: fewer, and the last ones to settle cost more than all others


class ClimbSolver:
    """Fits blocks of ``(E, B)`` signals by climbing a likelihood; any curve goes with any likelihood."""

    def __init__(self, problem: Problem, curve: Curve, likelihood: Likelihood) -> None:
        self._problem = problem
        self._curve = curve
        self._likelihood = likelihood
        self._is_least_squares = isinstance(likelihood, Gaussian)

    def __call__(self, signal: NDArray[Any], b1: NDArray[Any] | None = None) -> BlockFit:
        """Fit a block; B1 ``(B,)`` where the problem says that it is given."""
        backend = self._problem.backend
        reason = judge_signal(signal)
        unit = np.abs(signal).max(axis=0) if self._is_least_squares else np.full(reason.size, self._problem.sigma)
        relative = signal / unit
        reason[(np.abs(relative).max(axis=0) > BRIGHTEST) & (reason == Flag.OK)] = Flag.NOT_FINITE
        measured = backend.asarray(_made_usable(relative, reason, self._problem.train))
        if b1 is not None:
            self._curve.know(backend.asarray(b1))  # type: ignore[attr-defined]
        start = self._curve.start(self._without_floor(measured))
        found = climb(self._curve, self._likelihood, measured, start, backend.xp, most_steps=MOST_STEPS)
        shape, covariance, is_known = self._covariance(found)
        spread = tuple(backend.xp.sqrt(row[-1]) for row in covariance)
        values, slopes = self._curve.report(found.parameters, spread)
        reported = _propagated(slopes, covariance)
        told = [backend.to_numpy(row) for row in values]
        errors = [[backend.to_numpy(cell) for cell in row] for row in reported]
        flag = _flag(self._problem.train, told[0], backend.to_numpy(found.is_settled), backend.to_numpy(is_known))
        if (doubt := self._curve.doubt(found.parameters, shape)) is not None:
            flag = np.where(flag, flag, backend.to_numpy(doubt).astype(np.uint8))
        return self._block_fit(told, errors, np.where(reason, reason, flag), unit)

    def _without_floor(self, measured: Rows) -> Rows:
        """Take off what noise adds to the mean square of a magnitude; where nothing is left, leave a tenth of sigma."""
        if self._is_least_squares:
            return measured
        xp, n_channels = self._problem.backend.xp, self._problem.options.n_channels
        square = measured * measured - 2.0 * n_channels
        return xp.sqrt(xp.maximum(square, xp.full_like(square, 0.01)))

    def _covariance(self, found: Climb) -> tuple[Matrix, Matrix, Rows]:
        """Return the covariance of the curve's parameters but for the noise, with it, and where there is one.

        Least squares: ``SSE / (n - P) (J'J)**-1``. Known sigma: the inverse of the observed information.

        Where a voxel rests on a bound the likelihood need not be curved, and complete data's information stands in.

        Source: Seber and Wild 1989, Nonlinear Regression, ch. 2 and 5; Efron and Hinkley 1978, Biometrika 65:457.
        """
        n_left = self._problem.train.n_echoes - self._curve.n_parameters
        covariance, is_known = inverse(found.complete)
        if not self._is_least_squares:
            xp = self._problem.backend.xp
            observed, is_sharp = inverse(found.bend)
            chosen = _chosen(is_sharp, observed, covariance, xp)
            return chosen, chosen, is_sharp | is_known
        variance = found.residual / n_left if n_left else found.residual * float("nan")
        return covariance, tuple(tuple(cell * variance for cell in row) for row in covariance), is_known

    def _block_fit(
        self, told: list[NDArray[Any]], errors: list[list[NDArray[Any]]], flag: NDArray[Any], unit: NDArray[Any]
    ) -> BlockFit:
        """Bring S0, and an offset, back to the signal's units."""
        units = [1.0, unit, unit if len(told) == 3 and self._is_third_a_signal else 1.0]
        covariance = tuple(cell * units[i] * units[j] for i, row in enumerate(errors) for j, cell in enumerate(row))
        third = told[2] * units[2] if len(told) == 3 else None
        return BlockFit(told[0], told[1] * unit, np.sqrt(errors[0][0]), flag, third, covariance)

    @property
    def _is_third_a_signal(self) -> bool:
        return getattr(self._curve, "is_third_a_signal", False)


def _made_usable(signal: NDArray[Any], reason: NDArray[np.uint8], train: EchoTrain) -> NDArray[np.float64]:
    """Put a plain decay where a signal cannot be fitted, so that nothing has to stop for it."""
    if not reason.any():
        return signal
    decay = np.exp(-train.echo_times_ms / train.echo_times_ms[-1])[:, None]
    usable: NDArray[np.float64] = np.where(reason, decay, signal)
    return usable


def _chosen(which: Rows, here: Matrix, there: Matrix, xp: Any) -> Matrix:
    return tuple(
        tuple(xp.where(which, a, b) for a, b in zip(one, other, strict=True))
        for one, other in zip(here, there, strict=True)
    )


def _propagated(slopes: tuple[tuple[Rows, ...], ...], covariance: Matrix) -> Matrix:
    """Return ``G C G'`` for derivatives G ``(told, P)``."""
    n = len(covariance)
    full = [[covariance[max(i, j)][min(i, j)] for j in range(n)] for i in range(n)]
    pairs = [(a, b) for a in range(n) for b in range(n)]
    return tuple(
        tuple(sum(left[a] * full[a][b] * right[b] for a, b in pairs) for right in slopes[: i + 1])
        for i, left in enumerate(slopes)
    )


def _flag(
    train: EchoTrain, t2_ms: NDArray[Any], is_settled: NDArray[np.bool_], is_known: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Tell why a fitted T2 is none."""
    longest_told_ms = -train.spacing_ms / np.log(RISING_Q)
    outside = (t2_ms < train.shortest_t2_ms) | (t2_ms > train.longest_t2_ms)
    flag = np.where(is_settled & is_known, np.uint8(Flag.OK), np.uint8(Flag.NOT_CONVERGED))
    flag[outside] = Flag.BEYOND_ECHO_RANGE
    flag[(t2_ms < 0) | (t2_ms > longest_told_ms)] = Flag.NOT_DECAYING
    return flag
