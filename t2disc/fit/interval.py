"""From a standard error to an interval that keeps its promise with few echoes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from t2disc.errors import ArgumentInvalid
from t2disc.model import T2Map, VoxelFit


def t2_interval_ms(fit: VoxelFit | T2Map, level: float = 0.95) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Interval of T2 in ms: t2 -/+ t * se, with Student's t for the fit's degrees of freedom.

    Parameters
    ----------
    fit
        Result of :func:`t2disc.fit.fit_voxels` or :func:`t2disc.fit.fit_t2`.
    level
        Coverage asked for, between 0 and 1.

    Returns
    -------
    low_ms, high_ms
        ``(V,)`` or ``(X, Y, Z)`` each; NaN where the fit has no T2 or no standard error.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: a level outside (0, 1).

    Notes
    -----
    The normal factor 1.96 covers 90 % with 8 echoes, Student's t 95 %. Where standard errors rest on a known sigma, the
    degrees of freedom are infinite and t is normal. Source: Student 1908; Seber & Wild 1989, Nonlinear Regression,
    chapter 5.
    """
    if not 0 < level < 1:
        raise ArgumentInvalid(f"level {level}", expected="a level between 0 and 1")
    from scipy.special import ndtri, stdtrit

    left = np.asarray(_degrees_of_freedom(fit))
    tail = 0.5 + level / 2
    factor = np.where(np.isinf(left), ndtri(tail), stdtrit(np.where(left > 0, left, np.nan), tail))
    half_ms = factor * fit.t2_se_ms.astype(np.float64)
    return fit.t2_ms - half_ms, fit.t2_ms + half_ms


def _degrees_of_freedom(fit: VoxelFit | T2Map) -> NDArray[np.float64] | float:
    if isinstance(fit, VoxelFit) or fit.n_echoes is None:
        return fit.degrees_of_freedom
    dropped = fit.echo_times_ms.size - fit.n_echoes.astype(np.float64)
    return fit.degrees_of_freedom - dropped
