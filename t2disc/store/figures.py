"""Pictures as PNG bytes that are the same on every run: no software name, no date."""

from __future__ import annotations

import io
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Protocol, cast, get_args

from t2disc.errors import ArgumentInvalid
from t2disc.store.files import StoredFile

PictureKind = Literal["png", "svg"]

_DPI = 110
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


def picture_bytes(figure: Figure, kind: PictureKind) -> bytes:
    """Return a figure as PNG or SVG, the same on every run."""
    buffer = io.BytesIO()
    note = {"Software": None} if kind == "png" else {"Date": None, "Creator": None}
    figure.savefig(buffer, format=kind, dpi=_DPI, metadata=note)
    return buffer.getvalue()


def has_figures(folder: Path) -> bool:
    """Tell whether there are pictures among a visit's outputs."""
    return any((folder / _FOLDER).glob("*.png"))
