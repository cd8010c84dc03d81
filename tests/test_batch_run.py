"""Running a study: every visit gets its result or its refusal, and nothing is lost, doubled or torn."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from shutil import copytree, ignore_patterns, rmtree

import nibabel as nib
import numpy as np
import pytest
from slices import series, write
from studies import T2_MS, broken_visit, label_map, small_study, sound_visit, tree

from t2disc import study
from t2disc.batch import Decision, Earlier, Effort, RunSettings, StudyOutcome, Wanted, as_refusal, decide, run_study
from t2disc.batch.plan import compare, decide_pair
from t2disc.batch.progress import Silent
from t2disc.errors import DiskFull, OutputBusy, SliceMissing, VisitOrderUnknown
from t2disc.model import SCHEME_OF, NoiseEstimate, T2Map, Visit
from t2disc.model.protocol import FitSettings, IngestSettings, Protocol, SegmentSettings, StudySettings
from t2disc.store import Basis, StoredFile, VisitRecord, output_lock
from t2disc.study.notes import fit_notes

posix_only = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")


def run(folder: Path, out: Path, *, only: str = "", reporter: Silent | None = None, **settings: object) -> StudyOutcome:
    visits = [visit for visit in study.find_visits(folder, ignore=[out]) if only in visit.key]
    wanted = RunSettings(out=out, protocol=Protocol(), labels_dir=folder / "labels", **settings)
    return run_study(visits, wanted, reporter)


def table(out: Path, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((out / name).read_text().splitlines(), delimiter="\t"))


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> Path:
    folder = small_study(tmp_path_factory.mktemp("study"))
    run(folder, folder / "out")
    return folder


# ------------------------------------------------------------------------------------------------ results
def test_the_tables_hold_every_disc_region_and_role_with_the_true_t2(measured):
    every = table(measured / "out", "discs.tsv")
    assert len({(row["session_id"], row["level"], row["scheme"], row["region"]) for row in every}) == len(every)
    assert len(every) == 2 * 2 * len(SCHEME_OF)
    rows = [row for row in every if row["region"] in ("disc", "NP", "AF")]
    assert {(row["level"], row["role"]) for row in rows} == {("L4/L5", "index"), ("L5/S1", "control")}
    assert {row["region"] for row in rows} == {"disc", "NP", "AF"}
    np.testing.assert_allclose([float(row["t2_median_ms"]) for row in rows], T2_MS, rtol=2e-3)


def test_nothing_changed_between_two_equal_visits(measured):
    rows = [row for row in table(measured / "out", "changes.tsv") if row["change_ms"] != "n/a"]
    assert [row["region"] for row in rows if row["level"] == "L4/L5"][:3] == ["disc", "NP", "AF"]
    assert {(row["baseline_session_id"], row["followup_session_id"]) for row in rows} == {
        ("ses-baseline", "ses-month12")
    }
    assert {(row["change_ms"], row["change_pct"]) for row in rows} == {("0.000", "0.000")}


def test_a_change_tells_its_days_and_the_voxels_behind_it(measured):
    n_used = {
        (row["session_id"], row["level"], row["region"]): row["n_used"] for row in table(measured / "out", "discs.tsv")
    }
    for row in table(measured / "out", "changes.tsv"):
        assert row["interval_days"] == "366"  # 2024-01-02 to 2025-01-02, a leap year
        assert row["baseline_n_used"] == n_used["ses-baseline", row["level"], row["region"]]
        assert row["followup_n_used"] == n_used["ses-month12", row["level"], row["region"]]


def test_a_disc_that_one_visit_lacks_has_no_voxels_there_and_a_change_without_dates_no_days(tmp_path):
    folder = small_study(tmp_path)
    rmtree(folder / "P1" / "month12")
    write(folder / "P1" / "month12" / "scan", series(4, AcquisitionDate=None, StudyDate=None))
    (folder / "labels" / "sub-P1_ses-month12_dseg.tsv").write_text("index\tname\n1\tL4/L5\n")
    image = nib.load(folder / "labels" / "sub-P1_ses-month12_dseg.nii.gz")
    values = np.asarray(image.dataobj) % 2
    nib.Nifti1Image(values, image.affine).to_filename(folder / "labels" / "sub-P1_ses-month12_dseg.nii.gz")
    run(folder, folder / "out")
    rows = {(row["level"], row["region"]): row for row in table(folder / "out", "changes.tsv") if row["roi"] == "own"}
    assert {row["interval_days"] for row in rows.values()} == {"n/a"}
    assert rows["L5/S1", "NP"]["followup_n_used"] == rows["L5/S1", "NP"]["change_ms"] == "n/a"
    assert int(rows["L5/S1", "NP"]["baseline_n_used"]) > 0
    assert int(rows["L4/L5", "NP"]["followup_n_used"]) > 0


def test_each_visit_has_its_maps_labels_record_and_manifest(measured):
    names = {name for name in tree(measured / "out") if name.startswith("sub-P1/ses-baseline/")}
    stem = "sub-P1/ses-baseline/anat/sub-P1_ses-baseline_"
    assert {f"{stem}{ending}.nii.gz" for ending in ("T2map", "S0map", "desc-se_T2map", "desc-flag_dseg")} <= names
    assert {
        f"{stem}desc-{kind}_dseg.{ending}" for kind in ("discs", "regions") for ending in ("nii.gz", "tsv")
    } <= names
    assert "sub-P1/ses-baseline/manifest.json" in names


def times(out: Path) -> dict[Path, int]:
    """When each file was changed last, but for the index: it tells times itself, and is made anew at will."""
    return {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file() and path.name != "index.sqlite"}


def test_the_second_run_changes_no_byte_and_no_time(measured):
    out = measured / "out"
    before = times(out)
    run(measured, out)
    assert times(out) == before


def test_a_readme_that_is_there_is_left_alone(measured, tmp_path):
    (tmp_path / "README").write_text("mine")
    run(measured, tmp_path, only="baseline")
    assert (tmp_path / "README").read_text() == "mine"
    assert not (tmp_path / "README.md").exists()
    assert (measured / "out" / "README.md").is_file()


def test_names_and_order_of_files_change_no_byte(measured, tmp_path):
    again = small_study(tmp_path)
    for n, path in enumerate(sorted(again.rglob("im*"), reverse=True)):
        path.rename(path.with_name(f"{(n * 7919) % 10007:05d}.bin"))
    run(again, tmp_path / "out")
    # identifiers are drawn anew by the factory; no output may hold them, and the check sum of the files alone differs
    assert without_check_sums(tmp_path / "out") == without_check_sums(measured / "out")


def without_check_sums(out: Path) -> dict[str, bytes]:
    pattern = rb'"(images_sha256|sha256|[^"]*ses-[^"]*)": "[0-9a-f]{64}"'  # of images, files, and visits' manifests
    return {
        name: re.sub(pattern, b"", content) if name.endswith(("_record.json", "manifest.json")) else content
        for name, content in tree(out).items()
    }


def test_the_visits_may_run_in_any_order(measured, tmp_path):
    visits = study.find_visits(measured, ignore=[measured / "out"])[::-1]
    run_study(visits, RunSettings(out=tmp_path, protocol=Protocol(), labels_dir=measured / "labels"))
    assert tree(tmp_path) == tree(measured / "out")


def test_figures_are_the_same_on_every_run(measured, tmp_path):
    for name in ("one", "two"):
        run(measured, tmp_path / name, only="baseline", with_figures=True)
    one = tree(tmp_path / "one")
    assert one == tree(tmp_path / "two")
    pictures = [content for name, content in one.items() if "/figures/" in name]
    assert len(pictures) == 1 + 2
    assert all(b"Software" not in content and content.startswith(b"\x89PNG") for content in pictures)


# ------------------------------------------------------------------------------------------------ refusals
def test_one_bad_visit_is_quarantined_and_the_others_are_done(tmp_path):
    folder = small_study(tmp_path)
    broken_visit(folder / "P2" / "baseline")
    outcome = run(folder, folder / "out")
    assert [(record.key, record.code) for record in outcome.quarantined] == [("sub-P2/ses-baseline", "slice-missing")]
    status = {row["participant_id"] + row["session_id"]: row for row in table(folder / "out", "visits.tsv")}
    assert [row["status"] for row in status.values()] == ["done", "done", "quarantined"]
    assert "3 of 4 slices" in status["sub-P2ses-baseline"]["reason"]
    assert {path.name for path in (folder / "out" / "sub-P2" / "ses-baseline").iterdir()} == {
        "manifest.json",
        "sub-P2_ses-baseline_desc-t2disc_record.json",
    }


def test_a_visit_that_is_put_right_leaves_quarantine_and_one_that_breaks_enters_it(tmp_path):
    broken_visit(tmp_path / "P1" / "baseline")
    assert run(tmp_path, tmp_path / "out").quarantined
    sound_visit(tmp_path / "P1" / "baseline")
    assert not run(tmp_path, tmp_path / "out").quarantined
    next((tmp_path / "P1" / "baseline" / "scan").iterdir()).unlink()
    assert run(tmp_path, tmp_path / "out").quarantined
    assert not list((tmp_path / "out").rglob("*.nii.gz"))


def test_a_quarantined_baseline_stays_the_baseline(tmp_path):
    folder = small_study(tmp_path)
    sound_visit(folder / "P1" / "month24", "20260102")
    label_map(folder / "labels", "sub-P1_ses-month24")
    next((folder / "P1" / "baseline" / "scan").iterdir()).unlink()
    run(folder, folder / "out")
    assert table(folder / "out", "changes.tsv") == []


@pytest.mark.parametrize("fault", [RuntimeError, RecursionError, KeyError])
def test_an_unforeseen_fault_is_told_without_its_text(measured, tmp_path, monkeypatch, fault):
    def fail(stack, labels=None, **settings):
        raise fault("PatientName CANARY^JOHN")

    monkeypatch.setattr("t2disc.segment.find_discs", fail)
    outcome = run(measured, tmp_path)
    assert {record.code for record in outcome.quarantined} == {"internal-error"}
    assert fault.__name__ in outcome.quarantined[0].reason
    assert not any(b"CANARY" in content for content in tree(tmp_path).values())


def test_a_visit_that_asks_for_too_much_memory_is_told_apart(measured, tmp_path, monkeypatch):
    def fail(stack, labels=None, **settings):
        raise MemoryError("PatientName CANARY^JOHN")

    monkeypatch.setattr("t2disc.segment.find_discs", fail)
    outcome = run(measured, tmp_path)
    assert {record.code for record in outcome.quarantined} == {"out-of-memory"}
    assert not any(b"CANARY" in content for content in tree(tmp_path).values())


def test_a_fault_names_the_place_in_t2disc():
    try:
        VisitRecord()
    except TypeError as fault:
        assert "a place outside t2disc" in as_refusal(fault).found
    refusal = SliceMissing("x")
    assert as_refusal(refusal) is refusal


def test_a_label_map_that_cannot_be_used_quarantines_its_visit_alone(tmp_path):
    folder = small_study(tmp_path)
    (folder / "labels" / "sub-P1_ses-month12_dseg.tsv").write_text("index\tname\n1\tL4/L5\n2\tbone\n")
    (refused,) = run(folder, folder / "out").quarantined
    assert (refused.session_id, refused.code) == ("ses-month12", "labels-level-unknown")


def test_two_label_maps_for_one_visit_are_refused(tmp_path):
    folder = small_study(tmp_path)
    label_map(folder / "labels" / "sub-P1" / "ses-month12" / "anat", "sub-P1_ses-month12")
    (refused,) = run(folder, folder / "out").quarantined
    assert refused.code == "labels-repeated"


def test_a_visit_without_labels_is_measured_and_says_so(tmp_path):
    folder = small_study(tmp_path)
    (folder / "labels" / "sub-P1_ses-month12_dseg.nii.gz").unlink()
    label_map(folder / "labels", "sub-P1_ses-month120")  # of another visit, whose name begins alike
    run(folder, folder / "out")
    row = table(folder / "out", "visits.tsv")[1]
    assert (row["status"], row["n_discs"]) == ("done", "0")
    assert "no disc was found automatically" in row["notes"]


def test_an_unknown_order_leaves_out_the_changes_and_says_so(tmp_path):
    folder = small_study(tmp_path)
    for new in ("red", "blue"):
        sound_visit(folder / "P2" / new, "20240102")
        label_map(folder / "labels", f"sub-P2_ses-{new}")
    outcome = run(folder, folder / "out")
    assert not outcome.quarantined
    assert {row["participant_id"] for row in table(folder / "out", "changes.tsv")} == {"sub-P1"}
    assert {row["participant_id"] for row in table(folder / "out", "discs.tsv")} == {"sub-P1", "sub-P2"}
    assert VisitOrderUnknown.code in outcome.warnings[0]


def test_a_visit_that_left_the_study_leaves_the_tables_and_is_named_in_one_warning(tmp_path):
    folder = small_study(tmp_path)
    for gone in ("month24", "month36"):
        sound_visit(folder / "P1" / gone, "20260102")
    run(folder, folder / "out")
    for gone in ("month24", "month36"):
        rmtree(folder / "P1" / gone)
    outcome = run(folder, folder / "out")
    for name in ("discs.tsv", "visits.tsv"):
        assert {row["session_id"] for row in table(folder / "out", name)} == {"ses-baseline", "ses-month12"}
    assert {row["followup_session_id"] for row in table(folder / "out", "changes.tsv")} == {"ses-month12"}
    (warning,) = outcome.warnings
    assert "sub-P1/ses-month24, sub-P1/ses-month36" in warning
    assert (folder / "out" / "sub-P1" / "ses-month24" / "manifest.json").is_file()


@pytest.mark.parametrize("content", [b"", b"3", b"{}", b"\xff"])
def test_a_record_that_cannot_be_read_stops_nothing(measured, tmp_path, content):
    run(measured, tmp_path)
    before = tree(tmp_path)
    (own,) = (tmp_path / "sub-P1" / "ses-baseline").glob("*_record.json")
    stranger = tmp_path / "sub-P9" / "ses-old" / "sub-P9_ses-old_desc-t2disc_record.json"
    stranger.parent.mkdir(parents=True)
    for path in (own, stranger):
        path.write_bytes(content)
    outcome = run(measured, tmp_path)
    assert not outcome.quarantined
    stranger.unlink()
    assert tree(tmp_path) == before


# ------------------------------------------------------------------------------------------------ pictures
class Listener(Silent):
    """Keeps what a run tells."""

    def __init__(self) -> None:
        self.warned: list[tuple[str, str]] = []
        self.whys: list[str] = []
        self.actions: list[str] = []
        self.compared: list[str] = []

    def visit_planned(self, visit: Visit, decision: Decision) -> None:
        self.whys.append(decision.why)
        self.actions.append(decision.action)

    def visit_warned(self, visit: Visit, text: str) -> None:
        self.warned.append((visit.key, text))

    def visit_finished(self, record: VisitRecord, effort: Effort, compared: str) -> None:
        self.compared.append(compared)


@pytest.mark.parametrize("broken", ["plot_t2_overlay", "plot_decay"])
def test_pictures_that_cannot_be_drawn_cost_no_number(measured, tmp_path, monkeypatch, broken):
    def fail(*args, **kwargs):
        raise RuntimeError("PatientName CANARY^JOHN")

    monkeypatch.setattr(f"t2disc.qc.{broken}", fail)
    listener = Listener()
    outcome = run(measured, tmp_path, reporter=listener, with_figures=True)
    assert not outcome.quarantined
    assert (tmp_path / "discs.tsv").read_bytes() == (measured / "out" / "discs.tsv").read_bytes()
    assert not list(tmp_path.glob("sub-*/ses-*/figures/*.png"))
    for record in outcome.records:
        (note,) = (note for note in record.notes if "pictures" in note)
        assert "RuntimeError" in note
        assert (record.key, note) in listener.warned
    assert not any(b"CANARY" in content for content in tree(tmp_path).values())


# ------------------------------------------------------------------------------------------------ what must be known
@pytest.mark.parametrize(
    ("sequence", "suffix", "note"),
    [("GR", "T2starmap", "gradient echo"), ("RM", "T2map", "the header does not name the sequence")],
)
def test_a_series_that_may_not_be_spin_echo_is_measured_on_purpose_and_says_so(tmp_path, sequence, suffix, note):
    sound_visit(tmp_path / "P1" / "baseline", ScanningSequence=sequence)
    protocol = Protocol(ingest=IngestSettings(require_spin_echo=False))
    listener = Listener()
    out = tmp_path / "out"
    run_study(study.find_visits(tmp_path, ignore=[out]), RunSettings(out=out, protocol=protocol), listener)
    assert [path.name for path in out.rglob("*_T2*.nii.gz") if "desc" not in path.name] == [
        f"sub-P1_ses-baseline_{suffix}.nii.gz"
    ]
    (row,) = table(out, "visits.tsv")
    assert row["notes"].startswith(note)
    assert [text for _, text in listener.warned if "T2*" in text] == ([study.T2_STAR] if sequence == "GR" else [])


def test_what_the_data_could_not_give_is_in_the_notes(tmp_path):
    sound_visit(tmp_path / "P1" / "baseline")
    for skip_first, expected in ((2, True), (1, False)):
        out = tmp_path / "derivatives" / str(skip_first)
        protocol = Protocol(fit=FitSettings(skip_first=skip_first))
        run_study(study.find_visits(tmp_path), RunSettings(out=out, protocol=protocol))
        (row,) = table(out, "visits.tsv")
        assert ("2 echoes: no standard error" in row["notes"]) is expected


@pytest.mark.parametrize(("method", "n_notes"), [("none", 1), ("background", 0)])
def test_an_unknown_noise_is_told(method, n_notes):
    maps = {name: np.ones((1, 1, 1), np.float32) for name in ("t2_ms", "s0", "t2_se_ms")}
    t2map = T2Map(
        **maps,
        flag=np.zeros((1, 1, 1), np.uint8),
        affine=np.eye(4),
        echo_times_ms=np.array([10.0, 20.0, 30.0]),
        model="mono",
        noise=NoiseEstimate(sigma=1.0, method=method),
    )
    assert list(fit_notes(t2map)) == ["noise unknown: SNR not tested"] * n_notes


# ------------------------------------------------------------------------------------------------ runs again
def test_a_run_again_tells_what_is_unchanged_and_what_differs(measured, tmp_path):
    told = []
    for settings in ({}, {}, {"with_figures": True}):
        listener = Listener()
        run(measured, tmp_path, only="baseline", reporter=listener, **settings)
        told += listener.compared
    assert told[:2] == ["first result", "unchanged"]
    assert told[2].startswith("numbers unchanged, ")


def test_a_run_with_other_settings_warns_and_names_both_values(measured, tmp_path):
    run(measured, tmp_path, only="baseline")
    visits = [visit for visit in study.find_visits(measured) if "baseline" in visit.key]
    listener = Listener()
    protocol = Protocol(fit=FitSettings(model="loglinear", min_snr=3.0))
    run_study(visits, RunSettings(out=tmp_path, protocol=protocol, labels_dir=measured / "labels"), listener)
    ((_, warned),) = listener.warned
    assert "model mono -> loglinear, min_snr 5.0 -> 3.0" in warned
    assert listener.compared == ["differs from the earlier result"]


# ------------------------------------------------------------------------------------------------ environment
def test_a_full_disk_stops_the_run_and_spares_what_was_there(measured, tmp_path, monkeypatch):
    run(measured, tmp_path, only="baseline")
    before = tree(tmp_path)

    def full(*args):
        raise OSError(28, "full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull):
        run(measured, tmp_path)
    monkeypatch.undo()
    assert tree(tmp_path) == before


def test_two_runs_on_one_output_folder_do_not_mix(measured, tmp_path):
    with output_lock(tmp_path), pytest.raises(OutputBusy):
        run(measured, tmp_path)


@posix_only
@pytest.mark.parametrize(("signal", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_a_signal_frees_the_lock_and_leaves_nothing_half_written(measured, tmp_path, signal, code):
    script = f"""
        import os, signal, sys
        import t2disc.store.visits as visits
        from t2disc.cli import main
        real = visits._swap
        def swap(staged, target):
            if "month12" in target.name:
                os.kill(os.getpid(), signal.{signal})
            real(staged, target)
        visits._swap = swap
        sys.argv = ["t2disc", "fit", sys.argv[1], "-o", sys.argv[2], "--labels", sys.argv[1] + "/labels", "--jobs", "0"]
        main()
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(measured), str(tmp_path)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    assert ended.returncode == code, ended.stderr
    assert {path.name for path in tmp_path.rglob(".*")} == {".bidsignore"}
    assert not (tmp_path / "sub-P1" / "ses-month12").exists()
    run(measured, tmp_path)
    assert tree(tmp_path) == tree(measured / "out")


