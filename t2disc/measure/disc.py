"""One row of numbers per level and region, with a count of every voxel left out and why."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from t2disc.errors import ArgumentInvalid
from t2disc.measure.floor import CORRECTED_MODELS, LEAST_SQUARES_MODELS, median_floor_ms
from t2disc.measure.lengthening import curvature_ms, floor_ms
from t2disc.measure.sharing import voxels_per_crossing, voxels_per_mean
from t2disc.measure.uncertainty import distances_from_median, mean_se_ms, median_blur_ms, median_se_ms
from t2disc.model import DiscLabels, DiscMeasure, Flag, NoiseEstimate, T2Map
from t2disc.model.grids import require_same_grid

_KNOWN_SHARE = 0.9


def measure_discs(t2map: T2Map, discs: DiscLabels) -> tuple[DiscMeasure, ...]:
    """Summarise T2 within each disc and each of its regions: the rows of the table of discs.

    Only voxels with a T2 (flag 0) are used; the others are counted by flag. A region without a usable voxel has NaN
    in every statistic, never 0.

    Parameters
    ----------
    t2map
        ``(X, Y, Z)`` T2 in ms with flags.
    discs
        ``(X, Y, Z)`` labels on the same grid.

    Returns
    -------
    tuple of DiscMeasure
        Levels from superior to inferior; within each the regions ``disc``, ``NP``, ``AF``, then those of the other
        schemes. Percentiles interpolate linearly; ``t2_sd_ms`` has n - 1 in its denominator and is NaN for a single
        voxel; volumes count every voxel of the region, used or not, at ``abs(det(affine))`` mm3 each. Standard errors
        and biases come from the voxels' own standard errors and from sigma: NaN where those are (two echoes).

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: the two lie on different grids, or a voxel flagged as fitted has no T2.

    Source: percentiles, Hyndman and Fan 1996, definition 7.
    """
    require_same_grid(t2map, discs)
    _require_flags_true(t2map)
    lengthening = _Lengthening.of(t2map, discs.discs > 0)
    return tuple(
        _measure_region(t2map, lengthening, discs.mask(level, region), level, region)
        for level in discs.levels
        for region in discs.region_names
    )


class _Lengthening(NamedTuple):
    """By how much noise lengthens T2 on average, ``(X, Y, Z)`` ms each; NaN where it cannot be told."""

    floor_ms: NDArray[np.float32]
    curvature_ms: NDArray[np.float32]

    @classmethod
    def of(cls, t2map: T2Map, inside: NDArray[np.bool_]) -> _Lengthening:
        """Work it out in the voxels used."""
        both = cls(*(np.full(t2map.shape, np.nan, np.float32) for _ in cls._fields))
        used = np.nonzero(inside & (t2map.flag == Flag.OK))
        if not used[0].size or t2map.model not in CORRECTED_MODELS | LEAST_SQUARES_MODELS:
            return both
        t2_ms, t2_se_ms, s0 = (values[used].astype(np.float64) for values in (t2map.t2_ms, t2map.t2_se_ms, t2map.s0))
        both.curvature_ms[used] = curvature_ms(t2_ms, t2_se_ms, t2map.echo_times_ms)
        is_corrected = t2map.model in CORRECTED_MODELS
        both.floor_ms[used] = 0 if is_corrected else floor_ms(t2_ms, s0, t2map.noise.sigma, t2map.echo_times_ms)
        return both


def _measure_region(
    t2map: T2Map, lengthening: _Lengthening, inside: NDArray[np.bool_], level: str, region: str
) -> DiscMeasure:
    places = np.unravel_index(np.flatnonzero(inside), inside.shape)
    flag = t2map.flag[places]
    used = tuple(place[flag == Flag.OK] for place in places)
    t2_ms, t2_se_ms, s0 = (values[used].astype(np.float64) for values in (t2map.t2_ms, t2map.t2_se_ms, t2map.s0))
    n_left_out = np.bincount(flag[flag != Flag.OK], minlength=len(Flag))
    mean, median, sd, p10, p90 = _statistics(t2_ms)
    voxels = np.stack(used, axis=1)
    return DiscMeasure(
        level=level,
        region=region,
        n_voxels=flag.size,
        n_used=t2_ms.size,
        n_left_out=tuple(n_left_out.tolist()),
        volume_mm3=flag.size * float(abs(np.linalg.det(t2map.affine[:3, :3]))),
        t2_mean_ms=mean,
        t2_mean_se_ms=mean_se_ms(t2_se_ms, voxels_per_sample=voxels_per_mean(voxels, t2map.noise.design_effect)),
        t2_mean_floor_ms=_mean_where_known(lengthening.floor_ms[used]),
        t2_mean_curvature_ms=_mean_where_known(lengthening.curvature_ms[used]),
        t2_median_ms=median,
        t2_median_se_ms=_median_se_ms(t2_ms, t2_se_ms, voxels, t2map.noise),
        t2_median_floor_ms=median_floor_ms(median, _median(s0), t2map),
        t2_sd_ms=sd,
        t2_p10_ms=p10,
        t2_p90_ms=p90,
        t2_sem_ms=sd / float(np.sqrt(max(t2_ms.size, 1))),
        s0_median=_median(s0),
        snr_first_echo=_snr_first_echo(t2_ms, s0, float(t2map.echo_times_ms[0]), t2map.noise.sigma),
        b1_median=np.nan if t2map.b1 is None else _median(t2map.b1[used].astype(np.float64)),
    )


def _median_se_ms(
    t2_ms: NDArray[np.float64], t2_se_ms: NDArray[np.float64], voxels: NDArray[np.intp], noise: NoiseEstimate
) -> float:
    """Return the standard error of a region's median about that of the true T2: by scatter, and by blur."""
    shared = voxels_per_crossing(distances_from_median(t2_ms, t2_se_ms), voxels, noise.design_effect)
    return math.hypot(
        median_se_ms(t2_ms, t2_se_ms, voxels_per_sample=shared),
        median_blur_ms(t2_ms, t2_se_ms),
    )


