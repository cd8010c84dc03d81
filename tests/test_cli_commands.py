"""The command line: what it prints, what it writes, and the code it ends with."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree
from typing import get_args

import pytest
from pydantic import BaseModel
from pydicom.dataset import Dataset
from slices import fake_slice, series, write
from studies import broken_visit, label_map, small_study, sound_visit, tree
from typer.testing import CliRunner, Result

from t2disc import __version__
from t2disc.cli.app import app
from t2disc.cli.exits import MEANINGS
from t2disc.errors import ProtocolInvalid
from t2disc.model.protocol import Protocol
from t2disc.store import output_lock
from t2disc.study import read_protocol
from t2disc.study.protocolfile import valid_protocol
from t2disc.study.pseudonym import KEY_FILE, KEY_VARIABLE

DOCS = Path(__file__).parents[1] / "docs"
TINY = ("--size", "tiny", "--participants", "1", "--vendor", "siemens", "--seed", "3")


@pytest.fixture(autouse=True)
def _no_key_from_outside(monkeypatch):
    monkeypatch.delenv(KEY_VARIABLE, raising=False)


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def simulated(tmp_path_factory) -> Path:
    """A tiny simulated study; copied by tests that write into it."""
    folder = tmp_path_factory.mktemp("simulated") / "study"
    assert call("simulate", folder, *TINY).exit_code == 0
    return folder


def everything(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.lstat().st_mtime_ns, path.lstat().st_size) for path in folder.rglob("*")}


# ------------------------------------------------------------------------------------------------ fit
def test_fit_prints_discs_changes_and_places_on_stdout_and_the_log_on_stderr(tmp_path):
    folder = small_study(tmp_path)
    result = call("fit", folder, "--labels", folder / "labels", "--figures")
    assert result.exit_code == 0
    assert re.search(r"sub-P1 +ses-baseline +L4/L5 +index +60\.0 \(\d+\) +60\.0", result.stdout)
    assert re.search(r"sub-P1 +L5/S1 +control +ses-month12 +60\.0 +60\.0", result.stdout)
    assert str(folder / "derivatives" / "t2disc" / "discs.tsv") in result.stdout
    assert "sub-P1/ses-month12: done" in result.stderr
    assert "done in" not in result.stdout


def test_the_log_is_kept_beside_the_results_without_paths(tmp_path):
    folder = small_study(tmp_path)
    call("fit", folder)
    (log,) = (folder / "derivatives" / "t2disc" / "logs").iterdir()
    assert "run complete" in log.read_text()
    assert str(tmp_path) not in log.read_text()


def test_outputs_inside_the_study_are_not_read_as_visits_by_the_next_run(tmp_path):
    folder = small_study(tmp_path)
    assert call("fit", folder, "-o", folder / "results").exit_code == 0
    assert call("fit", folder, "-o", folder / "results").exit_code == 0
    assert call("fit", folder, "-o", folder / "other").exit_code == 0
    assert {path.name for path in (folder / "other").glob("sub-*")} == {"sub-P1"}


def test_a_study_without_labels_says_that_no_disc_was_labelled(tmp_path):
    sound_visit(tmp_path / "P1" / "baseline")
    result = call("fit", tmp_path)
    assert result.exit_code == 0
    assert "No disc was labelled; the maps were written. Give label maps with --labels DIR." in result.stdout
    assert "1 visit measured" in result.stdout
    assert "no labels" in call("check", tmp_path).stdout


def test_labels_that_were_given_are_not_asked_for(tmp_path):
    folder = small_study(tmp_path)
    (folder / "labels" / "sub-P1_ses-month12_dseg.nii.gz").unlink()
    (folder / "labels" / "sub-P1_ses-baseline_dseg.tsv").unlink()  # the one visit with labels is quarantined
    result = call("fit", folder, "--labels", folder / "labels")
    assert "No disc was labelled; the maps were written.\n" in result.stdout
    assert "Give label maps" not in result.stdout


def test_where_nothing_was_measured_no_place_of_maps_is_told(tmp_path):
    broken_visit(tmp_path / "P1" / "baseline")
    result = call("fit", tmp_path, "--figures")
    assert result.exit_code == 3
    assert "0 visits measured" in result.stdout
    for word in ("Maps", "Pictures", "labelled"):
        assert word not in result.stdout


def test_a_gradient_echo_measured_on_purpose_is_warned_of_and_noted(tmp_path):
    sound_visit(tmp_path / "P1" / "baseline", ScanningSequence="GR")
    protocol = tmp_path / "p.toml"
    protocol.write_text("[ingest]\nrequire_spin_echo = false\n")
    assert "note: gradient echo" in call("check", tmp_path, "--protocol", protocol).stdout
    result = call("fit", tmp_path, "--protocol", protocol, "--figures")
    assert re.search(r"WARNING sub-P1/ses-baseline: .*T2\*", result.stderr)
    assert [path.name for path in tmp_path.rglob("*_overlay.png")] == ["sub-P1_ses-baseline_desc-T2star_overlay.png"]


def test_a_protocol_file_that_contradicts_the_dates_is_told(tmp_path):
    folder = small_study(tmp_path)
    protocol = tmp_path / "p.toml"
    protocol.write_text('[study]\nvisit_order = ["month12", "baseline"]\n')
    for command in ("check", "fit"):
        result = call(command, folder, "--protocol", protocol)
        assert re.search(r"WARNING sub-P1: \[study\] visit_order .* another order than their dates", result.stderr)


def test_the_log_tells_what_a_run_again_changed(tmp_path):
    folder = small_study(tmp_path)
    assert "discs; first result" in call("fit", folder).stderr
    again = call("fit", folder).stderr
    assert "sub-P1/ses-baseline: skip (nothing has changed since its last run)" in again
    assert "sub-P1/ses-baseline: done" not in again
    result = call("fit", folder, "--model", "loglinear")
    assert re.search(r"WARNING sub-P1/ses-baseline: .*model mono -> loglinear", result.stderr)
    assert "discs; differs from the earlier result" in result.stderr


def test_quarantine_is_exit_code_3_and_the_rest_is_done(tmp_path):
    sound_visit(tmp_path / "P1" / "baseline")
    broken_visit(tmp_path / "P2" / "baseline")
    result = call("fit", tmp_path)
    assert result.exit_code == 3
    assert "sub-P2/ses-baseline  quarantined [slice-missing]" in result.stdout
    assert list(tmp_path.rglob("sub-P1_ses-baseline_T2map.nii.gz"))


def test_the_model_and_the_protocol_reach_the_maps(tmp_path):
    sound_visit(tmp_path / "P1" / "baseline")
    protocol = tmp_path / "p.toml"
    protocol.write_text("[fit]\nskip_first = 1\nmin_snr = 0\n")
    assert call("fit", tmp_path, "--protocol", protocol, "--model", "loglinear").exit_code == 0
    (path,) = tmp_path.rglob("sub-P1_ses-baseline_T2map.json")
    sidecar = json.loads(path.read_text())
    assert "loglinear" in sidecar["EstimationAlgorithm"]
    assert sidecar["EchoTime"] == [0.02, 0.03, 0.04]


@pytest.mark.parametrize("command", ["fit", "check"])
def test_whoever_is_named_and_not_there_is_warned_of(tmp_path, command):
    folder = small_study(tmp_path)
    (folder / "P2").mkdir()
    with (folder / "participants.tsv").open("a") as table:
        table.write("P3\tL4/L5\n")
    (folder / "labels" / "sub-P1_ses-month12_dseg.nii.gz").unlink()
    result = call(command, folder, "--labels", folder / "labels")
    assert result.exit_code == 0
    for named in ("sub-P2: ", "line 3: sub-P3 ", "sub-P1/ses-month12: no label map"):
        assert re.search(f"WARNING .*{named}", result.stderr), named
    for log in (folder / "derivatives").rglob("*.log"):
        assert "sub-P2: " in log.read_text()


@pytest.mark.parametrize("command", ["fit", "check", "fit --dry-run"])
def test_a_folder_of_labels_without_any_of_the_study_is_a_usage_fault(tmp_path, command):
    folder = small_study(tmp_path / "study")
    label_map(tmp_path / "labels", "sub-P1_ses-month1200")
    before = everything(tmp_path)
    result = call(*command.split(), folder, "--labels", tmp_path / "labels")
    assert result.exit_code == 2
    assert "[labels-missing]" in result.stderr
    assert everything(tmp_path) == before


def test_a_heap_with_damaged_files_of_nobody_is_refused_as_a_whole(tmp_path):
    write(tmp_path, series(4))
    (tmp_path / "im9999").write_bytes((tmp_path / "im0000").read_bytes()[:200])
    result = call("check", tmp_path)
    assert result.exit_code == 2
    assert "[dicom-unreadable] found 1 damaged DICOM files" in result.stderr


def test_pictures_that_cannot_be_drawn_are_warned_of(tmp_path, monkeypatch):
    def fail(*args):
        raise RuntimeError("CANARY")

    monkeypatch.setattr("t2disc.qc.plot_t2_overlay", fail)
    result = call("fit", small_study(tmp_path), "--figures", "--jobs", "0")
    assert result.exit_code == 0
    assert re.search(r"WARNING .*sub-P1/ses-baseline: pictures .*RuntimeError", result.stderr)
    assert "CANARY" not in result.output


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Path:
    """Four participants, eight visits of which one cannot be measured and one has no label; P2 is not treated."""
    folder = small_study(tmp_path_factory.mktemp("many") / "study")
    for name, treated in (("P2", "n/a"), ("P3", "L5/S1"), ("P4", "L4/L5")):
        for visit in ("baseline", "month12"):
            copytree(folder / "P1" / visit, folder / name / visit)
            label_map(folder / "labels", f"sub-{name}_ses-{visit}")
        with (folder / "participants.tsv").open("a") as table:
            table.write(f"{name}\t{treated}\n")
    next((folder / "P4" / "month12" / "scan").iterdir()).unlink()
    (folder / "labels" / "sub-P3_ses-baseline_dseg.nii.gz").unlink()
    return folder


def test_of_many_visits_a_screenful_is_printed_and_the_tables_hold_the_rest(many):
    protocol = many.parent / "p.toml"
    protocol.write_text("[segment]\nautomatic = false\n[checks.scan]\nfield_strength_t = { expected = 9.4 }\n")
    out = many.parent / "out"
    result = call("fit", many, "-o", out, "--labels", many / "labels", "--protocol", protocol)
    assert result.exit_code == 3
    for line in (
        "8 visits: 7 done, 1 quarantined (slice-missing 1)",
        "12 discs in 6 visits; 1 visit without a labelled disc",
        "3 pairs of visits: 4 changes, 0 beyond RC; 1 not matched (no-common-level 1)",
        "Largest changes, 1 of 1 treated discs:",
        "Grades: non-evaluable 8",
        f"Each visit: t2disc status {out}; why one is as it is: t2disc explain {out} VISIT",
        f"Tables    {out / 'discs.tsv'}, changes.tsv",
    ):
        assert f"\n{line}" in f"\n{result.stdout}", line
    assert re.search(r"sub-P1 +L4/L5 +index +ses-month12 +60\.0 +60\.0", result.stdout)
    assert "control" not in result.stdout
    assert "T2 of discs" not in result.stdout
    assert len(result.stdout.splitlines()) < 20
    again = call("fit", many, "-o", out, "--labels", many / "labels", "--protocol", protocol)
    assert "nothing had changed in 7" in again.stdout


def test_a_few_visits_are_printed_disc_by_disc(many):
    out = many.parent / "few"
    few = many.parent / "few_study"
    for name in ("P1", "P2", "P3"):
        copytree(many / name, few / name)
    result = call("fit", few, "-o", out, "--labels", many / "labels")
    assert len(re.findall(r"\nsub-P\d +ses-\w+ +L4/L5 ", result.stdout)) >= 5
    assert "Each visit" not in result.stdout


# ------------------------------------------------------------------------------------------------ looking only
def test_check_tells_what_would_be_used_left_out_and_refused_and_writes_nothing(tmp_path):
    folder = small_study(tmp_path)
    localiser = [fake_slice(0, 5.0, SeriesInstanceUID="1.9", SeriesNumber=1)]
    write(folder / "P1" / "baseline" / "loc", localiser)
    broken_visit(folder / "P2" / "baseline")
    before = everything(tmp_path)
    result = call("check", folder, "--labels", folder / "labels")
    assert everything(tmp_path) == before
    assert result.exit_code == 3
    assert "sub-P1/ses-baseline  use 4 echoes at 10-40 ms" in result.stdout
    assert re.search(r"leave 1 .* of series 1: ", result.stdout)
    assert "sub-P2/ses-baseline  refused [slice-missing]" in result.stdout
    assert "2 visits can be measured, 1 refused" in result.stdout
    assert "2024-01-02, labels of 2 discs" in result.stdout


@pytest.mark.parametrize(
    ("table", "code"),
    [
        (None, "labels-unnamed"),
        ("index\tname\n1\tL4/L5\n2\tbone\n", "labels-level-unknown"),
        ("index\tname\n1\tL4/L5\n2\tL4/L5\n", "labels-repeated"),
        ("index\tname\n1\tL5/S1\n2\tL4/L5\n", "labels-out-of-order"),
    ],
)
def test_check_refuses_labels_as_fit_does(tmp_path, table, code):
    folder = small_study(tmp_path)
    names = folder / "labels" / "sub-P1_ses-month12_dseg.tsv"
    names.write_text(table) if table else names.unlink()
    for command in ("check", "fit"):
        result = call(command, folder, "--labels", folder / "labels")
        assert result.exit_code == 3
        assert re.search(rf"sub-P1/ses-month12  (refused|quarantined) \[{code}\]", result.stdout), command


def test_check_refuses_a_label_map_that_is_cut_short(tmp_path):
    folder = small_study(tmp_path)
    path = folder / "labels" / "sub-P1_ses-month12_dseg.nii.gz"
    path.write_bytes(path.read_bytes()[:-20])
    result = call("check", folder, "--labels", folder / "labels")
    assert result.exit_code == 3
    assert "sub-P1/ses-month12  refused [labels-unreadable]" in result.stdout


def test_check_and_fit_go_by_the_same_dates(tmp_path):
    for name, date in (("month12", "20240102"), ("baseline", "20250102")):
        sound_visit(tmp_path / "P1" / name, date)
        later = [fake_slice(n, 5.0, SeriesInstanceUID="1.9", AcquisitionDate="20260101") for n in range(20)]
        write(tmp_path / "P1" / name / "later", later)  # most of the files, none of the series that is used
    for command in ("check", "fit"):
        result = call(command, tmp_path)
        assert "another order than their dates" in result.stderr, command


def test_a_dry_run_writes_nothing(tmp_path):
    folder = small_study(tmp_path)
    before = everything(tmp_path)
    assert call("fit", folder, "--dry-run").exit_code == 0
    assert everything(tmp_path) == before


def test_looking_at_a_heap_makes_no_key_and_says_that_names_are_provisional(tmp_path):
    write(tmp_path, series(4))
    before = everything(tmp_path)
    result = call("check", tmp_path)
    assert everything(tmp_path) == before
    assert result.exit_code == 0
    assert "provisional" in result.stdout
    assert call("fit", tmp_path).exit_code == 0
    assert (tmp_path / KEY_FILE).exists()
    assert "provisional" not in call("check", tmp_path).stdout


# ------------------------------------------------------------------------------------------------ places
@pytest.mark.parametrize(
    "place",
    ["P1", "P1/month12/out", "P2/out", "labels", "labels/out", "results/deeper", "participants.tsv", "notes", "."],
)
@pytest.mark.parametrize("command", ["fit", "check", "fit --dry-run"])
def test_outputs_among_what_is_read_are_refused_before_a_byte_is_written(tmp_path, place, command):
    folder = small_study(tmp_path / "study")
    (folder / "notes").mkdir()
    (folder / "notes" / "note.txt").write_text("remember")
    before = everything(tmp_path)
    result = call(*command.split(), folder, "-o", folder / place)
    assert result.exit_code == 2
    assert "[argument-invalid] found an output folder that " in result.stderr
    assert everything(tmp_path) == before


def test_outputs_in_the_folder_of_corrections_are_refused_even_when_it_is_empty(tmp_path):
    folder = small_study(tmp_path / "study")
    (folder / "corrections").mkdir()
    for place in ("corrections", "corrections/out", "Corrections"):
        assert call("fit", folder, "-o", folder / place).exit_code == 2
    assert not list((folder / "corrections").iterdir())


@pytest.mark.parametrize("place", ["labels", "labels/out", "."])
def test_outputs_that_are_hold_or_lie_in_the_labels_are_refused(tmp_path, place):
    folder = small_study(tmp_path / "study")
    copytree(folder / "labels", tmp_path / "side" / "labels")
    before = everything(tmp_path)
    result = call("fit", folder, "-o", tmp_path / "side" / place, "--labels", tmp_path / "side" / "labels")
    assert result.exit_code == 2
    assert "folder of labels" in result.stderr
    assert everything(tmp_path) == before


@pytest.mark.parametrize("place", ["derivatives/t2disc", "derivatives/deep/er", "results", "empty"])
def test_outputs_below_derivatives_or_in_a_new_folder_of_the_study_are_written_again_and_again(tmp_path, place):
    folder = small_study(tmp_path)
    (folder / "empty").mkdir()
    for _ in range(2):
        assert call("fit", folder, "-o", folder / place).exit_code == 0
    assert len(list((folder / place).rglob("*_T2map.nii.gz"))) == 2 * 2


def test_label_maps_may_lie_in_the_study_itself(tmp_path):
    folder = small_study(tmp_path)
    for path in (folder / "labels").iterdir():
        path.rename(folder / path.name)
    assert "L4/L5" in call("fit", folder, "--labels", folder).stdout


def test_earlier_outputs_in_another_place_are_skipped_with_a_word(tmp_path):
    folder = small_study(tmp_path)
    call("fit", folder, "-o", folder / "results")
    assert "results: skipped" not in call("fit", folder, "-o", folder / "results").stderr
    assert re.search("WARNING folder results: skipped, a dataset derived", call("fit", folder).stderr)


def test_a_study_that_is_not_found_is_repeated_as_it_was_typed(tmp_path):
    for command in ("fit", "check", "demo"):
        result = call(command, tmp_path / "mistyped")
        assert "[study-not-found]" in result.stderr
        assert f"(given: {tmp_path / 'mistyped'})" in result.stderr
        assert not everything(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="needs symbolic links")
def test_a_link_in_the_place_of_a_participants_outputs_ends_with_4(tmp_path):
    folder = small_study(tmp_path / "study")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "sub-P1").symlink_to(tmp_path / "elsewhere")
    result = call("fit", folder, "-o", tmp_path / "out")
    assert result.exit_code == 4
    assert "symbolic link" in result.stderr
    assert not everything(tmp_path / "elsewhere")


# ------------------------------------------------------------------------------------------------ exit codes
def test_a_typed_command_is_told_to_be_corrected_as_a_command(tmp_path):
    folder, out = small_study(tmp_path / "study"), tmp_path / "out"
    assert call("fit", folder, "-o", out).exit_code == 0
    for arguments in (
        ("plot", out, "nowhere", "nothing", "-o", tmp_path / "x.png"),
        ("fit", folder, "-o", out, "--only", "sub-P9"),
        ("simulate", tmp_path / "new", "--size", "huge"),
        ("fit", folder, "--models", "mono,"),
    ):
        result = call(*arguments)
        assert result.exit_code == 2
        assert "[argument-invalid]" in result.stderr
        assert re.search(r"correct\s+the\s+command", result.stderr), arguments
        assert "the call" not in result.stderr


def test_a_protocol_that_leaves_too_few_echoes_is_told_as_the_protocols_fault(tmp_path):
    sound_visit(tmp_path / "P1" / "baseline")
    protocol = tmp_path / "p.toml"
    protocol.write_text("[fit]\nskip_first = 3\n")
    for command in ("check", "fit"):
        result = call(command, tmp_path, "--protocol", protocol)
        assert result.exit_code == 3
        assert "[train-unsuited]" in result.stdout
        assert "the call" not in result.stdout + result.stderr
    (record,) = tmp_path.rglob("*_desc-t2disc_record.json")
    assert "correct [fit] skip_first in the protocol file" in record.read_text()


def test_usage_faults_end_with_2(tmp_path):
    folder = small_study(tmp_path / "study")
    bad = tmp_path / "bad.toml"
    bad.write_text("[fit]\nskip = 1\n")
    for arguments in (
        ("fit", folder, "--model", "nonsense"),
        ("fit", folder, "--protocol", bad),
        ("fit", folder, "--protocol", tmp_path / "missing.toml"),
        ("fit", folder, "--labels", tmp_path / "missing"),
        ("fit", tmp_path / "missing"),
        ("check", tmp_path / "missing"),
        ("fit", folder, "-o", folder),
        ("fit", folder, "-o", tmp_path),
        ("fit",),
        ("nonsense",),
    ):
        before = everything(tmp_path)
        assert call(*arguments).exit_code == 2, arguments
        assert everything(tmp_path) == before


def test_an_output_folder_that_holds_another_dataset_is_refused(tmp_path):
    folder = small_study(tmp_path / "study")
    other = tmp_path / "other"
    other.mkdir()
    (other / "dataset_description.json").write_text('{"Name": "raw"}')
    result = call("fit", folder, "-o", other)
    assert result.exit_code == 2
    assert tree(other) == {"dataset_description.json": b'{"Name": "raw"}'}


def test_an_output_folder_that_cannot_be_written_ends_with_4(tmp_path):
    folder = small_study(tmp_path / "study")
    (tmp_path / "file").write_text("in the way")
    result = call("fit", folder, "-o", tmp_path / "file" / "out")
    assert result.exit_code == 4
    assert "[write-failed]" in result.stderr
    assert str(tmp_path) not in result.stderr


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_ends_with_4(tmp_path):
    folder = small_study(tmp_path / "study")
    (tmp_path / "locked").mkdir(mode=0o500)
    assert call("fit", folder, "-o", tmp_path / "locked" / "out").exit_code == 4


def test_an_output_folder_in_use_ends_with_4(tmp_path):
    folder = small_study(tmp_path / "study")
    with output_lock(tmp_path / "out"):
        result = call("fit", folder, "-o", tmp_path / "out")
    assert result.exit_code == 4
    assert "[output-busy]" in result.stderr
    assert not list((tmp_path / "out").iterdir())


def test_an_internal_fault_ends_with_1_and_without_its_text(tmp_path, monkeypatch):
    folder = small_study(tmp_path)

    def fail(*args, **kwargs):
        raise ValueError("CANARY")

    monkeypatch.setattr("t2disc.study.find_visits", fail)
    result = call("fit", folder)
    assert result.exit_code == 1
    assert "[internal-error] found ValueError" in result.stderr
    assert "CANARY" not in result.output


# ------------------------------------------------------------------------------------------------ start-up
HEAVY = ("numpy", "matplotlib", "pydicom", "nibabel", "scipy", "skimage", "SimpleITK")


@pytest.mark.parametrize("arguments", [["--help"], ["fit", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(arguments):
    script = (
        "import sys\nfrom t2disc.cli import main\nsys.argv = ['t2disc', *sys.argv[1:]]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", script, *arguments], check=True, capture_output=True, text=True)
    assert ended.stderr.strip() == "[]"


def test_help_and_docs_tell_the_exit_codes():
    text = re.sub(r"[^A-Za-z0-9,;()-]+", " ", call("fit", "--help").stdout)
    for code, meaning in MEANINGS.items():
        assert f"{code.value} {meaning}" in text
    documented = re.findall(r"^\| (\d+) \| (.*) \|$", (DOCS / "protocol.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert documented == [(str(code.value), meaning) for code, meaning in MEANINGS.items()]


def test_python_m_tells_the_version():
    command = [sys.executable, "-m", "t2disc", "--version"]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    assert ended.stdout == f"t2disc {__version__}\n"


# ------------------------------------------------------------------------------------------------ demo, simulation
def test_demo_measures_a_study_with_its_labels_and_draws(tmp_path):
    folder = small_study(tmp_path)
    result = call("demo", folder)
    assert result.exit_code == 0
    assert "L4/L5" in result.stdout
    assert re.search(r"2 visits measured in \d+\.\d s", result.stdout)
    assert len(list((folder / "derivatives").rglob("figures/*.png"))) == 2 * 3 + 1  # of the pair


def test_simulate_writes_the_same_study_twice(simulated, tmp_path):
    assert call("simulate", tmp_path, *TINY).exit_code == 0  # into an empty folder
    assert tree(tmp_path) == tree(simulated)


def test_simulate_refuses_a_folder_that_is_not_empty(tmp_path):
    (tmp_path / "P001").mkdir()
    (tmp_path / "file").write_text("x")
    before = everything(tmp_path)
    for place in (tmp_path, tmp_path / "file"):
        result = call("simulate", place, *TINY)
        assert result.exit_code == 2
        assert "[argument-invalid]" in result.stderr
    assert everything(tmp_path) == before


def test_check_finds_what_simulate_wrote(simulated):
    checked = call("check", simulated, "--labels", simulated / "labels")
    assert checked.exit_code == 0
    assert "2 visits can be measured" in checked.stdout


def test_demo_without_a_study_simulates_one_and_the_next_one_uses_it(simulated, tmp_path, monkeypatch):
    from t2disc.cli import jobs

    def copy(out: Path, request: object) -> None:
        copytree(simulated, out)  # fails where a study is already

    monkeypatch.setattr(jobs, "run_simulate", copy)
    for told in ("2 visits measured", "nothing had changed in 2"):
        result = call("demo", "-o", tmp_path)
        assert result.exit_code == 0
        assert told in result.stdout
        assert re.search(r"sub-P001 +L4/L5 +index +ses-month12", result.stdout)
    assert {path.name for path in tmp_path.iterdir()} == {"study", "t2disc"}


def test_demo_does_not_take_a_part_of_a_simulated_study_for_a_study(tmp_path):
    (tmp_path / "study" / "P001").mkdir(parents=True)
    result = call("demo", "-o", tmp_path)
    assert result.exit_code == 2
    assert "[argument-invalid]" in result.stderr


def test_an_impossible_simulation_is_a_usage_fault(tmp_path):
    for arguments in (("--size", "huge"), ("--vendor", "nobody"), ("--model", "nonsense"), ("--participants", 0)):
        assert call("simulate", tmp_path, *arguments).exit_code == 2, arguments


@pytest.mark.parametrize(
    ("option", "known"),
    [("--size", "tiny, small, full"), ("--vendor", "siemens, siemens_xa, ge"), ("--model", "mono, epg")],
)
def test_a_simulation_with_an_unknown_name_tells_what_was_given_and_what_is_known_and_writes_nothing(
    tmp_path, option, known
):
    result = call("simulate", tmp_path / "study", "--size", "tiny", option, "nobody's")
    assert result.exit_code == 2
    assert f"[argument-invalid] found {option[2:] if option != '--model' else 'signal model'} " in result.stderr
    assert '"nobody\'s"' in result.stderr
    assert f"one of {known}" in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("models", "told"),
    [
        ("", "[argument-invalid] found --models '', which holds an empty name"),
        ("mono,,epg", "[argument-invalid] found --models 'mono,,epg', which holds an empty name"),
        ("mono,", "[argument-invalid] found --models 'mono,', which holds an empty name"),
        ("mono, epg,mono ", "[argument-invalid] found --models that names 'mono' more than once"),
        ("mono,biexp", "[model-unknown] found model 'biexp' - expected one of "),
        ("Mono", "[model-unknown] found model 'Mono' - expected one of "),
    ],
)
@pytest.mark.parametrize("command", ["fit", "slurm"])
def test_models_that_cannot_be_compared_are_told_before_anything_is_written(tmp_path, command, models, told):
    sound_visit(tmp_path / "P1" / "baseline")
    before = everything(tmp_path)
    result = call(command, tmp_path, "--models", models, *(("--shards", 2) if command == "slurm" else ()))
    assert result.exit_code == 2
    assert told in result.stderr
    assert everything(tmp_path) == before


def test_an_empty_model_is_not_taken_for_none(tmp_path):
    sound_visit(tmp_path / "P1" / "baseline")
    for arguments in (("--model", ""), ("--model", "", "--models", "mono,epg")):
        result = call("fit", tmp_path, *arguments)
        assert result.exit_code == 2
        assert "[model-unknown] found model ''" in result.stderr


# ------------------------------------------------------------------------------------------------ protocol file
def example() -> str:
    return re.search(r"```toml\n(.*?)```", (DOCS / "protocol.md").read_text(encoding="utf-8"), re.DOTALL).group(1)


def keys_of(table: type[BaseModel]) -> Iterator[str]:
    """Every key of a table and of the tables below it, with points between."""
    for name, field in table.model_fields.items():
        key = field.alias or name
        below = [kind for kind in (field.annotation, *get_args(field.annotation)) if is_table(kind)]
        yield from (f"{key}.{inner}" for kind in below for inner in keys_of(kind))
        if not below:
            yield key


def is_table(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def shown_keys(table: BaseModel) -> Iterator[str]:
    """Every key that a protocol file set; of a dictionary of tables, those of any of its entries."""
    for name in table.model_fields_set:
        value, key = getattr(table, name), type(table).model_fields[name].alias or name
        entries = list(value.values()) if isinstance(value, dict) else [value]
        below = [entry for entry in entries if isinstance(entry, BaseModel)]
        yield from (f"{key}.{inner}" for entry in below for inner in shown_keys(entry))
        if not below:
            yield key


def test_the_example_of_the_docs_is_valid_and_shows_every_key(tmp_path):
    (tmp_path / "p.toml").write_text(example(), encoding="utf-8")
    protocol = read_protocol(tmp_path / "p.toml")
    assert set(shown_keys(protocol)) == set(keys_of(Protocol))
    assert len(set(keys_of(Protocol))) > 80
    assert "checks.pair.interval_days.tolerance" in set(keys_of(Protocol))


def test_the_schema_that_is_kept_is_that_of_the_program():
    printed = call("schema")
    assert printed.exit_code == 0
    assert (DOCS / "protocol.schema.json").read_text(encoding="utf-8") == printed.stdout
    schema = json.loads(printed.stdout)
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == {field.alias or name for name, field in Protocol.model_fields.items()}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[fit]\nskip = 1", "fit.skip"),
        ("[fit]\nskip_first = -1", "fit.skip_first"),
        ("[fit]\nmin_snr = 'five'", "fit.min_snr"),
        ("[regions]\nschemes = ['thirds']", "regions.schemes"),
        ("[regions]\nannulus_fraction = 0.5", "regions.annulus_fraction"),
        ("[regions]\nmid_sagittal_mm = 0.0", "regions.mid_sagittal_mm"),
        ("[study]\nlayout = 'pile'", "study.layout"),
        ("[nonsense]\nx = 1", "nonsense"),
        ("[checks.scan]\nfield = { expected = 3.0 }", "checks.scan.field"),
        ("[checks.scan]\nfield_strength_t = { expect = 3.0 }", "checks.scan.field_strength_t.expect"),
        ("[checks.scan]\nfield_strength_t = { expected = nan }", "checks.scan.field_strength_t.expected"),
        ("[checks.scan]\nfield_strength_t = { expected = 3.0, tolerance = -1 }", "field_strength_t.tolerance"),
        ("[checks.scan]\nfield_strength_t = { expected = 3.0, severity = 'fatal' }", "field_strength_t.severity"),
        ("[checks.scan]\necho_times_ms = { expected = [20, 10] }", "echo times that do not rise"),
        ("[checks.scan]\ncoverage = { first = 'L5/S1', last = 'L1/L2' }", "a last disc above the first"),
        ("[checks.scan]\ncoverage = { first = 'C2/C3' }", "checks.scan.coverage.first"),
        ("[checks.scan]\ntime_of_day = { earliest = '25:00', latest = '12:00' }", "time_of_day.earliest"),
        ("[checks.signal]\nflagged_pct = { dark = { most = 1 } }", "names that are no flag"),
        ("[checks.pair]\nsame = { mood = 'major' }", "checks.pair.same.mood"),
        ("[checks.pair]\ninterval_days = { M12 = { expected = 365 }, ses-m12 = { expected = 1 } }", "there twice"),
        ("[fit\n", "line 1"),
        ("[study]\nvisit_order = ['M0', 'M3', 'ses-m0']", "visit_order: visits named twice: m0"),
        ("x = " + "[" * 20_000, "cannot be read"),
        ("x = " + "9" * 5_000, "cannot be read"),
        ("#" * 2**20 + "#", "1 MiB"),
    ],
)
def test_a_wrong_protocol_file_names_the_key_and_the_problem(tmp_path, text, named):
    (tmp_path / "p.toml").write_text(text)
    result = call("check", tmp_path, "--protocol", tmp_path / "p.toml")
    assert result.exit_code == 2
    assert "[protocol-invalid]" in result.stderr
    assert named in result.stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[fit]\nskip_first = -1", "found fit.skip_first = -1 - expected 0 or more - correct the protocol file; "),
        ("[fit]\nmin_snr = 'five'", 'found fit.min_snr = "five" - expected a number - '),
        ("[fit]\neven_only = 1", "found fit.even_only = 1 - expected true or false - "),
        ("[fit]\nmodel = 5", "found fit.model = 5 - expected a text in quotation marks - "),
        (
            "[fit]\nskip = 1",
            "found fit.skip, a key that is not known there - expected one of model, compare, ",
        ),
        (
            "[study]\nlayout = 'pile'",
            "found study.layout = \"pile\" - expected one of 'auto', 'folders', 'bids' or ",
        ),
        ("fit = 1", "found fit = 1 - expected a table - "),
        ("[fit]\n'a\u202eb' = 1", 'found fit."a\\u202eb", a key that is not known there'),
        (f"[fit]\nnoise = '{'x' * 500}'", "found fit.noise = a text of 500 characters - expected one of 'auto'"),
        (f"[fit]\nskip_first = -{'9' * 500}", "found fit.skip_first = a number of 501 digits - expected 0 or more"),
        (f"[fit]\nechoes = {[2, 1] * 500}", "found fit.echoes = a list of 1000: echo numbers that do not rise"),
        ("[checks.scan]\ncoverage = { first = 'C2/C3' }", 'found checks.scan.coverage.first = "C2/C3": no disc level'),
        (
            "[checks.scan]\nfield_strength_t = {}",
            "no checks.scan.field_strength_t.expected - expected a value (Tesla)",
        ),
        (
            "[checks.scan]\nvoxel_size_mm = { expected = [1.0, -2.0, 3.0] }",
            "found checks.scan.voxel_size_mm.expected, entry 2 = -2.0 - expected more than 0 - ",
        ),
        (
            "[checks.pair]\nsame = { mood = 'major' }",
            "same.mood, a key that is not known there - expected one of 'sc",
        ),
        (
            "[fit]\nskip_first = -1\nnoise = 'air'",
            'found fit.skip_first = -1; fit.noise = "air" - expected fit.skip_first: 0 or more; fit.noise: one of',
        ),
    ],
)
def test_a_wrong_setting_is_told_with_what_was_found_and_what_was_expected(tmp_path, text, told):
    (tmp_path / "p.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ProtocolInvalid) as caught:
        read_protocol(tmp_path / "p.toml")
    assert told in str(caught.value)


WRONG = (-1e300, -(10**30), 10**30, math.nan, 1.5, True, "", "x" * 200, "ses-", [], [1], ["a"], [[]], {}, {"": {}})
FOREIGN_WORDS = re.compile(r"(?i)\binput\b|\bshould\b|\bvalid\b|type=|pydantic|field required|permitted|unable to")


def test_whatever_stands_at_a_key_no_word_of_another_library_is_told():
    refused = 0
    for key in keys_of(Protocol):
        for wrong in WRONG:
            tree: object = wrong
            for part in reversed(key.split(".")):
                tree = {part: tree}
            try:
                valid_protocol(tree)
            except ProtocolInvalid as error:
                refused += 1
                assert key.rpartition(".")[0] in error.found
                assert not FOREIGN_WORDS.search(f"{error.found} {error.expected}"), error
    assert refused > 500


def test_a_protocol_file_of_another_encoding_is_refused(tmp_path):
    (tmp_path / "p.toml").write_bytes(b"\xff\xfe\x00")
    assert call("check", tmp_path, "--protocol", tmp_path / "p.toml").exit_code == 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_in_the_place_of_the_protocol_file_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "p.toml")
    result = call("check", tmp_path, "--protocol", tmp_path / "p.toml")
    assert result.exit_code == 2
    assert "[protocol-invalid] found a file that is no regular file" in result.stderr


# ------------------------------------------------------------------------------------------------ privacy
TEXTS = [
    "PatientName",
    "PatientID",
    "InstitutionName",
    "InstitutionAddress",
    "ReferringPhysicianName",
    "OperatorsName",
    "StationName",
    "StudyDescription",
    "SeriesDescription",
    "ProtocolName",
    "PatientComments",
    "AccessionNumber",
    "StudyID",
    "RequestingPhysician",
    "DeviceSerialNumber",
    "PatientAddress",
    "OtherPatientNames",
    "ImageComments",
    "PerformedProcedureStepDescription",
]


def canaries(number: int) -> dict[str, object]:
    nested = Dataset()
    nested.CodeMeaning = f"CANARY{number}NESTED"
    texts: dict[str, object] = {name: f"CANARY{number}X{n}" for n, name in enumerate(TEXTS)}
    return texts | {"ProcedureCodeSequence": [nested], "PatientBirthDate": "19510203"}


@pytest.mark.parametrize("layout", ["folders", "heap"])
def test_no_identifier_reaches_an_output_a_log_or_the_screen(tmp_path, layout):
    study = tmp_path / "study"
    folder = study / "P1" / "baseline" / "CANARY^FOLDER" / "scan" if layout == "folders" else study
    slices = series(4, **canaries(1))
    for ds in slices:
        ds.private_block(0x0029, "CANARY PRIVATE", create=True).add_new(1, "LO", "CANARY PRIVATE TEXT")
    write(folder, slices, name="CANARY{:03d}.dcm".format)
    if layout == "folders":
        other = series(4, **canaries(2))[:-1]
        write(study / "P2" / "baseline" / "CANARY^OTHER", other, name="CANARY{:03d}".format)
        (study / "P2" / "baseline" / "CANARY.txt").write_text("CANARY")
        label_map(tmp_path / "labels", "sub-P1_ses-baseline")
        arguments = ("--labels", tmp_path / "labels")
    else:
        arguments = ()
    out = tmp_path / "out"
    printed = call("check", study, *arguments).output
    printed += call("fit", study, "-o", out, "--figures", *arguments).output
    assert list(out.rglob("*_T2map.nii.gz"))
    assert not leaks(printed.encode())
    for path in out.rglob("*"):
        assert not leaks(str(path.relative_to(out)).encode())
        assert not path.is_file() or not leaks(content(path))


def leaks(text: bytes) -> bool:
    return b"CANARY" in text or b"19510203" in text or b"1951-02-03" in text


def content(path: Path) -> bytes:
    import gzip

    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
