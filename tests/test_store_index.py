"""The index and the stamps by which unchanged files are known unread; and that damage is found whatever they say."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from studies import small_study, sound_visit, tree

import t2disc.ingest
import t2disc.study
from t2disc.batch import Author, RunSettings, lock_study, plan_visits, rebuild_index, run_study, survey
from t2disc.errors import ArgumentInvalid, StudyLocked
from t2disc.model import InputFacts
from t2disc.model.protocol import Protocol, StudySettings
from t2disc.store import (
    ReadingKey,
    StudyIndex,
    VisitFacts,
    file_sha256,
    files_stamp,
    folder_stamp,
    is_whole,
    read_index,
    read_study_manifest,
    verify_outputs,
    write_index,
)
from t2disc.study import PseudonymKey, find_visits
from t2disc.study.labels import LabelFolders, find_label_file

OLD_S = 1_700_000_000
FACTS = VisitFacts(participant_id="sub-1", session_id="ses-1", status="done", version="0.1.0", stamp="s", n_discs=5)


def aged(*paths: Path) -> None:
    """Make files old enough for a stamp: what was just written may change again within a clock's tick."""
    time.sleep(2.1 - min(2.1, max(0.0, time.time() - max(path.stat().st_ctime for path in paths))))


# ------------------------------------------------------------------------------------------------ stamps
@pytest.fixture
def files(tmp_path) -> list[Path]:
    paths = [tmp_path / name for name in ("a", "b")]
    for path in paths:
        path.write_bytes(b"content")
    aged(*paths)
    return paths


def test_a_stamp_stays_while_the_files_do_in_whatever_order(files):
    assert files_stamp(files) == files_stamp(files[::-1])
    assert files_stamp(files) is not None
    assert files_stamp(files) != files_stamp(files[:1])


@pytest.mark.parametrize("how", ["content", "same size and time", "another name", "another file of that name"])
def test_a_stamp_changes_with_the_files(files, how):
    before, told = files_stamp(files), files[0].stat()
    if how == "content":
        files[0].write_bytes(b"other content")
    elif how == "same size and time":
        files[0].write_bytes(b"CONTENT")
        os.utime(files[0], ns=(told.st_atime_ns, told.st_mtime_ns))
    elif how == "another name":
        files[0] = files[0].rename(files[0].with_name("c"))
    else:
        shutil.copy2(files[0], files[0].with_name("copy"))
        files[0].with_name("copy").replace(files[0])
    assert files_stamp(files) != before
    aged(*files)
    assert files_stamp(files) not in (before, None)


def test_fresh_files_links_and_what_cannot_be_asked_have_no_stamp(tmp_path, files):
    (tmp_path / "fresh").write_bytes(b"x")
    assert files_stamp([*files, tmp_path / "fresh"]) is None
    assert files_stamp([tmp_path / "none"]) is None
    (tmp_path / "link").symlink_to(files[0])
    assert files_stamp([tmp_path / "link"]) is None
    assert folder_stamp(tmp_path) is None
    assert folder_stamp(tmp_path / "none") is None


# ------------------------------------------------------------------------------------------------ the index
def test_the_index_comes_back_and_any_program_can_read_it(tmp_path):
    index = StudyIndex(visits={FACTS.key: FACTS}, inputs={"stamp": InputFacts("sum", "2026-01-02")})
    assert write_index(tmp_path, index)
    assert not write_index(tmp_path, index), "the same index is not written again"
    assert read_index(tmp_path) == index
    with sqlite3.connect(tmp_path / "index.sqlite") as base:
        assert base.execute("SELECT status, n_discs FROM visits").fetchall() == [("done", 5)]
    base.close()


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + bytes(100)])
def test_an_index_that_is_none_is_an_empty_one(tmp_path, content):
    (tmp_path / "index.sqlite").write_bytes(content)
    assert read_index(tmp_path) == StudyIndex()
    assert read_index(tmp_path / "none") == StudyIndex()


def test_an_index_of_another_version_is_an_empty_one(tmp_path):
    write_index(tmp_path, StudyIndex(visits={FACTS.key: FACTS}))
    base = sqlite3.connect(tmp_path / "index.sqlite")
    base.execute("PRAGMA user_version = 99")
    base.commit()
    base.close()
    assert read_index(tmp_path) == StudyIndex()


