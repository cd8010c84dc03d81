"""How well discs are found, named and measured in simulated studies whose truth is known: five vendors' DICOM.

``evaluate_simulated.py --visits 40 --seed 5000``: each visit is written as DICOM, loaded, labelled and fitted. The
seeds of the training are another stream (``segmenter/simulated.py``).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from t2disc import find_discs, fit_t2, load_labels, load_stack, measure_discs
from t2disc.model import LEVELS, DiscLabels, EchoStack, T2Map
from t2disc.simulate import VENDORS, SimulatedFile, simulate_study, varied_study

LUMBAR = LEVELS[1:]


@dataclass(frozen=True)
class Judged:
    """One visit: its discs' Dice and NP error by level, whether all five names are right, and what was said."""

    name: str
    vendor: str
    dice: dict[str, float]  # by level, of all discs drawn
    np_error_pct: dict[str, float]
    is_named_right: bool
    reasons: tuple[str, ...]
    seconds: float


def main() -> None:
    options = _options()
    study = varied_study(options.visits, VENDORS, seed=options.seed, size=options.size, n_visits=1)
    judged = []
    for participant in study.participants:
        (visit,) = participant.visits
        with tempfile.TemporaryDirectory() as folder:
            one = type(study)(participants=(participant,), labelled_levels=LUMBAR)
            home, labels = _written(simulate_study(one), Path(folder), visit.name)
            judged.append(judge(home, labels, f"{participant.participant_id}", visit.vendor))
        print(_words(judged[-1]), flush=True)
    _summary(judged)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visits", type=int, default=40)
    parser.add_argument("--seed", type=int, default=5000)
    parser.add_argument("--size", default="full")
    return parser.parse_args()


def _written(files: Iterator[SimulatedFile], folder: Path, visit: str) -> tuple[Path, Path]:
    """Write the files of one visit; return the folder of its DICOM and the path of its labels."""
    labels, home = None, None
    for file in files:
        path = folder.joinpath(*file.path.parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
        if file.path.parts[0] == "labels" and path.name.endswith(".nii.gz"):
            labels = path
        elif visit in file.path.parts and file.path.parts[0] not in {"labels", "truth"}:
            home = folder / file.path.parts[0] / visit
    return home, labels


def judge(home: Path, labels: Path, name: str, vendor: str) -> Judged:
    """Return the figures of one visit."""
    stack = load_stack(home)
    true = find_discs(stack, load_labels(labels))
    started = time.process_time()
    found = find_discs(stack)
    seconds = time.process_time() - started
    return Judged(
        name=name,
        vendor=vendor,
        dice={level: _dice(true.mask(level), found.mask(level)) for level in true.levels},
        np_error_pct=_np_errors(stack, true, found),
        is_named_right=_is_named_right(true, found),
        reasons=tuple(str(reason.code) for reason in found.reasons),
        seconds=seconds,
    )


def _dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * np.count_nonzero(one & other) / max(np.count_nonzero(one) + np.count_nonzero(other), 1)


def _is_named_right(true: DiscLabels, found: DiscLabels) -> bool:
    """Tell whether each drawn disc was found under its name, and nothing lumbar besides."""
    names = set(found.levels) - {"T12/L1"}
    return names == set(true.levels) and all(
        np.count_nonzero(true.mask(level) & found.mask(level)) > 0.5 * np.count_nonzero(found.mask(level))
        for level in true.levels
    )


def _np_errors(stack: EchoStack, true: DiscLabels, found: DiscLabels) -> dict[str, float]:
    t2map: T2Map = fit_t2(stack)
    of_true, of_found = (
        {m.level: m.t2_median_ms for m in measure_discs(t2map, discs) if m.region == "NP"} for discs in (true, found)
    )
    return {
        level: 100 * (of_found[level] / of_true[level] - 1)
        for level in true.levels
        if level in of_found and _dice(true.mask(level), found.mask(level)) > 0.1
    }


def _words(one: Judged) -> str:
    dice = " ".join(f"{value:.2f}" for value in one.dice.values())
    error = " ".join(f"{value:+.1f}" for value in one.np_error_pct.values())
    named = "named right" if one.is_named_right else "NAMED WRONG"
    return (
        f"{one.name} {one.vendor:16} {named} dice {dice}  NP % {error}  {one.seconds:.1f} CPU-s {' '.join(one.reasons)}"
    )


def _summary(judged: list[Judged]) -> None:
    dice = [value for one in judged for value in one.dice.values()]
    errors = np.abs([value for one in judged for value in one.np_error_pct.values()])
    right = sum(one.is_named_right for one in judged)
    silent = sum(not one.is_named_right and not one.reasons for one in judged)
    reviewed = sum(one.is_named_right and bool(one.reasons) for one in judged)
    print(
        f"{right} of {len(judged)} visits named right ({silent} wrong without a reason; {reviewed} right with one); "
        f"disc Dice mean {np.mean(dice):.3f}, median {np.median(dice):.3f}; NP median T2: |error| median "
        f"{np.median(errors):.2f} %, 90th percentile {np.percentile(errors, 90):.2f} % over {errors.size} discs; "
        f"find_discs {np.median([one.seconds for one in judged]):.2f} CPU-s"
    )


if __name__ == "__main__":
    main()
