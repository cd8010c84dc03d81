"""Climbing a likelihood: Newton's method for many voxels at once, two or three unknowns each.

At parameters p with curve f_e, the gradient and the (negative) second derivatives of the log-likelihood are::

    g_i  = sum_e s_e f_i           H_ij = sum_e (w_e f_i f_j - s_e f_ij)

with the score s and curvature w of :mod:`t2disc.fit.likelihood`. Where H is not positive definite the step is that of
expectation-maximisation, ``H_ij = sum_e f_i f_j``, which always climbs: the expected real part of the signal stands in
for what noise hides, and least squares is done on it. A voxel that has settled leaves the loop.

Source: Sijbers et al. 1998, IEEE Trans Med Imaging 17:357; Dempster, Laird and Rubin 1977, J R Stat Soc B 39:1.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from t2disc.fit.backend import Namespace
from t2disc.fit.curves import Curve
from t2disc.fit.likelihood import Likelihood

Rows = Any
"""Numbers of B voxels, ``(B,)``, in the arrays of any namespace."""
Matrix = tuple[tuple[Rows, ...], ...]
"""The lower triangle of a symmetric matrix of each voxel: row i holds columns 0 to i."""

SETTLED = 1e-4  # greatest last step; Newton's steps square, so the error left is of the order of its square
SETTLED_SLOWLY = 1e-6  # the same where the last step was not Newton's
TOLERANCE = 1e-10  # of the likelihood: rounding is no loss
PIVOT = 1e-9  # of its diagonal element: a smaller pivot is none


class Local(NamedTuple):
    """The log-likelihood about a point: gradient, negative second derivatives, and those of complete data."""

    gradient: tuple[Rows, ...]
    bend: Matrix
    complete: Matrix
    residual: Rows  # sum of squared scores
    cost: Rows  # negative log-likelihood, but for a constant


class Climb(NamedTuple):
    """Where a climb ended, ``(B,)`` each; all but the parameters are those of where the last step began."""

    parameters: tuple[Rows, ...]
    bend: Matrix
    complete: Matrix
    residual: Rows
    is_settled: Rows


def climb(
    curve: Curve, likelihood: Likelihood, signal: Rows, start: tuple[Rows, ...], xp: Namespace, *, most_steps: int
) -> Climb:
    """Take steps from ``start`` until every voxel has settled, or ``most_steps``.

    Parameters
    ----------
    curve, likelihood
        What tissue gives and what the receiver makes of it.
    signal
        ``(E, B)`` measured signal, in the units of the likelihood.
    start
        P parameters, ``(B,)`` each.
    """
    voxels, now = _every(signal[0, :], xp), start
    before, lowest = start, xp.full_like(signal[0, :], xp.inf)
    left: list[tuple[Rows, Climb]] = []
    for steps_to_go in reversed(range(most_steps)):
        local = curve.in_steps(now, look(curve, likelihood, signal, now, voxels))
        is_worse = local.cost > lowest + TOLERANCE * xp.abs(lowest)
        step, is_newton = _step(curve, local, now, xp)
        after, size = curve.moved(now, step)
        after, is_taken = _where_finite(after, now, xp)
        is_settled = is_taken & ~is_worse & ((size <= SETTLED_SLOWLY) | (is_newton & (size <= SETTLED)))
        halfway = tuple(0.5 * (a + b) for a, b in zip(before, now, strict=True))
        before, lowest = _chosen(is_worse, before, now, xp), xp.where(is_worse, lowest, local.cost)
        now = _chosen(is_worse, halfway, after, xp)
        leaving = xp.nonzero(is_settled)[0] if steps_to_go else _every(size, xp)
        if leaving.shape[0]:
            ended = Climb(now, local.bend, local.complete, local.residual, is_settled)
            left.append((xp.take(voxels, leaving), _taken(ended, leaving, xp)))
            staying = xp.nonzero(~is_settled)[0]
            if not staying.shape[0]:
                break
            voxels, now, before, lowest = _taken((voxels, now, before, lowest), staying, xp)
            signal = xp.take(signal, staying, axis=1)
    order = xp.argsort(xp.concat([which for which, _ in left]))
    whole: Climb = _taken(_joined([ended for _, ended in left], xp), order, xp)
    return whole


def _every(row: Rows, xp: Namespace) -> Rows:
    """Return the index of every voxel, on the device where they are."""
    return xp.nonzero(xp.ones_like(row))[0]


def _where_finite(after: tuple[Rows, ...], now: tuple[Rows, ...], xp: Namespace) -> tuple[tuple[Rows, ...], Rows]:
    """Return where steps lead, and the voxels in which they can be computed; the others stay."""
    is_taken = xp.isfinite(after[0])
    for row in after[1:]:
        is_taken = is_taken & xp.isfinite(row)
    return _chosen(is_taken, after, now, xp), is_taken


def _chosen(which: Rows, here: tuple[Rows, ...], there: tuple[Rows, ...], xp: Namespace) -> tuple[Rows, ...]:
    return tuple(xp.where(which, a, b) for a, b in zip(here, there, strict=True))


def look(
    curve: Curve, likelihood: Likelihood, signal: Rows, parameters: tuple[Rows, ...], voxels: Rows | None = None
) -> Local:
    """Return the log-likelihood of ``(E, B)`` signals about the parameters."""
    n = range(curve.n_parameters)
    gradient: list[Rows] = [0.0 for _ in n]
    complete: list[list[Rows]] = [[0.0] * (i + 1) for i in n]
    bend: list[list[Rows]] = [[0.0] * (i + 1) for i in n]
    residual: Rows = 0.0
    seen = likelihood.observer()
    for echo, terms in enumerate(curve.echoes(parameters, voxels)):
        score, hidden = seen.score(signal[echo, :], terms.value)
        residual = residual + score * score
        for i in n:
            gradient[i] = gradient[i] + score * terms.first[i]
            for j in range(i + 1):
                product = terms.first[i] * terms.first[j]
                complete[i][j] = complete[i][j] + product
                if hidden is not None:
                    bend[i][j] = bend[i][j] - hidden * product
                if (twice := terms.second[i][j]) is not None:
                    bend[i][j] = bend[i][j] - score * twice
    for i in n:
        for j in range(i + 1):
            bend[i][j] = bend[i][j] + complete[i][j]
    return Local(tuple(gradient), _matrix(bend), _matrix(complete), residual, seen.cost(residual))


def _matrix(rows: list[list[Rows]]) -> Matrix:
    return tuple(tuple(row) for row in rows)


# ------------------------------------------------------------------------------------------------ steps
def _step(curve: Curve, local: Local, now: tuple[Rows, ...], xp: Namespace) -> tuple[tuple[Rows, ...], Rows]:
    """Return the step, and for which voxels it is Newton's.

    A parameter that its bound holds back stays, and the others step as if it were known.
    """
    step, is_newton = _best_solution(local, xp)
    held = curve.held(now, step)
    if held is None:
        return step, is_newton
    others, is_newton_too = _best_solution(_without_last(local), xp)
    still = xp.zeros_like(step[-1])
    step = tuple(xp.where(held, b, a) for a, b in zip(step, (*others, still), strict=True))
    return step, xp.where(held, is_newton_too, is_newton)


def _without_last(local: Local) -> Local:
    return local._replace(gradient=local.gradient[:-1], bend=local.bend[:-1], complete=local.complete[:-1])


def _best_solution(local: Local, xp: Namespace) -> tuple[tuple[Rows, ...], Rows]:
    newton, is_newton = solve(local.bend, local.gradient)
    if bool(xp.all(is_newton)):
        return newton, is_newton
    safe, _ = solve(local.complete, local.gradient)
    return tuple(xp.where(is_newton, a, b) for a, b in zip(newton, safe, strict=True)), is_newton


def solve(matrix: Matrix, right: tuple[Rows, ...]) -> tuple[tuple[Rows, ...], Rows]:
    """Solve symmetric systems ``M x = r`` by ``M = L D L'``; tell which of them are positive definite."""
    lower, pivots, is_definite = _factored(matrix)
    n = len(pivots)
    x = list(right)
    for i in range(n):
        for j in range(i):
            x[i] = x[i] - lower[i][j] * x[j]
    for i in range(n):
        x[i] = x[i] / pivots[i]
    for i in reversed(range(n)):
        for j in range(i + 1, n):
            x[i] = x[i] - lower[j][i] * x[j]
    return tuple(x), is_definite


