"""T2 along each disc from front to back, and across it from top to bottom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from t2disc.errors import ArgumentInvalid
from t2disc.model import DiscLabels, T2Map
from t2disc.model.grids import anatomical_axes, require_same_grid
from t2disc.qc.asked import region_mask, require_levels
from t2disc.qc.charts import CONTROL, INDEX, QUIET, bare, grid_in, mark_treated, say
from t2disc.qc.figure import QcFigure
from t2disc.qc.panels import T2_RANGE_MS, require_rising

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CORE_SHARE = 0.5
"""Share of the disc's extent, about its middle, that the profile across the other direction rests on."""

_STEEPEST = np.cos(np.deg2rad(60.0))  # a long axis further off front-to-back is none
_ROW_IN, _ROOM_IN = 1.3, 1.0
_MARGINS_IN = (0.8, 0.15, 0.5, 0.42)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Profile:
    """T2 over B bins; NaN in a bin without a fitted voxel."""

    centres_mm: NDArray[np.float64]  # (B,) from the disc's middle
    median_ms: NDArray[np.float64]  # (B,)
    p10_ms: NDArray[np.float64]  # (B,)
    p90_ms: NDArray[np.float64]  # (B,)
    n_missing: NDArray[np.intp]  # (B,) voxels without a T2


def plot_profiles(
    t2map: T2Map,
    discs: DiscLabels,
    *,
    levels: Sequence[str] | None = None,
    core_share: float = CORE_SHARE,
    t2_range_ms: tuple[float, float] = T2_RANGE_MS,
    quantity: str = "T2",
    index_level: str | None = None,
) -> Figure:
    """Show T2 along each disc from anterior to posterior, and across it from superior to inferior.

    A row for each disc. Lines are medians over the voxels of a bin one voxel wide, all slices; bands reach from their
    10th to their 90th percentile. Positions run along the disc's own straight axes in the sagittal plane, from its
    middle: the longer axis is front to back, unless it stands steeper than 60 degrees, where the body's own direction
    is taken. The profile from front to back rests on the middle half of the disc's height and that from top to bottom
    on the middle half of its length, so that the rim does not mix in. A line breaks where no voxel of a bin has a T2,
    crosses on the lower edge mark bins in which voxels lack one, and arrows on the upper edge medians beyond the axis.

    Parameters
    ----------
    t2map, discs
        Finished data of one visit, on one grid.
    levels
        Which discs; all when left out.
    core_share
        How much of the other direction a profile rests on, 0 to 1.
    t2_range_ms
        Ends of the T2 axis, ms; keep it the same for all visits of a study.
    quantity
        ``T2`` or ``T2*``, for the labels.
    index_level
        The treated disc, to be marked.

    Returns
    -------
    matplotlib.figure.Figure
        Save it with ``figure.savefig(path)``; PNG bytes repeat for the same data.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: different grids, a level that is not labelled, a share out of range, or a T2 range that
        does not rise.
    """
    require_same_grid(t2map, discs)
    require_rising(t2_range_ms)
    if not 0 < core_share <= 1:
        raise ArgumentInvalid(f"a core of {core_share}", expected="a share above 0, up to 1")
    chosen = list(discs.levels if levels is None else levels)
    require_levels(discs, chosen)
    size_in = (8.0, max(len(chosen), 1) * _ROW_IN + _ROOM_IN)
    if not chosen:
        figure: Figure = QcFigure(figsize=size_in, dpi=110)
        say(figure.subplots(), "no disc is labelled")
        figure.axes[0].set_axis_off()
        return figure
    figure, grid = grid_in(size_in, len(chosen), (2, 1), _MARGINS_IN)
    for (along_axes, across_axes), level in zip(grid, chosen, strict=True):
        along, across = _profiles(t2map, region_mask(discs, level, "disc"), core_share)
        for axes in (along_axes, across_axes):
            axes.set_ylim(t2_range_ms)
        _draw(along_axes, along, CONTROL)
        _draw(across_axes, across, INDEX)
        across_axes.tick_params(labelleft=False)
        mark_treated(along_axes, level, index_level)
        along_axes.set_ylabel(f"{level}\n{quantity} (ms)", fontsize=9)
    _finish(figure, grid, quantity)
    return figure


# ------------------------------------------------------------------------------------------------ numbers
def _profiles(t2map: T2Map, inside: NDArray[np.bool_], core_share: float) -> tuple[_Profile, _Profile]:
    """Return the profile of a disc ``(X, Y, Z)`` from front to back, and that from top to bottom."""
    along_mm, across_mm, step_mm = _positions_mm(inside, t2map.affine)
    t2_ms = t2map.t2_ms[inside].astype(np.float64)
    in_height, in_length = _is_core(across_mm, core_share), _is_core(along_mm, core_share)
    along = _profile(along_mm[in_height], t2_ms[in_height], step_mm)
    return along, _profile(across_mm[in_length], t2_ms[in_length], step_mm)


