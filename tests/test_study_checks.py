"""Every check of the protocol on simulated visits: as asked, broken, and de-identified so that it cannot be made."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args

import nibabel as nib
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from typer.testing import CliRunner, Result

from t2disc.cli.app import app
from t2disc.ingest import take_inventory
from t2disc.measure import compare_acquisitions
from t2disc.model import Acquisition, EchoMotion, EchoShift, EchoState, Visit
from t2disc.model.checksettings import CheckSettings, DriftFact, PairChecks, ScanChecks, SignalChecks
from t2disc.qc import check_pair
from t2disc.simulate import default_study, simulate_study
from t2disc.store import VisitRecord
from t2disc.study import check_record, inspect_visit, inspection_checks, read_protocol

SCAN = """
[checks.scan]
echo_times_ms = { expected = [10, 20, 30, 40, 50, 60, 70, 80] }
repetition_time_ms = { expected = 2000 }
field_strength_t = { expected = 3.0 }
voxel_size_mm = { expected = [2.2, 2.2, 4.4] }
slice_thickness_mm = { expected = 4.0 }
orientation = { expected = "sagittal" }
vendor = { expected = ["Siemens"] }
scanner_model = { expected = ["Skyra*"] }
software = { expected = ["syngo*"], severity = "minor" }
time_of_day = { earliest = "07:00", latest = "12:00" }
"""
EVERYTHING = f"""{SCAN}
coverage = {{}}
[checks.signal]
snr = {{ least = 20 }}
flagged_pct = {{ any = {{ most = 10 }}, low_snr = {{ most = 5 }} }}
chi2_red = {{ most = 3 }}
odd_even = {{ most = 0.05 }}
labels = {{}}
echo_motion_mm = {{ most = 1 }}
[checks.pair]
interval_days = {{ month12 = {{ expected = 365 }} }}
time_of_day_difference_h = {{ most = 3 }}
match = {{ }}
match_correlation = {{ least = 0.6 }}
match_inverse_mm = {{ most = 0.5 }}
[checks.pair.same]
scanner = "major"
software = "minor"
field_strength = "major"
first_echo_time = "major"
echo_spacing = "major"
n_echoes = "major"
repetition_time = "minor"
flip_angle = "minor"
voxel_size = "minor"
slice_thickness = "minor"
"""
DEVICE = ("Manufacturer", "ManufacturerModelName", "SoftwareVersions", "MagneticFieldStrength", "ReceiveCoilName")
DAY = ("AcquisitionDate", "AcquisitionTime", "AcquisitionDateTime", "SeriesDate", "ContentDate", "StudyDate")
DE_IDENTIFIED = (*DEVICE, *DAY, "RepetitionTime", "SliceThickness", "FlipAngle")


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def simulated(tmp_path_factory) -> Path:
    """A tiny study with air about the body, so that sigma does not rest on the residuals that it judges."""
    folder = tmp_path_factory.mktemp("checks") / "study"
    recipe = default_study(1, ("siemens",), seed=3, size="tiny")
    (person,) = recipe.participants
    wide = [replace(visit, acquisition=replace(visit.acquisition, columns=176)) for visit in person.visits]
    for file in simulate_study(replace(recipe, participants=(replace(person, visits=tuple(wide)),))):
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
    return folder


def edit(folder: Path, change: Callable[[Dataset], None]) -> Path:
    """Change every DICOM file below a folder in its place."""
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        ds = dcmread(path)
        change(ds)
        ds.save_as(path)
    return folder


def is_echo(ds: Dataset) -> bool:
    """Whether an image is one of those that are measured."""
    return ds.SeriesNumber == 4 and "MEAN" not in ds.ImageType


def setting(**elements: object) -> Callable[[Dataset], None]:
    def change(ds: Dataset) -> None:
        for keyword, value in elements.items():
            setattr(ds, keyword, value)

    return change


def without(*keywords: str) -> Callable[[Dataset], None]:
    def change(ds: Dataset) -> None:
        for keyword in keywords:
            if keyword in ds:
                delattr(ds, keyword)

    return change


def late_echoes(ds: Dataset) -> None:
    ds.EchoTime = float(ds.EchoTime) + 0.2


def narrower(ds: Dataset) -> None:
    ds.PixelSpacing = [0.9 * float(size) for size in ds.PixelSpacing]


def turned(ds: Dataset) -> None:
    """Turn the slices by 90 degrees about the body's long axis."""
    x, y, z, u, v, w = map(float, ds.ImageOrientationPatient)
    ds.ImageOrientationPatient = [-y, x, z, -v, u, w]
    a, b, c = map(float, ds.ImagePositionPatient)
    ds.ImagePositionPatient = [-b, a, c]


