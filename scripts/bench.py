#!/usr/bin/env python3
"""Measure t2disc against its peers and print the figures as Markdown.

python scripts/bench.py [SECTION ...] [--voxels N]

``fit``: mono-exponential fits on the shared synthetic set (8 and 16 echoes), one method per process. The data, the
other methods and the clock are those of ``bench/bench_peers.py`` in the shared folder ($T2DISC_SHARED, else
``../shared`` beside the checkout).

``models``: every model of t2disc beside tedana, qmrpy, ukat and DOSMA, each in an environment of its own that pip makes
under ``--envs FOLDER`` (those that are there already are used; a temporary folder unless told), on mono-exponential
voxels and on trains with stimulated echoes that epyg makes, 8 and 16 echoes.

``ingest``: 15 slices x 16 echoes x 384 x 384 in 240 uncompressed files (warm) into one array, by a plain pydicom loop
and by t2disc, each in its own process, in turn.

``coverage``: how often the 95 % intervals of T2 hold the truth, Gaussian and Rician noise, SNR 50: of voxels, then of
mean and median of regions of 90 ms, SD 15, through ``fit_t2`` and ``measure_discs``, in white, zero-filled and filtered
noise (300 regions a row; a quarter of an hour).

``segment``: finding and naming the discs of 15 slices x 384 x 384 x 16 echoes in a process of its own, on one thread
and on two: CPU seconds, peak memory (images included), check sum of the labels.

``match``: matching a pair of visits of 15 slices x 384 x 384 with five discs, carrying their regions and measuring the
changes in all four kinds of region, in processes of their own, on one thread and on two, twice each: seconds, peak
memory (maps included), check sum of motions and carried regions. ``--cache FOLDER`` keeps the simulated pair for the
next run.

``vendors``: median T2 of the nuclei of a simulated study of five vendors through ``t2disc fit``, against its truth.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

STARTED = time.perf_counter()
for _threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")  # one process is one thread, before numpy is loaded

import numpy as np  # noqa: E402
from bench_models import bench_models, load_bench_peers  # noqa: E402

Array = np.ndarray[Any, np.dtype[Any]]
ROOT = Path(__file__).resolve().parents[1]
MATCHED = ("L1/L2", "L2/L3", "L3/L4", "L4/L5", "L5/S1")
METHODS = ("scipy_curvefit", "numpy_loglin", "numpy_gn", "t2disc")
REFERENCE = "scipy_curvefit"
ECHOES = (8, 16)
RUNS = 3  # of each fit; the median is printed


def main() -> int:
    """Run the sections asked for, all of them by default."""
    arguments = _arguments()
    if arguments.one:
        method, n_echoes, values_file = arguments.one
        print(json.dumps(run_method(method, int(n_echoes), arguments.voxels, Path(values_file))))
        return 0
    if arguments.read:
        reader, folder = arguments.read
        print(json.dumps(run_reader(reader, Path(folder))))
        return 0
    if arguments.find:
        file, n_threads = arguments.find
        print(json.dumps(run_find(Path(file), int(n_threads))))
        return 0
    if arguments.match:
        file, n_threads = arguments.match
        print(json.dumps(run_match(Path(file), int(n_threads))))
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
    parser.add_argument("--envs", type=Path, help="folder that keeps the environments of the peers")
    parser.add_argument("--cache", type=Path, help="folder that keeps the simulated pair of visits")
    parser.add_argument("--match", nargs=2, help=argparse.SUPPRESS)  # a pair in its own process
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)  # a method in its own process
    parser.add_argument("--find", nargs=2, help=argparse.SUPPRESS)  # the discs of a stack in its own process
    parser.add_argument("--read", nargs=2, help=argparse.SUPPRESS)  # a reader in its own process
    return parser.parse_args()


# ------------------------------------------------------------------------------------------------ fit
def bench_fit(arguments: argparse.Namespace) -> None:
    """Print a table of the fit methods for each number of echoes."""
    for n_echoes in ECHOES:
        rows = [_median_of_runs(method, n_echoes, arguments.voxels) for method in METHODS]
        _print_fit_table(n_echoes, rows)


def _median_of_runs(method: str, n_echoes: int, n_voxels: int) -> dict[str, Any]:
    """Return the run whose speed is the median of several: the machine is shared."""
    runs = [_in_own_process(method, n_echoes, n_voxels) for _ in range(RUNS)]
    return sorted(runs, key=lambda row: float(row["vox_per_s_cpu"]))[RUNS // 2]


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
    peers = load_bench_peers()
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


# ------------------------------------------------------------------------------------------------ ingest
N_SLICES, N_ECHOES, MATRIX = 15, 16, 384
READS = 5  # of each reader, in turn; the medians are printed


def bench_ingest(arguments: argparse.Namespace) -> None:  # noqa: ARG001 - the sections' signature
    """Print wall time and peak memory of reading one visit, and the ratio to a plain pydicom loop."""
    with tempfile.TemporaryDirectory() as folder:
        write_series(Path(folder))
        rows: dict[str, list[dict[str, float]]] = {reader: [] for reader in READERS}
        for _ in range(1 + READS):  # the first round warms the disk cache
            for reader in READERS:
                command = [sys.executable, __file__, "--read", reader, folder]
                rows[reader].append(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))
    print(f"{N_SLICES} slices x {N_ECHOES} echoes x {MATRIX} x {MATRIX}, medians of {READS} runs\n")
    print("| reader | wall s, imports included | wall s | peak MiB of the process | wall / pydicom loop | sum |")
    print("|---|---|---|---|---|---|")
    ratios = [b["wall_s"] / a["wall_s"] for a, b in zip(rows["pydicom"][1:], rows["t2disc"][1:], strict=True)]
    for reader, runs in rows.items():
        whole, wall, peak = (np.median([run[key] for run in runs[1:]]) for key in ("whole_s", "wall_s", "peak_mib"))
        ratio = f"{np.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})" if reader == "t2disc" else "1"
        print(f"| {reader} | {whole:.2f} | {wall:.2f} | {peak:.0f} | {ratio} | {runs[0]['sum']:.0f} |")


def write_series(folder: Path) -> None:
    """Write the series as classic MR images with values that tell slices and echoes apart."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

    plane = np.random.default_rng(1).integers(0, 4000, (MATRIX, MATRIX))
    for n, (echo, z) in enumerate((e, z) for e in range(N_ECHOES) for z in range(N_SLICES)):
        meta = FileMetaDataset()
        meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, MRImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        ds.SOPClassUID, ds.SOPInstanceUID, ds.SeriesInstanceUID = MRImageStorage, generate_uid(), "1.2.3"
        ds.ImageType, ds.Modality, ds.Manufacturer = ["ORIGINAL", "PRIMARY", "M", "ND"], "MR", "SIEMENS"
        ds.ScanningSequence, ds.EchoTime, ds.EchoNumbers, ds.InstanceNumber = "SE", 10 * (echo + 1), echo + 1, z + 1
        ds.ImageOrientationPatient, ds.PixelSpacing = [0, 1, 0, 0, 0, -1], [0.7, 0.7]
        ds.ImagePositionPatient, ds.SliceThickness = [-4.0 * z, -130.0, 130.0], 4
        ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = MATRIX, MATRIX, 1, "MONOCHROME2"
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
        ds.PixelData = (plane + 10 * z + echo).astype("<u2").tobytes()
        ds.save_as(folder / f"{n:04d}", enforce_file_format=True)