def inverse(matrix: Matrix) -> tuple[Matrix, Rows]:
    """Return the inverses of symmetric matrices, and which of them are positive definite."""
    n = len(matrix)
    zero = 0.0 * matrix[0][0]
    columns = [solve(matrix, tuple(zero + float(i == j) for i in range(n))) for j in range(n)]
    return tuple(tuple(columns[j][0][i] for j in range(i + 1)) for i in range(n)), columns[0][1]


def _factored(matrix: Matrix) -> tuple[list[list[Rows]], list[Rows], Rows]:
    lower: list[list[Rows]] = []
    pivots: list[Rows] = []
    is_definite: Rows = True
    for i, row in enumerate(matrix):
        factors: list[Rows] = []
        for j in range(i):
            left = row[j]
            for k in range(j):
                left = left - factors[k] * pivots[k] * lower[j][k]
            factors.append(left / pivots[j])
        pivot = row[i]
        for k in range(i):
            pivot = pivot - factors[k] * factors[k] * pivots[k]
        is_definite = is_definite & (pivot > PIVOT * row[i]) & (row[i] > 0)
        lower.append(factors)
        pivots.append(pivot)
    return lower, pivots, is_definite


# ------------------------------------------------------------------------------------------------ voxels
def _taken(tree: Any, which: Rows, xp: Namespace) -> Any:
    """Return the chosen voxels of every row in a tuple, or a tuple of tuples, of rows."""
    if not isinstance(tree, tuple):
        return xp.take(tree, which)
    parts = [_taken(part, which, xp) for part in tree]
    return type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)


def _joined(trees: list[Any], xp: Namespace) -> Any:
    """Put the voxels of like tuples of rows behind each other."""
    first = trees[0]
    if not isinstance(first, tuple):
        return xp.concat(trees)
    parts = [_joined(list(part), xp) for part in zip(*trees, strict=True)]
    return type(first)(*parts) if hasattr(first, "_fields") else tuple(parts)
