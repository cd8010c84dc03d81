"""Structures that cannot be, seen slice by slice: disc without bone beside it or within the sacrum; loose sacrum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from t2disc.segment.structures import Structure

LEAST_MM2 = 12.0
"""A smaller patch of disc in one slice is a speck."""
RIM_MM = 4.0
"""How far beside a patch bone is looked for: beyond the endplates, which are neither disc nor bone."""
LEAST_BONE = 0.1
"""Share of the rim that is vertebra or sacrum beside any disc."""
LEAST_VERTEBRA = 0.15
"""Share of that bone that is vertebra: L5/S1 has L5 above it, a remnant within the sacrum has none."""
ON_SACRUM, IN_SACRUM = 0.15, 0.4
"""Share of that bone that is sacrum beside L5/S1, and beside a remnant below it whose S1 passes for a vertebra."""

Mask = NDArray[np.bool_]
Reach = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Patch:
    """One patch of disc in its window, and what lies in its rim, in pixels; ``top`` is its highest row."""

    window: tuple[slice, slice]
    mask: Mask
    top: int
    n_rim: int
    n_vertebra: int
    n_sacrum: int

    @property
    def share_of_sacrum(self) -> float:
        """Share of the bone in the rim that is sacrum."""
        return self.n_sacrum / max(self.n_vertebra + self.n_sacrum, 1)

    @property
    def is_without_bone(self) -> bool:
        """Whether nothing beside the patch makes it a disc."""
        return self.n_vertebra + self.n_sacrum < LEAST_BONE * self.n_rim


def tidied(structure: NDArray[np.uint8], spacing_mm: tuple[float, float]) -> NDArray[np.uint8]:
    """Return one slice ``(Y, Z)`` of a structure map in which every patch of disc has bone beside it.

    Remnants within the sacrum become sacrum; specks, patches of disc away from bone, and sacrum that no disc rests on
    become background. Z runs from inferior to superior.
    """
    out = structure.copy()
    reach: Reach = (int(np.ceil(RIM_MM / spacing_mm[0])), int(np.ceil(RIM_MM / spacing_mm[1])))
    rests_on_sacrum = False
    for patch in sorted(_patches(structure, reach), key=lambda patch: -patch.top):
        is_speck = np.count_nonzero(patch.mask) * spacing_mm[0] * spacing_mm[1] < LEAST_MM2
        if is_speck or patch.is_without_bone:
            out[patch.window][patch.mask] = Structure.BACKGROUND
        elif patch.share_of_sacrum > (IN_SACRUM if rests_on_sacrum else 1 - LEAST_VERTEBRA):
            out[patch.window][patch.mask] = Structure.SACRUM
        else:
            rests_on_sacrum |= patch.share_of_sacrum > ON_SACRUM
    _drop_loose_sacrum(out, reach)
    return out


def _patches(structure: NDArray[np.uint8], reach: Reach) -> list[_Patch]:
    from scipy.ndimage import find_objects, label

    numbers, _ = label(structure == Structure.DISC)
    found = []
    for number, (y, z) in enumerate(find_objects(numbers), start=1):
        window = (
            slice(max(y.start - reach[0], 0), y.stop + reach[0]),
            slice(max(z.start - reach[1], 0), z.stop + reach[1]),
        )
        mask = numbers[window] == number
        rim = structure[window][_widened(mask, reach) & ~mask]
        n_vertebra, n_sacrum = (int(np.count_nonzero(rim == value)) for value in (Structure.VERTEBRA, Structure.SACRUM))
        found.append(
            _Patch(window=window, mask=mask, top=z.stop, n_rim=rim.size, n_vertebra=n_vertebra, n_sacrum=n_sacrum)
        )
    return found


def _drop_loose_sacrum(structure: NDArray[np.uint8], reach: Reach) -> None:
    """Keep the sacrum on which a disc rests, with what hangs together with it; without such, the largest piece."""
    from scipy.ndimage import label

    sacrum = structure == Structure.SACRUM
    if not sacrum.any():
        return
    groups, n_groups = label(_widened(sacrum, reach))
    below_disc = np.unique(groups[structure == Structure.DISC])
    kept = below_disc[below_disc > 0]
    if not kept.size:
        kept = np.array([np.bincount(groups[sacrum], minlength=n_groups + 1).argmax()])
    structure[sacrum & ~np.isin(groups, kept)] = Structure.BACKGROUND


def _widened(mask: Mask, reach: Reach) -> Mask:
    """Return a mask widened by a rectangle of ``reach`` pixels each way."""
    from scipy.ndimage import maximum_filter

    return np.asarray(maximum_filter(mask, size=tuple(2 * n + 1 for n in reach), mode="constant"))
