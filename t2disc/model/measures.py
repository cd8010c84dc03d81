"""Numbers per disc: one visit's measures, and the change between two visits."""

from __future__ import annotations

from dataclasses import dataclass

from t2disc.model.maps import Flag


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
class Change:
    """T2 of one region of one disc at two visits, and the difference; NaN where either is missing.

    Attributes
    ----------
    level, region
        ``L4/L5``; a region of SCHEME_OF.
    baseline_t2_median_ms, followup_t2_median_ms
        Median T2 at each visit, ms.
    change_ms, change_pct
        Follow-up minus baseline, in ms and in % of baseline.
    """

    level: str
    region: str
    baseline_t2_median_ms: float
    followup_t2_median_ms: float
    change_ms: float
    change_pct: float