def run_reader(reader: str, folder: Path) -> dict[str, float]:
    """Read the series once; ``wall_s`` leaves the imports out, ``whole_s`` holds them."""
    READERS[reader](None)
    imported = time.perf_counter()
    total = READERS[reader](folder)
    return {
        "wall_s": time.perf_counter() - imported,
        "whole_s": time.perf_counter() - STARTED,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "sum": total,
    }


def read_by_pydicom(folder: Path | None) -> float:
    """Read as a careful user's loop does: every file once, each plane into its place; no check of anything."""
    import pydicom

    if folder is None:
        return 0.0
    signal = np.empty((N_ECHOES, N_SLICES, MATRIX, MATRIX), np.float32)
    for path in sorted(folder.iterdir()):
        ds = pydicom.dcmread(path)
        signal[round(float(ds.EchoTime) / 10) - 1, int(ds.InstanceNumber) - 1] = ds.pixel_array
    return float(signal.sum(dtype=np.float64))


def read_by_t2disc(folder: Path | None) -> float:
    """Read with every check that :func:`t2disc.load_stack` makes."""
    from t2disc.ingest import load_stack

    return 0.0 if folder is None else float(load_stack(folder).signal.sum(dtype=np.float64))


# ------------------------------------------------------------------------------------------------ accuracy
N_COVERED = 50  # stacks of six regions each in a row of the table of regions
COVERED_SHAPE = (96, 96, 7)
COVERED_SIZES = {"small": (12, 10, 3), "nucleus": (32, 14, 7)}  # voxels; slices last
TISSUES = {"unlike": 0.0, "blobs": 2.5}  # neighbours' T2; SD of the filter that makes it smooth, voxels