# ------------------------------------------------------------------------------------------------ decisions
BASIS = Basis(images_sha256="i", labels_sha256="l", maps_settings_sha256="m", labels_settings_sha256="s")


def record(**changes: object) -> VisitRecord:
    return VisitRecord(**{"participant_id": "sub-1", "session_id": "ses-1", "status": "done", "basis": BASIS} | changes)


def earlier(**changes: object) -> Earlier:
    outputs = {"is_whole": True, "has_pictures": False, "lacks_pictures": False}
    of_record = {name: value for name, value in changes.items() if name not in outputs}
    return Earlier(record=record(**of_record), **{name: changes.get(name, value) for name, value in outputs.items()})


def changed(**changes: str) -> Wanted:
    return Wanted(basis=replace(BASIS, **changes))


@pytest.mark.parametrize(
    ("before", "now", "action", "why"),
    [
        (earlier(), Wanted(basis=BASIS), "skip", "nothing"),
        (None, Wanted(basis=BASIS), "run", "no earlier result"),
        (earlier(version="0.0.1"), Wanted(basis=BASIS), "run", "0.0.1"),
        (earlier(status="quarantined", code="slice-missing", basis=None), Wanted(basis=BASIS), "run", "slice-missing"),
        (earlier(basis=None), Wanted(basis=BASIS), "run", "cannot be told"),
        (earlier(), Wanted(basis=None), "run", "cannot be told"),
        (earlier(is_whole=False), Wanted(basis=BASIS), "run", "lost"),
        (earlier(is_whole=False), changed(labels_sha256="x"), "run", "lost"),
        (earlier(), changed(images_sha256="x"), "run", "other files"),
        (earlier(), changed(maps_settings_sha256="x"), "run", "[fit]"),
        (earlier(), changed(images_sha256="x", labels_sha256="x"), "run", "other files"),
        (earlier(), changed(labels_sha256="x"), "relabel", "other labels"),
        (earlier(), changed(labels_settings_sha256="x"), "relabel", "settings of the labels"),
        (earlier(index_level="L4/L5"), Wanted(basis=BASIS), "relabel", "L4/L5 -> none"),
        (earlier(), Wanted(basis=BASIS, index_level="L4/L5"), "relabel", "none -> L4/L5"),
        (earlier(), Wanted(basis=BASIS, with_pictures=True), "relabel", "pictures asked for"),
        (earlier(has_pictures=True), Wanted(basis=BASIS), "relabel", "no longer"),
        (earlier(has_pictures=True), Wanted(basis=BASIS, with_pictures=True), "skip", "nothing"),
        (earlier(lacks_pictures=True), Wanted(basis=BASIS, with_pictures=True), "relabel", "pictures asked for"),
        (earlier(lacks_pictures=True), Wanted(basis=BASIS), "relabel", "pictures"),
        (earlier(), replace(changed(labels_sha256="x"), with_pictures=True), "relabel", "other labels, pictures"),
    ],
)
def test_what_is_done_with_a_visit_and_why(before, now, action, why):
    decision = decide(before, now)
    assert decision.action == action
    assert why in decision.why


