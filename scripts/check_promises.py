#!/usr/bin/env python3
"""Try to break every promise of t2disc on this machine, and print the figure of each.

python scripts/check_promises.py [--only 6,9] [--scale 0.1] [--docs]

The rows are in ``scripts/promises``; faults come from the tests' own factories. A full run takes half an hour
on two cores. ``--only`` chooses rows, ``--scale`` shrinks how often things are tried, ``--docs`` writes
docs/promises.md. Exit code 1 where a promise does not hold.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "scripts")]

from promises.figure import Figure, Promise, Trial  # noqa: E402
from promises.table import ROWS  # noqa: E402

from t2disc import __version__  # noqa: E402

PAGE = ROOT / "docs" / "promises.md"
HEAD = """# What is promised, and the last figures

Written by `python scripts/check_promises.py --docs` (`make promises` runs the same and leaves this page alone). Each
row tries to break what is promised; its function is in `scripts/promises/`. A small part runs in `make test`. A row
that falls short, or could not be shown, says so.
"""

TABLE_HEAD = ("| # | fault | promise | test | figure | verdict | s |", "|---|---|---|---|---|---|---|")
UNMEASURED = Figure(asked="not tried", found="none", holds=None, short="left out of this run")


def check(promise: Promise, scale: float) -> Figure:
    """Measure one row in a folder of its own; a row that fails itself is a promise not kept."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix=f"promise{promise.number}-", ignore_cleanup_errors=True) as folder:
        try:
            figure = promise.measure(Trial(folder=Path(folder), scale=scale))
        except Exception as fault:
            traceback.print_exc()
            figure = Figure(asked=promise.test, found=f"the row itself failed: {type(fault).__name__}", holds=False)
    return replace(figure, seconds=time.perf_counter() - started)


def lines_of(results: Sequence[tuple[Promise, Figure]]) -> list[str]:
    """Return the table of figures as Markdown."""
    return [*TABLE_HEAD, *(_line(promise, figure) for promise, figure in results)]


def _line(promise: Promise, figure: Figure) -> str:
    short = f" ({figure.short})" if figure.short else ""
    cells = (
        str(promise.number),
        promise.fault,
        promise.promise,
        f"{promise.test}: {figure.asked}",
        figure.found,
        f"{figure.verdict}{short}",
        f"{figure.seconds:.0f}",
    )
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "/").replace(str(ROOT), "").split())


def page(results: Sequence[tuple[Promise, Figure]], scale: float, before: str = "") -> str:
    """Return docs/promises.md with every row of the table; rows that were not measured keep what they said before."""
    numbers = sorted(promise.number for promise, _ in results)
    kept = {int(line.split("|")[1]): line for line in before.splitlines() if re.match(r"\| \d+ \|", line)}
    fresh = {promise.number: _line(promise, figure) for promise, figure in results}
    every = {row.number: _line(row, UNMEASURED) for row in ROWS} | kept | fresh
    n_held, n_short = (sum(f"| {word}" in line for line in every.values()) for word in ("holds", "FALLS SHORT"))
    minutes = sum(figure.seconds for _, figure in results) / 60
    which = "all rows" if len(fresh) == len(every) else f"rows {', '.join(map(str, numbers))}"
    told = (
        f"Of {len(every)} rows {n_held} hold, {n_short} fall short, {len(every) - n_held - n_short} not shown. "
        f"Last run: t2disc {__version__} on {platform.system()}, Python {platform.python_version()}, {os.cpu_count()} "
        f"cores, {minutes:.0f} minutes, scale {scale:g}, {which}"
    )
    others = "; the other rows are of earlier runs." if kept.keys() - fresh.keys() else "."
    return "\n".join([HEAD, told + others, "", *TABLE_HEAD, *(every[number] for number in sorted(every))]) + "\n"


def chosen(only: str) -> list[Promise]:
    """Return the rows that are asked for, in the order in which they are."""
    rows = {row.number: row for row in ROWS}
    numbers = [int(number) for number in only.split(",")] if only else list(rows)
    if unknown := set(numbers) - set(rows):
        raise SystemExit(f"no such rows: {sorted(unknown)}")
    return [rows[number] for number in numbers]


def main() -> int:
    """Run the rows and print each as it ends."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="numbers of rows, such as 6,9")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the counts, such as 0.1 for a trial")
    parser.add_argument("--docs", action="store_true", help="write docs/promises.md")
    options = parser.parse_args()
    before = PAGE.read_text(encoding="utf-8") if PAGE.exists() and options.only else ""
    results = []
    for promise in chosen(options.only):
        figure = check(promise, options.scale)
        results.append((promise, figure))
        short = f"\n    {figure.short}" if figure.short else ""
        print(f"{promise.number:2d} {figure.verdict:11s} {figure.seconds:6.1f} s  {promise.fault}", flush=True)
        print(f"    {figure.asked}\n    {figure.found}{short}", flush=True)
        if options.docs:
            PAGE.write_text(page(results, options.scale, before), encoding="utf-8")
    return int(any(figure.holds is False for _, figure in results))


if __name__ == "__main__":
    sys.exit(main())
