"""Fitted values: per voxel of a list, and as maps on the stack's grid; missing is NaN with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from t2disc.model._arrays import Counts, frozen, frozen_affine, frozen_counts, same_shape
from t2disc.model.fitting import ALL_ECHOES, DEFAULT_OPTIONS, EchoChoice, ModelOptions


class Flag(IntEnum):
    """Why a voxel has no T2. The numbers stand in the flag maps of published datasets: add, never renumber."""

    OK = 0
    OUTSIDE_MASK = 1  # not asked for
    NOT_FINITE = 2  # NaN or infinity in the signal
    NO_SIGNAL = 3  # zero or negative at every echo, or at too many to fit two unknowns
    LOW_SNR = 4  # first echo below the SNR threshold
    NOT_DECAYING = 5  # constant or rising signal
    BEYOND_ECHO_RANGE = 6  # T2 outside what these echo times can tell
    AT_BOUND = 7  # a bounded model stopped on its bound
    NOT_CONVERGED = 8  # the iteration did not settle
    B1_UNRESOLVED = 9  # B1 unknown, or another T2 with another B1 would fit as well
    OFFSET_UNSAFE = 10  # T2 too long, for this train, to be told from an offset


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseEstimate:
    """Standard deviation of the noise in each channel of the magnitude signal, and how alike it is in neighbours.

    Attributes
    ----------
    sigma
        Signal units; NaN when it could not be told.
    method
        Where sigma comes from: ``background``, ``residual``, ``given`` or ``none``.
    n_voxels
        Voxels that sigma rests on.
    design_effect
        How many voxels in a row share one independent noise sample, along X, Y, Z; from 1 (all independent) up.
        Interpolation and filters on the scanner raise it: the variance of a mean over n voxels is
        ``D_x D_y D_z sigma**2 / n``. NaN where the data could not tell; 1 where nobody looked.
    """

    sigma: float
    method: str
    n_voxels: int = 0
    design_effect: tuple[float, float, float] = (1.0, 1.0, 1.0)

    @property
    def voxels_per_sample(self) -> float:
        """Voxels that share one independent noise sample in space: ``D_x D_y D_z``; NaN where one is unknown."""
        x, y, z = self.design_effect
        return x * y * z


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VoxelFit:
    """Result of fitting V voxels; where ``flag`` is not 0 the numbers are NaN.

    Attributes
    ----------
    t2_ms, s0, t2_se_ms
        ``(V,)`` T2 and its standard error, ms; signal at TE 0, in the signal's units.
    flag
        ``(V,)`` see :class:`Flag`.
    degrees_of_freedom
        ``(V,)`` of Student's t for intervals: echoes used less parameters; infinite where sigma is known.
    n_echoes
        ``(V,)`` echoes used; uint8, or wider of a train of more than 255.
    b1
        ``(V,)`` refocusing efficiency, B1 over nominal, 1 or less where it was fitted; ``None`` for models without.
    offset
        ``(V,)`` constant under the decay, signal units; ``None`` for models without.
    covariance
        ``(V, P, P)`` of (T2, S0, b1 or offset), in their units; ``None`` where it was not asked for.
    """

    t2_ms: NDArray[np.float64]
    s0: NDArray[np.float64]
    t2_se_ms: NDArray[np.float64]
    flag: NDArray[np.uint8]
    degrees_of_freedom: NDArray[np.float64]
    n_echoes: Counts
    b1: NDArray[np.float64] | None = None
    offset: NDArray[np.float64] | None = None
    covariance: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        for name in ("t2_ms", "s0", "t2_se_ms", "degrees_of_freedom", "b1", "offset"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, frozen(getattr(self, name), name, ndim=1, dtype=np.float64))
                same_shape(name, getattr(self, name).shape, self.t2_ms.shape)
        object.__setattr__(self, "flag", frozen(self.flag, "flag", ndim=1, dtype=np.uint8))
        object.__setattr__(self, "n_echoes", frozen_counts(self.n_echoes, "n_echoes", ndim=1))
        for name in ("flag", "n_echoes"):
            same_shape(name, getattr(self, name).shape, self.t2_ms.shape)
        if self.covariance is not None:
            object.__setattr__(self, "covariance", frozen(self.covariance, "covariance", ndim=3, dtype=np.float64))
            same_shape("covariance", self.covariance.shape[:1], self.t2_ms.shape)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class T2Map:
    """T2 of every voxel on the stack's grid, with its standard error and its reason when missing.

    Attributes
    ----------
    t2_ms, t2_se_ms
        ``(X, Y, Z)`` float32, ms; NaN where ``flag`` is not 0.
    s0
        ``(X, Y, Z)`` float32, signal units at TE 0.
    flag
        ``(X, Y, Z)`` uint8, see :class:`Flag`.
    affine
        ``(4, 4)`` voxel index to RAS+ mm.
    echo_times_ms
        ``(E',)`` the echo times that were used, after skipping.
    model
        Name of the model (``mono``, ``rician``, ...).
    algorithm, reference
        What that model does and where it comes from, in a sentence each, for sidecars and reports.
    error_basis
        What its standard errors rest on, in words that follow "from"; empty where it is not told.
    noise
        Sigma of the stack and how it was estimated.
    degrees_of_freedom
        Of Student's t, for a voxel that uses all of ``echo_times_ms``; infinite where standard errors rest on sigma.
    echoes
        The rule by which echoes were chosen.
    options
        What the model assumed beyond the signal.
    n_echoes
        ``(X, Y, Z)`` echoes used in each voxel, uint8 up to 255; ``None`` where it is the same in all.
    b1
        ``(X, Y, Z)`` float32, refocusing efficiency; ``None`` for models without.
    offset
        ``(X, Y, Z)`` float32, signal units; ``None`` for models without.
    """

    t2_ms: NDArray[np.float32]
    s0: NDArray[np.float32]
    t2_se_ms: NDArray[np.float32]
    flag: NDArray[np.uint8]
    affine: NDArray[np.float64]
    echo_times_ms: NDArray[np.float64]
    model: str
    noise: NoiseEstimate
    algorithm: str = ""
    reference: str = ""
    error_basis: str = ""
    degrees_of_freedom: float = np.nan
    echoes: EchoChoice = ALL_ECHOES
    options: ModelOptions = DEFAULT_OPTIONS
    n_echoes: Counts | None = None
    b1: NDArray[np.float32] | None = None
    offset: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        for name in ("t2_ms", "s0", "t2_se_ms", "b1", "offset"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, frozen(getattr(self, name), name, ndim=3, dtype=np.float32))
                same_shape(name, getattr(self, name).shape, self.t2_ms.shape)
        object.__setattr__(self, "flag", frozen(self.flag, "flag", ndim=3, dtype=np.uint8))
        same_shape("flag", self.flag.shape, self.t2_ms.shape)
        if self.n_echoes is not None:
            object.__setattr__(self, "n_echoes", frozen_counts(self.n_echoes, "n_echoes", ndim=3))
            same_shape("n_echoes", self.n_echoes.shape, self.t2_ms.shape)
        object.__setattr__(self, "affine", frozen_affine(self.affine))
        echo_times_ms = frozen(self.echo_times_ms, "echo_times_ms", ndim=1, dtype=np.float64)
        object.__setattr__(self, "echo_times_ms", echo_times_ms)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Grid ``(X, Y, Z)`` in voxels."""
        x, y, z = self.t2_ms.shape
        return x, y, z

    def __repr__(self) -> str:
        ok = int(np.count_nonzero(self.flag == Flag.OK))
        return f"T2Map(shape={self.shape}, model={self.model!r}, fitted={ok} voxels, sigma={self.noise.sigma:.4g})"
