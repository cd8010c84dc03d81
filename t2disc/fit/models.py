"""Where signal models plug in: what a model is given, what it must offer, and the register of those known by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from t2disc.errors import ArgumentInvalid, ModelUnknown
from t2disc.fit.backend import Backend
from t2disc.fit.train import EchoTrain
from t2disc.model import ModelOptions
from t2disc.model.fitting import DEFAULT_OPTIONS

Third = Literal["", "b1", "offset"]
"""What a model finds beyond T2 and S0."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Problem:
    """What a model is given before it sees a signal.

    Attributes
    ----------
    train
        The echoes used.
    width
        Greatest number of voxels in a block.
    sigma
        Noise standard deviation in signal units; ``None`` where it is not known.
    options
        What the model assumes of tissue, pulses and receiver.
    is_b1_given
        Whether every block comes with the B1 of its voxels.
    wants_covariance
        Whether the covariance of the parameters is asked for.
    backend
        Which library holds the arrays.
    longest
        The train of the voxels that use most echoes, where echoes are dropped voxel by voxel; ``train`` is its start.
    """

    train: EchoTrain
    width: int
    sigma: float | None = None
    options: ModelOptions = DEFAULT_OPTIONS
    is_b1_given: bool = False
    wants_covariance: bool = False
    backend: Backend = field(default_factory=Backend)
    longest: EchoTrain | None = None


class BlockFit(NamedTuple):
    """What a solver returns for B voxels: rows ``(B,)``, which may be overwritten by its next call.

    Where ``flag`` is not 0 the numbers mean nothing; :mod:`t2disc.fit.run` writes NaN over them. ``third`` is what the
    model's ``third`` names; ``covariance`` the lower triangle of that of (T2, S0, third), where it was asked for.
    """

    t2_ms: NDArray[Any]
    s0: NDArray[Any]
    t2_se_ms: NDArray[Any]
    flag: NDArray[Any]
    third: NDArray[Any] | None = None
    covariance: tuple[NDArray[Any], ...] = ()


Solver = Callable[[NDArray[Any], NDArray[Any] | None], BlockFit]
"""Fits a block: ``(E, B)`` float64, a contiguous row per echo, at most as wide as agreed; and B1 ``(B,)`` if given."""


@runtime_checkable
class TwoPassSolver(Protocol):
    """A solver that is quick with nearly all voxels, and leaves a few for a second pass over many blocks' at once.

    As a plain :data:`Solver` it does both passes for its block. Whoever has many blocks keeps what the first pass left.
    """

    def __call__(self, signal: NDArray[Any], b1: NDArray[Any] | None) -> BlockFit:
        """Fit a block."""

    def first_pass(self, signal: NDArray[Any]) -> tuple[BlockFit, NDArray[np.intp]]:
        """Fit a block; return which of its voxels are left, whose numbers mean nothing yet."""

    def second_pass(self, signal: NDArray[Any]) -> BlockFit:
        """Fit what first passes left, from blocks of any number."""


ModelFactory = Callable[[Problem], Solver]
"""A model: given the problem, returns a solver with its buffers.

A model refuses trains it cannot fit with ArgumentInvalid. Its solver is called from one thread, block after block,
and must give a voxel the same bits whatever else is in the block.
"""

Signal = Callable[[NDArray[Any], NDArray[Any], NDArray[Any] | None], NDArray[Any]]
"""A model's curve: from T2 (ms), S0 and the third number of B voxels, ``(B,)`` each, to the signal ``(E, B)``.

The signal is that before noise, at the echoes used.
"""

SignalFactory = Callable[[Problem], Signal]
"""The other half of a model: given the problem, returns its curve."""


_OF_RESIDUAL = "the residual with n - p degrees of freedom"
_OF_SIGMA = "the observed information of the likelihood, with sigma taken as known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model as it is registered: how to make its solver, and what is to be known of its numbers.

    Attributes
    ----------
    algorithm, reference
        What it does, in a sentence; author, year, journal. For sidecars and reports.
    third
        What it finds beyond T2 and S0.
    is_noise_from_sigma
        Whether standard errors rest on sigma, and not on what is left over in each voxel; such a model needs sigma.
    block
        Voxels that it likes to fit at a time.
    signal
        Its curve, by which a fit can be judged; ``None`` for a model that does not tell.
    error_basis
        What its standard errors rest on, in words that follow "Standard error of T2, from ..."; for sidecars.
    is_of_magnitude
        Whether it knows that magnitudes of weak signals are lifted by noise; then its curve is not their mean.
    """

    name: str
    algorithm: str
    reference: str
    solver: ModelFactory
    third: Third = ""
    is_noise_from_sigma: bool = False
    block: int = 7168
    signal: SignalFactory | None = None
    error_basis: str = ""
    is_of_magnitude: bool = False

    def __post_init__(self) -> None:
        if not self.error_basis:
            object.__setattr__(self, "error_basis", _OF_SIGMA if self.is_noise_from_sigma else _OF_RESIDUAL)

    @property
    def n_parameters(self) -> int:
        """Number of unknowns in a voxel, B1 included where it is fitted."""
        return 3 if self.third else 2

    def n_unknowns(self, *, is_b1_given: bool = False) -> int:
        """Return the number of unknowns in a voxel, without B1 where it is given."""
        return self.n_parameters - int(self.third == "b1" and is_b1_given)

    def degrees_of_freedom(self, n_echoes: int, *, is_b1_given: bool = False) -> float:
        """Return what is left of the echoes to tell the noise from; infinite where sigma tells it."""
        if self.is_noise_from_sigma:
            return float("inf")
        return n_echoes - self.n_unknowns(is_b1_given=is_b1_given)


_MODELS: dict[str, Model] = {}


def register_model(
    name: str,
    *,
    algorithm: str,
    reference: str,
    third: Third = "",
    is_noise_from_sigma: bool = False,
    block: int = 7168,
    signal: SignalFactory | None = None,
    error_basis: str = "",
    is_of_magnitude: bool = False,
) -> Callable[[ModelFactory], ModelFactory]:
    """Make a model known by its name (used as a decorator of its factory); the arguments are :class:`Model`'s.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: the name is taken by another model.
    """

    def add(factory: ModelFactory) -> ModelFactory:
        model = Model(
            name=name,
            algorithm=algorithm,
            reference=reference,
            solver=factory,
            third=third,
            is_noise_from_sigma=is_noise_from_sigma,
            block=block,
            signal=signal,
            error_basis=error_basis,
            is_of_magnitude=is_of_magnitude,
        )
        if _MODELS.setdefault(name, model).solver is not factory:
            raise ArgumentInvalid(f"model name {name!r} twice", expected="one model per name")
        return factory

    return add


def model_names() -> tuple[str, ...]:
    """Names of the models that can be asked for, in alphabetical order."""
    return tuple(sorted(_MODELS))


def find_model(name: str) -> Model:
    """Return the model of that name.

    Raises
    ------
    ModelUnknown
        ``model-unknown``: no model is registered under that name.
    """
    try:
        return _MODELS[name]
    except (KeyError, TypeError):
        raise ModelUnknown(f"model {name!r}", expected="one of " + ", ".join(model_names())) from None
