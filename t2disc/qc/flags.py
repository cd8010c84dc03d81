"""Which voxels of the discs have no T2, and why: on the anatomy, and counted by level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from t2disc.model import DiscLabels, EchoStack, Flag, T2Map
from t2disc.model.grids import require_same_grid
from t2disc.qc.charts import say
from t2disc.qc.mosaic import SMALL_HEIGHT_IN, Mosaic, draw_anatomy, draw_discs, lay_out, within_discs
from t2disc.qc.panels import draw_colour, draw_scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FLAG_COLOURS: Mapping[Flag, str] = {
    Flag.OUTSIDE_MASK: "#dddddd",
    Flag.NOT_FINITE: "#cc6677",
    Flag.NO_SIGNAL: "#6699cc",
    Flag.LOW_SNR: "#ee7733",
    Flag.NOT_DECAYING: "#117733",
    Flag.BEYOND_ECHO_RANGE: "#88ccee",
    Flag.AT_BOUND: "#aa4499",
    Flag.NOT_CONVERGED: "#ddcc77",
    Flag.B1_UNRESOLVED: "#44aa99",
    Flag.OFFSET_UNSAFE: "#999933",
}
"""One colour for each reason at every visit, after Tol's sets that readers with any vision of colours tell apart."""

FLAG_WORDS: Mapping[Flag, str] = {
    Flag.OUTSIDE_MASK: "outside the mask",
    Flag.NOT_FINITE: "signal not finite",
    Flag.NO_SIGNAL: "no signal",
    Flag.LOW_SNR: "first echo below the SNR limit",
    Flag.NOT_DECAYING: "signal does not decay",
    Flag.BEYOND_ECHO_RANGE: "beyond what the echoes can tell",
    Flag.AT_BOUND: "stopped on a bound",
    Flag.NOT_CONVERGED: "did not converge",
    Flag.B1_UNRESOLVED: "another T2 with another B1 fits too",
    Flag.OFFSET_UNSAFE: "too long to be told from an offset",
}
"""Why a voxel has no T2, in words for the reader of a picture."""

_SIDE_IN, _NAMES_IN, _EDGE_IN = 3.5, 0.75, 0.2
_BARS_IN = 1.9
_LEAST_REACH_PCT = 5.0


def plot_flags(stack: EchoStack, t2map: T2Map, discs: DiscLabels, *, slices: Sequence[int] | None = None) -> Figure:
    """Show which voxels of the discs have no T2, each in the colour of its reason, and how many there are by level.

    Slices as in :func:`plot_t2_overlay`; voxels with a T2 stay as they are. At the right, for each disc, the share of
    its voxels without a T2 in % over all slices, by reason, and the number of voxels behind each colour. Without discs
    all voxels without a T2 are shown and counted, but for those that nobody asked for.

    Parameters
    ----------
    stack, t2map, discs
        Finished data of one visit, on one grid.
    slices
        Voxel indices along the left-right axis; all that cross a disc when left out.

    Returns
    -------
    matplotlib.figure.Figure
        Save it with ``figure.savefig(path)``; PNG bytes repeat for the same data.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: different grids, or a slice that does not exist.
    """
    require_same_grid(stack, t2map, discs)
    mosaic = lay_out(discs, slices, _SIDE_IN, SMALL_HEIGHT_IN)
    shown = _reasons(t2map, discs)
    draw_anatomy(mosaic, stack)
    colours = ListedColormap([FLAG_COLOURS.get(flag, "#000000") for flag in Flag], name="flags")
    for axes, part in zip(mosaic.panels, mosaic.cut(shown), strict=True):
        draw_colour(axes, part, (-0.5, len(Flag) - 0.5), mosaic.view, colours)
    draw_discs(mosaic, discs)
    draw_scale(mosaic.panels[0], mosaic.view)
    counts = _counts(shown, discs)
    _, height_in = mosaic.figure.get_size_inches()
    side = (_NAMES_IN, height_in - 0.4 - _BARS_IN, _SIDE_IN - _NAMES_IN - _EDGE_IN, _BARS_IN)
    _draw_shares(mosaic.side_axes(side), counts, discs)
    _draw_legend(mosaic, counts, 0.4 + _BARS_IN + 0.65)
    return mosaic.figure


