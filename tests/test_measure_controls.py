"""The mean of the control discs: what it exceeds, whatever the discs of one scan have in common."""

from __future__ import annotations

import math

import numpy as np
import pytest

from t2disc.measure import mean_of_controls
from t2disc.model import Change, Repeatability

LUMBAR = ("L1/L2", "L2/L3", "L3/L4", "L5/S1")


def control(level: str, change_pct: float, rc_pct: float = 11.9, se_ms: float = 1.0) -> Change:
    """Return a control disc whose T2 of 80 ms changed by so much."""
    return Change(
        level=level,
        region="NP",
        roi="matched",
        baseline_t2_median_ms=80.0,
        followup_t2_median_ms=80.0 * (1 + change_pct / 100),
        noise_se_ms=se_ms,
        floor_ms=0.0,
        repeatability=Repeatability(rc_pct=rc_pct, source="test"),
    )


def exceeding(correlation: float, rcs_pct: list[float], n_times: int = 4000) -> float:
    """Return how often the mean of discs that did not change is said to exceed what measuring twice gives."""
    rng = np.random.default_rng(5)
    shared, own = rng.standard_normal((n_times, 1)), rng.standard_normal((n_times, len(rcs_pct)))
    repeats = (math.sqrt(correlation) * shared + math.sqrt(1 - correlation) * own) * np.array(rcs_pct) / 1.96
    found = (
        mean_of_controls([control(*disc) for disc in zip(LUMBAR, repeat, rcs_pct, strict=True)]) for repeat in repeats
    )
    return sum(mean.exceeds_rc is True for mean in found) / n_times


@pytest.mark.parametrize("rcs_pct", [[11.9] * 4, [11.9, 11.9, 11.9, 28.0]], ids=["alike", "L5/S1 worse"])
@pytest.mark.parametrize("correlation", [0.0, 0.5, 1.0])
def test_of_means_without_a_true_change_no_more_than_5_per_cent_exceed_whatever_the_discs_share(correlation, rcs_pct):
    false = exceeding(correlation, rcs_pct)
    assert false <= 0.06
    assert false >= 0.04 or correlation < 1  # the bound is reached where they err as one


def test_the_mean_of_the_coefficients_is_the_bound():
    discs = [control(level, 0.0, rc_pct) for level, rc_pct in zip(LUMBAR, (10, 10, 10, 30), strict=True)]
    for change_pct, exceeds in ((14.9, False), (15.1, True), (-14.9, False), (-15.1, True)):
        moved = [control(disc.level, change_pct, disc.repeatability.rc_pct) for disc in discs]
        assert mean_of_controls(moved).exceeds_rc is exceeds


def test_a_disc_without_a_coefficient_leaves_the_verdict_open():
    assert mean_of_controls([control("L3/L4", 50.0), control("L5/S1", 50.0, math.nan)]).exceeds_rc is None
    assert mean_of_controls([]).exceeds_rc is None


def test_the_standard_error_of_the_mean_takes_its_discs_as_independent():
    mean = mean_of_controls([control(level, 1.0, se_ms=2.0) for level in LUMBAR])
    assert mean.se_ms == pytest.approx(2.0 / math.sqrt(4))
    assert mean.interval_ms == pytest.approx((mean.change_ms - 1.96, mean.change_ms + 1.96))
