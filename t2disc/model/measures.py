"""Numbers per disc: one visit's measures, and the change between two visits."""

from __future__ import annotations

import math
from dataclasses import dataclass

from t2disc.model.maps import Flag
from t2disc.model.match import Roi

Z_95 = 1.96
"""Standard errors in half a 95 % interval of a normal law."""
_Z_95_ONE_SIDED = 1.645


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscMeasure:
    """T2 of one region of one disc at one visit. Statistics are NaN when no voxel could be used.

    Attributes
    ----------
    level, region
        ``L4/L5``; a region of SCHEME_OF: ``disc``, ``NP``, ``AF``, ``strip3``, ...
    n_voxels, n_used
        Voxels in the region, and those of them with a T2.
    n_left_out
        Voxels without, counted by :class:`~t2disc.model.Flag` value; index 0 is 0.
    volume_mm3
        Of all voxels in the region, slice gap included.
    t2_mean_ms, t2_median_ms, t2_sd_ms, t2_p10_ms, t2_p90_ms
        Over the voxels used, ms; SD with n - 1, percentiles by linear interpolation.
    t2_sem_ms
        SD / sqrt(n_used), ms: how mean T2 would vary over samples of such tissue; not the error of this mean.
    t2_mean_se_ms, t2_median_se_ms
        Standard errors that the voxels' own noise gives mean and median, neighbours' shared noise counted, ms. NaN
        where the voxels have none, and in records older than them.
    t2_mean_floor_ms, t2_median_floor_ms
        By how much the noise floor of magnitude images is expected to lengthen both, ms: not taken off; 0 by models
        that account for it, NaN where it cannot be told.
    b1_median
        Refocusing efficiency, B1 over nominal; NaN for models that do not find it.
    t2_mean_curvature_ms
        By how much noise lengthens the mean without any floor, because decays are curved, ms: not taken off.
    s0_median
        Signal units at echo time 0.
    snr_first_echo
        Median of the fitted signal at the first echo used, over sigma.
    """

    level: str
    region: str
    n_voxels: int
    n_used: int
    n_left_out: tuple[int, ...]
    volume_mm3: float
    t2_mean_ms: float
    t2_median_ms: float
    t2_sd_ms: float
    t2_p10_ms: float
    t2_p90_ms: float
    t2_sem_ms: float
    s0_median: float
    snr_first_echo: float
    t2_mean_se_ms: float = math.nan
    t2_median_se_ms: float = math.nan
    t2_mean_floor_ms: float = math.nan
    t2_mean_curvature_ms: float = math.nan
    b1_median: float = math.nan
    t2_median_floor_ms: float = math.nan

    @property
    def t2_mean_interval_ms(self) -> tuple[float, float]:
        """95 % interval of the mean of the true T2 of the voxels used, ms; NaN where its error or its floor is.

        It allows for the floor being there in full and not at all, see :func:`interval_with_bias_ms`, and always holds
        the mean itself, which in large regions lies beyond it by a part of ``t2_mean_curvature_ms``.
        """
        straight_ms = self.t2_mean_ms - self.t2_mean_curvature_ms
        low_ms, high_ms = interval_with_bias_ms(straight_ms, self.t2_mean_se_ms, self.t2_mean_floor_ms)
        return min(low_ms, self.t2_mean_ms), max(high_ms, self.t2_mean_ms)

    @property
    def t2_median_interval_ms(self) -> tuple[float, float]:
        """95 % interval of the median of the true T2 of the voxels used, ms; NaN where its error or its floor is."""
        return interval_with_bias_ms(self.t2_median_ms, self.t2_median_se_ms, self.t2_median_floor_ms)

    def __post_init__(self) -> None:
        assert len(self.n_left_out) == len(Flag), "one count per flag"  # internal truth
        assert self.n_used + sum(self.n_left_out) == self.n_voxels, "nothing lost"


