"""The change of a disc between two visits, and what happens to discs seen only once."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2disc.errors import ArgumentInvalid
from t2disc.measure import compare_visits
from t2disc.model import DiscMeasure, Flag

t2s_ms = st.floats(1, 1000)


def measured(level: str, region: str, t2_median_ms: float) -> DiscMeasure:
    return DiscMeasure(
        level=level,
        region=region,
        n_voxels=1,
        n_used=1,
        n_left_out=(0,) * len(Flag),
        volume_mm3=1.0,
        t2_mean_ms=t2_median_ms,
        t2_median_ms=t2_median_ms,
        t2_sd_ms=math.nan,
        t2_p10_ms=t2_median_ms,
        t2_p90_ms=t2_median_ms,
        t2_sem_ms=math.nan,
        s0_median=1.0,
        snr_first_echo=1.0,
    )


def test_the_change_is_follow_up_minus_baseline_in_ms_and_per_cent_of_baseline():
    (change,) = compare_visits([measured("L4/L5", "NP", 80.0)], [measured("L4/L5", "NP", 92.0)])
    assert (change.level, change.region) == ("L4/L5", "NP")
    assert (change.baseline_t2_median_ms, change.followup_t2_median_ms) == (80.0, 92.0)
    assert change.change_ms == pytest.approx(12)
    assert change.change_pct == pytest.approx(15)


@given(before=t2s_ms, after=t2s_ms)
def test_exchanging_the_visits_turns_the_sign_of_the_change(before, after):
    one, other = [measured("L4/L5", "NP", before)], [measured("L4/L5", "NP", after)]
    assert compare_visits(one, other)[0].change_ms == -compare_visits(other, one)[0].change_ms


@given(before=t2s_ms, after=t2s_ms, factor=st.floats(0.1, 10))
def test_the_per_cent_change_does_not_depend_on_the_unit_of_time(before, after, factor):
    one = compare_visits([measured("L1/L2", "AF", before)], [measured("L1/L2", "AF", after)])[0]
    scaled = compare_visits([measured("L1/L2", "AF", before * factor)], [measured("L1/L2", "AF", after * factor)])[0]
    assert scaled.change_pct == pytest.approx(one.change_pct, rel=1e-6, abs=1e-6)


def test_a_disc_seen_at_one_visit_only_keeps_its_row_with_nan():
    changes = compare_visits([measured("L3/L4", "NP", 80.0)], [measured("L4/L5", "NP", 60.0)])
    assert [c.level for c in changes] == ["L3/L4", "L4/L5"]
    upper, lower = changes
    assert upper.baseline_t2_median_ms == 80.0
    assert lower.followup_t2_median_ms == 60.0
    for value in (upper.followup_t2_median_ms, lower.baseline_t2_median_ms):
        assert math.isnan(value)
    for change in changes:
        assert math.isnan(change.change_ms)
        assert math.isnan(change.change_pct)


def test_a_region_that_could_not_be_measured_has_no_change():
    (change,) = compare_visits([measured("L4/L5", "NP", math.nan)], [measured("L4/L5", "NP", 60.0)])
    assert math.isnan(change.change_ms)
    assert math.isnan(change.change_pct)
    assert change.followup_t2_median_ms == 60.0


def test_a_baseline_of_zero_has_no_per_cent():
    (change,) = compare_visits([measured("L4/L5", "NP", 0.0)], [measured("L4/L5", "NP", 60.0)])
    assert change.change_ms == 60.0
    assert math.isnan(change.change_pct)


def test_rows_run_from_superior_to_inferior_whatever_the_order_given():
    rows = [measured(level, region, 50.0) for level in ("L5/S1", "T12/L1", "L3/L4") for region in ("AF", "disc", "NP")]
    changes = compare_visits(rows, rows[::-1])
    assert [(c.level, c.region) for c in changes] == [
        (level, region) for level in ("T12/L1", "L3/L4", "L5/S1") for region in ("disc", "NP", "AF")
    ]


def test_a_visit_with_two_rows_for_one_region_is_refused():
    doubled = [measured("L4/L5", "NP", 50.0), measured("L4/L5", "NP", 51.0)]
    with pytest.raises(ArgumentInvalid):
        compare_visits(doubled, [])


def test_nothing_measured_gives_no_change():
    assert compare_visits([], []) == ()
