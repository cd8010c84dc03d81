"""Which visits a study folder holds: three layouts, keyed pseudonyms, and refusals instead of guesses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydicom.uid import EnhancedSRStorage, MediaStorageDirectoryStorage
from slices import fake_slice, write

from t2disc import find_visits
from t2disc.errors import DicomUnreadable, PseudonymKeyMissing, T2DiscError
from t2disc.model.protocol import Protocol, StudySettings
from t2disc.study import (
    PseudonymKey,
    detect_layout,
    participant_warnings,
    read_key,
    read_or_lend_key,
    read_or_make_key,
)
from t2disc.study.pseudonym import KEY_FILE, KEY_VARIABLE, pseudonym

KEY = PseudonymKey(secret=b"a secret of the study")


@pytest.fixture(autouse=True)
def _no_key_from_outside(monkeypatch):
    monkeypatch.delenv(KEY_VARIABLE, raising=False)


def visit(folder: Path, date: str | None = "20240102", patient: str = "ID-1") -> None:
    write(folder, [fake_slice(StudyDate=date, AcquisitionDate=date, PatientID=patient)])


def heap(folder: Path, *who: tuple[str, str | None]) -> Path:
    slices = [fake_slice(PatientID=patient, StudyDate=date, AcquisitionDate=date) for patient, date in who]
    return write(folder, slices, name="x{:02d}".format)


def report(folder: Path, name: str, patient: str = "A", date: str = "20240101") -> None:
    """Write a DICOM object that is no image."""
    other = fake_slice(SOPClassUID=EnhancedSRStorage, Modality="SR", PatientID=patient, StudyDate=date)
    del other.PixelData
    write(folder, [other], name=lambda _: name)


def cut(path: Path, before: bytes) -> None:
    """Damage a file: keep what comes before some bytes of its header."""
    content = path.read_bytes()
    path.write_bytes(content[: content.index(before)])


def keys(study: Path, **kwargs) -> list[str]:
    return [visit.key for visit in find_visits(study, **kwargs)]


def code(study: Path, **kwargs) -> str:
    with pytest.raises(T2DiscError) as refusal:
        find_visits(study, **kwargs)
    assert str(study) not in str(refusal.value)
    return refusal.value.code


# ------------------------------------------------------------------------------------------------ folders
def test_folders_become_participants_and_visits_in_order_of_date(tmp_path):
    visit(tmp_path / "P 01" / "b_later" / "deep" / "er", "20250102")
    visit(tmp_path / "P 01" / "z first", "20240102")
    visit(tmp_path / "sub-02" / "ses-M0")
    found = find_visits(tmp_path)
    assert [visit.key for visit in found] == ["sub-02/ses-M0", "sub-P01/ses-zfirst", "sub-P01/ses-blater"]
    assert [visit.acquisition_date for visit in found] == ["2024-01-02", "2024-01-02", "2025-01-02"]


def test_the_date_of_a_visit_is_that_of_acquisition_and_not_that_of_study(tmp_path):
    for name, study_date, date in (("red", "20240301", "20240102"), ("blue", "20240201", "20240103")):
        write(tmp_path / "P1" / name, [fake_slice(StudyDate=study_date, AcquisitionDate=date)])
    assert [(visit.session_id, visit.acquisition_date) for visit in find_visits(tmp_path)] == [
        ("ses-red", "2024-01-02"),
        ("ses-blue", "2024-01-03"),
    ]


def test_a_damaged_first_file_does_not_hide_the_date_of_a_visit(tmp_path):
    visit(tmp_path / "P1" / "baseline")
    (tmp_path / "P1" / "baseline" / "a").write_bytes(bytes(128) + b"DICM" + b"\xff" * 40)
    assert find_visits(tmp_path)[0].acquisition_date == "2024-01-02"


def test_placeholder_dates_leave_the_order_to_names(tmp_path):
    visit(tmp_path / "P1" / "month12", "18000101")
    visit(tmp_path / "P1" / "baseline", "18500101")
    assert keys(tmp_path) == ["sub-P1/ses-baseline", "sub-P1/ses-month12"]


def test_visits_whose_order_is_unknown_are_still_found(tmp_path):
    visit(tmp_path / "P1" / "red", None)
    visit(tmp_path / "P1" / "blue", None)
    assert keys(tmp_path) == ["sub-P1/ses-blue", "sub-P1/ses-red"]


def test_side_folders_are_no_participants(tmp_path):
    visit(tmp_path / "P1" / "baseline")
    for name in ("derivatives", "labels", "sourcedata", ".hidden", "out", "Labels", "corrections", "Corrections"):
        visit(tmp_path / name / "baseline")
    derived = tmp_path / "older"
    visit(derived / "baseline")
    (derived / "dataset_description.json").write_text('{"DatasetType": "derivative"}')
    assert keys(tmp_path, ignore=[tmp_path / "out"]) == ["sub-P1/ses-baseline"]


def test_an_empty_visit_folder_is_a_visit_and_not_dropped(tmp_path):
    visit(tmp_path / "P1" / "baseline")
    (tmp_path / "P1" / "month12").mkdir()
    assert "sub-P1/ses-month12" in keys(tmp_path)


@pytest.mark.parametrize(("one", "two"), [("P-1", "P 1"), ("p1", "P1"), ("sub-P1", "P1")])
def test_two_folders_with_one_label_are_refused(tmp_path, one, two):
    visit(tmp_path / one / "baseline")
    visit(tmp_path / two / "baseline")
    assert code(tmp_path) == "name-collision"


def test_two_visits_with_one_label_are_refused(tmp_path):
    visit(tmp_path / "P1" / "month 1")
    visit(tmp_path / "P1" / "month-1")
    assert code(tmp_path) == "name-collision"


def test_files_without_a_visit_folder_are_refused(tmp_path):
    visit(tmp_path / "P1")
    assert code(tmp_path) == "layout-unclear"


def test_images_beside_visit_folders_are_refused_but_a_note_is_not(tmp_path):
    visit(tmp_path / "P1" / "baseline")
    (tmp_path / "P1" / "note.txt").write_text("remember")
    assert keys(tmp_path) == ["sub-P1/ses-baseline"]
    visit(tmp_path / "P1")
    assert code(tmp_path) == "layout-unclear"


def test_a_folder_of_documents_is_no_participant_and_what_may_hold_images_is_not_passed_over(tmp_path):
    visit(tmp_path / "P1" / "baseline")
    (tmp_path / "forms").mkdir()
    (tmp_path / "forms" / "consent.PDF").touch()
    visits = find_visits(tmp_path)
    assert [found.key for found in visits] == ["sub-P1/ses-baseline"]
    warnings = list(participant_warnings(tmp_path, visits, Protocol()))
    assert warnings == ["sub-forms: the participant's folder holds no visit folder"]
    (tmp_path / "forms" / "baseline.zip").touch()
    assert code(tmp_path) == "layout-unclear"


def test_images_beside_participant_folders_are_refused(tmp_path):
    visit(tmp_path / "P1" / "baseline")
    visit(tmp_path)
    assert code(tmp_path) == "layout-unclear"


@pytest.mark.parametrize("keep_until", [b"ID-1", b"1.2.3.4"], ids=["of nobody", "of somebody"])
def test_a_damaged_image_beside_participant_folders_is_refused_too(tmp_path, keep_until):
    visit(tmp_path / "P1" / "baseline")
    visit(tmp_path)
    cut(tmp_path / "im0000", keep_until)
    assert code(tmp_path) == "layout-unclear"


def test_an_index_of_media_beside_participant_folders_does_no_harm(tmp_path):
    visit(tmp_path / "P1" / "baseline")
    index = fake_slice(SOPClassUID=None)
    index.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    write(tmp_path, [index], name=lambda _: "DICOMDIR")
    assert keys(tmp_path) == ["sub-P1/ses-baseline"]


def test_a_name_without_letters_is_refused(tmp_path):
    visit(tmp_path / "___" / "baseline")
    assert code(tmp_path) == "layout-unclear"


def test_a_label_of_64_characters_is_kept_and_a_longer_one_refused(tmp_path):
    visit(tmp_path / ("P" * 64) / ("v" * 64))
    assert keys(tmp_path) == [f"sub-{'P' * 64}/ses-{'v' * 64}"]
    visit(tmp_path / "P1" / ("v" * 65))
    with pytest.raises(T2DiscError, match=r"ses-vvv.*65 letters.*at most 64") as refusal:
        find_visits(tmp_path)
    assert refusal.value.code == "layout-unclear"


def test_a_folder_skipped_as_a_derived_dataset_is_named_unless_it_is_the_output(tmp_path):
    visit(tmp_path / "P1" / "baseline")
    for name in ("P2", "out", "a\nline"):
        visit(tmp_path / name / "baseline")
        (tmp_path / name / "dataset_description.json").write_text('{"DatasetType": "derivative"}')
    named = missing(tmp_path, ignore=[tmp_path / "out"])
    assert [text.split(":")[0] for text in named] == ["folder P2", "folder a_line"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_that_says_dataset_description_does_not_stop_the_search(tmp_path):
    visit(tmp_path / "P1" / "baseline")
    os.mkfifo(tmp_path / "P1" / "dataset_description.json")
    assert keys(tmp_path) == ["sub-P1/ses-baseline"]


def test_no_folder_and_an_empty_folder_have_codes(tmp_path):
    assert code(tmp_path / "nowhere") == "study-not-found"
    assert code(tmp_path) == "no-visits"
    (tmp_path / "P1").mkdir()
    assert code(tmp_path) == "no-visits"


# ------------------------------------------------------------------------------------------------ BIDS
def test_bids_keeps_its_names_and_a_participant_without_sessions_has_one(tmp_path):
    (tmp_path / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.9.0"}')
    (tmp_path / "sub-01" / "anat").mkdir(parents=True)
    (tmp_path / "sub-02" / "ses-b" / "anat").mkdir(parents=True)
    (tmp_path / "code2").mkdir()
    assert detect_layout(tmp_path) == "bids"
    assert keys(tmp_path) == ["sub-01/ses-01", "sub-02/ses-b"]


def test_sub_folders_without_bids_files_are_plain_folders(tmp_path):
    visit(tmp_path / "sub-01" / "month12")
    assert detect_layout(tmp_path) == "folders"
    assert keys(tmp_path) == ["sub-01/ses-month12"]


# ------------------------------------------------------------------------------------------------ heap
def test_a_heap_is_told_apart_by_patient_and_date(tmp_path):
    heap(tmp_path, ("A", "20250101"), ("B", "20240101"), ("A", "20240101"), ("A", "20250101"))
    (tmp_path / "readme.txt").write_text("no image")
    found = {visit.key: visit for visit in find_visits(tmp_path, key=KEY)}
    a, b = pseudonym("A", KEY), pseudonym("B", KEY)
    assert {key: len(visit.files) for key, visit in found.items()} == {
        f"{a}/ses-01": 1,
        f"{a}/ses-02": 2,
        f"{b}/ses-01": 1,
    }
    assert found[f"{a}/ses-02"].acquisition_date == "2025-01-01"


def test_a_heap_in_folders_is_read_when_asked_for(tmp_path):
    heap(tmp_path / "DICOM" / "000", ("A", "20250101"))
    heap(tmp_path / "DICOM" / "001", ("A", "20250101"))
    heap(tmp_path / "derivatives" / "001", ("A", "20250101"))
    protocol = Protocol(study=StudySettings(layout="heap"))
    (found,) = find_visits(tmp_path, protocol, key=KEY)
    assert len(found.files) == 2


def test_images_without_patient_id_make_no_heap(tmp_path):
    heap(tmp_path, ("A", "20250101"), ("", "20250101"))
    assert code(tmp_path, key=KEY) == "layout-unclear"


def test_a_damaged_file_of_a_heap_goes_to_the_visit_whose_it_is(tmp_path):
    heap(tmp_path, ("A", "20240101"), ("A", "20240101"), ("B", "20240101"))
    cut(tmp_path / "x01", b"1.2.3.4")  # the Series Instance UID, behind the PatientID
    found = {visit.key: len(visit.files) for visit in find_visits(tmp_path, key=KEY)}
    assert found == {f"{pseudonym('A', KEY)}/ses-01": 2, f"{pseudonym('B', KEY)}/ses-01": 1}


def test_objects_that_are_no_images_go_to_the_visit_whose_they_are(tmp_path):
    heap(tmp_path, ("A", "20240101"))
    report(tmp_path, "r1")
    report(tmp_path, "r2", date="20240505")
    found = {visit.key: len(visit.files) for visit in find_visits(tmp_path, key=KEY)}
    assert found == {f"{pseudonym('A', KEY)}/ses-01": 2, f"{pseudonym('A', KEY)}/ses-02": 1}


def test_damaged_files_of_a_heap_that_do_not_tell_whose_they_are_are_counted_and_refused(tmp_path):
    heap(tmp_path, ("A", "20240101"), ("A", "20240101"), ("B", "20240101"))
    for name in ("x00", "x02"):
        cut(tmp_path / name, b"LO")  # of the first element that tells who
    with pytest.raises(DicomUnreadable, match="2 damaged DICOM files") as refusal:
        find_visits(tmp_path, key=KEY)
    assert "export them again" in refusal.value.todo


def test_a_heap_is_dated_by_acquisition_and_told_apart_by_study(tmp_path):
    slices = [fake_slice(PatientID="A", StudyDate="20240101", AcquisitionDate=date) for date in ("20240103",) * 2]
    slices += [fake_slice(PatientID="A", StudyDate="20240102", AcquisitionDate="20240102")]
    write(tmp_path, slices)
    found = {visit.session_id: visit for visit in find_visits(tmp_path, key=KEY)}
    assert {name: len(visit.files) for name, visit in found.items()} == {"ses-01": 2, "ses-02": 1}
    assert list(found) == ["ses-02", "ses-01"]
    assert found["ses-01"].acquisition_date == "2024-01-03"


def test_undated_images_are_a_visit_of_their_own(tmp_path):
    heap(tmp_path, ("A", None), ("A", "20240101"), ("B", None))
    assert {key.split("/")[1] for key in keys(tmp_path, key=KEY)} == {"ses-01", "ses-undated"}


def test_pseudonyms_depend_on_the_key_and_hide_the_patient():
    other = PseudonymKey(secret=b"another secret of a study")
    assert pseudonym("A", KEY) == pseudonym(" A ", KEY) != pseudonym("A", other)
    assert pseudonym("A", KEY).removeprefix("sub-").isalnum()
    assert "secret" not in repr(KEY).removeprefix("PseudonymKey(").replace("is_provisional", "")


def test_a_heap_without_a_key_is_refused(tmp_path):
    heap(tmp_path, ("A", "20250101"))
    assert code(tmp_path) == "pseudonym-key-missing"


def test_the_key_is_made_once_and_read_by_its_owner_alone(tmp_path):
    key = read_or_make_key(tmp_path)
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert read_or_make_key(tmp_path) == read_key(tmp_path) == key
    assert not key.is_provisional


def test_looking_makes_no_key(tmp_path):
    assert read_or_lend_key(tmp_path).is_provisional
    assert list(tmp_path.iterdir()) == []


def test_the_key_from_the_environment_comes_first(tmp_path, monkeypatch):
    read_or_make_key(tmp_path)
    monkeypatch.setenv(KEY_VARIABLE, "x" * 16)
    assert read_key(tmp_path).secret == b"x" * 16
    monkeypatch.setenv(KEY_VARIABLE, "short")
    with pytest.raises(T2DiscError) as refusal:
        read_key(tmp_path)
    assert refusal.value.code == "pseudonym-key-missing"
    assert "short" not in refusal.value.found
    assert KEY_VARIABLE in refusal.value.todo
    assert KEY_FILE not in refusal.value.todo


def test_a_stored_key_that_is_too_short_or_no_small_file_is_refused(tmp_path):
    (tmp_path / KEY_FILE).write_bytes(b"short")
    with pytest.raises(T2DiscError) as refusal:
        read_or_make_key(tmp_path)
    assert KEY_FILE in refusal.value.todo
    (tmp_path / KEY_FILE).write_bytes(bytes(2**20 + 1))
    with pytest.raises(PseudonymKeyMissing, match="more than 1 MiB"):
        read_or_make_key(tmp_path)
    (tmp_path / KEY_FILE).unlink()
    (tmp_path / KEY_FILE).mkdir()
    with pytest.raises(PseudonymKeyMissing, match="no regular file"):
        read_or_make_key(tmp_path)


# ------------------------------------------------------------------------------------------------ participants.tsv
def participants(study: Path, text: str) -> None:
    (study / "participants.tsv").write_text(text, encoding="utf-8")


def test_the_treated_level_is_read_in_any_spelling(tmp_path):
    for name in ("P1", "P 2", "P3"):
        visit(tmp_path / name / "baseline")
    participants(
        tmp_path, "participant_id\tage\tindex_level\nP1\t50\tL4-L5\nsub-P2\t60\tl5s1\nX\t1\tL1/L2\nP3\t2\tn/a\n"
    )
    assert [visit.index_level for visit in find_visits(tmp_path)] == ["L4/L5", "L5/S1", None]


@pytest.mark.parametrize(
    "text",
    [
        "participant_id\tindex_level\nP1\tL4/L5\nsub-P1\tL5/S1\n",
        "participant_id\tindex_level\nP1\tL4\n",
        "participant_id\tindex level\nP1\tL4/L5\n",
        "participant_id,index_level\nP1,L4/L5\n",
        "id\tindex_level\nP1\tL4/L5\n",
        "participant_id\tindex_level\n\tL4/L5\n",
        "participant_id\tindex_level\nP1\tL4/L5\np1\tL4/L5\n",
        f"participant_id\tindex_level\n{'P' * 65}\tL4/L5\n",
        f"participant_id\tindex_level\nP1\t{'x' * 200_000}\n",
        "participant_id\tindex_level\n" + "\n" * 2**20,
    ],
    ids=[
        "twice",
        "no level",
        "misspelt column",
        "commas",
        "no participant column",
        "no participant",
        "twice, case aside",
        "too long a name",
        "too long a field",
        "too large",
    ],
)
def test_a_doubtful_table_of_participants_is_refused(tmp_path, text):
    visit(tmp_path / "P1" / "baseline")
    participants(tmp_path, text)
    assert code(tmp_path) == "participants-invalid"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_in_the_place_of_the_table_is_refused_and_not_waited_for(tmp_path):
    visit(tmp_path / "P1" / "baseline")
    os.mkfifo(tmp_path / "participants.tsv")
    assert code(tmp_path) == "participants-invalid"


def test_participants_are_matched_case_aside(tmp_path):
    visit(tmp_path / "P1a" / "baseline")
    participants(tmp_path, "participant_id\tindex_level\np1A\tL4/L5\n")
    assert find_visits(tmp_path)[0].index_level == "L4/L5"
    assert missing(tmp_path) == []


def test_a_participant_twice_is_refused_by_line_and_not_by_name(tmp_path):
    heap(tmp_path, ("CANARY", "20250101"))
    participants(tmp_path, "participant_id\tindex_level\nCANARY\tL4/L5\n\nCANARY\tL5/S1\n")
    with pytest.raises(T2DiscError, match="lines 2 and 4") as refusal:
        find_visits(tmp_path, key=KEY)
    assert "CANARY" not in str(refusal.value)


def missing(study: Path, **kwargs) -> list[str]:
    found = find_visits(study, **kwargs)
    return list(participant_warnings(study, found, Protocol(), **kwargs))


def test_a_participant_without_visit_folders_is_named(tmp_path):
    visit(tmp_path / "P1" / "baseline")
    (tmp_path / "P 2").mkdir()
    (named,) = missing(tmp_path)
    assert named.startswith("sub-P2: ")


def test_rows_of_the_table_that_match_nobody_are_named(tmp_path):
    visit(tmp_path / "P1" / "baseline")
    (tmp_path / "P2").mkdir()
    participants(tmp_path, "participant_id\tindex_level\nP1\tL4/L5\nP2\tL4/L5\nPl\tn/a\n")
    named = missing(tmp_path)
    assert len(named) == 2
    assert "line 4: sub-Pl" in named[1]


def test_rows_of_a_heap_that_match_nobody_are_told_by_line_alone(tmp_path):
    heap(tmp_path, ("A", "20250101"), ("B", "20250101"))
    rows = f"A\tL4/L5\n{pseudonym('B', KEY)}\tL5/S1\nCANARY\tL4/L5\n"
    participants(tmp_path, "participant_id\tindex_level\n" + rows)
    (named,) = missing(tmp_path, key=KEY)
    assert "line 4" in named
    assert "CANARY" not in named


def test_a_table_without_levels_names_none(tmp_path):
    visit(tmp_path / "P1" / "baseline")
    participants(tmp_path, "participant_id\tage\nP1\t50\n")
    assert find_visits(tmp_path)[0].index_level is None


def test_a_heap_may_name_participants_by_patient_id_or_by_pseudonym(tmp_path):
    heap(tmp_path, ("A", "20250101"), ("B", "20250101"))
    participants(tmp_path, f"participant_id\tindex_level\nA\tL4/L5\n{pseudonym('B', KEY)}\tL5/S1\n")
    levels = {visit.participant_id: visit.index_level for visit in find_visits(tmp_path, key=KEY)}
    assert levels == {pseudonym("A", KEY): "L4/L5", pseudonym("B", KEY): "L5/S1"}
