"""The ``mono`` model: exact non-linear least squares of S0 exp(-TE / T2), all voxels of a block at once.

A few Newton steps in float32 bring every ordinary voxel close, one step in float64 settles it, and the size of that
step together with the residual proves that it is the global optimum. What is not proved so goes to the careful
search of :mod:`t2disc.fit.search`, or gets its flag there.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from t2disc.fit.climber import ClimbSolver
from t2disc.fit.curves import MonoCurve, mono_signal_of
from t2disc.fit.likelihood import Gaussian
from t2disc.fit.models import BlockFit, Problem, Solver, register_model
from t2disc.fit.search import search
from t2disc.fit.train import EchoTrain
from t2disc.fit.varpro import ExponentialKernel, Kernel, Moments, Rows, kernel_for, newton_step
from t2disc.model import Flag

SINGLE_STEPS_EQUAL, SINGLE_STEPS_UNEQUAL = 2, 3  # Newton steps in float32; unequal echoes start less near
MORE_STEPS = 3  # in float64, for voxels that the first such step did not settle
CLOSE_STEP = 0.3  # steps up to this are worth another one
SETTLED_STEP = 2e-4  # greatest last step in ln q, as a fraction of ln q; its square bounds the error left


class Settled(NamedTuple):
    """Where a last Newton step in float64 led; rows ``(B,)``."""

    t2_ms: Rows
    s0: Rows
    t2_se_ms: Rows
    step: Rows  # size of the last step in ln q, as a fraction of ln q
    residual: Rows  # sum of squares left
    fit: Rows  # sum of squares of the fitted curve


@register_model(
    "mono",
    algorithm="Non-linear least squares of S(TE) = S0 exp(-TE / T2) in every voxel",
    reference="Golub GH, Pereyra V. SIAM J Numer Anal 1973;10:413-432. doi:10.1137/0710036",
    signal=mono_signal_of,
)
def mono(problem: Problem) -> Solver:
    """Least squares of S0 exp(-TE / T2) with S0 > 0; on an accelerator by the steps that all models share."""
    if problem.backend.name != "numpy":
        return ClimbSolver(problem, MonoCurve(problem.train, problem.backend.xp), Gaussian())
    return MonoSolver(problem.train, problem.width, wants_covariance=problem.wants_covariance)


class MonoSolver:
    """Variable projection with its buffers, for blocks of at most ``width`` voxels."""

    def __init__(self, train: EchoTrain, width: int, *, wants_covariance: bool = False) -> None:
        self._train = train
        self._wants_covariance = wants_covariance
        self._signal = np.empty((train.n_echoes, width), np.float32)
        self._rows32 = np.empty((3, width), np.float32)
        self._rows64 = np.empty((8, width))
        self._kernel32 = kernel_for(train, width, np.float32)
        self._kernel64 = kernel_for(train, width, np.float64)
        self._flag = np.empty(width, np.uint8)

    def __call__(self, signal: NDArray[Any], b1: NDArray[Any] | None = None) -> BlockFit:  # noqa: ARG002
        """Fit ``(E, B)`` float64 signals."""
        quick, left = self.first_pass(signal)
        if left.size:
            _put(self.second_pass(signal[:, left]), quick, left)
        return quick

    def first_pass(self, signal: NDArray[Any]) -> tuple[BlockFit, NDArray[np.intp]]:
        """Fit ``(E, B)`` float64 signals by a few steps; return which voxels these do not prove."""
        q, *rows = self._rows64[:, : signal.shape[1]]
        self._approach(signal, q)
        settled = settle(self._train, self._kernel64, signal, q, rows)
        unproved = np.flatnonzero(~is_global_optimum(self._train, settled))
        for _ in range(MORE_STEPS):
            close = unproved[settled.step[unproved] < CLOSE_STEP]
            if not close.size:
                break
            self._step_again(signal, close, settled)
            unproved = unproved[~is_global_optimum(self._train, Settled(*(row[unproved] for row in settled)))]
        flag = self._flag[: q.size]
        flag[...] = Flag.OK
        return self._block_fit(settled, flag), unproved

    def second_pass(self, signal: NDArray[Any]) -> BlockFit:
        """Fit ``(E, V)`` float64 signals by the search over every T2, and flag what has none."""
        peak = np.abs(signal).max(axis=0)
        peak[~(np.isfinite(peak) & (peak > 0))] = 1.0
        part = signal / peak  # so that squares neither overflow nor vanish
        q, flag = search(self._train, part)
        kernel = ExponentialKernel(self._train.steps, q.size, np.float64)
        found = settle(self._train, kernel, part, q, list(np.empty((7, q.size))))
        outside = (found.t2_ms < self._train.shortest_t2_ms) | (found.t2_ms > self._train.longest_t2_ms)
        flag[(flag == Flag.OK) & outside] = Flag.BEYOND_ECHO_RANGE
        np.multiply(found.s0, peak, out=found.s0)
        return self._block_fit(found, flag)

    def _block_fit(self, settled: Settled, flag: NDArray[np.uint8]) -> BlockFit:
        covariance = self._covariance(settled) if self._wants_covariance else ()
        return BlockFit(settled.t2_ms, settled.s0, settled.t2_se_ms, flag, None, covariance)

    def _covariance(self, settled: Settled) -> tuple[Rows, ...]:
        """Return var(T2), cov(S0, T2) and var(S0) from the standard error of T2.

        With x = ln q and k_1 the steps from TE 0 to the first echo, ln S0 = ln A - k_1 x. Of A and x, var(ln A) is
        ``(var_d + mean_d**2) var(x)`` and cov(ln A, x) is ``-mean_d var(x)``.
        """
        x = -self._train.spacing_ms / settled.t2_ms
        of_decay = ExponentialKernel(self._train.steps, x.size, np.float64).decay_moments(np.exp(x))
        slope = settled.t2_ms**2 / self._train.spacing_ms
        of_x = (settled.t2_se_ms / slope) ** 2
        late = of_decay.mean + self._train.first_ms / self._train.spacing_ms
        return (
            settled.t2_se_ms**2,
            -slope * settled.s0 * late * of_x,
            settled.s0**2 * (of_decay.variance + late**2) * of_x,
        )

    def _approach(self, signal: Rows, q: Rows) -> None:
        """Write a q close to the optimum of every ordinary voxel."""
        single = self._signal[:, : q.size]
        near, step, work = self._rows32[:, : q.size]
        np.copyto(single, signal, casting="same_kind")
        linear_prediction(self._train, single, near, step, work)
        for _ in range(SINGLE_STEPS_EQUAL if self._train.is_equal else SINGLE_STEPS_UNEQUAL):
            newton_step(self._kernel32, single, near, out=step)
            np.multiply(step, near, out=step)
            np.subtract(near, step, out=near)
        np.copyto(q, near)

    def _step_again(self, signal: Rows, chosen: NDArray[np.intp], settled: Settled) -> None:
        """Give the chosen voxels another step from where they are."""
        q = np.exp(-self._train.spacing_ms / settled.t2_ms[chosen])
        rows = list(np.empty((7, chosen.size)))
        again = settle(self._train, self._kernel64, signal[:, chosen], q, rows)
        for row, values in zip(settled, again, strict=True):
            row[chosen] = values


def _put(found: BlockFit, whole: BlockFit, chosen: NDArray[np.intp]) -> None:
    for row, values in zip((*whole[:4], *whole.covariance), (*found[:4], *found.covariance), strict=True):
        if row is not None:
            row[chosen] = values


def linear_prediction(train: EchoTrain, signal: Rows, q: Rows, late: Rows, early: Rows) -> None:
    """Write a first q: the sum of all echoes but the first over the sum of all but the last, or for unequal echoes
    the ratio of the sums of the later and the earlier half.
    """
    if train.is_equal:
        _sum(signal, q)
        np.subtract(q, signal[0], out=late)
        np.subtract(q, signal[-1], out=early)
        np.divide(late, early, out=q)
        return
    half = train.n_echoes // 2
    _sum(signal[:half], early)
    _sum(signal[-half:], late)
    np.divide(late, early, out=q)
    lag = train.steps[-half:].mean() - train.steps[:half].mean()
    np.power(q, 1.0 / lag, out=late)
    np.copyto(q, late)


def _sum(echoes: Rows, out: Rows) -> None:
    """Add echo by echo: the order of a reduction would depend on the width of the block."""
    np.copyto(out, echoes[0])
    for echo in echoes[1:]:
        np.add(out, echo, out=out)


def settle(train: EchoTrain, kernel: Kernel, signal: Rows, q: Rows, rows: list[Rows]) -> Settled:
    """Take the last Newton step from ``q``; write T2, S0, the standard error and the proof's ingredients to ``rows``.

    ``rows`` are 7 buffers ``(B,)``; ``q`` is overwritten.
    """
    t2_ms, s0, t2_se_ms, step, residual, fit, work = rows
    of_signal, of_decay = newton_step(kernel, signal, q, out=step)
    np.divide(of_signal.total, of_decay.total, out=s0)
    np.multiply(s0, of_signal.total, out=fit)
    _sum_of_squares(signal, residual, work)
    np.subtract(residual, fit, out=residual)
    np.maximum(residual, 0.0, out=residual)
    _standard_error_of_log_q(train.n_echoes, of_decay, residual, fit, out=t2_se_ms)
    _step_amplitude(s0, step, of_decay, work)
    np.multiply(q, step, out=work)
    np.subtract(q, work, out=q)
    np.log(q, out=work)
    np.divide(-train.spacing_ms, work, out=t2_ms)
    np.divide(step, work, out=step)
    np.divide(t2_se_ms, work, out=t2_se_ms)
    np.multiply(t2_se_ms, t2_ms, out=t2_se_ms)
    np.negative(t2_se_ms, out=t2_se_ms)
    _signal_at_time_zero(train, s0, q, work)
    return Settled(t2_ms, s0, t2_se_ms, np.abs(step, out=step), residual, fit)


def _sum_of_squares(signal: Rows, out: Rows, work: Rows) -> None:
    np.multiply(signal[0], signal[0], out=out)
    for echo in signal[1:]:
        np.multiply(echo, echo, out=work)
        np.add(out, work, out=out)


def _standard_error_of_log_q(n_echoes: int, of_decay: Moments, residual: Rows, fit: Rows, *, out: Rows) -> None:
    """se(ln q)**2 = residual / ((n - 2) fit var_d), from the inverse of J'J; NaN with 2 echoes."""
    if n_echoes == 2:
        out[...] = np.nan
        return
    np.multiply(fit, of_decay.variance, out=out)
    np.multiply(out, n_echoes - 2.0, out=out)
    np.divide(residual, out, out=out)
    np.sqrt(out, out=out)


