"""A process that has imported everything once and forks for each try: tries cost no imports and cannot harm each other.

Rows call :func:`on_stage` with the name of a function of theirs; on the stage it calls :func:`forked` as often as it
likes. What is forked starts without any thread of a library, for nothing has been measured on the stage itself.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PATHS = tuple(str(ROOT / name) for name in ("", "tests", "scripts"))
_PRELOADED = (
    "t2disc.batch",
    "t2disc.cli",
    "t2disc.ingest",
    "t2disc.register",
    "t2disc.segment",
    "t2disc.fit",
    "SimpleITK",
)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a forked try ended: its exit code (negative: by a signal; ``None``: it hung and was killed), what it said."""

    code: int | None
    told: str


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a process that finds t2disc, its tests' factories and these rows."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(PATHS)} | more


def on_stage(name: str, timeout_s: float = 1800.0, **arguments: Any) -> Any:
    """Call ``module:function`` of this package on a stage of its own and return what it returns, through JSON."""
    command = [sys.executable, "-m", "promises.staging", name, json.dumps(arguments)]
    ended = subprocess.run(
        command, env=environment(), capture_output=True, text=True, timeout=timeout_s, check=False, cwd=ROOT
    )
    if ended.returncode:
        raise RuntimeError(f"the stage of {name} ended with {ended.returncode}: {ended.stderr[-2000:]}")
    return json.loads(ended.stdout.splitlines()[-1])


def forked(do: Callable[[], int], timeout_s: float = 120.0) -> Ended:
    """Call ``do`` in a fork of this process; its return value is the exit code."""
    ours, its = os.pipe()
    pid = os.fork()
    if not pid:
        _perform(do, its)
    os.close(its)
    os.set_blocking(ours, False)
    try:
        return _wait(pid, ours, time.monotonic() + timeout_s)
    finally:
        os.close(ours)


def _perform(do: Callable[[], int], pipe: int) -> None:
    code = 99
    try:
        os.setsid()
        os.dup2(pipe, 1)
        os.dup2(pipe, 2)
        code = do()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        with suppress(BaseException):
            os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)


def _wait(pid: int, pipe: int, deadline: float) -> Ended:
    told = b""
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        with suppress(BlockingIOError):
            while chunk := os.read(pipe, 1 << 16):
                told += chunk
        if done:
            return Ended(os.waitstatus_to_exitcode(status), told.decode(errors="replace"))
        if time.monotonic() > deadline:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return Ended(None, told.decode(errors="replace"))
        time.sleep(0.002)


def call_cli(*arguments: str) -> int:
    """Call the command line in this process and return its exit code."""
    from t2disc.cli import main

    try:
        main(list(arguments))
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def fit_arguments(study: Path, out: Path, *more: str) -> tuple[str, ...]:
    """Return the arguments of a fit with the study's own labels, in the process that is asked."""
    return ("fit", str(study), "-o", str(out), "--labels", str(study / "labels"), "--jobs", "0", *more)


def _main() -> None:
    name, arguments = sys.argv[1], json.loads(sys.argv[2])
    module, function = name.split(":")
    for preloaded in _PRELOADED:
        importlib.import_module(preloaded)
    result = getattr(importlib.import_module(module), function)(**arguments)
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    _main()
