"""How near other registration engines come to the true motion of a disc: ``compare_engines.py --pairs 4 --seed 11``.

All start from the same guess (the middles of the named discs), compare the same voxels of the baseline (half a vertebra
above and below the disc, without its nucleus) and are judged by the same truth, over the voxels of the true disc. Each
searches once, from baseline to follow-up, first in coarse pictures, then in fine ones; what the package does
besides (a second start, the way back, one through-plane motion for all discs) is left out. Discs L1/L2 to L5/S1.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from simulated_pairs import SETS, Matrix, MeasuredScan, SimulatedPair, draw_people, measured_pair

from t2disc.model import LEVELS
from t2disc.register import engine
from t2disc.register.context import COARSE_MM, FINE_MM, Side, _straight, ready
from t2disc.register.contrast import ECHO_TIME_MS, Picture, matching_picture
from t2disc.register.motions import moved
from t2disc.register.whole import start_motion

sitk: Any = engine._sitk()

MARGIN_MM = 6.0  # of the fixed picture around the voxels compared
REACH_LEVELS = 0.8  # SD, in levels, of the weight that neighbours have in the first guess
N_SAMPLES = (3000, 6000)  # voxels compared in the coarse and the fine search
ASTRAY_MM = 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task:
    """One disc to be found: pictures (coarse, fine), the voxels compared ``(X, Y, Z)``, and the first guess."""

    level: str
    normalised: tuple[tuple[Picture, Picture], ...]  # (fixed, moving), coarse and fine
    raw: tuple[tuple[Picture, Picture], ...]
    where: NDArray[np.bool_]
    start: Matrix
    centre_mm: Matrix


Engine = Callable[[Task], Matrix]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--set", choices=SETS, default="moved", help="what differs between the visits")
    parser.add_argument("--cache", type=Path, help="folder that keeps the measured visits for the next run")
    parser.add_argument("--without", nargs="*", default=[], metavar="WORD", help="leave out engines named so (ANTS)")
    options = parser.parse_args()
    used = {name: find for name, find in engines().items() if not any(word in name for word in options.without)}
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    rows: dict[str, list[tuple[float, float, float]]] = {}
    for person in draw_people(options.pairs, seed=options.seed, of=options.set):
        pair = measured_pair(person, options.cache)
        for task in tasks(pair):
            for name, find in used.items():
                rows.setdefault(name, []).append(_judge(find, task, pair))
        print(person.participant_id, file=sys.stderr, flush=True)
    print(f"{options.pairs} pairs of visits ({options.set}, seed {options.seed}, full size)\n")
    _print_table(rows)


def _judge(find: Engine, task: Task, pair: SimulatedPair) -> tuple[float, float, float]:
    """Return errors in plane and through plane, mm, and the CPU seconds; NaN errors where the engine gave up."""
    started = time.process_time()
    try:
        motion = find(task)
    except RuntimeError:  # as SimpleITK and greedy say it
        motion = np.full((4, 4), np.nan)
    cpu_s = time.process_time() - started
    points_mm = pair.true_points_mm(task.level)
    off_mm = moved(motion, points_mm) - moved(pair.true_motion(task.level), points_mm)
    normal = pair.after.t2map.affine[:3, 2] / np.linalg.norm(pair.after.t2map.affine[:3, 2])
    across_mm = off_mm @ normal
    within_mm = np.linalg.norm(off_mm - across_mm[:, None] * normal, axis=1)
    return float(within_mm.mean()), float(np.abs(across_mm).mean()), cpu_s


def _print_table(rows: dict[str, list[tuple[float, float, float]]]) -> None:
    print(
        "| engine | discs | in plane, mm: median | mean | max | through plane: median | mean | max "
        f"| beyond {ASTRAY_MM:.0f} mm | CPU s a disc |\n|---|---|---|---|---|---|---|---|---|---|"
    )
    for name, figures in rows.items():
        within, across, cpu_s = np.array(figures).T
        n_astray = np.count_nonzero(~(np.hypot(within, across) <= ASTRAY_MM))
        places = " | ".join(f"{f(mm):.3f}" for mm in (within, across) for f in (np.nanmedian, np.nanmean, np.nanmax))
        print(f"| {name} | {len(figures)} | {places} | {n_astray} | {cpu_s.mean():.2f} |")


# ------------------------------------------------------------------------------------------------ what is to be found
def tasks(pair: SimulatedPair) -> Iterator[Task]:
    """Yield the discs of a pair that both visits have, T12/L1 left out."""
    before, after = ready(pair.before), ready(pair.after)
    raw_before, raw_after = (_raw(side, scan) for side, scan in ((before, pair.before), (after, pair.after)))
    common = [level for level in before.levels if level in after.levels]
    for level in (level for level in common if level != LEVELS[0]):
        where = before.contexts[level]
        box = _box(where, before.fine.affine)
        yield Task(
            level=level,
            normalised=((_cut(before.coarse, box), after.coarse), (_cut(before.fine, box), after.fine)),
            raw=tuple((_cut(one, box), other) for one, other in zip(raw_before, raw_after, strict=True)),
            where=where[box],
            start=_start(level, before, after, common),
            centre_mm=before.centre_mm(level),
        )


def _raw(side: Side, scan: MeasuredScan) -> tuple[Picture, Picture]:
    """Return the signal at the matching's echo time, not normalised and with the nuclei, smoothed as the others are."""
    signal = np.nan_to_num(scan.t2map.s0 * np.exp(-ECHO_TIME_MS / scan.t2map.t2_ms)).astype(np.float32)
    stored = matching_picture(scan.t2map, scan.discs)
    values, _ = _straight(stored.part(signal), stored.affine)
    picture = replace(side.fine, values=np.ascontiguousarray(values))
    return picture.smoothed(COARSE_MM), picture.smoothed(FINE_MM)


