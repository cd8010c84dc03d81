"""How well a model describes the signal: per voxel as maps, and per disc."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from t2disc.model._arrays import Counts, frozen, frozen_affine, frozen_counts, same_shape


class QualityMaps(Protocol):
    """Goodness of fit voxel by voxel, wherever it comes from; see :class:`FitQuality`, which has more."""

    @property
    def chi2_red(self) -> NDArray[np.float32]:
        """``(X, Y, Z)``, no unit."""

    @property
    def r2(self) -> NDArray[np.float32]:
        """``(X, Y, Z)``, no unit."""

    @property
    def odd_even(self) -> NDArray[np.float32]:
        """``(X, Y, Z)``, no unit."""

    @property
    def decay_variance(self) -> NDArray[np.float32]:
        """``(X, Y, Z)``, no unit."""

    @property
    def affine(self) -> NDArray[np.float64]:
        """``(4, 4)`` voxel index to RAS+ mm."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Grid ``(X, Y, Z)`` in voxels."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FitQuality:
    """Goodness of fit in every voxel of a T2 map, on its grid; NaN where there is no T2 or nothing to judge it by.

    ``m_e`` is the signal measured at echo e, ``M_e`` what the model expects to measure there (for models of the noise
    floor the mean of the magnitude), ``V_e`` the variance of the noise there, n the echoes used, p the unknowns fitted.
    All are NaN where n is not greater than p.

    Attributes
    ----------
    chi2_red
        ``(X, Y, Z)`` float32, no unit: ``sum (m_e - M_e)**2 / V_e / (n - p)``; about 1 where the model holds, more
        where it does not; NaN everywhere where sigma is unknown.
    r2
        ``(X, Y, Z)`` float32, no unit: ``1 - sum (m_e - M_e)**2 / sum (m_e - mean m)**2``; 1 is perfect.
    odd_even
        ``(X, Y, Z)`` float32, no unit: ``sum c_e (m_e - M_e) M_e / sum M_e**2`` with c = +1 at even and -1 at odd
        echoes; how much higher, as a share of the signal, even echoes lie, and how much lower odd ones. 0 is no
        alternation. NaN with fewer than two odd and two even echoes.
    decay_variance
        ``(X, Y, Z)`` float32, no unit: ``sum (m_e - M_e)**2 / ((n - p) M_1**2)``, the variance about the expected decay
        relative to its first echo used; about 1 / SNR**2 where the model holds.
    degrees_of_freedom
        ``(X, Y, Z)`` uint8, n - p; 0 where there is no T2.
    affine
        ``(4, 4)`` voxel index to RAS+ mm.
    model
        Name of the model that is judged.

    Source: docs/methods.md, "Goodness of fit".
    """

    chi2_red: NDArray[np.float32]
    r2: NDArray[np.float32]
    odd_even: NDArray[np.float32]
    decay_variance: NDArray[np.float32]
    degrees_of_freedom: Counts
    affine: NDArray[np.float64]
    model: str

    def __post_init__(self) -> None:
        for name in ("chi2_red", "r2", "odd_even", "decay_variance"):
            object.__setattr__(self, name, frozen(getattr(self, name), name, ndim=3, dtype=np.float32))
            same_shape(name, getattr(self, name).shape, self.chi2_red.shape)
        degrees_of_freedom = frozen_counts(self.degrees_of_freedom, "degrees_of_freedom", ndim=3)
        same_shape("degrees_of_freedom", degrees_of_freedom.shape, self.chi2_red.shape)
        object.__setattr__(self, "degrees_of_freedom", degrees_of_freedom)
        object.__setattr__(self, "affine", frozen_affine(self.affine))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Grid ``(X, Y, Z)`` in voxels."""
        x, y, z = self.chi2_red.shape
        return x, y, z

    def __repr__(self) -> str:
        judged = int(np.count_nonzero(np.isfinite(self.r2)))
        return f"FitQuality(shape={self.shape}, model={self.model!r}, judged={judged} voxels)"


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscQuality:
    """Goodness of fit in one region of one disc; NaN where no voxel could be judged, or sigma is unknown.

    Attributes
    ----------
    level, region
        ``L4/L5``; a region of SCHEME_OF.
    n_judged
        Voxels with a T2 and more echoes than unknowns.
    chi2_red_median, r2_median, odd_even_median, decay_variance_median
        Medians over them of :class:`FitQuality`'s numbers, no unit; that of chi-square over the median of its law, so
        that it is 1 where the model holds whatever the number of echoes.
    poor_fit_share
        Share of them, 0 to 1, whose reduced chi-square exceeds the 99 % point of its law: 0.01 where the model holds.
    """

    level: str
    region: str
    n_judged: int
    chi2_red_median: float
    r2_median: float
    odd_even_median: float
    decay_variance_median: float
    poor_fit_share: float
