"""Status, verify, explain, index and the plan as commands: what they print, for people and for programs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from studies import broken_visit, small_study, tree
from test_cli_commands import call, everything

from t2disc.store import output_lock, shard_lock


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> Path:
    study = small_study(tmp_path_factory.mktemp("looking") / "study")
    broken_visit(study / "P1" / "month24")
    assert call("fit", study, "-o", study / "out", "--labels", study / "labels", "--jobs", "0").exit_code == 3
    return study


@pytest.fixture
def study(measured, tmp_path) -> Path:
    return Path(shutil.copytree(measured, tmp_path / "study"))


def fit(study: Path, *words: str):
    return call("fit", study, "-o", study / "out", "--labels", study / "labels", "--jobs", "0", *words)


def test_status_tells_every_visit_and_by_its_exit_code_whether_any_was_refused(study):
    result = call("status", study / "out")
    assert result.exit_code == 3
    assert "sub-P1/ses-month24" in result.stdout
    assert "slice-missing" in result.stdout
    assert "3 visits" in result.stdout
    told = json.loads(call("status", study / "out", "--json").stdout)
    assert [each["visit"] for each in told] == [f"sub-P1/ses-{name}" for name in ("baseline", "month12", "month24")]
    assert told[2]["code"] == "slice-missing"
    assert told[0]["n_discs"] == 2


def test_status_writes_nothing(study):
    before = everything(study)
    call("status", study / "out")
    call("verify", study / "out")
    call("explain", study / "out", "sub-P1/ses-baseline")
    assert everything(study) == before


def test_verify_names_what_was_changed_and_whose_inputs_differ(study):
    whole = call("verify", study / "out", "--study", study, "--labels", study / "labels")
    assert whole.exit_code == 0
    assert "0 not as published" in whole.stdout
    assert "Inputs of 0 visits differ" in whole.stdout
    path = study / "out" / "sub-P1" / "ses-baseline" / "anat" / "sub-P1_ses-baseline_T2map.json"
    path.write_text(path.read_text() + " ")
    image = sorted((study / "P1" / "month12" / "scan").iterdir())[0]
    image.write_bytes(image.read_bytes()[:-1] + b"x")
    result = call("verify", study / "out", "--study", study, "--labels", study / "labels")
    assert result.exit_code == 4
    assert "sub-P1/ses-baseline/anat/sub-P1_ses-baseline_T2map.json: changed" in result.stdout
    assert "sub-P1/ses-month12: other files than at the last run" in result.stdout
    told = json.loads(call("verify", study / "out", "--json").stdout)
    assert [each["what"] for each in told["findings"]] == ["changed"]


def test_verify_tells_by_its_exit_code_that_an_input_differs_though_all_outputs_are_whole(study):
    image = sorted((study / "P1" / "month12" / "scan").iterdir())[0]
    image.write_bytes(image.read_bytes()[:-1] + b"x")
    assert call("verify", study / "out", "--study", study, "--labels", study / "labels").exit_code == 4
    assert call("verify", study / "out").exit_code == 0


def test_verify_counts_what_may_be_taken_for_a_result_and_names_a_note_only(study):
    (study / "out" / "notes.txt").write_text("call them")
    told = call("verify", study / "out")
    assert told.exit_code == 0
    assert "notes.txt: no result of t2disc" in told.stdout
    assert "1 other beside them, not looked at." in told.stdout
    (study / "out" / "changes_final.tsv").write_text("x")
    assert call("verify", study / "out").exit_code == 4
    told = json.loads(call("verify", study / "out", "--json").stdout)
    assert {each["path"]: each["wrong"] for each in told["findings"]} == {"changes_final.tsv": True, "notes.txt": False}


def test_verify_is_refused_while_a_run_or_a_shard_writes_there(study):
    for held in (output_lock(study / "out"), shard_lock(study / "out", number=1, n_shards=2, division="x")):
        with held:
            before = everything(study)
            result = call("verify", study / "out")
            assert everything(study) == before
        assert result.exit_code == 4
        assert "[output-busy]" in result.stderr
    assert call("verify", study / "out").exit_code == 0


@pytest.mark.parametrize("place", ["ses-baseline", "ses-baseline/anat", "pairs/ses-baseline_ses-month12", "link"])
def test_nothing_is_put_into_a_published_visit_or_pair(study, place):
    folder = study / "out" / "sub-P1" / place
    if place == "link":
        folder = study / "link"
        folder.symlink_to(study / "out" / "sub-P1" / "ses-baseline", target_is_directory=True)
    for command in (
        ("plot", study / "out", "sub-P1/ses-baseline", "overlay", "-o", folder / "x.png"),
        ("ratings", study / "out", "-o", folder),
        ("ratings", study / "out", "-o", folder / "new"),
        ("blind", study / "out", study / "set", "--key", folder / "key.json"),
    ):
        result = call(*command)
        assert result.exit_code == 2, command
        assert "within a visit or pair that t2disc fit published" in result.stderr
    assert call("verify", study / "out").exit_code == 0
    assert call("ratings", study / "out", "-o", study / "out" / "sub-P1" / "read").exit_code == 0


def test_explain_and_status_tell_grades_and_explain_what_is_to_be_reviewed_of_pairs(study):
    (study / "p.toml").write_text('[checks.scan]\nfield_strength_t = { expected = 9.4, severity = "major" }\n')
    fit(study, "--protocol", study / "p.toml")
    lines = call("explain", study / "out", "sub-P1/ses-month12").stdout.splitlines()
    assert any(line.startswith("grade: non-evaluable: ") for line in lines)
    assert any(line.startswith("sub-P1/ses-month12 since ses-baseline: ") for line in lines)
    assert any(line.startswith("made with python ") for line in lines)
    told = json.loads(call("status", study / "out", "--json").stdout)
    assert [each["grade"] for each in told] == ["non-evaluable"] * 3
    assert "non-evaluable" in call("status", study / "out").stdout
    (study / "out" / "visits.tsv").write_text("no table")
    assert json.loads(call("status", study / "out", "--json").stdout)[0]["grade"] is None
    assert call("explain", study / "out", "sub-P1/ses-month12").exit_code == 0


def test_explain_tells_why_a_visit_was_refused_and_what_was_used_of_another(study):
    refused = call("explain", study / "out", "sub-P1/ses-month24").stdout
    assert "quarantined" in refused
    assert "[slice-missing]" in refused
    used = call("explain", study / "out", "sub-P1/ses-baseline").stdout
    assert "discs: L4/L5, L5/S1; labels given" in used
    for wrong in ("sub-P9/ses-baseline", "sub-P1", "../sub-P1/ses-baseline", "sub-P1/ses-../x"):
        assert call("explain", study / "out", wrong).exit_code == 2


def test_the_index_can_be_made_again(study):
    (study / "out" / "index.sqlite").unlink()
    result = call("index", study / "out")
    assert result.exit_code == 0
    assert "3 visits" in result.stdout
    assert (study / "out" / "index.sqlite").is_file()


# ------------------------------------------------------------------------------------------------ where it is printed
PRINTING = ("status OUT", "status OUT --json", "fit OUT/.. -o OUT --jobs 0", "schema", "--help", "--version")


def process(study: Path, words: str, *, unbuffered: bool, **streams: Any) -> subprocess.CompletedProcess[bytes]:
    arguments = [word.replace("OUT", str(study / "out")) for word in words.split()]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1" if unbuffered else ""}
    command = [sys.executable, "-m", "t2disc", *arguments]
    return subprocess.run(command, check=False, env=environment, timeout=120, **streams)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("unbuffered", [False, True])
@pytest.mark.parametrize("words", PRINTING)
def test_results_that_cannot_be_printed_are_a_fault_of_the_environment(study, words, unbuffered):
    with Path("/dev/full").open("wb") as full:
        ended = process(study, words, unbuffered=unbuffered, stdout=full, stderr=subprocess.PIPE)
    assert ended.returncode == 4
    last = ended.stderr.decode().splitlines()[-1]
    assert "[stdout-unwritable] found results that the system does not let be printed (ENOSPC)" in last
    assert ended.stderr.count(b"stdout-unwritable") == 1
    assert b"Traceback" not in ended.stderr
    assert b"Exception" not in ended.stderr


@pytest.mark.skipif(os.name == "nt", reason="needs a shell of POSIX")
@pytest.mark.parametrize("closed", [">&-", ">&- <&-", ">&- 2>&- <&-"])
@pytest.mark.parametrize("words", PRINTING)
def test_results_that_have_no_stream_to_be_printed_to_are_a_fault_of_the_environment(study, words, closed):
    arguments = [word.replace("OUT", str(study / "out")) for word in words.split()]
    command = ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-m", "t2disc", *arguments]
    ended = subprocess.run(command, check=False, stderr=subprocess.PIPE, timeout=120)
    assert ended.returncode == 4
    assert ended.stderr.count(b"[stdout-unwritable]") == (0 if "2>" in closed else 1)
    assert b"Traceback" not in ended.stderr


@pytest.mark.skipif(os.name == "nt", reason="needs pipes of POSIX")
@pytest.mark.parametrize("unbuffered", [False, True])
@pytest.mark.parametrize("words", PRINTING)
def test_a_pipe_that_nobody_reads_ends_a_command_without_a_word(study, words, unbuffered):
    ends = os.pipe()
    os.close(ends[0])
    ended = process(study, words, unbuffered=unbuffered, stdout=ends[1], stderr=subprocess.PIPE)
    os.close(ends[1])
    assert ended.returncode == 141
    assert not [line for line in ended.stderr.decode().splitlines() if " INFO " not in line and " WARNING " not in line]


@pytest.mark.skipif(os.name == "nt", reason="needs pipes of POSIX")
def test_a_log_that_nobody_reads_ends_a_run_and_leaves_no_lock(study):
    ends = os.pipe()
    os.close(ends[0])
    ended = process(study, "fit OUT/.. -o OUT", unbuffered=False, stdout=ends[1], stderr=ends[1])
    os.close(ends[1])
    assert ended.returncode == 141
    assert fit(study).exit_code == 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_log_that_cannot_be_written_on_stderr_ends_no_run(study):
    with Path("/dev/full").open("wb") as full:
        ended = process(study, "fit OUT/.. -o OUT", unbuffered=False, stdout=subprocess.PIPE, stderr=full)
    assert ended.returncode == 3
    assert b"visits measured" in ended.stdout


@pytest.mark.parametrize("command", ["status", "verify", "index"])
def test_a_folder_that_holds_no_outputs_is_refused(tmp_path, command):
    result = call(command, tmp_path)
    assert result.exit_code == 2
    assert "[study-not-found]" in result.stderr
    assert not list(tmp_path.iterdir())


def test_the_plan_tells_what_would_be_done_and_why(study):
    before = everything(study)
    result = fit(study, "--dry-run", "--redo", "ses-baseline")
    assert result.exit_code == 0
    for words in ("asked for again", "nothing has changed since its last run", "quarantined before: slice-missing"):
        assert words in result.stdout
    assert "3 visits: run 2, skip 1; nothing was written." in result.stdout
    told = json.loads(fit(study, "--dry-run", "--json").stdout)
    assert [each["action"] for each in told] == ["skip", "skip", "run"]
    assert everything(study) == before


def test_a_run_tells_programs_how_it_ended(study):
    before = tree(study / "out")
    result = fit(study, "--json")
    told = json.loads(result.stdout)
    assert told["n_skipped"] == 2
    assert told["visits"][2] | {"reason": ""} == {
        "visit": "sub-P1/ses-month24",
        "state": "quarantined",
        "code": "slice-missing",
        "reason": "",
    }
    assert tree(study / "out") == before


def test_only_measures_what_is_asked_for(study):
    result = fit(study, "--only", "sub-P1/ses-month24", "--json")
    assert result.exit_code == 3
    assert json.loads(result.stdout)["n_skipped"] == 2
    wrong = fit(study, "--only", "sub-P7")
    assert wrong.exit_code == 2
    assert "--only" in wrong.stderr


VISIT = "sub-P1/ses-baseline/sub-P1_ses-baseline_desc-t2disc_record.json"
PAIR = "sub-P1/pairs/ses-baseline_ses-month12/sub-P1_ses-baseline_ses-month12_desc-change_record.json"
OUTDATED = "its earlier result is of another version of the record"


def age(out: Path, *names: str) -> None:
    """Make records those of an earlier version."""
    for name in names:
        told = json.loads((out / name).read_bytes())
        key = next(key for key in told if key.endswith("record_version"))
        (out / name).write_text(json.dumps(told | {key: 1}, indent=2))


@pytest.mark.parametrize(("name", "key"), [(VISIT, "sub-P1/ses-baseline"), (PAIR, "ses-month12 since ses-baseline")])
def test_results_of_another_version_of_the_record_are_refused_and_nothing_is_written(study, name, key):
    out, picture = study / "out", study / "a.png"
    age(out, name)
    before = everything(study)
    labels, only = ("--labels", study / "labels"), ("--only", "ses-month12")
    for words in (
        ("status", out),
        ("explain", out, "sub-P1/ses-month12"),
        ("report", out),
        ("plot", out, "sub-P1/ses-month12", "overlay", "-o", picture),
        ("blind", out, study / "reads", "--key", study / "key.json"),
        ("review", out, "--no-browser"),
        ("index", out),
        ("reproduce", out, "--study", study, *labels),
        ("verify", out, "--study", study, *labels),
        ("fit", study, "-o", out, *labels, "--jobs", "0", *only),
        ("fit", study, "-o", out, *labels, "--jobs", "0", *only, "--shard", "1/1"),
        ("fit", study, "-o", out, *labels, "--dry-run", *only),
    ):
        result = call(*words)
        assert (result.exit_code, "[records-outdated]" in result.stderr) == (4, True), words
        assert key in result.stderr
    assert everything(study) == before


def test_a_whole_run_measures_results_of_another_version_again_and_tells_why(study):
    out = study / "out"
    before = tree(out)
    age(out, VISIT, PAIR)
    plan = json.loads(fit(study, "--dry-run", "--json").stdout)
    assert [each["why"] == OUTDATED for each in plan] == [True, False, False]
    logs = set(out.glob("logs/*"))
    assert fit(study).exit_code == 3
    assert tree(out) == before
    (log,) = set(out.glob("logs/*")) - logs
    for told in (f"sub-P1/ses-baseline: run ({OUTDATED})", f"ses-month12 since ses-baseline: run ({OUTDATED})"):
        assert told in log.read_text()
    assert "first result" not in log.read_text()
    assert call("index", out).exit_code == 0
    age(out, VISIT)
    fit(study, "--model", "loglinear")
    audit = [json.loads(line) for line in (out / "audit.jsonl").read_text().splitlines()]
    assert ("sub-P1/ses-baseline", OUTDATED) in {(entry["target"], entry["why"]) for entry in audit}
