"""What is compared to find how a disc moved: the disc without its nucleus, and half a vertebra above and below."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from t2disc.model import LEVELS, DiscLabels, Region
from t2disc.model.grids import anatomical_axes
from t2disc.model.visit import MeasuredVisit
from t2disc.register.contrast import Picture, matching_picture

COARSE_MM, FINE_MM = 1.5, 0.5
"""SD by which pictures are smoothed in the first and the last search; more where pixels are large."""
_COARSE_PIXELS, _FINE_PIXELS = 1.5, 0.7  # at least: linear interpolation between pixels blurs, but not everywhere alike
HALF_VERTEBRA_MM = 13.0
_BESIDE_MM = 4.0  # in front of and behind the disc


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Side:
    """One visit made ready for matching: pictures, and for each level its voxels, its middle and what is compared."""

    coarse: Picture
    fine: Picture
    points_mm: dict[str, NDArray[np.float64]]  # (V, 3) voxel centres of each disc, RAS+ mm
    contexts: dict[str, NDArray[np.bool_]]  # (X, Y, Z) of the pictures
    slice_axis: int

    @property
    def levels(self) -> tuple[str, ...]:
        """Levels of the visit, from superior to inferior."""
        return tuple(self.points_mm)

    def centre_mm(self, level: str) -> NDArray[np.float64]:
        """Return the middle of a disc ``(3,)``, RAS+ mm."""
        middle: NDArray[np.float64] = self.points_mm[level].mean(axis=0)
        return middle

    @property
    def frame(self) -> NDArray[np.float64]:
        """Unit vectors ``(3, 3)`` in columns, RAS+: from slice to slice, then both voxel axes within the slice."""
        axes = [self.slice_axis, *(axis for axis in range(3) if axis != self.slice_axis)]
        steps = self.fine.affine[:3, axes]
        unit: NDArray[np.float64] = steps / np.linalg.norm(steps, axis=0)
        return unit


def ready(visit: MeasuredVisit) -> Side:
    """Return a measured visit made ready for matching; it has at least one disc."""
    t2map, discs = visit.t2map, visit.discs
    picture = matching_picture(t2map, discs)
    labels, regions = picture.part(discs.discs), picture.part(discs.regions)
    slice_axis, front_back, up_down = anatomical_axes(discs.affine)
    spacing_mm = np.linalg.norm(discs.affine[:3, :3], axis=0)
    reach = {
        front_back: round(_BESIDE_MM / spacing_mm[front_back]),
        up_down: round(HALF_VERTEBRA_MM / spacing_mm[up_down]),
    }
    pixel_mm = float(max(spacing_mm[front_back], spacing_mm[up_down]))
    masks = {level: labels == DiscLabels.value_of(level) for level in LEVELS if level in discs.levels}
    return Side(
        coarse=picture.smoothed(max(COARSE_MM, _COARSE_PIXELS * pixel_mm)),
        fine=picture.smoothed(max(FINE_MM, _FINE_PIXELS * pixel_mm)),
        points_mm={level: _points_mm(mask, picture.affine) for level, mask in masks.items()},
        contexts={level: _widened(mask, reach) & (regions != Region.NP) for level, mask in masks.items()},
        slice_axis=slice_axis,
    )


def _points_mm(mask: NDArray[np.bool_], affine: NDArray[np.float64]) -> NDArray[np.float64]:
    points: NDArray[np.float64] = np.argwhere(mask) @ affine[:3, :3].T + affine[:3, 3]
    return points


def _widened(mask: NDArray[np.bool_], reach: dict[int, int]) -> NDArray[np.bool_]:
    """Return a mask widened by so many voxels along each axis named."""
    out = mask.astype(np.uint8)
    for axis, n in reach.items():
        out = maximum_filter1d(out, 2 * n + 1, axis=axis, mode="constant")
    return out.astype(np.bool_)