def _reasons(t2map: T2Map, discs: DiscLabels) -> NDArray[np.float32]:
    """Return the flags ``(X, Y, Z)`` of voxels without a T2 that are of interest; NaN elsewhere."""
    shown = within_discs(t2map.flag, discs)
    nobody_asked = ~(discs.discs > 0) & (t2map.flag == Flag.OUTSIDE_MASK)
    return np.where(nobody_asked | (t2map.flag == Flag.OK), np.float32(np.nan), shown).astype(np.float32)


def _counts(shown: NDArray[np.float32], discs: DiscLabels) -> dict[str, NDArray[np.intp]]:
    """Return how many voxels of each disc, or of all the volume, have each flag."""
    parts = {level: shown[discs.mask(level)] for level in discs.levels} or {"": shown.ravel()}
    return {
        level: np.bincount(part[np.isfinite(part)].astype(np.intp), minlength=len(Flag))
        for level, part in parts.items()
    }


# ------------------------------------------------------------------------------------------------ drawing
def _draw_shares(axes: Axes, counts: Mapping[str, NDArray[np.intp]], discs: DiscLabels) -> None:
    """Draw a bar for each disc: the share of its voxels without a T2, by reason."""
    axes.set_facecolor("black")
    if not discs.levels:
        axes.set_axis_off()
        say(axes, "no disc is labelled", "white")
        return
    totals = [int(np.count_nonzero(discs.mask(level))) for level in discs.levels]
    ends = np.zeros(len(totals))
    for flag in FLAG_COLOURS:
        shares = np.array([_pct(counts[level][flag], n) for level, n in zip(discs.levels, totals, strict=True)])
        axes.barh(np.arange(len(totals)), shares, 0.65, left=ends, color=FLAG_COLOURS[flag], label=FLAG_WORDS[flag])
        ends = ends + shares
    reach = max(_LEAST_REACH_PCT, 1.65 * float(ends.max()))
    for row, (end, n) in enumerate(zip(ends, totals, strict=True)):
        style: dict[str, Any] = {"va": "center", "fontsize": 8, "color": "white"}
        axes.text(end + 0.02 * reach, row, f"{end:.1f} % of {n}", **style)
    axes.set(xlim=(0, reach), ylim=(len(totals) - 0.5, -0.5))
    axes.set_yticks(np.arange(len(totals)), discs.levels)
    axes.set_xlabel("Voxels without T2 (% of the disc's)", fontsize=9, color="white")
    axes.tick_params(labelsize=9, colors="white")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("white")


def _pct(count: int, of: int) -> float:
    return 100 * count / of if of else 0.0


def _draw_legend(mosaic: Mosaic, counts: Mapping[str, NDArray[np.intp]], down_in: float) -> None:
    """Write below the bars what each colour in use stands for, and how many voxels it has."""
    total = np.sum(list(counts.values()), axis=0)
    marks = [Patch(color=FLAG_COLOURS[f], lw=0, label=f"{FLAG_WORDS[f]}: {total[f]}") for f in FLAG_COLOURS if total[f]]
    if not marks:
        marks = [Patch(color="black", lw=0, label="every voxel has a T2")]
    width_in, height_in = mosaic.figure.get_size_inches()
    corner = (1 - (_SIDE_IN - 0.2) / width_in, 1 - down_in / height_in)
    style: dict[str, Any] = {"frameon": False, "fontsize": 9, "labelcolor": "white", "borderaxespad": 0}
    legend = mosaic.figure.legend(
        handles=marks, title="No T2, voxels", loc="upper left", bbox_to_anchor=corner, **style
    )
    legend.get_title().set(color="white", fontsize=9)
    legend.set_alignment("left")
