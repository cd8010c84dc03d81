"""How the T2 of a disc changed from one visit to the next."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from t2disc.errors import ArgumentInvalid
from t2disc.model import LEVELS, SCHEME_OF, Change, DiscMeasure


def compare_visits(baseline: Sequence[DiscMeasure], followup: Sequence[DiscMeasure]) -> tuple[Change, ...]:
    """Set the median T2 of each region of each disc at two visits side by side.

    ``change_ms = followup - baseline`` and ``change_pct = 100 change_ms / baseline``. A region measured at one visit
    only keeps its row, with NaN for what is missing.

    Parameters
    ----------
    baseline, followup
        Rows of :func:`~t2disc.measure.measure_discs` for the two visits.

    Returns
    -------
    tuple of Change
        The union of both visits' regions, levels from superior to inferior.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: a visit with two rows for one region of one disc.
    """
    before, after = _medians_ms(baseline), _medians_ms(followup)
    regions = list(SCHEME_OF)
    rows = sorted({*before, *after}, key=lambda row: (LEVELS.index(row[0]), regions.index(row[1])))
    return tuple(_change(*row, before.get(row, np.nan), after.get(row, np.nan)) for row in rows)


def _medians_ms(measures: Sequence[DiscMeasure]) -> dict[tuple[str, str], float]:
    medians_ms = {(measure.level, measure.region): measure.t2_median_ms for measure in measures}
    if len(medians_ms) != len(measures):
        raise ArgumentInvalid("two rows for one region of one disc", expected="the measures of one visit")
    return medians_ms


def _change(level: str, region: str, baseline_ms: float, followup_ms: float) -> Change:
    change_ms = followup_ms - baseline_ms
    return Change(
        level=level,
        region=region,
        baseline_t2_median_ms=baseline_ms,
        followup_t2_median_ms=followup_ms,
        change_ms=change_ms,
        change_pct=100 * change_ms / baseline_ms if baseline_ms else np.nan,
    )