def test_facts_without_every_check_sum_have_no_basis():
    assert FACTS.basis is None
    sums = dict.fromkeys(("images_sha256", "labels_sha256", "maps_settings_sha256", "labels_settings_sha256"), "x")
    assert replace(FACTS, **sums).basis is not None


# ------------------------------------------------------------------------------------------------ a study with one
@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> Path:
    study = small_study(tmp_path_factory.mktemp("index") / "study")
    for _ in range(2):  # the second run finds outputs old enough for stamps
        run_study(visits_of(study), settings_of(study))
        time.sleep(2.1)
    run_study(visits_of(study), settings_of(study))
    return study


@pytest.fixture
def study(measured, tmp_path) -> Path:
    """A copy of the measured study with an index that knows it."""
    shutil.copytree(measured, tmp_path / "study")
    time.sleep(2.1)
    run_study(visits_of(tmp_path / "study"), settings_of(tmp_path / "study"))
    return tmp_path / "study"


def settings_of(study: Path, **changes: object) -> RunSettings:
    return RunSettings(out=study / "out", protocol=Protocol(), labels_dir=study / "labels", **changes)


def visits_of(study: Path, known: bool = True):
    inputs = read_index(study / "out").inputs if known else None
    return find_visits(study, Protocol(), ignore=(study / "out", study / "labels"), key=None, known=inputs)


def plan_of(study: Path, **changes: object) -> dict[str, tuple[str, str]]:
    plan = plan_visits(visits_of(study), settings_of(study, **changes), read_index(study / "out"))
    return {one.visit.key: (one.decision.action, one.decision.why) for one in plan}


SKIPPED = ("skip", "nothing has changed since its last run")


def test_an_unchanged_study_is_planned_without_reading_a_pixel_or_an_output(study, monkeypatch):
    def fail(*args: object, **keywords: object) -> None:
        raise AssertionError("read")

    monkeypatch.setattr("t2disc.store.manifest._sha256", fail)
    monkeypatch.setattr("t2disc.study.find._identities", fail)
    monkeypatch.setattr("t2disc.study.basis._of_images", fail)
    monkeypatch.setattr("t2disc.store.records.json.loads", fail)
    assert set(plan_of(study).values()) == {SKIPPED}


def test_a_visit_left_alone_whose_labels_cannot_be_told_is_not_known_by_its_old_check_sums(study):
    scan, label = study / "P1" / "baseline" / "scan", study / "labels" / "sub-P1_ses-baseline_dseg.nii.gz"
    path = sorted(scan.iterdir())[0]
    path.write_bytes(path.read_bytes()[:-1] + b"\x07")
    second = label.with_name("sub-P1_ses-baselinex_dseg.nii.gz")
    shutil.copy(label, second)
    time.sleep(2.1)
    run_study(visits_of(study), settings_of(study, only=("ses-month12",)))
    second.unlink()
    assert plan_of(study)["sub-P1/ses-baseline"][0] == "run"


def test_files_that_were_away_while_a_visit_was_measured_are_not_known(study, tmp_path, monkeypatch):
    (moved,) = sorted((study / "P1" / "baseline" / "scan").iterdir())[:1]
    real = t2disc.study.visit_basis

    def away(visit, *arguments):
        if "baseline" in visit.key and moved.exists():
            moved.rename(tmp_path / "away")
        return real(visit, *arguments)

    shutil.rmtree(study / "out")
    with monkeypatch.context() as patched:
        patched.setattr("t2disc.study.visit_basis", away)
        patched.setattr("t2disc.ingest.load_stack", _of_whole(moved, tmp_path / "away"))
        run_study(visits_of(study), settings_of(study))
    assert moved.exists()
    time.sleep(2.1)
    assert plan_of(study)["sub-P1/ses-baseline"] == ("run", "other files than at the last run")


def _of_whole(moved: Path, away: Path):
    """Load a visit once its file is back: its result is sound, and not made from what its check sums tell."""
    real = t2disc.ingest.load_stack

    def load(*arguments, **keywords):
        if away.exists():
            away.rename(moved)
        return real(*arguments, **keywords)

    return load


