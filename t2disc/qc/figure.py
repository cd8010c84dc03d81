"""The figure that every picture is drawn on."""

from __future__ import annotations

import io

from matplotlib.figure import Figure


class QcFigure(Figure):
    """A ``matplotlib`` figure that a notebook shows by itself, without ``pyplot`` and whatever its backend is."""

    def _repr_png_(self) -> bytes:
        """Return the picture as PNG, by the protocol of IPython's rich display."""
        picture = io.BytesIO()
        self.savefig(picture, format="png")
        return picture.getvalue()