def protocol_file(folder: Path, text: str) -> Path:
    path = folder / "protocol.toml"
    path.write_text(text)
    return path


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def outcomes(out: Path, session: str) -> dict[tuple[str, str], str]:
    """What came out, by check and level."""
    told = [row for row in rows(out / "checks.tsv") if row["session_id"] == session]
    found = {(row["check"], row["level"]): row["outcome"] for row in told}
    assert len(found) == len(told)
    return found


def grades(out: Path) -> dict[str, tuple[str, str]]:
    return {row["session_id"]: (row["grade"], row["grade_reasons"]) for row in rows(out / "visits.tsv")}


# ------------------------------------------------------------------------------------------------ headers
@pytest.fixture(scope="module")
def echoes(simulated, tmp_path_factory) -> Path:
    """The images that are measured, of both visits, and nothing else."""
    folder = tmp_path_factory.mktemp("echoes")
    for name in ("baseline", "month12"):
        (folder / name).mkdir()
        for path in sorted((simulated / "P001" / name).rglob("*")):
            if path.is_file() and is_echo(dcmread(path)):
                shutil.copy(path, folder / name)
    return folder


@pytest.fixture
def visit(echoes, tmp_path) -> Path:
    return Path(shutil.copytree(echoes / "baseline", tmp_path / "visit"))


def header_checks(folder: Path, tmp_path: Path) -> dict[str, str]:
    protocol = read_protocol(protocol_file(tmp_path, SCAN))
    found = inspect_visit(Visit(participant_id="sub-1", session_id="ses-1", folder=folder), protocol)
    return {check.name: check.outcome for check in inspection_checks(found, protocol.checks)}


NAMES = set(ScanChecks.model_fields) - {"coverage"}  # which needs the images


def test_a_simulated_visit_as_asked_passes_every_check_of_its_headers(visit, tmp_path):
    assert header_checks(visit, tmp_path) == dict.fromkeys(NAMES, "pass")


BROKEN = {
    "echo_times_ms": late_echoes,
    "repetition_time_ms": setting(RepetitionTime=1500),
    "field_strength_t": setting(MagneticFieldStrength=1.5),
    "voxel_size_mm": narrower,
    "slice_thickness_mm": setting(SliceThickness=3.0),
    "orientation": turned,
    "vendor": setting(Manufacturer="UIH"),
    "scanner_model": setting(ManufacturerModelName="Another"),
    "software": setting(SoftwareVersions="another"),
    "time_of_day": setting(AcquisitionTime="183000"),
}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_simulated_visit_that_breaks_one_deviates_there_and_nowhere_else(visit, tmp_path, name):
    assert header_checks(edit(visit, BROKEN[name]), tmp_path) == dict.fromkeys(NAMES, "pass") | {name: "deviation"}


TAKEN = {
    "repetition_time_ms": "RepetitionTime",
    "field_strength_t": "MagneticFieldStrength",
    "slice_thickness_mm": "SliceThickness",
    "vendor": "Manufacturer",
    "scanner_model": "ManufacturerModelName",
    "software": "SoftwareVersions",
    "time_of_day": "AcquisitionTime",
}


@pytest.mark.parametrize("name", sorted(TAKEN))
def test_what_de_identification_took_cannot_be_checked(visit, tmp_path, name):
    found = header_checks(edit(visit, without(TAKEN[name])), tmp_path)
    assert found == dict.fromkeys(NAMES, "pass") | {name: "cannot be checked"}


@pytest.mark.parametrize(
    ("name", "keyword"),
    [
        ("echo_times_ms", "EchoTime"),
        ("voxel_size_mm", "PixelSpacing"),
        ("orientation", "ImageOrientationPatient"),
    ],
)
def test_without_what_t2_needs_the_visit_is_refused_and_nothing_of_it_passes(visit, tmp_path, name, keyword):
    found = header_checks(edit(visit, without(keyword)), tmp_path)
    assert found == dict.fromkeys(NAMES, "cannot be checked")
    assert {*TAKEN, "echo_times_ms", "voxel_size_mm", "orientation"} == NAMES


