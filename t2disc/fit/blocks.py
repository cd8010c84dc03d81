"""Blocks of voxels that fit the cache, taken from volumes in memory order, and NaN wherever there is a reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from t2disc.fit.models import BlockFit, Model, Problem, Solver, TwoPassSolver
from t2disc.model import EchoChoice, Flag
from t2disc.model._arrays import Counts, count_type

SLAB = 16 * 7168  # voxels taken from a volume at a time
MOST_LEFT = 1024  # voxels that are kept for a second pass; more would not be quicker
LEAST_ECHOES_LEFT = 3  # of a voxel whose weak echoes are dropped: two would leave no standard error


class Planes(NamedTuple):
    """What V voxels are fitted from: signals ``(E, V)``; whether each is asked for and its B1, ``(V,)`` or ``None``."""

    signal: NDArray[Any]
    inside: NDArray[np.bool_] | None
    b1: NDArray[Any] | None

    def part(self, where: slice | NDArray[np.intp]) -> Planes:
        """Return some of the voxels."""
        return Planes(
            self.signal[:, where],
            None if self.inside is None else self.inside[where],
            None if self.b1 is None else self.b1[where],
        )


class Values(NamedTuple):
    """Arrays of one shape that are filled block by block; what a model or a call has no use for is ``None``."""

    t2_ms: NDArray[Any]
    s0: NDArray[Any]
    t2_se_ms: NDArray[Any]
    flag: NDArray[np.uint8]
    third: NDArray[Any] | None
    n_echoes: Counts | None
    covariance: NDArray[Any] | None  # the lower triangle in front

    @classmethod
    def empty(cls, shape: tuple[int, ...], dtype: type, model: Model, problem: Problem, *, drops: bool) -> Values:
        """Return arrays for a model's numbers; ``drops`` where echoes are dropped voxel by voxel."""
        n_told = 3 if model.third else 2
        return cls(
            np.empty(shape, dtype),
            np.empty(shape, dtype),
            np.empty(shape, dtype),
            np.empty(shape, np.uint8),
            np.empty(shape, dtype) if model.third else None,
            np.zeros(shape, count_type(problem.train.n_echoes)) if drops else None,
            np.empty((n_told * (n_told + 1) // 2, *shape)) if problem.wants_covariance else None,
        )

    def part(self, where: slice) -> Values:
        """Return a view of some of the voxels, along the first axis."""
        whole = self.covariance
        rows: list[Any] = [None if array is None else array[where] for array in self[:-1]]
        rows.append(None if whole is None else whole[:, where])
        return Values(*rows)

    def line(self) -> Values:
        """Return a view as one row of voxels."""
        whole = self.covariance
        rows: list[Any] = [None if array is None else array.reshape(-1) for array in self[:-1]]
        rows.append(None if whole is None else whole.reshape(len(whole), -1))
        return Values(*rows)

    def blank(self) -> None:
        """Write NaN to every number."""
        for array in (self.t2_ms, self.s0, self.t2_se_ms, self.third, self.covariance):
            if array is not None:
                array[...] = np.nan

    def write(self, found: BlockFit, where: slice | NDArray[np.intp]) -> None:
        """Put a block's results in their place, NaN wherever there is a flag."""
        flagged = np.flatnonzero(found.flag)
        rows = (found.t2_ms, found.s0, found.t2_se_ms, found.third)
        for array, row in zip((self.t2_ms, self.s0, self.t2_se_ms, self.third), rows, strict=True):
            if array is not None:
                array[where] = row
        if self.covariance is not None:
            for array, row in zip(self.covariance, found.covariance, strict=True):
                array[where] = row
        self.flag[where] = found.flag
        if flagged.size:
            _blank_some(self, flagged if isinstance(where, slice) else where[flagged])


def _blank_some(values: Values, flagged: NDArray[np.intp]) -> None:
    for array in (values.t2_ms, values.s0, values.t2_se_ms, values.third):
        if array is not None:
            array[flagged] = np.nan
    if values.covariance is not None:
        values.covariance[:, flagged] = np.nan


class _Left(NamedTuple):
    """Voxels of a block that are left for a second pass: how many echoes, where they lie, their signal ``(E, V)``."""

    n_echoes: int
    at: NDArray[np.intp]
    signal: NDArray[Any]


class Fitter:
    """A model at work in one thread: its solvers with their buffers, and which voxels they are asked for.

    Parameters
    ----------
    model, problem
        What is fitted.
    echoes
        Their ``drop_below`` is the rule that differs from voxel to voxel.
    min_snr
        Voxels whose first used echo is below this multiple of sigma are not fitted.
    """

    def __init__(self, model: Model, problem: Problem, echoes: EchoChoice, min_snr: float) -> None:
        self._model = model
        self._problem = problem
        self._least_first = None if problem.sigma is None else min_snr * problem.sigma
        self._least_any = None if echoes.drop_below is None else echoes.drop_below * (problem.sigma or np.nan)
        self._solvers = {problem.train.n_echoes: model.solver(problem)}
        self._left: list[_Left] = []

    def fit(self, planes: Planes, out: Values) -> None:
        """Fit ``(E, V)`` planes, block by block, and then what the blocks left for a second pass."""
        width = self._problem.width
        block = np.empty((planes.signal.shape[0], width))
        with np.errstate(all="ignore"):
            for start in range(0, planes.signal.shape[1], width):
                where = slice(start, start + width)
                part = planes.part(where)
                signal = block[:, : part.signal.shape[1]]
                _load(part.signal, signal)
                self._fit_block(part._replace(signal=signal), out.part(where), start)
                if self._n_left > MOST_LEFT:
                    self._fit_left(out)
            self._fit_left(out)

    def _fit_block(self, planes: Planes, out: Values, start: int) -> None:
        """Fit the voxels of a block that are asked for and bright enough; give the others their flag."""
        n_echoes = self._problem.train.n_echoes
        if self._least_first is None and planes.inside is None and planes.b1 is None and self._least_any is None:
            out.write(self._fitted(n_echoes, planes, np.arange(start, start + out.flag.size)), slice(None))
            return
        reason = self._reasons(planes)
        out.blank()
        out.flag[...] = reason
        for n_echoes, chosen in self._groups(planes.signal, reason):
            part = planes.part(chosen)
            part = part._replace(signal=np.ascontiguousarray(part.signal[:n_echoes]))
            out.write(self._fitted(n_echoes, part, start + chosen), chosen)
            if out.n_echoes is not None:
                out.n_echoes[chosen] = n_echoes

    def _fitted(self, n_echoes: int, planes: Planes, at: NDArray[np.intp]) -> BlockFit:
        """Fit the voxels at some places of the planes; keep those that are left for a second pass."""
        solver = self._solver(n_echoes)
        if not isinstance(solver, TwoPassSolver):
            return solver(planes.signal, planes.b1)
        found, left = solver.first_pass(planes.signal)
        if left.size:
            self._left.append(_Left(n_echoes, at[left], planes.signal[:, left]))
        return found

    @property
    def _n_left(self) -> int:
        return sum(left.at.size for left in self._left)

    def _fit_left(self, out: Values) -> None:
        """Fit what was left, all voxels of as many echoes at once: a few at a time would cost as much as many."""
        for n_echoes in sorted({left.n_echoes for left in self._left}):
            some = [left for left in self._left if left.n_echoes == n_echoes]
            solver = self._solver(n_echoes)
            if isinstance(solver, TwoPassSolver):
                found = solver.second_pass(np.concatenate([left.signal for left in some], axis=1))
                out.write(found, np.concatenate([left.at for left in some]))
        self._left.clear()

    def _reasons(self, planes: Planes) -> NDArray[np.uint8]:
        """Return why voxels need no fit: LOW_SNR (unless not finite), OUTSIDE_MASK, no B1 given; else OK."""
        signal = planes.signal
        reason = np.zeros(signal.shape[1], np.uint8)
        if self._least_first is not None:
            reason[signal[0] < self._least_first] = Flag.LOW_SNR
        if self._least_any is not None:
            reason[_n_above(signal, self._least_any) < LEAST_ECHOES_LEFT] = Flag.LOW_SNR
        reason[~np.isfinite(np.add.reduce(signal, axis=0))] = Flag.OK  # the model says NOT_FINITE
        if planes.b1 is not None:
            is_finite = np.isfinite(np.add.reduce(signal, axis=0))
            unknown = np.where(is_finite, np.uint8(Flag.B1_UNRESOLVED), np.uint8(Flag.NOT_FINITE))
            reason = np.where(np.isfinite(planes.b1), reason, unknown)
        if planes.inside is not None:
            reason[~planes.inside] = Flag.OUTSIDE_MASK
        return reason

    def _groups(self, signal: NDArray[np.float64], reason: NDArray[np.uint8]) -> Iterator[tuple[int, NDArray[np.intp]]]:
        """Yield the voxels to fit by how many echoes each of them uses."""
        fitted = np.flatnonzero(reason == Flag.OK)
        if self._least_any is None:
            if fitted.size:
                yield signal.shape[0], fitted
            return
        n_echoes = _n_above(signal[:, fitted], self._least_any)
        for n in np.unique(n_echoes):
            yield max(int(n), LEAST_ECHOES_LEFT), fitted[n_echoes == n]

    def _solver(self, n_echoes: int) -> Solver:
        if n_echoes not in self._solvers:
            whole = self._problem.train
            problem = replace(self._problem, train=whole.first(n_echoes), longest=whole)
            self._solvers[n_echoes] = self._model.solver(problem)
        return self._solvers[n_echoes]


def _n_above(signal: NDArray[np.float64], least: float) -> NDArray[np.intp]:
    """Return how many echoes come before the first one below ``least`` (damaged ones count as above)."""
    below = signal < least
    n_above: NDArray[np.intp] = np.where(below.any(axis=0), below.argmax(axis=0), signal.shape[0])
    return n_above


def _load(planes: NDArray[Any], block: NDArray[np.float64]) -> None:
    """Copy to contiguous echoes, a little at a time so that interleaved echoes are read from the first-level cache."""
    for start in range(0, planes.shape[1], 512):
        block[:, start : start + 512] = planes[:, start : start + 512]


def slabs(
    signal: NDArray[Any],
    rows: list[int],
    mask: NDArray[np.bool_] | None,
    b1: NDArray[Any] | None,
    out: Values,
    order: tuple[int, ...],
) -> Iterator[tuple[Planes, Values]]:
    """Yield planes of a volume ``(X, Y, Z, E)`` and their part of the maps, slab by slab in memory order.

    The planes are views wherever the layout allows it, else copies of one slab. ``out`` lies in that order already.
    """
    planes = signal.transpose(3, *order)
    planes = planes[as_slice(rows)]
    ordered_mask = None if mask is None else mask.transpose(order)
    ordered_b1 = None if b1 is None else b1.transpose(order)
    thickness = max(1, SLAB // max(1, planes[0, 0].size))
    for start in range(0, planes.shape[1], thickness):
        slab = slice(start, start + thickness)
        yield (
            Planes(
                planes[:, slab].reshape(planes.shape[0], -1),
                None if ordered_mask is None else ordered_mask[slab].reshape(-1),
                None if ordered_b1 is None else ordered_b1[slab].reshape(-1),
            ),
            out.part(slab).line(),
        )


def memory_order(signal: NDArray[Any]) -> tuple[int, ...]:
    """Return the three spatial axes from the one with the longest stride to the one with the shortest."""
    return tuple(sorted(range(3), key=lambda axis: -abs(signal.strides[axis])))


def as_slice(rows: list[int]) -> slice | list[int]:
    """Return evenly spaced rows as a slice, which makes a view and not a copy."""
    step = rows[1] - rows[0]
    if rows == list(range(rows[0], rows[-1] + 1, step)):
        return slice(rows[0], rows[-1] + 1, step)
    return rows
