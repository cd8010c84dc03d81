"""What tissue gives: signal curves with their derivatives, echo by echo, for many voxels at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from t2disc.fit.backend import Namespace
from t2disc.fit.sums import added
from t2disc.fit.train import EchoTrain

if TYPE_CHECKING:
    from t2disc.fit.models import Problem, Signal
    from t2disc.fit.newton import Local, Matrix

Rows = Any
"""Numbers of B voxels, ``(B,)``, in the arrays of any namespace."""

STEP_AT_MOST = 0.3  # in x; and half of x more
X_AT_START = (1e-3, 8.0)
TINY = 1e-300
SHARE_LEFT = 0.2  # of its size that an amplitude keeps in a step


class Terms(NamedTuple):
    """One echo of a curve and how it answers to the curve's P parameters.

    ``first[i]`` is the derivative by parameter i, ``second[i][j]`` for j <= i that by i and j; ``None`` where it is 0.
    """

    value: Rows
    first: tuple[Rows, ...]
    second: tuple[tuple[Rows | None, ...], ...]


class Reported(NamedTuple):
    """Parameters as they are told: (T2 in ms, S0, third); ``slopes[i][j]``: derivative of value i by parameter j."""

    values: tuple[Rows, ...]
    slopes: tuple[tuple[Rows, ...], ...]


class Curve(Protocol):
    """A signal curve of P parameters: the amplitude, the decay x, and what else it has."""

    n_parameters: int

    def start(self, signal: Rows) -> tuple[Rows, ...]:
        """Return where to begin, from ``(E, B)`` signals freed of the noise floor."""

    def echoes(self, parameters: tuple[Rows, ...], voxels: Rows | None) -> Iterator[Terms]:
        """Yield the used echoes in order; ``voxels`` are the indices in the block of those asked for."""

    def in_steps(self, parameters: tuple[Rows, ...], local: Local) -> Local:
        """Return gradient and second derivatives in the coordinates that steps are taken in."""

    def held(self, parameters: tuple[Rows, ...], step: tuple[Rows, ...]) -> Rows | None:
        """Tell the voxels whose last parameter lies on its bound and is pushed against it; ``None`` without bounds."""

    def moved(self, parameters: tuple[Rows, ...], step: tuple[Rows, ...]) -> tuple[tuple[Rows, ...], Rows]:
        """Return where a step leads, cut short where it is too long to be believed, and its size."""

    def report(self, parameters: tuple[Rows, ...], spread: tuple[Rows, ...]) -> Reported:
        """Return what is told of the parameters; ``spread`` are their standard errors."""

    def doubt(self, parameters: tuple[Rows, ...], covariance: Matrix) -> Rows | None:
        """Return a flag of the curve's own for each voxel, 0 for none; ``None`` for a curve without.

        ``covariance`` may be any multiple of it: with no degree of freedom left its size is not known.
        """


class MonoCurve:
    """``A exp(-k x)``: A the signal at the first used echo, x = spacing / T2, k the echo's steps from the first."""

    n_parameters = 2

    def __init__(self, train: EchoTrain, xp: Namespace) -> None:
        self._train = train
        self._steps = tuple(train.steps.tolist())
        self._xp = xp

    def start(self, signal: Rows) -> tuple[Rows, ...]:
        """Begin with the first echo and the decay from the sum of the early echoes to that of the late ones."""
        xp, n = self._xp, signal.shape[0]
        part = n - 1 if self._train.is_equal else n // 2
        early, late = added(signal[:part, :]), added(signal[n - part :, :])
        lag = float(self._train.steps[n - part :].mean() - self._train.steps[:part].mean())
        x = xp.log(xp.maximum(early, TINY + 0 * early) / xp.maximum(late, TINY + 0 * late)) / lag
        return xp.maximum(signal[0, :], 1e-3 * early / part), xp.clip(x, X_AT_START[0], X_AT_START[1])

    def echoes(self, parameters: tuple[Rows, ...], voxels: Rows | None = None) -> Iterator[Terms]:  # noqa: ARG002
        """Yield the echoes, first to last: by powers where the steps are whole."""
        amplitude, x = parameters
        gap, decay, before = self._xp.exp(-x), self._xp.ones_like(x), 0.0
        for steps in self._steps:
            ahead = steps - before
            if ahead:
                decay = decay * (gap if ahead == 1.0 else self._xp.exp(-ahead * x))
            before = steps
            value = amplitude * decay
            slope = -steps * value
            yield Terms(value, (decay, slope), ((None,), (-steps * decay, -steps * slope)))

    def in_steps(self, parameters: tuple[Rows, ...], local: Local) -> Local:  # noqa: ARG002 - the protocol's signature
        """Steps are taken in the parameters themselves."""
        return local

    def held(self, parameters: tuple[Rows, ...], step: tuple[Rows, ...]) -> None:  # noqa: ARG002
        """No parameter has a bound."""
        return

    def moved(self, parameters: tuple[Rows, ...], step: tuple[Rows, ...]) -> tuple[tuple[Rows, ...], Rows]:
        """Go; x no further than is wise, the amplitude never to 0. The size is the greatest step, relative.

        Every parameter counts: a step that leaves x alone but not the amplitude may be followed by one that does not.
        """
        xp = self._xp
        amplitude, x, *others = parameters
        by_amplitude, by_x, *by_others = step
        share = xp.minimum(xp.ones_like(x), (STEP_AT_MOST + 0.5 * xp.abs(x)) / (xp.abs(by_x) + TINY))
        after = xp.maximum(amplitude + share * by_amplitude, SHARE_LEFT * amplitude)
        rest = tuple(p + share * s for p, s in zip(others, by_others, strict=True))
        size = xp.maximum(xp.abs(by_x) / (xp.abs(x) + 1e-9), xp.abs(by_amplitude) / amplitude)
        for by_other in by_others:
            size = xp.maximum(size, xp.abs(by_other) / amplitude)
        return (after, x + share * by_x, *rest), size

    def report(self, parameters: tuple[Rows, ...], spread: tuple[Rows, ...]) -> Reported:  # noqa: ARG002
        """Return T2 = spacing / x and S0 = A exp(x TE_1 / spacing)."""
        amplitude, x = parameters[:2]
        ahead = self._train.first_ms / self._train.spacing_ms
        t2_ms = self._train.spacing_ms / x
        lift = self._xp.exp(ahead * x)
        s0 = amplitude * lift
        return Reported((t2_ms, s0), ((0.0 * x, -t2_ms / x), (lift, ahead * s0)))

    def doubt(self, parameters: tuple[Rows, ...], covariance: Matrix) -> None:  # noqa: ARG002
        """No flag of its own."""
        return


