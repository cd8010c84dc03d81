"""Two visits of a simulated person who moved in between, measured as the package measures them, and the truth.

What the scripts that judge the matching share: ``evaluate_matching.py``, ``compare_engines.py``, ``bench.py match``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import t2disc
from t2disc.model import LEVELS, DiscLabels, EchoStack, NoiseEstimate, RegionMap, T2Map

if TYPE_CHECKING:
    from t2disc.simulate import ParticipantRecipe, Scan

Matrix = NDArray[np.float64]

_MOVED: dict[str, dict[str, Any]] = {
    "moved": {},
    "vendor": {"followup_vendor": "ge"},
    "narrow": {"followup_height": 0.9},
    "slices": {"slice_offset": 0.25},
    "still": {"index_change": 1.0},
}
SETS = tuple(_MOVED)
"""What differs between the two visits: pose and the treated nucleus' T2 (``moved``), and one thing more or less."""

_BEFORE_MATCHING = ("simulate", "fit", "segment")  # rooms that a kept pair depends on


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MeasuredScan:
    """One visit as the matching sees it: its T2 map, and its discs as the network finds them."""

    t2map: T2Map
    discs: DiscLabels


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SimulatedPair:
    """Both visits of one person; of the truth, how each disc moved, where it lay at baseline and how its T2 changed."""

    name: str
    index_level: str
    before: MeasuredScan
    after: MeasuredScan
    motions: Matrix  # (6, 4, 4) of LEVELS, baseline to follow-up, RAS+ mm
    true_discs: NDArray[np.uint8]  # (X, Y, Z) on the baseline's grid, values as in DiscLabels
    np_change_pct: NDArray[np.float64]  # (6,) of LEVELS

    def true_points_mm(self, level: str) -> Matrix:
        """Return the voxels ``(V, 3)`` of the true disc at baseline, RAS+ mm."""
        affine = self.before.t2map.affine
        voxels = np.argwhere(self.true_discs == DiscLabels.value_of(level))
        return np.asarray(voxels @ affine[:3, :3].T + affine[:3, 3])

    def true_motion(self, level: str) -> Matrix:
        """Return the motion ``(4, 4)`` of one disc."""
        return np.asarray(self.motions[LEVELS.index(level)])

    def true_np_change_pct(self, level: str) -> float:
        """Return the change of T2 of one nucleus, % of baseline."""
        return float(self.np_change_pct[LEVELS.index(level)])


def draw_people(n_pairs: int, *, seed: int, of: str = "moved", size: str = "full") -> tuple[ParticipantRecipe, ...]:
    """Return the recipes of a set of pairs."""
    from t2disc.simulate.moved import MovedRecipe, moved_study

    return moved_study(n_pairs, seed=seed, size=size, moved=MovedRecipe(**_MOVED[of])).participants


def measured_pair(person: ParticipantRecipe, cache: Path | None = None) -> SimulatedPair:
    """Simulate, fit and segment both visits of a person; or take them from the cache, where they are kept."""
    if cache is None:
        return _measure(person)
    file = cache / f"{_key(person)}.npz"
    if not file.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        save_pair(_measure(person), file)
    return load_pair(file)


def _key(person: ParticipantRecipe) -> str:
    """Return the check sum of the recipe and of all code and weights that a measured pair comes from."""
    found = hashlib.sha256(repr(person).encode())
    home = Path(t2disc.__file__).parent
    for room in _BEFORE_MATCHING:
        for file in sorted(path for path in (home / room).rglob("*") if path.suffix in {".py", ".onnx"}):
            found.update(file.read_bytes())
    return found.hexdigest()[:16]


def _measure(person: ParticipantRecipe) -> SimulatedPair:
    from t2disc.simulate import simulate_scan
    from t2disc.simulate.moved import disc_motion

    first, second = person.visits
    scan = simulate_scan(person, first)
    before, true_discs = _measured(scan), scan.grid.to_nifti_order(scan.truth.discs)
    after = _measured(simulate_scan(person, second))
    t2_np_ms = [{disc.level: disc.t2_np_ms for disc in visit.discs} for visit in (first, second)]
    return SimulatedPair(
        name=person.participant_id,
        index_level=person.index_level,
        before=before,
        after=after,
        motions=np.stack([disc_motion(person, first, second, level) for level in LEVELS]),
        true_discs=true_discs.astype(np.uint8),
        np_change_pct=np.array([100 * (t2_np_ms[1][level] / t2_np_ms[0][level] - 1) for level in LEVELS]),
    )


