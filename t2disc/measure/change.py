"""How the T2 of a disc changed from one visit to the next, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from t2disc.errors import ArgumentInvalid
from t2disc.measure.floor import median_floor_ms
from t2disc.measure.parts import change_se_by_parts
from t2disc.measure.repeatability import Coefficient, literature_repeatability
from t2disc.measure.uncertainty import median_se_ms
from t2disc.model import (
    LEVELS,
    SCHEME_OF,
    Change,
    DiscLabels,
    DiscMeasure,
    Flag,
    MatchedLabels,
    T2Map,
    VisitMatch,
)
from t2disc.model.grids import anatomical_axes, require_same_grid


def measure_changes(
    baseline: T2Map,
    followup: T2Map,
    labels: MatchedLabels,
    match: VisitMatch | None = None,
    repeatability: Coefficient = literature_repeatability,
) -> tuple[Change, ...]:
    """Measure every region of every disc at two visits, each on its own grid, and their change with its uncertainty.

    Parameters
    ----------
    baseline, followup
        ``(X, Y, Z)`` T2 maps of the two visits.
    labels
        Regions on both grids, from :func:`t2disc.register.carry_regions`, or each visit's own.
    match
        Where the discs of the baseline lie at the follow-up; without it, or for a disc that it lacks, no part of the
        region can be followed and ``place_se_ms`` and ``place_se_pct`` are NaN.
    repeatability
        Gives the repeatability coefficient of a level and region; the literature's when left out.

    Returns
    -------
    tuple of Change
        The union of both visits' regions, levels from superior to inferior. What is missing at a visit is NaN.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: a map that does not lie on the grid of its labels.
    """
    require_same_grid(baseline, labels.baseline)
    require_same_grid(followup, labels.followup)
    levels = [level for level in LEVELS if level in {*labels.baseline.levels, *labels.followup.levels}]
    names = {*labels.baseline.region_names, *labels.followup.region_names}
    changes: list[Change] = []
    for level in levels:
        before, before_labels = _about_disc(baseline, labels.baseline, level)
        after, after_labels = _about_disc(followup, labels.followup, level)
        near = MatchedLabels(roi=labels.roi, baseline=before_labels, followup=after_labels)
        changes += [
            _measure(before, after, near, match, level, region, repeatability)
            for region in SCHEME_OF
            if region in names
        ]
    return tuple(changes)


def _about_disc(t2map: T2Map, labels: DiscLabels, level: str) -> tuple[T2Map, DiscLabels]:
    """Return the part of a map and its labels that holds one disc: fifteen regions are looked for in it."""
    found = np.nonzero(labels.discs == DiscLabels.value_of(level))
    box = tuple(slice(int(v.min()), int(v.max()) + 1) if v.size else slice(0, 1) for v in found)
    affine = t2map.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ [part.start for part in box]
    maps = {name: getattr(t2map, name)[box] for name in ("t2_ms", "s0", "t2_se_ms", "flag")}
    schemes = tuple(replace(scheme, values=scheme.values[box]) for scheme in labels.schemes)
    part = replace(labels, discs=labels.discs[box], regions=labels.regions[box], schemes=schemes, affine=affine)
    return replace(t2map, affine=affine, **maps), part


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Sample:
    """The voxels of one region that have a T2 at one visit: places ``(V, 3)`` in RAS+ mm, T2 and its error in ms."""

    places_mm: NDArray[np.float64]
    t2_ms: NDArray[np.float64]
    t2_se_ms: NDArray[np.float64]
    s0: NDArray[np.float64]

    @property
    def median_ms(self) -> float:
        """Median T2, NaN where no voxel has one."""
        return float(np.median(self.t2_ms)) if self.t2_ms.size else np.nan


def _measure(
    baseline: T2Map,
    followup: T2Map,
    labels: MatchedLabels,
    match: VisitMatch | None,
    level: str,
    region: str,
    repeatability: Coefficient,
) -> Change:
    before = _sample(baseline, labels.baseline, level, region)
    after = _sample(followup, labels.followup, level, region)
    before_se_ms = _noise_se_ms(before, baseline)
    place_se_ms, place_se_pct = _place_se(before, after, match, level, baseline.affine)
    return Change(
        level=level,
        region=region,
        roi=labels.roi,
        baseline_n_used=before.t2_ms.size if level in labels.baseline.levels else None,
        followup_n_used=after.t2_ms.size if level in labels.followup.levels else None,
        baseline_t2_median_ms=before.median_ms,
        followup_t2_median_ms=after.median_ms,
        noise_se_ms=math.hypot(before_se_ms, _noise_se_ms(after, followup)),
        baseline_noise_se_ms=before_se_ms,
        place_se_ms=place_se_ms,
        place_se_pct=place_se_pct,
        floor_ms=_floor_ms(after, followup) - _floor_ms(before, baseline),
        baseline_floor_ms=_floor_ms(before, baseline),
        repeatability=repeatability(level, region),
    )


def _sample(t2map: T2Map, labels: DiscLabels, level: str, region: str) -> _Sample:
    """Return what a visit holds of one region; nothing where it lacks the disc or the scheme."""
    if level in labels.levels and region in labels.region_names:
        used = np.argwhere(labels.mask(level, region) & (t2map.flag == Flag.OK))
    else:
        used = np.empty((0, 3), np.intp)
    voxels = tuple(used.T)
    t2_ms, t2_se_ms, s0 = (values[voxels].astype(np.float64) for values in (t2map.t2_ms, t2map.t2_se_ms, t2map.s0))
    places_mm = used @ t2map.affine[:3, :3].T + t2map.affine[:3, 3]
    return _Sample(places_mm=places_mm, t2_ms=t2_ms, t2_se_ms=t2_se_ms, s0=s0)


def _noise_se_ms(sample: _Sample, t2map: T2Map) -> float:
    return median_se_ms(sample.t2_ms, sample.t2_se_ms, voxels_per_sample=t2map.noise.voxels_per_sample)


def _place_se(
    before: _Sample, after: _Sample, match: VisitMatch | None, level: str, affine: NDArray[np.float64]
) -> tuple[float, float]:
    """Return the errors by parts, ms and %, the follow-up's voxels carried to where they lie at the baseline."""
    found = match.disc(level) if match else None
    if found is None or not (before.t2_ms.size and after.t2_ms.size):
        return np.nan, np.nan
    back = np.linalg.inv(found.motion)
    carried_mm = after.places_mm @ back[:3, :3].T + back[:3, 3]
    axes = anatomical_axes(affine)
    frame = affine[:3, axes] / np.linalg.norm(affine[:3, axes], axis=0)
    frame *= np.where(np.diag(frame) < 0, -1.0, 1.0)  # a region is cut alike whichever way its voxels are counted
    return change_se_by_parts(before.places_mm, before.t2_ms, carried_mm, after.t2_ms, frame)


