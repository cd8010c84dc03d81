"""How well a fit describes the signal: reduced chi-square, R2, odd/even-echo index and decay variance.

With ``m_e`` the signal measured, ``M_e`` and ``V_e`` mean and variance of what the model expects to measure, n echoes
used and p unknowns::

    reduced chi-square   sum (m_e - M_e)**2 / V_e / (n - p)
    R2                   1 - sum (m_e - M_e)**2 / sum (m_e - mean m)**2
    odd/even index       sum c_e (m_e - M_e) M_e / sum M_e**2,   c = +1 at even echoes, -1 at odd ones
    decay variance       sum (m_e - M_e)**2 / ((n - p) M_1**2)

The index is the least-squares estimate of a in ``m_e = (1 + c_e a) M_e``.

Source: docs/methods.md, "Goodness of fit"; Bevington and Robinson 2003, ch. 4 (reduced chi-square); PMC6764792 (decay
variance, by another equation).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from t2disc.errors import ArgumentInvalid
from t2disc.fit.blocks import SLAB, as_slice, memory_order
from t2disc.fit.epgcurve import B1_AT_FOLD
from t2disc.fit.expected import Expectation, require_third
from t2disc.fit.models import Model, Problem, find_model
from t2disc.fit.sums import added
from t2disc.fit.train import EchoTrain, echo_train
from t2disc.model import EchoChoice, EchoStack, FitQuality, T2Map
from t2disc.model._arrays import Counts, count_type
from t2disc.model.grids import require_same_grid

Floats = NDArray[np.float64]

WIDTH = 7168  # voxels of a block: its echoes stay in the cache
SAME_TIME_MS = 1e-6
LEAST_OF_EACH = 2  # odd echoes, and even ones, that an alternation is told from


class Fitted(NamedTuple):
    """A fit and its signal, ``(E, B)`` and ``(B,)``; what a model has no use for is ``None``."""

    signal: NDArray[Any]
    t2_ms: NDArray[Any]
    s0: NDArray[Any]
    third: NDArray[Any] | None
    n_echoes: Counts | None

    def part(self, where: slice | NDArray[np.intp]) -> Fitted:
        """Return some of the voxels."""
        signal, *rows = self
        return Fitted(signal[:, where], *(None if row is None else row[where] for row in rows))  # type: ignore[arg-type]


def judge_fit(stack: EchoStack, t2map: T2Map, *, is_b1_given: bool = False) -> FitQuality:
    """Tell how well the fitted curve of every voxel describes its signal.

    Parameters
    ----------
    stack
        The very volume that was fitted, ``(X, Y, Z, E)``.
    t2map
        Its fit, by any model registered with its curve.
    is_b1_given
        Whether B1 came from a map: then it is no unknown, and may be above 1.

    Returns
    -------
    FitQuality
        Four maps ``(X, Y, Z)`` float32; NaN where a voxel has no T2, or no more echoes than unknowns.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: another grid, echo times that the stack has not, a model without a curve, a model of the
        noise floor on a map without sigma, or a map that does not fit what is said about B1.
    ModelUnknown
        ``model-unknown``: a map of a model that is not registered.
    """
    require_same_grid(stack, t2map)
    model, train = find_model(t2map.model), _train_of(stack, t2map)
    third = {"b1": t2map.b1, "offset": t2map.offset, "": None}[model.third]
    require_third(model, third, is_b1_given=is_b1_given)
    _require_b1_as_said(model, t2map, is_b1_given)
    problem = Problem(
        train=train,
        width=WIDTH,
        sigma=t2map.noise.sigma if t2map.noise.sigma > 0 else None,
        options=t2map.options,
        is_b1_given=is_b1_given,
    )
    order = memory_order(stack.signal)
    shape = tuple(stack.shape[axis] for axis in order)
    maps, left = _judge_slabs(Judge(model, problem), _slabs(stack, t2map, third, train.rows, order), shape)
    back = np.argsort(order)
    chi2_red, r2, odd_even, decay_variance = (values.transpose(back) for values in maps)
    return FitQuality(
        chi2_red=chi2_red,
        r2=r2,
        odd_even=odd_even,
        decay_variance=decay_variance,
        degrees_of_freedom=left.transpose(back),
        affine=t2map.affine,
        model=t2map.model,
    )


def _train_of(stack: EchoStack, t2map: T2Map) -> EchoTrain:
    """Return the train of the map: the echoes of the stack at the map's echo times."""
    apart_ms = np.abs(stack.echo_times_ms[:, None] - t2map.echo_times_ms)
    found = np.flatnonzero((apart_ms <= SAME_TIME_MS).any(axis=1))
    if found.size != t2map.echo_times_ms.size:
        raise ArgumentInvalid(
            f"a map of {t2map.echo_times_ms.size} echoes, {found.size} of which are the stack's",
            expected="a map and the stack it was fitted from",
        )
    echoes = EchoChoice(numbers=tuple((found + 1).tolist()))
    return echo_train(stack.echo_times_ms, n_signals=stack.n_echoes, echoes=echoes)


def _require_b1_as_said(model: Model, t2map: T2Map, is_b1_given: bool) -> None:
    """Refuse where the map's own degrees of freedom tell that B1 was fitted, or given, and the call says otherwise."""
    said = model.degrees_of_freedom(t2map.echo_times_ms.size, is_b1_given=is_b1_given)
    if model.third == "b1" and not np.isnan(t2map.degrees_of_freedom) and t2map.degrees_of_freedom != said:
        raise ArgumentInvalid(
            f"a fit with {t2map.degrees_of_freedom:g} degrees of freedom and is_b1_given={is_b1_given}",
            expected=f"{said:g} degrees of freedom",
            todo="say is_b1_given=True for a fit whose B1 came from a map, and only for such",
        )


