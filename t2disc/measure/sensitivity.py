"""How much the answer depends on what is called the nucleus, or the disc."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from t2disc.model import COMPARED_REGIONS, DiscMeasure, RoiSensitivity


def compare_schemes(measures: Sequence[DiscMeasure]) -> tuple[RoiSensitivity, ...]:
    """Tell how far the median T2 of each disc depends on what is called its nucleus, and the disc.

    The spread is the greatest minus the smallest median of the definitions that were measured; in % it is that of the
    primary definition (``NP``, ``disc``). It is NaN where fewer than two definitions have a median.

    Parameters
    ----------
    measures
        Rows of :func:`~t2disc.measure.measure_discs` for one visit.

    Returns
    -------
    tuple of RoiSensitivity
        One per level, in the order of the measures.
    """
    levels = dict.fromkeys(measure.level for measure in measures)
    return tuple(_sensitivity(level, [m for m in measures if m.level == level]) for level in levels)


def _sensitivity(level: str, measures: Iterable[DiscMeasure]) -> RoiSensitivity:
    medians_ms = {measure.region: measure.t2_median_ms for measure in measures}
    spreads_ms = {whole: _spread_ms(medians_ms, regions) for whole, regions in COMPARED_REGIONS.items()}
    return RoiSensitivity(
        level=level,
        np_spread_ms=spreads_ms["NP"],
        np_spread_pct=_per_cent(spreads_ms["NP"], medians_ms.get("NP", np.nan)),
        disc_spread_ms=spreads_ms["disc"],
        disc_spread_pct=_per_cent(spreads_ms["disc"], medians_ms.get("disc", np.nan)),
    )


def _spread_ms(medians_ms: dict[str, float], regions: Sequence[str]) -> float:
    found = [median for region in regions if np.isfinite(median := medians_ms.get(region, np.nan))]
    return max(found) - min(found) if len(found) > 1 else np.nan


def _per_cent(spread_ms: float, primary_ms: float) -> float:
    return 100 * spread_ms / primary_ms if primary_ms else np.nan
