"""Pairs of visits in whole runs: what cannot be compared says why, and costs nobody else anything."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from t2disc.batch import RunSettings, run_study
from t2disc.model import LEVELS, ROIS
from t2disc.model.protocol import Protocol, RepeatabilitySettings
from t2disc.simulate import simulate_scan
from t2disc.simulate.moved import MovedRecipe, moved_study
from t2disc.study import find_visits

LABELLED = LEVELS[1:]
STILL = MovedRecipe(slice_offset=0.0, shift_mm=(0.5, 3.0, 3.0), rotation_deg=(2.0, 0.5, 0.5), flexion_deg=2.0)
TURN = np.array([[0.0, 0, 1, 0], [0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 0, 1]])  # lays sagittal slices flat


def scans() -> list[tuple]:
    """Both visits of five people."""
    people = moved_study(5, seed=31, size="small", snr=60.0, moved=STILL).participants
    return [(person, [simulate_scan(person, visit) for visit in person.visits]) for person in people]


def write_visit(study: Path, stem: str, scan, levels=LABELLED, names=LABELLED, affine=None) -> None:
    """Write a visit in BIDS with its true labels."""
    participant, session = stem.split("_")
    affine = scan.grid.affine if affine is None else affine
    anat = study / participant / session / "anat"
    anat.mkdir(parents=True)
    for number, (te_ms, echo) in enumerate(zip(scan.echo_times_ms, scan.magnitude, strict=True), start=1):
        name = f"{stem}_echo-{number}_MESE"
        nib.Nifti1Image(scan.grid.to_nifti_order(echo), affine).to_filename(anat / f"{name}.nii.gz")
        facts = {"EchoTime": te_ms / 1000, "ScanningSequence": "SE", "MagneticFieldStrength": 3}
        (anat / f"{name}.json").write_text(json.dumps(facts))
    labels = study / "labels"
    labels.mkdir(exist_ok=True)
    values = scan.grid.to_nifti_order(scan.truth.discs)
    values = np.where(np.isin(values, [LEVELS.index(level) + 1 for level in levels]), values, 0).astype(np.uint8)
    nib.Nifti1Image(values, affine).to_filename(labels / f"{stem}_dseg.nii.gz")
    rows = "".join(f"{LEVELS.index(level) + 1}\t{name}\n" for level, name in zip(levels, names, strict=True))
    (labels / f"{stem}_dseg.tsv").write_text(f"index\tname\n{rows}")


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """One sound participant, and four whose follow-up is not what it should be."""
    folder = tmp_path_factory.mktemp("pairs") / "study"
    folder.mkdir()
    (folder / "dataset_description.json").write_text(json.dumps({"Name": "pairs", "BIDSVersion": "1.9.0"}))
    people = scans()
    table = "participant_id\tindex_level\n"
    for name, (person, (first, second)) in zip(("sound", "slipped", "other", "turned", "lacking"), people, strict=True):
        table += f"sub-{name}\t{person.index_level}\n"
        write_visit(folder, f"sub-{name}_ses-01", first)
        stem = f"sub-{name}_ses-02"
        if name == "slipped":
            write_visit(folder, stem, second, levels=LEVELS[:-1], names=LABELLED)
        elif name == "other":
            write_visit(folder, stem, people[0][1][1])
        elif name == "turned":
            write_visit(folder, stem, second, affine=TURN @ second.grid.affine)
        elif name == "lacking":
            write_visit(folder, stem, second, levels=LABELLED[:-1], names=LABELLED[:-1])
        else:
            write_visit(folder, stem, second)
    (folder / "participants.tsv").write_text(table)
    run(folder)
    return folder


def run(folder: Path, protocol: Protocol | None = None, **changes):
    settings = RunSettings(
        out=folder.parent / "out", protocol=protocol or Protocol(), labels_dir=folder / "labels", **changes
    )
    visits = find_visits(folder, settings.protocol, ignore=(settings.out, folder / "labels"))
    return run_study(visits, settings)


def rows(folder: Path, participant: str) -> list[dict[str, str]]:
    with (folder.parent / "out" / "changes.tsv").open() as stream:
        return [row for row in csv.DictReader(stream, delimiter="\t") if row["participant_id"] == f"sub-{participant}"]


# ------------------------------------------------------------------------------------------------ what is told
def test_every_region_is_measured_in_four_outlines_and_the_matched_is_right(study):
    found = [row for row in rows(study, "sound") if row["region"] == "NP"]
    assert {row["roi"] for row in found} == set(ROIS)
    assert len(found) == len(ROIS) * len(LABELLED)
    for row in found:
        if row["roi"] != "matched":
            continue
        expected = 20.0 if row["role"] == "index" else 0.0
        assert abs(float(row["change_pct"]) - expected) < 3, row["level"]
        assert float(row["ci95_low_pct"]) < float(row["change_pct"]) < float(row["ci95_high_pct"])
        assert row["exceeds_rc"] == ("true" if row["role"] == "index" and row["level"] != "L5/S1" else "false")
        assert row["drift_echo_spacing"] == "same"
        assert row["drift_scanner"] == "cannot be checked"


def test_the_controls_stand_beside_the_index_disc_only(study):
    found = [row for row in rows(study, "sound") if (row["region"], row["roi"]) == ("NP", "matched")]
    for row in found:
        if row["role"] == "index":
            others = [float(other["change_ms"]) for other in found if other["role"] == "control"]
            assert row["n_controls"] == str(len(others))
            assert float(row["control_change_ms"]) == pytest.approx(np.mean(others), abs=2e-3)
            assert row["adjusted_change_ms"] == "n/a"  # four participants tell no slope
        else:
            assert row["control_change_ms"] == "n/a"


def test_size_and_form_stand_in_one_row_of_each_disc(study):
    told = [row for row in rows(study, "sound") if row["height_change_pct"] != "n/a"]
    assert [(row["level"], row["region"], row["roi"]) for row in told] == [(lv, "disc", "own") for lv in LABELLED]
    assert all(abs(float(row["height_change_pct"])) < 12 for row in told)


@pytest.mark.parametrize(
    ("participant", "code", "is_change_told"),
    [("slipped", "levels-slipped", False), ("turned", "orientation-differs", True)],
)
def test_a_pair_that_cannot_be_matched_keeps_its_own_numbers_and_says_why(study, participant, code, is_change_told):
    found = rows(study, participant)
    assert {row["roi"] for row in found} == {"own"}
    assert {row["match_codes"] for row in found} == {code}
    assert all(row["match_reason"] != "n/a" for row in found)
    nuclei = [row for row in found if row["region"] == "NP"]
    assert all(row["baseline_t2_median_ms"] != "n/a" for row in nuclei)
    assert {row["change_ms"] != "n/a" for row in nuclei} == {is_change_told}


def test_another_person_at_follow_up_carries_a_code_in_every_row(study):
    found = rows(study, "other")
    codes = {code for row in found for code in row["match_codes"].split(";")}
    assert codes & {"visits-unalike", "perhaps-another-person", "levels-slipped"}
    assert all(row["match_codes"] != "n/a" for row in found)


def test_a_level_that_is_missing_says_so_and_the_others_are_matched(study):
    found = [row for row in rows(study, "lacking") if row["region"] == "NP"]
    lost = [row for row in found if row["level"] == LABELLED[-1]]
    assert {(row["roi"], row["match_codes"], row["change_ms"]) for row in lost} == {("own", "level-missing", "n/a")}
    assert {row["level"] for row in found if row["roi"] == "matched"} == set(LABELLED[:-1])


# ------------------------------------------------------------------------------------------------ run again
def stamps(folder: Path) -> dict[str, int]:
    paths = (path for path in (folder.parent / "out").glob("sub-*/pairs/**/*") if path.is_file())
    return {str(path): path.stat().st_mtime_ns for path in paths}


def test_a_second_run_leaves_pairs_alone_and_a_lost_one_comes_back_byte_for_byte(study):
    before = stamps(study)
    assert before
    table = (study.parent / "out" / "changes.tsv").read_bytes()
    run(study)
    assert stamps(study) == before
    lost = next((study.parent / "out").glob("sub-sound/pairs/*"))
    contents = {path.name: path.read_bytes() for path in lost.rglob("*") if path.is_file()}
    shutil.rmtree(lost)
    run(study)
    assert {path.name: path.read_bytes() for path in lost.rglob("*") if path.is_file()} == contents
    assert (study.parent / "out" / "changes.tsv").read_bytes() == table


def test_coefficients_of_the_protocol_replace_those_of_the_literature(study):
    given = RepeatabilitySettings(rc_pct={"NP": 0.001})
    try:
        outcome = run(study, Protocol(repeatability=given))
        judged = [row.change for row in outcome.summary.changes if (row.change.region, row.change.roi) == ("NP", "own")]
        assert {change.repeatability.source for change in judged} == {"protocol"}
        assert any(change.exceeds_rc for change in judged)
    finally:
        run(study)


def test_a_pair_whose_measuring_fails_is_told_with_a_code_and_stops_no_other(study, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("PatientName CANARY^JOHN")

    monkeypatch.setattr("t2disc.register.match_visits", fail)
    for folder in (study.parent / "out").glob("sub-sound/pairs/*"):
        shutil.rmtree(folder)
    outcome = run(study)
    monkeypatch.undo()
    (code,) = {code for row in outcome.summary.changes if row.participant_id == "sub-sound" for code in row.codes}
    assert code == "internal-error"
    text = (study.parent / "out" / "changes.tsv").read_text()
    assert "CANARY" not in text
    assert {row.participant_id for row in outcome.summary.changes} == {
        f"sub-{name}" for name in ("sound", "slipped", "other", "turned", "lacking")
    }
    run(study)
    assert replace(outcome.records[0], basis=None).is_done
