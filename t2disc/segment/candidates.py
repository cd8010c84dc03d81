"""What speaks for a body of disc voxels being a disc: its size, the bone above and below, the canal behind it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from t2disc.segment.pieces import Outline, SliceGrid
from t2disc.segment.tracks import Track

Floats = NDArray[np.float64]

OUTSIDE = 5
"""Stands for the structure of a point outside the image."""

_SLICES = 5  # in which the surroundings are looked at
_STEP_MM = 3.0  # between them
_NEAR_MM = np.linspace(2.0, 9.0, 5)  # beyond the disc, across it: endplates are thinner, bodies higher
_ALONG = np.linspace(-0.3, 0.3, 7)  # of the length
_BEHIND_MM = np.linspace(2.0, 16.0, 8)
_LENGTHS_MM = (12.0, 18.0, 48.0, 60.0)  # impossible below and above the outer, usual within the inner
_HIGHEST_MM = 24.0
_STEEPEST_DEG = 75.0
_LEAST_BONE = 0.25  # of the points above or below


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidate:
    """A body of disc voxels, measured in its central slices.

    Attributes
    ----------
    track
        Its voxels.
    x
        Its central slice.
    centre_mm
        (right, anterior, superior) in mm.
    outline
        Its outline in the central slices: medians over them.
    above, below
        ``(6,)`` shares of the structures next to it towards head and feet, :data:`OUTSIDE` last.
    canal
        Share of the lines backwards that meet the canal, in the slice where most do.
    score
        0 for what is hardly a disc to 3 for what surely is one.
    """

    track: Track
    x: float
    centre_mm: Floats
    outline: Outline
    above: Floats
    below: Floats
    canal: float
    score: float

    @property
    def plane_mm(self) -> Floats:
        """Its centre (anterior, superior) in mm."""
        return self.centre_mm[1:]


def find_candidates(tracks: list[Track], structures: NDArray[np.uint8], grid: SliceGrid) -> list[Candidate]:
    """Return the bodies of disc voxels that could be discs, from superior to inferior."""
    found = (_candidate(track, structures, grid) for track in tracks)
    return sorted((one for one in found if one is not None), key=lambda one: -one.centre_mm[2])


def _candidate(track: Track, structures: NDArray[np.uint8], grid: SliceGrid) -> Candidate | None:
    weights = track.weights
    x = float(np.average(track.slices, weights=weights))
    outline = _central(track, x, grid)
    if not _is_possible(outline):
        return None
    looked_at = _slices_near(track, x, grid)
    around = [_around(track.outlines[k], int(track.slices[k]), structures, grid) for k in looked_at]
    above, below = (np.mean([shares[side] for shares in around], axis=0) for side in (0, 1))
    canal = max(_canal_behind(track.outlines[k], int(track.slices[k]), structures, grid) for k in looked_at)
    bones = [bone_share(shares) for shares in (above, below)]
    if max(bones) < _LEAST_BONE:
        return None
    right_mm = np.average(
        [grid.right_mm(int(k), pixels).mean() for k, pixels in zip(track.slices, track.pixels, strict=True)],
        weights=weights,
    )
    return Candidate(
        track=track,
        x=x,
        centre_mm=np.array([right_mm, *outline.centre_mm]),
        outline=outline,
        above=above,
        below=below,
        canal=canal,
        score=_usual_size(outline) * (sum(bones) + canal),
    )


def bone_share(shares: Floats) -> float:
    """Return the share of bone among points, those outside the image counting half."""
    return float(shares[1] + shares[4] + shares[OUTSIDE] / 2)


def _is_possible(outline: Outline) -> bool:
    return (
        _LENGTHS_MM[0] <= outline.length_mm <= _LENGTHS_MM[3]
        and outline.across_mm <= _HIGHEST_MM
        and outline.height_mm < outline.length_mm
        and abs(outline.slope_deg) <= _STEEPEST_DEG
    )


def _usual_size(outline: Outline) -> float:
    return float(np.interp(outline.length_mm, _LENGTHS_MM, (0.2, 1.0, 1.0, 0.2)))


def _central(track: Track, x: float, grid: SliceGrid) -> Outline:
    """Return the outline that the slices around the centre agree on: medians, weighted by area."""
    near = np.abs(track.slices - x) * grid.slice_mm <= max(12.0, grid.slice_mm)
    near &= track.weights >= 0.5 * track.weights.max()
    if not near.any():
        near = track.weights == track.weights.max()
    chosen = [track.outlines[k] for k in np.flatnonzero(near)]

    def middle(name: str) -> float:
        return float(np.median([getattr(outline, name) for outline in chosen]))

    return Outline(
        centre_mm=np.median([outline.centre_mm for outline in chosen], axis=0),
        slope_deg=middle("slope_deg"),
        length_mm=middle("length_mm"),
        height_mm=middle("height_mm"),
        across_mm=middle("across_mm"),
        area_mm2=middle("area_mm2"),
        elongation=middle("elongation"),
    )


def _slices_near(track: Track, x: float, grid: SliceGrid) -> list[int]:
    """Return the places in ``track.slices`` of some slices about the centre."""
    step = max(_STEP_MM / grid.slice_mm, 1.0)
    wanted = x + step * (np.arange(_SLICES) - _SLICES // 2)
    return sorted({int(np.abs(track.slices - at).argmin()) for at in wanted})


def structure_at(points_mm: Floats, x: int, structures: NDArray[np.uint8], grid: SliceGrid) -> NDArray[np.intp]:
    """Return the structure at points ``(..., 2)`` (anterior, superior) of a slice; OUTSIDE beyond the image."""
    pixels = grid.pixels(x, points_mm)
    last = np.array(grid.shape[1:]) - 1
    inside = ((pixels >= 0) & (pixels <= last)).all(axis=-1)
    y, z = np.moveaxis(np.clip(pixels, 0, last), -1, 0)
    return np.where(inside, structures[x, y, z], OUTSIDE).astype(np.intp)


def _around(outline: Outline, x: int, structures: NDArray[np.uint8], grid: SliceGrid) -> tuple[Floats, Floats]:
    """Return shares ``(6,)`` of the structures above and below a disc in one slice."""
    along = outline.forward * (_ALONG * outline.length_mm)[:, None, None]
    away = outline.upward * (outline.height_mm / 2 + _NEAR_MM)[:, None]
    return _shares(outline.centre_mm + along + away, x, structures, grid), _shares(
        outline.centre_mm + along - away, x, structures, grid
    )


def _shares(points_mm: Floats, x: int, structures: NDArray[np.uint8], grid: SliceGrid) -> Floats:
    values = structure_at(points_mm, x, structures, grid).ravel()
    return np.bincount(np.minimum(values, OUTSIDE), minlength=OUTSIDE + 1) / values.size


def _canal_behind(outline: Outline, x: int, structures: NDArray[np.uint8], grid: SliceGrid) -> float:
    """Return the share of lines backwards from the disc that meet the canal within 16 mm."""
    offsets = outline.upward * np.array([-4.0, 0.0, 4.0])[:, None, None]
    back = -outline.forward * (outline.length_mm / 2 + _BEHIND_MM)[:, None]
    values = structure_at(outline.centre_mm + offsets + back, x, structures, grid)
    return float((values == 3).any(axis=1).mean())
