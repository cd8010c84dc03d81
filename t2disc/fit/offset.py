"""The ``mono-offset`` model, S0 exp(-TE / T2) + C, with a guard where a train is too short for it.

A constant takes up the noise floor, or long-T2 fluid, but only where the train goes on after the decay has ended. On a
train that stops earlier, the constant and the slow end of the decay are the same thing: with stimulated echoes nuclei
of 150 ms come out at 60. So a voxel gets a T2 only where both the fit with and the fit without offset put T2 at no more
than half the last echo time, by which 86 % of the signal is gone; else it is flagged OFFSET_UNSAFE. So is a voxel whose
T2 is below 0.6 of the echo spacing, where a single echo stands above the constant, and one whose constant is clearly
below zero: no floor is, but the curve of stimulated echoes asks for it.

Source: Milford et al. 2015, PLoS One 10:e0145255 (mono-exponential fits: the role of the offset and the first echo).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2disc.errors import TrainUnsuited
from t2disc.fit.climber import BLOCK, ClimbSolver
from t2disc.fit.curves import MonoCurve, OffsetCurve, offset_signal_of
from t2disc.fit.likelihood import Gaussian
from t2disc.fit.models import BlockFit, Problem, Solver, register_model
from t2disc.model import Flag

LONGEST_T2 = 0.5
"""Of the last echo time."""
SHORTEST_T2 = 0.6
"""Of the echo spacing."""
BELOW_ZERO = 0.04
"""Of S0: an offset so far below zero is none."""


@register_model(
    "mono-offset",
    algorithm="Least squares of S(TE) = S0 exp(-TE / T2) + C in every voxel, where the train is long enough for it",
    reference="Milford D, et al. PLoS ONE 2015;10:e0145255. doi:10.1371/journal.pone.0145255",
    third="offset",
    block=BLOCK,
    signal=offset_signal_of,
)
def mono_offset(problem: Problem) -> Solver:
    """Least squares of a decay on a constant, guarded."""
    if problem.train.n_echoes < 3:
        raise TrainUnsuited(f"{problem.train.n_echoes} echoes", expected="3 echoes or more to fit three unknowns")
    xp = problem.backend.xp
    without = ClimbSolver(problem, MonoCurve(problem.train, xp), Gaussian())
    with_offset = ClimbSolver(problem, OffsetCurve(problem.train, xp), Gaussian())
    longest_ms = LONGEST_T2 * float(problem.train.echo_times_ms[-1])
    shortest_ms = SHORTEST_T2 * problem.train.spacing_ms

    def solve(signal: NDArray[Any], b1: NDArray[Any] | None = None) -> BlockFit:  # noqa: ARG001 - the solvers' signature
        plain, found = without(signal), with_offset(signal)
        is_safe = (plain.flag == Flag.OK) & (plain.t2_ms <= longest_ms) & ~(found.t2_ms > longest_ms)
        is_safe &= ~(found.t2_ms < shortest_ms) & ~(np.asarray(found.third) < -BELOW_ZERO * found.s0)
        kept = (plain.flag != Flag.OK) & (plain.flag != Flag.BEYOND_ECHO_RANGE)
        flag = np.where(is_safe, found.flag, np.where(kept, plain.flag, np.uint8(Flag.OFFSET_UNSAFE)))
        return found._replace(flag=flag)

    return solve
