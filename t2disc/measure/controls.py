"""The participant's own untreated discs beside the treated one: a covariate, never a divisor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from t2disc.model import Z_95, Change

LEAST_PARTICIPANTS = 10
"""Fewer do not tell a slope."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlChange:
    """Mean change of the control discs of one participant in one region; NaN without one.

    Attributes
    ----------
    n
        Control discs with a change.
    change_ms, change_pct
        Mean over discs, ms and % of each disc's baseline.
    se_ms
        Standard error of ``change_ms``: ``sqrt(sum(se**2)) / n``, the errors of its discs taken as independent. What
        the discs of one scan share (the noise floor, the scanner's state, how the patient lay) is not in it.
    exceeds_rc
        Whether the mean change in % is greater than measuring twice would give even if the discs of one scan erred
        together, see :func:`mean_of_controls`; ``None`` where that is not known.
    """

    n: int
    change_ms: float
    change_pct: float
    se_ms: float
    exceeds_rc: bool | None

    @property
    def interval_ms(self) -> tuple[float, float]:
        """95 % interval of the true mean change, ms."""
        return self.change_ms - Z_95 * self.se_ms, self.change_ms + Z_95 * self.se_ms


def mean_of_controls(changes: Sequence[Change]) -> ControlChange:
    """Return the mean change of a participant's control discs: all changes given that have both visits.

    What measuring twice gives their mean depends on how far the discs of one scan err together, which nobody has
    measured. Whatever it is, the coefficient of the mean is at most the mean of the coefficients (Cauchy-Schwarz), and
    that is where they all err as one::

        rc(mean) <= sum(rc) / n

    Judged by that bound, a mean without a true change exceeds it in 5 % of repeats at most.
    """
    known = [change for change in changes if math.isfinite(change.change_ms)]
    n = len(known)
    if n == 0:
        return ControlChange(n=0, change_ms=math.nan, change_pct=math.nan, se_ms=math.nan, exceeds_rc=None)
    change_pct = float(np.mean([change.change_pct for change in known]))
    rc_pct = float(np.mean([change.repeatability.rc_pct for change in known]))
    return ControlChange(
        n=n,
        change_ms=float(np.mean([change.change_ms for change in known])),
        change_pct=change_pct,
        se_ms=math.sqrt(sum(change.se_ms**2 for change in known)) / n,
        exceeds_rc=None if math.isnan(rc_pct) else abs(change_pct) > rc_pct,
    )


def adjusted_changes_ms(index_ms: Sequence[float], control_ms: Sequence[float]) -> tuple[list[float], float]:
    """Return index changes as they would be had every participant's controls changed alike, and the slope used.

    ``adjusted = index - b (control - mean(control))`` with ``b`` the least-squares slope of index on control change
    over all participants, whatever their treatment: the analysis of covariance with one slope. The mean stays the
    mean of the index changes. NaN, for all, with fewer than ten participants or controls that all changed alike.

    Parameters
    ----------
    index_ms, control_ms
        One pair per participant, ms; a participant who lacks either has NaN and tells nothing.

    Source: Vickers and Altman 2001, BMJ 323:1123 (covariates rather than differences or ratios).
    """
    index, control = np.asarray(index_ms, np.float64), np.asarray(control_ms, np.float64)
    known = np.isfinite(index) & np.isfinite(control)
    if np.count_nonzero(known) < LEAST_PARTICIPANTS or np.ptp(control[known]) == 0:
        return [math.nan] * index.size, math.nan
    centred = control - control[known].mean()
    slope = float(centred[known] @ index[known] / (centred[known] @ centred[known]))
    return (index - slope * centred).tolist(), slope