def _step_amplitude(amplitude: Rows, step: Rows, of_decay: Moments, work: Rows) -> None:
    """Carry the amplitude along the step: at the optimum d ln A / d ln q = -mean_d."""
    np.multiply(step, of_decay.mean, out=work)
    np.multiply(work, amplitude, out=work)
    np.add(amplitude, work, out=amplitude)


def _signal_at_time_zero(train: EchoTrain, amplitude: Rows, q: Rows, log_q: Rows) -> None:
    """Carry the amplitude from the first echo used to time zero; overwrites ``q`` and ``log_q``."""
    if train.first_ms == train.spacing_ms:
        np.divide(amplitude, q, out=amplitude)
        return
    np.multiply(log_q, -train.first_ms / train.spacing_ms, out=q)
    np.exp(q, out=log_q)
    np.multiply(amplitude, log_q, out=amplitude)


def is_global_optimum(train: EchoTrain, settled: Settled) -> NDArray[np.bool_]:
    """Tell which voxels are proved: settled, decaying within the echo range, and with a residual below the train's
    uniqueness ratio, so that no other T2 can fit as well. NaN proves nothing.
    """
    proved: NDArray[np.bool_] = settled.residual <= train.uniqueness**2 * settled.fit
    proved &= settled.step <= SETTLED_STEP
    proved &= settled.t2_ms >= train.shortest_t2_ms
    proved &= settled.t2_ms <= train.longest_t2_ms
    proved &= settled.s0 > 0
    return proved
