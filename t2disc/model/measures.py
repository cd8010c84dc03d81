"""Numbers per disc: one visit's measures, and the change between two visits."""

from __future__ import annotations

import math
from dataclasses import dataclass

from t2disc.model.maps import Flag
from t2disc.model.match import Roi

Z_95 = 1.96
"""Standard errors in half a 95 % interval of a normal law."""


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
        SD / sqrt(n_used), ms; voxels taken as independent, so a lower bound.
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

    def __post_init__(self) -> None:
        assert len(self.n_left_out) == len(Flag), "one count per flag"  # internal truth
        assert self.n_used + sum(self.n_left_out) == self.n_voxels, "nothing lost"


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
    who has; ``n_pairs`` the pairs behind it, where they are known.
    """

    rc_pct: float = math.nan
    source: str = ""
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
    place_se_ms
        Standard error of ``change_ms`` from how much it varies between parts of the region, noise included.
    baseline_floor_ms
        How much of the baseline it is expected to make up.
    floor_ms
        How much of ``change_ms`` the noise floor of the magnitude signal is expected to make up.
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
    place_se_ms: float = math.nan
    floor_ms: float = math.nan
    baseline_floor_ms: float = 0.0
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
        """
        return math.hypot(self._scatter_ms, self.floor_ms)

    @property
    def floor_pct(self) -> float:
        """How much of ``change_pct`` the noise floor is expected to make up: it lengthens the baseline too."""
        before_ms = self.baseline_t2_median_ms - self.baseline_floor_ms
        after_ms = self.followup_t2_median_ms - self.baseline_floor_ms - self.floor_ms
        return self.change_pct - 100 * (after_ms / before_ms - 1) if before_ms else math.nan

    @property
    def se_pct(self) -> float:
        """Standard error of ``change_pct``, % of baseline: as ``se_ms``, with the floor's part of the percentage."""
        return math.hypot(self._per_cent(self._scatter_ms), self.floor_pct)

    @property
    def _scatter_ms(self) -> float:
        """The greater of noise and place; the one that is known where one is."""
        known_ms = [se for se in (self.noise_se_ms, self.place_se_ms) if not math.isnan(se)]
        return max(known_ms, default=math.nan)

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
