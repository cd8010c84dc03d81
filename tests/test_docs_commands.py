"""The commands and the Python of README and quickstart run as they stand."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "docs" / "quickstart.md", ROOT / "docs" / "batch.md"]


def blocks(page: Path, language: str) -> list[str]:
    """Return the fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def commands(page: Path) -> list[str]:
    lines = [line.split("#")[0].strip() for block in blocks(page, "bash") for line in block.splitlines()]
    return [line for line in lines if line.startswith("t2disc ")]


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A folder with the sample data, in which the docs' commands run."""
    shutil.copytree(ROOT / "sample_data", tmp_path / "sample_data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_commands_run(clone, page):
    found = commands(page)
    assert len(found) >= 2
    for command in found:
        arguments = [sys.executable, "-m", *command.split()]
        done = subprocess.run(arguments, cwd=clone, capture_output=True, text=True, env=os.environ, timeout=300)
        assert done.returncode == 0, f"{command}: {done.stderr}"


def test_the_plots_of_the_page_of_reports_can_be_drawn_from_the_sample_data(clone):
    plots = [line for line in blocks(ROOT / "docs" / "reports.md", "text")[0].splitlines() if line]
    assert len(plots) >= 3
    for command in ("t2disc fit sample_data -o OUT --labels sample_data/labels", *plots):
        arguments = [sys.executable, "-m", *command.split()]
        done = subprocess.run(arguments, cwd=clone, capture_output=True, text=True, env=os.environ, timeout=300)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        if command in plots:
            assert (clone / command.split()[-1]).stat().st_size > 5_000


@pytest.mark.skipif(os.name != "posix", reason="the page's lines are for a POSIX shell")
def test_the_page_of_corrections_does_what_it_says(clone):
    lines = "".join(blocks(ROOT / "docs" / "corrections.md", "bash"))
    script = f't2disc() {{ "{sys.executable}" -m t2disc "$@"; }}\n{lines}'
    done = subprocess.run(["bash", "-euc", script], cwd=clone, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    (log,) = blocks(ROOT / "docs" / "corrections.md", "text")
    for line in log.splitlines():
        assert line in done.stderr
    visits = (clone / "results" / "visits.tsv").read_text().splitlines()
    assert ["correction" in line for line in visits[1:]] == [True, False, False, False]


@pytest.mark.skipif(os.name != "posix", reason="the page's lines are for a POSIX shell")
def test_a_core_lab_comes_from_an_empty_folder_to_a_released_table(clone):
    lines = "".join(blocks(ROOT / "docs" / "core_lab.md", "bash"))
    script = f't2disc() {{ "{sys.executable}" -m t2disc "$@"; }}\n{lines}'
    done = subprocess.run(["bash", "-euc", script], cwd=clone, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert "refused: 2" in done.stdout
    assert "[study-locked]" in done.stderr
    assert "0 not as published" in done.stdout
    assert "late visit, query 12" in done.stdout
    assert "sub-P001/ses-baseline relabel other labels" in " ".join(done.stdout.split())
    changes = (clone / "results" / "changes.tsv").read_text()
    assert "ses-month24" in changes


def test_the_python_of_the_readme_runs(clone, capsys):
    code = "\n".join(blocks(ROOT / "README.md", "python"))
    exec(compile(code, "README.md", "exec"), {})
    assert "L4/L5 NP" in capsys.readouterr().out
    assert (clone / "overlay.png").stat().st_size > 10_000
    assert (clone / "decay.png").stat().st_size > 10_000


def test_the_python_of_the_dicom_page_runs(clone, capsys):
    exec(compile("\n".join(blocks(ROOT / "docs" / "dicom.md", "python")), "dicom.md", "exec"), {})
    assert "EchoStack(" in capsys.readouterr().out


def test_every_link_between_pages_leads_somewhere():
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_two_make_targets_of_the_readme_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert [line.split()[1] for line in blocks(ROOT / "README.md", "bash")[0].splitlines()] == ["demo", "test"]
    assert "\ndemo:" in makefile
    assert "\ntest:" in makefile
