"""Readers' corrections: they come first, are recorded as such, and cost a run again no more than they must."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from pathlib import Path
from shutil import copy, copytree, rmtree

import nibabel as nib
import numpy as np
import pytest
from slices import series, write
from studies import VOLATILE, label_map, small_study, sound_visit, tree
from typer.testing import CliRunner, Result

from t2disc import find_visits
from t2disc.cli.app import app
from t2disc.errors import LabelsRepeated
from t2disc.model import Visit
from t2disc.model.labels import LabelSource
from t2disc.model.protocol import FitSettings, IngestSettings, Protocol, RegisterSettings, SegmentSettings
from t2disc.model.review import ReviewCode
from t2disc.segment import find_discs
from t2disc.study import LabelFolders, correction_warnings, corrections_folder, label_warnings, visit_basis
from t2disc.study.labels import find_label_file, is_label_map, read_labels
from t2disc.study.pseudonym import KEY_VARIABLE

BASELINE, MONTH12 = "sub-P1_ses-baseline", "sub-P1_ses-month12"
MAPS = ("T2map", "S0map", "desc-se_T2map", "desc-flag_dseg")


@pytest.fixture(autouse=True)
def _no_key_from_outside(monkeypatch):
    monkeypatch.delenv(KEY_VARIABLE, raising=False)


@pytest.fixture
def folder(tmp_path) -> Path:
    return small_study(tmp_path / "study")


def fit(folder: Path, *arguments: object) -> Result:
    """Measure a study with its labels into the folder ``out`` beside it."""
    command = ["fit", folder, "--labels", folder / "labels", "-o", folder.parent / "out", *arguments]
    return CliRunner().invoke(app, [str(argument) for argument in command])


def table(out: Path, name: str) -> dict[str, dict[str, str]]:
    """Return the last row of each visit."""
    rows = csv.DictReader((out / name).read_text().splitlines(), delimiter="\t")
    return {row["session_id"]: row for row in rows}


def correct(folder: Path, stem: str, *, levels: tuple[str, str] = ("L4/L5", "L5/S1")) -> Path:
    """Put a corrected label map into the study: L4/L5 without its first four columns."""
    path = folder / "corrections" / f"{stem}_desc-discs_dseg.nii.gz"
    path.parent.mkdir(exist_ok=True)
    drawn = nib.load(folder / "labels" / f"{stem}_dseg.nii.gz")
    values = np.asarray(drawn.dataobj).copy()
    values[5:9][values[5:9] == 1] = 0
    nib.Nifti1Image(values, drawn.affine).to_filename(path)
    rows = "".join(f"{index}\t{level}\n" for index, level in enumerate(levels, start=1))
    path.with_name(f"{stem}_desc-discs_dseg.tsv").write_text(f"index\tname\n{rows}")
    return path


def stats(folder: Path) -> dict[str, tuple[int, int]]:
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, path.stat().st_ino) for path in paths}


def visit(folder: Path, session_id: str = "ses-baseline") -> Visit:
    return next(visit for visit in find_visits(folder) if visit.session_id == session_id)


# ------------------------------------------------------------------------------------------------ whose labels
def test_a_correction_comes_before_a_given_map_and_that_before_none(folder):
    path = correct(folder, BASELINE)
    folders = LabelFolders(corrections=folder / "corrections", given=folder / "labels")
    assert find_label_file(visit(folder), folders).path == path
    assert find_label_file(visit(folder), folders).kind == "correction"
    assert find_label_file(visit(folder, "ses-month12"), folders).kind == "given"
    assert find_label_file(visit(folder), LabelFolders(given=folder / "labels")).kind == "given"
    assert find_label_file(visit(folder), LabelFolders()) is None
    assert find_label_file(visit(folder), LabelFolders(corrections=folder / "nowhere")) is None


@pytest.mark.parametrize("place", ["", "sub-P1/ses-baseline", "sub-P1/ses-baseline/anat"])
def test_a_correction_may_lie_flat_or_in_folders(folder, place):
    (folder / "corrections" / place).mkdir(parents=True)
    path = folder / "corrections" / place / f"{BASELINE}_desc-discs_dseg.nii.gz"
    copy(folder / "labels" / f"{BASELINE}_dseg.nii.gz", path)
    assert find_label_file(visit(folder), LabelFolders(corrections=folder / "corrections")).path == path


def test_what_t2disc_wrote_can_be_copied_as_a_whole_to_be_corrected(folder):
    fit(folder)
    copytree(folder.parent / "out" / "sub-P1", folder / "corrections" / "sub-P1")
    (folder / "corrections" / "sub-P1" / "ses-baseline" / "anat" / f"._{BASELINE}_dseg.nii.gz").write_bytes(b"macOS")
    result = fit(folder)
    assert result.exit_code == 0
    assert "not used" not in result.stderr
    assert {row["labels"] for row in table(folder.parent / "out", "visits.tsv").values()} == {"correction"}


@pytest.mark.parametrize(
    ("name", "is_map"),
    [
        ("s_dseg.nii.gz", True),
        ("s_desc-discs_dseg.nii", True),
        ("s_desc-reader2_dseg.nii.gz", True),
        ("s_dseg.seg.nrrd", True),
        ("s_dseg.dcm", True),
        ("s_desc-regions_dseg.nii.gz", False),
        ("s_desc-strips_dseg.nii.gz", False),
        ("s_desc-flag_dseg.nii.gz", False),
        ("s_dseg.tsv", False),
        ("._s_dseg.nii.gz", False),
    ],
)
def test_a_label_map_is_told_by_its_name(name, is_map):
    assert is_label_map(Path(name)) is is_map


def test_two_corrections_of_one_visit_are_refused_even_where_a_map_was_given(folder):
    path = correct(folder, BASELINE)
    copy(path, path.with_name(f"{BASELINE}_dseg.nii.gz"))
    with pytest.raises(LabelsRepeated, match="2 label maps for one visit in corrections"):
        find_label_file(visit(folder), LabelFolders(corrections=folder / "corrections", given=folder / "labels"))
    assert "quarantined [labels-repeated]" in fit(folder).stdout


@pytest.mark.parametrize(("place", "kind"), [("corrections", "correction"), ("given", "given")])
def test_labels_keep_who_drew_them_and_the_sha256_of_their_file(folder, place, kind):
    path = correct(folder, BASELINE)
    labels = read_labels(find_label_file(visit(folder), LabelFolders(**{place: folder / "corrections"})))
    assert labels.source == LabelSource(kind=kind, sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def test_record_and_tables_tell_a_correction_from_a_given_map(folder):
    path = correct(folder, BASELINE)
    fit(folder)
    out = folder.parent / "out"
    given = folder / "labels" / f"{MONTH12}_dseg.nii.gz"
    digests = {"ses-baseline": path, "ses-month12": given}
    visits, discs = table(out, "visits.tsv"), table(out, "discs.tsv")
    for session_id, kind in (("ses-baseline", "correction"), ("ses-month12", "given")):
        sha256 = hashlib.sha256(digests[session_id].read_bytes()).hexdigest()
        record = json.loads(next((out / "sub-P1" / session_id).glob("*_record.json")).read_text())
        assert (record["labels"]["kind"], record["labels"]["sha256"]) == (kind, sha256)
        assert (visits[session_id]["labels"], visits[session_id]["labels_sha256"]) == (kind, sha256)
        assert (discs[session_id]["labels"], discs[session_id]["confidence"]) == (kind, "1.000")
        assert visits[session_id]["review"] == "n/a"
    (sidecar,) = (out / "sub-P1" / "ses-baseline").rglob("*_desc-discs_dseg.json")
    assert "correction" in json.loads(sidecar.read_text())["SourceDescription"]


def test_check_tells_a_correction_from_a_given_map(folder):
    correct(folder, BASELINE)
    result = CliRunner().invoke(app, ["check", str(folder), "--labels", str(folder / "labels")])
    assert "2024-01-02, corrected labels of 2 discs" in result.stdout
    assert "2025-01-02, labels of 2 discs" in result.stdout


# ------------------------------------------------------------------------------------------------ the folder
@pytest.mark.parametrize("name", ["corrections", "Corrections"])
def test_the_folder_of_corrections_is_found_whatever_its_case(folder, name):
    (folder / name).mkdir()
    assert corrections_folder(folder).name.lower() == "corrections"
    assert [visit.key for visit in find_visits(folder)] == ["sub-P1/ses-baseline", "sub-P1/ses-month12"]


def test_without_a_folder_of_corrections_there_is_none(folder):
    assert corrections_folder(folder) is None
    (folder / "corrections").write_text("a file is no folder")
    assert corrections_folder(folder) is None


def test_corrections_in_a_bids_study_are_no_participants(folder):
    (folder / "dataset_description.json").write_text('{"Name": "raw"}')
    for name in ("baseline", "month12"):
        (folder / "sub-P1").mkdir(exist_ok=True)
        (folder / "P1" / name).rename(folder / "sub-P1" / f"ses-{name}")
    (folder / "corrections" / "sub-P7" / "ses-baseline").mkdir(parents=True)
    assert {visit.participant_id for visit in find_visits(folder)} == {"sub-P1"}


@pytest.mark.parametrize("name", ["corrections", "Corrections"])
def test_dicom_among_the_corrections_of_a_heap_belongs_to_no_visit(tmp_path, monkeypatch, name):
    monkeypatch.setenv(KEY_VARIABLE, "sixteen characters or more")
    write(tmp_path, series(4))
    before = [(visit.key, len(visit.files)) for visit in find_visits(tmp_path)]
    write(tmp_path / name / "sub-X" / "ses-01", series(4, PatientID="OTHER"))
    assert [(visit.key, len(visit.files)) for visit in find_visits(tmp_path)] == before


def test_corrections_of_visits_that_are_not_there_are_warned_of_by_name(folder):
    correct(folder, BASELINE)
    label_map(folder / "corrections", "sub-P9_ses-old")
    label_map(folder / "corrections" / "sub-P1" / "ses-month24", "anything")
    label_map(folder / "corrections", "someone")
    (folder / "corrections" / "README.md").write_text("who corrected what")
    (warning,) = correction_warnings(find_visits(folder), folder / "corrections")
    assert warning.endswith(": sub-P1/ses-month24, sub-P9/ses-old, 1 others")
    assert re_warned(fit(folder).stderr, "sub-P9/ses-old")


def re_warned(text: str, named: str) -> bool:
    return any("WARNING" in line and named in line for line in text.splitlines())


def test_a_correction_that_is_misnamed_is_warned_of(folder):
    path = correct(folder, BASELINE)
    path.rename(path.with_name(f"{BASELINE}_corrected.nii.gz"))
    (warning,) = correction_warnings(find_visits(folder), folder / "corrections")
    assert "sub-P1/ses-baseline" in warning
    assert "_dseg.nii.gz" in warning


def test_names_of_idle_corrections_of_a_heap_are_not_told(tmp_path, monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, "sixteen characters or more")
    write(tmp_path, series(4))
    label_map(tmp_path / "corrections", "sub-CANARY_ses-01")
    (warning,) = correction_warnings(find_visits(tmp_path), tmp_path / "corrections")
    assert "CANARY" not in warning
    assert warning.endswith(": 1 files")


def test_corrections_that_are_all_used_are_not_warned_of(folder):
    correct(folder, BASELINE)
    assert not list(correction_warnings(find_visits(folder), folder / "corrections"))
    assert not list(correction_warnings(find_visits(folder), None))


# ------------------------------------------------------------------------------------------------ automatic labels
@pytest.mark.parametrize(("automatic", "instead"), [(True, "found automatically"), (False, "no disc is labelled")])
def test_a_visit_without_a_given_map_is_told_and_what_happens_instead(folder, automatic, instead):
    (folder / "labels" / f"{MONTH12}_dseg.nii.gz").unlink()
    folders = LabelFolders(given=folder / "labels", corrections=folder / "corrections")
    (warning,) = label_warnings(find_visits(folder), folders, automatic=automatic)
    assert warning.startswith("sub-P1/ses-month12: no label map for this visit: ")
    assert instead in warning
    label_map(folder / "corrections", MONTH12)
    assert not list(label_warnings(find_visits(folder), folders, automatic=automatic))


def as_automatic(monkeypatch, *reasons: ReviewCode) -> None:
    """Let labels that a reader gave pass for automatic ones."""
    from dataclasses import replace

    from t2disc.model.review import ReviewReason

    told = tuple(ReviewReason(code=code, detail="not sure") for code in reasons)

    def found(*args, **settings):
        discs = find_discs(*args, **settings)
        sure = (0.9, 0.25)[: len(discs.levels)]
        source = LabelSource(kind="automatic", sha256="0" * 64)
        return replace(discs, confidences=sure, reasons=told, source=source)

    monkeypatch.setattr("t2disc.segment.find_discs", found)


def test_automatic_labels_are_recorded_as_such_with_their_confidence(folder, monkeypatch):
    as_automatic(monkeypatch)
    fit(folder, "--jobs", "0")
    out = folder.parent / "out"
    rows = list(csv.DictReader((out / "discs.tsv").read_text().splitlines(), delimiter="\t"))
    assert {(row["level"], row["confidence"], row["labels"]) for row in rows} == {
        ("L4/L5", "0.900", "automatic"),
        ("L5/S1", "0.250", "automatic"),
    }
    (notes,) = {row["notes"] for row in table(out, "visits.tsv").values()}
    assert "no label map for this visit: its discs were found automatically" in notes.split("; ")


def test_visits_to_review_are_seen_at_the_end_in_the_log_and_in_the_table(folder, monkeypatch):
    as_automatic(monkeypatch, ReviewCode.NAMING_UNCERTAIN, ReviewCode.SACRUM_NOT_SEEN)
    for _ in range(2):  # the second run skips the visits and says so again
        result = fit(folder, "--jobs", "0")
        assert "2 visits to review: sub-P1/ses-baseline, sub-P1/ses-month12\n" in result.stdout
        assert "sub-P1/ses-baseline  [naming-uncertain] not sure" in result.stdout
        assert re_warned(result.stderr, "sub-P1/ses-month12: to review: [sacrum-not-seen] not sure")
    row = table(folder.parent / "out", "visits.tsv")["ses-baseline"]
    assert row["review"] == "naming-uncertain;sacrum-not-seen"


def test_where_nothing_is_to_be_reviewed_nothing_is_said(folder):
    assert "to review" not in fit(folder).output


# ------------------------------------------------------------------------------------------------ treated level
def test_a_treated_level_that_was_not_found_is_said_everywhere_and_no_other_takes_its_place(folder):
    correct(folder, BASELINE, levels=("L3/L4", "L5/S1"))
    result = fit(folder)
    out = folder.parent / "out"
    assert "1 visit to review: sub-P1/ses-baseline\n" in result.stdout
    assert "[index-level-not-found] L4/L5: the treated disc is not among those labelled" in result.stdout
    row = table(out, "visits.tsv")["ses-baseline"]
    assert row["review"] == "index-level-not-found"
    assert "L3/L4, L5/S1" in row["review_reasons"]
    rows = csv.DictReader((out / "discs.tsv").read_text().splitlines(), delimiter="\t")
    assert {row["role"] for row in rows if row["session_id"] == "ses-baseline"} == {"control"}
    changes = csv.DictReader((out / "changes.tsv").read_text().splitlines(), delimiter="\t")
    assert {row["change_ms"] for row in changes if row["role"] == "index"} == {"n/a"}


def test_a_study_that_names_no_treated_level_has_none_to_miss(folder):
    (folder / "participants.tsv").unlink()
    assert "to review" not in fit(folder).output


def test_a_treated_level_that_is_named_later_runs_again_what_depends_on_it(folder):
    fit(folder)
    (folder / "participants.tsv").write_text("participant_id\tindex_level\nP1\tL1/L2\n")
    result = fit(folder)
    assert "relabel (other treated level: L4/L5 -> L1/L2)" in result.stderr
    assert "2 visits to review" in result.stdout


# ------------------------------------------------------------------------------------------------ running again
def test_a_correction_touches_its_visit_alone_and_no_map(folder):
    out = folder.parent / "out"
    fit(folder, "--figures")
    content, touched = tree(out), stats(out)
    correct(folder, BASELINE)
    result = fit(folder, "--figures")
    assert "sub-P1/ses-baseline: relabel (other labels)" in result.stderr
    assert "sub-P1/ses-month12: skip (nothing has changed since its last run)" in result.stderr
    assert "1 visit measured in" in result.stdout
    assert "; nothing had changed in 1" in result.stdout
    now = tree(out)
    written = {name for name, stat in stats(out).items() if stat != touched.get(name) and "logs/" not in name}
    visit_files = {name.removeprefix("sub-P1/ses-baseline/") for name in written if name.startswith("sub-P1/")}
    tables = {"discs.tsv", "changes.tsv", "roi_sensitivity.tsv", "visits.tsv", "manifest.json", *VOLATILE}
    assert {name for name in written if "/" not in name} == tables
    assert not any(name.startswith("sub-P1/ses-month12") for name in written)
    for name in MAPS:
        for ending in ("nii.gz", "json"):
            path = f"sub-P1/ses-baseline/anat/{BASELINE}_{name}.{ending}"
            assert now[path] == content[path]
            assert f"anat/{BASELINE}_{name}.{ending}" not in visit_files
    assert f"anat/{BASELINE}_desc-discs_dseg.nii.gz" in visit_files
    assert f"{BASELINE}_desc-t2disc_record.json" in visit_files
    assert f"figures/{BASELINE}_desc-T2_overlay.png" in visit_files
    assert "manifest.json" in visit_files


def test_a_corrected_study_is_the_same_whether_it_was_measured_before_or_not(folder):
    fit(folder)
    correct(folder, BASELINE)
    fit(folder)
    again = tree(folder.parent / "out")
    rmtree(folder.parent / "out")
    fit(folder)
    assert tree(folder.parent / "out") == again


def test_without_the_correction_everything_is_as_before(folder):
    out = folder.parent / "out"
    fit(folder)
    before = tree(out)
    correct(folder, BASELINE)
    fit(folder)
    assert tree(out) != before
    rmtree(folder / "corrections")
    fit(folder)
    assert tree(out) == before


def test_a_given_map_that_becomes_a_correction_is_recorded_anew(folder):
    fit(folder)
    label_map(folder / "corrections", BASELINE)
    assert "relabel (other labels)" in fit(folder).stderr
    assert table(folder.parent / "out", "visits.tsv")["ses-baseline"]["labels"] == "correction"


def test_a_correction_that_cannot_be_used_quarantines_its_visit_and_is_put_right(folder):
    path = correct(folder, BASELINE)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    assert fit(folder).exit_code == 3
    path.write_bytes(whole)
    assert fit(folder).exit_code == 0


# ------------------------------------------------------------------------------------------------ check sums
def test_check_sums_do_not_hang_on_times_places_or_names_of_files(folder, tmp_path):
    again = copytree(folder, tmp_path / "copy")
    for n, path in enumerate(sorted((again / "P1").rglob("im*"), reverse=True)):
        path.rename(path.with_name(f"{n:03d}.dcm"))
        os.utime(path.with_name(f"{n:03d}.dcm"), (n, n))
    one, other = (visit_basis(visit(each), Protocol(), LabelFolders(given=each / "labels")) for each in (folder, again))
    assert one == other


def test_each_check_sum_tells_its_own_change(folder):
    def basis(protocol: Protocol | None = None) -> dict[str, str]:
        found = visit_basis(visit(folder), protocol or Protocol(), LabelFolders(given=folder / "labels"))
        return {name: getattr(found, name) for name in found.__slots__}

    def changed(before: dict[str, str], now: dict[str, str]) -> list[str]:
        return [name for name in before if before[name] != now[name]]

    before = basis()
    assert changed(before, basis(Protocol(ingest=IngestSettings(n_echoes=4)))) == ["maps_settings_sha256"]
    moved = Protocol(register=RegisterSettings(echo_threshold_mm=1.0))
    assert changed(before, basis(moved)) == ["maps_settings_sha256"]
    assert changed(before, basis(Protocol(segment=SegmentSettings(erosion_mm=1.0)))) == ["labels_settings_sha256"]
    table_of_names = folder / "labels" / f"{BASELINE}_dseg.tsv"
    table_of_names.write_text("index\tname\n1\tL4/L5\n2\tsacrum\n")
    assert changed(before, basis()) == ["labels_sha256"]
    before = basis()
    copy(next((folder / "P1" / "baseline" / "scan").iterdir()), folder / "P1" / "baseline" / "scan" / "twice")
    assert changed(before, basis()) == ["images_sha256"]


def test_a_model_that_is_compared_with_itself_changes_nothing(folder):
    """The default compares nothing, and so does ``--models mono``."""

    def basis(model: str, *compare: str) -> object:
        return visit_basis(visit(folder), Protocol(fit=FitSettings(model=model, compare=compare)), LabelFolders())

    assert basis("mono") == basis("mono", "mono")
    assert basis("mono", "epg") == basis("mono", "mono", "epg", "epg")
    assert basis("mono") != basis("mono", "epg")
    assert basis("mono", "epg") != basis("epg", "mono")


def test_naming_the_model_of_the_maps_measures_nothing_again_and_records_no_other_settings(folder):
    assert fit(folder).exit_code == 0
    before, written = stats(folder.parent / "out" / "sub-P1"), tree(folder.parent / "out" / "sub-P1")
    again = fit(folder, "--models", "mono")
    assert again.exit_code == 0
    assert "other settings" not in again.stderr
    assert stats(folder.parent / "out" / "sub-P1") == before
    rmtree(folder.parent / "out")
    assert fit(folder, "--models", "mono").exit_code == 0
    assert tree(folder.parent / "out" / "sub-P1") == written


def test_names_that_bids_gives_a_meaning_count(tmp_path):
    sound_visit(tmp_path / "P1" / "baseline")
    one, two = (tmp_path / "P1" / "baseline" / f"x_echo-{n}_MESE.nii.gz" for n in (1, 2))
    one.write_bytes(b"one")
    two.write_bytes(b"two")
    before = visit_basis(visit(tmp_path), Protocol(), LabelFolders())
    one.write_bytes(b"two")
    two.write_bytes(b"one")
    assert visit_basis(visit(tmp_path), Protocol(), LabelFolders()) != before


def test_a_sidecar_above_the_visit_counts_where_its_echoes_inherit_it(tmp_path, monkeypatch):
    monkeypatch.setattr("t2disc.store.stamps._FRESH_NS", -(10**18))
    folder = tmp_path / "sub-1" / "ses-a"
    (folder / "anat").mkdir(parents=True)
    (tmp_path / "dataset_description.json").write_text("{}")
    for n in (1, 2):
        (folder / "anat" / f"sub-1_ses-a_echo-{n}_MESE.nii.gz").write_bytes(b"echo")

    def told() -> tuple[object, str | None]:
        """What the contents tell, and the stamp by which they are known unread."""
        (found,) = find_visits(tmp_path)
        assert found.stamp is not None
        return visit_basis(found, Protocol(), LabelFolders()), found.stamp

    without = told()
    (tmp_path / "task-x_MESE.json").write_text("{}")
    assert told() == without
    (tmp_path / "MESE.json").write_text('{"RepetitionTime": 1}')
    one = told()
    (tmp_path / "MESE.json").write_text('{"RepetitionTime": 12}')
    other = told()
    for earlier, later in ((without, one), (one, other), (without, other)):
        assert earlier[0] != later[0]
        assert earlier[1] != later[1]


def test_what_cannot_be_told_has_no_check_sums(folder):
    path = correct(folder, BASELINE)
    copy(path, path.with_name(f"{BASELINE}_dseg.nii.gz"))
    assert visit_basis(visit(folder), Protocol(), LabelFolders(corrections=folder / "corrections")) is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_in_the_place_of_a_correction_is_not_waited_for(folder):
    (folder / "corrections").mkdir()
    os.mkfifo(folder / "corrections" / f"{BASELINE}_dseg.nii.gz")
    assert visit_basis(visit(folder), Protocol(), LabelFolders(corrections=folder / "corrections")) is None
    assert "sub-P1/ses-baseline  quarantined [labels-unreadable]" in fit(folder).stdout