class OffsetCurve(MonoCurve):
    """``A exp(-k x) + C``: as :class:`MonoCurve`, on a constant C."""

    n_parameters = 3
    is_third_a_signal = True

    def start(self, signal: Rows) -> tuple[Rows, ...]:
        """Begin without an offset."""
        amplitude, x = super().start(signal)
        return amplitude, x, self._xp.zeros_like(x)

    def echoes(self, parameters: tuple[Rows, ...], voxels: Rows | None = None) -> Iterator[Terms]:
        """Yield the echoes, first to last."""
        *mono, offset = parameters
        one = self._xp.ones_like(offset)
        for value, first, second in super().echoes(tuple(mono), voxels):
            yield Terms(value + offset, (*first, one), (*second, (None, None, None)))

    def report(self, parameters: tuple[Rows, ...], spread: tuple[Rows, ...]) -> Reported:
        """Return T2, S0 (above the offset) and the offset."""
        (t2_ms, s0), (of_t2, of_s0) = super().report(parameters, spread)
        offset = parameters[2]
        zero, one = self._xp.zeros_like(offset), self._xp.ones_like(offset)
        return Reported((t2_ms, s0, offset), ((*of_t2, zero), (*of_s0, zero), (zero, zero, one)))


def mono_signal_of(problem: Problem) -> Signal:
    """Return the curve ``S0 exp(-TE / T2)``, one exponential per gap between echoes of another length."""
    train = problem.train

    def signal(t2_ms: NDArray[Any], s0: NDArray[Any], third: NDArray[Any] | None) -> NDArray[Any]:  # noqa: ARG001
        rate = -1.0 / t2_ms
        echoes = np.empty((train.n_echoes, t2_ms.size))
        np.multiply(s0, np.exp(train.first_ms * rate), out=echoes[0])
        gap, decay = 0.0, np.ones_like(rate)
        for echo, ahead in enumerate(np.diff(train.steps).tolist(), start=1):
            if ahead != gap:
                gap, decay = ahead, np.exp(ahead * train.spacing_ms * rate)
            np.multiply(echoes[echo - 1], decay, out=echoes[echo])
        return echoes

    return signal


def offset_signal_of(problem: Problem) -> Signal:
    """Return the curve ``S0 exp(-TE / T2) + C``."""
    mono = mono_signal_of(problem)
    return lambda t2_ms, s0, offset: mono(t2_ms, s0, None) + offset
