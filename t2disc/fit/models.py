"""Where signal models plug in: what a model must offer, and the register of those known by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from numpy.typing import NDArray

from t2disc.errors import ArgumentInvalid, ModelUnknown
from t2disc.fit.train import EchoTrain


class BlockFit(NamedTuple):
    """What a solver returns for B voxels: rows ``(B,)``, which may be overwritten by its next call.

    Where ``flag`` is not 0 the numbers mean nothing; :mod:`t2disc.fit.run` writes NaN over them.
    """

    t2_ms: NDArray[Any]
    s0: NDArray[Any]
    t2_se_ms: NDArray[Any]
    flag: NDArray[Any]


Solver = Callable[[NDArray[Any]], BlockFit]
"""Fits a block: ``(E, B)`` float64 in, one contiguous row per echo; at most as wide as was agreed."""

ModelFactory = Callable[[EchoTrain, float | None, int], Solver]
"""A model: given the echo train, sigma (or None) and the greatest block width, returns a solver with its buffers.

A model refuses trains it cannot fit with ArgumentInvalid. Its solver is called from one thread, block after block,
and must give a voxel the same bits whatever else is in the block.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model as it is registered: how to make its solver, and what sidecars say of it."""

    name: str
    algorithm: str  # what it does, one sentence
    reference: str  # author, year, journal
    solver: ModelFactory


_MODELS: dict[str, Model] = {}


def register_model(name: str, *, algorithm: str, reference: str) -> Callable[[ModelFactory], ModelFactory]:
    """Make a model known by its name (used as a decorator of its factory).

    ``algorithm`` and ``reference``, a sentence and a citation, go into the sidecars of its maps.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: the name is taken by another model.
    """

    def add(factory: ModelFactory) -> ModelFactory:
        model = Model(name=name, algorithm=algorithm, reference=reference, solver=factory)
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
