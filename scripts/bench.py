#!/usr/bin/env python3
"""Measure t2disc against its peers and print the figures as Markdown.

python scripts/bench.py [SECTION ...] [--voxels N]

``fit``: mono-exponential fits on the shared synthetic set (8 and 16 echoes), one method per process. The data, the
other methods and the clock are those of ``bench/bench_peers.py`` in the shared folder ($T2DISC_SHARED, else
``../shared`` beside the checkout).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

for _threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")  # one process is one thread, before numpy is loaded

import numpy as np  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
METHODS = ("scipy_curvefit", "numpy_loglin", "numpy_gn", "t2disc")
REFERENCE = "scipy_curvefit"
ECHOES = (8, 16)


def main() -> int:
    """Run the sections asked for, all of them by default."""
    arguments = _arguments()
    if arguments.one:
        method, n_echoes, values_file = arguments.one
        print(json.dumps(run_method(method, int(n_echoes), arguments.voxels, Path(values_file))))
        return 0
    for name in arguments.sections or SECTIONS:
        print(f"\n## {name}\n")
        SECTIONS[name](arguments)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "sections", nargs="*", metavar="{" + ",".join(SECTIONS) + "}", help="what to measure; everything when left out"
    )
    parser.add_argument("--voxels", type=int, default=20_000, help="voxels to fit")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)  # a method in its own process
    return parser.parse_args()


# ------------------------------------------------------------------------------------------------ fit
def bench_fit(arguments: argparse.Namespace) -> None:
    """Print a table of the fit methods for each number of echoes."""
    for n_echoes in ECHOES:
        rows = [_in_own_process(method, n_echoes, arguments.voxels) for method in METHODS]
        _print_fit_table(n_echoes, rows)


def _in_own_process(method: str, n_echoes: int, n_voxels: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        values_file = Path(folder) / "t2.npy"
        command = [
            sys.executable,
            __file__,
            "--voxels",
            str(n_voxels),
            "--one",
            method,
            str(n_echoes),
            str(values_file),
        ]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        row: dict[str, Any] = json.loads(done.stdout)
        row["t2_ms"] = np.load(values_file)
    return row


def run_method(method: str, n_echoes: int, n_voxels: int, values_file: Path) -> dict[str, Any]:
    """Run one method by the peers' protocol, keeping its T2 (NaN where it failed) for comparison."""
    peers = _peers()
    fits = {name.removeprefix("fit_"): fit for name, fit in vars(peers).items() if name.startswith("fit_")}
    fits["t2disc"] = fit_t2disc
    kept: dict[str, Any] = {}

    def fit_and_keep(signal: Any, echo_times_ms: Any, workers: int) -> tuple[Any, Any]:
        kept.update(signal=signal, echo_times_ms=echo_times_ms)
        kept["t2_ms"], kept["failed"] = fits[method](signal, echo_times_ms, workers)
        return kept["t2_ms"], kept["failed"]

    vars(peers).update(METHODS={method: fit_and_keep}, _EXTRA={})
    row: dict[str, Any] = peers.run(method, n_echoes, n_voxels, 1)
    row["above_mib"] = _traced_mib(lambda: fits[method](kept["signal"], kept["echo_times_ms"], 1))
    np.save(values_file, np.where(kept["failed"], np.nan, kept["t2_ms"]))
    return row


def _traced_mib(fit: Callable[[], Any]) -> float:
    """Greatest memory that a fit holds at any time above its data, in a second run outside the clock."""
    tracemalloc.start()
    fit()
    peak_mib = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    return peak_mib


def fit_t2disc(signal: Any, echo_times_ms: Any, workers: int) -> tuple[Any, Any]:  # noqa: ARG001 - the peers' signature
    """T2, S0, standard errors and flags by t2disc; a flagged voxel counts as failed."""
    from t2disc.fit import fit_voxels

    fit = fit_voxels(signal, echo_times_ms)
    return fit.t2_ms, fit.flag != 0


def _peers() -> ModuleType:
    shared = Path(os.environ.get("T2DISC_SHARED", ROOT.parent / "shared"))
    spec = importlib.util.spec_from_file_location("bench_peers", shared / "bench" / "bench_peers.py")
    if spec is None or spec.loader is None or not (shared / "bench" / "bench_peers.py").is_file():
        raise SystemExit("bench_peers.py is not here: set T2DISC_SHARED to the folder that holds bench/")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _print_fit_table(n_echoes: int, rows: list[dict[str, Any]]) -> None:
    reference = next(row for row in rows if row["method"] == REFERENCE)
    print(f"{n_echoes} echoes, {reference['n']} voxels\n")
    print(
        "| fit | voxels per CPU-second | times curve_fit | error % | bias % | failures | from curve_fit | MiB above |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for row in rows:
        ratio = row["vox_per_s_cpu"] / reference["vox_per_s_cpu"]
        difference = np.nanmax(np.abs(row["t2_ms"] / reference["t2_ms"] - 1))
        print(
            f"| {row['method']} | {row['vox_per_s_cpu']:,.0f} | {ratio:.0f} | {row['mare_pct']:.4f} "
            f"| {row['median_bias_pct']:+.4f} | {np.isnan(row['t2_ms']).sum()} | {difference:.1e} "
            f"| {row['above_mib']:.1f} |"
        )
    print()


SECTIONS: dict[str, Callable[[argparse.Namespace], None]] = {"fit": bench_fit}

if __name__ == "__main__":
    sys.exit(main())
