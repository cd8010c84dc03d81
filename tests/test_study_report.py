"""Reports of a study from its outputs alone: whose pages there are, what they say, what they never hold."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pydicom
import pytest
from studies import broken_visit, small_study, tree
from test_qc_report import checked

from t2disc.batch import RunSettings, run_study
from t2disc.cli import main
from t2disc.errors import StudyNotFound
from t2disc.model.checks import GRADES
from t2disc.model.protocol import FitSettings, Protocol
from t2disc.study import find_visits, read_protocol, write_reports

CANARY = "CANARY<b>"
KEPT = """
SOPClassUID SOPInstanceUID StudyInstanceUID SeriesInstanceUID FrameOfReferenceUID Modality ImageType MRAcquisitionType
PhotometricInterpretation ScanningSequence SequenceVariant PatientID StudyDate AcquisitionDate SpecificCharacterSet
Manufacturer ManufacturerModelName SoftwareVersions ReceiveCoilName
"""  # elements that decide what a file is and whose it is, and those that outputs may name (SECURITY.md)
TEXT = {"PN", "LO", "SH", "ST", "LT", "UT", "CS", "UC"}


def marked(folder: Path) -> None:
    """Put the canary into every free text element of every file below a folder, present or usual."""
    for path in folder.rglob("scan/*"):
        ds = pydicom.dcmread(path)
        for element in ds:
            if element.VR in TEXT and element.keyword not in KEPT.split():
                element.value = CANARY.upper()[:16] if element.VR == "CS" else CANARY
        ds.PatientName, ds.InstitutionName, ds.SeriesDescription, ds.ProtocolName = (CANARY,) * 4
        ds.ReferringPhysicianName, ds.StudyDescription, ds.ImageComments = (CANARY,) * 3
        ds.save_as(path)


def measure(study: Path, out: Path, **fit: object) -> Path:
    protocol = Protocol(fit=FitSettings(**fit))
    settings = RunSettings(
        out=out, protocol=protocol, labels_dir=study / "labels", corrections_dir=study / "corrections"
    )
    ignore = (out, study / "labels")
    run_study(find_visits(study, protocol, ignore=ignore, key=None), settings)
    return out


@pytest.fixture(scope="module")
def out(tmp_path_factory) -> Path:
    study = small_study(tmp_path_factory.mktemp("reports") / "study")
    marked(study)
    broken_visit(study / "P1" / "month24")
    return measure(study, study.parent / "out", compare=("rician",))


def test_there_is_a_page_for_each_participant_and_an_index_of_all_visits(out):
    pages = [path.as_posix() for path in write_reports(out)]
    assert pages == ["sub-P1/sub-P1_report.html", "index.html"]
    html = (out / pages[0]).read_text()
    checker = checked(html)
    assert {"visit-baseline-slices", "change-month12-slices", "change-month12-intervals"} <= set(checker.ids)
    assert "60.0" in html  # T2 of the factory's slices
    assert "quarantined [slice-missing]" in html
    assert "T2 by signal model" in html
    assert "rician" in html
    index = checked((out / "index.html").read_text())
    assert index.addresses.count("sub-P1/sub-P1_report.html") == 3
    assert (out / pages[0]).stat().st_size < 3e6


def test_nothing_of_a_header_reaches_a_page(out):
    write_reports(out)
    for name, content in tree(out).items():
        assert b"CANARY" not in content, name


def test_a_page_asks_for_nothing_from_outside(out):
    write_reports(out)
    for page in (out / "index.html", out / "sub-P1" / "sub-P1_report.html"):
        html = page.read_text()
        assert not re.search(r"https?://|url\((?!\"data:)", html)


def test_reports_written_again_are_the_same_and_a_map_that_is_lost_is_told(out, tmp_path):
    copy = tmp_path / "out"
    shutil.copytree(out, copy)
    write_reports(copy)
    before = tree(copy)
    write_reports(copy)
    assert tree(copy) == before
    (copy / "sub-P1/ses-baseline/anat/sub-P1_ses-baseline_T2map.nii.gz").write_bytes(b"")
    write_reports(copy)
    assert "its maps cannot be read back" in (copy / "sub-P1" / "sub-P1_report.html").read_text()


def test_grades_and_open_checks_stand_in_the_pages_where_the_protocol_expects_anything(out, tmp_path):
    copy = tmp_path / "out"
    shutil.copytree(out, copy)
    (tmp_path / "p.toml").write_text("[checks.scan]\nfield_strength_t = { expected = 7.0 }\n")
    write_reports(copy, read_protocol(tmp_path / "p.toml"))
    html = (copy / "sub-P1" / "sub-P1_report.html").read_text()
    assert "Checks at ses-baseline: " in html
    assert "scan.field_strength_t" in html
    word = html.split("Checks at ses-baseline: ")[1].split("<")[0]
    assert word in GRADES
    assert word != "optimal", "no scan of 7 T is among them"
    assert (copy / "index.html").read_text().count(f"<td>{word}</td>") >= 2
    write_reports(copy)
    assert "Checks at" not in (copy / "sub-P1" / "sub-P1_report.html").read_text()
    assert (copy / "index.html").read_text().count(f"<td>{word}</td>") <= 1  # the refused visit is graded anyhow


def test_a_folder_without_outputs_is_refused(tmp_path):
    with pytest.raises(StudyNotFound):
        write_reports(tmp_path)


def test_the_command_writes_them(out, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["report", str(out)])
    assert stop.value.code == 0
    assert "1 report and" in capsys.readouterr().out