def _floor_ms(sample: _Sample, t2map: T2Map) -> float:
    """Return what the noise floor adds to a region's median; NaN, never 0, where that cannot be told."""
    s0_median = float(np.median(sample.s0)) if sample.s0.size else np.nan
    return median_floor_ms(sample.median_ms, s0_median, t2map)


def compare_visits(baseline: Sequence[DiscMeasure], followup: Sequence[DiscMeasure]) -> tuple[Change, ...]:
    """Set the median T2 of each region of each disc at two visits side by side, from the visits' own tables.

    Without maps nothing is known of the uncertainty: it is NaN. A region measured at one visit only keeps its row.

    Parameters
    ----------
    baseline, followup
        Rows of :func:`~t2disc.measure.measure_discs` for the two visits.

    Returns
    -------
    tuple of Change
        The union of both visits' regions, levels from superior to inferior; ``roi`` is ``own``.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: a visit with two rows for one region of one disc.
    """
    before, after = _by_region(baseline), _by_region(followup)
    regions = list(SCHEME_OF)
    rows = sorted({*before, *after}, key=lambda row: (LEVELS.index(row[0]), regions.index(row[1])))
    return tuple(_compare(*row, before.get(row), after.get(row)) for row in rows)


def _by_region(measures: Sequence[DiscMeasure]) -> dict[tuple[str, str], DiscMeasure]:
    found = {(measure.level, measure.region): measure for measure in measures}
    if len(found) != len(measures):
        raise ArgumentInvalid("two rows for one region of one disc", expected="the measures of one visit")
    return found


def _compare(level: str, region: str, before: DiscMeasure | None, after: DiscMeasure | None) -> Change:
    return Change(
        level=level,
        region=region,
        baseline_n_used=before.n_used if before else None,
        followup_n_used=after.n_used if after else None,
        baseline_t2_median_ms=before.t2_median_ms if before else np.nan,
        followup_t2_median_ms=after.t2_median_ms if after else np.nan,
    )
