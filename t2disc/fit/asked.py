"""What a caller asked of a fit, checked: signals, echoes, noise level, mask, B1.

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
from t2disc.model import EchoChoice, NoiseEstimate


def voxel_signals(signal: Any) -> NDArray[Any]:
    """Return signals as an array ``(V, E)`` of real numbers, of whatever type they are."""
    values = np.asarray(signal)
    if values.dtype.kind not in "fiub":
        raise ArgumentInvalid(f"signal of type {values.dtype}", expected="real numbers: the magnitude signal")
    if values.ndim != 2:
        raise ArgumentInvalid(f"signal of shape {values.shape}", expected="(V, E): voxels by echoes")
    return values


def with_skipped(echoes: EchoChoice, skip_first: int) -> EchoChoice:
    """Return the rule with ``skip_first`` taken into it; where both say it, they must agree."""
    if skip_first and echoes.skip_first not in (0, skip_first):
        raise ArgumentInvalid(
            f"skip_first={skip_first} and echoes with skip_first={echoes.skip_first}", expected="one of them"
        )
    return replace(echoes, skip_first=skip_first) if skip_first else echoes


def checked_sigma(sigma: float | None) -> float | None:
    """Return the noise level, which is above 0 where it is known."""
    if sigma is not None and not (np.isfinite(sigma) and sigma > 0):
        raise ArgumentInvalid(f"sigma={sigma}", expected="a noise level above 0, or None where it is not known")
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
    given = np.asarray(b1, dtype=np.float64)
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