def _measured(scan: Scan) -> MeasuredScan:
    signal = np.moveaxis(np.stack([scan.grid.to_nifti_order(echo) for echo in scan.magnitude]), 0, -1)
    stack = EchoStack(signal=signal, echo_times_ms=np.array(scan.echo_times_ms), affine=scan.grid.affine)
    return MeasuredScan(t2map=t2disc.fit_t2(stack), discs=t2disc.find_discs(stack))


def only_levels(pair: SimulatedPair, levels: tuple[str, ...]) -> SimulatedPair:
    """Return a pair of whose discs only some were found."""
    return replace(pair, before=_only(pair.before, levels), after=_only(pair.after, levels))


def _only(scan: MeasuredScan, levels: tuple[str, ...]) -> MeasuredScan:
    discs = scan.discs
    kept = tuple(level for level in discs.levels if level in levels)
    inside = np.isin(discs.discs, [DiscLabels.value_of(level) for level in kept])
    labels = replace(
        discs,
        discs=np.where(inside, discs.discs, 0).astype(np.uint8),
        regions=np.where(inside, discs.regions, 0).astype(np.uint8),
        schemes=tuple(replace(one, values=np.where(inside, one.values, 0).astype(np.uint8)) for one in discs.schemes),
        levels=kept,
        confidences=(),
    )
    return replace(scan, discs=labels)


# ------------------------------------------------------------------------------------------------ keeping
_MAPS = ("t2_ms", "s0", "t2_se_ms", "flag", "affine", "echo_times_ms")


def save_pair(pair: SimulatedPair, file: Path) -> None:
    """Write a pair to an npz file, whole or not at all."""
    half_written = file.with_suffix(".part")
    with half_written.open("wb") as out:
        np.savez(
            out,
            name=pair.name,
            index_level=pair.index_level,
            motions=pair.motions,
            true_discs=pair.true_discs,
            np_change_pct=pair.np_change_pct,
            **_arrays(pair.before, "before"),
            **_arrays(pair.after, "after"),
        )
    half_written.replace(file)


def load_pair(file: Path) -> SimulatedPair:
    """Read a pair that was kept."""
    with np.load(file) as kept:
        return SimulatedPair(
            name=str(kept["name"]),
            index_level=str(kept["index_level"]),
            before=_scan(kept, "before"),
            after=_scan(kept, "after"),
            motions=kept["motions"],
            true_discs=kept["true_discs"],
            np_change_pct=kept["np_change_pct"],
        )


def _arrays(scan: MeasuredScan, visit: str) -> dict[str, Any]:
    t2map, discs = scan.t2map, scan.discs
    arrays: dict[str, Any] = {name: getattr(t2map, name) for name in _MAPS}
    arrays |= {
        "model": t2map.model,
        "noise": np.array([t2map.noise.sigma, t2map.noise.n_voxels, *t2map.noise.design_effect]),
        "noise_method": t2map.noise.method,
        "discs": discs.discs,
        "regions": discs.regions,
        "levels": np.array(discs.levels, dtype=str),
        "confidences": np.array(discs.confidences),
        "schemes": np.array([scheme.scheme for scheme in discs.schemes], dtype=str),
    }
    arrays |= {f"scheme_{scheme.scheme}": scheme.values for scheme in discs.schemes}
    return {f"{visit}_{name}": values for name, values in arrays.items()}


def _scan(kept: Mapping[str, Any], visit: str) -> MeasuredScan:
    def of(name: str) -> Any:
        return kept[f"{visit}_{name}"]

    sigma, n_voxels, x, y, z = of("noise").tolist()
    noise = NoiseEstimate(sigma=sigma, method=str(of("noise_method")), n_voxels=int(n_voxels), design_effect=(x, y, z))
    names = of("schemes").tolist()
    return MeasuredScan(
        t2map=T2Map(**{name: of(name) for name in _MAPS}, model=str(of("model")), noise=noise),
        discs=DiscLabels(
            discs=of("discs"),
            regions=of("regions"),
            levels=tuple(of("levels").tolist()),
            affine=of("affine"),
            confidences=tuple(of("confidences").tolist()),
            schemes=tuple(RegionMap(scheme=name, values=of(f"scheme_{name}")) for name in names),
        ),
    )
