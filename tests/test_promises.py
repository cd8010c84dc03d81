"""A small part of every promise, and the page that holds the figures of the last whole run."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks, looks into /proc and sends POSIX signals")


@pytest.fixture(scope="module")
def script():
    before = list(sys.path)
    sys.path.append(str(ROOT / "scripts"))
    yield importlib.import_module("check_promises")
    sys.path[:] = before


@pytest.mark.parametrize(
    ("number", "scale"),
    [  # the suite tests the others elsewhere: children, kills, signals, identifiers, what runs again
        *((2, 0.01), (3, 0.01), (4, 0.1), (6, 0.1), (7, 0.1), (9, 0.1), (10, 0.01), (11, 0.2), (12, 0.1), (13, 0.1)),
        *((14, 1.0), (21, 0.01), (22, 0.1), (23, 0.2)),
    ],
)
def test_a_promise_holds_in_small(script, number, scale):
    (promise,) = script.chosen(str(number))
    figure = script.check(promise, scale)
    assert figure.holds, f"{figure.found}; {figure.short}"


def test_the_rows_are_numbered_through_and_have_a_figure_each_on_the_page(script):
    numbers = [row.number for row in script.ROWS]
    assert numbers == list(range(1, len(numbers) + 1))
    text = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")
    rows = {int(line.split("|")[1]): line for line in text.splitlines() if re.match(r"\| \d+ \|", line)}
    assert sorted(rows) == numbers
    for row in script.ROWS:
        assert row.promise in rows[row.number]
        assert re.search(r"\| (holds|FALLS SHORT|not shown)", rows[row.number])


def test_a_row_that_fails_itself_is_a_promise_not_kept(script, capsys):
    def fail(trial):
        raise RuntimeError("no figure")

    promise = script.Promise(number=99, fault="f", promise="p", test="t", measure=fail)
    figure = script.check(promise, 1.0)
    assert (figure.holds, figure.verdict) == (False, "FALLS SHORT")
    assert "RuntimeError" in capsys.readouterr().err
    assert "FALLS SHORT" in script.page([(promise, figure)], 1.0)


def test_what_cannot_be_shown_is_not_said_to_hold(script):
    figure = script.Figure(asked="a", found="not built", holds=None, short="why")
    (line,) = script.lines_of([(script.ROWS[0], figure)])[2:]
    assert "not shown (why)" in line


def test_the_search_for_identifiers_finds_them_wherever_they_are_packed(script):
    privacy = importlib.import_module("promises.privacy")
    assert privacy._can_fail()
    assert privacy.leaked(b"of CNRY00100010") == {"00100010"}
    assert not privacy.leaked(b"a sum 195102037 of nothing"[:6])