def test_of_an_unchanged_heap_headers_alone_are_read(tmp_path, monkeypatch):
    study, out, key = tmp_path / "heap", tmp_path / "out", PseudonymKey(secret=b"of the study")
    sound_visit(study)
    settings, protocol = RunSettings(out=out, protocol=Protocol()), Protocol(study=StudySettings(layout="heap"))
    for _ in range(2):
        run_study(find_visits(study, protocol, key=key), settings)
        time.sleep(2.1)
    run_study(find_visits(study, protocol, key=key), settings)
    monkeypatch.setattr("t2disc.study.basis._of_images", None)
    visits = find_visits(study, protocol, key=key)
    (planned,) = plan_visits(visits, settings, read_index(out))
    assert (planned.decision.action, planned.decision.why) == SKIPPED
    path = sorted((study / "scan").iterdir())[0]
    path.write_bytes(path.read_bytes())
    assert find_visits(study, protocol, key=key)[0].stamp is None


def test_what_the_index_says_is_what_no_index_would_say(study):
    with_index = plan_of(study)
    dates = [visit.acquisition_date for visit in visits_of(study)]
    (study / "out" / "index.sqlite").unlink()
    assert plan_of(study) == with_index
    assert [visit.acquisition_date for visit in visits_of(study)] == dates


def test_a_changed_input_is_seen_though_size_and_time_are_as_they_were(study):
    path = sorted((study / "P1" / "baseline" / "scan").iterdir())[0]
    told, content = path.stat(), bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))
    plan = plan_of(study)
    assert plan["sub-P1/ses-baseline"] == ("run", "other files than at the last run")
    assert plan["sub-P1/ses-month12"] == SKIPPED


@pytest.mark.parametrize("how", ["a bit", "a bit, its time kept", "lost", "added"])
def test_a_changed_output_is_seen(study, how):
    path = next((study / "out" / "sub-P1" / "ses-baseline" / "anat").glob("*_T2map.nii.gz"))
    told, content = path.stat(), bytearray(path.read_bytes())
    if how == "lost":
        path.unlink()
    elif how == "added":
        path.with_name("more.txt").touch()
    else:
        content[40] ^= 1
        path.write_bytes(content)
        if how != "a bit":
            os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))
    assert plan_of(study)["sub-P1/ses-baseline"][0] == "run"


def test_the_index_made_again_is_the_index(study):
    before = read_index(study / "out")
    (study / "out" / "index.sqlite").unlink()
    assert rebuild_index(study / "out") == 2
    assert read_index(study / "out").visits == before.visits
    seen = survey(study / "out")
    assert [each.facts for each in seen] == [before.visits[key] for key in sorted(before.visits)]
    assert all(each.is_whole for each in seen)


def test_only_and_redo_choose_visits(study):
    assert plan_of(study, redo=("ses-month12",))["sub-P1/ses-month12"] == ("run", "asked for again")
    plan = plan_of(study, only=("sub-P1/ses-base*",), redo=("sub-P1",))
    assert plan["sub-P1/ses-baseline"][0] == "run"
    assert plan["sub-P1/ses-month12"] == ("skip", "others alone are asked for")
    for name in ("only", "redo"):
        with pytest.raises(ArgumentInvalid, match=f"--{name}"):
            plan_of(study, **{name: ("sub-P9",)})


def test_only_leaves_the_tables_whole_and_new_visits_of_others_out(study):
    sound_visit(study / "P1" / "month24", "20260102")
    before = (study / "out" / "discs.tsv").read_bytes()
    outcome = run_study(visits_of(study), settings_of(study, only=("ses-baseline",)))
    assert [record.session_id for record in outcome.records] == ["ses-baseline", "ses-month12"]
    assert (study / "out" / "discs.tsv").read_bytes() == before


# ------------------------------------------------------------------------------------------------ verify
def test_outputs_as_published_have_nothing_against_them(study):
    n_files, findings = verify_outputs(study / "out")
    assert findings == ()
    assert n_files > 60


N_FLIPS = 100


