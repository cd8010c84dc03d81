"""What differed between the scans of two visits: each fact at its tolerance, and silence that is never agreement."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2disc.measure import compare_acquisitions
from t2disc.model import Acquisition, Drift

SCAN = Acquisition(
    vendor="Siemens",
    scanner_model="Skyra",
    field_strength_t=2.89,
    software="syngo MR E11",
    receive_coil="Spine_32",
    sequence="spin-echo",
    repetition_time_ms=2000.0,
    flip_angle_deg=180.0,
    voxel_size_mm=(0.7, 0.7, 4.0),
    slice_thickness_mm=3.5,
    acquisition_date="2024-03-02",
    acquisition_time="08:30:00",
)
ECHO_TIMES_MS = 10.0 * np.arange(1, 17)
FACTS = [field.name for field in fields(Drift)][:-2]


def compare(followup: Acquisition = SCAN, baseline: Acquisition = SCAN, before=ECHO_TIMES_MS, after=ECHO_TIMES_MS):
    return compare_acquisitions(baseline, followup, baseline_echo_times_ms=before, followup_echo_times_ms=after)


def verdicts(drift: Drift) -> dict[str, str]:
    return {name: getattr(drift, name) for name in FACTS}


def unchecked(drift: Drift) -> tuple[str, ...]:
    return tuple(name for name, verdict in verdicts(drift).items() if verdict == "cannot be checked")


# ------------------------------------------------------------------------------------------------ agreement
def test_a_scan_agrees_with_itself_in_everything():
    drift = compare()
    assert set(verdicts(drift).values()) == {"same"}
    assert (drift.differing, unchecked(drift)) == ((), ())
    assert (drift.time_of_day_difference_h, drift.interval_days) == (0.0, 0)


@pytest.mark.parametrize(
    ("fact", "change"),
    [
        ("scanner", {"vendor": "GE"}),
        ("scanner", {"scanner_model": "Prisma"}),
        ("scanner", {"vendor": "GE", "scanner_model": None}),
        ("software", {"software": "syngo MR XA30"}),
        ("receive_coil", {"receive_coil": "Body_18"}),
        ("field_strength", {"field_strength_t": 1.5}),
        ("repetition_time", {"repetition_time_ms": 2021.0}),
        ("flip_angle", {"flip_angle_deg": 178.9}),
        ("voxel_size", {"voxel_size_mm": (0.7, 0.71, 4.0)}),
        ("voxel_size", {"voxel_size_mm": (0.7, 0.7, 4.4)}),
        ("slice_thickness", {"slice_thickness_mm": 3.0}),
    ],
)
def test_a_fact_that_differs_is_named_and_no_other(fact, change):
    assert compare(replace(SCAN, **change)).differing == (fact,)


@pytest.mark.parametrize(
    "change",
    [
        {"scanner_model": " skyra "},
        {"software": "Syngo  MR E11"},
        {"field_strength_t": 3.0},
        {"repetition_time_ms": 2020.0},
        {"flip_angle_deg": 181.0},
        {"voxel_size_mm": (0.7031, 0.7031, 4.0)},
        {"slice_thickness_mm": 3.5001},
        {"sequence": "unknown"},
        {"slice_gap_mm": 0.5},
    ],
)
def test_what_headers_round_is_the_same(change):
    assert compare(replace(SCAN, **change)).differing == ()


@pytest.mark.parametrize(
    ("after", "differing"),
    [
        (ECHO_TIMES_MS + 0.05, ()),
        (ECHO_TIMES_MS * 1.004, ()),
        (ECHO_TIMES_MS + 0.06, ("first_echo_time",)),
        (ECHO_TIMES_MS[:8], ("n_echoes",)),
        (2 + 8.0 * np.arange(1, 17), ("echo_spacing",)),
        (12.0 * np.arange(1, 9), ("first_echo_time", "echo_spacing", "n_echoes")),
        ([10.0], ("n_echoes",)),
    ],
)
def test_trains_of_echoes_are_compared_by_first_echo_spacing_and_number(after, differing):
    assert compare(after=after).differing == differing


# ------------------------------------------------------------------------------------------------ silence
@pytest.mark.parametrize(
    ("fact", "field"),
    [
        ("scanner", "vendor"),
        ("scanner", "scanner_model"),
        ("software", "software"),
        ("receive_coil", "receive_coil"),
        ("field_strength", "field_strength_t"),
        ("repetition_time", "repetition_time_ms"),
        ("flip_angle", "flip_angle_deg"),
        ("voxel_size", "voxel_size_mm"),
        ("slice_thickness", "slice_thickness_mm"),
    ],
)
def test_what_one_header_does_not_tell_cannot_be_checked(fact, field):
    silent = replace(SCAN, **{field: None})
    for drift in (compare(silent), compare(SCAN, silent), compare(silent, silent)):
        assert (drift.differing, unchecked(drift)) == ((), (fact,))


def test_a_blank_text_or_a_number_that_is_none_tells_nothing():
    hollow = replace(SCAN, software=" ", field_strength_t=math.nan, voxel_size_mm=(0.7, math.nan, 4.0))
    assert unchecked(compare(hollow, hollow)) == ("software", "field_strength", "voxel_size")


@pytest.mark.parametrize("missing", [None, [], ()])
def test_without_echo_times_nothing_is_said_of_them(missing):
    assert unchecked(compare(after=missing)) == ("first_echo_time", "echo_spacing", "n_echoes")


def test_one_echo_has_no_spacing():
    assert unchecked(compare(before=[10.0], after=[10.0])) == ("echo_spacing",)


def test_two_empty_headers_agree_in_nothing():
    drift = compare_acquisitions(Acquisition(), Acquisition())
    assert set(verdicts(drift).values()) == {"cannot be checked"}
    assert (drift.time_of_day_difference_h, drift.interval_days) == (None, None)


# ------------------------------------------------------------------------------------------------ symmetry
scans = st.builds(
    Acquisition,
    vendor=st.sampled_from([None, "GE", "Philips"]),
    scanner_model=st.sampled_from([None, "A", "a", "B"]),
    field_strength_t=st.sampled_from([None, 1.5, 2.89, 3.0]),
    repetition_time_ms=st.none() | st.floats(1, 5000),
    voxel_size_mm=st.none() | st.tuples(*[st.floats(0.1, 5)] * 3),
)


@given(one=scans, other=scans)
def test_agreement_does_not_depend_on_which_visit_came_first(one, other):
    assert verdicts(compare(one, other)) == verdicts(compare(other, one))
    assert not compare(one, one).differing


@given(tr_ms=st.floats(100, 5000), share=st.floats(-0.05, 0.05))
def test_the_repetition_time_may_differ_by_one_per_cent(tr_ms, share):
    drift = compare(replace(SCAN, repetition_time_ms=tr_ms * (1 + share)), replace(SCAN, repetition_time_ms=tr_ms))
    if abs(abs(share) - 0.01) > 2e-4:
        assert drift.repetition_time == ("same" if abs(share) < 0.01 else "differs")


# ------------------------------------------------------------------------------------------------ dates
@pytest.mark.parametrize(
    ("before", "after", "hours"),
    [
        ("08:30:00", "16:00:00", 7.5),
        ("16:00:00", "08:30:00", -7.5),
        ("07:00:00", "20:00:00", 13.0),
        ("00:00:00", "23:59:59", 24 - 1 / 3600),
        ("12:00:00", "12:00:36.5", 36.5 / 3600),
    ],
)
def test_the_time_of_day_is_follow_up_minus_baseline_within_the_day(before, after, hours):
    drift = compare(replace(SCAN, acquisition_time=after), replace(SCAN, acquisition_time=before))
    assert drift.time_of_day_difference_h == pytest.approx(hours)


@pytest.mark.parametrize("text", [None, "", "25:00:00", "noon", "2024-03-02"])
def test_a_time_that_is_none_gives_no_difference(text):
    assert compare(replace(SCAN, acquisition_time=text)).time_of_day_difference_h is None


@given(day=st.dates(date(1990, 1, 1), date(2100, 1, 1)), n_days=st.integers(-4000, 4000))
def test_the_interval_is_counted_in_days(day, n_days):
    later = replace(SCAN, acquisition_date=(day + timedelta(days=n_days)).isoformat())
    assert compare(later, replace(SCAN, acquisition_date=day.isoformat())).interval_days == n_days


@pytest.mark.parametrize("text", [None, "", "2024-02-30", "last spring"])
def test_a_date_that_is_none_gives_no_interval(text):
    assert compare(replace(SCAN, acquisition_date=text)).interval_days is None
