"""T2 in colour on the anatomy: the picture by which a reader accepts or rejects a visit."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from t2disc.model import DiscLabels, EchoStack, T2Map
from t2disc.model.grids import require_same_grid
from t2disc.qc.mosaic import draw_anatomy, draw_discs, lay_out, within_discs
from t2disc.qc.panels import T2_RANGE_MS, draw_colour, draw_scale, draw_white_bar, require_rising

_BAR_IN = 0.95


def plot_t2_overlay(
    stack: EchoStack,
    t2map: T2Map,
    discs: DiscLabels,
    *,
    t2_range_ms: tuple[float, float] = T2_RANGE_MS,
    slices: Sequence[int] | None = None,
) -> Figure:
    """Show T2 in colour on the discs of a visit, slice by slice, for the reader who must accept or reject it.

    Sagittal slices from the patient's right to left, anterior on the left, superior at the top, in true proportions
    and cropped to the discs. Grey is the mean over echoes; colour is T2 where it was fitted (a voxel of a disc that
    stays grey has none); lines are the borders of discs and, thinner, of their nuclei. Without discs T2 is shown
    wherever it was fitted.

    Parameters
    ----------
    stack, t2map, discs
        Finished data of one visit, on one grid.
    t2_range_ms
        Ends of the colour bar in ms; keep it the same for all visits of a study.
    slices
        Voxel indices along the left-right axis; all that cross a disc when left out.

    Returns
    -------
    matplotlib.figure.Figure
        Save it with ``figure.savefig(path)``; PNG bytes repeat for the same data.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: different grids, a slice that does not exist, or a range that does not rise.
    """
    require_same_grid(stack, t2map, discs)
    require_rising(t2_range_ms)
    mosaic = lay_out(discs, slices, _BAR_IN)
    draw_anatomy(mosaic, stack)
    for axes, t2_ms in zip(mosaic.panels, mosaic.cut(within_discs(t2map.t2_ms, discs)), strict=True):
        draw_colour(axes, t2_ms, t2_range_ms, mosaic.view)
    draw_discs(mosaic, discs)
    draw_scale(mosaic.panels[0], mosaic.view)
    _, height_in = mosaic.figure.get_size_inches()
    place = mosaic.side_axes((0.12, 0.6, 0.16, height_in - 1.2))
    draw_white_bar(place, mosaic.panels[0], t2_range_ms, f"{stack.acquisition.quantity} (ms)")
    return mosaic.figure
