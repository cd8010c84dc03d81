"""Sums over echoes whose bits do not depend on how many voxels stand beside each other."""

from __future__ import annotations

from typing import Any

Rows = Any
"""Array ``(E, V)`` or ``(V,)`` of any library that has the functions of the array API standard."""


def added(rows: Rows, times: Rows | None = None) -> Rows:
    """Add rows, or their products, echo by echo: the order of a reduction would depend on the width of the block."""
    total = (rows[0, :] if times is None else rows[0, :] * times[0, :]) + 0.0  # not the row itself: it is added to
    for echo in range(1, rows.shape[0]):
        total += rows[echo, :] if times is None else rows[echo, :] * times[echo, :]
    return total
