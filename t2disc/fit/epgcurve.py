"""The curve of stimulated echoes as Newton's method wants it, and where to start."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2disc.fit.backend import Backend
from t2disc.fit.curves import SHARE_LEFT, TINY, Reported, Terms
from t2disc.fit.epgtable import STEP_B1, STEP_LOG_T2, EpgTable
from t2disc.fit.newton import Local, Matrix
from t2disc.model import Flag

Rows = Any
"""Numbers of B voxels, ``(B,)``, in the arrays of any namespace."""

LEAST_FOLD = 1e-8  # u = (1 - b)**2 at which b counts as 1
B1_AT_FOLD = 1.0 - 1.001 * LEAST_FOLD**0.5  # from here on a fitted b rests on its bound, also in float32
STEP_LOG_T2_AT_MOST = 0.5
STEP_FOLD_AT_MOST = 0.06
FOLD_NEAR = 0.002  # near b = 1 all of u is below this, and its steps count more
EDGE = 1e-9  # of the table, in ln T2
START_B1 = (0.985, 0.94, 0.88, 0.80, 0.70, 0.58)
START_T2 = (0.5, 6.0)  # of the echo spacing, of the last echo time: no start beyond
MOST_ALIKE = 0.995  # correlation of T2 and u: beyond it, not knowing B1 makes T2 ten times less sure
N_START_T2 = 36
N_START_COMPONENTS = 5  # of the curves' space; the rest is below 1e-3 of it


class EpgCurve:
    """``A d(y, b)``: A the signal at TE 0, y = ln T2, b the refocusing efficiency.

    The third parameter is ``u = (1 - b)**2``: efficiencies of 1 - d and 1 + d give the same curve, so that it is u in
    which it goes on smoothly to the fold at b = 1, where u has its bound.
    """

    n_parameters = 3

    def __init__(self, table: EpgTable, backend: Backend) -> None:
        self._xp = backend.xp
        self._table = table
        self._dictionary = Dictionary(table, backend)
        self._rows = [[backend.asarray(row) for row in echo] for echo in table.coefficients.transpose(1, 0, 2)]
        self._most_fold = float((1 - table.b1[0]) ** 2)

    def start(self, signal: Rows) -> tuple[Rows, ...]:
        """Begin at the nearest atom of a dictionary."""
        amplitude, log_t2, b1 = self._dictionary.nearest(signal)
        return amplitude, log_t2, (1.0 - b1) ** 2

    def echoes(self, parameters: tuple[Rows, ...], voxels: Rows | None = None) -> Iterator[Terms]:  # noqa: ARG002
        """Yield the echoes, first to last; derivatives by A, y and b."""
        amplitude, log_t2, fold = parameters
        yield from self._at(amplitude, log_t2, 1.0 - self._xp.sqrt(fold))

    def _at(self, amplitude: Rows, log_t2: Rows, b1: Rows) -> Iterator[Terms]:
        node, y, b = self._nearest(log_t2, b1)
        yy, bb, twice = y * y, b * b, 2 * amplitude
        for rows in self._rows:
            c, cy, cb, cyy, cyb, cbb, cyyy, cyyb, cybb, cbbb = (self._xp.take(row, node) for row in rows)
            by_y = cy + y * (2 * cyy + 2 * b * cyyb) + 3 * yy * cyyy + b * cyb + bb * cybb
            by_b = cb + b * (2 * cbb + 2 * y * cybb) + 3 * bb * cbbb + y * cyb + yy * cyyb
            value = _series((c, cy, cb, cyy, cyb, cbb, cyyy, cyyb, cybb, cbbb), y, b)
            yield Terms(
                amplitude * value,
                (value, amplitude * by_y, amplitude * by_b),
                ((None,), (by_y, twice * cyy), (by_b, amplitude * cyb, twice * cbb)),
            )

    def signal(self, amplitude: Rows, log_t2: Rows, b1: Rows) -> Iterator[Rows]:
        """Yield the echoes alone, first to last."""
        node, y, b = self._nearest(log_t2, b1)
        for rows in self._rows:
            yield amplitude * _series(tuple(self._xp.take(row, node) for row in rows), y, b)

    def _nearest(self, log_t2: Rows, b1: Rows) -> tuple[Rows, Rows, Rows]:
        """Return the nearest node and how far off it each voxel lies."""
        xp, table = self._xp, self._table
        row = xp.round((log_t2 - float(table.log_t2[0])) / STEP_LOG_T2)
        column = xp.round((b1 - float(table.b1[0])) / STEP_B1)
        node = xp.astype(row * table.b1.size + column, xp.int64)
        return node, log_t2 - (float(table.log_t2[0]) + STEP_LOG_T2 * row), b1 - (float(table.b1[0]) + STEP_B1 * column)

    def in_steps(self, parameters: tuple[Rows, ...], local: Local) -> Local:
        """Turn derivatives by b into those by u: d/du = -1 / (2 (1 - b)) d/db."""
        short = self._xp.sqrt(parameters[2])
        by_u = -0.5 / short
        slope = local.gradient[2]
        gradient = (*local.gradient[:2], slope * by_u)
        bend = _last_scaled(local.bend, by_u)
        curved = bend[2][2] - slope / (4 * short * short * short)
        complete = _last_scaled(local.complete, by_u)
        return local._replace(gradient=gradient, bend=(*bend[:2], (*bend[2][:2], curved)), complete=complete)

    def held(self, parameters: tuple[Rows, ...], step: tuple[Rows, ...]) -> Rows:
        """Tell the voxels at b = 1, or at the least b, that would go on."""
        fold, by_fold = parameters[2], step[2]
        return ((fold <= LEAST_FOLD) & (by_fold < 0)) | ((fold >= self._most_fold) & (by_fold > 0))

    def moved(self, parameters: tuple[Rows, ...], step: tuple[Rows, ...]) -> tuple[tuple[Rows, ...], Rows]:
        """Go, no further than is wise nor than the bounds of y and u; the size is the greatest step, A's relative.

        At the table's edge a voxel whose T2 would go on has arrived: it is beyond the echo range.
        """
        xp = self._xp
        amplitude, log_t2, fold = parameters
        by_amplitude, by_log_t2, by_fold = step
        excess = xp.maximum(xp.abs(by_log_t2) / STEP_LOG_T2_AT_MOST, xp.abs(by_fold) / STEP_FOLD_AT_MOST)
        low, high = float(self._table.log_t2[0]), float(self._table.log_t2[-1])
        share = 1.0 / xp.maximum(excess, xp.ones_like(excess))
        share = xp.minimum(share, _room(fold, by_fold, LEAST_FOLD, self._most_fold, xp))
        share = xp.minimum(share, _room(log_t2, by_log_t2, low, high, xp))
        y = xp.clip(log_t2 + share * by_log_t2, low, high)
        u = xp.clip(fold + share * by_fold, LEAST_FOLD, self._most_fold)
        after = xp.maximum(amplitude + share * by_amplitude, SHARE_LEFT * amplitude)
        folded = xp.abs(by_fold) / xp.minimum(10 * (fold + FOLD_NEAR), xp.ones_like(fold))
        size = xp.maximum(xp.abs(by_log_t2), xp.maximum(folded, xp.abs(by_amplitude) / amplitude))
        is_leaving = ((log_t2 <= low + EDGE) & (by_log_t2 < 0)) | ((log_t2 >= high - EDGE) & (by_log_t2 > 0))
        return (after, y, u), xp.where(is_leaving, xp.zeros_like(size), size)

    def report(self, parameters: tuple[Rows, ...], spread: tuple[Rows, ...]) -> Reported:
        """Return T2, S0 and b = 1 - sqrt(u).

        Towards the fold the slope of b by u grows without limit; that of the chord from u to u + se(u) stands in for
        it.
        """
        xp = self._xp
        amplitude, log_t2, fold = parameters
        t2_ms, short = xp.exp(log_t2), xp.sqrt(fold)
        zero, one = xp.zeros_like(fold), xp.ones_like(fold)
        chord = -1.0 / (xp.sqrt(fold + spread[2]) + short)
        return Reported((t2_ms, amplitude, 1.0 - short), ((zero, t2_ms, zero), (one, zero, zero), (zero, zero, chord)))

    def doubt(self, parameters: tuple[Rows, ...], covariance: Matrix) -> Rows | None:
        """Flag voxels at the least b, and those in which another T2 with another b would do as well."""
        xp = self._xp
        alike = covariance[2][1] ** 2 > MOST_ALIKE**2 * covariance[1][1] * covariance[2][2]
        none = xp.zeros_like(parameters[2])
        flag = xp.where(alike, none + float(Flag.B1_UNRESOLVED), none)
        return xp.where(parameters[2] >= self._most_fold, none + float(Flag.AT_BOUND), flag)


class EpgGivenCurve(EpgCurve):
    """``A d(y, b)`` with b known in every voxel."""

    n_parameters = 2

    def know(self, b1: Rows) -> None:
        """Take the B1 of the next block's voxels."""
        self._b1 = b1

    def start(self, signal: Rows) -> tuple[Rows, ...]:
        """Begin at the nearest of a dictionary's atoms whose b is near the one given."""
        return self._dictionary.nearest(signal, self._b1)[:2]

    def echoes(self, parameters: tuple[Rows, ...], voxels: Rows | None = None) -> Iterator[Terms]:
        """Yield the echoes, first to last; derivatives by A and y."""
        b1 = self._b1 if voxels is None else self._xp.take(self._b1, voxels)
        amplitude, log_t2 = parameters
        for value, first, second in self._at(amplitude, log_t2, b1):
            yield Terms(value, first[:2], second[:2])

    def in_steps(self, parameters: tuple[Rows, ...], local: Local) -> Local:  # noqa: ARG002 - the protocol's signature
        """Steps are taken in the parameters themselves."""
        return local

    def held(self, parameters: tuple[Rows, ...], step: tuple[Rows, ...]) -> None:  # noqa: ARG002
        """No parameter has a bound."""
        return

    def moved(self, parameters: tuple[Rows, ...], step: tuple[Rows, ...]) -> tuple[tuple[Rows, ...], Rows]:
        """Go, within the table and no further than is wise."""
        still = self._xp.full_like(parameters[1], 0.01)
        (after, y, _), size = super().moved((*parameters, still), (*step, 0.0 * still))
        return (after, y), size

    def report(self, parameters: tuple[Rows, ...], spread: tuple[Rows, ...]) -> Reported:
        """Return T2, S0 and the b that was given."""
        values, slopes = super().report((*parameters, (1.0 - self._b1) ** 2), (*spread, self._xp.ones_like(self._b1)))
        return Reported((*values[:2], self._b1), tuple(row[:2] for row in slopes))

    def doubt(self, parameters: tuple[Rows, ...], covariance: Matrix) -> None:  # noqa: ARG002
        """No flag of its own: B1 is known."""
        return


