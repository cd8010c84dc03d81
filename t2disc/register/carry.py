"""Regions carried from one visit to the other: masks move, T2 maps never do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from t2disc.errors import ArgumentInvalid
from t2disc.model import DiscLabels, MatchedLabels, RegionMap, VisitMatch
from t2disc.register.motions import Matrix

_HALF = 0.5  # a voxel belongs to the carried disc when at least half of it does, by linear interpolation


def carry_regions(match: VisitMatch, baseline: DiscLabels, followup: DiscLabels) -> tuple[MatchedLabels, ...]:
    """Return the discs and regions in which both visits can be measured alike, in three ways.

    ============  ========================================================================================
    ``matched``   the part of each region that both visits' outlines agree on: neither visit is favoured
    ``baseline``  the baseline's regions, carried to the follow-up
    ``followup``  the follow-up's regions, carried to the baseline
    ============  ========================================================================================

    A disc is carried by its own rigid motion. A voxel belongs to the carried disc where at least half of it does (by
    linear interpolation of the mask, which ends at the outer faces of the grid); within it, it has the region of the
    nearest voxel. No image is resampled. Of the schemes, ``matched`` has those that both visits have.

    Parameters
    ----------
    match
        Motions from baseline to follow-up.
    baseline, followup
        ``(X, Y, Z)`` labels of each visit, each on its own grid.

    Returns
    -------
    tuple of MatchedLabels
        ``matched`` first; each with labels on both grids, for the levels of ``match`` only.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: a matched level that a visit does not have.
    """
    if lacking := {*match.levels} - ({*baseline.levels} & {*followup.levels}):
        raise ArgumentInvalid(f"{len(lacking)} matched levels without a label", expected="the labels that were matched")
    motions = {disc.level: disc.motion for disc in match.discs}
    to_followup = _carried(baseline, followup, motions)
    to_baseline = _carried(followup, baseline, {level: np.linalg.inv(motion) for level, motion in motions.items()})
    own_before, own_after = (_only(labels, match.levels) for labels in (baseline, followup))
    return (
        MatchedLabels(
            roi="matched", baseline=_agreed(own_before, to_baseline), followup=_agreed(own_after, to_followup)
        ),
        MatchedLabels(roi="baseline", baseline=own_before, followup=to_followup),
        MatchedLabels(roi="followup", baseline=to_baseline, followup=own_after),
    )


def _only(labels: DiscLabels, levels: tuple[str, ...]) -> DiscLabels:
    """Return the labels of some levels only."""
    kept = np.isin(labels.discs, [DiscLabels.value_of(level) for level in levels])
    return _labelled(labels, levels, labels.schemes, [np.where(kept, part, 0) for part in _parts(labels)])


def _carried(source: DiscLabels, target: DiscLabels, motions: dict[str, Matrix]) -> DiscLabels:
    """Return the source's discs and regions on the target's grid; ``motions`` lead from source to target."""
    maps = [np.zeros(target.shape, np.uint8) for _ in _parts(source)]
    for level, motion in motions.items():
        _carry_disc(source, level, np.linalg.inv(target.affine) @ motion @ source.affine, maps)
    return _labelled(target, tuple(motions), source.schemes, maps)


def _carry_disc(source: DiscLabels, level: str, to_target: Matrix, maps: list[NDArray[np.uint8]]) -> None:
    """Write one disc into the target's maps; ``to_target`` leads from source voxels to target voxels."""
    inside = source.mask(level)
    if not inside.any():
        return
    box = _reach(inside, to_target, maps[0].shape)
    grid = np.indices([part.stop - part.start for part in box]).reshape(3, -1).T
    back = np.linalg.inv(to_target)
    places = (grid + [part.start for part in box]) @ back[:3, :3].T + back[:3, 3]
    share = map_coordinates(inside.astype(np.float32), places.T, order=1, mode="grid-constant")
    taken = np.flatnonzero(share >= _HALF)
    voxels = tuple((grid[taken] + [part.start for part in box]).T)
    nearest = _nearest_inside(inside, places[taken])
    for values, own in zip(maps, _parts(source), strict=True):
        values[voxels] = own[nearest]


def _nearest_inside(inside: NDArray[np.bool_], places: Matrix) -> tuple[NDArray[np.intp], ...]:
    """Return the voxel of the disc nearest to each place ``(V, 3)`` in its voxels: of the eight around it."""
    base = np.floor(places).astype(np.intp)
    best, far = np.zeros_like(base), np.full(len(places), np.inf)
    for corner in np.ndindex(2, 2, 2):
        voxel = np.clip(base + corner, 0, np.array(inside.shape) - 1)
        away = np.where(inside[tuple(voxel.T)], np.square(places - voxel).sum(axis=1), np.inf)
        closer = away < far
        best[closer], far[closer] = voxel[closer], away[closer]
    x, y, z = best.T
    return x, y, z


def _reach(inside: NDArray[np.bool_], to_target: Matrix, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Return the part of the target's grid in which a disc of the source may come to lie."""
    places = np.argwhere(inside) @ to_target[:3, :3].T + to_target[:3, 3]
    margin = np.abs(to_target[:3, :3]).sum(axis=1) + 1
    low = np.clip(np.floor(places.min(axis=0) - margin), 0, shape).astype(int)
    high = np.clip(np.ceil(places.max(axis=0) + margin) + 1, 0, shape).astype(int)
    return tuple(slice(start, max(start, stop)) for start, stop in zip(low.tolist(), high.tolist(), strict=True))


def _agreed(own: DiscLabels, carried: DiscLabels) -> DiscLabels:
    """Return the voxels of each disc, and of each region, that both have."""
    same_disc = own.discs == carried.discs
    theirs = {scheme.scheme: scheme.values for scheme in carried.schemes}
    common = tuple(scheme for scheme in own.schemes if scheme.scheme in theirs)
    pairs = [(own.regions, carried.regions), *((scheme.values, theirs[scheme.scheme]) for scheme in common)]
    agreed = [np.where(same_disc & (one == other), one, 0) for one, other in pairs]
    return _labelled(own, own.levels, common, [np.where(same_disc, own.discs, 0), *agreed])


def _parts(labels: DiscLabels) -> tuple[NDArray[np.uint8], ...]:
    """Return the maps of the labels: discs, regions, further schemes."""
    return (labels.discs, labels.regions, *(scheme.values for scheme in labels.schemes))


def _labelled(
    like: DiscLabels, levels: tuple[str, ...], divided: tuple[RegionMap, ...], maps: list[NDArray[np.uint8]]
) -> DiscLabels:
    """Return labels on the grid of ``like`` with other maps: discs, regions, and one for each scheme of ``divided``."""
    discs, regions, *schemes = (values.astype(np.uint8) for values in maps)
    return DiscLabels(
        discs=discs,
        regions=regions,
        levels=levels,
        affine=like.affine,
        source=like.source,
        schemes=tuple(
            RegionMap(scheme=scheme.scheme, values=values) for scheme, values in zip(divided, schemes, strict=True)
        ),
    )