def bench_coverage(arguments: argparse.Namespace) -> None:  # noqa: ARG001 - the sections' signature
    """Print how often 95 % intervals hold the truth: of voxels, then of regions."""
    _voxel_coverage()
    print()
    _region_coverage()


def _voxel_coverage() -> None:
    """Print the share of 100,000 voxels whose 95 % interval (Student's t) holds their T2."""
    from t2disc.fit import fit_voxels, t2_interval_ms

    rng = np.random.default_rng(1)
    print("| echoes | noise | covered % |\n|---|---|---|")
    for n_echoes in ECHOES:
        echo_times_ms, t2_ms = 10.0 * np.arange(1, n_echoes + 1), rng.uniform(30, 200, 100_000)
        clean = 1000 * np.exp(-echo_times_ms / t2_ms[:, None])
        sigma = np.median(clean[:, 0]) / 50
        real, imaginary = rng.normal(0, sigma, (2, *clean.shape))
        for noise, signal in (("Gaussian", clean + real), ("Rician", np.hypot(clean + real, imaginary))):
            low_ms, high_ms = t2_interval_ms(fit_voxels(signal, echo_times_ms))
            print(f"| {n_echoes} | {noise} | {100 * np.mean((low_ms <= t2_ms) & (t2_ms <= high_ms)):.2f} |")


def _region_coverage() -> None:
    """Print the share of regions whose 95 % intervals hold mean and median of their true T2."""
    print("| law | noise | region | tissue | echoes | regions | mean, covered % | told / true SD | median, covered % |")
    print("|---|---|---|---|---|---|---|---|---|")
    for law, kind, (name, size), tissue, n_echoes in itertools.product(
        ("Rician", "Gaussian"), ("zero-filled", "filtered", "white"), COVERED_SIZES.items(), TISSUES, ECHOES
    ):
        rng = np.random.default_rng(1)
        found = [region for _ in range(N_COVERED) for region in covered_regions(size, tissue, kind, n_echoes, law, rng)]
        error_ms, told_ms, mean, median = np.array(found).T
        print(
            f"| {law} | {kind} | {name} | {tissue} | {n_echoes} | {len(found)} | {100 * mean.mean():.1f} "
            f"| {told_ms.mean() / error_ms.std():.2f} | {100 * median.mean():.1f} |",
            flush=True,
        )


