"""Numbers in JSON, which has no NaN: missing ones are ``null``."""

from __future__ import annotations

import math
from typing import Any


def number(value: float | None) -> float:
    """Return a number as read, NaN for ``null``."""
    return math.nan if value is None else float(value)


def without_nan(tree: Any) -> Any:
    """Return a tree of dicts, lists and values with ``null`` for every number that is not finite."""
    if isinstance(tree, dict):
        return {name: without_nan(value) for name, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [without_nan(value) for value in tree]
    return None if isinstance(tree, float) and not math.isfinite(tree) else tree