def test_check_prints_what_passes_deviates_and_cannot_be_checked(simulated, tmp_path):
    folder = Path(shutil.copytree(simulated, tmp_path / "study"))
    shutil.rmtree(folder / "truth")
    edit(folder / "P001" / "month12", setting(ManufacturerModelName="CANARY", SoftwareVersions="CANARY"))
    edit(folder / "P001" / "month12", without("MagneticFieldStrength"))
    result = call("check", folder, "--protocol", protocol_file(tmp_path, f"{SCAN}coverage = {{}}"))
    assert result.exit_code == 0
    before, after = result.stdout.split("sub-P001/ses-month12")
    assert "    pass: echo_times_ms, repetition_time_ms, field_strength_t" in before
    assert "deviation" not in before
    assert "    cannot be checked: coverage (major), expected found whole, found no discs were" in before
    assert "    deviation: scanner_model (minor), expected Skyra*, found another" in after
    assert "    cannot be checked: field_strength_t (major), expected 3 T +- 0.15, found the header does not" in after
    assert "CANARY" not in result.output


# ------------------------------------------------------------------------------------------------ runs
@pytest.fixture(scope="module")
def measured(simulated, tmp_path_factory) -> Path:
    """The simulated study measured under a protocol that it keeps."""
    folder = tmp_path_factory.mktemp("measured")
    protocol = protocol_file(folder, EVERYTHING)
    result = call("fit", simulated, "-o", folder / "out", "--labels", simulated / "labels", "--protocol", protocol)
    assert result.exit_code == 0
    (folder / "stdout.txt").write_text(result.stdout)
    return folder / "out"


def test_a_study_as_asked_is_optimal_and_every_check_was_made(measured):
    assert set(grades(measured).values()) == {("optimal", "n/a")}
    told = rows(measured / "checks.tsv")
    assert {row["outcome"] for row in told} == {"pass"}
    keys = {(row["group"], row["check"].split(".")[0]) for row in told}
    tables = {"scan": ScanChecks, "signal": SignalChecks, "pair": PairChecks}
    assert keys == {(group, name) for group, table in tables.items() for name in table.model_fields}
    assert {row["baseline_session_id"] for row in told if row["group"] == "pair"} == {"ses-baseline"}
    assert "sub-P001/ses-month12  optimal\n" in (measured.parent / "stdout.txt").read_text()


def test_other_checks_judge_anew_and_make_no_map_again(simulated, measured, tmp_path):
    out = Path(shutil.copytree(measured, tmp_path / "out"))
    before = {path: path.stat().st_mtime_ns for path in out.glob("sub-*/**/*") if path.is_file()}
    stricter = EVERYTHING.replace("least = 20", "least = 55").replace("least = 0.6", "least = 0.85")
    stricter = protocol_file(
        tmp_path, stricter.replace("match_inverse_mm = { most = 0.5", "match_inverse_mm = { most = 0.1")
    )
    result = call("fit", simulated, "-o", out, "--labels", simulated / "labels", "--protocol", stricter)
    assert result.stderr.count("nothing has changed") == 3  # two visits and their pair
    assert {path: path.stat().st_mtime_ns for path in before} == before
    word, reasons = grades(out)["ses-baseline"]
    assert (word, reasons) == ("non-evaluable", "snr of L4/L5 deviates (major)")  # the index disc
    assert {name for name, _ in broken(out, "ses-month12")} == {"match_correlation", "match_inverse_mm"}
    result = call("fit", simulated, "-o", out, "--labels", simulated / "labels")
    assert result.stderr.count("nothing has changed") == 3
    assert grades(out)["ses-baseline"] == ("n/a", "n/a")
    assert rows(out / "checks.tsv") == []
    assert "optimal" not in result.stdout


AIR = 120  # no air is brighter


def spoil(ds: Dataset) -> None:
    """Move the body of the last echo by two voxels, and lift the fifth off the decay."""
    if is_echo(ds) and float(ds.EchoTime) == 80.0:
        ds.PixelData = np.roll(ds.pixel_array, 2, axis=0).tobytes()
    if is_echo(ds) and float(ds.EchoTime) == 50.0:
        pixels = ds.pixel_array
        ds.PixelData = np.where(pixels > AIR, 1.5 * pixels, pixels).astype(pixels.dtype).tobytes()


