"""How well discs are matched and their change measured, in simulated pairs of visits whose truth is known.

``evaluate_matching.py --pairs 40 --seed 11 --set moved``: both visits of each person are simulated, fitted, and their
discs found by the network; then matched, their regions carried and the changes measured. The figures are printed as
Markdown. Errors of place are means over the voxels of each true disc; errors of the change are in percentage points.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from simulated_pairs import SETS, SimulatedPair, draw_people, measured_pair

from t2disc.errors import T2DiscError
from t2disc.measure import literature_repeatability, measure_changes
from t2disc.model import Change, DiscMatch, MatchedLabels
from t2disc.model.grids import anatomical_axes
from t2disc.model.match import ROIS
from t2disc.register import carry_regions, match_visits
from t2disc.register.motions import moved
from t2disc.simulate import ParticipantRecipe

REGIONS = ("NP", "disc")

Changes = dict[tuple[str, str, str], Change]  # by level, roi and region


@dataclass(frozen=True, slots=True, kw_only=True)
class Disc:
    """Figures of one matched disc."""

    pair: str
    level: str
    is_index: bool
    in_plane_mm: float
    through_plane_mm: float
    inverse_mm: float
    correlation: float
    codes: tuple[str, ...]
    true_np_pct: float
    changes: dict[tuple[str, str], Change]  # by roi and region

    def error_pct(self, roi: str, region: str = "NP") -> float:
        """Return measured minus true change, percentage points; NaN where nothing was measured."""
        return self.changes[roi, region].change_pct - self.true_np_pct

    def is_covered(self, region: str) -> bool:
        """Tell whether the 95 % interval in the matched region holds the true change of the nucleus."""
        low, high = self.changes["matched", region].interval_pct
        return low <= self.true_np_pct <= high


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Figures of one pair; ``refused`` holds the code of the refusal where it was not matched."""

    name: str
    discs: tuple[Disc, ...] = ()
    missing: tuple[str, ...] = ()
    refused: str = ""
    matching_cpu_s: float = np.nan
    rest_cpu_s: float = np.nan  # carrying and measuring


def main() -> None:
    options = _options()
    people = draw_people(options.pairs, seed=options.seed, of=options.set, size=options.size)
    for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(threads, "1")  # one process is one thread: read by the workers below
    judged = []
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        for one in pool.map(_run, people, [options.cache] * len(people)):
            judged.append(one)
            print(_words(one), file=sys.stderr, flush=True)
    print(f"## {options.set}: {options.pairs} pairs, seed {options.seed}, {options.size} size\n")
    _report(judged)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--set", choices=SETS, default="moved", help="what differs between the visits")
    parser.add_argument("--size", default="full")
    parser.add_argument("--jobs", type=int, default=2, help="pairs at the same time")
    parser.add_argument("--cache", type=Path, help="folder that keeps the measured visits for the next run")
    return parser.parse_args()


def _run(person: ParticipantRecipe, cache: Path | None) -> Judged:
    return judge(measured_pair(person, cache))


# ------------------------------------------------------------------------------------------------ one pair
def judge(pair: SimulatedPair) -> Judged:
    """Match and measure one pair, and return its figures."""
    before, after = pair.before, pair.after
    started = time.process_time()
    try:
        match = match_visits(before, after)
    except T2DiscError as error:
        return Judged(name=pair.name, refused=error.code)
    matched = time.process_time()
    own = MatchedLabels(roi="own", baseline=before.discs, followup=after.discs)
    changes: Changes = {
        (change.level, change.roi, change.region): change
        for labels in (*carry_regions(match, before.discs, after.discs), own)
        for change in measure_changes(before.t2map, after.t2map, labels, match, literature_repeatability)
    }
    done = time.process_time()
    return Judged(
        name=pair.name,
        discs=tuple(_disc(pair, disc, changes) for disc in match.discs),
        missing=match.missing,
        matching_cpu_s=matched - started,
        rest_cpu_s=done - matched,
    )


def _disc(pair: SimulatedPair, found: DiscMatch, changes: Changes) -> Disc:
    in_plane_mm, through_plane_mm = _target_errors_mm(pair, found)
    return Disc(
        pair=pair.name,
        level=found.level,
        is_index=found.level == pair.index_level,
        in_plane_mm=in_plane_mm,
        through_plane_mm=through_plane_mm,
        inverse_mm=found.inverse_mm,
        correlation=found.correlation,
        codes=tuple(code.value for code in found.codes),
        true_np_pct=pair.true_np_change_pct(found.level),
        changes={(roi, region): changes[found.level, roi, region] for roi in ROIS for region in REGIONS},
    )


def _target_errors_mm(pair: SimulatedPair, found: DiscMatch) -> tuple[float, float]:
    """Return how far the true disc's voxels are carried from where they truly went, in the slice plane and across."""
    points_mm, affine = pair.true_points_mm(found.level), pair.after.t2map.affine
    off_mm = moved(found.motion, points_mm) - moved(pair.true_motion(found.level), points_mm)
    normal = affine[:3, anatomical_axes(affine)[0]] / np.linalg.norm(affine[:3, anatomical_axes(affine)[0]])
    across_mm = off_mm @ normal
    within_mm = np.linalg.norm(off_mm - across_mm[:, None] * normal, axis=1)
    return float(within_mm.mean()), float(np.abs(across_mm).mean())


