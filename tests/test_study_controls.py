"""Which discs are controls: the same ones for every participant, whoever labelled the visit."""

from __future__ import annotations

import csv
import math

import pytest

from t2disc.errors import ProtocolInvalid
from t2disc.measure import compare_acquisitions
from t2disc.model import CONTROL_LEVELS, LEVELS, Acquisition, Change, DiscMeasure, Flag, StudyChange, role_of
from t2disc.store import PairRecord, VisitRecord, table_files
from t2disc.study import read_protocol, summarise
from t2disc.study.changes import change_rows
from t2disc.study.report.plots import controls

NO_DRIFT = compare_acquisitions(Acquisition(), Acquisition(), baseline_echo_times_ms=None, followup_echo_times_ms=None)
CHANGE_PCT = dict(zip(LEVELS, (40.0, 1.0, 2.0, 3.0, 20.0, 4.0), strict=True))


def visit(session_id: str, levels=LEVELS, index_level: str | None = "L4/L5") -> VisitRecord:
    measures = tuple(
        DiscMeasure(
            level=level,
            region="NP",
            n_voxels=1,
            n_used=1,
            n_left_out=(0,) * len(Flag),
            volume_mm3=1.0,
            t2_mean_ms=80.0,
            t2_median_ms=80.0,
            t2_sd_ms=math.nan,
            t2_p10_ms=80.0,
            t2_p90_ms=80.0,
            t2_sem_ms=math.nan,
            s0_median=1.0,
            snr_first_echo=1.0,
        )
        for level in levels
    )
    return VisitRecord(
        participant_id="sub-1",
        session_id=session_id,
        status="done",
        index_level=index_level,
        levels=tuple(levels),
        measures=measures,
    )


def pair(levels=LEVELS) -> PairRecord:
    changes = tuple(
        Change(
            level=level,
            region="NP",
            roi="matched",
            baseline_t2_median_ms=100.0,
            followup_t2_median_ms=100.0 + CHANGE_PCT[level],
        )
        for level in levels
    )
    return PairRecord(
        participant_id="sub-1",
        baseline_session_id="ses-01",
        followup_session_id="ses-02",
        drift=NO_DRIFT,
        changes=changes,
    )


def index_row(levels=LEVELS, index_level: str = "L4/L5", **given):
    (row,) = [
        row
        for row in change_rows([visit("ses-01", levels, index_level)], [pair(levels)], **given)
        if row.role == "index"
    ]
    return row


def test_a_participant_has_the_same_controls_by_labels_with_t12_l1_and_without():
    seen, unseen = index_row(LEVELS), index_row(LEVELS[1:])
    for row in (seen, unseen):
        assert row.controls is not None
        assert row.controls.n == 4
        assert row.controls.change_ms == pytest.approx(2.5)


def test_the_protocol_names_other_controls():
    narrow = index_row(control_levels=("L3/L4", "L4/L5", "L5/S1")).controls
    assert (narrow.n, narrow.change_ms) == (2, pytest.approx(3.5))
    wide = index_row(control_levels=LEVELS).controls
    assert (wide.n, wide.change_ms) == (5, pytest.approx(10.0))
    assert index_row(control_levels=()).controls.n == 0


def test_the_treated_disc_is_the_index_wherever_it_lies():
    row = index_row(index_level="T12/L1")
    assert (row.change.level, row.controls.n) == ("T12/L1", 5)


@pytest.mark.parametrize(
    ("level", "index_level", "role"),
    [
        ("L4/L5", "L4/L5", "index"),
        ("L3/L4", "L4/L5", "control"),
        ("T12/L1", "L4/L5", "other"),
        ("T12/L1", "T12/L1", "index"),
        ("T12/L1", None, "unknown"),
        ("L3/L4", None, "unknown"),
    ],
)
def test_the_role_of_a_disc(level, index_level, role):
    change = Change(level=level, region="NP")
    assert role_of(level, index_level) == role
    assert visit("ses-01", index_level=index_level).role(level) == role
    assert (
        StudyChange(participant_id="sub-1", followup_session_id="ses-02", change=change, index_level=index_level).role
        == role
    )


@pytest.mark.parametrize(("given", "others"), [(CONTROL_LEVELS, {"T12/L1"}), (("L5/S1",), {*LEVELS[:4]})])
def test_every_table_tells_the_same_roles(given, others):
    summary = summarise([visit("ses-01"), visit("ses-02")], [pair()], control_levels=given)
    files = {file.path.name: file.content.decode() for file in table_files(summary.discs, summary.changes, [])}
    for name in ("discs.tsv", "changes.tsv"):
        told = {(row["level"], row["role"]) for row in csv.DictReader(files[name].splitlines(), delimiter="\t")}
        assert {level for level, role in told if role == "other"} == others, name
        assert {level for level, role in told if role == "control"} == {*given} - {"L4/L5"}, name


def test_agreement_of_controls_leaves_the_others_out():
    changes = [
        StudyChange(participant_id="sub-1", followup_session_id="ses-02", change=change, index_level="L4/L5")
        for change in pair().changes
    ]
    assert {one.change.level for one in controls(changes, "ses-02")} == {*CONTROL_LEVELS} - {"L4/L5"}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('["T13/L1"]', "T12/L1 to L5/S1"),
        ('["L4/L5", "L4/L5"]', "twice"),
        ('"L4/L5"', "control_levels"),
        ("[4]", "control_levels"),
    ],
)
def test_levels_that_are_none_end_the_run_before_anything_is_read(tmp_path, line, told):
    path = tmp_path / "protocol.toml"
    path.write_text(f"[study]\ncontrol_levels = {line}\n")
    with pytest.raises(ProtocolInvalid, match=told):
        read_protocol(path)


def test_a_protocol_names_levels_in_any_order(tmp_path):
    path = tmp_path / "protocol.toml"
    path.write_text('[study]\ncontrol_levels = ["L5/S1", "L1/L2"]\n')
    assert read_protocol(path).study.control_levels == ("L1/L2", "L5/S1")
