"""Drawings as pictures of a page: few colours where they are charts, JPEG where they are mostly anatomy; small."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from t2disc.model.report import Picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

STILL_DPI = 110  # text of 8 points is 12 pixels high
_N_COLOURS = 48
_QUALITY = 75  # of JPEG
_LEAST_FLAT = 0.6  # share of a chart that has the colour of the paper


def still(figure: Figure, alternative: str) -> Picture:
    """Return a figure as a picture for a page, without any note of program or time.

    Parameters
    ----------
    figure
        A matplotlib figure.
    alternative
        What it shows, for those who cannot see it.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    figure.set_dpi(STILL_DPI)
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    drawn = Image.fromarray(np.ascontiguousarray(pixels))
    is_chart = _flat_share(pixels) >= _LEAST_FLAT
    content = _palette_png(drawn) if is_chart else _jpeg(drawn)
    return Picture(content=content, media_type=f"image/{'png' if is_chart else 'jpeg'}", alternative=alternative)


def _flat_share(pixels: NDArray[np.uint8]) -> float:
    """Return how much of a picture is white."""
    return float((pixels == 255).all(axis=-1).mean())


def _palette_png(drawn: Image) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    few = drawn.quantize(_N_COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    few.save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _jpeg(drawn: Image) -> bytes:
    stream = io.BytesIO()
    drawn.save(stream, "JPEG", quality=_QUALITY, optimize=True, subsampling=0)
    return stream.getvalue()
