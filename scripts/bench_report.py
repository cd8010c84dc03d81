#!/usr/bin/env python3
"""Simulate a study, measure it, write its reports on one core, and judge the pages with real tools.

``python scripts/bench_report.py [--participants 20] [--size small] [--keep FOLDER]`` prints CPU and wall seconds per
participant, the size of the largest page, requests to anywhere, errors of HTML, contrast and other accessibility. The
last three need the extra ``browser`` with Chromium and chromedriver; ``skipped`` where there is none. With ``--keep``
the study stays in FOLDER, and is used again if it is there.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))  # the tools by which the tests judge a page
ONE_CORE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def main() -> None:
    """Run everything and print one line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--participants", type=int, default=20)
    parser.add_argument("--size", default="small", choices=("tiny", "small", "full"))
    parser.add_argument("--keep", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = outputs(asked.keep or Path(folder), asked.participants, asked.size)
        cpu_s, wall_s = measured(["report", str(out)])
        pages = sorted(out.glob("sub-*/sub-*_report.html"))
        index = out / "index.html"
        n = len(pages)
        print(f"participants                  {n}, two visits each, size {asked.size}")
        print(f"CPU per participant           {cpu_s / n:.2f} s (one core, the start of Python among it)")
        print(f"wall clock per participant    {wall_s / n:.2f} s")
        print(f"largest page                  {max(page.stat().st_size for page in pages) / 1e6:.2f} MB")
        print(f"index                         {index.stat().st_size / 1e6:.2f} MB")
        judge([*pages, index])


def outputs(folder: Path, n_participants: int, size: str) -> Path:
    """Return the outputs of a simulated study, made here unless they are there."""
    study, out = folder / "study", folder / "out"
    if not (out / "visits.tsv").exists():
        measured(["simulate", str(study), "--participants", str(n_participants), "--size", size])
        measured(["fit", str(study), "-o", str(out)])
    return out


def measured(arguments: list[str]) -> tuple[float, float]:
    """Run t2disc on one core; return its CPU and wall seconds."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = {**os.environ, **ONE_CORE, "PYTHONPATH": str(ROOT)}
    command = [*_pinned(), sys.executable, "-m", "t2disc", *arguments]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu_s, time.perf_counter() - started


def _pinned() -> list[str]:
    """Return what keeps a process on one core, where the system has such a thing."""
    if not hasattr(os, "sched_getaffinity"):
        return []
    return ["taskset", "-c", str(min(os.sched_getaffinity(0)))]


def judge(paths: list[Path]) -> None:
    """Print what an HTML parser, axe-core and the browser's network log have against the pages."""
    import pages as tools

    try:
        errors = [error for path in paths for error in tools.html_errors(path.read_text(encoding="utf-8"))]
        print(f"HTML errors                   {len(errors)} {errors[:3] or ''}")
    except ImportError:
        print("HTML errors                   skipped: no html5lib")
    if not (tools.CHROMIUM and tools.DRIVER and tools.HAS_AXE):
        print("requests, accessibility       skipped: no Chromium, chromedriver or axe-core")
        return
    with tools.chromium() as browser:
        found = [judged(browser, path, tools) for path in paths]
    requests, wrong, wide = ([item for one in found for item in one[place]] for place in range(3))
    contrast = [one for one in wrong if one.startswith("color-contrast")]
    print(f"requests to anywhere          {len(requests)} {requests[:3] or ''}")
    print(f"contrast violations           {len(contrast)} {contrast[:3] or ''}")
    print(f"WCAG A and AA violations      {len(wrong)} {wrong[:3] or ''}")
    print(f"pages wider than the window   {len(wide)} {wide[:3] or ''}")


def judged(browser: Any, path: Path, tools: Any) -> tuple[list[str], list[str], list[str]]:
    """Return the requests, violations and widths that are wrong of one page, on a desk and on a phone."""
    browser.get(path.resolve().as_uri())
    wrong, wide = [], []
    for size in (tools.DESKTOP, tools.PHONE):
        tools.show_at(browser, size)
        wrong += tools.violations(browser)
        wide += [f"{path.name} at {size[0]} px"] if tools.is_wider_than_window(browser) else []
    return tools.requests_made(browser), wrong, wide


if __name__ == "__main__":
    main()
