"""Review, blinded reading and tables of ratings as commands: what they print, write and refuse."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from test_study_blind import key_of, out  # noqa: F401 - the fixture

from t2disc.cli import main
from t2disc.cli.reviewing import run_review
from t2disc.model.ratings import Rating
from t2disc.store import append_rating
from t2disc.study import StudyDesk

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX sends them")


def t2disc(*words: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    return int(stop.value.code or 0)


def test_blind_writes_set_and_key_and_says_who_is_left_out(out, tmp_path, capsys):  # noqa: F811
    assert t2disc("blind", out, tmp_path / "reads", "--key", tmp_path / "key.json", "--repeats", "1") == 0
    printed = capsys.readouterr()
    assert "7 reads in" in printed.out
    assert "sub-P3/ses-month24 is not in the reading set" in printed.err
    assert len(key_of(tmp_path / "key.json")) == 7


def test_blind_refuses_what_would_unblind(out, tmp_path):  # noqa: F811
    assert t2disc("blind", out, tmp_path / "reads", "--key", tmp_path / "reads" / "key.json") == 2
    assert t2disc("blind", out, out / "reads", "--key", tmp_path / "key.json") == 2
    assert not (tmp_path / "key.json").exists()


def test_ratings_tells_agreement_and_differences(out, tmp_path, capsys):  # noqa: F811
    copy = tmp_path / "out"
    subprocess.run(["cp", "-r", str(out), str(copy)], check=True)
    told = {"figure": "visit-baseline-slices", "rated_sha256": "a" * 64, "rated_utc": "2026-11-28T09:00:00Z"}
    for subject, one, other in (("sub-P1", "pass", "pass"), ("sub-P2", "pass", "fail"), ("sub-P3", "fail", "fail")):
        append_rating(copy / "review", Rating(subject=subject, word=one, reader="R1", **told))
        append_rating(copy / "review", Rating(subject=subject, word=other, reader="R2", **told))
    assert t2disc("ratings", copy) == 0
    printed = capsys.readouterr().out
    assert "6 ratings of 2 readers" in printed
    assert "r1 and r2: the same word for 2 of 3, weighted kappa 0.40" in printed
    assert "sub-P2 visit-baseline-slices: r1 pass, r2 fail" in printed
    rows = (copy / "review" / "disagreements.tsv").read_text().splitlines()
    assert len(rows) == 2
    assert rows[1].endswith("\tyes")
    (copy / "review" / "ratings" / "r1.jsonl").write_text('{"word": "pass"}\n')
    assert t2disc("ratings", copy) == 4


def test_ratings_of_a_folder_that_holds_none_are_refused_and_nothing_is_written(tmp_path, capsys):
    assert t2disc("ratings", tmp_path) == 2
    assert "[study-not-found]" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_tables_say_what_their_columns_mean(out, tmp_path):  # noqa: F811
    assert t2disc("ratings", out, "-o", tmp_path) == 0
    for name in ("ratings", "disagreements", "agreement"):
        head = (tmp_path / f"{name}.tsv").read_text().splitlines()[0].split("\t")
        assert list(json.loads((tmp_path / f"{name}.json").read_text())) == head


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_review_prints_an_address_that_works_and_ends_when_told(out, number, code):  # noqa: F811
    words = [sys.executable, "-m", "t2disc", "review", str(out), "--no-browser"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        lines = [process.stdout.readline() for _ in range(2)]
        assert "3 to read" in lines[0]
        port, query = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/(\?token=\S+)\n", lines[1]).groups()
        connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=10)
        connection.request("GET", f"/{query}")
        assert connection.getresponse().status == 303
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == code
    assert "Traceback" not in errors
    assert query.removeprefix("?token=") not in errors


def test_review_refuses_what_is_no_study_and_no_set(tmp_path, capsys):
    assert t2disc("review", tmp_path, "--no-browser") == 2
    assert "study-not-found" in capsys.readouterr().err


def test_the_desk_of_a_study_shows_reports_and_volumes(out, tmp_path):  # noqa: F811
    desk = StudyDesk(out)
    assert desk.subjects == ("sub-P1", "sub-P2", "sub-P3")
    assert [visit.name for visit in desk.visits("sub-P3")] == ["ses-baseline", "ses-month12"], "not the refused one"
    page = desk.page("sub-P1")
    names = [figure.name for section in page.sections for figure in section.figures]
    assert "visit-baseline-slices" in names
    path = tmp_path / "volume.nii.gz"
    shapes = set()
    for name in ("echo", "T2", "discs"):
        path.write_bytes(desk.volume("sub-P1", "ses-baseline", name))
        import nibabel as nib

        shapes.add(nib.load(path).shape)
    assert shapes == {(40, 48, 4)}


def test_outputs_made_before_the_first_echo_was_kept_show_s0(out, tmp_path):  # noqa: F811
    copy: Path = tmp_path / "out"
    subprocess.run(["cp", "-r", str(out), str(copy)], check=True)
    with_echo = StudyDesk(copy).volume("sub-P1", "ses-baseline", "echo")
    next(copy.glob("sub-P1/ses-baseline/anat/*_echo-1_*.nii.gz")).unlink()
    assert StudyDesk(copy).volume("sub-P1", "ses-baseline", "echo") != with_echo


def test_the_browser_s_command_line_never_has_the_token_and_ctrl_c_ends_a_review_wherever_it_comes(
    out,  # noqa: F811
    monkeypatch,
    capsys,
):
    opened: list[str] = []

    def interrupted(address: str) -> None:
        opened.append(address)
        raise KeyboardInterrupt

    monkeypatch.setattr("webbrowser.open", interrupted)
    assert run_review(out, None, port=0, with_differences=False, opens_browser=True) == 0
    printed = capsys.readouterr().out
    (token,) = re.findall(r"\?token=(\S+)", printed)
    assert "The review has ended." in printed
    assert "?ticket=" in opened[0]
    assert token not in opened[0]
