"""A visit measured again from its own record: the same bytes, or what stands in the way, and the outputs untouched."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from studies import small_study
from test_cli_commands import call

import t2disc.batch.pairs
import t2disc.batch.visits
import t2disc.study.visit
from t2disc.model.protocol import (
    FitSettings,
    IngestSettings,
    Protocol,
    RegionSettings,
    RegisterSettings,
    RepeatabilitySettings,
    SegmentSettings,
)
from t2disc.store import manifest_file, read_pair_record, read_record, record_file
from t2disc.store.files import StoredFile
from t2disc.study import protocol_of, protocol_of_pair, visit_provenance

UNUSUAL = """
[ingest]
n_echoes = 4
[register]
echo_threshold_mm = 0.9
[fit]
min_snr = 2.5
skip_first = 1
compare = ["loglinear"]
[segment]
erosion_mm = 0.4
[regions]
annulus_fraction = 0.3
schemes = ["strips"]
"""
BASELINE, MONTH12 = "sub-P1/ses-baseline", "sub-P1/ses-month12"
PAIR = "sub-P1/ses-month12 since ses-baseline"


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> Path:
    study = small_study(tmp_path_factory.mktemp("reproduce") / "study")
    (study / "protocol.toml").write_text(UNUSUAL)
    done = call(
        *("fit", study, "-o", study / "out", "--labels", study / "labels", "--jobs", "0"),
        *("--protocol", study / "protocol.toml", "--figures"),
    )
    assert done.exit_code == 0, done.stdout
    return study


@pytest.fixture
def study(measured, tmp_path) -> Path:
    return Path(shutil.copytree(measured, tmp_path / "study"))


def again(study: Path, *words: object, labels: bool = True):
    given = ("--labels", study / "labels") if labels else ()
    return call("reproduce", study / "out", "--study", study, *given, "--jobs", "0", "--json", *words)


def states(ended) -> dict[str, tuple[str, str]]:
    return {each["target"]: (each["state"], each["why"]) for each in json.loads(ended.stdout)}


def listing(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


def edit_record(study: Path, key: str, **changes: object) -> None:
    """Write a visit's record anew with other facts, under a manifest that vouches for it."""
    folder = study / "out" / key
    path = next(folder.glob("*_record.json"))
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    files = [p for p in folder.rglob("*") if p.is_file() and p.name != "manifest.json"]
    stored = [StoredFile(path=p.relative_to(folder), content=p.read_bytes()) for p in files]
    (folder / "manifest.json").write_bytes(manifest_file(stored).content)


def test_a_visit_gives_the_same_bytes_by_the_settings_of_its_record_alone(study):
    before = listing(study)
    ended = again(study)
    assert states(ended) == {BASELINE: ("same", ""), MONTH12: ("same", ""), PAIR: ("same", "")}
    assert ended.exit_code == 0
    assert listing(study) == before


def test_a_pair_is_made_again_with_the_coefficients_of_its_own_record(study):
    protocol = study / "protocol.toml"
    protocol.write_text(UNUSUAL + "[repeatability]\nrc_pct = { NP = 9.0 }\n")
    given = (*("--labels", study / "labels", "--jobs", "0"), *("--protocol", protocol, "--figures"))
    call("fit", study, "-o", study / "out", *given)
    protocol.write_text(UNUSUAL + "[repeatability]\nrc_pct = { NP = 5.0 }\n")
    assert states(again(study))[PAIR] == ("same", "")
    assert states(again(study, "--protocol", protocol))[PAIR] == ("same", "")


def test_a_pair_whose_record_tells_no_coefficients_is_made_again_with_those_given(study):
    (path,) = (study / "out").glob("sub-*/pairs/*/*_record.json")
    record = json.loads(path.read_text())
    del record["basis"]["rc_pct"]
    path.write_text(json.dumps(record))
    basis = read_pair_record(study / "out", "sub-P1", "ses-baseline", "ses-month12").basis
    given = Protocol(repeatability=RepeatabilitySettings(rc_pct={"NP": 5.0}))
    assert protocol_of_pair(basis, given) == given


def test_a_pair_with_other_numbers_is_named(study, monkeypatch):
    real = t2disc.batch.pairs.study.pair_record
    other = t2disc.batch.visits.replace
    monkeypatch.setattr("t2disc.study.pair_record", lambda *a: other(real(*a), reason="another code"))
    told = {each["target"]: each for each in json.loads(again(study).stdout)}
    assert told[PAIR]["state"] == "differs"
    assert told[PAIR]["files"] == ["sub-P1_ses-baseline_ses-month12_desc-change_record.json"]
    assert told[BASELINE]["state"] == "same"


def test_a_pair_that_was_damaged_or_lost_is_not_tried(study):
    record = next((study / "out" / "sub-P1" / "pairs").rglob("*_record.json"))
    content = record.read_bytes()
    record.write_bytes(content.replace(b"correlation", b"Correlation", 1))
    assert states(again(study))[PAIR][0] == "not tried"
    record.write_bytes(content.replace(b'"version": "0', b'"version": "9', 1))
    assert states(again(study))[PAIR][1].startswith("measured by version 9")