def _mean_where_known(values: NDArray[np.float32]) -> float:
    """Return the mean of the values that are known, NaN where that is so of fewer than nine in ten."""
    known = values[np.isfinite(values)]
    return float(known.mean(dtype=np.float64)) if known.size and known.size >= _KNOWN_SHARE * values.size else math.nan


def _statistics(t2_ms: NDArray[np.float64]) -> tuple[float, float, float, float, float]:
    """Return mean, median, SD, 10th and 90th percentile in ms; NaN where there is nothing to tell from."""
    if t2_ms.size == 0:
        return (np.nan,) * 5
    p10, p90 = np.percentile(t2_ms, [10, 90])
    sd = float(t2_ms.std(ddof=1)) if t2_ms.size > 1 else np.nan
    return float(t2_ms.mean()), _median(t2_ms), sd, float(p10), float(p90)


def _median(values: NDArray[np.float64]) -> float:
    return float(np.median(values)) if values.size else np.nan


def _snr_first_echo(
    t2_ms: NDArray[np.float64], s0: NDArray[np.float64], first_echo_time_ms: float, sigma: float
) -> float:
    """Return the median over voxels of ``S0 exp(-TE1 / T2) / sigma``; NaN where sigma is unknown."""
    if not sigma > 0:
        return np.nan
    return _median(s0 * np.exp(-first_echo_time_ms / t2_ms)) / sigma


def _require_flags_true(t2map: T2Map) -> None:
    """Refuse a map that contradicts itself: fitted without a T2, or a flag that no reason stands for."""
    if untrue := int(np.count_nonzero((t2map.flag == Flag.OK) & ~np.isfinite(t2map.t2_ms))):
        raise ArgumentInvalid(f"{untrue} voxels flagged as fitted without a T2", expected="a reason for each NaN")
    if (highest := int(t2map.flag.max(initial=0))) >= len(Flag):
        raise ArgumentInvalid(f"flag {highest}", expected=f"flags from 0 to {len(Flag) - 1}")
