"""Pictures as PNG bytes that are the same on every run: no software name, no date."""

from __future__ import annotations

import io
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Protocol, cast, get_args

from t2disc.errors import ArgumentInvalid
from t2disc.store.files import StoredFile

PictureKind = Literal["png", "svg"]

_DPI = 110
TITLE_IN = 0.3
"""Height of the strip that holds a title, inches."""
_FOLDER = "figures"


class Figure(Protocol):
    """What is needed of a matplotlib figure, so that this room need not load matplotlib."""

    def savefig(self, fname: Any, **kwargs: Any) -> Any:
        """Write the picture to a stream."""


def figure_file(name: str, figure: Figure) -> StoredFile:
    """Return a figure as ``figures/<name>.png``, below the visit's folder."""
    return StoredFile(path=PurePosixPath(_FOLDER, f"{name}.png"), content=picture_bytes(figure, "png"))


def picture_kind(path: Path) -> PictureKind:
    """Return the kind of a picture by its name.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: neither ``.png`` nor ``.svg``.
    """
    for kind in get_args(PictureKind):
        if path.suffix.lower() == f".{kind}":
            return cast(PictureKind, kind)
    raise ArgumentInvalid("a picture of another kind", expected="a file named .png or .svg")


def picture_bytes(figure: Figure, kind: PictureKind, title: str = "") -> bytes:
    """Return a figure as PNG or SVG, the same on every run; a title stands above it, in a strip of its own."""
    buffer = io.BytesIO()
    note = {"Software": None} if kind == "png" else {"Date": None, "Creator": None}
    whole: dict[str, Any] = {"bbox_inches": _titled(figure, title)} if title else {}
    figure.savefig(buffer, format=kind, dpi=_DPI, metadata=note, **whole)
    return buffer.getvalue()


def _titled(figure: Any, title: str) -> Any:
    """Write a title above a figure; return the part of the sheet that holds both, inches."""
    from matplotlib.transforms import Bbox

    for legend in figure.legends:
        if legend.get_bbox_to_anchor() is figure.bbox:  # which will be that of the larger sheet
            legend.set_bbox_to_anchor((0, 0, 1, 1), transform=figure.transFigure)
    wide_in, high_in = figure.get_size_inches()
    red, green, blue, _ = figure.get_facecolor()
    ink = "black" if red + green + blue > 1.5 else "white"
    style = {"fontsize": 9, "color": ink, "va": "center", "ha": "left", "in_layout": False}
    figure.text(0.08 / wide_in, 1 + TITLE_IN / 2 / high_in, title, **style)
    return Bbox([[0, 0], [wide_in, high_in + TITLE_IN]])


def has_figures(folder: Path) -> bool:
    """Tell whether there are pictures among a visit's outputs."""
    return any((folder / _FOLDER).glob("*.png"))
