"""Running a model over many voxels: what it may use, which voxels it is asked for, and what comes back."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2disc.errors import ArgumentInvalid, NoiseUnknown
from t2disc.fit.asked import (
    checked_b1,
    checked_mask,
    checked_noise,
    checked_options,
    checked_sigma,
    checked_threads,
    require_stack,
    voxel_signals,
    with_skipped,
)
from t2disc.fit.backend import LARGE_BLOCK, Backend
from t2disc.fit.blocks import Fitter, Planes, Values, as_slice, memory_order, slabs
from t2disc.fit.correlation import estimate_design_effect
from t2disc.fit.models import Model, Problem, find_model
from t2disc.fit.noise import estimate_sigma
from t2disc.fit.train import echo_train
from t2disc.model import EchoChoice, EchoStack, ModelOptions, NoiseEstimate, T2Map, VoxelFit
from t2disc.model._arrays import Counts, count_type
from t2disc.model.fitting import ALL_ECHOES, DEFAULT_OPTIONS, is_finite_number


def fit_voxels(
    signal: Any,
    echo_times_ms: Any,
    *,
    model: str = "mono",
    sigma: float | None = None,
    b1: Any = None,
    skip_first: int = 0,
    echoes: EchoChoice = ALL_ECHOES,
    min_snr: float = 5.0,
    options: ModelOptions = DEFAULT_OPTIONS,
    covariance: bool = False,
    n_threads: int = 1,
    backend: str = "numpy",
    device: str | None = None,
) -> VoxelFit:
    """T2, S0 and their uncertainty for a list of voxels, by any model.

    Parameters
    ----------
    signal
        ``(V, E)`` magnitude signals; any memory layout and real dtype. What a masked array leaves out is NaN.
    echo_times_ms
        ``(E,)`` echo times, ms, rising; equal or unequal steps.
    model
        ``mono`` (least squares of S0 exp(-TE / T2)), ``rician``, ``epg``, ``epg-rician``, ``mono-offset``,
        ``loglinear``, ``wls``, or another registered model; docs/methods.md has each one's equation and limits.
    sigma
        Noise standard deviation in signal units. None leaves the SNR unchecked; ``rician`` and ``epg-rician`` need it.
    b1
        ``(V,)`` B1 over nominal, for ``epg`` models; None has them find it (1 or less) in every voxel.
    skip_first
        Echoes left out at the start of the train; short for ``echoes=EchoChoice(skip_first=...)``.
    echoes
        The rule by which echoes are used.
    min_snr
        With ``sigma``: voxels whose first used echo is below ``min_snr * sigma`` are flagged LOW_SNR.
    options
        What models assume of tissue, pulses and receiver.
    covariance
        Whether the covariance of T2, S0 and, where the model has one, B1 or offset is returned.
    n_threads
        Threads among which the voxels are shared out; the numbers do not depend on it.
    backend, device
        ``numpy``; or ``torch`` or ``cupy``, which compute where the library's ``device`` says (``cuda``).

    Returns
    -------
    VoxelFit
        ``t2_ms, s0, t2_se_ms`` float64 and ``flag`` uint8, each ``(V,)``; NaN wherever ``flag`` is not 0. The standard
        error is NaN for every voxel where no more echoes are used than the model has unknowns.

    Raises
    ------
    ModelUnknown
        ``model-unknown``: no such model.
    ArgumentInvalid
        ``argument-invalid``: shapes that do not agree, fewer than 2 echoes left, times that do not rise, sigma <= 0, or
        missing where it is needed.
    TrainUnsuited
        ``train-unsuited``: echo times that the model cannot be fitted to.
    """
    values = voxel_signals(signal)
    echoes = with_skipped(echoes, skip_first)
    train = echo_train(echo_times_ms, n_signals=values.shape[1], echoes=echoes)
    known_b1 = checked_b1(b1, values.shape[:1])
    chosen, arrays = find_model(model), Backend(backend, device)
    problem = Problem(
        train=train,
        width=min(_block(chosen, arrays), max(values.shape[0], 1)),
        sigma=checked_sigma(sigma),
        options=checked_options(options),
        is_b1_given=known_b1 is not None,
        wants_covariance=covariance,
        backend=arrays,
    )
    fitters = _fitters(chosen, problem, echoes, min_snr, n_threads)
    out = Values.empty(values.shape[:1], np.float64, chosen, problem, drops=echoes.drop_below is not None)
    planes = Planes(values.T[as_slice(train.rows)], None, known_b1)
    _share_out(fitters, [(planes.part(where), out.part(where)) for where in _parts(values.shape[0], n_threads)])
    return _voxel_fit(out, chosen, problem)


def fit_t2(
    stack: EchoStack,
    mask: Any = None,
    model: str = "mono",
    *,
    sigma: float | None = None,
    noise: str | NoiseEstimate = "auto",
    b1: Any = None,
    skip_first: int = 0,
    echoes: EchoChoice = ALL_ECHOES,
    min_snr: float = 5.0,
    options: ModelOptions = DEFAULT_OPTIONS,
    n_threads: int = 1,
    backend: str = "numpy",
    device: str | None = None,
) -> T2Map:
    """T2 maps of a multi-echo volume, with standard errors, reasons for what is missing, and the noise of the stack.

    Parameters
    ----------
    stack
        The volume, ``(X, Y, Z, E)``.
    mask
        ``(X, Y, Z)`` bool, or 0 and 1: voxels to fit; every voxel when None. The others are flagged OUTSIDE_MASK.
    model
        As in :func:`fit_voxels`.
    sigma
        Noise standard deviation in signal units, where it is known; else it is estimated.
    noise
        Where sigma is estimated: ``auto`` (the background, else the residual), ``background`` or ``residual``; or the
        estimate of an earlier fit to the same stack. Not together with ``sigma``.
    b1
        ``(X, Y, Z)`` B1 over nominal, for ``epg`` models; NaN leaves a voxel without T2.
    skip_first, echoes, min_snr, options, n_threads, backend, device
        As in :func:`fit_voxels`.

    Returns
    -------
    T2Map
        ``t2_ms, s0, t2_se_ms`` float32 and ``flag`` uint8, each ``(X, Y, Z)``; NaN wherever ``flag`` is not 0. To keep
        the T2 map in another program's terms: ``nib.Nifti1Image(t2map.t2_ms, t2map.affine)`` (ms).

    Raises
    ------
    ModelUnknown
        ``model-unknown``: no such model.
    NoiseUnknown
        ``noise-unknown``: a model or a rule that needs sigma, and nothing in the volume that tells it.
    ArgumentInvalid
        ``argument-invalid``: a mask that is not one of 0 and 1 on the stack's grid, fewer than 2 echoes left, or sigma
        told twice.
    TrainUnsuited
        ``train-unsuited``: echo times that the model cannot be fitted to.
    """
    require_stack(stack)
    echoes, options = with_skipped(echoes, skip_first), checked_options(options)
    train = echo_train(stack.echo_times_ms, n_signals=stack.n_echoes, echoes=echoes)
    chosen, arrays = find_model(model), Backend(backend, device)
    inside, known_b1 = checked_mask(mask, stack.shape), checked_b1(b1, stack.shape)
    known_sigma = checked_sigma(sigma)
    found = _noise(stack, known_sigma, checked_noise(noise, known_sigma), options)
    problem = Problem(
        train=train,
        width=_block(chosen, arrays),
        sigma=found.sigma if found.sigma > 0 else None,
        options=options,
        is_b1_given=known_b1 is not None,
        backend=arrays,
    )
    _require_noise(chosen, problem, echoes, found)
    fitters = _fitters(chosen, problem, echoes, min_snr, n_threads)
    order = memory_order(stack.signal)
    shape = tuple(stack.shape[axis] for axis in order)
    out = Values.empty(shape, np.float32, chosen, problem, drops=echoes.drop_below is not None)
    _share_out(fitters, slabs(stack.signal, train.rows, inside, known_b1, out, order))
    return _t2map(out, stack, chosen, problem, found, echoes)


def require_suited(
    echo_times_ms: Any,
    *,
    model: str = "mono",
    echoes: EchoChoice = ALL_ECHOES,
    options: ModelOptions = DEFAULT_OPTIONS,
) -> None:
    """Refuse echo times that a model cannot be fitted to, before there is any signal.

    Raises
    ------
    ModelUnknown, TrainUnsuited, ArgumentInvalid
        As :func:`fit_voxels`.
    """
    train = echo_train(echo_times_ms, n_signals=len(echo_times_ms), echoes=echoes)
    find_model(model).solver(Problem(train=train, width=1, sigma=1.0, options=options))


# ------------------------------------------------------------------------------------------------ noise
def _noise(stack: EchoStack, sigma: float | None, source: str | NoiseEstimate, options: ModelOptions) -> NoiseEstimate:
    """Return the noise of a stack: its sigma, and how alike it is in neighbouring voxels."""
    if isinstance(source, NoiseEstimate):
        return source
    if sigma is None:
        noise = estimate_sigma(stack, source=source, n_channels=options.n_channels)
    else:
        noise = NoiseEstimate(sigma=float(sigma), method="given")
    return replace(noise, design_effect=estimate_design_effect(stack, noise.sigma))


def _require_noise(model: Model, problem: Problem, echoes: EchoChoice, noise: NoiseEstimate) -> None:
    """Refuse a model or a rule that needs sigma where nothing in the volume tells it."""
    if problem.sigma is None and (model.is_noise_from_sigma or echoes.drop_below is not None):
        raise NoiseUnknown(f"no sigma (method {noise.method!r}) for model {model.name!r}, echoes: {echoes}")


# ------------------------------------------------------------------------------------------------ work
def _block(model: Model, backend: Backend) -> int:
    return model.block if backend.name == "numpy" else LARGE_BLOCK


def _fitters(model: Model, problem: Problem, echoes: EchoChoice, min_snr: float, n_threads: int) -> list[Fitter]:
    """Return a fitter for each thread; what does not go together is refused."""
    if not (is_finite_number(min_snr) and min_snr >= 0):
        raise ArgumentInvalid(f"min_snr={min_snr!r}", expected="a number from 0 up")
    if echoes.drop_below is not None and problem.sigma is None:
        raise ArgumentInvalid(
            f"echoes dropped below {echoes.drop_below:g} sigma without sigma", expected="sigma, or no drop_below"
        )
    if problem.is_b1_given and model.third != "b1":
        raise ArgumentInvalid(f"B1 for model {model.name!r}", expected="a model of stimulated echoes: epg, epg-rician")
    return [Fitter(model, problem, echoes, min_snr) for _ in range(checked_threads(n_threads))]


def _parts(n_voxels: int, n_threads: int) -> list[slice]:
    """Return slices of a list of voxels, one for each thread."""
    size = -(-max(n_voxels, 1) // n_threads)
    return [slice(start, start + size) for start in range(0, n_voxels, size)]


def _share_out(fitters: list[Fitter], jobs: Iterable[tuple[Planes, Values]]) -> None:
    """Have each fitter do its share of the jobs, every fitter in a thread of its own."""
    if len(fitters) == 1:
        _do(fitters[0], jobs)
        return
    listed = list(jobs)
    with ThreadPoolExecutor(len(fitters)) as pool:
        shares = [listed[n :: len(fitters)] for n in range(len(fitters))]
        list(pool.map(_do, fitters, shares))


def _do(fitter: Fitter, jobs: Iterable[tuple[Planes, Values]]) -> None:
    for planes, out in jobs:
        fitter.fit(planes, out)


# ------------------------------------------------------------------------------------------------ results
def _voxel_fit(out: Values, model: Model, problem: Problem) -> VoxelFit:
    shape, train = out.t2_ms.shape, problem.train
    whole: Counts = np.full(shape, train.n_echoes, count_type(train.n_echoes))
    n_echoes = whole if out.n_echoes is None else np.where(out.n_echoes, out.n_echoes, whole)
    left = model.degrees_of_freedom(train.n_echoes, is_b1_given=problem.is_b1_given)
    return VoxelFit(
        t2_ms=out.t2_ms,
        s0=out.s0,
        t2_se_ms=out.t2_se_ms,
        flag=out.flag,
        degrees_of_freedom=left - (train.n_echoes - n_echoes.astype(np.float64)),
        n_echoes=n_echoes,
        b1=out.third if model.third == "b1" else None,
        offset=out.third if model.third == "offset" else None,
        covariance=None if out.covariance is None else _full(out.covariance),
    )


def _full(triangle: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``(V, P, P)`` symmetric matrices from their lower triangles ``(P (P + 1) / 2, V)``."""
    n = int((np.sqrt(8 * len(triangle) + 1) - 1) / 2)
    full = np.empty((triangle.shape[1], n, n))
    cells = [(i, j) for i in range(n) for j in range(i + 1)]
    for row, (i, j) in zip(triangle, cells, strict=True):
        full[:, i, j] = full[:, j, i] = row
    return full


def _t2map(
    out: Values, stack: EchoStack, model: Model, problem: Problem, noise: NoiseEstimate, echoes: EchoChoice
) -> T2Map:
    """Return the maps on the stack's grid; they were filled in the order of memory."""
    back = np.argsort(memory_order(stack.signal))

    def placed(values: NDArray[Any] | None) -> NDArray[Any] | None:
        return None if values is None else values.transpose(back)

    third = placed(out.third)
    return T2Map(
        t2_ms=out.t2_ms.transpose(back),
        s0=out.s0.transpose(back),
        t2_se_ms=out.t2_se_ms.transpose(back),
        flag=out.flag.transpose(back),
        affine=stack.affine,
        echo_times_ms=problem.train.echo_times_ms,
        model=model.name,
        noise=noise,
        algorithm=model.algorithm,
        reference=model.reference,
        error_basis=model.error_basis,
        degrees_of_freedom=model.degrees_of_freedom(problem.train.n_echoes, is_b1_given=problem.is_b1_given),
        echoes=echoes,
        options=problem.options,
        n_echoes=placed(out.n_echoes),
        b1=third if model.third == "b1" else None,
        offset=third if model.third == "offset" else None,
    )
