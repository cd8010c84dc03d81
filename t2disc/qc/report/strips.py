"""Slices of a visit painted below each other: grey anatomy, T2 in colour on the discs, borders; for scrolling."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray

from t2disc.model import LEVELS, DiscLabels, MeasuredVisit, Region, VisitMatch
from t2disc.model.report import Picture, SliceStrip
from t2disc.qc.carried import (
    Grey,
    Greys,
    ViewedSlice,
    Window,
    boxes_of,
    carried_slice,
    own_slice,
    shaded,
    window_beside,
    window_of,
)
from t2disc.qc.panels import MARGINS_MM, T2_RANGE_MS
from t2disc.qc.views import Box, SagittalView, crop_box, sagittal_view

HEIGHT_PX = 460
MOST_SLICES = 12
_QUALITY = 78  # of JPEG
_THUMBNAIL_PX = 96
_TEXT_PX, _HALO_PX, _AWAY_PX, _BAR_PX = 13, 2, 5, 3  # height of letters; about them; from what they name; of the bar
_SCALE_MM = 10.0

Rgb = NDArray[np.uint8]


def own_strips(
    visit: MeasuredVisit, when: str, *, grey: Grey = None, index_level: str | None = None
) -> tuple[SliceStrip, ...]:
    """Return a visit's slices that cross discs, from right to left: anatomy alone, and with T2 in colour.

    Parameters
    ----------
    visit
        Finished data of one visit.
    when
        What the visit is called in the strips' names: ``baseline``.
    grey
        ``(X, Y, Z)`` image of the visit, such as its first echo, to be shown in grey; made from S0 and T2 when left
        out.
    index_level
        The treated disc, to be marked; readers who must not know it get strips without.

    Returns
    -------
    tuple of SliceStrip
        ``anatomy at <when>`` and ``T2 at <when>``, of one size, with the discs' names and a bar of 10 mm. Colour is T2
        from 0 to 200 ms in every report.
    """
    view, chosen, box = _layout(visit)
    slices = [own_slice(visit, view, index, box, grey) for index in chosen]
    names = [_names(one, one, index_level) for one in slices]
    return _strips(slices, names, view, window_of(slices), _captions(view, chosen, visit), when)


def followup_strips(
    baseline: MeasuredVisit,
    followup: MeasuredVisit,
    match: VisitMatch,
    when: str,
    *,
    greys: Greys = None,
    index_level: str | None = None,
) -> tuple[SliceStrip, ...]:
    """Return the follow-up as it would lie in the baseline's slices, for viewing only; strips as :func:`own_strips`.

    Each disc is resampled by its own motion, so that baseline and follow-up may be flickered: what is left to see is
    change. What did not change is as grey as in the baseline's strips, of the same kind of ``greys``. Nothing is
    measured in these pictures.
    """
    view, chosen, box = _layout(baseline)
    pixel_mm = (view.row_mm, view.column_mm)
    boxes = boxes_of(followup.discs)
    before, slices = [], []
    first, second = greys or (None, None)
    for index in chosen:
        there = own_slice(baseline, view, index, box, first)
        places_mm = view.places_mm(index, box, baseline.t2map.shape)
        before.append(there)
        slices.append(carried_slice(followup, match, there, places_mm, pixel_mm, boxes, second))
    window = window_beside(window_of(before), before, slices)
    names = [_names(there, one, index_level) for there, one in zip(before, slices, strict=True)]
    return _strips(slices, names, view, window, _captions(view, chosen, baseline), when)


def thumbnail(visit: MeasuredVisit, grey: Grey = None) -> Picture:
    """Return the middle slice with T2 in colour, small, for an index."""
    view, chosen, box = _layout(visit)
    middle = own_slice(visit, view, chosen[len(chosen) // 2], box, grey)
    picture = painted(middle, window_of([middle]), view, height_px=_THUMBNAIL_PX, with_colour=True)
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
    slices: Sequence[ViewedSlice],
    names: Sequence[Sequence[_Name]],
    view: SagittalView,
    window: Window,
    captions: tuple[str, ...],
    when: str,
) -> tuple[SliceStrip, ...]:
    strips = []
    for name, with_colour in ((f"anatomy at {when}", False), (f"T2 at {when}", True)):
        drawn = [painted(one, window, view, height_px=HEIGHT_PX, with_colour=with_colour) for one in slices]
        height, width = drawn[0].shape[:2]
        px_per_mm = height / (len(slices[0].discs) * view.row_mm)
        drawn = [_written(picture, own, px_per_mm) for picture, own in zip(drawn, names, strict=True)]
        picture = Picture(content=encoded(np.concatenate(drawn)), media_type="image/jpeg", alternative=name)
        strips.append(SliceStrip(name=name, picture=picture, captions=captions, width_px=width, height_px=height))
    return tuple(strips)


# ------------------------------------------------------------------------------------------------ words in pictures
@dataclass(frozen=True, slots=True, kw_only=True)
class _Name:
    """What is written beside a disc; places in shares of the picture, the front at the left."""

    words: str
    down: float
    front: float
    back: float


def _names(place: ViewedSlice, shown: ViewedSlice, index_level: str | None) -> list[_Name]:
    """Return the names of the discs that are shown, at the places of ``place``: names do not flicker."""
    rows, columns = place.discs.shape
    names = []
    for level in LEVELS:
        value = DiscLabels.value_of(level)
        down, across = np.nonzero(place.discs == value)
        if not down.size or not (shown.discs == value).any():
            continue
        front, back = int(across.min()), int(across.max()) + 1
        words = f"{level}\ntreated" if level == index_level else level
        height = float(down[across == front].mean()) + 0.5
        names.append(_Name(words=words, down=height / rows, front=front / columns, back=back / columns))
    return names


def _written(picture: Rgb, names: Sequence[_Name], px_per_mm: float) -> Rgb:
    """Return a picture with each disc's name in front of it, behind where there is no room, and a bar of 10 mm."""
    from PIL import Image, ImageDraw

    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    high, wide = picture.shape[:2]
    style: dict[str, Any] = {"font": _font(), "fill": "white", "stroke_width": _HALO_PX, "stroke_fill": "black"}
    for name in names:
        left, _, right, _ = draw.multiline_textbbox((0, 0), name.words, font=_font(), stroke_width=_HALO_PX)
        x, anchor = name.front * wide - _AWAY_PX, "rm"
        if x < right - left:
            x, anchor = name.back * wide + _AWAY_PX, "lm"
        draw.multiline_text((x, name.down * high), name.words, anchor=anchor, align="center", spacing=0, **style)
    _draw_scale(draw, px_per_mm, high, style)
    return np.asarray(image)