def test_any_bit_that_is_flipped_names_its_file(study):
    out = study / "out"
    own = [path for path in sorted(out.rglob("*")) if path.is_file() and is_listed(path.relative_to(out))]
    assert len(own) > 60
    for n in range(N_FLIPS):
        path = own[n * 7 % len(own)]
        content = path.read_bytes()
        at = n * 7919 % len(content)
        path.write_bytes(content[:at] + bytes([content[at] ^ (1 << n % 8)]) + content[at + 1 :])
        named = [str(finding.path) for finding in verify_outputs(out)[1]]
        assert path.relative_to(out).as_posix() in named, path.name
        path.write_bytes(content)
    assert verify_outputs(out)[1] == ()


def is_listed(path: Path) -> bool:
    """Files that a manifest lists, and manifests; not logs, index, audit, and the README, which people may edit."""
    return path.parts[0] != "logs" and path.name not in {"index.sqlite", "audit.jsonl", "README.md"}


def test_lost_added_and_linked_files_are_named(study):
    out = study / "out"
    folder = out / "sub-P1" / "ses-baseline"
    next(folder.glob("anat/*_S0map.nii.gz")).unlink()
    (folder / "more.txt").touch()
    linked = next(folder.glob("anat/*_T2map.json"))
    linked.rename(study / "elsewhere.json")
    linked.symlink_to(study / "elsewhere.json")
    (out / "discs.tsv").unlink()
    found = {finding.path.name: finding.what for finding in verify_outputs(out)[1]}
    assert found == {
        "sub-P1_ses-baseline_S0map.nii.gz": "missing",
        "more.txt": "not listed",
        linked.name: "changed",
        "discs.tsv": "missing",
    }


@pytest.mark.skipif(os.name == "nt", reason="needs named pipes")
def test_a_pipe_in_the_place_of_a_table_or_map_is_not_waited_for(study):
    out = study / "out"
    path = next((out / "sub-P1" / "ses-baseline").glob("anat/*_S0map.nii.gz"))
    for each in (path, out / "discs.tsv"):
        each.unlink()
        os.mkfifo(each)
    rescue = threading.Timer(5.0, lambda: os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK)))  # whoever waits goes on
    rescue.start()
    assert file_sha256(path) is None
    rescue.cancel()
    named = {str(each.path) for each in verify_outputs(out)[1] if each.what == "changed"}
    assert named == {path.relative_to(out).as_posix(), "discs.tsv"}
    assert not is_whole(out / "sub-P1" / "ses-baseline")


def test_a_visit_that_was_exchanged_with_its_manifest_is_noticed(study):
    """A folder that is whole in itself, yet not the one that the tables were made from."""
    out = study / "out"
    shutil.rmtree(out / "sub-P1" / "ses-baseline")
    shutil.copytree(out / "sub-P1" / "ses-month12", out / "sub-P1" / "ses-baseline")
    assert any("ses-baseline/manifest.json" in str(finding) for finding in verify_outputs(out)[1])


def test_what_describes_the_dataset_is_looked_at_as_well_except_the_readme(study):
    out = study / "out"
    description = out / "dataset_description.json"
    description.write_text(description.read_text().replace('"Version": "', '"Version": "9'))
    (out / ".bidsignore").unlink()
    (out / "README.md").write_text("What our lab did.")
    found = {str(finding.path): finding.what for finding in verify_outputs(out)[1]}
    assert found == {"dataset_description.json": "changed", ".bidsignore": "missing"}
    run_study(visits_of(study), settings_of(study))
    assert verify_outputs(out)[1] == ()
    assert (out / "README.md").read_text() == "What our lab did."


STRAYS = {
    "changes_final.tsv": True,
    "discs.csv": True,
    "For Anna.xlsx": True,
    "sub-P1/discs.xlsx": True,
    "extra": True,  # tables
    "phenotype": False,
    "T2map.json": True,  # BIDS applies it to every map
    "sub-P1_ses-baseline_T2map.nii.gz": True,
    "sub-P9": True,
    "old": True,  # images
    "sub-P1/ses-rogue": True,
    "sub-P1/anat": True,
    "sub-P1/sub-P1_ses-baseline_T2map.nii.gz": True,
    "sub-P1/pairs/ses-baseline_ses-rogue": True,
    "notes.txt": False,
    "participants.tsv": False,
    "participants.xlsx": False,
    "code": False,
    ".hidden": False,
    "sub-P1/remarks.docx": False,
}
WITHIN = {
    "old": "sub-P1/ses-baseline/anat/sub-P1_ses-baseline_T2map.nii.gz",
    "sub-P9": "ses-baseline/anat/sub-P9_ses-baseline_T2map.nii.gz",
    "sub-P1/ses-rogue": "anat/sub-P1_ses-rogue_T2map.nii.gz",
    "sub-P1/anat": "sub-P1_T2map.nii.gz",
    "sub-P1/pairs/ses-baseline_ses-rogue": "anat/x.nii.gz",
    "code": "run.R",
    "extra": "of Anna/discs.tsv",
    "phenotype": "oswestry.tsv",
}