def _positions_mm(
    inside: NDArray[np.bool_], affine: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return how far backward and downward each voxel ``(V,)`` lies from the disc's middle, and a voxel's size, mm."""
    lr, pa, si = anatomical_axes(affine)
    columns = affine[:3, :3]
    back = _unit(columns[:, pa]) * (-1 if columns[1, pa] > 0 else 1)
    down = _unit(columns[:, si]) * (-1 if columns[2, si] > 0 else 1)
    down = _unit(down - (down @ back) * back)
    step_mm = float(max(np.linalg.norm(columns[:, pa]), np.linalg.norm(columns[:, si])))
    voxels = np.argwhere(inside)
    if not voxels.size:
        return np.zeros(0), np.zeros(0), step_mm
    offsets = voxels - voxels.mean(axis=0)
    offsets[:, lr] = 0  # within the plane of each slice
    points = (offsets @ columns.T) @ np.stack([back, down], axis=1)
    _, axes = np.linalg.eigh(points.T @ points)
    long = axes[:, 1] * np.sign(axes[0, 1] or 1.0)
    if long[0] < _STEEPEST:
        long = np.array([1.0, 0.0])
    return points @ long, points @ np.array([-long[1], long[0]]), step_mm


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(vector / np.linalg.norm(vector), np.float64)


def _is_core(positions_mm: NDArray[np.float64], share: float) -> NDArray[np.bool_]:
    """Return which positions ``(V,)`` lie in the middle part of their extent."""
    if not positions_mm.size:
        return np.zeros(0, np.bool_)
    low, high = positions_mm.min(), positions_mm.max()
    core: NDArray[np.bool_] = np.abs(positions_mm - (low + high) / 2) <= share * (high - low) / 2 + 1e-9
    return core


def _profile(positions_mm: NDArray[np.float64], t2_ms: NDArray[np.float64], step_mm: float) -> _Profile:
    bins = np.round(positions_mm / step_mm).astype(np.intp)
    first = int(bins.min(initial=0))
    numbers = np.arange(first, int(bins.max(initial=-1)) + 1)
    values = [t2_ms[bins == number] for number in numbers]
    known = [found[np.isfinite(found)] for found in values]
    tails = np.array([np.percentile(v, [50, 10, 90]) if v.size else (np.nan,) * 3 for v in known]).reshape(-1, 3)
    return _Profile(
        centres_mm=np.asarray(numbers * step_mm, np.float64),
        median_ms=tails[:, 0],
        p10_ms=tails[:, 1],
        p90_ms=tails[:, 2],
        n_missing=np.array([np.count_nonzero(~np.isfinite(found)) for found in values], np.intp),
    )


# ------------------------------------------------------------------------------------------------ drawing
def _draw(axes: Axes, profile: _Profile, colour: str) -> None:
    bare(axes)
    if not np.isfinite(profile.median_ms).any():
        say(axes, "no voxel with a T2")
    axes.fill_between(profile.centres_mm, profile.p10_ms, profile.p90_ms, color=colour, alpha=0.18, lw=0)
    axes.plot(profile.centres_mm, profile.median_ms, "o-", color=colour, ms=2.5, lw=1.5)
    _, high = axes.get_ylim()
    beyond, lacking = profile.centres_mm[profile.median_ms > high], profile.centres_mm[profile.n_missing > 0]
    marks = axes.plot(beyond, np.full(beyond.size, high), "^", color=colour, ms=5, clip_on=False)
    place = axes.get_xaxis_transform()
    marks += axes.plot(lacking, np.full(lacking.size, 0.05), "x", color=QUIET, ms=4, mew=1, transform=place)
    for mark in marks:
        mark.set_in_layout(False)  # one without points has no extent to lay out


def _finish(figure: Figure, grid: NDArray[Any], quantity: str) -> None:
    for column, words, ends in (
        (grid[:, 0], "Anterior to posterior", "AP"),
        (grid[:, 1], "Superior to inferior", "SI"),
    ):
        column[-1].set_xlabel(f"{words} (mm)", fontsize=9.5)
        reach = max(abs(end) for end in column[-1].get_xlim())
        column[-1].set_xlim(-reach, reach)
        for axes in column:
            for x, mark in ((0.04, ends[0]), (0.96, ends[1])):
                axes.text(x, 0.86, mark, transform=axes.transAxes, ha="center", va="center", weight="bold", fontsize=10)
    told = ["median, band p10 to p90", "median beyond the axis", f"bin with voxels without {quantity}"]
    figure.legend(grid[0, 0].lines, told, loc="upper left", ncols=3, frameon=False, fontsize=9)
