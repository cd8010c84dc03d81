"""How slices are read: in words, and by two small pictures of made-up discs, one good and one bad; nobody's images."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from t2disc.model import DiscLabels, Region
from t2disc.model.report import Picture, ReadingExample, ReadingGuide
from t2disc.qc.carried import ViewedSlice
from t2disc.qc.report.strips import encoded, painted
from t2disc.qc.views import sagittal_view

_WORDS = (
    "Look at the outlines first: a disc whose border cuts into a vertebra or leaves out its edge has numbers that "
    "mean little. Colour is T2 from 0 (dark) to 200 ms (yellow) in every report; a voxel of a disc that stays grey has "
    "none. A disc that jumps when baseline and follow-up flicker was not matched."
)
_GOOD = "Smooth colour fills the white border, brighter in the middle; the border follows the disc."
_BAD = "The border cuts into the vertebra below, a bright rim is fluid, and grey holes are voxels without a T2."
_HEIGHT_PX = 200
_PIXEL_MM = 1.0
_ROWS, _COLUMNS = 40, 60
_LEVEL = "L4/L5"


@lru_cache(maxsize=1)
def reading_guide() -> ReadingGuide:
    """Return how slices are read, with an example of a good and of a bad disc."""
    return ReadingGuide(
        text=_WORDS,
        examples=(
            ReadingExample(title="Good", picture=_picture(_good_disc(), "A disc well outlined"), text=_GOOD),
            ReadingExample(title="Bad", picture=_picture(_bad_disc(), "A disc badly outlined"), text=_BAD),
        ),
    )


def _picture(shown: ViewedSlice, alternative: str) -> Picture:
    view = sagittal_view(np.eye(4) * _PIXEL_MM)
    drawn = painted(shown, (0.0, 1.0), view, height_px=_HEIGHT_PX, with_colour=True)
    return Picture(content=encoded(drawn), media_type="image/jpeg", alternative=alternative)


# ------------------------------------------------------------------------------------------------ made-up discs
def _good_disc() -> ViewedSlice:
    return _labelled(_disc(0.0), _t2_ms())


def _bad_disc() -> ViewedSlice:
    """A disc outlined too low, with fluid in the outline and voxels without a T2."""
    t2_ms = _t2_ms()
    across, down = _places()
    t2_ms[across > 17.5] = 195.0
    t2_ms[(_disc(0.0) < 1) & ((across * 3 + down * 5).astype(np.intp) % 7 == 0)] = np.nan
    return _labelled(_disc(6.0), t2_ms)


def _places() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how far each pixel ``(rows, columns)`` lies behind and below the middle of the picture, mm."""
    down, across = np.indices((_ROWS, _COLUMNS), dtype=np.float64)
    return across - (_COLUMNS - 1) / 2, down - (_ROWS - 1) / 2


def _disc(lowered_mm: float) -> NDArray[np.float64]:
    """Return a field that is below 1 inside a disc, ``(rows, columns)``."""
    across, down = _places()
    field: NDArray[np.float64] = (np.abs(across) / 22.5) ** 2.6 + (np.abs(down - lowered_mm) / 6.5) ** 2.6
    return field


def _t2_ms() -> NDArray[np.float64]:
    """Return a hill of T2 from the annulus to the nucleus."""
    across, down = _places()
    return 55 + 85 * np.exp(-((across / 14) ** 4) - (down / 6) ** 4)


def _signal() -> NDArray[np.float64]:
    """Return the grey of two vertebrae, a disc between dark endplates, and fluid behind them."""
    across, down = _places()
    bone = 0.36 + 0.015 * np.sin(across * 1.7) * np.sin(down * 1.3)
    grey = np.where(np.abs(across) < 23.5, bone, 0.14)
    is_between = (np.abs(down) < 8.5) & (np.abs(across) < 23.5)
    grey = np.where(is_between, 0.1, grey)
    grey = np.where(_disc(0.0) < 1, 0.25 + _t2_ms() / 400, grey)
    return np.where(across > 25.5, 0.92, grey)


def _labelled(field: NDArray[np.float64], t2_ms: NDArray[np.float64]) -> ViewedSlice:
    inside = field < 1
    across, _ = _places()
    nucleus = inside & (np.abs(across) < 13)
    return ViewedSlice(
        signal=_signal().astype(np.float32),
        t2_ms=np.where(inside, t2_ms, np.nan).astype(np.float32),
        discs=np.where(inside, DiscLabels.value_of(_LEVEL), 0).astype(np.uint8),
        regions=np.select([nucleus, inside], [Region.NP, Region.AF_ANTERIOR], 0).astype(np.uint8),
    )
