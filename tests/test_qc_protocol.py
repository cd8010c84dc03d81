"""The protocol's checks: each passed, broken, and not to be told; and the grade that comes of them together."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2disc.measure import compare_acquisitions
from t2disc.model import (
    GRADES,
    LEVELS,
    OUTCOMES,
    SEVERITIES,
    Acquisition,
    Check,
    DiscLabels,
    DiscMatch,
    DiscMeasure,
    DiscQuality,
    EchoMotion,
    EchoShift,
    EchoStack,
    EchoState,
    Flag,
    MatchCode,
    NoiseEstimate,
    ReviewCode,
    ReviewReason,
)
from t2disc.model.checks import Group
from t2disc.model.checksettings import FLAGS, CheckSettings, PairChecks, ScanChecks, SignalChecks
from t2disc.qc import check_discs, check_pair, check_visit, grade_visit
from t2disc.study import read_protocol

TE_MS = (10.0, 20.0, 30.0, 40.0)
DISCS = LEVELS[1:]
SCAN = Acquisition(
    vendor="Siemens",
    scanner_model="MAGNETOM Vida",
    field_strength_t=2.89,
    software="syngo MR XA50",
    repetition_time_ms=2000.0,
    voxel_size_mm=(0.7031, 0.7031, 4.0),
    slice_thickness_mm=3.6,
    slice_normal=(0.99, 0.1, 0.0),
    acquisition_date="2024-01-02",
    acquisition_time="09:30:00",
)
ASKED = {
    "echo_times_ms": {"expected": [10, 20, 30, 40]},
    "repetition_time_ms": {"expected": 2000},
    "field_strength_t": {"expected": 3.0},
    "voxel_size_mm": {"expected": [0.7, 0.7, 4.0]},
    "slice_thickness_mm": {"expected": 3.6},
    "orientation": {"expected": "sagittal"},
    "coverage": {},
    "vendor": {"expected": ["Siemens", "Philips"]},
    "scanner_model": {"expected": ["*vida*", "Ingenia*"]},
    "software": {"expected": ["*XA50"]},
    "time_of_day": {"earliest": "07:00", "latest": "12:00"},
}


def scan_checks(**asked: object) -> ScanChecks:
    return ScanChecks.model_validate(asked)


def found_of(name: str, *, facts: Acquisition = SCAN, te_ms=TE_MS, levels=DISCS, reasons=(), **asked: object) -> Check:
    settings = scan_checks(**{name: ASKED[name] | asked})
    checks = check_visit(settings, facts, te_ms, levels=levels, reasons=reasons)
    assert {(check.group, check.name) for check in checks} == {("scan", name)}
    assert [check.level for check in checks] == ([*DISCS] if name == "coverage" and levels is not None else [None])
    return max(checks, key=lambda check: OUTCOMES.index(check.outcome))


# ------------------------------------------------------------------------------------------------ scan
def test_every_scan_check_has_a_row_here():
    assert set(ASKED) == set(ScanChecks.model_fields)


@pytest.mark.parametrize("name", ASKED)
def test_a_visit_as_the_protocol_asks_passes(name):
    assert found_of(name).outcome == "pass"


CUT = ReviewReason(code=ReviewCode.DISC_CUT_OFF, detail="cut", level="L1/L2")
BREAKS = [
    ("echo_times_ms", {"te_ms": (10.0, 20.0, 30.0, 40.1)}),
    ("echo_times_ms", {"te_ms": TE_MS[:3]}),
    ("echo_times_ms", {"te_ms": (*TE_MS, 50.0)}),
    ("repetition_time_ms", {"facts": replace(SCAN, repetition_time_ms=1900.0)}),
    ("field_strength_t", {"facts": replace(SCAN, field_strength_t=1.5)}),
    ("voxel_size_mm", {"facts": replace(SCAN, voxel_size_mm=(0.7, 0.7, 4.4))}),
    ("voxel_size_mm", {"facts": replace(SCAN, voxel_size_mm=(0.8, 0.7, 4.0))}),
    ("slice_thickness_mm", {"facts": replace(SCAN, slice_thickness_mm=4.0)}),
    ("orientation", {"facts": replace(SCAN, slice_normal=(0.0, 1.0, 0.0))}),
    ("orientation", {"facts": replace(SCAN, slice_normal=(0.9, 0.4, 0.2))}),
    ("coverage", {"levels": DISCS[1:]}),
    ("coverage", {"levels": ()}),
    ("coverage", {"reasons": (CUT,)}),
    ("vendor", {"facts": replace(SCAN, vendor="GE")}),
    ("vendor", {"facts": replace(SCAN, vendor="other")}),
    ("scanner_model", {"facts": replace(SCAN, scanner_model="Prisma")}),
    ("software", {"facts": replace(SCAN, software="syngo MR XA60")}),
    ("time_of_day", {"facts": replace(SCAN, acquisition_time="12:00:01")}),
    ("time_of_day", {"facts": replace(SCAN, acquisition_time="06:59:59")}),
]


@pytest.mark.parametrize(("name", "change"), BREAKS)
def test_a_visit_that_breaks_it_deviates(name, change):
    assert found_of(name, **change).outcome == "deviation"


def test_every_scan_check_is_broken_once():
    assert {name for name, _ in BREAKS} == set(ASKED)


SILENT = [
    ("echo_times_ms", {"te_ms": None}),
    ("echo_times_ms", {"te_ms": ()}),
    ("repetition_time_ms", {"facts": Acquisition()}),
    ("repetition_time_ms", {"facts": replace(SCAN, repetition_time_ms=math.nan)}),
    ("field_strength_t", {"facts": Acquisition()}),
    ("voxel_size_mm", {"facts": Acquisition()}),
    ("voxel_size_mm", {"facts": replace(SCAN, voxel_size_mm=(0.7, math.nan, 4.0))}),
    ("slice_thickness_mm", {"facts": Acquisition()}),
    ("orientation", {"facts": Acquisition()}),
    ("coverage", {"levels": None}),
    ("vendor", {"facts": Acquisition()}),
    ("scanner_model", {"facts": replace(SCAN, scanner_model=" ")}),
    ("software", {"facts": Acquisition()}),
    ("time_of_day", {"facts": Acquisition()}),
    ("time_of_day", {"facts": replace(SCAN, acquisition_time="morning")}),
]


@pytest.mark.parametrize(("name", "change"), SILENT)
def test_what_a_visit_does_not_tell_cannot_be_checked(name, change):
    check = found_of(name, **change)
    assert check.outcome == "cannot be checked"
    assert check.found


def test_every_scan_check_is_once_not_to_be_told():
    assert {name for name, _ in SILENT} == set(ASKED)


def test_coverage_is_told_disc_by_disc():
    checks = check_visit(scan_checks(coverage={"first": "L3/L4"}), SCAN, levels=["L1/L2", "L3/L4", "L4/L5"], reasons=[
        replace(CUT, level="L4/L5"), replace(CUT, code=ReviewCode.OUTLINE_UNCERTAIN, level="L3/L4")
    ])  # fmt: skip
    assert {check.level: check.found for check in checks} == {
        "L3/L4": "whole",
        "L4/L5": "cut off",
        "L5/S1": "not found",
    }
    assert [check.outcome for check in checks] == ["pass", "deviation", "deviation"]


def test_what_is_not_expected_is_not_checked():
    assert check_visit(ScanChecks(), SCAN, TE_MS, levels=DISCS) == ()
    assert check_discs(SignalChecks(), [disc_of()], levels=["L4/L5"]) == ()
    assert check_pair(PairChecks(), "ses-2", levels=DISCS) == ()


@pytest.mark.parametrize("asked", [*({"severity": word} for word in SEVERITIES), {}])
def test_a_severity_is_that_of_the_protocol_or_the_default(asked):
    assert found_of("field_strength_t", **asked).severity == asked.get("severity", "major")
    assert found_of("vendor", **asked).severity == asked.get("severity", "minor")
    assert found_of("software", **asked).severity == asked.get("severity", "info")


EDGES = [
    ("repetition_time_ms", "repetition_time_ms", 2050.0, 2050.001),
    ("field_strength_t", "field_strength_t", 2.85, 2.8499),
    ("slice_thickness_mm", "slice_thickness_mm", 3.65, 3.6501),
    ("voxel_size_mm", "voxel_size_mm", (0.75, 0.65, 4.05), (0.75, 0.65, 4.0501)),
    ("time_of_day", "acquisition_time", "12:00:00", "12:00:01"),
]


@pytest.mark.parametrize(("name", "fact", "inside", "outside"), EDGES)
def test_the_border_of_a_tolerance_belongs_to_it(name, fact, inside, outside):
    assert found_of(name, facts=replace(SCAN, **{fact: inside})).outcome == "pass"
    assert found_of(name, facts=replace(SCAN, **{fact: outside})).outcome == "deviation"


def test_the_border_of_the_echo_times_and_of_the_angle():
    assert found_of("echo_times_ms", te_ms=(10.05, 19.95, 30.0, 40.0)).outcome == "pass"
    assert found_of("echo_times_ms", te_ms=(10.0501, 20.0, 30.0, 40.0)).outcome == "deviation"
    for angle, outcome in ((19.9, "pass"), (20.1, "deviation")):
        normal = (math.cos(math.radians(angle)), 0.0, math.sin(math.radians(angle)))
        for sign in (1, -1):
            turned = replace(SCAN, slice_normal=tuple(sign * part for part in normal))
            assert found_of("orientation", facts=turned).outcome == outcome


@pytest.mark.parametrize(
    ("clock", "outcome"),
    [("21:00:00", "pass"), ("02:00:00", "pass"), ("02:00:01", "deviation"), ("12:00", "deviation")],
)
def test_a_window_may_go_over_midnight(clock, outcome):
    facts = replace(SCAN, acquisition_time=clock)
    assert found_of("time_of_day", facts=facts, earliest="21:00", latest="02:00").outcome == outcome


@given(st.floats(0, 5, allow_nan=False), st.floats(0, 3), st.floats(0, 3))
def test_a_wider_tolerance_never_turns_a_pass_into_a_deviation(field_t, one, other):
    facts = replace(SCAN, field_strength_t=field_t)
    narrow, wide = (found_of("field_strength_t", facts=facts, tolerance=t) for t in sorted((one, other)))
    assert (narrow.outcome, wide.outcome) != ("pass", "deviation")


@given(st.integers(0, 24 * 60 - 1), st.floats(0, 700), st.floats(0, 700))
def test_a_wider_window_never_loses_a_minute(minute, one, other):
    facts = replace(SCAN, acquisition_time=f"{minute // 60:02d}:{minute % 60:02d}:00")
    narrow, wide = (found_of("time_of_day", facts=facts, tolerance=t) for t in sorted((one, other)))
    assert (narrow.outcome, wide.outcome) != ("pass", "deviation")


def test_texts_of_a_header_are_not_repeated():
    canary = replace(SCAN, scanner_model="CANARY", software="CANARY", receive_coil="CANARY", vendor="other")
    settings = scan_checks(**ASKED)
    for facts in (canary, SCAN):
        text = repr(check_visit(settings, facts, TE_MS, levels=DISCS))
        assert "CANARY" not in text
        assert "MAGNETOM" not in text
        assert "syngo" not in text


# ------------------------------------------------------------------------------------------------ signal
def disc_of(level: str = "L4/L5", *, snr: float = 50.0, region: str = "disc", **left_out: int) -> DiscMeasure:
    counts = [left_out.get(flag.name.lower(), 0) for flag in Flag]
    return DiscMeasure(
        level=level,
        region=region,
        n_voxels=200,
        n_used=200 - sum(counts),
        n_left_out=tuple(counts),
        volume_mm3=1.0,
        s0_median=1.0,
        snr_first_echo=snr,
        **{f"t2_{name}_ms": 80.0 for name in ("mean", "median", "sd", "p10", "p90", "sem")},
    )


def quality_of(*, region: str = "disc", chi2: float = 1.0, odd_even: float = 0.0) -> DiscQuality:
    return DiscQuality(
        level="L4/L5",
        region=region,
        n_judged=200,
        chi2_red_median=chi2,
        r2_median=1.0,
        odd_even_median=odd_even,
        decay_variance_median=0.0,
        poor_fit_share=0.0,
    )


def motion_of(*echoes: tuple[EchoState, float]) -> EchoMotion:
    shifts = [EchoShift(echo_time_ms=10.0, state=EchoState.REFERENCE)]
    shifts += [
        EchoShift(echo_time_ms=10.0 * n, state=state, displacement_mm=mm) for n, (state, mm) in enumerate(echoes, 2)
    ]
    return EchoMotion(threshold_mm=0.5, echoes=tuple(shifts))


SURE = {"measures": [disc_of()], "qualities": [quality_of()], "motion": motion_of((EchoState.LEFT, 0.3))}
DOUBT = ReviewReason(code=ReviewCode.NAMING_UNCERTAIN, detail="which is which")
HERE = ReviewReason(code=ReviewCode.OUTLINE_UNCERTAIN, detail="thin", level="L4/L5")
ELSEWHERE = ReviewReason(code=ReviewCode.OUTLINE_UNCERTAIN, detail="thin", level="L1/L2")
NOT_JUDGED = {"qualities": []}
CIRCULAR = {"noise": NoiseEstimate(sigma=1.0, method="residual")}
INDEPENDENT = {"noise": NoiseEstimate(sigma=1.0, method="background")}
NP_ALONE = {"qualities": [quality_of(region="NP")]}
SIGNAL = [  # asked, passes, breaks, cannot be told
    ({"snr": {"least": 20}}, {}, {"measures": [disc_of(snr=19.9)]}, {"measures": [disc_of(snr=math.nan)]}),
    ({"snr": {"least": 20}}, {"measures": [disc_of(snr=20.0)]}, {"measures": [disc_of(snr=0.0)]}, {"measures": []}),
    *(
        (
            {"flagged_pct": {name: {"most": 5}}},
            {"measures": [disc_of(**{flag: 10})]},
            {"measures": [disc_of(**{flag: 11})]},
            {"measures": [disc_of(region="NP")]},
        )
        for name, flag in [("any", "at_bound"), *((flag, flag) for flag in FLAGS)]
    ),
    ({"chi2_red": {"most": 3}}, {}, {"qualities": [quality_of(chi2=3.1)]}, {"qualities": [quality_of(chi2=math.nan)]}),
    (
        {"chi2_red": {"most": 3}},
        {"qualities": [quality_of(chi2=3.0)]},
        {"qualities": [quality_of(chi2=9)]},
        {"qualities": []},
    ),
    (
        {"odd_even": {"most": 0.05}},
        {},
        {"qualities": [quality_of(odd_even=-0.06)]},
        {"qualities": [quality_of(region="NP")]},
    ),
    ({"labels": {}}, {}, {"reasons": [HERE]}, {"is_labelled": False}),
    ({"labels": {}}, {"is_labelled": True}, {"reasons": [DOUBT]}, {"is_labelled": False, "reasons": [DOUBT]}),
    (
        {"echo_motion_mm": {"most": 1}},
        {"motion": motion_of((EchoState.LEFT, 0.3), (EchoState.CORRECTED, 1.0))},
        {"motion": motion_of((EchoState.LEFT, 0.3), (EchoState.CORRECTED, 1.1))},
        {"motion": None},
    ),
    (
        {"echo_motion_mm": {"most": 1}},
        {},
        {"motion": motion_of((EchoState.UNSURE, math.nan), (EchoState.CORRECTED, 1.1))},
        {"motion": motion_of((EchoState.UNSETTLED, math.nan), (EchoState.LEFT, 0.3))},
    ),
    ({"echo_motion_mm": {"most": 1}}, {}, {"motion": motion_of((EchoState.LEFT, 2.0))}, {"motion": motion_of()}),
]


@pytest.mark.parametrize(("asked", "passes", "breaks", "silent"), SIGNAL)
def test_each_signal_check_is_passed_broken_and_not_to_be_told(asked, passes, breaks, silent):
    settings = SignalChecks.model_validate(asked)
    for change, outcome in ((passes, "pass"), (breaks, "deviation"), (silent, "cannot be checked")):
        (check,) = check_discs(settings, **(SURE | {"levels": ["L4/L5"]} | change))
        assert (check.outcome, check.group) == (outcome, "signal")
        assert check.level == (None if "echo_motion_mm" in asked else "L4/L5")


def test_every_signal_check_has_a_row_here():
    assert {name for asked, *_ in SIGNAL for name in asked} == set(SignalChecks.model_fields)
    assert {*FLAGS, "any"} == {name for asked, *_ in SIGNAL for name in asked.get("flagged_pct", ())}


def test_a_doubt_about_one_disc_is_not_one_about_another():
    settings = SignalChecks.model_validate({"labels": {}})
    found = check_discs(settings, levels=["L1/L2", "L4/L5"], reasons=[HERE])
    assert {check.level: check.outcome for check in found} == {"L1/L2": "pass", "L4/L5": "deviation"}
    everywhere = check_discs(settings, levels=["L1/L2", "L4/L5"], reasons=[DOUBT, ELSEWHERE])
    assert {check.found for check in everywhere} == {"naming-uncertain, outline-uncertain", "naming-uncertain"}
    missing = ReviewReason(code=ReviewCode.INDEX_LEVEL_NOT_FOUND, detail="not there", level="L5/S1")
    found = check_discs(settings, levels=["L4/L5"], reasons=[missing])
    assert {check.level: check.outcome for check in found} == {"L4/L5": "pass", "L5/S1": "deviation"}


@given(st.floats(0, 100), st.floats(0, 100), st.floats(0, 100))
def test_more_signal_never_turns_a_pass_into_a_deviation(one, other, least):
    settings = SignalChecks.model_validate({"snr": {"least": least}})
    low, high = (check_discs(settings, [disc_of(snr=snr)], levels=["L4/L5"])[0] for snr in sorted((one, other)))
    assert (low.outcome, high.outcome) != ("pass", "deviation")


# ------------------------------------------------------------------------------------------------ pair
AFTER = replace(SCAN, acquisition_date="2025-01-02")
EYE = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]
MATCH = DiscMatch(level="L4/L5", motion=EYE, correlation=0.9, inverse_mm=0.1, through_plane_mm=0.2)


def drift_of(**changes: object):
    before = replace(SCAN, receive_coil="Spine", flip_angle_deg=180.0)
    after = replace(AFTER, receive_coil="Spine", flip_angle_deg=180.0)
    te_ms = changes.pop("te_ms", TE_MS)
    after = replace(after, **changes)
    return compare_acquisitions(before, after, baseline_echo_times_ms=TE_MS, followup_echo_times_ms=te_ms)


DRIFTS = {
    "scanner": {"scanner_model": "Prisma"},
    "software": {"software": "XA60"},
    "receive_coil": {"receive_coil": "Body"},
    "field_strength": {"field_strength_t": 1.5},
    "first_echo_time": {"te_ms": (11.0, 21.0, 31.0, 41.0)},
    "echo_spacing": {"te_ms": (10.0, 21.0, 32.0, 43.0)},
    "n_echoes": {"te_ms": TE_MS[:3]},
    "repetition_time": {"repetition_time_ms": 1900.0},
    "flip_angle": {"flip_angle_deg": 150.0},
    "voxel_size": {"voxel_size_mm": (0.7031, 0.7031, 4.4)},
    "slice_thickness": {"slice_thickness_mm": 4.0},
}
GONE = {
    "scanner": {"scanner_model": None},
    "software": {"software": None},
    "receive_coil": {"receive_coil": None},
    "field_strength": {"field_strength_t": None},
    "first_echo_time": {"te_ms": None},
    "echo_spacing": {"te_ms": None},
    "n_echoes": {"te_ms": None},
    "repetition_time": {"repetition_time_ms": None},
    "flip_angle": {"flip_angle_deg": None},
    "voxel_size": {"voxel_size_mm": None},
    "slice_thickness": {"slice_thickness_mm": None},
}
PAIR = [  # asked, passes, breaks, cannot be told
    (
        {"interval_days": {"month12": {"expected": 365, "tolerance": 1}}},
        {},
        {"drift": drift_of(acquisition_date="2025-01-04")},
        {"drift": drift_of(acquisition_date=None)},
    ),
    (
        {"time_of_day_difference_h": {"most": 3}},
        {"drift": drift_of(acquisition_time="06:30:00")},
        {"drift": drift_of(acquisition_time="06:29:00")},
        {"drift": drift_of(acquisition_time=None)},
    ),
    *(({"same": {fact: "minor"}}, {}, {"drift": drift_of(**DRIFTS[fact])}, {"drift": drift_of(**GONE[fact])})
      for fact in DRIFTS),
    ({"same": {"scanner": "major"}}, {}, {"drift": drift_of(vendor="GE")}, {"drift": None}),
    ({"match": {}}, {}, {"matches": [replace(MATCH, codes=(MatchCode.POOR_FIT,))]}, {"matches": []}),
    ({"match": {}}, {}, {"matches": [], "missing": ["L4/L5"]}, {"matches": []}),
    ({"match": {}}, {}, {"matches": [], "refusal": "levels-slipped"}, {"matches": []}),
    (
        {"match_correlation": {"least": 0.7}},
        {"matches": [replace(MATCH, correlation=0.7)]},
        {"matches": [replace(MATCH, correlation=0.69)]},
        {"matches": [replace(MATCH, correlation=math.nan)]},
    ),
    (
        {"match_inverse_mm": {"most": 0.4}},
        {"matches": [replace(MATCH, inverse_mm=0.4)]},
        {"matches": [replace(MATCH, inverse_mm=0.41)]},
        {"matches": [], "refusal": "levels-slipped"},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "passes", "breaks", "silent"), PAIR)
def test_each_pair_check_is_passed_broken_and_not_to_be_told(asked, passes, breaks, silent):
    settings = PairChecks.model_validate(asked)
    sure = {"drift": drift_of(), "levels": ["L4/L5"], "matches": [MATCH]}
    for change, outcome in ((passes, "pass"), (breaks, "deviation"), (silent, "cannot be checked")):
        (check,) = check_pair(settings, "ses-month12", **(sure | change))
        assert (check.outcome, check.group) == (outcome, "pair")


def test_every_pair_check_has_a_row_here():
    assert {name for asked, *_ in PAIR for name in asked} == set(PairChecks.model_fields)
    same = {name for asked, *_ in PAIR for name in asked.get("same", ())}
    assert same == set(get_args(get_args(PairChecks.model_fields["same"].annotation)[0]))


def test_days_are_expected_by_the_name_of_the_visit():
    named = {"month12": {"expected": 365}, "M-3": {"expected": 91}, "*": {"expected": 30}}
    settings = PairChecks.model_validate({"interval_days": named})
    for session_id, days in (("ses-month12", 365), ("Month12", 365), ("ses-M3", 91), ("ses-retest", 30)):
        assert settings.interval_of(session_id).expected == days
    without = PairChecks.model_validate({"interval_days": {"month12": {"expected": 365}}})
    assert check_pair(without, "ses-retest", drift_of()) == ()


def test_a_pair_that_was_never_compared_passes_nothing():
    settings = PairChecks.model_validate(
        {
            "interval_days": {"*": {"expected": 365}},
            "time_of_day_difference_h": {"most": 3},
            "same": dict.fromkeys(DRIFTS, "minor"),
            "match": {},
            "match_correlation": {"least": 0.7},
            "match_inverse_mm": {"most": 0.4},
        }
    )
    for levels in (DISCS, ()):
        assert {check.outcome for check in check_pair(settings, "ses-2", levels=levels)} == {"cannot be checked"}


# ------------------------------------------------------------------------------------------------ grade
def check_of(outcome="pass", severity="major", level=None, name="snr", group: Group = "signal") -> Check:
    return Check(group=group, name=name, severity=severity, outcome=outcome, expected="x", level=level)


PASS = check_of()
GRADED = [
    ([PASS], "optimal"),
    ([PASS, check_of("deviation", "info")], "optimal"),
    ([PASS, check_of("cannot be checked", "info")], "optimal"),
    ([PASS, check_of("deviation", "minor")], "sub-optimal"),
    ([PASS, check_of("cannot be checked", "minor")], "sub-optimal"),
    ([PASS, check_of("cannot be checked", "major")], "sub-optimal"),
    ([PASS, check_of("deviation", "major")], "non-evaluable"),
    ([PASS, check_of("deviation", "major", "L1/L2")], "sub-optimal"),
    ([PASS, check_of("deviation", "major", "L4/L5")], "non-evaluable"),  # the index disc
    ([PASS, check_of("deviation", "minor", "L4/L5")], "sub-optimal"),
    ([PASS, check_of("cannot be checked", "major", "L4/L5")], "sub-optimal"),
]


@pytest.mark.parametrize(("checks", "word"), GRADED)
def test_what_lowers_a_grade(checks, word):
    grade = grade_visit(checks, levels=DISCS, index_level="L4/L5")
    assert grade.word == word
    assert bool(grade.reasons) == (word != "optimal")


def test_a_visit_is_lost_when_all_its_discs_are():
    lost = [check_of("deviation", "major", level) for level in DISCS]
    assert grade_visit(lost, levels=DISCS).word == "non-evaluable"
    assert grade_visit(lost[1:], levels=DISCS).word == "sub-optimal"


def test_a_refused_visit_is_not_evaluable_and_one_without_the_scan_was_not_done():
    for code in ("no-images", "no-multi-echo-series"):
        assert grade_visit([], refusal=code).word == "not done"
    assert grade_visit([PASS], refusal="slice-missing").word == "non-evaluable"
    assert grade_visit([PASS], refusal="slice-missing").reasons == ("refused: slice-missing",)


def test_a_visit_without_discs_is_not_evaluable_and_where_nothing_is_asked_none_is_graded():
    assert grade_visit([PASS], levels=()).word == "non-evaluable"
    assert grade_visit([], levels=DISCS) is None


def test_reasons_name_the_discs_and_put_the_worst_first():
    checks = [
        check_of("cannot be checked", "minor", name="software", group="scan"),
        check_of("deviation", "minor", name="vendor", group="scan"),
        *(check_of("deviation", "major", level) for level in ("L1/L2", "L4/L5")),
        *(check_of("deviation", "minor", level, "odd_even") for level in DISCS),
    ]
    assert grade_visit(checks, levels=DISCS).reasons == (
        "snr of L1/L2, L4/L5 deviates (major)",
        "vendor deviates (minor)",
        "odd_even of every disc deviates (minor)",
        "software cannot be checked (minor)",
    )


some_checks = st.lists(
    st.builds(check_of, st.sampled_from(OUTCOMES), st.sampled_from(SEVERITIES), st.none() | st.sampled_from(DISCS)),
    min_size=1,
    max_size=6,
)


@given(some_checks, st.data())
def test_a_worse_answer_never_betters_a_grade(checks, data):
    """OUTCOMES stand from good to bad, but a deviation and something unknown differ in what they can do."""
    place = data.draw(st.integers(0, len(checks) - 1))
    worse = OUTCOMES[0:1] if checks[place].outcome != "pass" else OUTCOMES[1:]
    index = data.draw(st.none() | st.sampled_from(DISCS))
    changed = [*checks]
    changed[place] = replace(checks[place], outcome=data.draw(st.sampled_from(worse)))
    before, after = (grade_visit(each, levels=DISCS, index_level=index).rank for each in (checks, changed))
    assert after >= before if checks[place].outcome == "pass" else after <= before


@given(some_checks, st.sampled_from(SEVERITIES), st.sampled_from(("deviation", "cannot be checked")))
def test_another_check_that_is_not_passed_never_betters_a_grade(checks, severity, outcome):
    more = [*checks, check_of(outcome, severity)]
    assert grade_visit(more, levels=DISCS).rank >= grade_visit(checks, levels=DISCS).rank


@given(some_checks)
def test_an_optimal_visit_passed_every_check_that_counts(checks):
    grade = grade_visit(checks, levels=DISCS)
    if grade.word == "optimal":
        assert all(check.outcome == "pass" for check in checks if check.severity != "info")
    else:
        assert grade.reasons
    assert grade.word in GRADES


def test_settings_that_expect_nothing_are_empty():
    assert CheckSettings().is_empty
    assert not CheckSettings.model_validate({"scan": {"coverage": {}}}).is_empty


def test_the_examples_of_the_docs_run(tmp_path):
    page = (Path(__file__).parents[1] / "docs" / "checks.md").read_text(encoding="utf-8")
    (toml,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "p.toml").write_text(toml)
    assert not read_protocol(tmp_path / "p.toml").checks.is_empty
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    signal = np.ones((2, 2, 2, 2), np.float32)
    stack = EchoStack(signal=signal, echo_times_ms=np.array([10.0, 20.0]), affine=np.eye(4), acquisition=SCAN)
    nothing = np.zeros((2, 2, 2), np.uint8)
    names = {"stack": stack, "discs": DiscLabels(discs=nothing, regions=nothing, levels=DISCS, affine=np.eye(4))}
    exec(code, names)
    assert names["grade"].word == "optimal"


def test_the_docs_name_every_check():
    page = (Path(__file__).parents[1] / "docs" / "checks.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+)`", page))
    assert named >= {name for table in (ScanChecks, SignalChecks, PairChecks) for name in table.model_fields}
