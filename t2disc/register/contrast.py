"""The picture that two visits are matched by: the same contrast from every scanner, without the nucleus."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from t2disc.model import DiscLabels, Flag, Region, T2Map
from t2disc.model.grids import anatomical_axes

Floats = NDArray[np.float32]

ECHO_TIME_MS = 25.0
"""Echo time of the picture: late enough to tell disc from marrow, early enough for dark annulus to be seen."""
WINDOW_MM = 5.0
"""SD of the Gaussian over which mean and contrast are taken to be local."""
_DARK = (Flag.LOW_SNR, Flag.NO_SIGNAL)  # no T2, yet it is known that they are dark
_MARGIN_MM = 30.0
_FLOOR = 0.1  # of the median local SD: flat regions are not blown up into noise


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """A part of a visit's volume as the registration sees it: ``values`` ``(X, Y, Z)`` without unit, and where."""

    values: Floats
    affine: NDArray[np.float64]  # (4, 4) voxel index of the part to RAS+ mm
    corner: tuple[int, int, int]  # voxel index in the volume of its first voxel, as stored

    def smoothed(self, sd_mm: float) -> Picture:
        """Return the picture smoothed within its slices."""
        values = gaussian_filter(self.values, _in_plane(self.affine, sd_mm))
        return Picture(values=values, affine=self.affine, corner=self.corner)

    def part(self, volume: NDArray[np.generic]) -> NDArray[np.generic]:
        """Return the same part of another volume on the visit's grid."""
        box = tuple(slice(c, c + n) for c, n in zip(self.corner, self.values.shape, strict=True))
        return volume[box]


def matching_picture(t2map: T2Map, discs: DiscLabels) -> Picture:
    """Return the discs' surroundings as a locally normalised picture that no scanner and no treatment changes.

    ``P = (S - m) / (d + e)`` with ``S = S0 exp(-25 ms / T2)``, the echo that any train would have shown at 25 ms, and
    its mean ``m`` and standard deviation ``d`` in a Gaussian neighbourhood of 5 mm within the slice; ``e`` is a tenth
    of the median ``d``. Intensity scale, coil and field strength divide out. Nuclei, and voxels whose signal at that
    time is not known, count neither in ``m`` and ``d`` nor by themselves: what is measured must not steer the match.

    Parameters
    ----------
    t2map, discs
        ``(X, Y, Z)``, on one grid.
    """
    box = _box(discs.discs > 0, discs.affine)
    corner = tuple(part.start for part in box)
    affine = discs.affine.copy()
    affine[:3, 3] += discs.affine[:3, :3] @ np.array(corner)
    signal, is_known = _signal(t2map, box)
    is_known &= discs.regions[box] != Region.NP
    values = _locally_normalised(signal, is_known, _in_plane(affine, WINDOW_MM))
    x, y, z = corner
    return Picture(values=values, affine=affine, corner=(x, y, z))


def _signal(t2map: T2Map, box: tuple[slice, ...]) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the signal at the picture's echo time, 0 where it is dark or not known, and where it is known."""
    flag, t2_ms, s0 = t2map.flag[box], t2map.t2_ms[box], t2map.s0[box]
    is_fitted = flag == Flag.OK
    signal = np.zeros(flag.shape, np.float32)
    signal[is_fitted] = s0[is_fitted] * np.exp(-ECHO_TIME_MS / t2_ms[is_fitted])
    return signal, is_fitted | np.isin(flag, _DARK)


def _locally_normalised(signal: Floats, is_known: NDArray[np.bool_], sd: tuple[float, ...]) -> Floats:
    """Return the signal less its local mean, over its local SD; 0 where it is not known."""
    known = is_known.astype(np.float32)
    weight = np.maximum(gaussian_filter(known, sd), 1e-3)
    seen = signal * known
    mean = gaussian_filter(seen, sd) / weight
    variance = gaussian_filter(seen * seen, sd) / weight - mean * mean
    spread = np.sqrt(np.maximum(variance, 0))
    floor = _FLOOR * float(np.median(spread[is_known])) if is_known.any() else 1.0
    out: Floats = np.where(is_known, (signal - mean) / (spread + max(floor, np.finfo(np.float32).tiny)), 0)
    return out.astype(np.float32)


def _in_plane(affine: NDArray[np.float64], sd_mm: float) -> tuple[float, ...]:
    """Return a width in mm in voxels of each axis, 0 from slice to slice."""
    slice_axis, *_ = anatomical_axes(affine)
    spacing_mm = np.linalg.norm(affine[:3, :3], axis=0)
    return tuple(0.0 if axis == slice_axis else float(sd_mm / spacing_mm[axis]) for axis in range(3))


def _box(inside: NDArray[np.bool_], affine: NDArray[np.float64]) -> tuple[slice, ...]:
    """Return the part of the volume that holds all discs with a margin; all slices of it."""
    slice_axis, *_ = anatomical_axes(affine)
    spacing_mm = np.linalg.norm(affine[:3, :3], axis=0)
    box = []
    for axis, n in enumerate(inside.shape):
        found = np.flatnonzero(inside.any(axis=tuple({0, 1, 2} - {axis})))
        margin = n if axis == slice_axis else round(_MARGIN_MM / spacing_mm[axis])
        box.append(slice(max(int(found[0]) - margin, 0), min(int(found[-1]) + margin + 1, n)))
    return tuple(box)
