"""What the figures with two axes of numbers have in common: colours, bare axes, and saying that there is nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from t2disc.qc.figure import QcFigure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CONTROL, INDEX, UNKNOWN = "#0072b2", "#d55e00", "#595959"  # told apart by every reader (Okabe and Ito 2008)
OTHER = "#00795a"  # their green, darker: it is read as text, too
BAND, FAINT_BAND, INK, QUIET = "#d9d9d9", "#efefef", "#000000", "#595959"

ROLE_COLOURS: Mapping[str, str] = {"index": INDEX, "control": CONTROL, "other": OTHER, "unknown": UNKNOWN}
ROLE_MARKERS: Mapping[str, str] = {"index": "D", "control": "o", "other": "^", "unknown": "s"}

GAPS = (0.12, 0.32)
"""Between the axes of a grid, across and down, in shares of their own width and height."""

REGION_COLOURS: Mapping[str, str] = {"disc": INK, "NP": CONTROL, "AF": INDEX}
"""Of the primary regions; others take :data:`MORE_COLOURS` in turn."""
MORE_COLOURS = ("#009e73", "#cc79a7", "#e69f00", "#56b4e9", UNKNOWN)


def region_colours(regions: tuple[str, ...]) -> dict[str, str]:
    """Return a colour for each region: its own, or the next that is free."""
    free = iter(MORE_COLOURS * (1 + len(regions) // len(MORE_COLOURS)))
    return {region: REGION_COLOURS[region] if region in REGION_COLOURS else next(free) for region in regions}


def grid_in(
    size_in: tuple[float, float],
    rows: int,
    width_ratios: tuple[float, ...],
    margins_in: tuple[float, float, float, float],
) -> tuple[Figure, NDArray[Any]]:
    """Return a figure and its axes ``(rows, columns)``, x shared in columns; margins left, right, bottom, top, inches.

    Margins that are given draw in half the time of a layout that is found.
    """
    (wide, high), (left, right, bottom, top) = size_in, margins_in
    figure = QcFigure(figsize=size_in, dpi=110)
    place = {"left": left / wide, "right": 1 - right / wide, "bottom": bottom / high, "top": 1 - top / high}
    gaps = {"wspace": GAPS[0], "hspace": GAPS[1]}
    grid = figure.subplots(
        rows, len(width_ratios), squeeze=False, sharex="col", width_ratios=width_ratios, gridspec_kw=place | gaps
    )
    return figure, grid


def bare(axes: Axes) -> None:
    """Leave the lower and the left line of axes only, with small numbers."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9)


def mark_treated(axes: Axes, level: str, index_level: str | None) -> None:
    """Write above the axes of the treated disc that it is the one."""
    if level == index_level:
        axes.set_title("treated disc", fontsize=8.5, loc="left", color=INK, weight="bold", pad=3)


def say(axes: Axes, words: str, colour: str = QUIET) -> None:
    """Write in the middle of axes why they are empty."""
    style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 10, "color": colour, "style": "italic"}
    axes.text(0.5, 0.5, words, transform=axes.transAxes, **style)


def shared_reach(values: NDArray[np.float64], least: float) -> tuple[float, float]:
    """Return the ends of an axis that holds all known values, and at least a given width, with some room."""
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, least)
    room = max(0.06 * (high - low), (least - (high - low)) / 2)
    return low - room, high + room
