"""The audit log: who changed what, when and why; nothing is left out, nothing can be taken out, a lock holds."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from studies import label_map, small_study, sound_visit, tree
from test_cli_commands import call

from t2disc.errors import ArgumentInvalid, AuditDamaged
from t2disc.store import AuditEntry, append_audit, file_sha256, leave_audit, manifest_sha256, read_audit, verify_outputs


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> Path:
    study = small_study(tmp_path_factory.mktemp("audit") / "study")
    assert fit(study, "--reason", "first delivery").exit_code == 0
    return study


@pytest.fixture
def study(measured, tmp_path) -> Path:
    return Path(shutil.copytree(measured, tmp_path / "study"))


def fit(study: Path, *words: str):
    return call("fit", study, "-o", study / "out", "--labels", study / "labels", "--jobs", "0", *words)


def told(study: Path) -> list[tuple[str, str]]:
    return [(entry.action, entry.target) for entry in read_audit(study / "out").entries]


PAIR = "sub-P1/pairs/ses-baseline_ses-month12"
FIRST = [
    ("compare", PAIR),
    ("run", "sub-P1/ses-baseline"),
    ("run", "sub-P1/ses-month12"),
    ("tables", "manifest.json"),
]


def test_a_run_tells_who_changed_what_when_and_why(study):
    audit = read_audit(study / "out")
    assert told(study) == FIRST
    visit = audit.entries[1]
    assert (visit.why, visit.reason, visit.before_sha256) == ("no earlier result", "first delivery", None)
    assert visit.after_sha256 == manifest_sha256(study / "out" / "sub-P1" / "ses-baseline")
    assert audit.entries[3].after_sha256 == file_sha256(study / "out" / "manifest.json")
    assert visit.utc.endswith("Z")
    assert visit.who


def test_a_user_can_be_named(tmp_path, monkeypatch):
    monkeypatch.setenv("T2DISC_USER", "analyst-2")
    study = small_study(tmp_path)
    fit(study)
    assert {entry.who for entry in read_audit(study / "out").entries} == {"analyst-2"}


def test_a_run_that_changes_nothing_adds_nothing(study):
    before = (study / "out" / "audit.jsonl").read_bytes()
    assert fit(study).exit_code == 0
    assert (study / "out" / "audit.jsonl").read_bytes() == before


def test_each_change_adds_what_it_changed_with_the_state_before(study):
    before = {entry.target: entry.after_sha256 for entry in read_audit(study / "out").entries}
    sound_visit(study / "P1" / "month24", "20260102")
    label_map(study / "labels", "sub-P1_ses-month24")
    fit(study)
    new = read_audit(study / "out").entries[4:]
    assert [(entry.action, entry.target) for entry in new] == [
        ("compare", "sub-P1/pairs/ses-baseline_ses-month24"),
        ("run", "sub-P1/ses-month24"),
        ("tables", "manifest.json"),
    ]
    assert new[2].before_sha256 == before["manifest.json"]


def test_what_a_run_that_was_cut_off_published_is_told_by_the_next(study):
    os.truncate(study / "out" / "audit.jsonl", 0)  # as if it had been killed before its last step
    fit(study)
    assert told(study) == [("found" if action == "run" else action, target) for action, target in FIRST]


@pytest.mark.parametrize("how", ["changed", "taken out", "swapped"])
def test_a_log_that_was_tampered_with_is_found_and_nothing_is_added(study, how):
    path = study / "out" / "audit.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    if how == "changed":
        lines[1] = lines[1].replace(b"first delivery", b"other delivery")
    elif how == "taken out":
        del lines[1]
    else:
        lines[0], lines[1] = lines[1], lines[0]
    path.write_bytes(b"".join(lines))
    with pytest.raises(AuditDamaged):
        verify_outputs(study / "out")
    assert call("verify", study / "out").exit_code == 4
    sound_visit(study / "P1" / "month24", "20260102")
    assert fit(study).exit_code == 4
    assert path.read_bytes() == b"".join(lines)


def test_a_study_manifest_that_was_exchanged_is_noticed(study):
    path = study / "out" / "manifest.json"
    path.write_text(path.read_text().replace('"version": "0.1.0"', '"version": "0.1.1"'))
    assert [str(each) for each in verify_outputs(study / "out")[1]] == ["manifest.json: not as the audit tells"]


# ------------------------------------------------------------------------------------------------ the lock
def test_a_locked_study_changes_only_for_a_reason(study):
    assert call("lock", study / "out", "--reason", "database lock").exit_code == 0
    assert fit(study).exit_code == 0, "nothing would change"
    before = tree(study / "out")
    sound_visit(study / "P1" / "month24", "20260102")
    label_map(study / "labels", "sub-P1_ses-month24")
    refused = fit(study)
    assert refused.exit_code == 2
    assert "[study-locked]" in refused.stderr
    assert tree(study / "out") == before
    assert fit(study, "--reason", "late visit, query 12").exit_code == 0
    entries = read_audit(study / "out").entries
    assert {entry.reason for entry in entries[5:]} == {"late visit, query 12"}


def test_a_locked_study_keeps_its_tables_though_the_protocol_has_changed(study):
    call("lock", study / "out", "--reason", "database lock")
    before = tree(study / "out")
    (study / "p.toml").write_text("[checks.scan]\nfield_strength_t = { expected = 7.0 }\n")
    refused = fit(study, "--protocol", str(study / "p.toml"))
    assert refused.exit_code == 2
    assert "[study-locked]" in refused.stderr
    assert tree(study / "out") == before


def test_a_lock_can_be_taken_away(study):
    call("lock", study / "out", "--reason", "database lock")
    call("lock", study / "out", "--unlock", "--reason", "amendment 3")
    sound_visit(study / "P1" / "month24", "20260102")
    assert fit(study).exit_code == 0
    assert ("unlock", ".") in told(study)


def test_a_lock_needs_outputs_and_a_reason(tmp_path):
    assert call("lock", tmp_path, "--reason", "x").exit_code == 2
    assert call("lock", tmp_path).exit_code == 2


def test_a_reason_is_one_line(tmp_path):
    facts = {"who": "a", "utc": "2026-11-28T09:00:00Z", "action": "run", "target": "sub-1/ses-1"}
    for wrong in ("two\nlines", "x" * 401):
        with pytest.raises(ArgumentInvalid):
            AuditEntry(**facts, reason=wrong)
    append_audit(tmp_path, [AuditEntry(**facts, reason="é")])
    assert json.loads((tmp_path / "audit.jsonl").read_text())["reason"] == "é"
    append_audit(tmp_path, [])
    assert len(read_audit(tmp_path).entries) == 1


@pytest.mark.parametrize("end", ["illegible", "cut", "lost"])
def test_an_audit_log_that_lost_its_end_is_found_though_its_chain_holds(study, end):
    path = study / "out" / "audit.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    last = [b"z" + lines[-1][1:]] if end == "illegible" else []
    path.write_bytes(b"".join([*lines[:-1], *last]))
    if end == "lost":
        path.unlink()
    found = [str(each) for each in verify_outputs(study / "out")[1]]
    assert "manifest.json: not as the audit tells" in found
    assert len(found) == (len(FIRST) if end == "lost" else 1)
    fit(study)
    assert not verify_outputs(study / "out")[1]


@pytest.mark.parametrize("reason", ["", "  "])
def test_a_lock_needs_a_reason_and_blanks_are_none(study, reason):
    assert call("lock", study / "out", "--reason", reason).exit_code == 2
    assert not read_audit(study / "out").is_locked
    assert call("lock", study / "out", "--reason", "release 1").exit_code == 0
    assert fit(study, "--redo", "*", "--reason", reason).exit_code == 2


def test_the_log_of_a_refused_run_tells_the_refusal(study):
    call("lock", study / "out", "--reason", "release 1")
    before = set((study / "out" / "logs").iterdir())
    assert fit(study, "--redo", "*").exit_code == 2
    (log,) = set((study / "out" / "logs").iterdir()) - before
    assert re.search(r"Z ERROR   \[study-locked\] found a locked study", log.read_text())


# ----------------------------------------------------------------------------------------------- runs that were cut off
def test_a_first_run_that_was_cut_off_has_no_tables_yet(study):
    (study / "out" / "manifest.json").unlink()
    assert [str(each) for each in verify_outputs(study / "out")[1]] == ["manifest.json: no manifest of t2disc"], "lost"
    (study / "out" / "audit.jsonl").unlink()
    found = [str(each) for each in verify_outputs(study / "out")[1]]
    assert found == ["manifest.json: no tables yet: an unfinished run; run t2disc fit"]
    assert call("verify", study / "out").exit_code == 4
    fit(study)
    assert not verify_outputs(study / "out")[1]


@pytest.mark.parametrize("is_told", [True, False], ids=["by a shard", "killed before it told"])
def test_a_visit_that_is_newer_than_the_tables_is_told_as_such(study, is_told):
    out = study / "out"
    before = {name: (out / name).read_bytes() for name in ("manifest.json", "audit.jsonl")}
    fit(study, "--redo", "*", "--model", "wls")
    changed = {target for target, sha256 in read_audit(out).states.items() if target.startswith("sub-")}
    entries = [each for each in read_audit(out).entries[4:] if each.target in changed]
    assert len(entries) == 3
    for name, content in before.items():
        (out / name).write_bytes(content)
    if is_told:
        leave_audit(out, entries)
    what = "newer than the tables: run t2disc fit" if is_told else "changed, or of a run that was cut off"
    found = {str(each.path): each.what for each in verify_outputs(out)[1] if each.path.name == "manifest.json"}
    assert found == {f"{target}/manifest.json": what for target in changed}
    next((out / "sub-P1" / "ses-baseline").glob("anat/*_T2map.json")).write_text("{}")
    found = {str(each.path): each.what for each in verify_outputs(out)[1]}
    assert found["sub-P1/ses-baseline/manifest.json"] in ("changed", "not as the audit tells")
    fit(study, "--model", "wls")
    assert not verify_outputs(out)[1]
