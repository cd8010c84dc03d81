"""Section ``models`` of scripts/bench.py: every model of t2disc beside the peers that install, in one run.

Each peer is installed by pip into an environment of its own and fits there, in a process of its own, what t2disc fits
here. Run as a program, this file is that process: ``python bench_models.py METHOD DATA.npz FOUND.npz``.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
ECHOES = (8, 16)
RUNS = 3  # of each fit of t2disc; the median is printed
LEAST_CPU_S = 0.2  # fits shorter than this are repeated until it has passed
STIMULATED, EXPONENTIAL = "stimulated echoes", "mono-exponential"
INSTALL_LIMIT_S = 900

INSTALLS: dict[str, tuple[tuple[str, ...], ...]] = {
    "epyg": (("epyg",),),
    "tedana": (("tedana",),),
    "qmrpy": (("qmrpy",),),
    # 0.1.2 installs beside numpy 2 but calls what numpy 2 has removed
    "dosma": (("dosma", "numpy<2"),),
    # 0.7.3 demands a kidney segmenter for which pip finds no versions within minutes; its T2 fits do without
    "ukat": (
        ("numpy<2", "scipy<1.12", "scikit-learn<1.3", "scikit-image<0.22", "dipy<1.9", "pandas<3"),
        ("matplotlib", "nibabel", "numba", "numpy<2", "pathos", "tabulate", "tqdm"),
        ("--no-deps", "ukat"),
    ),
}
"""The pip commands of each peer, one after another; epyg makes the trains with stimulated echoes."""

PEER_FITS = {
    # method: (peer, voxels, does it model stimulated echoes)
    "tedana_curvefit": ("tedana", 2000, False),
    "tedana_loglin": ("tedana", 20_000, False),
    "qmrpy_exp": ("qmrpy", 2000, False),
    "qmrpy_epg_b1": ("qmrpy", 500, True),
    "ukat_2p": ("ukat", 2000, False),
    "ukat_stimfit": ("ukat", 500, True),
    "dosma_default": ("dosma", 2000, False),
    "dosma_tuned": ("dosma", 2000, False),
}

LEGEND = f"""Speed is by the CPU time of the process, warm, one thread; t2disc's is the median of {RUNS} runs.
Error and bias are medians over the voxels with a value, of |T2 / truth - 1| and of T2 / truth - 1; failures have none.
"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Data:
    """Voxels to fit, and their truth."""

    name: str
    signal: Any  # (V, E)
    echo_times_ms: Any  # (E,)
    t2_ms: Any  # (V,)
    sigma: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Row:
    """What one method found in the first voxels of the data; ``words`` say why it found nothing."""

    method: str
    t2_ms: Any = ()  # (V,) NaN where the method gives no value
    speed: float = np.nan  # voxels per CPU-second
    words: str = ""


# ------------------------------------------------------------------------------------------------ the section
def bench_models(envs: Path | None, n_voxels: int) -> None:
    """Print a table for each set of voxels and number of echoes."""
    with tempfile.TemporaryDirectory() as scratch:
        pythons = install_peers(envs or Path(scratch) / "envs")
        print(LEGEND)
        for n_echoes in ECHOES:
            for data in (exponential(n_echoes, n_voxels), stimulated(n_echoes, n_voxels, pythons["epyg"])):
                rows = [fit_by_t2disc(method, data) for method in own_methods()]
                rows += [fit_by_peer(method, data, pythons[PEER_FITS[method][0]]) for method in peer_methods(data)]
                print_table(data, rows)


def own_methods() -> list[str]:
    from t2disc.fit import model_names

    names = sorted(model_names(), key=lambda name: name != "mono")
    return [f"t2disc {name}" for name in names] + ["t2disc mono, skip_first=1"]


def peer_methods(data: Data) -> list[str]:
    """Return the peers' fits; those of stimulated echoes only where there are any, as they are slow."""
    return [method for method, (_, _, epg) in PEER_FITS.items() if not epg or data.name == STIMULATED]