def test_a_result_of_another_version_of_the_record_is_a_reason_of_its_own():
    for is_outdated, why in (
        (True, "its earlier result is of another version of the record"),
        (False, "no earlier result"),
    ):
        assert decide(None, Wanted(basis=None), is_outdated=is_outdated).why == why
        assert decide_pair(None, None, with_pictures=False, is_outdated=is_outdated).why == why


@pytest.mark.parametrize("changes", [{}, {"index_level": "L5/S1"}, {"labels_sha256": "x"}])
def test_a_record_that_differs_in_its_basis_alone_tells_the_same_numbers(changes):
    of_basis = {name: value for name, value in changes.items() if name != "index_level"}
    of_record = {name: value for name, value in changes.items() if name == "index_level"}
    now = record(basis=replace(BASIS, **of_basis), **of_record)
    told = compare(record(), now, has_changed=True)
    assert told.startswith("numbers unchanged") is not bool(of_record)


def test_a_run_tells_a_first_result_from_a_repeated_one(measured, tmp_path):
    listeners = [Listener(), Listener()]
    for listener in listeners:
        run(measured, tmp_path, reporter=listener)
    assert [listener.actions for listener in listeners] == [["run"] * 2, ["skip"] * 2]
    first, second = (set(listener.whys) for listener in listeners)
    assert len(first) == len(second) == 1
    assert first != second


