"""The careful search: the global optimum over every T2, for the few voxels that fast Newton steps leave unproved.

A grid of decays at equal angles finds every local maximum of the fit's quality N / sqrt(D), the cosine between signal
and decay; the best of them are then climbed with Newton steps kept inside a shrinking bracket. It never fails to end:
what it cannot fit it flags.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2disc.fit.train import EchoTrain
from t2disc.fit.varpro import ExponentialKernel
from t2disc.model import Flag

MAXIMA = 3  # local maxima of the quality that are climbed, best first
MOST_STEPS = 80
SETTLED_Q = 1e-12
RISING_Q = 1.0 - 1e-9  # an optimum from here to 1 is that of a constant or rising signal

Rows = NDArray[Any]


def search(train: EchoTrain, signal: Rows) -> tuple[Rows, NDArray[np.uint8]]:
    """Return the optimal q ``(V,)`` of each voxel and its flag ``(V,)``; q is NaN where the flag is not 0.

    ``signal`` is ``(E, V)``, brought to a scale near 1 by the caller.
    """
    flag = judge_signal(signal)
    q = np.full(flag.size, np.nan)
    fittable = np.flatnonzero(flag == Flag.OK)
    part = signal[:, fittable]
    q[fittable], flag[fittable] = _best_maximum(train, part)
    q[flag != Flag.OK] = np.nan
    return q, flag


def judge_signal(signal: Rows) -> NDArray[np.uint8]:
    """Flag signals that no model can fit: not finite, or fewer than two echoes above zero."""
    flag = np.where((signal > 0).sum(axis=0) < 2, np.uint8(Flag.NO_SIGNAL), np.uint8(Flag.OK))
    flag[~np.isfinite(signal).all(axis=0)] = Flag.NOT_FINITE
    return flag


def _best_maximum(train: EchoTrain, signal: Rows) -> tuple[Rows, NDArray[np.uint8]]:
    quality = _quality(train, signal, train.grid)
    best = np.zeros(signal.shape[1])
    q = np.ones(best.size)
    settled = np.ones(best.size, bool)
    maxima = np.where(_is_maximum(quality), quality, -np.inf)
    for _ in range(MAXIMA):
        top = maxima.argmax(axis=0)
        here = np.flatnonzero(np.take_along_axis(maxima, top[None], axis=0)[0] > 0)
        if not here.size:
            break
        maxima[top[here], here] = -np.inf
        climbed, done = _climb(train, signal[:, here], top[here])
        height = _quality_at(train, signal[:, here], climbed)
        better = height > best[here]
        best[here[better]], q[here[better]] = height[better], climbed[better]
        settled[here[better]] = done[better]
    return q, _flag(q, best, settled)


def _flag(q: Rows, best: Rows, settled: NDArray[np.bool_]) -> NDArray[np.uint8]:
    flag = np.where(settled, np.uint8(Flag.OK), np.uint8(Flag.NOT_CONVERGED))
    flag[q >= RISING_Q] = Flag.NOT_DECAYING
    flag[q <= 1e-9] = Flag.BEYOND_ECHO_RANGE
    flag[best <= 0] = Flag.NO_SIGNAL
    return flag


def _quality(train: EchoTrain, signal: Rows, grid: NDArray[np.float64]) -> Rows:
    """Return ``(G, V)`` lengths of the signal along each unit decay, echo by echo so that each voxel stands alone."""
    decays = grid[:, None] ** train.steps
    decays /= np.linalg.norm(decays, axis=1, keepdims=True)
    quality = np.zeros((grid.size, signal.shape[1]))
    work = np.empty(signal.shape[1])
    for row, decay in zip(quality, decays, strict=True):
        for weight, echo in zip(decay, signal, strict=True):
            np.multiply(echo, weight, out=work)
            np.add(row, work, out=row)
    return quality


def _is_maximum(quality: Rows) -> NDArray[np.bool_]:
    """Tell the grid points that are no lower than both neighbours; the ends have one."""
    maximum = np.ones(quality.shape, bool)
    maximum[1:] &= quality[1:] >= quality[:-1]
    maximum[:-1] &= quality[:-1] > quality[1:]
    return maximum


def _climb(train: EchoTrain, signal: Rows, top: NDArray[np.intp]) -> tuple[Rows, NDArray[np.bool_]]:
    """Return the stationary q between the neighbours of grid point ``top``, and whether the steps settled.

    A Newton step in ln q is taken where the quality is concave and the step stays in the bracket; else it is halved.
    """
    low, high = train.grid[np.maximum(top - 1, 0)], train.grid[np.minimum(top + 1, train.grid.size - 1)]
    q, done = train.grid[top], np.zeros(top.size, bool)
    kernel = ExponentialKernel(train.steps, top.size, np.float64)
    for _ in range(MOST_STEPS):
        active = np.flatnonzero(~done)
        if not active.size:
            break
        here = q[active]
        slope, bend = _slope(kernel, signal[:, active], here)
        low[active] = np.where(slope > 0, here, low[active])
        high[active] = np.where(slope > 0, high[active], here)
        target = here * (1.0 - slope / bend)
        inside = (bend < 0) & (target > low[active]) & (target < high[active])
        q[active] = np.where(inside, target, 0.5 * (low[active] + high[active]))
        done[active] = np.abs(q[active] - here) <= SETTLED_Q
    return q, done


def _slope(kernel: ExponentialKernel, signal: Rows, q: Rows) -> tuple[Rows, Rows]:
    """Return h and dh/dx of :mod:`t2disc.fit.varpro` at q."""
    of_signal = kernel.signal_moments(signal, q)
    of_decay = kernel.decay_moments(q)
    return of_signal.mean - of_decay.mean, of_signal.variance - 2.0 * of_decay.variance


def _quality_at(train: EchoTrain, signal: Rows, q: Rows) -> Rows:
    kernel = ExponentialKernel(train.steps, q.size, np.float64)
    return kernel.signal_moments(signal, q).total / np.sqrt(kernel.decay_moments(q).total)