def _words(one: Judged) -> str:
    if one.refused:
        return f"{one.name} refused: {one.refused}"
    worst_mm = max(np.hypot(disc.in_plane_mm, disc.through_plane_mm) for disc in one.discs)
    codes = ", ".join(f"{disc.level} {code}" for disc in one.discs for code in disc.codes)
    return f"{one.name} {len(one.discs)} discs, worst {worst_mm:.2f} mm, {one.matching_cpu_s:.1f} CPU-s {codes}"


# ------------------------------------------------------------------------------------------------ the report
def _report(judged: Sequence[Judged]) -> None:
    discs = [disc for one in judged for disc in one.discs]
    refused = Counter(one.refused for one in judged if one.refused)
    missing = Counter(level for one in judged for level in one.missing)
    codes = Counter(code for disc in discs for code in disc.codes)
    n_flagged = sum(bool(disc.codes) for disc in discs)
    print(f"- pairs refused: {refused.total()}{_listed(refused)}")
    print(f"- discs matched: {len(discs)}; found at one visit only: {missing.total()}{_listed(missing)}")
    print(f"- discs flagged: {n_flagged}{_listed(codes)}")
    if not discs:
        return
    print(f"- least correlation: {min(disc.correlation for disc in discs):.3f}")
    print(f"- matching: {_mean_and_max([one.matching_cpu_s for one in judged])} CPU-s a pair")
    print(f"- carrying and measuring: {_mean_and_max([one.rest_cpu_s for one in judged])} CPU-s a pair\n")
    _print_places(discs)
    _print_changes(discs)
    _print_coverage(discs)
    _print_exceeding(discs)


def _listed(counts: Counter[str]) -> str:
    return f" ({', '.join(f'{name} {n}' for name, n in sorted(counts.items()))})" if counts else ""


def _mean_and_max(values: Sequence[float]) -> str:
    return f"mean {np.nanmean(values):.2f}, max {np.nanmax(values):.2f}"


def _print_places(discs: Sequence[Disc]) -> None:
    print("| mm | mean | 95th percentile | max | max unflagged |\n|---|---|---|---|---|")
    measures: dict[str, Callable[[Disc], float]] = {
        "target registration error": lambda disc: float(np.hypot(disc.in_plane_mm, disc.through_plane_mm)),
        "in plane": lambda disc: disc.in_plane_mm,
        "through plane": lambda disc: disc.through_plane_mm,
        "inverse consistency": lambda disc: disc.inverse_mm,
    }
    for name, of in measures.items():
        values, unflagged = [of(disc) for disc in discs], [of(disc) for disc in discs if not disc.codes]
        mean, high, largest = np.nanmean(values), np.nanpercentile(values, 95), np.nanmax(values)
        print(f"| {name} | {mean:.3f} | {high:.3f} | {largest:.3f} | {max(unflagged, default=np.nan):.3f} |")
    print()


def _print_changes(discs: Sequence[Disc]) -> None:
    """Print how far the measured change of the nucleus lies from the true one, percentage points."""
    print("| NP change in | discs | n | median error | 95th percentile | max | bias | 95th percentile, unflagged |")
    print("|---|---|---|---|---|---|---|---|")
    for roi in ROIS:
        for name, group in _groups(discs):
            errors = _known([disc.error_pct(roi) for disc in group])
            unflagged = _known([disc.error_pct(roi) for disc in group if not disc.codes])
            if errors.size:
                low, high, largest = np.median(abs(errors)), np.percentile(abs(errors), 95), abs(errors).max()
                high_unflagged = np.percentile(abs(unflagged), 95) if unflagged.size else np.nan
                print(
                    f"| {roi} | {name} | {errors.size} | {low:.2f} | {high:.2f} | {largest:.2f} | {errors.mean():+.2f} "
                    f"| {high_unflagged:.2f} |"
                )
    print()


def _groups(discs: Sequence[Disc]) -> Iterator[tuple[str, list[Disc]]]:
    yield "index", [disc for disc in discs if disc.is_index]
    yield "control", [disc for disc in discs if not disc.is_index]


def _known(values: Sequence[float]) -> np.ndarray:
    return np.array([value for value in values if np.isfinite(value)])


def _print_coverage(discs: Sequence[Disc]) -> None:
    """Print how often the 95 % interval holds the truth; that of a whole disc is known only where nothing changed."""
    print(
        "| region | discs | n | covered % | mean half width, points | without an interval |\n|---|---|---|---|---|---|"
    )
    unchanged = [disc for disc in discs if disc.true_np_pct == 0]
    rows = [("NP", "all", list(discs)), *(("NP", *group) for group in _groups(discs)), ("disc", "unchanged", unchanged)]
    for region, name, group in rows:
        sure = [disc for disc in group if np.isfinite(disc.changes["matched", region].se_pct)]
        if sure:
            half = np.mean([1.96 * disc.changes["matched", region].se_pct for disc in sure])
            covered = 100 * np.mean([disc.is_covered(region) for disc in sure])
            print(f"| {region} | {name} | {len(sure)} | {covered:.1f} | {half:.2f} | {len(group) - len(sure)} |")
    print()


def _print_exceeding(discs: Sequence[Disc]) -> None:
    """Print how many discs without a true change are said to exceed what measuring twice gives."""
    for region in REGIONS:
        said = [disc.changes["matched", region].exceeds_rc for disc in discs if disc.true_np_pct == 0]
        n_known = sum(one is not None for one in said)
        if n_known:
            print(
                f"- {region} of unchanged discs beyond the repeatability coefficient: {said.count(True)} of {n_known}"
            )


if __name__ == "__main__":
    main()
