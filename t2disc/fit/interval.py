"""From a standard error to an interval that keeps its promise with few echoes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from t2disc.errors import ArgumentInvalid
from t2disc.model import VoxelFit


def t2_interval_ms(
    fit: VoxelFit, n_echoes: int, level: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Interval of T2 in ms: t2 -/+ t * se, with Student's t for n - 2 degrees of freedom.

    Parameters
    ----------
    fit
        Result of :func:`t2disc.fit.fit_voxels` with a two-parameter model.
    n_echoes
        Number of echoes used in the fit (after ``skip_first``).
    level
        Coverage asked for, between 0 and 1.

    Returns
    -------
    low_ms, high_ms
        ``(V,)`` each; NaN where the fit has no T2 or no standard error.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: fewer than 3 echoes, which leave no degree of freedom, or a level outside (0, 1).

    Notes
    -----
    The normal factor 1.96 covers 90 % with 8 echoes, Student's t 95 %. Source: Student 1908; Seber & Wild 1989,
    Nonlinear Regression, ch. 5.
    """
    if n_echoes < 3 or not 0 < level < 1:
        raise ArgumentInvalid(f"{n_echoes} echoes, level {level}", expected="3 echoes or more, level between 0 and 1")
    from scipy.special import stdtrit

    half_ms = float(stdtrit(n_echoes - 2, 0.5 + level / 2)) * fit.t2_se_ms
    return fit.t2_ms - half_ms, fit.t2_ms + half_ms
