"""The ``rician`` model: maximum likelihood of S0 exp(-TE / T2) in the noise of magnitude images, sigma known.

Noise lifts weak echoes: the mean magnitude never falls below 1.25 sigma, and least squares reads the raised tail as a
longer T2 (at T2 35 ms and SNR 10 by a quarter). The likelihood of :mod:`t2disc.fit.likelihood` knows how magnitudes
scatter about a weak signal, and is free of that bias to first order.

Source: Gudbjartsson and Patz 1995, Magn Reson Med 34:910; Sijbers et al. 1998, IEEE Trans Med Imaging 17:357.
"""

from __future__ import annotations

from t2disc.errors import ArgumentInvalid
from t2disc.fit.climber import BLOCK, ClimbSolver
from t2disc.fit.curves import MonoCurve, mono_signal_of
from t2disc.fit.likelihood import Magnitude
from t2disc.fit.models import Problem, Solver, register_model


@register_model(
    "rician",
    algorithm="Maximum likelihood of S(TE) = S0 exp(-TE / T2) in Rician noise (non-central chi for several channels)",
    reference="Sijbers J, den Dekker AJ, Scheunders P, Van Dyck D. IEEE Trans Med Imaging 1998;17:357-361. "
    "doi:10.1109/42.712125",
    is_noise_from_sigma=True,
    block=BLOCK,
    signal=mono_signal_of,
    is_of_magnitude=True,
)
def rician(problem: Problem) -> Solver:
    """Maximum likelihood with sigma known."""
    require_sigma("rician", problem)
    curve = MonoCurve(problem.train, problem.backend.xp)
    return ClimbSolver(problem, curve, Magnitude(problem.options.n_channels, problem.backend))


def require_sigma(model: str, problem: Problem) -> None:
    """Refuse a model of the noise floor without sigma.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: sigma is not known.
    """
    if problem.sigma is None:
        raise ArgumentInvalid(
            f"model {model!r} without sigma",
            expected="the noise standard deviation in signal units",
            todo="give sigma, or take it from a whole volume with t2disc.fit.fit_t2",
        )
