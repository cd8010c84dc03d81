"""Discs that are none, seen slice by slice: specks, blobs without bone beside them, remnants within the sacrum."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from t2disc.segment.structures import Structure

LEAST_MM2 = 12.0
"""A smaller patch in one slice is a speck."""
RIM_MM = 4.0
"""How far beside a patch bone is looked for: beyond the endplates, which are neither disc nor bone."""
LEAST_BONE = 0.1
"""Share of the rim that is vertebra or sacrum beside any disc."""
LEAST_VERTEBRA = 0.15
"""Share of that bone that is vertebra: L5/S1 has L5 above it, the remnant S1/S2 has none."""


def tidied(structure: NDArray[np.uint8], spacing_mm: tuple[float, float]) -> NDArray[np.uint8]:
    """Return one slice ``(Y, Z)`` of a structure map in which every patch of disc has bone beside it.

    Patches within the sacrum become sacrum; specks and patches away from bone become background.
    """
    from scipy.ndimage import find_objects, label

    patches, _ = label(structure == Structure.DISC)
    out = structure.copy()
    reach = tuple(int(np.ceil(RIM_MM / mm)) for mm in spacing_mm)
    for number, box in enumerate(find_objects(patches), start=1):
        window = tuple(slice(max(side.start - n, 0), side.stop + n) for side, n in zip(box, reach, strict=True))
        patch = patches[window] == number
        value = _judged(patch, structure[window], spacing_mm, reach)
        if value != Structure.DISC:
            out[window][patch] = value
    return out


def _judged(
    patch: NDArray[np.bool_], around: NDArray[np.uint8], spacing_mm: tuple[float, float], reach: tuple[int, ...]
) -> Structure:
    """Say what a patch is by its size and the bone in its rim."""
    if np.count_nonzero(patch) * spacing_mm[0] * spacing_mm[1] < LEAST_MM2:
        return Structure.BACKGROUND
    rim = _widened(patch, reach) & ~patch
    n_vertebra = np.count_nonzero(rim & (around == Structure.VERTEBRA))
    n_bone = n_vertebra + np.count_nonzero(rim & (around == Structure.SACRUM))
    if n_bone < LEAST_BONE * np.count_nonzero(rim):
        return Structure.BACKGROUND
    return Structure.DISC if n_vertebra >= LEAST_VERTEBRA * n_bone else Structure.SACRUM


def _widened(patch: NDArray[np.bool_], reach: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return a patch widened by a rectangle of ``reach`` pixels each way."""
    from scipy.ndimage import maximum_filter

    size = tuple(2 * n + 1 for n in reach)
    return np.asarray(maximum_filter(patch, size=size, mode="constant"))