def test_the_protocol_given_now_changes_nothing_of_what_the_record_tells(study):
    (study / "other.toml").write_text("[fit]\nmin_snr = 40.0\nskip_first = 2\n[regions]\nannulus_fraction = 0.1\n")
    assert again(study, "--protocol", study / "other.toml").exit_code == 0


def test_child_processes_give_the_same_bytes(study):
    ended = call("reproduce", study / "out", "--study", study, "--labels", study / "labels", "--jobs", "2")
    assert "2 visits measured again: 2 with the same bytes, 0 with others; 0 not tried." in ended.stdout
    assert "1 pair measured again: 1 with the same bytes, 0 with others; 0 not tried." in ended.stdout
    assert ended.exit_code == 0


def test_only_those_asked_for_are_measured(study):
    assert states(again(study, "--only", "ses-month12")) == {MONTH12: ("same", "")}
    missed = again(study, "--only", "ses-month24")
    assert missed.exit_code == 2
    assert "--only" in missed.stderr


def test_another_treated_level_is_told(study):
    (study / "participants.tsv").write_text("participant_id\tindex_level\nP1\tL5/S1\n")
    assert states(again(study)) == dict.fromkeys(
        (BASELINE, MONTH12), ("not tried", "other treated level: L4/L5 -> L5/S1")
    )


def test_a_result_of_a_visit_that_the_study_no_longer_has_is_told(study):
    shutil.rmtree(study / "P1" / "month12")
    ended = again(study)
    assert states(ended) == {BASELINE: ("same", ""), MONTH12: ("not tried", "the study has no such visit")}
    assert ended.exit_code == 4


def test_outputs_that_are_changed_meanwhile_are_not_the_same(study, monkeypatch):
    real = t2disc.study.visit.load_visit

    def changing(*arguments):
        path = next((study / "out" / BASELINE).rglob("*T2map.nii.gz"))
        path.write_bytes(path.read_bytes() + b"x")
        return real(*arguments)

    monkeypatch.setattr("t2disc.study.visit.load_visit", changing)
    assert states(again(study))[BASELINE][0] == "differs"


def test_what_a_record_withholds_that_there_is_not_is_passed_over(study):
    provenance = json.loads(next((study / "out" / BASELINE).glob("*_record.json")).read_text())["provenance"]
    edit_record(study, BASELINE, provenance=provenance | {"withheld": ["x.y", "ingest"]})
    assert states(again(study))[BASELINE][0] == "differs"


def test_temporary_folders_of_killed_commands_are_removed_and_those_of_others_are_not(study, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    machine = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
    dead, alive, foreign = (
        tmp_path / name for name in (f"t2disc-{machine}-999999999-a", f"t2disc-{machine}-1-a", "t2disc-x-9-a")
    )
    for folder in (dead, alive, foreign):
        folder.mkdir()
    assert again(study, "--only", BASELINE).exit_code == 0
    assert set(tmp_path.glob("t2disc-*")) == {alive, foreign}


def test_other_numbers_are_named_by_their_files(study, monkeypatch):
    def other_median(*arguments):
        record = VISIT_RECORD(*arguments)
        return t2disc.batch.visits.replace(record, notes=(*record.notes, "measured by another code"))

    monkeypatch.setattr("t2disc.study.visit_record", other_median)
    ended = again(study, "--only", BASELINE)
    (told,) = json.loads(ended.stdout)
    assert (told["state"], told["why"]) == ("differs", "by the same software")
    assert told["files"] == ["sub-P1_ses-baseline_desc-t2disc_record.json"]
    assert ended.exit_code == 4


VISIT_RECORD = t2disc.batch.visits.study.visit_record


def test_libraries_that_have_changed_are_named_and_alone_make_no_difference(study):
    record = json.loads(next((study / "out" / BASELINE).glob("*_record.json")).read_text())
    record["provenance"]["software"]["numpy"] = "1.0.0"
    edit_record(study, BASELINE, provenance=record["provenance"])
    ended = again(study)
    state, why = states(ended)[BASELINE]
    assert (state, ended.exit_code) == ("same", 0)
    assert why.startswith("but for the versions that the record tells: numpy 1.0.0 -> ")
    edit_record(study, BASELINE, notes=[*record["notes"], "another number"])
    state, why = states(again(study))[BASELINE]
    assert state == "differs"
    assert why.startswith("other software: numpy 1.0.0 -> ")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("an input", "other files than at the last run"),
        ("labels", "other labels"),
        ("an output", "outputs were changed, added or lost since they were published; t2disc verify names them"),
        ("no record", "no result"),
        ("version", "measured by version 0.0.1, this is "),
        ("no provenance", "its record does not tell all it was made from; t2disc fit --redo measures it anew"),
        ("a setting", "its record tells of settings that this version does not know: fit.colour"),
    ],
)
def test_what_cannot_give_the_same_bytes_is_not_tried(study, change, why):
    folder = study / "out" / BASELINE
    record = next(folder.glob("*_record.json"))
    if change == "an input":
        image = sorted((study / "P1" / "baseline" / "scan").iterdir())[0]
        image.write_bytes(image.read_bytes()[:-1] + b"\x07")
    elif change == "labels":
        table = study / "labels" / "sub-P1_ses-baseline_dseg.tsv"
        table.write_text(table.read_text().replace("L4/L5", "L3/L4"))
    elif change == "an output":
        os.truncate(next(folder.rglob("*T2map.nii.gz")), 100)
    elif change == "no record":
        record.unlink()
    elif change == "version":
        edit_record(study, BASELINE, version="0.0.1")
    elif change == "no provenance":
        edit_record(study, BASELINE, provenance=None)
    else:
        provenance = json.loads(record.read_text())["provenance"]
        provenance["settings"]["fit"]["colour"] = "red"
        edit_record(study, BASELINE, provenance=provenance)
    ended = again(study)
    found = states(ended)
    assert found[BASELINE][0] == "not tried"
    assert found[BASELINE][1].startswith(why)
    assert found[MONTH12] == ("same", "")
    assert ended.exit_code == 4


