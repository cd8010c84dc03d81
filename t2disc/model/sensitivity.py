"""How much an answer depends on the signal model it was fitted with."""

from __future__ import annotations

import math
from dataclasses import dataclass

LEAST_SHARE = 0.9
"""Of the first model's voxels: with fewer, a model is not compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelMedian:
    """The median T2 of one region under one model.

    Attributes
    ----------
    model
        Its name.
    t2_median_ms
        Over the voxels to which the model gives a T2, ms; NaN where it gives none.
    n_used
        How many these are.
    """

    model: str
    t2_median_ms: float = math.nan
    n_used: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSensitivity:
    """T2 of one region of one disc under several models, the model of the maps first.

    Attributes
    ----------
    level, region
        ``L4/L5``; ``disc``, ``NP`` or ``AF``.
    n_voxels
        Voxels of the region.
    medians
        One per model.
    """

    level: str
    region: str
    n_voxels: int
    medians: tuple[ModelMedian, ...]

    @property
    def spread_ms(self) -> float:
        """Greatest minus smallest median, ms; NaN where fewer than two models can be compared.

        A model that leaves out more than a tenth of the voxels that the first one uses speaks of other tissue, and does
        not count.
        """
        least = LEAST_SHARE * (self.medians[0].n_used if self.medians else 0)
        known = [m.t2_median_ms for m in self.medians if m.n_used >= least and not math.isnan(m.t2_median_ms)]
        return max(known) - min(known) if len(known) > 1 else math.nan

    @property
    def spread_pct(self) -> float:
        """The spread in % of the median under the model of the maps."""
        primary_ms = self.medians[0].t2_median_ms if self.medians else math.nan
        return 100 * self.spread_ms / primary_ms if primary_ms else math.nan

    def median(self, model: str) -> ModelMedian | None:
        """Return what a model says; ``None`` where it was not asked."""
        return next((median for median in self.medians if median.model == model), None)