def worsen(ds: Dataset) -> None:
    """Add noise, and lift even echoes above odd ones."""
    if is_echo(ds):
        rng = np.random.default_rng(int(float(ds.EchoTime) * 1000 + abs(float(ds.ImagePositionPatient[0]))))
        pixels = ds.pixel_array * (1.4 if float(ds.EchoTime) % 20 == 0 else 1.0)
        sigma = 130.0
        noisy = np.hypot(pixels + rng.normal(0, sigma, pixels.shape), rng.normal(0, sigma, pixels.shape))
        ds.PixelData = np.round(noisy).astype(ds.pixel_array.dtype).tobytes()


def drop_level(folder: Path, level: str) -> None:
    """Take one disc out of a label map."""
    (image_path,) = folder.rglob("*_dseg.nii.gz")
    (table,) = folder.rglob("*_dseg.tsv")
    lines = table.read_text().splitlines(keepends=True)
    (line,) = (line for line in lines if level in line.split())
    image = nib.load(image_path)
    values = np.asarray(image.dataobj).copy()
    values[values == int(line.split()[0])] = 0
    nib.Nifti1Image(values, image.affine, image.header).to_filename(image_path)
    table.write_text("".join(other for other in lines if other is not line))


@pytest.fixture
def copied(simulated, tmp_path) -> Path:
    return Path(shutil.copytree(simulated, tmp_path / "study"))


def fit(folder: Path, protocol: str) -> Result:
    labels, out = folder / "labels", folder.parent / "out"
    file = protocol_file(folder.parent, protocol)
    return call("fit", folder, "-o", out, "--labels", labels, "--protocol", file)


def test_a_study_that_breaks_the_protocol_deviates_check_by_check(copied):
    """First noise, alternating echoes and a disc too few; a year later motion, another scanner, day and hour."""
    edit(copied / "P001" / "baseline", worsen)
    drop_level(copied / "labels" / "sub-P001" / "ses-baseline", "L4/L5")
    texts = {"ManufacturerModelName": "CANARY", "SoftwareVersions": "CANARY", "PatientComments": "CANARY"}
    days = dict.fromkeys(("AcquisitionDate", "StudyDate", "SeriesDate", "ContentDate"), "20240901")
    edit(copied / "P001" / "month12", setting(**texts, **days, MagneticFieldStrength=1.5, AcquisitionTime="193000"))
    edit(copied / "P001" / "month12", spoil)
    result = fit(copied, EVERYTHING)
    assert result.exit_code == 0
    out = copied.parent / "out"
    assert broken(out, "ses-baseline") >= {
        *((name, "L1/L2") for name in ("snr", "flagged_pct.any", "flagged_pct.low_snr", "odd_even")),
        ("coverage", "L4/L5"),
        ("labels", "L4/L5"),
    }
    assert broken(out, "ses-month12") >= {
        *((name, "n/a") for name in ("scanner_model", "software", "field_strength_t", "time_of_day")),
        *((name, "n/a") for name in ("echo_motion_mm", "interval_days", "time_of_day_difference_h")),
        *((f"same.{name}", "n/a") for name in ("scanner", "software", "field_strength")),
        *((name, "L1/L2") for name in ("chi2_red", "match")),
        ("match", "L4/L5"),
    }
    assert {word for word, _ in grades(out).values()} == {"non-evaluable"}
    assert re.search("sub-P001/ses-month12  non-evaluable: .*same.scanner deviates", result.stdout)
    for text in (result.output, *((out / name).read_text() for name in ("checks.tsv", "checks.json", "visits.tsv"))):
        assert "CANARY" not in text
        assert str(copied) not in text.replace(str(copied.parent / "out"), "")


def broken(out: Path, session: str) -> set[tuple[str, str]]:
    return {key for key, outcome in outcomes(out, session).items() if outcome == "deviation"}


def test_a_de_identified_study_passes_nothing_that_it_no_longer_tells(copied):
    edit(copied / "P001", without(*DE_IDENTIFIED))
    assert fit(copied, EVERYTHING).exit_code == 0
    out = copied.parent / "out"
    taken = {*TAKEN}
    drifts = {"scanner", "software", "field_strength", "repetition_time", "flip_angle", "slice_thickness"}
    for session, more in (
        ("ses-baseline", set()),
        ("ses-month12", {"interval_days", "time_of_day_difference_h", *(f"same.{name}" for name in drifts)}),
    ):
        found = outcomes(out, session)
        assert {name for (name, _), outcome in found.items() if outcome == "cannot be checked"} == taken | more
        assert {outcome for (name, _), outcome in found.items() if name not in taken | more} == {"pass"}
        word, reasons = grades(out)[session]
        assert word == "sub-optimal"
        assert "field_strength_t cannot be checked (major)" in reasons


