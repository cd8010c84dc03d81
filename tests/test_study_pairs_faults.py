"""Pairs of visits over several runs: nothing stale stays untold, and what cannot be compared is not."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import dcmread
from studies import label_map, small_study, sound_visit
from test_cli_commands import call

from t2disc.batch import RunSettings, run_study
from t2disc.errors import ProtocolInvalid
from t2disc.model.protocol import IngestSettings, Protocol, RepeatabilitySettings, StudySettings
from t2disc.store import read_pair_record, recorded_pairs, sweep_leftovers
from t2disc.study import Pair, find_visits, pair_basis, pairs_of, read_protocol
from t2disc.study.changes import change_rows


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return small_study(tmp_path / "study")


def run(study: Path, protocol: Protocol | None = None):
    protocol = protocol or Protocol()
    settings = RunSettings(out=study.parent / "out", protocol=protocol, labels_dir=study / "labels")
    return run_study(find_visits(study, protocol, ignore=(study / "labels",)), settings)


def test_a_treated_level_named_later_is_drawn_anew(study):
    pair = pairs_of(run(study).records)[0]
    others = [replace(record, index_level="L5/S1") for record in (pair.baseline, pair.followup)]
    bases = [pair_basis(each, study.parent / "out") for each in (pair, Pair(baseline=others[0], followup=others[1]))]
    assert None not in bases
    assert bases[0] != bases[1]


def test_changes_that_are_no_longer_told_are_named(study):
    assert not run(study).warnings
    (study / "labels" / "sub-P1_ses-month12_dseg.tsv").write_text("no table\n")
    outcome = run(study)
    assert not outcome.summary.changes
    (warning,) = outcome.warnings
    assert warning.startswith("left out of the tables: earlier changes")
    assert warning.endswith(": sub-P1/ses-month12 since ses-baseline")
    label_map(study / "labels", "sub-P1_ses-month12")
    assert not run(study).warnings


def test_another_baseline_leaves_no_change_since_the_old_one_untold(study):
    run(study)
    sound_visit(study / "P1" / "screening", "20230102")
    label_map(study / "labels", "sub-P1_ses-screening")
    outcome = run(study)
    assert {row.baseline_session_id for row in outcome.summary.changes} == {"ses-screening"}
    assert any("sub-P1/ses-month12 since ses-baseline" in warning for warning in outcome.warnings)


def test_t2_and_t2_star_are_not_subtracted(study):
    sound_visit(study / "P1" / "month18", "20250702", ScanningSequence="GR")
    label_map(study / "labels", "sub-P1_ses-month18")
    outcome = run(study, Protocol(ingest=IngestSettings(require_spin_echo=False)))
    for row in outcome.summary.changes:
        is_told = row.followup_session_id == "ses-month12"
        assert row.codes == (() if is_told else ("quantity-differs",))
        assert (row.change.change_ms == row.change.change_ms) is is_told
        assert row.change.followup_t2_median_ms > 0
    assert {row.followup_session_id for row in outcome.summary.changes} == {"ses-month12", "ses-month18"}


def test_the_images_of_the_baseline_at_follow_up_are_no_change_of_nothing(study):
    shutil.rmtree(study / "P1" / "month12")
    for number, path in enumerate(sorted((study / "P1" / "baseline" / "scan").iterdir())):
        copy = study / "P1" / "month12" / "elsewhere" / f"other-name-{number}"
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    outcome = run(study, Protocol(study=StudySettings(visit_order=("baseline", "month12"))))
    assert outcome.summary.changes
    for row in outcome.summary.changes:
        assert row.codes == ("same-images",)
        assert math.isnan(row.change.change_ms)
    assert "the same images in 2 visits: sub-P1/ses-baseline, sub-P1/ses-month12" in outcome.warnings


def test_the_scan_of_the_baseline_written_anew_at_follow_up_is_seen_by_its_voxels(study):
    shutil.rmtree(study / "P1" / "month12")
    for number, path in enumerate(sorted((study / "P1" / "baseline" / "scan").iterdir())):
        ds = dcmread(path)
        ds.StudyDate = ds.AcquisitionDate = "20250102"
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"1.2.9.{number}"
        (study / "P1" / "month12" / "scan").mkdir(parents=True, exist_ok=True)
        ds.save_as(study / "P1" / "month12" / "scan" / path.name)
    outcome = run(study)
    assert {row.codes for row in outcome.summary.changes} == {("same-images",)}
    assert all(math.isnan(row.change.change_ms) for row in outcome.summary.changes)


@pytest.mark.parametrize("line", ['retest_visit = ""', 'retest_visit = "ses-"', 'rc_pct = { "NP " = 5.0 }'])
def test_names_that_would_fail_after_everything_is_measured_fail_before(tmp_path, line):
    path = tmp_path / "protocol.toml"
    path.write_text(f"[repeatability]\n{line}\n")
    with pytest.raises(ProtocolInvalid):
        read_protocol(path)


def retested(name: str) -> Protocol:
    return Protocol(repeatability=RepeatabilitySettings(retest_visit=name))


def test_a_retest_visit_that_no_visit_is_called_is_told_and_is_no_error(study):
    outcome = run(study, retested("retset\n"))
    (warning,) = outcome.warnings
    assert warning.startswith("[retest-visit-unknown] found no visit called retset_, ")
    assert "among ses-baseline, ses-month12 - expected" in warning
    assert not outcome.quarantined
    for name in ("month12", "ses-month12", "Month-12"):
        assert not run(study, retested(name)).warnings


def test_every_command_that_looks_for_visits_tells_of_a_retest_visit_that_is_not_there(study):
    (study / "p.toml").write_text('[repeatability]\nretest_visit = "retset"\n')
    out = ("-o", study.parent / "out", "--labels", study / "labels", "--protocol", study / "p.toml")
    for command in ("check", "fit --dry-run", "fit --shard 1/2", "fit"):
        result = call(*command.split(), study, *out)
        assert result.exit_code == 0
        assert result.stderr.count("WARNING [retest-visit-unknown]") == 1, command
    told = json.loads(call("fit", study, *out, "--json").stdout)["warnings"]
    assert [warning.split()[0] for warning in told] == ["[retest-visit-unknown]"]


@pytest.mark.parametrize("name", ["retest", "ReTest", "ses-re-test"])
def test_a_retest_visit_is_found_whatever_the_case_of_its_name_as_in_visit_order(study, name):
    run(study)
    (pair,) = [read_pair_record(study.parent / "out", *names) for names in recorded_pairs(study.parent / "out")]
    many = [replace(pair, participant_id=f"sub-{n}", followup_session_id="ses-retest") for n in range(12)]
    rows = change_rows((), many, RepeatabilitySettings(retest_visit=name))
    assert {row.change.repeatability.source for row in rows if row.change.region == "NP"} == {
        "test-retest of this study"
    }


def test_leftovers_of_pairs_behind_a_linked_participant_are_not_touched(tmp_path):
    foreign = tmp_path / "elsewhere" / "pairs" / ".ses-1_ses-2.0123abcd.staged"
    foreign.mkdir(parents=True)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "sub-P1").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert sweep_leftovers(tmp_path / "out") == 0
    assert foreign.is_dir()