def _start(level: str, before: Side, after: Side, common: list[str]) -> Matrix:
    away = np.array([LEVELS.index(other) - LEVELS.index(level) for other in common]) / REACH_LEVELS
    return start_motion(before, after, [(other, other) for other in common], np.exp(-(away**2) / 2))


def _box(where: NDArray[np.bool_], affine: Matrix) -> tuple[slice, ...]:
    margin = np.ceil(MARGIN_MM / np.linalg.norm(affine[:3, :3], axis=0)).astype(int)
    voxels = np.argwhere(where)
    low, high = np.maximum(voxels.min(axis=0) - margin, 0), voxels.max(axis=0) + margin + 1
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))


def _cut(picture: Picture, box: tuple[slice, ...]) -> Picture:
    affine = picture.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ np.array([part.start for part in box])
    return Picture(values=np.ascontiguousarray(picture.values[box]), affine=affine, corner=(0, 0, 0))


# ------------------------------------------------------------------------------------------------ engines
def engines() -> dict[str, Engine]:
    """Return the engines by name; greedy only where it is installed."""
    found: dict[str, Engine] = {
        "first guess": lambda task: task.start,
        "correlation, locally normalised (the package's)": by_the_package,
        "the same with ITK's own gradient filters": lambda task: by_itk(task, with_itks_filters, task.normalised),
        "correlation, raw pictures": lambda task: by_itk(task, engine._method, task.raw),
        "Mattes mutual information, raw pictures": lambda task: by_itk(task, by_mutual_information, task.raw),
        "ANTS neighbourhood correlation, raw pictures": lambda task: by_itk(task, by_neighbourhoods, task.raw),
    }
    with contextlib.suppress(ImportError):
        from picsl_greedy import Greedy3D  # type: ignore[import-not-found]

        found["picsl_greedy, WNCC 2x2x1, raw pictures"] = lambda task: by_greedy(task, Greedy3D())
    return found


def by_the_package(task: Task) -> Matrix:
    """Search as :func:`t2disc.register.engine.find_motion` does."""
    motion = task.start
    for (fixed, moving), n_samples in zip(task.normalised, N_SAMPLES, strict=True):
        motion = engine.find_motion(fixed, moving, task.where, motion, task.centre_mm, n_samples=n_samples).motion
    return motion


def by_itk(
    task: Task, method_of: Callable[[float, float], Any], pictures: tuple[tuple[Picture, Picture], ...]
) -> Matrix:
    """Search with another method of SimpleITK; the geometry is the package's own."""
    motion = task.start
    for (fixed, moving), n_samples in zip(pictures, N_SAMPLES, strict=True):
        frame = engine._frame(fixed.affine, task.centre_mm)
        inverse = np.linalg.inv(frame)
        turn = sitk.Euler3DTransform()
        radius_mm = engine._radius_mm(task.where, fixed.affine, task.centre_mm)
        method = method_of(min(1.0, n_samples / np.count_nonzero(task.where)), radius_mm)
        method.SetInitialTransform(turn, True)
        method.SetMetricFixedMask(engine._image(task.where.astype(np.uint8), inverse @ fixed.affine))
        method.Execute(
            engine._image(fixed.values, inverse @ fixed.affine),
            engine._image(moving.values, inverse @ np.linalg.inv(motion) @ moving.affine),
        )
        motion = motion @ frame @ engine._matrix(turn) @ inverse
    return motion


def with_itks_filters(share: float, radius_mm: float) -> Any:
    """Return the package's method with gradients smoothed as ITK does unasked."""
    method = engine._method(share, radius_mm)
    method.MetricUseFixedImageGradientFilterOn()
    method.MetricUseMovingImageGradientFilterOn()
    return method


def by_mutual_information(share: float, radius_mm: float) -> Any:
    """Return the package's method with Mattes' metric, 32 bins."""
    method = engine._method(share, radius_mm)
    method.SetMetricAsMattesMutualInformation(32)
    return method


def by_neighbourhoods(share: float, radius_mm: float) -> Any:  # noqa: ARG001 - it compares every voxel
    """Return the package's method with the correlation in neighbourhoods of 5 x 5 x 5 voxels."""
    method = engine._method(1.0, radius_mm)
    method.SetMetricAsANTSNeighborhoodCorrelation(2)
    method.SetMetricSamplingStrategy(method.NONE)
    return method


def by_greedy(task: Task, greedy: Any) -> Matrix:
    """Search with greedy's rigid mode, two resolutions; matrices pass through files, as its memory takes none."""
    fixed, moving = task.raw[-1]
    images = {
        "fixed": _lps_image(fixed.values, fixed.affine),
        "moving": _lps_image(moving.values, moving.affine),
        "mask": _lps_image(task.where.astype(np.float32), fixed.affine),
    }
    with tempfile.TemporaryDirectory() as folder, _silent():
        start, found = Path(folder) / "start.mat", Path(folder) / "found.mat"
        np.savetxt(start, task.start)
        greedy.execute(
            f"-i fixed moving -gm mask -a -dof 6 -n 40x20 -m WNCC 2x2x1 -ia {start} -o {found} -threads 1 -V 0",
            **images,
        )
        return np.loadtxt(found)


def _lps_image(values: NDArray[Any], affine: Matrix) -> Any:
    """Return an array as an image in ITK's own space, whose first two axes run the other way."""
    return engine._image(values, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Close standard output for a while: greedy writes to it from C++."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


if __name__ == "__main__":
    main()