def covered_regions(
    size: tuple[int, int, int], tissue: str, kind: str, n_echoes: int, law: str, rng: np.random.Generator
) -> list[tuple[float, float, bool, bool]]:
    """Measure six regions of a simulated stack: error of the mean and its standard error, ms; which truths are held."""
    from t2disc.fit import fit_t2
    from t2disc.measure import measure_discs
    from t2disc.model import LEVELS, DiscLabels, EchoStack

    discs = np.zeros(COVERED_SHAPE, np.uint8)
    for place, level in enumerate(LEVELS):
        corner = (6 + 46 * (place % 2), 12 + 26 * (place // 2), (COVERED_SHAPE[2] - size[2]) // 2)
        discs[tuple(slice(at, at + n) for at, n in zip(corner, size, strict=True))] = DiscLabels.value_of(level)
    affine = np.diag([0.7, 0.7, 4.0, 1.0])
    labels = DiscLabels(discs=discs, regions=(discs > 0).astype(np.uint8), levels=LEVELS, affine=affine)
    echo_times_ms, true_ms = 10.0 * np.arange(1, n_echoes + 1), _tissue_ms(TISSUES[tissue], rng)
    clean = 1000 * np.exp(-echo_times_ms / true_ms[..., None])
    clean[:, :6] = 0  # air
    noise = 1000 * np.exp(-10 / 90) / 50 * _complex_noise(kind, clean.shape, rng)
    signal = np.abs(clean + noise) if law == "Rician" else np.maximum(clean + noise.real, 0)
    t2map = fit_t2(EchoStack(signal=signal.astype(np.float32), echo_times_ms=echo_times_ms, affine=affine))
    rows = []
    for measure in measure_discs(t2map, labels):
        if measure.region == "NP":
            truth_ms = true_ms[labels.mask(measure.level)]
            mean_ms, median_ms = float(truth_ms.mean()), float(np.median(truth_ms))
            (low, high), (below, above) = measure.t2_mean_interval_ms, measure.t2_median_interval_ms
            held = (low <= mean_ms <= high, below <= median_ms <= above)
            rows.append((measure.t2_mean_ms - mean_ms, measure.t2_mean_se_ms, *held))
    return rows


def _tissue_ms(blob: float, rng: np.random.Generator) -> Array:
    """Return T2 of 90 ms, SD 15 ms, on the grid: another in every voxel, or smooth."""
    from scipy.ndimage import gaussian_filter

    field = rng.standard_normal(COVERED_SHAPE)
    field = gaussian_filter(field, (blob, blob, 0.5)) if blob else field
    return np.clip(90 + 15 * field / field.std(), 25, 250)


def _complex_noise(kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Return complex noise, SD 1 a channel: white, of an image zero-filled to twice its matrix, or filtered (0.8)."""
    from scipy.ndimage import gaussian_filter

    noise = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    if kind == "zero-filled":
        held = np.ix_(*(np.abs(np.fft.fftfreq(n)) < 0.25 for n in shape[:2]))
        space = np.zeros(shape, np.complex128)
        space[held] = np.fft.fft2(noise, axes=(0, 1))[held]
        noise = np.fft.ifft2(space, axes=(0, 1))
    elif kind == "filtered":
        noise = gaussian_filter(noise, (0.8, 0.8, 0, 0), mode="wrap")
    return noise / noise.real.std()


def bench_segment(arguments: argparse.Namespace) -> None:  # noqa: ARG001 - the sections' signature
    """Print what finding the discs of one visit costs."""
    from t2disc.simulate import SIZES, default_study, simulate_scan

    participant = default_study(1, seed=3, size="full").participants[0]
    scan = simulate_scan(participant, participant.visits[0])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "stack.npy"
        np.save(file, np.stack([scan.grid.to_nifti_order(echo) for echo in scan.magnitude]))
        np.savez(file.with_suffix(".npz"), affine=scan.grid.affine, echo_times_ms=SIZES["full"].echo_times_ms)
        print(f"echoes, slices, rows, columns: {scan.magnitude.shape}\n")
        print(
            "| threads | CPU s | of it imports | wall s | peak MiB | levels | SHA-256 |\n|---|---|---|---|---|---|---|"
        )
        for n_threads in (1, 2):
            command = [sys.executable, __file__, "--find", str(file), str(n_threads)]
            found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            print("| " + " | ".join(str(value) for value in found.values()) + " |")


def run_find(file: Path, n_threads: int) -> dict[str, object]:
    """Find the discs of a stack once; imports and the loading of the network are part of the cost."""
    signal = np.moveaxis(np.load(file), 0, -1)  # echo by echo in memory, as ingest loads it
    with np.load(file.with_suffix(".npz")) as parts:
        affine, echo_times_ms = parts["affine"], parts["echo_times_ms"]
    cpu, wall = time.process_time(), time.perf_counter()
    import onnxruntime  # noqa: F401
    import scipy.ndimage  # noqa: F401

    from t2disc import EchoStack, find_discs

    imports = time.process_time() - cpu
    discs = find_discs(EchoStack(signal=signal, echo_times_ms=echo_times_ms, affine=affine), n_threads=n_threads)
    return {
        "threads": n_threads,
        "cpu_s": round(time.process_time() - cpu, 2),
        "imports_s": round(imports, 2),
        "wall_s": round(time.perf_counter() - wall, 2),
        "peak_mib": round(_own_peak_mib()),
        "levels": len(discs.levels),
        "sha256": hashlib.sha256(discs.discs.tobytes() + discs.regions.tobytes()).hexdigest()[:16],
    }


def _own_peak_mib() -> float:
    """Return this program's peak; ``ru_maxrss`` keeps that of the process it was forked from."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def bench_match(arguments: argparse.Namespace) -> None:
    """Print what it costs to match the discs of two visits, carry their regions and measure the changes."""
    from simulated_pairs import draw_people, measured_pair, only_levels, save_pair

    (person,) = draw_people(1, seed=11)
    pair = only_levels(measured_pair(person, arguments.cache), MATCHED)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pair.npz"
        save_pair(pair, file)
        print(f"{pair.before.t2map.shape} and {pair.after.t2map.shape} voxels, discs {', '.join(MATCHED)}\n")
        runs = []
        for n_threads in (1, 2, 1, 2):
            command = [sys.executable, __file__, "--match", str(file), str(n_threads)]
            runs.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    print(
        "| threads | wall s | CPU s | matching | carrying | measuring | imports, CPU s | peak MiB | discs | SHA-256 |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for run in sorted(runs, key=lambda run: int(run["threads"])):
        print("| " + " | ".join(str(value) for value in run.values()) + " |")
    print(f"\nThe same bytes in all runs: {'yes' if len({run['sha256'] for run in runs}) == 1 else 'NO'}")


def run_match(file: Path, n_threads: int) -> dict[str, object]:
    """Match and measure a pair once, in every kind of region; its seconds are without the imports."""
    from simulated_pairs import load_pair

    pair = load_pair(file)
    clock = [time.process_time()]
    from t2disc.measure import measure_changes
    from t2disc.model import MatchedLabels
    from t2disc.register import carry_regions, match_visits

    wall = time.perf_counter()
    clock.append(time.process_time())
    match = match_visits(pair.before, pair.after, n_threads=n_threads)
    clock.append(time.process_time())
    carried = carry_regions(match, pair.before.discs, pair.after.discs)
    clock.append(time.process_time())
    own = MatchedLabels(roi="own", baseline=pair.before.discs, followup=pair.after.discs)
    for labels in (*carried, own):
        measure_changes(pair.before.t2map, pair.after.t2map, labels, match)
    clock.append(time.process_time())
    wall = time.perf_counter() - wall
    imports_s, *steps_s = np.diff(clock).round(2).tolist()
    found = hashlib.sha256(b"".join(disc.motion.tobytes() for disc in match.discs))
    for labels in carried:
        for visit in (labels.baseline, labels.followup):
            for values in (visit.discs, visit.regions, *(scheme.values for scheme in visit.schemes)):
                found.update(values.tobytes())
    return {
        "threads": n_threads,
        "wall_s": round(wall, 2),
        "cpu_s": round(sum(steps_s), 2),
        **dict(zip(("match", "carry", "measure"), steps_s, strict=True)),
        "imports_s": imports_s,
        "peak_mib": round(_own_peak_mib()),
        "discs": len(match.discs),
        "sha256": found.hexdigest()[:16],
    }


def bench_vendors(arguments: argparse.Namespace) -> None:  # noqa: ARG001 - the sections' signature
    """Print the error of the nuclei's median T2 for each vendor (5 participants, 2 visits, 5 discs)."""
    from t2disc.simulate import VENDORS, default_study, simulate_study

    with tempfile.TemporaryDirectory() as folder:
        study, out = Path(folder) / "study", Path(folder) / "out"
        for file in simulate_study(default_study(5, VENDORS, seed=7)):
            path = study / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.content)
        command = [sys.executable, "-m", "t2disc", "fit", str(study), "--labels", str(study / "labels"), "-o", str(out)]
        subprocess.run(command, check=True, capture_output=True)
        errors = _nucleus_errors(study, out)
    print("| vendor | nuclei | mean error % | worst error % |\n|---|---|---|---|")
    for vendor, found in sorted(errors.items()):
        print(f"| {vendor} | {len(found)} | {100 * np.mean(found):.2f} | {100 * max(found):.2f} |")


def _nucleus_errors(study: Path, out: Path) -> dict[str, list[float]]:
    with (out / "discs.tsv").open(encoding="utf-8", newline="") as table:
        rows = [row for row in csv.DictReader(table, delimiter="\t") if row["region"] == "NP"]
    measured = {(r["participant_id"], r["session_id"], r["level"]): float(r["t2_median_ms"]) for r in rows}
    errors: dict[str, list[float]] = {}
    for path in sorted((study / "truth").rglob("truth.json")):
        truth = json.loads(path.read_text(encoding="utf-8"))
        for level, disc in truth["discs"].items():
            t2_ms = measured[truth["participant_id"], truth["session_id"], level]
            errors.setdefault(truth["vendor"], []).append(abs(t2_ms / disc["t2_np_ms"] - 1))
    return errors


READERS: dict[str, Callable[[Path | None], float]] = {"pydicom": read_by_pydicom, "t2disc": read_by_t2disc}
SECTIONS: dict[str, Callable[[argparse.Namespace], None]] = {
    "fit": bench_fit,
    "models": lambda arguments: bench_models(arguments.envs, arguments.voxels),
    "ingest": bench_ingest,
    "coverage": bench_coverage,
    "segment": bench_segment,
    "match": bench_match,
    "vendors": bench_vendors,
}

if __name__ == "__main__":
    sys.exit(main())
