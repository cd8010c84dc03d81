"""Slices of a visit painted below each other: grey anatomy, T2 in colour on the discs, borders; for scrolling."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray

from t2disc.model import MeasuredVisit, Region, VisitMatch
from t2disc.model.report import Picture, SliceStrip
from t2disc.qc.carried import ViewedSlice, boxes_of, carried_slice, own_slice
from t2disc.qc.panels import MARGINS_MM, T2_RANGE_MS
from t2disc.qc.views import Box, SagittalView, crop_box, sagittal_view

HEIGHT_PX = 460
MOST_SLICES = 12
_QUALITY = 78  # of JPEG
_THUMBNAIL_PX = 96

Rgb = NDArray[np.uint8]


def own_strips(visit: MeasuredVisit, when: str) -> tuple[SliceStrip, ...]:
    """Return a visit's slices that cross discs, from right to left: anatomy alone, and with T2 in colour.

    Parameters
    ----------
    visit
        Finished data of one visit.
    when
        What the visit is called in the strips' names: ``baseline``.

    Returns
    -------
    tuple of SliceStrip
        ``anatomy at <when>`` and ``T2 at <when>``, of one size. Colour is T2 from 0 to 200 ms in every report.
    """
    view, chosen, box = _layout(visit)
    slices = [own_slice(visit, view, index, box) for index in chosen]
    return _strips(slices, view, _captions(view, chosen, visit), when)


def followup_strips(
    baseline: MeasuredVisit, followup: MeasuredVisit, match: VisitMatch, when: str
) -> tuple[SliceStrip, ...]:
    """Return the follow-up as it would lie in the baseline's slices, for viewing only; strips as :func:`own_strips`.

    Each disc is resampled by its own motion, so that baseline and follow-up may be flickered: what is left to see is
    change. Nothing is measured in these pictures.
    """
    view, chosen, box = _layout(baseline)
    pixel_mm = (view.row_mm, view.column_mm)
    boxes = boxes_of(followup.discs)
    slices = []
    for index in chosen:
        there, places_mm = own_slice(baseline, view, index, box), view.places_mm(index, box, baseline.t2map.shape)
        slices.append(carried_slice(followup, match, there, places_mm, pixel_mm, boxes))
    return _strips(slices, view, _captions(view, chosen, baseline), when)


def thumbnail(visit: MeasuredVisit) -> Picture:
    """Return the middle slice with T2 in colour, small, for an index."""
    view, chosen, box = _layout(visit)
    middle = own_slice(visit, view, chosen[len(chosen) // 2], box)
    picture = painted(middle, _window([middle]), view, height_px=_THUMBNAIL_PX, with_colour=True)
    return Picture(content=encoded(picture, quality=70), media_type="image/jpeg", alternative="T2 on the middle slice")


# ------------------------------------------------------------------------------------------------ what is shown
def _layout(visit: MeasuredVisit) -> tuple[SagittalView, list[int], Box]:
    """Return the view, the slices from the patient's right to left, and the part that is shown of each."""
    view = sagittal_view(visit.discs.affine)
    labels = view.turn(visit.discs.discs)
    crossed = np.flatnonzero(labels.any(axis=(1, 2)))
    if crossed.size == 0:
        crossed = np.arange(len(labels))
    spread = np.linspace(0, crossed.size - 1, min(MOST_SLICES, crossed.size)).round().astype(np.intp)
    chosen = sorted((int(i) for i in crossed[spread]), key=lambda index: -view.side_mm(index, visit.t2map.shape))
    return view, chosen, crop_box(labels > 0, view, MARGINS_MM)


def _captions(view: SagittalView, chosen: Sequence[int], visit: MeasuredVisit) -> tuple[str, ...]:
    shape = visit.t2map.shape
    n = shape[view.axes[0]]
    sides = [(index, view.side_mm(index, shape)) for index in chosen]
    return tuple(f"slice {i + 1} of {n}, {'R' if side >= 0 else 'L'} {abs(side):.0f} mm" for i, side in sides)


