"""Size and form of one disc at one visit."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscShape:
    """What the outline of a disc tells, without any T2. Lengths are NaN where a disc has no voxel.

    Attributes
    ----------
    level
        ``L4/L5``.
    n_voxels
        Of the whole disc.
    n_slices
        Mid-sagittal slices that area, length and height are means over.
    volume_mm3
        Of all voxels, slice gap included; 0 without a voxel.
    area_mm2
        Of a mid-sagittal section.
    length_mm
        From the front to the back edge along the disc's own long axis, in the mid-sagittal slices.
    height_mm
        Mean height, area over length.
    height_index
        Height over length, a ratio.
    """

    level: str
    n_voxels: int
    n_slices: int
    volume_mm3: float
    area_mm2: float
    length_mm: float
    height_mm: float
    height_index: float