def interval_with_bias_ms(value_ms: float, se_ms: float, bias_ms: float) -> tuple[float, float]:
    """Return the 95 % interval of a truth of which a value may be too great by anything from nothing to a bias, ms.

    ``value - bias - z se`` to ``value + z se``; ``z`` falls from 1.96 without a bias to 1.645 where the bias is greater
    than the error, as then only one side can be missed::

        Phi(z + b) - Phi(-z) = 0.95,  b = |bias| / se;    here, to 0.01, z = 1.645 + 0.315 exp(-1.7 b - b**2 / 2)

    NaN where one of the three is.

    Source: Imbens and Manski 2004, Econometrica 72:1845, eq. 6 (a parameter known up to a range).
    """
    if not se_ms > 0 or math.isnan(bias_ms) or math.isnan(value_ms):
        return math.nan, math.nan
    ratio = abs(bias_ms) / se_ms
    z = _Z_95_ONE_SIDED + (Z_95 - _Z_95_ONE_SIDED) * math.exp(-1.7 * ratio - ratio**2 / 2)
    return value_ms - max(bias_ms, 0.0) - z * se_ms, value_ms - min(bias_ms, 0.0) + z * se_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class RoiSensitivity:
    """How far the definitions of one disc's nucleus, and of the disc, disagree; NaN where fewer than two have a T2.

    Attributes
    ----------
    level
        ``L4/L5``.
    np_spread_ms, disc_spread_ms
        Greatest minus smallest median T2 over the definitions in COMPARED_REGIONS, ms.
    np_spread_pct, disc_spread_pct
        The same in % of the primary definition, ``NP`` and ``disc``.
    """

    level: str
    np_spread_ms: float
    np_spread_pct: float
    disc_spread_ms: float
    disc_spread_pct: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeatability:
    """What measuring twice gives: the difference that 95 % of pairs without a true change stay below.

    ``rc_pct`` is the repeatability coefficient in % of the baseline, NaN where nobody has measured it; ``source`` says
    who has. Behind those of the study itself are ``n_pairs`` discs measured twice, of ``n_participants``.
    """

    rc_pct: float = math.nan
    source: str = ""
    n_participants: int | None = None
    n_pairs: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """T2 of one region of one disc at two visits, and the difference with its uncertainty; NaN where one is missing.

    Attributes
    ----------
    level, region
        ``L4/L5``; a region of SCHEME_OF.
    roi
        Whose outlines, see ROIS: ``matched`` (primary), ``own``, ``baseline`` or ``followup``.
    baseline_n_used, followup_n_used
        Voxels with a T2 at each visit; ``None`` where it lacks the disc.
    baseline_t2_median_ms, followup_t2_median_ms
        Median T2 at each visit, ms.
    change_ms, change_pct
        Follow-up minus baseline, in ms and in % of baseline.
    noise_se_ms
        Standard error of ``change_ms`` from the voxels' own standard errors, neighbours' shared noise counted.
    baseline_noise_se_ms
        The baseline's part of it; the follow-up's is what is left in squares.
    place_se_ms
        Standard error of ``change_ms`` from how much it varies between parts of the region, noise included.
    place_se_pct
        That of ``change_pct``, from how much the percentage varies between the same parts.
    floor_ms
        How much of ``change_ms`` the noise floor of the magnitude signal is expected to make up. NaN, never 0, where it
        cannot be told at either visit: no total error and no interval are then told, ``noise_se_ms`` and
        ``place_se_ms`` stay.
    baseline_floor_ms
        How much of the baseline it is expected to make up.
    repeatability
        What measuring twice gives for this region and level.
    is_comparable
        ``False`` where the two visits show another disc or another person under one name: no change is told.
    """

    level: str
    region: str
    roi: Roi = "own"
    baseline_n_used: int | None = None
    followup_n_used: int | None = None
    baseline_t2_median_ms: float = math.nan
    followup_t2_median_ms: float = math.nan
    noise_se_ms: float = math.nan
    baseline_noise_se_ms: float = math.nan
    place_se_ms: float = math.nan
    place_se_pct: float = math.nan
    floor_ms: float = math.nan
    baseline_floor_ms: float = math.nan
    repeatability: Repeatability = Repeatability()
    is_comparable: bool = True

    @property
    def change_ms(self) -> float:
        """Follow-up minus baseline, ms."""
        if not self.is_comparable:
            return math.nan
        return self.followup_t2_median_ms - self.baseline_t2_median_ms

    @property
    def change_pct(self) -> float:
        """Change in % of baseline."""
        return self._per_cent(self.change_ms)

    @property
    def se_ms(self) -> float:
        """Standard error of ``change_ms``: the greater of noise and place, and the noise floor as a third source.

        ``se = sqrt(max(noise_se, place_se)**2 + floor**2)``; of noise and place, the one that is known counts.
        NaN where the floor is not known: scatter alone would be told as certainty.
        """
        return math.hypot(_greater(self.noise_se_ms, self.place_se_ms), self.floor_ms)

    @property
    def floor_pct(self) -> float:
        """How much of ``change_pct`` the noise floor is expected to make up: it lengthens the baseline too."""
        before_ms = self.baseline_t2_median_ms - self.baseline_floor_ms
        after_ms = self.followup_t2_median_ms - self.baseline_floor_ms - self.floor_ms
        return self.change_pct - 100 * (after_ms / before_ms - 1) if before_ms else math.nan

    @property
    def noise_se_pct(self) -> float:
        """Standard error of ``change_pct`` from the voxels' own: the baseline errs in the divisor, too.

        With medians ``B`` and ``F`` and their errors, which are independent::

            noise_se_pct = 100 / B sqrt(se_F**2 + (F / B)**2 se_B**2),    se_F**2 = noise_se_ms**2 - se_B**2

        Source: Casella and Berger 2002, Statistical Inference, section 5.5.4 (delta method for a ratio).
        """
        if not self.baseline_t2_median_ms:
            return math.nan
        before_ms = self.baseline_noise_se_ms
        after_ms = math.sqrt(max(self.noise_se_ms**2 - before_ms**2, 0.0))  # NaN stays NaN, as it comes first
        return self._per_cent(math.hypot(after_ms, self.followup_t2_median_ms / self.baseline_t2_median_ms * before_ms))

    @property
    def se_pct(self) -> float:
        """Standard error of ``change_pct``, % of baseline: the sources of ``se_ms``, as errors of the percentage.

        ``se = sqrt(max(noise_se_pct, place_se_pct)**2 + floor_pct**2)``. It is not ``se_ms`` over the baseline: the
        greater the follow-up is beside the baseline, the more the baseline's own error counts.
        """
        return math.hypot(_greater(self.noise_se_pct, self.place_se_pct), self.floor_pct)

    @property
    def interval_ms(self) -> tuple[float, float]:
        """95 % interval of the true change, ms: ``change_ms -+ 1.96 se_ms``."""
        return self.change_ms - Z_95 * self.se_ms, self.change_ms + Z_95 * self.se_ms

    @property
    def interval_pct(self) -> tuple[float, float]:
        """95 % interval of the true change, % of baseline."""
        return self.change_pct - Z_95 * self.se_pct, self.change_pct + Z_95 * self.se_pct

    @property
    def exceeds_rc(self) -> bool | None:
        """Whether the change is greater than measuring twice would give; ``None`` where that is not known."""
        if math.isnan(self.change_pct) or math.isnan(self.repeatability.rc_pct):
            return None
        return abs(self.change_pct) > self.repeatability.rc_pct

    def _per_cent(self, ms: float) -> float:
        return 100 * ms / self.baseline_t2_median_ms if self.baseline_t2_median_ms else math.nan


def _greater(*errors: float) -> float:
    """Return the greater of noise and place; the one that is known where one is."""
    return max((se for se in errors if not math.isnan(se)), default=math.nan)