# ------------------------------------------------------------------------------------------------ skipping
def test_a_visit_that_is_skipped_is_not_read_again_and_its_tables_are_the_same(measured, tmp_path, monkeypatch):
    run(measured, tmp_path)
    before = tree(tmp_path)
    monkeypatch.setattr("t2disc.ingest.load_stack", None)
    (tmp_path / "discs.tsv").unlink()
    assert not run(measured, tmp_path).quarantined
    assert tree(tmp_path) == before


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_outputs_that_were_damaged_are_put_right(measured, tmp_path, damage):
    run(measured, tmp_path)
    before = tree(tmp_path)
    path = tmp_path / "sub-P1" / "ses-baseline" / "anat" / "sub-P1_ses-baseline_T2map.nii.gz"
    path.unlink() if damage == "missing" else path.write_bytes(path.read_bytes()[:-1] + b"x")
    listener = Listener()
    run(measured, tmp_path, reporter=listener)
    assert listener.actions == ["run", "skip"]
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    ("protocol", "action"),
    [
        (Protocol(fit=FitSettings(min_snr=1.0)), "run"),
        (Protocol(ingest=IngestSettings(n_echoes=4)), "run"),
        (Protocol(segment=SegmentSettings(least_confidence=0.9)), "relabel"),
        (Protocol(study=StudySettings(visit_order=("baseline", "month12"))), "skip"),
    ],
)
def test_settings_run_again_what_depends_on_them(measured, tmp_path, protocol, action):
    run(measured, tmp_path, only="baseline")
    listener = Listener()
    visits = [visit for visit in study.find_visits(measured, ignore=[measured / "out"]) if "baseline" in visit.key]
    run_study(visits, RunSettings(out=tmp_path, protocol=protocol, labels_dir=measured / "labels"), listener)
    assert listener.actions == [action]


