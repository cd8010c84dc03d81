"""How well the model describes the signal, voxel by voxel: four maps of one slice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from t2disc.model import DiscLabels, EchoStack
from t2disc.model.grids import require_same_grid
from t2disc.model.quality import QualityMaps
from t2disc.qc.asked import require_slice
from t2disc.qc.figure import QcFigure
from t2disc.qc.panels import (
    MARGINS_MM,
    axes_in,
    draw_borders,
    draw_colour,
    draw_grey,
    draw_scale,
    mark_directions,
    mark_slice,
    name_discs,
    windowed,
)
from t2disc.qc.views import SagittalView, best_slice, crop_box, sagittal_view

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """One measure of fit: what it is called, and the range of its colours at every visit."""

    field: str
    title: str
    label: str
    range: tuple[float, float]
    colours: str
    extend: str
    scale: float = 1.0


_KINDS = (
    _Kind(
        field="chi2_red",
        title="Reduced chi-square",
        label="1 is right; yellow: worse",
        range=(0.0, 3.0),
        colours="cividis",
        extend="max",
    ),
    _Kind(
        field="r2",
        title="1 − R²",
        label="0 is perfect; yellow: worse",
        range=(0.0, 0.1),
        colours="cividis",
        extend="max",
    ),
    _Kind(
        field="odd_even",
        title="Even above odd echoes",
        label="% of the signal",
        range=(-5.0, 5.0),
        colours="RdBu_r",
        extend="both",
        scale=100.0,
    ),
    _Kind(
        field="decay_variance",
        title="Scatter about the decay",
        label="SD, % of echo 1; yellow: worse",
        range=(0.0, 10.0),
        colours="cividis",
        extend="max",
        scale=100.0,
    ),
)
QUALITY_RANGES = {kind.field: kind.range for kind in _KINDS}
"""Ends of the colours of each map, in what its bar says: one scale for every visit."""

_HIGHEST_IN, _TOP_IN, _BOTTOM_IN, _GAP_IN = 4.6, 0.55, 0.85, 0.05
_NARROWEST_IN, _WIDEST_IN = 2.1, 2.4  # four of them are readable on a page 800 pixels wide


def plot_quality(
    stack: EchoStack, quality: QualityMaps, discs: DiscLabels, *, slice_index: int | None = None
) -> Figure:
    """Show how well the fitted model describes the signal in the discs, by four measures on one slice.

    From left to right: reduced chi-square (1 where the model and the noise hold, more where they do not), 1 minus R
    squared, how much higher even echoes lie than odd ones (stimulated echoes), and the scatter of the signal about its
    decay as the root of ``decay_variance``. Ranges are the same for every visit, and yellow is worse in all but the
    third; voxels that could not be judged stay grey, and the title counts those of the discs in this slice. Without
    discs every voxel that could be judged is shown.

    Parameters
    ----------
    stack, quality, discs
        Finished data of one visit, on one grid.
    slice_index
        Voxel index along the left-right axis; the slice that cuts all discs best when left out.

    Returns
    -------
    matplotlib.figure.Figure
        Save it with ``figure.savefig(path)``; PNG bytes repeat for the same data.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: different grids, or a slice that does not exist.
    """
    require_same_grid(stack, quality, discs)
    view = sagittal_view(discs.affine)
    labels = view.turn(discs.discs)
    index = best_slice(labels) if slice_index is None else slice_index
    require_slice(index, len(labels))
    box = crop_box(labels > 0, view, MARGINS_MM)
    grey = windowed(view.turn(stack.signal)[index][box].mean(axis=-1, dtype=np.float64))
    part, regions = labels[index][box], view.turn(discs.regions)[index][box]
    is_shown = part > 0 if labels.any() else np.ones(part.shape, bool)
    wide_in, high_in = _panel_size_in(grey.shape, view)
    size_in = (len(_KINDS) * (wide_in + _GAP_IN), _TOP_IN + high_in + _BOTTOM_IN)
    figure = QcFigure(figsize=size_in, dpi=110, facecolor="black")
    for place, kind in enumerate(_KINDS):
        left_in = place * (wide_in + _GAP_IN)
        axes = axes_in(figure, (left_in, _BOTTOM_IN, wide_in, high_in))
        axes.set_axis_off()
        values = _shown(view.turn(getattr(quality, kind.field))[index][box], kind)
        values = np.where(is_shown, values, np.float32(np.nan))
        draw_grey(axes, grey, view)
        draw_colour(axes, values, kind.range, view, kind.colours)
        draw_borders(axes, part, regions)
        mark_directions(axes)
        axes.set_title(f"{kind.title}\n{_missing(values, part)}", fontsize=9.5, color="white")
        _draw_bar(figure, axes, (left_in + 0.15 * wide_in, _BOTTOM_IN - 0.25, 0.7 * wide_in, 0.14), kind)
        if place == 0:
            name_discs(axes, part, discs.levels, view)
            mark_slice(axes, index, view, discs.shape)
            draw_scale(axes, view)
    return figure


def _panel_size_in(shape: tuple[int, ...], view: SagittalView) -> tuple[float, float]:
    """Return width and height of a panel in the proportions of the part shown."""
    slender = shape[0] * view.row_mm / (shape[1] * view.column_mm)
    wide_in = min(max(_HIGHEST_IN / slender, _NARROWEST_IN), _WIDEST_IN)
    return wide_in, min(wide_in * slender, _HIGHEST_IN)


def _shown(values: NDArray[np.float32], kind: _Kind) -> NDArray[np.float32]:
    """Return a measure ``(rows, columns)`` in the unit of its colour bar."""
    if kind.field == "decay_variance":
        values = np.sqrt(values)
    if kind.field == "r2":
        values = 1 - values  # yellow is worse in every map that has one good end
    return np.asarray(values * np.float32(kind.scale), np.float32)


def _missing(values: NDArray[np.float32], labels: NDArray[np.uint8]) -> str:
    """Return how many voxels of the discs in the slice have no value."""
    n = int(np.count_nonzero(labels))
    if not n:
        return "no disc in this slice"
    return f"not judged: {np.count_nonzero((labels > 0) & ~np.isfinite(values))} of {n} voxels"


def _draw_bar(figure: Figure, panel: Axes, box_in: tuple[float, float, float, float], kind: _Kind) -> None:
    bar: Any = figure.colorbar(
        panel.images[-1], cax=axes_in(figure, box_in), orientation="horizontal", extend=kind.extend
    )
    bar.set_label(kind.label, color="white", fontsize=9.5)
    bar.ax.tick_params(colors="white", labelsize=9)
    bar.outline.set_edgecolor("white")
