"""Running a model over many voxels: blocks that fit the cache, flags, and NaN wherever there is a reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from t2disc.errors import ArgumentInvalid
from t2disc.fit.correlation import estimate_design_effect
from t2disc.fit.models import BlockFit, Solver, find_model
from t2disc.fit.noise import estimate_sigma
from t2disc.fit.train import echo_train
from t2disc.model import EchoStack, Flag, NoiseEstimate, T2Map, VoxelFit

BLOCK = 7168  # voxels; with their buffers they stay in a core's second-level cache
SLAB = 16 * BLOCK  # voxels taken from a volume at a time


class _Maps(NamedTuple):
    """Arrays that are filled block by block; all of one shape."""

    t2_ms: NDArray[Any]
    s0: NDArray[Any]
    t2_se_ms: NDArray[Any]
    flag: NDArray[np.uint8]

    @classmethod
    def empty(cls, shape: tuple[int, ...], dtype: type) -> _Maps:
        return cls(np.empty(shape, dtype), np.empty(shape, dtype), np.empty(shape, dtype), np.empty(shape, np.uint8))

    def part(self, where: slice) -> _Maps:
        return _Maps(*(array[where] for array in self))


def fit_voxels(
    signal: Any,
    echo_times_ms: Any,
    *,
    model: str = "mono",
    sigma: float | None = None,
    skip_first: int = 0,
    min_snr: float = 5.0,
) -> VoxelFit:
    """T2, S0 and their uncertainty for a list of voxels.

    Parameters
    ----------
    signal
        ``(V, E)`` magnitude signals; any memory layout and real dtype.
    echo_times_ms
        ``(E,)`` echo times, ms, rising; equal or unequal steps.
    model
        ``mono`` (least squares of S0 exp(-TE / T2)), ``loglinear``, or another registered model.
    sigma
        Noise standard deviation in signal units; None leaves the SNR unchecked.
    skip_first
        Echoes left out at the start of the train.
    min_snr
        With ``sigma``: voxels whose first used echo is below ``min_snr * sigma`` are flagged LOW_SNR.

    Returns
    -------
    VoxelFit
        ``t2_ms, s0, t2_se_ms`` float64 and ``flag`` uint8, each ``(V,)``; NaN wherever ``flag`` is not 0. The standard
        error is NaN for every voxel when only 2 echoes are used: nothing is left to estimate it from.

    Raises
    ------
    ModelUnknown
        ``model-unknown``: no such model.
    ArgumentInvalid
        ``argument-invalid``: shapes that do not agree, fewer than 2 echoes left, times that do not rise, sigma <= 0.
    """
    values = _real(signal)
    if values.ndim != 2:
        raise ArgumentInvalid(f"signal of shape {values.shape}", expected="(V, E): voxels by echoes")
    train = echo_train(echo_times_ms, n_signals=values.shape[1], skip_first=skip_first)
    threshold = _threshold(sigma, min_snr)
    width = min(BLOCK, max(values.shape[0], 1))
    solver = find_model(model).solver(train, sigma, width)
    maps = _Maps.empty(values.shape[:1], np.float64)
    _fit_planes(solver, values.T[skip_first:], maps, width, threshold=threshold)
    return VoxelFit(t2_ms=maps.t2_ms, s0=maps.s0, t2_se_ms=maps.t2_se_ms, flag=maps.flag)


def fit_t2(
    stack: EchoStack,
    mask: Any = None,
    model: str = "mono",
    *,
    skip_first: int = 0,
    min_snr: float = 5.0,
) -> T2Map:
    """T2 maps of a multi-echo volume, with standard errors, reasons for what is missing, and the noise of the stack.

    Parameters
    ----------
    stack
        The volume, ``(X, Y, Z, E)``.
    mask
        ``(X, Y, Z)`` bool, or 0 and 1: voxels to fit; every voxel when None. The others are flagged OUTSIDE_MASK.
    model
        ``mono``, ``loglinear``, or another registered model.
    skip_first
        Echoes left out at the start of the train.
    min_snr
        Voxels whose first used echo is below this multiple of the estimated sigma are flagged LOW_SNR.

    Returns
    -------
    T2Map
        ``t2_ms, s0, t2_se_ms`` float32 and ``flag`` uint8, each ``(X, Y, Z)``; NaN wherever ``flag`` is not 0. To keep
        the T2 map in another program's terms: ``nib.Nifti1Image(t2map.t2_ms, t2map.affine)`` (ms).

    Raises
    ------
    ModelUnknown
        ``model-unknown``: no such model.
    ArgumentInvalid
        ``argument-invalid``: a mask that is not one of 0 and 1 on the stack's grid, or fewer than 2 echoes left.
    """
    train = echo_train(stack.echo_times_ms, n_signals=stack.n_echoes, skip_first=skip_first)
    chosen_model = find_model(model)
    chosen = _checked_mask(mask, stack.shape)
    noise = _noise(stack)
    sigma = noise.sigma if noise.sigma > 0 else None
    threshold = _threshold(sigma, min_snr)
    solver = chosen_model.solver(train, sigma, BLOCK)
    order = _memory_order(stack.signal)
    maps = _Maps.empty(tuple(stack.shape[axis] for axis in order), np.float32)
    for planes, inside, part in _slabs(stack.signal[..., skip_first:], chosen, maps, order):
        _fit_planes(solver, planes, part, BLOCK, threshold=threshold, inside=inside)
    back = np.argsort(order)
    return T2Map(
        t2_ms=maps.t2_ms.transpose(back),
        s0=maps.s0.transpose(back),
        t2_se_ms=maps.t2_se_ms.transpose(back),
        flag=maps.flag.transpose(back),
        affine=stack.affine,
        echo_times_ms=train.echo_times_ms,
        model=model,
        noise=noise,
        algorithm=chosen_model.algorithm,
        reference=chosen_model.reference,
    )


# ------------------------------------------------------------------------------------------------ arguments
def _real(signal: Any) -> NDArray[Any]:
    values = np.asarray(signal)
    if values.dtype.kind not in "fiub":
        raise ArgumentInvalid(f"signal of type {values.dtype}", expected="real numbers: the magnitude signal")
    return values


def _threshold(sigma: float | None, min_snr: float) -> float | None:
    """Return the least first-echo signal, or None where the SNR cannot be checked."""
    if not (np.isfinite(min_snr) and min_snr >= 0):
        raise ArgumentInvalid(f"min_snr={min_snr}", expected="a number from 0 up")
    if sigma is None:
        return None
    if not (np.isfinite(sigma) and sigma > 0):
        raise ArgumentInvalid(f"sigma={sigma}", expected="a noise level above 0, or None where it is not known")
    return float(min_snr * sigma)


def _checked_mask(mask: Any, shape: tuple[int, int, int]) -> NDArray[np.bool_] | None:
    if mask is None:
        return None
    given = np.asarray(mask)
    if given.shape != shape:
        raise ArgumentInvalid(f"mask of shape {given.shape}", expected=f"the stack's grid, {shape}")
    chosen: NDArray[np.bool_] = given.astype(np.bool_)
    if not np.array_equal(chosen, given):
        raise ArgumentInvalid("a mask with other values than 0 and 1", expected="True and False, or 0 and 1")
    return chosen


# ------------------------------------------------------------------------------------------------ volumes
def _noise(stack: EchoStack) -> NoiseEstimate:
    """Return the noise of a stack: its sigma, and how alike it is in neighbouring voxels."""
    noise = estimate_sigma(stack)
    return replace(noise, design_effect=estimate_design_effect(stack, noise.sigma))


def _memory_order(signal: NDArray[Any]) -> tuple[int, ...]:
    """Return the three spatial axes from the one with the longest stride to the one with the shortest."""
    return tuple(sorted(range(3), key=lambda axis: -abs(signal.strides[axis])))


def _slabs(
    signal: NDArray[Any], mask: NDArray[np.bool_] | None, maps: _Maps, order: tuple[int, ...]
) -> Iterator[tuple[NDArray[Any], NDArray[np.bool_] | None, _Maps]]:
    """Yield ``(E, V)`` planes of the volume, their mask, and their part of the maps, slab by slab in memory order.

    The planes are views wherever the layout allows it, else copies of one slab.
    """
    planes = signal.transpose(3, *order)
    chosen = None if mask is None else mask.transpose(order)
    thickness = max(1, SLAB // max(1, planes[0, 0].size))
    for start in range(0, planes.shape[1], thickness):
        slab = slice(start, start + thickness)
        inside = None if chosen is None else chosen[slab].reshape(-1)
        yield planes[:, slab].reshape(planes.shape[0], -1), inside, _Maps(*(a[slab].reshape(-1) for a in maps))


# ------------------------------------------------------------------------------------------------ blocks
def _fit_planes(
    solver: Solver,
    planes: NDArray[Any],
    maps: _Maps,
    width: int,
    *,
    threshold: float | None,
    inside: NDArray[np.bool_] | None = None,
) -> None:
    """Fit ``(E, V)`` planes into the maps, block by block."""
    block = np.empty((planes.shape[0], width))
    with np.errstate(all="ignore"):
        for start in range(0, planes.shape[1], width):
            where = slice(start, start + width)
            signal = block[:, : planes[0, where].size]
            _load(planes[:, where], signal)
            _fit_block(solver, signal, maps.part(where), threshold, None if inside is None else inside[where])


def _load(planes: NDArray[Any], block: NDArray[np.float64]) -> None:
    """Copy to contiguous echoes, a little at a time so that interleaved echoes are read from the first-level cache."""
    for start in range(0, planes.shape[1], 512):
        block[:, start : start + 512] = planes[:, start : start + 512]


def _fit_block(
    solver: Solver,
    signal: NDArray[np.float64],
    maps: _Maps,
    threshold: float | None,
    inside: NDArray[np.bool_] | None,
) -> None:
    """Fit the voxels of a block that are asked for and bright enough; give the others their flag."""
    if threshold is None and inside is None:
        _write(solver(signal), maps)
        return
    reason = _reasons(signal, threshold, inside)
    fitted = np.flatnonzero(reason == Flag.OK)
    for values in maps[:3]:
        values[...] = np.nan
    maps.flag[...] = reason
    if fitted.size:
        part = _Maps.empty((fitted.size,), np.float64)
        _write(solver(np.ascontiguousarray(signal[:, fitted])), part)
        for values, found in zip(maps, part, strict=True):
            values[fitted] = found


def _reasons(
    signal: NDArray[np.float64], threshold: float | None, inside: NDArray[np.bool_] | None
) -> NDArray[np.uint8]:
    """Return why voxels of a block need no fit: LOW_SNR (unless not finite), OUTSIDE_MASK; else OK."""
    reason = np.zeros(signal.shape[1], np.uint8)
    if threshold is not None:
        reason[signal[0] < threshold] = Flag.LOW_SNR
        reason[~np.isfinite(np.add.reduce(signal, axis=0))] = Flag.OK  # the model says NOT_FINITE
    if inside is not None:
        reason[~inside] = Flag.OUTSIDE_MASK
    return reason


def _write(found: BlockFit, maps: _Maps) -> None:
    """Put a block's results in their place, NaN wherever there is a flag."""
    for values, row in zip(maps, found, strict=True):
        values[...] = row
    flagged = np.flatnonzero(found.flag)
    for values in maps[:3]:
        values[flagged] = np.nan
