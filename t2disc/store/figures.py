"""Pictures as PNG bytes that are the same on every run: no software name, no date."""

from __future__ import annotations

import io
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from t2disc.store.files import StoredFile

_DPI = 110
_FOLDER = "figures"


class Figure(Protocol):
    """What is needed of a matplotlib figure, so that this room need not load matplotlib."""

    def savefig(self, fname: Any, **kwargs: Any) -> Any:
        """Write the picture to a stream."""


def figure_file(name: str, figure: Figure) -> StoredFile:
    """Return a figure as ``figures/<name>.png``, below the visit's folder."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return StoredFile(path=PurePosixPath(_FOLDER, f"{name}.png"), content=buffer.getvalue())


def has_figures(folder: Path) -> bool:
    """Tell whether there are pictures among a visit's outputs."""
    return any((folder / _FOLDER).glob("*.png"))
