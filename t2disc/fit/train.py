"""The echo train of a fit: the times that are used, in units of their spacing, and the T2 they can tell."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2disc.errors import ArgumentInvalid
from t2disc.model import EchoChoice
from t2disc.model._arrays import unmasked
from t2disc.model.fitting import ALL_ECHOES

SHORTEST_T2_GAPS = 0.1  # of the first gap, or of the first echo time where that is longer
LONGEST_T2_TRAINS = 10.0  # times the last echo time
EQUAL_SPACING_TOLERANCE = 1e-7  # of the spacing
GRID_SIZE = 96
GRID_DECAY_FLOOR = 1e-12  # q taken for "gone by the second echo"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EchoTrain:
    """Echo times as a fit sees them: echo e lies at ``first_ms + steps[e] * spacing_ms``.

    With q = exp(-spacing / T2) the mono-exponential signal is ``A q**steps[e]``, A being the signal at the first
    used echo.

    Attributes
    ----------
    echo_times_ms
        ``(E,)`` the echo times used, ms, rising.
    numbers
        ``(E,)`` which echoes of the acquired train they are, from 1.
    acquired_ms
        ``(E',)`` every echo time of the acquired train, ms.
    steps
        ``(E,)`` echo times from the first, in units of ``spacing_ms``; 0, 1, 2 ... when equally spaced.
    spacing_ms
        First gap between echoes, ms.
    is_equal
        True when all gaps are the same, so that the signal is a polynomial in q.
    shortest_t2_ms, longest_t2_ms
        Limits of the T2 that these echo times can tell; beyond them a voxel is flagged.
    grid
        ``(G,)`` values of q, rising to 1, dense enough that each hump of the fit's quality holds several.
    uniqueness
        A local optimum whose residual norm is below this fraction of the fitted norm is the global one.
    """

    echo_times_ms: NDArray[np.float64]
    numbers: tuple[int, ...]
    acquired_ms: NDArray[np.float64]
    steps: NDArray[np.float64]
    spacing_ms: float
    is_equal: bool
    shortest_t2_ms: float
    longest_t2_ms: float
    grid: NDArray[np.float64]
    uniqueness: float

    @property
    def n_echoes(self) -> int:
        """Number of echoes used."""
        return int(self.echo_times_ms.size)

    @property
    def first_ms(self) -> float:
        """First echo time used, ms."""
        return float(self.echo_times_ms[0])

    @property
    def rows(self) -> list[int]:
        """Where the used echoes stand among those acquired, from 0."""
        return [number - 1 for number in self.numbers]

    def first(self, n_echoes: int) -> EchoTrain:
        """Return the train of the first ``n_echoes`` of the echoes used."""
        return _train(tuple(self.acquired_ms.tolist()), self.numbers[:n_echoes])


def echo_train(echo_times_ms: Any, *, n_signals: int, echoes: EchoChoice = ALL_ECHOES) -> EchoTrain:
    """Check the echo times of a call and prepare them for fitting.

    Parameters
    ----------
    echo_times_ms
        ``(E,)`` echo times in ms, rising from above 0.
    n_signals
        Number of echoes that the signal holds.
    echoes
        Which of them are used.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: not one rising positive time per echo, or fewer than 2 echoes left.
    """
    try:
        times = np.asarray(unmasked(echo_times_ms, "echo_times_ms"), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ArgumentInvalid("echo times that are no numbers", expected="one time per echo") from error
    if times.ndim != 1 or times.size != n_signals:
        raise ArgumentInvalid(f"{n_signals} echoes and echo times of shape {times.shape}", expected="one time per echo")
    if not (np.isfinite(times).all() and (np.diff(times, prepend=0.0) > 0).all()):
        raise ArgumentInvalid("echo times that do not rise from above 0 ms", expected="rising echo times in ms")
    return _train(tuple(times.tolist()), echoes.of(times.size))


@lru_cache(maxsize=64)
def _train(acquired_ms: tuple[float, ...], numbers: tuple[int, ...]) -> EchoTrain:
    times = [acquired_ms[number - 1] for number in numbers]
    echo_times_ms = np.array(times)
    spacing_ms = times[1] - times[0]
    steps = (echo_times_ms - times[0]) / spacing_ms
    whole = np.arange(len(times), dtype=np.float64)
    is_equal = bool((np.abs(steps - whole) <= EQUAL_SPACING_TOLERANCE).all())
    if is_equal:
        steps = whole
    grid = _decay_grid(steps)
    return EchoTrain(
        echo_times_ms=echo_times_ms,
        numbers=numbers,
        acquired_ms=np.array(acquired_ms),
        steps=steps,
        spacing_ms=spacing_ms,
        is_equal=is_equal,
        shortest_t2_ms=SHORTEST_T2_GAPS * max(spacing_ms, times[0]),
        longest_t2_ms=LONGEST_T2_TRAINS * times[-1],
        grid=grid,
        uniqueness=0.98 * _uniqueness(steps, grid),
    )


def _directions(steps: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``(G, E)`` unit vectors of the decay curves q**steps."""
    curves: NDArray[np.float64] = q[:, None] ** steps
    curves /= np.linalg.norm(curves, axis=1, keepdims=True)
    return curves


def _decay_grid(steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return q from nearly 0 to 1 at equal angles between successive decay curves."""
    fine = np.concatenate([np.geomspace(GRID_DECAY_FLOOR, 1e-2, 400, endpoint=False), np.linspace(1e-2, 1.0, 4000)])
    turns = np.linalg.norm(np.diff(_directions(steps, fine), axis=0), axis=1)
    angle = np.concatenate([[0.0], np.cumsum(turns)])
    grid: NDArray[np.float64] = np.interp(np.linspace(0.0, angle[-1], GRID_SIZE), angle, fine)
    grid[0], grid[-1] = fine[0], 1.0
    return grid


def _uniqueness(steps: NDArray[np.float64], grid: NDArray[np.float64]) -> float:
    """Return the least residual-to-fit ratio at which some other decay could fit as well as a local optimum.

    The derivation stands in docs/methods.md, "How the optimum is found". Source: Federer 1959 (reach of a curve).
    """
    p = _directions(steps, grid)
    tangent = steps * p
    tangent -= (tangent * p).sum(axis=1, keepdims=True) * p
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-300)
    along, across = p @ p.T, tangent @ p.T
    off = np.sqrt(np.maximum(1.0 - along**2 - across**2, 0.0))
    pairs = (along < np.cos(0.02)) & (off > 1e-6)
    return float(np.min((1.0 - along[pairs]) / off[pairs], initial=1.0))