def test_a_refused_visit_is_not_tried(study):
    sorted((study / "P1" / "month12" / "scan").iterdir())[0].unlink()
    call("fit", study, "-o", study / "out", "--labels", study / "labels", "--jobs", "0")
    state, why = states(again(study))[MONTH12]
    assert state == "not tried"
    assert why.startswith("quarantined: ")


def test_a_pattern_that_may_be_a_headers_words_is_withheld_and_asked_for(study):
    protocol = study / "protocol.toml"
    protocol.write_text('[ingest]\nseries_description = "*"\n')
    call("fit", study, "-o", study / "out", "--labels", study / "labels", "--jobs", "0", "--protocol", protocol)
    record = read_record(study / "out", "sub-P1", "ses-baseline")
    assert record.provenance.withheld == ("ingest.series_description",)
    assert "series_description" not in record.provenance.settings["ingest"]
    state, why = states(again(study))[BASELINE]
    assert state == "not tried"
    assert why.endswith("(the record withholds ingest.series_description: give the protocol file it was measured by)")
    assert again(study, "--protocol", protocol).exit_code == 0


def test_labels_from_a_folder_are_asked_for(study):
    ended = call("reproduce", study / "out", "--study", study, "--jobs", "0", "--json")
    state, why = states(ended)[BASELINE]
    assert state == "not tried"
    assert why == "other labels (it was measured with labels from a folder: give --labels)"


def test_a_folder_without_results_is_refused(tmp_path):
    (tmp_path / "out").mkdir()
    study = small_study(tmp_path / "study")
    ended = call("reproduce", tmp_path / "out", "--study", study)
    assert ended.exit_code == 2
    assert "study-not-found" in ended.stderr


# ------------------------------------------------------------------------------------------------ settings in and out
PROTOCOLS = st.builds(
    Protocol,
    ingest=st.builds(
        IngestSettings,
        series_number=st.none() | st.integers(0, 99),
        series_description=st.none() | st.text(max_size=9),
        n_echoes=st.none() | st.integers(2, 32),
        first_echo_time_ms=st.none() | st.floats(1, 50),
        require_spin_echo=st.booleans(),
    ),
    register=st.builds(RegisterSettings, echo_threshold_mm=st.floats(0.2, 15)),
    fit=st.builds(
        FitSettings,
        model=st.sampled_from(["mono", "rician", "epg"]),
        compare=st.lists(st.sampled_from(["mono", "wls"]), unique=True).map(tuple),
        echoes=st.none() | st.just((1, 3, 5)),
        min_snr=st.floats(0, 100),
        drop_below_snr=st.none() | st.floats(0.1, 9),
        t1_ms=st.floats(300, 2000),
    ),
    segment=st.builds(SegmentSettings, automatic=st.booleans(), erosion_mm=st.floats(0, 3)),
    regions=st.builds(RegionSettings, schemes=st.just(("strips", "posterior")), mid_sagittal_mm=st.floats(1, 40)),
)


@given(PROTOCOLS)
@settings(max_examples=60, deadline=None)
def test_settings_that_a_record_tells_are_those_it_was_made_by(protocol):
    told = json.loads(json.dumps(visit_provenance(protocol).settings))
    provenance = t2disc.batch.visits.replace(visit_provenance(protocol), settings=told)
    assert protocol_of(provenance, protocol) == protocol
    described = protocol.ingest.series_description
    assert provenance.withheld == (("ingest.series_description",) if described is not None else ())
    assert described is None or protocol_of(provenance, Protocol()) != protocol


def test_a_record_with_its_provenance_is_read_back_as_it_was_written(study):
    record = read_record(study / "out", "sub-P1", "ses-baseline")
    path = next((study / "out" / BASELINE).glob("*_record.json"))
    assert record_file(record).content == path.read_bytes()
    assert record.provenance.software["numpy"]
