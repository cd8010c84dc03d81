"""What is compared to find how a disc moved: the disc without its nucleus, and half a vertebra above and below."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from t2disc.model import LEVELS, DiscLabels, Region
from t2disc.model.grids import anatomical_axes
from t2disc.model.visit import MeasuredVisit
from t2disc.register.contrast import Picture, matching_picture

T = TypeVar("T", bound=np.generic)

BLURRED_MM, COARSE_MM, FINE_MM = 3.0, 1.5, 0.5
"""SD by which pictures are smoothed in the first, second and last search; more where pixels are large."""
_COARSE_PIXELS, _FINE_PIXELS = 1.5, 0.7  # at least: linear interpolation between pixels blurs, but not everywhere alike
HALF_VERTEBRA_MM = 13.0
_BESIDE_MM = 4.0  # in front of and behind the disc


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Side:
    """One visit made ready for matching: pictures, and for each level its voxels, its middle and what is compared.

    The axes of the pictures run right (from slice to slice), anterior and superior, however the visit is stored.
    """

    blurred: Picture
    coarse: Picture
    fine: Picture
    points_mm: dict[str, NDArray[np.float64]]  # (V, 3) voxel centres of each disc, RAS+ mm
    contexts: dict[str, NDArray[np.bool_]]  # (X, Y, Z) of the pictures

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
        """Unit vectors ``(3, 3)`` in columns, RAS+: from slice to slice, to the front and up."""
        steps = self.fine.affine[:3, :3]
        unit: NDArray[np.float64] = steps / np.linalg.norm(steps, axis=0)
        return unit


def ready(visit: MeasuredVisit) -> Side:
    """Return a measured visit made ready for matching; it has at least one disc."""
    t2map, discs = visit.t2map, visit.discs
    stored = matching_picture(t2map, discs)
    labels, regions = (_straight(stored.part(part), stored.affine)[0] for part in (discs.discs, discs.regions))
    values, affine = _straight(stored.values, stored.affine)
    picture = replace(stored, values=values, affine=affine)
    _, front_back_mm, up_down_mm = np.linalg.norm(affine[:3, :3], axis=0).tolist()
    reach = {1: round(_BESIDE_MM / front_back_mm), 2: round(HALF_VERTEBRA_MM / up_down_mm)}
    pixel_mm = max(front_back_mm, up_down_mm)
    masks = {level: labels == DiscLabels.value_of(level) for level in LEVELS if level in discs.levels}
    return Side(
        blurred=picture.smoothed(BLURRED_MM),
        coarse=picture.smoothed(max(COARSE_MM, _COARSE_PIXELS * pixel_mm)),
        fine=picture.smoothed(max(FINE_MM, _FINE_PIXELS * pixel_mm)),
        points_mm={level: _points_mm(mask, picture.affine) for level, mask in masks.items()},
        contexts={level: _widened(mask, reach) & (regions != Region.NP) for level, mask in masks.items()},
    )


def _straight(values: NDArray[T], affine: NDArray[np.float64]) -> tuple[NDArray[T], NDArray[np.float64]]:
    """Return an array ``(X, Y, Z)`` and its affine with axes that run right, anterior and superior.

    Which voxels are compared then does not depend on the order in which a visit is stored.
    """
    axes = anatomical_axes(affine)
    steps = affine[:3, axes]
    is_backwards = np.diag(steps) < 0
    out = affine.copy()
    out[:3, :3] = steps * np.where(is_backwards, -1.0, 1.0)
    out[:3, 3] += steps @ (is_backwards * (np.array(values.shape)[list(axes)] - 1))
    return np.flip(values.transpose(axes), tuple(np.flatnonzero(is_backwards).tolist())), out


def _points_mm(mask: NDArray[np.bool_], affine: NDArray[np.float64]) -> NDArray[np.float64]:
    points: NDArray[np.float64] = np.argwhere(mask) @ affine[:3, :3].T + affine[:3, 3]
    return points


def _widened(mask: NDArray[np.bool_], reach: dict[int, int]) -> NDArray[np.bool_]:
    """Return a mask widened by so many voxels along each axis named."""
    out = mask.astype(np.uint8)
    for axis, n in reach.items():
        out = maximum_filter1d(out, 2 * n + 1, axis=axis, mode="constant")
    return out.astype(np.bool_)