def _draw_scale(draw: Any, px_per_mm: float, high: int, style: dict[str, Any]) -> None:
    """Draw a bar of 10 mm in the lower left corner."""
    left, down, long = _AWAY_PX + _HALO_PX, high - 3 * _AWAY_PX, round(_SCALE_MM * px_per_mm)
    draw.rectangle((left - 1, down - 1, left + long, down + _BAR_PX), fill="black")
    draw.rectangle((left, down, left + long - 1, down + _BAR_PX - 1), fill="white")
    draw.text((left, down - _AWAY_PX), f"{_SCALE_MM:.0f} mm", anchor="ls", **style)


@lru_cache(maxsize=1)
def _font() -> Any:
    """Return the face that figures are lettered in, which comes with matplotlib."""
    from matplotlib import get_data_path
    from PIL import ImageFont

    return ImageFont.truetype(str(Path(get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")), _TEXT_PX)


def painted(
    one: ViewedSlice, window: tuple[float, float], view: SagittalView, *, height_px: int, with_colour: bool
) -> Rgb:
    """Return a slice as ``(rows, columns, 3)`` in square pixels; borders of discs white, of nuclei fainter."""
    rows, columns = one.discs.shape
    width_px = max(1, round(height_px * columns * view.column_mm / (rows * view.row_mm)))
    smooth = _resized(np.rint(255 * shaded(one.signal, window)).astype(np.uint8), width_px, height_px, is_smooth=True)
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
