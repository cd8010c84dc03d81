"""Runs of ``t2disc fit`` in child processes, stopped at any instant and taken up again: what is left of them.

``scripts/check_promises.py`` may call :func:`stop_and_resume` as often as it likes; the suite does a handful.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from studies import tree

from t2disc import study
from t2disc.batch import RunSettings, run_study
from t2disc.model.protocol import Protocol
from t2disc.store import is_whole
from t2disc.store.lock import LOCK

_MARK = "T2DISC_TEST_RUN"  # in the environment of a run and of everything it starts


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """What a run left behind that was stopped ``after_s`` seconds after it had taken the lock."""

    code: int
    survivors: tuple[int, ...]  # processes of the run that live on
    hidden: frozenset[str]  # names of hidden files and folders
    torn: tuple[str, ...]  # folders under a final name that are not whole
    is_equal: bool  # whether a second run completes it to the bytes of an undisturbed one


def command(folder: Path, out: Path, *arguments: str) -> list[str]:
    fit = ["fit", str(folder), "-o", str(out), "--labels", str(folder / "labels"), *arguments]
    return [sys.executable, "-m", "t2disc", *fit]


class Run:
    """A run that has taken the lock."""

    def __init__(self, arguments: list[str], out: Path) -> None:
        self.mark = secrets.token_hex(8)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
        environment = os.environ | {_MARK: self.mark}
        self.process = subprocess.Popen(
            arguments, env=environment, start_new_session=True, preexec_fn=_hear_interrupts, **quiet
        )
        while self.process.poll() is None and not (out / LOCK).exists():
            time.sleep(0.002)
        self.started = time.monotonic()

    def stop(self, number: int, after_s: float, *, whole_group: bool = False) -> int:
        """Send a signal, to the whole group as a terminal does or to the run alone; return the exit code."""
        time.sleep(max(0.0, self.started + after_s - time.monotonic()))
        if self.process.poll() is None:
            (os.killpg if whole_group else os.kill)(self.process.pid, number)
        self.errors = self.process.communicate(timeout=60)[1]
        return self.process.returncode

    def survivors(self, patience_s: float = 5.0) -> tuple[int, ...]:
        """Return the processes of this run that live on, even after a while."""
        deadline = time.monotonic() + patience_s
        while (alive := _marked(self.mark)) and time.monotonic() < deadline:
            time.sleep(0.02)
        return alive


def _hear_interrupts() -> None:
    """Undo what a shell's background job hands down: SIGINT ignored, which would pass for a run that went on."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _marked(mark: str) -> tuple[int, ...]:
    wanted, found = f"{_MARK}={mark}".encode(), []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return tuple(found)


def stop_and_resume(folder: Path, undisturbed: dict[str, bytes], out: Path, number: int, after_s: float) -> Stopped:
    """Start a run, stop it by a signal, look at what is left, and complete it."""
    run = Run(command(folder, out, "--jobs", "2"), out)
    code = run.stop(number, after_s, whole_group=number == signal.SIGINT)
    survivors = run.survivors()
    hidden = frozenset(path.name for path in out.rglob(".*"))
    homes = (*out.glob("sub-*/ses-*"), *out.glob("sub-*/pairs/ses-*"))
    torn = tuple(home.name for home in homes if not is_whole(home))
    visits = study.find_visits(folder, ignore=[out])
    run_study(visits, RunSettings(out=out, protocol=Protocol(), labels_dir=folder / "labels"))
    return Stopped(code=code, survivors=survivors, hidden=hidden, torn=torn, is_equal=tree(out) == undisturbed)