@pytest.mark.parametrize(("name", "is_wrong"), STRAYS.items())
def test_what_no_manifest_lists_is_named_and_wrong_where_it_may_be_taken_for_a_result(study, name, is_wrong):
    path = study / "out" / name / WITHIN.get(name, "")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    (finding,) = verify_outputs(study / "out")[1]
    assert (str(finding.path), finding.is_wrong) == (name, is_wrong)


def test_a_visit_of_other_outputs_is_told_though_its_own_manifest_agrees(study):
    out = study / "out"
    shutil.copytree(out / "sub-P1" / "ses-baseline", out / "sub-P1" / "ses-rogue")
    assert [str(each) for each in verify_outputs(out)[1]] == ["sub-P1/ses-rogue/manifest.json: not as the audit tells"]


OF_T2DISC = (
    "index.html",
    "sub-P1/sub-P1_report.html",
    "logs/report.log",
    "review/ratings/mary.jsonl",
    "review/ratings.tsv",
    "ratings.tsv",
    "profiles.png",
    "figures/change.svg",
    "sub-P1/figures/change.svg",
    ".discs.tsv.00112233.tmp",
    ".t2disc.lock",
    "sub-P1/.ses-baseline.00112233.staged/anat/x.nii.gz",
    "README",
    "CHANGES",
    "LICENSE.txt",
)


def test_reports_pictures_ratings_logs_and_words_of_people_are_no_strays(study):
    out = study / "out"
    for name in OF_T2DISC:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(b"x")
    (out / "empty").mkdir()
    key = ReadingKey(visits={"A": ("sub-P1", "ses-baseline")}, nonce="0")
    (out / "reads_key.json").write_bytes(key.content)
    assert verify_outputs(out)[1] == ()


def test_a_locked_study_keeps_what_describes_it_when_a_run_is_refused(study):
    out = study / "out"
    lock_study(out, Author(who="x", reason="released"))
    (out / "dataset_description.json").write_text('{"GeneratedBy": [{"Name": "t2disc", "Version": "0.0.1"}]}')
    before = tree(out)
    with pytest.raises(StudyLocked):
        run_study(visits_of(study), settings_of(study))
    assert tree(out) == before


def test_a_study_manifest_that_is_none_is_told(study):
    (study / "out" / "manifest.json").write_text("{}")
    assert read_study_manifest(study / "out") is None
    assert [str(each) for each in verify_outputs(study / "out")[1]] == ["manifest.json: no manifest of t2disc"]


def test_tables_that_were_changed_are_written_again(study):
    before = tree(study / "out")
    (study / "out" / "discs.tsv").write_text("mine")
    run_study(visits_of(study), settings_of(study))
    assert tree(study / "out") == before


def test_a_folder_of_labels_is_looked_up_once_however_many_visits_there_are(study, monkeypatch):
    folders = LabelFolders(given=study / "labels")
    for visit in visits_of(study):
        alone, among = find_label_file(visit, folders), find_label_file(visit, folders.listed())
        assert alone is not None
        assert (alone.path, alone.companions) == (among.path, among.companions)
        assert alone.companions
    seen, real = [], Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda path: (seen.append(path), real(path))[1])
    assert set(plan_of(study).values()) == {SKIPPED}
    assert seen.count(study / "labels") == 1


def test_a_linked_folder_among_outputs_is_seen(study, tmp_path):
    folder = study / "out" / "sub-P1" / "ses-baseline"
    assert is_whole(folder)
    (folder / "extra").symlink_to(tmp_path, target_is_directory=True)
    assert not is_whole(folder)
    assert [str(each) for each in verify_outputs(study / "out")[1]] == ["sub-P1/ses-baseline/extra: not listed"]
