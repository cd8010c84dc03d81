"""What a model expects to measure: its curve, and for models of the noise floor the mean of the magnitude."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2disc.errors import ArgumentInvalid
from t2disc.fit.epgtable import B1_FITTED, B1_GIVEN
from t2disc.fit.likelihood import magnitude_moments
from t2disc.fit.models import Model, Problem, find_model
from t2disc.fit.rician import require_sigma
from t2disc.fit.train import EchoTrain
from t2disc.model import ModelOptions
from t2disc.model.fitting import DEFAULT_OPTIONS

Floats = NDArray[np.float64]
B1_TOLERANCE = 1e-6  # maps of B1 are kept in float32


class Expectation:
    """Mean and variance of what a model's voxels measure at the echoes used.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: a model without a curve, or a model of the noise floor without sigma.
    TrainUnsuited
        ``train-unsuited``: echo times that the model cannot be fitted to.
    """

    def __init__(self, model: Model, problem: Problem) -> None:
        if model.signal is None:
            raise ArgumentInvalid(
                f"model {model.name!r} without a curve", expected="a model registered with its signal"
            )
        if model.is_of_magnitude:
            require_sigma(model.name, problem)
        self._model = model
        self._problem = problem
        self._signal = model.signal(problem)

    def moments(self, t2_ms: Floats, s0: Floats, third: Floats | None) -> tuple[Floats, Floats]:
        """Return the mean ``(E, B)``, signal units, and the variance, their square, of B voxels ``(B,)``.

        The variance is ``(1, 1)`` where it is the same at every echo, NaN where sigma is unknown.
        """
        signal, sigma = self._signal(t2_ms, s0, third), self._problem.sigma
        if not self._model.is_of_magnitude:
            return signal, np.full((1, 1), np.nan if sigma is None else sigma**2)
        assert sigma is not None, "asked for when made"  # internal truth
        mean, variance = magnitude_moments(signal / sigma, self._problem.options.n_channels)
        return sigma * mean, sigma**2 * variance


def expected_signal(
    t2_ms: Any,
    s0: Any,
    train: EchoTrain,
    options: ModelOptions = DEFAULT_OPTIONS,
    *,
    model: str = "mono",
    third: Any = None,
    sigma: float | None = None,
    is_b1_given: bool = False,
) -> Floats:
    """Return what a model expects to measure in voxels whose numbers are known, at the echoes used.

    Parameters
    ----------
    t2_ms, s0
        ``(V,)`` T2 in ms; signal at TE 0. A voxel without T2 (NaN) has a curve of NaN.
    train
        The echoes used, see :func:`~t2disc.fit.train.echo_train`.
    options
        What the model assumes.
    model
        As in :func:`~t2disc.fit.fit_voxels`.
    third
        ``(V,)`` B1 over nominal or offset, for models that have one.
    sigma
        Noise standard deviation in signal units; ``rician`` and ``epg-rician`` need it.
    is_b1_given
        Whether B1 came from a map; then it may be above 1.

    Returns
    -------
    ndarray
        ``(V, E)``, in units of ``s0``: the model's curve, or for models of the noise floor the mean of the magnitude.

    Raises
    ------
    ModelUnknown
        ``model-unknown``: no such model.
    ArgumentInvalid
        ``argument-invalid``: a model without a curve or without sigma where it is needed, B1 or offset missing, or B1
        beyond what the model reaches.
    """
    chosen = find_model(model)
    problem = Problem(train=train, width=1, sigma=sigma, options=options, is_b1_given=is_b1_given)
    expectation = Expectation(chosen, problem)
    times, amplitude = np.asarray(t2_ms, dtype=np.float64), np.asarray(s0, dtype=np.float64)
    more = None if third is None else np.asarray(third, dtype=np.float64)
    require_third(chosen, more, is_b1_given=is_b1_given)
    known = np.flatnonzero(np.isfinite(times))
    expected = np.full((times.size, train.n_echoes), np.nan)
    parts = (times[known], amplitude[known], more if more is None else more[known])
    expected[known] = expectation.moments(*parts)[0].T
    return expected


def require_third(model: Model, third: NDArray[Any] | None, *, is_b1_given: bool) -> None:
    """Refuse a fit whose B1 or offset is missing, or whose B1 lies beyond what the model's table holds.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: as said.
    """
    if (third is None) != (not model.third):
        raise ArgumentInvalid(
            f"model {model.name!r} {'without its' if third is None else 'with a'} third number",
            expected=f"{model.third or 'nothing'} beyond T2 and S0",
        )
    if third is None or model.third != "b1" or not np.isfinite(third).any():
        return
    low, high = B1_GIVEN if is_b1_given else B1_FITTED
    least, most = float(np.nanmin(third)), float(np.nanmax(third))
    if least < low - B1_TOLERANCE or most > high + B1_TOLERANCE:
        raise ArgumentInvalid(
            f"B1 from {least:.4g} to {most:.4g}",
            expected=f"{low} to {high}, where B1 is {'given' if is_b1_given else 'fitted'}",
            todo="say is_b1_given=True for a fit whose B1 came from a map",
        )
