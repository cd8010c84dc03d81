"""Variable projection for one decay: the amplitude is eliminated, and one unknown q = exp(-spacing / T2) is left.

For signals s_e at steps k_e the best amplitude for a given q is A = N / D, with N = sum s_e q**k_e and
D = sum q**(2 k_e); the sum of squares left is sum s_e**2 - N**2 / D. In x = ln q its stationary points are the roots of

    h(x) = mean_s - mean_d,     dh/dx = var_s - 2 var_d,

where mean_s, var_s are the mean and variance of k weighted by s_e q**k_e, and mean_d, var_d those weighted by
q**(2 k_e); h > 0 means that the fit improves with longer T2.

Source: Golub & Pereyra 1973 (variable projection); Horner's rule for equally spaced echoes, closed geometric sums.

The kernels work on preallocated ``(B,)`` rows, element by element and without BLAS, so that a voxel's bits do not
depend on its neighbours.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from t2disc.fit.train import EchoTrain

Rows = NDArray[Any]
"""Numbers of B voxels, ``(B,)``, or of their echoes, ``(E, B)``; float32 or float64."""


class Moments(NamedTuple):
    """Weighted sum, mean and variance of the steps k; rows ``(B,)`` that live until the kernel's next call."""

    total: Rows
    mean: Rows
    variance: Rows


class Kernel(Protocol):
    """What a Newton step needs to know at a given q."""

    def signal_moments(self, signal: Rows, q: Rows) -> Moments:
        """Moments of k under the weights s_e q**k_e; ``signal`` is ``(E, B)``."""

    def decay_moments(self, q: Rows) -> Moments:
        """Moments of k under the weights q**(2 k_e)."""


def kernel_for(train: EchoTrain, width: int, dtype: DTypeLike) -> Kernel:
    """Return the polynomial kernel for equally spaced echoes, the exponential one for others."""
    if train.is_equal:
        return PolynomialKernel(train.n_echoes, width, dtype)
    return ExponentialKernel(train.steps, width, dtype)


class PolynomialKernel:
    """Moments for equally spaced echoes: Horner sums of the signal, geometric sums of the decay; no exponential."""

    def __init__(self, n_echoes: int, width: int, dtype: DTypeLike) -> None:
        self._n = n_echoes
        self._horner = np.empty((2, 3, width), dtype)
        self._rows = np.empty((9, width), dtype)

    def signal_moments(self, signal: Rows, q: Rows) -> Moments:
        """With N, N' and N''/2 by Horner's rule: mean = q N' / N, variance = mean + 2 q**2 (N''/2) / N - mean**2."""
        total, slope, bend = self._polynomial(signal, q)
        mean, variance, work = self._rows[:3, : q.size]
        np.divide(q, total, out=work)
        np.multiply(slope, work, out=mean)
        np.multiply(bend, work, out=variance)
        np.multiply(variance, q, out=variance)
        np.add(variance, variance, out=variance)
        np.add(variance, mean, out=variance)
        np.multiply(mean, mean, out=work)
        np.subtract(variance, work, out=variance)
        return Moments(total, mean, variance)

    def _polynomial(self, signal: Rows, q: Rows) -> Rows:
        """Return rows N, N' and N''/2."""
        now: Rows = self._horner[0, :, : q.size]
        then: Rows = self._horner[1, :, : q.size]
        self._top_echoes(signal, q, now)
        for echo in signal[-4::-1]:
            np.multiply(now, q, out=then)
            np.add(then[0], echo, out=then[0])
            np.add(then[1:], now[:2], out=then[1:])
            now, then = then, now
        return now

    def _top_echoes(self, signal: Rows, q: Rows, rows: Rows) -> None:
        """Horner's rule over the last three echoes (two where there are no more), less what is multiplied by zero."""
        value, slope, bend = rows
        np.multiply(signal[-1], q, out=slope)
        np.add(slope, signal[-2], out=value)
        if self._n == 2:
            slope[...] = signal[-1]
            bend[...] = 0.0
            return
        np.add(slope, value, out=slope)
        np.multiply(value, q, out=value)
        np.add(value, signal[-3], out=value)
        bend[...] = signal[-1]

    def decay_moments(self, q: Rows) -> Moments:
        """Geometric sums: with a = u / (1 - u), b = n u**n / (1 - u**n) and u = q**2,
        mean = a - b and variance = a (1 + a) - b (n + b).
        """
        total, mean, variance, a, b, work = self._rows[3:, : q.size]
        np.multiply(q, q, out=a)
        self._power(a, out=b)
        np.subtract(1.0, a, out=work)
        np.subtract(1.0, b, out=variance)
        np.divide(variance, work, out=total)
        np.divide(a, work, out=a)
        np.divide(b, variance, out=b)
        np.multiply(b, self._n, out=b)
        np.subtract(a, b, out=mean)
        np.multiply(a, a, out=variance)
        np.add(variance, a, out=variance)
        np.add(b, self._n, out=work)
        np.multiply(work, b, out=work)
        np.subtract(variance, work, out=variance)
        return Moments(total, mean, variance)

    def _power(self, u: Rows, *, out: Rows) -> None:
        """u**n by repeated squaring from the highest bit of n."""
        power = u
        for bit in f"{self._n:b}"[1:]:
            power = np.multiply(power, power, out=out)
            if bit == "1":
                np.multiply(out, u, out=out)


class ExponentialKernel:
    """Moments for any echo times: one exponential per echo; also where q reaches 1, where geometric sums break down."""

    def __init__(self, steps: NDArray[np.float64], width: int, dtype: DTypeLike) -> None:
        self._steps = steps
        self._rows = np.empty((9, width), dtype)

    def signal_moments(self, signal: Rows, q: Rows) -> Moments:
        """Sums over echoes of s_e exp(k_e ln q), times 1, k and k**2."""
        return self._moments(signal, q, 1.0, self._rows[:3, : q.size])

    def decay_moments(self, q: Rows) -> Moments:
        """Sums over echoes of exp(2 k_e ln q), times 1, k and k**2."""
        return self._moments(None, q, 2.0, self._rows[3:6, : q.size])

    def _moments(self, signal: Rows | None, q: Rows, times: float, out: Rows) -> Moments:
        total, mean, variance = out
        log_q, weight, work = self._rows[6:, : q.size]
        out[...] = 0.0
        np.log(q, out=log_q)
        for e, step in enumerate(self._steps):
            np.multiply(log_q, times * step, out=work)
            np.exp(work, out=weight)
            if signal is not None:
                np.multiply(weight, signal[e], out=weight)
            np.add(total, weight, out=total)
            np.multiply(weight, step, out=weight)
            np.add(mean, weight, out=mean)
            np.multiply(weight, step, out=weight)
            np.add(variance, weight, out=variance)
        np.divide(mean, total, out=mean)
        np.divide(variance, total, out=variance)
        np.multiply(mean, mean, out=work)
        np.subtract(variance, work, out=variance)
        return Moments(total, mean, variance)


def newton_step(kernel: Kernel, signal: Rows, q: Rows, *, out: Rows) -> tuple[Moments, Moments]:
    """Write the Newton step h / (dh/dx) in x = ln q to ``out``; return the moments it was made of."""
    of_signal = kernel.signal_moments(signal, q)
    of_decay = kernel.decay_moments(q)
    slope = of_signal.variance
    np.subtract(of_signal.mean, of_decay.mean, out=out)
    np.subtract(slope, of_decay.variance, out=slope)
    np.subtract(slope, of_decay.variance, out=slope)
    np.divide(out, slope, out=out)
    return of_signal, of_decay
