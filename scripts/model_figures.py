#!/usr/bin/env python3
"""Print what the models are held to: bias, error, coverage and speed of each on its own kind of data.

python scripts/model_figures.py [--voxels N]

Noise floor: mono-exponential magnitudes with Rician noise at one T2 and SNR. Stimulated echoes: trains of the Bloch
equations (tests/trains.py, held against epyg), T1 1200 ms while 1000 is assumed. Speeds are voxels per CPU-second of
this process, on one thread; the machine's other work shows in them: look at the ratio to ``mono`` on the same data.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

for _threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")  # before numpy is loaded

import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from t2disc.fit import fit_t2, fit_voxels, t2_interval_ms  # noqa: E402
from t2disc.model import EchoStack  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from trains import contaminated_trains, cpmg_trains  # noqa: E402

Floats = NDArray[np.float64]
HEAD = "| data | model | error % | bias % | mean bias % | coverage % | no T2 | voxels per CPU-second | of mono |"


class Case(NamedTuple):
    """Signals ``(V, E)`` of known T2 ``(V,)`` or one for all."""

    name: str
    signal: Floats
    echo_times_ms: Floats
    t2_ms: Any
    sigma: float
    b1: Floats | None = None


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voxels", type=int, default=40_000, help="of each row")
    n_voxels = parser.parse_args().voxels
    print(HEAD + "\n|" + "---|" * 9)
    for t2_ms, snr in ((35, 10), (35, 20), (60, 20), (60, 10)):
        show(decays(t2_ms, snr, n_voxels), "mono", "rician")
    for n_echoes in (8, 16):
        show(trains(n_echoes, n_voxels), "mono", "epg", "epg-rician", "epg, B1 given")
    show(weak_trains(n_voxels), "mono", "epg", "epg-rician")
    print("\nrician with sigma estimated: median bias %, and sigma over its truth\n")
    print("| T2, SNR | sigma from the background | sigma from the residual |\n|---|---|---|")
    for t2_ms, snr in ((35, 10), (35, 20), (60, 20), (60, 10)):
        found = [estimated(t2_ms, snr, source) for source in ("background", "residual")]
        print(f"| {t2_ms}, {snr} | " + " | ".join(f"{bias:+.2f}, {ratio:.3f}" for bias, ratio in found) + " |")
    return 0


def decays(t2_ms: float, snr: float, n_voxels: int) -> Case:
    """Return 16 echoes of 10 ms of one T2; ``snr`` is that of the first echo."""
    echo_times_ms = 10.0 * np.arange(1, 17)
    clean = np.broadcast_to(snr * np.exp(-(echo_times_ms - 10) / t2_ms), (n_voxels, 16))
    return Case(f"T2 {t2_ms}, SNR {snr}, 16 echoes", magnitudes(clean), echo_times_ms, t2_ms, 1.0)


def trains(n_echoes: int, n_voxels: int) -> Case:
    """Return trains of T2 30-200 ms and B1 0.75-1, with SNR 50 in every voxel."""
    drawn = contaminated_trains(n_echoes, n_voxels, seed=5, is_snr_alike=True)
    name = f"B1 0.75-1, SNR 50, {n_echoes} echoes"
    return Case(name, drawn.signal, drawn.echo_times_ms, drawn.t2_ms, drawn.sigma, drawn.b1)


def weak_trains(n_voxels: int) -> Case:
    """Return trains of T2 40 ms at B1 0.85 with SNR 12 at the first of 16 echoes."""
    clean = cpmg_trains(np.array([40.0]), np.array([0.85]), 16)
    signal = magnitudes(np.broadcast_to(12 * clean / clean[0, 0], (n_voxels, 16)))
    return Case("T2 40, B1 0.85, SNR 12, 16 echoes", signal, 10.0 * np.arange(1, 17), 40.0, 1.0)


def magnitudes(clean: Floats, seed: int = 5) -> Floats:
    """Return the magnitude of a signal with noise of SD 1 in both channels."""
    real, imaginary = np.random.default_rng(seed).standard_normal((2, *clean.shape))
    return np.hypot(clean + real, imaginary)


def show(case: Case, *models: str) -> None:
    """Print a row for each model."""
    speeds: dict[str, float] = {}
    for name in models:
        model, _, b1 = name.partition(", ")
        given = {"sigma": case.sigma, "b1": case.b1 if b1 else None, "min_snr": 0.0}
        fit_voxels(case.signal, case.echo_times_ms, model=model, **given)  # tables and imports out of the clock
        started = time.process_time()
        fit = fit_voxels(case.signal, case.echo_times_ms, model=model, **given)
        speeds[name] = len(case.signal) / (time.process_time() - started)
        error_pct = 100 * (fit.t2_ms / case.t2_ms - 1)
        low_ms, high_ms = t2_interval_ms(fit)
        ok = fit.flag == 0
        held = ((low_ms <= case.t2_ms) & (case.t2_ms <= high_ms))[ok]
        print(
            f"| {case.name} | {name} | {np.nanmedian(np.abs(error_pct)):.2f} | {np.nanmedian(error_pct):+.2f} "
            f"| {np.nanmean(error_pct):+.2f} | {100 * held.mean():.1f} | {np.count_nonzero(~ok)} "
            f"| {speeds[name]:,.0f} | 1/{speeds['mono'] / speeds[name]:.0f} |"
        )


def estimated(t2_ms: float, snr: float, source: str) -> tuple[float, float]:
    """Return the median bias of ``rician`` in % and sigma over its truth, where a volume has to tell sigma."""
    echo_times_ms = 10.0 * np.arange(1, 17)
    clean = np.zeros((60, 60, 8, 16))
    tissue = np.s_[:, :30] if source == "background" else np.s_[:]
    clean[tissue] = 100 * np.exp(-(echo_times_ms - 10) / t2_ms)
    sigma = 100 / snr
    signal = (sigma * magnitudes(clean / sigma)).astype(np.float32)
    stack = EchoStack(signal=signal, echo_times_ms=echo_times_ms, affine=np.eye(4))
    t2map = fit_t2(stack, model="rician", noise=source, min_snr=0)
    return 100 * (float(np.nanmedian(t2map.t2_ms[tissue])) / t2_ms - 1), t2map.noise.sigma / sigma


if __name__ == "__main__":
    sys.exit(main())