def _strips(
    slices: Sequence[ViewedSlice], view: SagittalView, captions: tuple[str, ...], when: str
) -> tuple[SliceStrip, ...]:
    window = _window(slices)
    strips = []
    for name, with_colour in ((f"anatomy at {when}", False), (f"T2 at {when}", True)):
        drawn = [painted(one, window, view, height_px=HEIGHT_PX, with_colour=with_colour) for one in slices]
        height, width = drawn[0].shape[:2]
        picture = Picture(content=encoded(np.concatenate(drawn)), media_type="image/jpeg", alternative=name)
        strips.append(SliceStrip(name=name, picture=picture, captions=captions, width_px=width, height_px=height))
    return tuple(strips)


# ------------------------------------------------------------------------------------------------ painting
def _window(slices: Sequence[ViewedSlice]) -> tuple[float, float]:
    """Return black and white of the grey pictures, the same for all slices of a strip.

    What has no signal, as beyond the edge of a resampled visit, has no say: visits that flicker keep their brightness.
    """
    signal = np.concatenate([one.signal.ravel() for one in slices])
    lit = signal[signal > 0]
    black, white = np.percentile(lit, [1.0, 97.0]) if lit.size else (0.0, 1.0)
    return float(black), max(float(white), float(black) * 1.01 + 1e-6)


def painted(
    one: ViewedSlice, window: tuple[float, float], view: SagittalView, *, height_px: int, with_colour: bool
) -> Rgb:
    """Return a slice as ``(rows, columns, 3)`` in square pixels; borders of discs white, of nuclei fainter."""
    rows, columns = one.discs.shape
    width_px = max(1, round(height_px * columns * view.column_mm / (rows * view.row_mm)))
    grey = np.clip((one.signal - window[0]) / (window[1] - window[0]), 0, 1)
    smooth = _resized(np.rint(255 * grey).astype(np.uint8), width_px, height_px, is_smooth=True)
    picture = np.repeat(smooth[..., None], 3, axis=2)
    discs = _resized(one.discs, width_px, height_px, is_smooth=False)
    if with_colour:
        _colour(picture, one.t2_ms, width_px, height_px)
    nucleus = _resized((one.regions == Region.NP).astype(np.uint8), width_px, height_px, is_smooth=False)
    picture[_border(nucleus * (discs > 0))] = (picture[_border(nucleus * (discs > 0))] // 2 + 96).astype(np.uint8)
    picture[_border(discs)] = 255
    return picture


def _colour(picture: Rgb, t2_ms: NDArray[np.float32], width_px: int, height_px: int) -> None:
    """Paint T2 where there is one, voxel by voxel."""
    low, high = T2_RANGE_MS
    known = np.isfinite(t2_ms)
    share = np.clip((np.where(known, t2_ms, low) - low) / (high - low), 0, 1)
    steps = _resized(np.rint(255 * share).astype(np.uint8), width_px, height_px, is_smooth=False)
    where = _resized(known.astype(np.uint8), width_px, height_px, is_smooth=False) > 0
    table = np.rint(255 * colormaps["viridis"](np.arange(256))[:, :3]).astype(np.uint8)
    picture[where] = table[steps[where]]


def _border(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return the pixels inside a label that touch another one."""
    padded = np.pad(labels, 1)
    middle = padded[1:-1, 1:-1]
    around = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    border: NDArray[np.bool_] = (middle > 0) & np.logical_or.reduce([middle != other for other in around])
    return border


def _resized(values: NDArray[np.uint8], width_px: int, height_px: int, *, is_smooth: bool) -> NDArray[np.uint8]:
    from PIL import Image

    method = Image.Resampling.BICUBIC if is_smooth else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(values).resize((width_px, height_px), method))


def encoded(picture: NDArray[Any], quality: int = _QUALITY) -> bytes:
    """Return a picture as JPEG, without any note of program or time."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=quality, optimize=True, subsampling=0)
    return stream.getvalue()
