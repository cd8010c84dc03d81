"""The ``epg`` models: T2 from a CPMG train whose refocusing is not perfect, B1 found in every voxel or given.

Imperfect pulses store part of the magnetisation along z, where it decays with T1, and bring it back later: the first
echo is too low, the others are too high, and a mono-exponential fit reads T2 too long by 10 to 20 % at B1 0.8. Here the
curve is that of the extended phase graph at the voxel's own T2 and refocusing efficiency b (B1 over nominal)::

    S(TE_e) = S0 d_e(T2, b)

``epg`` is least squares; ``epg-rician`` the same curve in the likelihood of ``rician``: both biases at once.

Source: Hennig 1988, J Magn Reson 78:397; Lebel and Wilman 2010, Magn Reson Med 64:1005 (stimulated echo compensation);
Ben-Eliezer, Sodickson and Block 2015, Magn Reson Med 73:809 (dictionaries).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2disc.errors import TrainUnsuited
from t2disc.fit.climber import BLOCK, ClimbSolver
from t2disc.fit.epgcurve import EpgCurve, EpgGivenCurve
from t2disc.fit.epgtable import epg_table
from t2disc.fit.likelihood import Gaussian, Likelihood, Magnitude
from t2disc.fit.models import Problem, Signal, Solver, register_model
from t2disc.fit.rician import require_sigma

REFERENCE = "Lebel RM, Wilman AH. Magn Reson Med 2010;64:1005-1014. doi:10.1002/mrm.22487"
OF_NOISE = "Sijbers J, et al. IEEE Trans Med Imaging 1998;17:357-361. doi:10.1109/42.712125"


def epg_signal_of(problem: Problem) -> Signal:
    """Return the curve of stimulated echoes, ``S0 d(T2, b)``."""
    curve = _curve(problem)

    def signal(t2_ms: NDArray[Any], s0: NDArray[Any], b1: NDArray[Any] | None) -> NDArray[Any]:
        return np.stack(list(curve.signal(s0, np.log(t2_ms), b1)))

    return signal


@register_model(
    "epg",
    algorithm="Least squares of a CPMG train by extended phase graphs: T2, S0 and the refocusing efficiency",
    reference=REFERENCE,
    third="b1",
    block=BLOCK,
    signal=epg_signal_of,
)
def epg(problem: Problem) -> Solver:
    """Least squares of the stimulated-echo curve."""
    return _solver(problem, Gaussian())


@register_model(
    "epg-rician",
    algorithm="Maximum likelihood in Rician noise of a CPMG train by extended phase graphs: T2, S0 and the refocusing "
    "efficiency",
    reference=f"{REFERENCE}; {OF_NOISE}",
    third="b1",
    is_noise_from_sigma=True,
    block=BLOCK,
    signal=epg_signal_of,
    is_of_magnitude=True,
)
def epg_rician(problem: Problem) -> Solver:
    """Maximum likelihood of the stimulated-echo curve with sigma known."""
    require_sigma("epg-rician", problem)
    return _solver(problem, Magnitude(problem.options.n_channels, problem.backend))


def _solver(problem: Problem, likelihood: Likelihood) -> Solver:
    if problem.train.n_echoes < 3 and not problem.is_b1_given:
        raise TrainUnsuited(f"{problem.train.n_echoes} echoes", expected="3 echoes or more to fit three unknowns")
    numbers = (problem.longest or problem.train).numbers
    if not problem.is_b1_given and numbers != tuple(range(min(numbers[0], 2), numbers[-1] + 1)):
        raise TrainUnsuited(
            f"echoes {', '.join(map(str, numbers))} of the train",
            expected="echoes without a gap from the first or second on: odd and even ones together tell B1",
            todo="leave these echoes in (stimulated echoes are what the model corrects), or give B1",
        )
    return ClimbSolver(problem, _curve(problem), likelihood)


def _curve(problem: Problem) -> EpgCurve:
    table = epg_table(problem.longest or problem.train, problem.options, is_b1_given=problem.is_b1_given)
    table = table.first(problem.train.n_echoes)
    curve = EpgGivenCurve if problem.is_b1_given else EpgCurve
    return curve(table, problem.backend)