def fit_by_t2disc(method: str, data: Data) -> Row:
    """Return the run whose speed is the median of several: the machine is shared."""
    rows = [in_own_process(method, data, [sys.executable]) for _ in range(RUNS)]
    return sorted(rows, key=lambda row: row.speed)[RUNS // 2]


def fit_by_peer(method: str, data: Data, python: Path | str) -> Row:
    """Fit the first voxels; as many as the peer's speed allows."""
    if isinstance(python, str):
        return Row(method=method, words=python)
    n = PEER_FITS[method][1]
    part = Data(
        name=data.name,
        signal=data.signal[:n],
        echo_times_ms=data.echo_times_ms,
        t2_ms=data.t2_ms[:n],
        sigma=data.sigma,
    )
    return in_own_process(method, part, [str(python), "-I"])


def in_own_process(method: str, data: Data, python: list[str]) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "data.npz", Path(folder) / "found.npz"
        np.savez(source, signal=data.signal, echo_times_ms=data.echo_times_ms, sigma=data.sigma)
        command = [*python, __file__, method, str(source), str(target)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            return Row(method=method, words=f"does not run: {last_words(done.stderr)}")
        with np.load(target) as found:
            return Row(method=method, t2_ms=found["t2_ms"], speed=len(data.signal) / float(found["cpu_s"]))


# ------------------------------------------------------------------------------------------------ the data
def exponential(n_echoes: int, n_voxels: int) -> Data:
    """Mono-exponential curves with Rician noise: the peers' shared set."""
    peers = load_bench_peers()
    volume, echo_times_ms, mask, t2_ms, _, sigma = peers.make_dataset(n_echoes)
    signal, truth = peers.subset(n_voxels, volume, mask, t2_ms)
    order = np.random.default_rng(1).permutation(len(signal))  # a part of them is a fair sample of them
    return Data(name=EXPONENTIAL, signal=signal[order], echo_times_ms=echo_times_ms, t2_ms=truth[order], sigma=sigma)


def stimulated(n_echoes: int, n_voxels: int, epyg: Path | str) -> Data:
    """Curves made by epyg: T2 30-200, B1 0.75-1.0, T1 1200 ms (the models assume 1000), SNR 50."""
    sys.path.insert(0, str(ROOT / "tests"))
    from trains import contaminated_trains, cpmg_trains

    def by_epyg(t2_ms: Any, b1: Any, n_echoes: int, *, t1_ms: float) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder) / "truth.npz", Path(folder) / "trains.npy"
            np.savez(source, t2_ms=t2_ms, b1=b1, t1_ms=t1_ms, spacing_ms=10.0, n_echoes=n_echoes)
            maker = ROOT / "scripts" / "epyg_trains.py"
            subprocess.run([str(epyg), "-I", str(maker), str(source), str(target)], check=True)
            trains = np.load(target)
        difference = np.abs(trains - cpmg_trains(t2_ms, b1, n_echoes, t1_ms=t1_ms)).max()
        print(
            f"{len(trains)} trains made by epyg; the Bloch equations of the tests differ by {difference:.0e} at most\n"
        )
        return trains

    simulate = cpmg_trains if isinstance(epyg, str) else by_epyg
    if simulate is cpmg_trains:
        print("epyg is not here: trains made by the Bloch equations of the tests\n")
    made = contaminated_trains(n_echoes, n_voxels, seed=5, simulate=simulate)
    return Data(
        name=STIMULATED,
        signal=made.signal,
        echo_times_ms=made.echo_times_ms,
        t2_ms=made.t2_ms,
        sigma=made.sigma,
    )


# ------------------------------------------------------------------------------------------------ the peers
def install_peers(folder: Path) -> dict[str, Path | str]:
    """Return the Python of each peer's environment, or the words of why there is none."""
    pythons = {peer: install_peer(peer, folder / peer) for peer in INSTALLS}
    for peer, python in pythons.items():
        print(f"{peer}: {python if isinstance(python, str) else version_of(peer, python)}")
    print()
    return pythons


def install_peer(peer: str, folder: Path) -> Path | str:
    """Make the peer's environment unless it is there."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if python.exists():
        return python
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True, text=True)
        for packages in INSTALLS[peer]:
            pip = [str(python), "-m", "pip", "install", "--quiet", "--prefer-binary", *packages]
            subprocess.run(pip, check=True, capture_output=True, text=True, timeout=INSTALL_LIMIT_S)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, subprocess.TimeoutExpired):
            return f"does not install: pip took more than {INSTALL_LIMIT_S // 60} minutes"
        return f"does not install: {last_words(error.stderr)}"
    return python


def version_of(peer: str, python: Path) -> str:
    ask = f"import sys, importlib.metadata as m; print(m.version({peer!r}), 'on Python', sys.version.split()[0])"
    return subprocess.run([str(python), "-I", "-c", ask], check=True, capture_output=True, text=True).stdout.strip()


def last_words(text: str) -> str:
    """Return the last line that tells of an error, shortened, without addresses and paths."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["no words"]
    line = ([line for line in lines if re.match(r"(?i)\w*error\b", line)] or lines)[-1]
    line = re.sub(r"\w+://\S+|(?:[A-Za-z]:)?[\\/][\w.+~-]+(?:[\\/][\w.+~-]*)+", "...", line)
    return line if len(line) <= 100 else line[:97] + "..."


# ------------------------------------------------------------------------------------------------ the table
def print_table(data: Data, rows: list[Row]) -> None:
    """Print a line per method; ratios are of voxels per CPU-second."""
    mono = next(row for row in rows if row.method == "t2disc mono")
    peers = [r.speed for r in rows if r.method in PEER_FITS and PEER_FITS[r.method][2] and np.isfinite(r.speed)]
    best = next((row for row in rows if data.name == STIMULATED and row.method == "t2disc epg"), mono)
    print(f"{data.name}, {len(data.echo_times_ms)} echoes\n")
    columns = ["fit", "voxels", "voxels per CPU-second", "times t2disc mono"]
    columns += ["times the slowest, the fastest EPG peer"] * bool(peers)
    columns += ["error %", "bias %", "failures", f"{best.method} on the same voxels: error %, bias %"]
    print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|")
    for row in rows:
        print("| " + " | ".join(cells(row, mono=mono, best=best, peers=peers, truth=data.t2_ms)) + " |")
    print()


def cells(row: Row, *, mono: Row, best: Row, peers: list[float], truth: Any) -> Iterator[str]:
    yield row.method
    if row.words:
        yield row.words
        return
    n = len(row.t2_ms)
    yield f"{n:,}"
    yield f"{row.speed:,.0f}"
    yield times(row.speed, mono.speed)
    if peers:
        yield f"{times(row.speed, min(peers))}; {times(row.speed, max(peers))}"
    yield from errors(row.t2_ms, truth[:n])
    yield f"{np.isnan(row.t2_ms).sum():,}"
    yield ", ".join(errors(best.t2_ms[:n], truth[:n]))


def times(speed: float, other: float) -> str:
    """Return how many times as fast: ``2.3``, ``480``, or ``1/480``."""
    ratio = max(speed, other) / min(speed, other)
    number = f"{ratio:.2f}" if ratio < 10 else f"{ratio:,.0f}"
    return number if speed >= other else f"1/{number}"


def errors(t2_ms: Any, truth: Any) -> tuple[str, str]:
    """Return the medians of the absolute and of the signed relative error, per cent."""
    relative = 100 * (t2_ms / truth - 1)
    return f"{np.nanmedian(np.abs(relative)):.2f}", f"{np.nanmedian(relative):+.2f}"


# ------------------------------------------------------------------------------------------------ one fit
def run_method(method: str, source: Path, target: Path) -> None:
    """Fit the voxels of a file, warm; the fit is repeated while it is too short for the clock."""
    with np.load(source) as data:
        signal, echo_times_ms, sigma = data["signal"], data["echo_times_ms"], float(data["sigma"])
    fit = find_method(method, sigma)
    fit(signal[:16], echo_times_ms, 1)
    repeats, started = 0, time.process_time()
    while not repeats or time.process_time() - started < LEAST_CPU_S:
        t2_ms, failed = fit(signal, echo_times_ms, 1)
        repeats += 1
    cpu_s = (time.process_time() - started) / repeats
    np.savez(target, t2_ms=np.where(failed, np.nan, t2_ms), cpu_s=cpu_s)


def find_method(method: str, sigma: float) -> Callable[[Any, Any, int], tuple[Any, Any]]:
    """Return a fit with the signature of bench_peers.py: signal, echo times, workers -> T2, failed."""
    if method.startswith("t2disc "):
        return own_fit(method.removeprefix("t2disc "), sigma)
    own = {"qmrpy_epg_b1": fit_qmrpy_epg_b1, "ukat_stimfit": fit_ukat_stimfit}
    return own.get(method) or vars(load_bench_peers())[f"fit_{method}"]


def own_fit(model: str, sigma: float) -> Callable[[Any, Any, int], tuple[Any, Any]]:
    """Return a fit by t2disc; a flagged voxel counts as failed. The noise is told to the models that use it."""
    from t2disc.fit import fit_voxels

    name, _, skip = model.partition(", skip_first=")
    options: dict[str, Any] = {"skip_first": int(skip)} if skip else {}
    if "rician" in name:
        options["sigma"] = sigma

    def fit(signal: Any, echo_times_ms: Any, workers: int) -> tuple[Any, Any]:  # noqa: ARG001 - the peers' signature
        found = fit_voxels(signal, echo_times_ms, model=name, **options)
        return found.t2_ms, found.flag != 0

    return fit


def fit_qmrpy_epg_b1(signal: Any, echo_times_ms: Any, workers: int) -> tuple[Any, Any]:
    """EPG with B1 fitted; started off B1 = 1, where the curve's slope in B1 is 0, and folded to B1 <= 1."""
    from qmrpy.models.t2.epg_t2 import T2EPG

    model = T2EPG(n_te=len(echo_times_ms), te_ms=float(echo_times_ms[0]), t1_ms=1000.0)
    found = model.fit_image(signal[:, None, None], estimate_b1=True, b1_bounds=(0.5, 1.0), b1_init=0.9, n_jobs=workers)
    t2_ms = np.asarray(found["t2_ms"], float).reshape(-1)
    return t2_ms, ~(t2_ms > 0)


def fit_ukat_stimfit(signal: Any, echo_times_ms: Any, workers: int) -> tuple[Any, Any]:
    """StimFit with hard pulses, as the curves are made; its own start and bounds."""
    sys.modules.setdefault("segment", types.SimpleNamespace(Tkv=object))  # type: ignore[arg-type] - its kidneys
    from ukat.mapping.t2_stimfit import StimFitModel, T2StimFit

    model = StimFitModel(mode="non_selective")
    n_echoes = len(echo_times_ms)
    model.opt.update(esp=float(echo_times_ms[0]) / 1000, etl=n_echoes, te=np.asarray(echo_times_ms) / 1000, T1=1.0)
    model.opt["RFr"]["FA_array"] = np.ones(n_echoes)
    found = T2StimFit(signal[:, None, None], np.eye(4), model, multithread=workers > 1)
    t2_ms = np.asarray(found.t2_map, float).reshape(-1)
    return t2_ms, ~(t2_ms > 0)


def load_bench_peers() -> ModuleType:
    """Return the peers' benchmark from the shared folder."""
    shared = Path(os.environ.get("T2DISC_SHARED", ROOT.parent / "shared"))
    spec = importlib.util.spec_from_file_location("bench_peers", shared / "bench" / "bench_peers.py")
    if spec is None or spec.loader is None or not (shared / "bench" / "bench_peers.py").is_file():
        raise SystemExit("bench_peers.py is not here: set T2DISC_SHARED to the folder that holds bench/")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    run_method(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