def test_a_refused_visit_passes_nothing_and_neither_does_its_pair(copied):
    edit(copied / "P001" / "baseline", without("EchoTime"))
    assert fit(copied, EVERYTHING).exit_code == 3
    out = copied.parent / "out"
    assert set(outcomes(out, "ses-baseline").values()) == {"cannot be checked"}
    assert grades(out)["ses-baseline"] == ("non-evaluable", "refused: echo-time-missing")
    pair = {row["outcome"] for row in rows(out / "checks.tsv") if row["group"] == "pair"}
    assert pair == {"cannot be checked"}
    assert grades(out)["ses-month12"][0] == "sub-optimal"


def test_a_visit_without_the_scan_was_not_done(simulated, tmp_path):
    for path in sorted((simulated / "P001" / "baseline").rglob("*")):
        if path.is_file() and not is_echo(dcmread(path)):
            (tmp_path / "study" / "P1" / "M0").mkdir(parents=True, exist_ok=True)
            shutil.copy(path, tmp_path / "study" / "P1" / "M0")
    result = call("fit", tmp_path / "study", "-o", tmp_path / "out")
    assert result.exit_code == 3
    (row,) = rows(tmp_path / "out" / "visits.tsv")
    assert (row["grade"], row["grade_reasons"]) == ("not done", f"refused: {row['code']}")


@pytest.mark.parametrize(
    ("session", "is_later", "n_checks"),
    [("ses-month12", False, 2), ("ses-month12", True, 2), ("ses-baseline", False, 1), ("ses-other", True, 1)],
)
def test_a_later_visit_whose_baseline_never_came_is_not_optimal(session, is_later, n_checks):
    """A visit that the protocol names as a later one is checked as one, alone or not."""
    asked = {"pair": {"interval_days": {"month12": {"expected": 365}}}, "signal": {"echo_motion_mm": {"most": 1}}}
    motion = EchoMotion(threshold_mm=0.5, echoes=(EchoShift(echo_time_ms=20, state=EchoState.LEFT, displacement_mm=0),))
    record = VisitRecord(participant_id="sub-1", session_id=session, status="done", levels=("L4/L5",), motion=motion)
    told, grade = check_record(record, None, CheckSettings.model_validate(asked), is_later=is_later)
    assert len(told) == n_checks
    assert grade.word == ("optimal" if n_checks == 1 else "sub-optimal")


# ------------------------------------------------------------------------------------------------ drift
def with_coil(facts: Acquisition) -> Acquisition:
    """Name a coil where the header names none."""
    return replace(facts, receive_coil=facts.receive_coil or "Spine")


DRIFTED = {
    "scanner": setting(ManufacturerModelName="Another"),
    "software": setting(SoftwareVersions="another"),
    "receive_coil": setting(ReceiveCoilName="Body"),
    "field_strength": setting(MagneticFieldStrength=1.5),
    "first_echo_time": late_echoes,
    "echo_spacing": lambda ds: setattr(ds, "EchoTime", 10 + 1.1 * (float(ds.EchoTime) - 10)),
    "repetition_time": setting(RepetitionTime=1500),
    "flip_angle": setting(FlipAngle=150),
    "voxel_size": narrower,
    "slice_thickness": setting(SliceThickness=3.0),
}


@pytest.mark.parametrize("fact", sorted(DRIFTED))
def test_a_later_simulated_visit_that_drifts_deviates_there(echoes, tmp_path, fact):
    after = Path(shutil.copytree(echoes / "month12", tmp_path / "after"))
    edit(after, DRIFTED[fact])
    one, other = take_inventory(echoes / "baseline"), take_inventory(after)
    one, other = (replace(each, acquisition=with_coil(each.acquisition)) for each in (one, other))
    drift = compare_acquisitions(
        one.acquisition,
        other.acquisition,
        baseline_echo_times_ms=one.echo_times_ms,
        followup_echo_times_ms=other.echo_times_ms,
    )
    settings = PairChecks.model_validate({"same": dict.fromkeys(get_args(DriftFact), "minor")})
    found = {check.name: check.outcome for check in check_pair(settings, "ses-month12", drift)}
    assert {name for name, outcome in found.items() if outcome == "deviation"} == {f"same.{fact}"}
    assert set(DRIFTED) == set(get_args(DriftFact)) - {"n_echoes"}  # an echo less is refused, see test_qc_protocol.py