def _slabs(
    stack: EchoStack, t2map: T2Map, third: NDArray[Any] | None, rows: list[int], order: tuple[int, ...]
) -> Iterator[Fitted]:
    """Yield signal and maps slab by slab in the order of memory: views where the layout allows, else copies."""
    planes = stack.signal.transpose(3, *order)[as_slice(rows)]
    maps = [None if m is None else m.transpose(order) for m in (t2map.t2_ms, t2map.s0, third, t2map.n_echoes)]
    thickness = max(1, SLAB // max(1, planes[0, 0].size))
    for start in range(0, planes.shape[1], thickness):
        slab = slice(start, start + thickness)
        signal = planes[:, slab].reshape(len(rows), -1)
        yield Fitted(signal, *(None if m is None else m[slab].reshape(-1) for m in maps))  # type: ignore[arg-type]


def _judge_slabs(judge: Judge, slabs: Iterator[Fitted], shape: tuple[int, ...]) -> tuple[NDArray[np.float32], Counts]:
    """Return the four maps ``(4, X, Y, Z)``, and what is left of the echoes, in the order of memory."""
    maps, left = np.empty((4, *shape), np.float32), np.empty(shape, judge.left_type)
    rows, left_row = maps.reshape(4, -1), left.reshape(-1)
    start = 0
    for fitted in slabs:
        stop = start + fitted.t2_ms.size
        judge.write(fitted, rows[:, start:stop], left_row[start:stop])
        start = stop
    return maps, left


class Judge:
    """A model's expectation at work on blocks of voxels.

    Parameters
    ----------
    model, problem
        What was fitted.
    """

    def __init__(self, model: Model, problem: Problem) -> None:
        self._expectation = Expectation(model, problem)
        self._n_unknowns = model.n_unknowns(is_b1_given=problem.is_b1_given)
        self._has_fold = model.third == "b1" and not problem.is_b1_given
        numbers = np.array(problem.train.numbers)
        self._signs = np.where(numbers % 2, -1.0, 1.0)
        n_even = np.cumsum(numbers % 2 == 0)
        least = np.minimum(n_even, np.arange(1, numbers.size + 1) - n_even)
        self._alternates = np.append(False, least >= LEAST_OF_EACH)  # by the number of echoes used
        self._n_echoes = numbers.size
        self.left_type = count_type(self._n_echoes)

    def write(self, fitted: Fitted, rows: NDArray[np.float32], left: Counts) -> None:
        """Write the four numbers of V voxels to ``(4, V)`` rows, and what is left of the echoes to ``(V,)``."""
        rows[...] = np.nan
        left[...] = 0
        known = np.flatnonzero(np.isfinite(fitted.t2_ms))
        with np.errstate(all="ignore"):
            for start in range(0, known.size, WIDTH):
                where = known[start : start + WIDTH]
                rows[:, where], left[where] = self._judged(_as_doubles(fitted.part(where)))

    def _judged(self, fitted: Fitted) -> tuple[Floats, NDArray[np.intp]]:
        """Return the four numbers ``(4, B)`` of voxels with a T2, and their degrees of freedom ``(B,)``."""
        measured = fitted.signal
        expected, variance = self._expectation.moments(fitted.t2_ms, fitted.s0, fitted.third)
        n_echoes = np.full(fitted.t2_ms.size, self._n_echoes)
        if fitted.n_echoes is not None:
            n_echoes = fitted.n_echoes.astype(np.intp)
            is_used = np.arange(self._n_echoes)[:, None] < n_echoes
            measured, expected = np.where(is_used, measured, 0.0), np.where(is_used, expected, 0.0)
        residual = measured - expected
        squares = added(residual, residual)
        spread = added(measured, measured) - added(measured) ** 2 / n_echoes
        odd_even = added(self._signs[:, None] * residual, expected) / added(expected, expected)
        left = np.maximum(n_echoes - self._n_fitted(fitted), 0)
        judged = np.stack(
            [
                added(residual, residual / variance) / left,
                1.0 - squares / spread,
                np.where(self._alternates[n_echoes], odd_even, np.nan),
                squares / left / expected[0] ** 2,
            ]
        )
        judged[:, left == 0] = np.nan
        return judged, left

    def _n_fitted(self, fitted: Fitted) -> NDArray[np.intp] | int:
        """Return the unknowns that followed the data: not B1 where it rests on its bound at 1.

        Source: Self and Liang 1987, J Am Stat Assoc 82:605 (a parameter on its boundary).
        """
        if fitted.third is None or not self._has_fold:
            return self._n_unknowns
        n_fitted: NDArray[np.intp] = self._n_unknowns - (fitted.third >= B1_AT_FOLD).astype(np.intp)
        return n_fitted


def _as_doubles(fitted: Fitted) -> Fitted:
    """Return the numbers in float64, a contiguous row per echo."""
    return fitted._replace(
        signal=np.ascontiguousarray(fitted.signal, dtype=np.float64),
        t2_ms=fitted.t2_ms.astype(np.float64),
        s0=fitted.s0.astype(np.float64),
        third=None if fitted.third is None else fitted.third.astype(np.float64),
    )
