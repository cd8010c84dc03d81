"""How T2 is spread within the regions of each disc, and how many voxels have none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from t2disc.model import DiscLabels, T2Map
from t2disc.model.grids import require_same_grid
from t2disc.qc.asked import region_mask, require_levels
from t2disc.qc.charts import QUIET, bare, grid_in, mark_treated, region_colours, say
from t2disc.qc.figure import QcFigure
from t2disc.qc.panels import T2_RANGE_MS, require_rising

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_N_BINS = 40
_ROW_IN, _ROOM_IN = 1.25, 1.0
_MARGINS_IN = (0.85, 0.15, 0.7, 0.5)
_BAR = 0.8  # of the room of a region beside the histogram


def plot_histogram(
    t2map: T2Map,
    discs: DiscLabels,
    *,
    levels: Sequence[str] | None = None,
    regions: Sequence[str] = ("NP", "AF"),
    t2_range_ms: tuple[float, float] = T2_RANGE_MS,
    quantity: str = "T2",
    index_level: str | None = None,
) -> Figure:
    """Show how T2 is spread over the voxels of each disc, region by region.

    A row for each disc; 40 bins over one range of T2 for all discs and visits; dashed lines are medians of all voxels
    with a T2, which are written above each row too, as they may lie beyond the range. What the bins do not show stands
    beside them as bars: voxels below or above the range, and voxels without a T2, which are counted and never drawn as
    0 ms.

    Parameters
    ----------
    t2map, discs
        Finished data of one visit, on one grid.
    levels
        Which discs; all when left out.
    regions
        Which parts of them: ``disc``, ``NP``, ``AF``, or a region of another scheme of these labels.
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
        ``argument-invalid``: different grids, a level or region that is not there, or a range that does not rise.
    """
    require_same_grid(t2map, discs)
    require_rising(t2_range_ms)
    chosen = list(discs.levels if levels is None else levels)
    require_levels(discs, chosen)
    size_in = (8.0, max(len(chosen), 1) * _ROW_IN + _ROOM_IN)
    if not chosen:
        figure: Figure = QcFigure(figsize=size_in, dpi=110)
        say(figure.subplots(), "no disc is labelled")
        figure.axes[0].set_axis_off()
        return figure
    figure, grid = grid_in(size_in, len(chosen), (3.2, 1), _MARGINS_IN)
    colours = region_colours(tuple(regions))
    for (left, right), level in zip(grid, chosen, strict=True):
        values = {region: t2map.t2_ms[region_mask(discs, level, region)] for region in regions}
        for place, region in enumerate(regions):
            _draw_bins(left, values[region], region, colours[region], t2_range_ms)
            _draw_rest(right, values[region], place, len(regions), colours[region], t2_range_ms)
        left.set_ylabel(f"{level}\nvoxels", fontsize=9)
        left.yaxis.set_label_coords(-0.095, 0.5)
        mark_treated(left, level, index_level)
        left.set_title(_medians(values, quantity), fontsize=8.5, loc="right", color=QUIET, pad=3)
        right.set_ylim(0, max(4.0, right.dataLim.y1) * 1.35)
        bare(left)
        bare(right)
        right.set_yticks([])
        right.spines["left"].set_visible(False)
    _finish(figure, grid, t2_range_ms, quantity)
    return figure


def _draw_bins(
    axes: Axes, values_ms: NDArray[np.float32], region: str, colour: str, t2_range_ms: tuple[float, float]
) -> None:
    known = values_ms[np.isfinite(values_ms)].astype(np.float64)
    counts, edges = np.histogram(known, bins=_N_BINS, range=t2_range_ms)
    axes.stairs(counts, edges, color=colour, fill=True, alpha=0.22)
    axes.stairs(counts, edges, color=colour, lw=1.3, label=region)
    if known.size:
        axes.axvline(float(np.median(known)), color=colour, ls="--", lw=1, label=f"median of {region}")


def _outside(
    t2_range_ms: tuple[float, float],
) -> list[tuple[str, Callable[[NDArray[np.float32]], NDArray[np.bool_]]]]:
    """Return which voxels the bins do not show: in words, and as a question to them. No T2 lies below 0."""
    low, high = t2_range_ms
    below = [(f"< {low:g}\nms", lambda values: values < low)] if low > 0 else []
    return [*below, (f"> {high:g}\nms", lambda values: values > high), ("", lambda values: ~np.isfinite(values))]


def _draw_rest(
    axes: Axes,
    values_ms: NDArray[np.float32],
    place: int,
    n_regions: int,
    colour: str,
    t2_range_ms: tuple[float, float],
) -> None:
    """Draw how many voxels lie outside the range, and how many have no T2, with the numbers above."""
    counts = [np.count_nonzero(outside(values_ms)) for _, outside in _outside(t2_range_ms)]
    wide = _BAR / n_regions
    places = np.arange(len(counts)) - _BAR / 2 + (place + 0.5) * wide
    bars = axes.bar(places, counts, wide * 0.9, color=colour, alpha=0.6)
    axes.bar_label(bars, fontsize=8, color=QUIET, padding=1)


def _medians(values_ms: Mapping[str, NDArray[np.float32]], quantity: str) -> str:
    """Return the medians of the regions in a line."""
    words = []
    for region, found in values_ms.items():
        known = found[np.isfinite(found)]
        words.append(f"{region} {np.median(known):.1f} ms" if known.size else f"{region} none")
    return f"median {quantity}: {', '.join(words)}"


def _finish(figure: Figure, grid: NDArray[Any], t2_range_ms: tuple[float, float], quantity: str) -> None:
    low, high = t2_range_ms
    handles, labels = grid[0, 0].get_legend_handles_labels()
    known = dict(zip(labels, handles, strict=True))
    figure.legend(known.values(), known.keys(), loc="upper left", ncols=4, frameon=False, fontsize=9)
    last, beside = grid[-1]
    last.set_xlim(low, high)
    last.set_xlabel(f"{quantity} (ms)", fontsize=10)
    words = [text or f"no\n{quantity}" for text, _ in _outside(t2_range_ms)]
    beside.set_xlim(-0.5, len(words) - 0.5)
    beside.set_xticks(range(len(words)), words)
    beside.set_xlabel("Voxels not shown at left", fontsize=9)