def _room(value: Rows, step: Rows, low: float, high: float, xp: Any) -> Rows:
    """Return the share of a step after which a value meets its bound; 1 or more of none at all."""
    return (xp.where(step < 0, value - low, high - value) + TINY) / (xp.abs(step) + TINY)


def _series(coefficients: tuple[Rows, ...], y: Rows, b: Rows) -> Rows:
    """Return the Taylor series at y and b from a node, see :class:`~t2disc.fit.epgtable.EpgTable`."""
    c, cy, cb, cyy, cyb, cbb, cyyy, cyyb, cybb, cbbb = coefficients
    return c + y * cy + b * cb + y * y * (cyy + y * cyyy + b * cyyb) + y * b * cyb + b * b * (cbb + y * cybb + b * cbbb)


def _last_scaled(matrix: Matrix, by: Rows) -> Matrix:
    a, b, (ac, bc, cc) = matrix
    return a, b, (ac * by, bc * by, cc * by * by)


class Dictionary:
    """Atoms spread over T2 and B1; the one nearest in angle to a signal is where Newton's method starts."""

    def __init__(self, table: EpgTable, backend: Backend) -> None:
        self._backend = backend
        rows = _spread(table)
        columns = np.abs(table.b1[:, None] - START_B1).argmin(axis=0)
        atoms = table.curves[:, rows][:, :, columns].reshape(table.curves.shape[0], -1)
        self._lengths = np.linalg.norm(atoms, axis=0)
        directions = atoms / self._lengths
        basis = np.linalg.svd(directions, full_matrices=False)[0][:, :N_START_COMPONENTS]
        self._basis = basis
        self._places = basis.T @ directions
        self._log_t2 = backend.asarray(np.repeat(table.log_t2[rows], columns.size))
        self._b1 = backend.asarray(np.tile(table.b1[columns], rows.size))
        self._norms = backend.asarray(self._lengths)
        self._columns = table.b1[columns]

    def nearest(self, signal: Rows, b1: Rows | None = None) -> tuple[Rows, Rows, Rows]:
        """Return amplitude, ln T2 and b of the nearest atom of ``(E, B)`` signals; of those about a b that is given."""
        xp = self._backend.xp
        handicaps = self._handicaps(b1)
        parts = [xp.astype(_weighted(signal, weights, xp), xp.float32) for weights in self._basis.T]
        best, which = xp.zeros_like(parts[0]) - 1e30, xp.zeros_like(parts[0])
        for atom, place in enumerate(self._places.T):
            cosine = sum(float(weight) * part for weight, part in zip(place, parts, strict=True))
            if handicaps:
                cosine = cosine - handicaps[atom % len(handicaps)]
            which = xp.where(cosine > best, xp.full_like(which, atom), which)
            best = xp.maximum(best, cosine)
        which, best = xp.astype(which, xp.int64), xp.astype(best, signal.dtype)
        amplitude = xp.maximum(best, 1e-9 * xp.ones_like(best)) / xp.take(self._norms, which)
        return amplitude, xp.take(self._log_t2, which), xp.take(self._b1, which)

    def _handicaps(self, b1: Rows | None) -> list[Rows]:
        """Return for every b of the atoms how much too far it is from the voxels' own, folded to 1 and below."""
        if b1 is None:
            return []
        xp = self._backend.xp
        off = [xp.abs(1.0 - xp.abs(1.0 - b1) - float(b)) for b in self._columns]
        least = off[0]
        for other in off[1:]:
            least = xp.minimum(least, other)
        return [xp.astype(1e9 * (here - least), xp.float32) for here in off]


def _spread(table: EpgTable) -> NDArray[np.intp]:
    """Return the nodes of T2 at which to start, evenly spread over its logarithm."""
    low, high = np.log(START_T2[0] * table.spacing_ms), np.log(START_T2[1] * table.last_ms)
    first, last = np.searchsorted(table.log_t2, [low, high]).clip(0, table.log_t2.size - 1)
    rows: NDArray[np.intp] = np.unique(np.linspace(first, last, N_START_T2).round().astype(np.intp))
    return rows


def _weighted(signal: Rows, weights: Any, xp: Any) -> Rows:
    total = xp.zeros_like(signal[0, :])
    for echo, weight in enumerate(weights):
        total = total + float(weight) * signal[echo, :]
    return total
