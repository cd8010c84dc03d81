"""What a caller asked of a fit, checked: signals, echoes, noise level, mask, B1, options.

Each refusal is an ``ArgumentInvalid`` (``argument-invalid``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2disc.errors import ArgumentInvalid
from t2disc.fit.epgtable import B1_GIVEN
from t2disc.fit.noise import SOURCES
from t2disc.model import EchoChoice, EchoStack, ModelOptions, NoiseEstimate
from t2disc.model._arrays import unmasked
from t2disc.model.fitting import is_finite_number, is_whole_number


def voxel_signals(signal: Any) -> NDArray[Any]:
    """Return signals as an array ``(V, E)`` of real numbers, of whatever type they are; masked echoes are NaN."""
    try:
        values = np.asarray(unmasked(signal, "signal"))
    except ValueError as error:
        raise ArgumentInvalid("voxels of different lengths", expected="(V, E): voxels by echoes") from error
    if values.dtype.kind not in "fiub":
        raise ArgumentInvalid(f"signal of type {values.dtype}", expected="real numbers: the magnitude signal")
    if values.ndim != 2:
        raise ArgumentInvalid(f"signal of shape {values.shape}", expected="(V, E): voxels by echoes")
    return values


def require_stack(stack: object) -> None:
    """Refuse what is no stack: an array does not tell its echo times and where it lies."""
    if not isinstance(stack, EchoStack):
        raise ArgumentInvalid(
            f"{type(stack).__name__} in place of a stack",
            expected="an EchoStack, as load_stack returns it",
            todo="load the visit with load_stack; of a list of voxels fit_voxels(signal, echo_times_ms) makes T2",
        )


def checked_options(options: object) -> ModelOptions:
    """Return what models assume."""
    if not isinstance(options, ModelOptions):
        raise ArgumentInvalid(f"options of type {type(options).__name__}", expected="ModelOptions(t1_ms=..., ...)")
    return options


def checked_threads(n_threads: int) -> int:
    """Return the number of threads."""
    if not (is_whole_number(n_threads) and n_threads >= 1):
        raise ArgumentInvalid(f"n_threads={n_threads!r}", expected="1 or more threads")
    return n_threads


def with_skipped(echoes: EchoChoice, skip_first: int) -> EchoChoice:
    """Return the rule with ``skip_first`` taken into it; where both say it, they must agree."""
    if not isinstance(echoes, EchoChoice):
        raise ArgumentInvalid(f"echoes of type {type(echoes).__name__}", expected="EchoChoice(numbers=(1, 2, ...))")
    if not is_whole_number(skip_first):
        raise ArgumentInvalid(f"skip_first={skip_first!r}", expected="0 or more echoes left out")
    if skip_first and echoes.skip_first not in (0, skip_first):
        raise ArgumentInvalid(
            f"skip_first={skip_first} and echoes with skip_first={echoes.skip_first}", expected="one of them"
        )
    return replace(echoes, skip_first=skip_first) if skip_first else echoes


def checked_sigma(sigma: float | None) -> float | None:
    """Return the noise level, which is above 0 where it is known."""
    if sigma is not None and not (is_finite_number(sigma) and sigma > 0):
        told = f"={sigma}" if np.ndim(sigma) == 0 else f" of shape {np.shape(sigma)}"
        raise ArgumentInvalid(f"sigma{told}", expected="one noise level above 0, or None where it is not known")
    return sigma


def checked_noise(noise: str | NoiseEstimate, sigma: float | None) -> str | NoiseEstimate:
    """Return where sigma is to come from; where it is given, nothing else may say so too."""
    if not isinstance(noise, NoiseEstimate) and not (isinstance(noise, str) and noise in SOURCES):
        raise ArgumentInvalid(f"noise={noise!r}", expected=f"one of {', '.join(SOURCES)}, or a NoiseEstimate")
    if sigma is not None and noise != "auto":
        told = f"of sigma={noise.sigma:g}" if isinstance(noise, NoiseEstimate) else repr(noise)
        raise ArgumentInvalid(f"sigma={sigma:g} and noise {told}", expected="one of them")
    return noise


def checked_mask(mask: Any, shape: tuple[int, int, int]) -> NDArray[np.bool_] | None:
    """Return which voxels of a grid ``(X, Y, Z)`` are asked for; ``None`` for all of them."""
    if mask is None:
        return None
    if np.ma.is_masked(mask):
        raise ArgumentInvalid("a mask that is masked in part", expected="True and False, or 0 and 1, in every voxel")
    given = np.asarray(mask)
    if given.shape != shape:
        raise ArgumentInvalid(f"mask of shape {given.shape}", expected=f"the stack's grid, {shape}")
    chosen: NDArray[np.bool_] = given.astype(np.bool_)
    if not np.array_equal(chosen, given):
        raise ArgumentInvalid("a mask with other values than 0 and 1", expected="True and False, or 0 and 1")
    return chosen


def checked_b1(b1: Any, shape: tuple[int, ...]) -> NDArray[np.float64] | None:
    """Return B1 as it is used: NaN where it is missing or none that a scanner reaches."""
    if b1 is None:
        return None
    try:
        given = np.asarray(unmasked(b1, "B1"), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ArgumentInvalid("B1 that is no array of numbers", expected=f"one value per voxel, {shape}") from error
    if given.shape != shape:
        raise ArgumentInvalid(f"B1 of shape {given.shape}", expected=f"one value per voxel, {shape}")
    low, high = B1_GIVEN
    usual = given[np.isfinite(given) & (given != 0)]
    if usual.size and not low <= np.median(usual) <= high:
        raise ArgumentInvalid(
            f"B1 with a median of {np.median(usual):.4g}",
            expected=f"B1 over nominal, from {low} to {high}",
            todo="divide a map in per cent by 100, or one in degrees by the nominal angle",
        )
    return np.where((given >= low) & (given <= high), given, np.nan)
