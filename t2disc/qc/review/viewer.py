"""The viewer in three planes: NiiVue as the package ipyniivue brings it, or nothing where that is not installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

PACKAGE = "ipyniivue"
_SCRIPT = ("static", "widget.js")


def niivue_script() -> Path | None:
    """Return where the installed package keeps NiiVue; ``None`` without it. The package is not imported.

    Source: NiiVue (BSD-2-Clause), carried by ipyniivue (BSD-2-Clause) as an anywidget front-end module.
    """
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        return None
    script = Path(spec.origin).parent.joinpath(*_SCRIPT)
    return script if script.is_file() else None
