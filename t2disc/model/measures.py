"""Numbers per disc: one visit's measures, and the change between two visits."""

from __future__ import annotations

from dataclasses import dataclass

from t2disc.model.maps import Flag


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscMeasure:
    """T2 of one region of one disc at one visit. Statistics are NaN when no voxel could be used."""

    level: str
    region: str  # disc, NP or AF
    n_voxels: int  # voxels in the region
    n_used: int  # voxels with a T2
    n_left_out: tuple[int, ...]  # voxels without, counted by Flag value; index 0 (OK) is 0
    volume_mm3: float  # of all voxels in the region, slice gap included
    t2_mean_ms: float
    t2_median_ms: float
    t2_sd_ms: float
    t2_p10_ms: float
    t2_p90_ms: float
    t2_sem_ms: float  # SD / sqrt(n_used); voxels taken as independent
    s0_median: float
    snr_first_echo: float  # median of S0 exp(-TE1 / T2) / sigma over used voxels, TE1 the first echo fitted

    def __post_init__(self) -> None:
        assert len(self.n_left_out) == len(Flag), "one count per flag"  # internal truth
        assert self.n_used + sum(self.n_left_out) == self.n_voxels, "nothing lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """T2 of one region of one disc at two visits, and the difference; NaN where either is missing."""

    level: str
    region: str
    baseline_t2_median_ms: float
    followup_t2_median_ms: float
    change_ms: float  # follow-up minus baseline
    change_pct: float  # of baseline