def test_another_table_beside_a_label_map_is_another_label_map(tmp_path):
    folder = small_study(tmp_path)
    run(folder, folder / "out")
    (folder / "labels" / "sub-P1_ses-month12_dseg.tsv").write_text("index\tname\n1\tL3/L4\n2\tL4/L5\n")
    listener = Listener()
    run(folder, folder / "out", reporter=listener)
    assert listener.actions == ["skip", "relabel"]
    assert {row["level"] for row in table(folder / "out", "discs.tsv")} == {"L3/L4", "L4/L5", "L5/S1"}


def test_maps_that_differ_though_nothing_has_changed_are_warned_of(measured, tmp_path, monkeypatch):
    run(measured, tmp_path, only="baseline")
    real = study.visit_files

    def differ(result: study.VisitResult) -> tuple[StoredFile, ...]:
        files = real(result)
        return (replace(files[0], content=files[0].content + b"x"), *files[1:])

    monkeypatch.setattr("t2disc.study.visit_files", differ)
    listener = Listener()
    run(measured, tmp_path, only="baseline", reporter=listener, with_figures=True)
    assert listener.actions == ["relabel"]
    assert any("maps differ" in text for _, text in listener.warned)


def test_files_under_other_names_are_the_same_files(measured, tmp_path):
    copy = copytree(measured, tmp_path / "copy", ignore=ignore_patterns("out"))
    out = tmp_path / "out"
    run(measured, out)
    for n, path in enumerate(sorted(copy.rglob("im*"), reverse=True)):
        path.rename(path.with_name(f"{(n * 7919) % 10007:05d}.bin"))
    listener = Listener()
    run(copy, out, reporter=listener)
    assert listener.actions == ["skip", "skip"]
    run(copy, tmp_path / "again")
    assert tree(tmp_path / "again") == tree(out)
