#!/usr/bin/env python3
"""Where the time of one visit of clinical size goes, from DICOM to tables, in one process and one thread.

``python scripts/profile_visit.py [--keep FOLDER] [--docs]`` simulates a visit of 15 x 384 x 384 x 16, measures it, and
prints CPU and wall seconds of each step. ``--docs`` puts the table into docs/performance.md. With ``--keep`` the study
stays in FOLDER and is used again if it is there.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
PAGE = ROOT / "docs" / "performance.md"
START, END = "<!-- profile -->", "<!-- end of profile -->"
STEPS = (
    ("find the visits, with their days", "t2disc.study", "find_visits"),
    ("check sums of the inputs", "t2disc.study", "visit_basis"),
    ("read DICOM into one array", "t2disc.study.visit", "load_visit"),
    ("motion between echoes", "t2disc.register", "align_echoes"),
    ("find and name the discs", "t2disc.segment", "find_discs"),
    ("fit T2 in every voxel", "t2disc.study.visit", "fit_visit"),
    ("goodness of fit in every voxel", "t2disc.study.visit", "judge_visit"),
    ("numbers of discs and regions", "t2disc.measure", "measure_discs"),
    ("goodness of fit of discs and regions", "t2disc.measure", "measure_quality"),
    ("compress maps and labels", "t2disc.study", "visit_files"),
    ("write and flush", "t2disc.store", "publish_visit"),
    ("tables", "t2disc.batch.run", "write_tables"),
)
WARM = ("ingest", "register", "segment", "fit", "measure", "batch", "study")


def main() -> None:
    """Measure one visit and print, or keep, the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--docs", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        study = one_visit(asked.keep or Path(folder))
        lines = profile(study, Path(folder) / "out")
    print("\n".join(lines))
    if asked.docs:
        text = PAGE.read_text(encoding="utf-8")
        head, tail = text.split(START)[0], text.split(END)[1]
        PAGE.write_text(f"{head}{START}\n" + "\n".join(lines) + f"\n{END}{tail}", encoding="utf-8")


def one_visit(folder: Path) -> Path:
    """Return a study of one full-size visit, made here unless it is there."""
    study = folder / "study"
    if not (study / "participants.tsv").exists():
        command = [sys.executable, "-m", "t2disc", "simulate", str(study), "--participants", "1", "--size", "full"]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL)
        shutil.rmtree(next(study.glob("P*")) / "month12")
    return study


def profile(study: Path, out: Path) -> list[str]:
    """Return the table of a run."""
    cpu_s: defaultdict[str, float] = defaultdict(float)
    wall_s: defaultdict[str, float] = defaultdict(float)
    for room in WARM:  # imports are paid once by the fork server, not by each visit
        import_module(f"t2disc.{room}")
    for name in ("SimpleITK", "onnxruntime", "nibabel", "scipy.ndimage", "scipy.optimize"):
        import_module(name)
    for step, module, name in STEPS:
        wrap(step, import_module(module), name, cpu_s, wall_s)
    import t2disc.study as stories
    from t2disc.batch import RunSettings, run_study
    from t2disc.model.protocol import Protocol

    started = time.process_time(), time.perf_counter()
    visits = stories.find_visits(study, Protocol(), key=None)
    run_study(visits, RunSettings(out=out, protocol=Protocol()))
    total = time.process_time() - started[0], time.perf_counter() - started[1]
    rest = total[0] - sum(cpu_s.values()), total[1] - sum(wall_s.values())
    rows = [(step, cpu_s[step], wall_s[step]) for step, _, _ in STEPS] + [("all else", *rest), ("**together**", *total)]
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [
        "| step | CPU (s) | wall (s) |",
        "|---|---|---|",
        *(f"| {step} | {cpu:.2f} | {wall:.2f} |" for step, cpu, wall in rows),
        "",
        f"Peak memory of the process: {peak_mib:.0f} MiB.",
    ]


def wrap(step: str, module: Any, name: str, cpu_s: dict[str, float], wall_s: dict[str, float]) -> None:
    """Let a function add what it takes to the sums of its step."""
    function: Callable[..., Any] = getattr(module, name)

    def timed(*arguments: Any, **keywords: Any) -> Any:
        cpu, wall = time.process_time(), time.perf_counter()
        try:
            return function(*arguments, **keywords)
        finally:
            cpu_s[step] += time.process_time() - cpu
            wall_s[step] += time.perf_counter() - wall

    setattr(module, name, timed)


if __name__ == "__main__":
    main()
