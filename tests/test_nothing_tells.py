"""Nothing is told to anybody: libraries that would tell their makers of their use are kept quiet."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_finding_discs_leaves_no_trace_in_home_and_temporary_folder(tmp_path):
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    home.mkdir()
    temporary.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "ORT_"))}
    environment |= {"HOME": str(home), "TMPDIR": str(temporary), "PYTHONPATH": str(ROOT)}
    find = (
        "import numpy as np, t2disc\n"
        "signal = np.random.default_rng(0).random((64, 64, 5, 4), dtype=np.float32)\n"
        "times = np.arange(1, 5) * 10.0\n"
        "stack = t2disc.EchoStack(signal=signal, echo_times_ms=times, affine=np.diag([4, 4, 5, 1.0]))\n"
        "t2disc.find_discs(stack)\n"
    )
    subprocess.run([sys.executable, "-c", find], env=environment, check=True)
    assert not [*home.rglob("*"), *temporary.rglob("*")]
