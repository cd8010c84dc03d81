"""Pairs of visits of a simulated person whose discs' true motions are known, measured without writing any file."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from t2disc.fit import fit_t2
from t2disc.model import LEVELS, DiscLabels, EchoStack, T2Map
from t2disc.simulate import simulate_scan
from t2disc.simulate.moved import MovedRecipe, moved_study
from t2disc.simulate.recipe import ParticipantRecipe, VisitRecipe

SEEN = LEVELS[-3:]
_COARSE = {
    "rows": 128,
    "columns": 72,
    "voxel_mm": 1.4,
    "n_slices": 8,
    "gap_mm": 0.4,
    "thickness_mm": 4.4,
    "centre_mm": (0.0, -2.0, -52.0),
    "echo_times_ms": (10.0, 25.0, 40.0, 60.0, 80.0, 110.0),
}
_MOVED = MovedRecipe(slice_offset=0.4, shift_mm=(1.5, 6.0, 6.0))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """A visit as matching takes it."""

    t2map: T2Map
    discs: DiscLabels


def person(seed: int) -> ParticipantRecipe:
    """Return a person with two visits on a small, coarse stack of the three lowest discs."""
    (found,) = moved_study(1, seed=seed, size="small", moved=_MOVED).participants
    visits = tuple(replace(v, acquisition=replace(v.acquisition, **_COARSE)) for v in found.visits)
    return replace(found, visits=visits)


def measured(participant: ParticipantRecipe, visit: VisitRecipe) -> Measured:
    """Return the T2 map and the true labels of a visit."""
    scan = simulate_scan(participant, visit)
    signal = np.stack([scan.grid.to_nifti_order(echo) for echo in scan.magnitude], axis=-1)
    affine = scan.grid.affine
    stack = EchoStack(signal=signal, echo_times_ms=np.array(scan.echo_times_ms), affine=affine)
    discs, regions = (scan.grid.to_nifti_order(part) for part in (scan.truth.discs, scan.truth.regions))
    seen = np.isin(discs, [DiscLabels.value_of(level) for level in SEEN])
    labels = DiscLabels(discs=np.where(seen, discs, 0), regions=np.where(seen, regions, 0), levels=SEEN, affine=affine)
    return Measured(t2map=fit_t2(stack), discs=labels)


def with_levels(visit: Measured, levels: tuple[str, ...]) -> Measured:
    """Return a visit in which only some levels were found."""
    kept = np.isin(visit.discs.discs, [DiscLabels.value_of(level) for level in levels])
    discs = replace(
        visit.discs,
        discs=np.where(kept, visit.discs.discs, 0).astype(np.uint8),
        regions=np.where(kept, visit.discs.regions, 0).astype(np.uint8),
        levels=levels,
        confidences=(),
    )
    return replace(visit, discs=discs)


def rearranged(visit: Measured, axes: tuple[int, int, int], flips: tuple[int, ...]) -> Measured:
    """Return the same physical data with its voxel axes in another order, some of them counted backwards."""
    shape = visit.discs.shape
    old = np.zeros((4, 4))  # new voxel index to old
    old[3, 3] = 1
    for new, axis in enumerate(axes):
        old[axis, new] = -1 if axis in flips else 1
        old[axis, 3] = shape[axis] - 1 if axis in flips else 0
    affine = visit.discs.affine @ old

    def turned(values: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.flip(values, flips).transpose(axes))

    t2map, discs = visit.t2map, visit.discs
    return Measured(
        t2map=replace(
            t2map,
            affine=affine,
            **{name: turned(getattr(t2map, name)) for name in ("t2_ms", "s0", "t2_se_ms", "flag")},
        ),
        discs=replace(discs, affine=affine, discs=turned(discs.discs), regions=turned(discs.regions)),
    )
