#!/usr/bin/env python3
"""A simulated trial with bad visits, run by every executor: the same tables, and each bad visit in quarantine.

``python scripts/trial.py [--participants 60] [--keep FOLDER]`` simulates two visits of each participant on small
matrices, breaks one visit in ten in four ways, and measures the study with child processes, in three shards, and with
dask-local, of which one worker is killed midway. It prints the SHA-256 of discs.tsv and changes.tsv of each and how
many visits have which code. It needs the extra ``dask``; that run is left out without.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ONE_IN = 10
KILL_AFTER = 40  # visits published


def main() -> None:
    """Run the trial and print one line for each executor."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--participants", type=int, default=60)
    parser.add_argument("--keep", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = asked.keep or Path(folder)
        study = broken_study(home, asked.participants)
        for name, run in (("local", local), ("shards", shards), ("dask-local", dask_local)):
            if name == "dask-local" and find_spec("distributed") is None:
                print("dask-local  left out: distributed is not installed")
                continue
            out = home / f"out-{name}"
            shutil.rmtree(out, ignore_errors=True)
            started = time.perf_counter()
            code = run(study, out)
            print(f"{name:10}  exit {code}, {time.perf_counter() - started:.0f} s, {told(out)}", flush=True)


def broken_study(home: Path, n_participants: int) -> Path:
    """Return the study, one visit in ten of it broken."""
    study = home / "study"
    if not (study / "participants.tsv").exists():
        t2disc("simulate", study, "--participants", n_participants, "--size", "tiny", "--seed", 11)
    if not (home / "broken").exists():
        visits = sorted(path for path in study.glob("P*/*") if path.is_dir())
        for number, visit in enumerate(visits[::ONE_IN]):
            break_visit(visit, number)
        (home / "broken").touch()
    return study


def break_visit(visit: Path, number: int) -> None:
    """Lose an image of the multi-echo series, cut one, lose all, or add a stranger's, by turns."""
    import pydicom

    images = multi_echo_images(visit)
    match number % 4:
        case 0:
            images[len(images) // 2].unlink()
        case 1:
            os.truncate(images[0], images[0].stat().st_size // 2)
        case 2:
            for path in (path for path in visit.rglob("*") if path.is_file()):
                path.unlink()
        case 3:
            image = pydicom.dcmread(images[0])
            image.PatientID = "STRANGER"
            image.save_as(images[0].with_name("stranger.dcm") if len(images) == 1 else images[0])


def multi_echo_images(visit: Path) -> list[Path]:
    """Return the files of the series with most images."""
    import pydicom

    series: defaultdict[str, list[Path]] = defaultdict(list)
    n_images: Counter[str] = Counter()
    for path in sorted(path for path in visit.rglob("*") if path.is_file()):
        header = pydicom.dcmread(path, stop_before_pixels=True)
        series[header.SeriesInstanceUID].append(path)
        n_images[header.SeriesInstanceUID] += int(header.get("NumberOfFrames", 1))
    return series[n_images.most_common(1)[0][0]]


def t2disc(*words: object) -> int:
    """Run the command and return its exit code."""
    return subprocess.run(command(*words), env=environment(), capture_output=True, check=False).returncode


def command(*words: object) -> list[str]:
    """Return the command line of t2disc in this clone."""
    return [sys.executable, "-m", "t2disc", *map(str, words)]


def environment() -> dict[str, str]:
    """Return the environment in which this clone is found."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def fit(study: Path, out: Path) -> list[object]:
    """Return the words of a run."""
    return ["fit", study, "-o", out, "--labels", study / "labels", "--jobs", 2]


def local(study: Path, out: Path) -> int:
    """Measure in child processes."""
    return t2disc(*fit(study, out))


def shards(study: Path, out: Path) -> int:
    """Measure in three shards, then complete the study."""
    for number in (1, 2, 3):
        t2disc(*fit(study, out), "--shard", f"{number}/3")
    return t2disc(*fit(study, out))


def dask_local(study: Path, out: Path) -> int:
    """Measure with two workers, one of which is killed midway."""
    import psutil

    process = subprocess.Popen(
        command(*fit(study, out), "--executor", "dask-local"),
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None and n_published(out) < KILL_AFTER:
        time.sleep(0.2)
    workers = [each for each in psutil.Process(process.pid).children() if "spawn_main" in " ".join(each.cmdline())]
    print(f"dask-local  kills 1 of {len(workers)} workers when {n_published(out)} visits are published", flush=True)
    if workers:
        workers[0].kill()
    return process.wait()


def n_published(out: Path) -> int:
    """Return how many visits have outputs."""
    return sum(1 for _ in out.glob("sub-*/ses-*"))


def told(out: Path) -> str:
    """Return what a run left: check sums of its tables, and how many visits have which code."""
    sums = [hashlib.sha256((out / name).read_bytes()).hexdigest()[:12] for name in ("discs.tsv", "changes.tsv")]
    with (out / "visits.tsv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    codes = Counter(row["code"] if row["status"] != "done" else "done" for row in rows)
    return f"discs {sums[0]}, changes {sums[1]}; {', '.join(f'{n} {code}' for code, n in sorted(codes.items()))}"


if __name__ == "__main__":
    main()
