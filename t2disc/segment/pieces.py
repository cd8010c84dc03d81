"""Pieces of disc within one slice: components of the structure map, measured, and parted where two discs are joined."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEAST_AREA_MM2 = 12.0
"""Smaller components are specks."""

_MOST_PIECES = 2000  # of a volume: the largest are kept, so that a map of noise takes no longer than a spine
_JOINED_ACROSS_MM = 19.0  # a component higher than this, across its long axis, may be two discs
_JOINED_FILL = 0.55  # ... or one that fills less than this share of the box around its axes
_HOPELESS_ACROSS_MM = 24.0  # a hollow component higher than this that cannot be parted is no outline of a disc
_LEAST_APART_MM = 14.0  # between the centres of two discs
_LEAST_PART_MM2 = 30.0
_OPENING_SLOPES_DEG = (-25.0, 0.0, 25.0, 50.0)  # as discs lie
_OPENINGS_MM = (8.0, 12.0, 16.0, 20.0)  # lengths of the front-back line that a bridge is too narrow for
_TRIMS = 3
_STUMP = 1.6  # of half the mean height: wedges are that much higher in front
_BRIM_MM = 2.5  # what the opening took off within this distance is given back


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SliceGrid:
    """Voxels of one volume in the body: first axis to the right, second forward, third up, each as nearly as may be.

    ``affine`` ``(4, 4)`` voxel index to RAS+ mm; ``shape`` ``(X, Y, Z)``.
    """

    shape: tuple[int, int, int]
    affine: Floats

    @property
    def slice_mm(self) -> float:
        """Distance of two slices."""
        return float(np.linalg.norm(self.affine[:3, 0]))

    @property
    def pixel_mm(self) -> tuple[float, float]:
        """Steps along the second and the third axis."""
        return float(np.linalg.norm(self.affine[:3, 1])), float(np.linalg.norm(self.affine[:3, 2]))

    def plane_mm(self, x: float, pixels: NDArray[np.number]) -> Floats:
        """Return (anterior, superior) in mm of pixels ``(..., 2)`` of slice ``x``."""
        return np.asarray(pixels @ self.affine[1:3, 1:3].T + self.affine[1:3, 0] * x + self.affine[1:3, 3])

    def right_mm(self, x: float, pixels: NDArray[np.number]) -> Floats:
        """Return how far to the right pixels ``(..., 2)`` of slice ``x`` lie, in mm."""
        return np.asarray(pixels @ self.affine[0, 1:3] + self.affine[0, 0] * x + self.affine[0, 3])

    def pixels(self, x: float, points_mm: Floats) -> NDArray[np.intp]:
        """Return the pixels of slice ``x`` nearest to points ``(..., 2)`` (anterior, superior) in mm, maybe outside."""
        away = points_mm - self.affine[1:3, 0] * x - self.affine[1:3, 3]
        return np.asarray(np.rint(away @ np.linalg.inv(self.affine[1:3, 1:3]).T).astype(np.intp))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outline:
    """Size and place of a flat shape in its slice.

    ``centre_mm`` (anterior, superior); ``slope_deg`` of its long axis, positive where the front is the lower end;
    ``length_mm`` along that axis, ``height_mm`` the mean across it, ``across_mm`` the most; ``elongation`` 0 for a
    round shape to 1 for a line.
    """

    centre_mm: Floats
    slope_deg: float
    length_mm: float
    height_mm: float
    across_mm: float
    area_mm2: float
    elongation: float

    @property
    def forward(self) -> Floats:
        """Unit vector ``(2,)`` along the long axis to its front end."""
        slope = np.deg2rad(self.slope_deg)
        return np.array([np.cos(slope), -np.sin(slope)])

    @property
    def upward(self) -> Floats:
        """Unit vector ``(2,)`` across the long axis, to the head."""
        slope = np.deg2rad(self.slope_deg)
        return np.array([np.sin(slope), np.cos(slope)])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Piece:
    """Part of a disc in slice ``x``: its ``pixels`` ``(V, 2)``, its outline, whether it is on the image's edge."""

    x: int
    pixels: NDArray[np.intp]
    outline: Outline
    is_on_edge: bool


def find_pieces(discs: NDArray[np.bool_], grid: SliceGrid) -> list[Piece]:
    """Return the pieces of disc of every slice of a mask ``(X, Y, Z)``, the slices in order."""
    pieces = [
        _piece(x, pixels, grid)
        for x in np.flatnonzero(discs.any(axis=(1, 2))).tolist()
        for part in _components(discs[x], _least_pixels(grid))
        for pixels in _parted(part, x, grid)
    ]
    if len(pieces) > _MOST_PIECES:
        least = sorted((piece.outline.area_mm2 for piece in pieces), reverse=True)[_MOST_PIECES]
        pieces = [piece for piece in pieces if piece.outline.area_mm2 > least]
    return pieces


def measure_outline(points_mm: Floats, pixel_mm: tuple[float, float]) -> Outline:
    """Measure pixels ``(V, 2)`` given as (anterior, superior) in mm by their second moments and extents."""
    centre = points_mm.mean(axis=0)
    away = points_mm - centre
    along2, across2 = (np.array(mm) for mm in np.square(away).sum(axis=0))
    mixed = float((away[:, 0] * away[:, 1]).sum())
    slope = -0.5 * np.arctan2(2 * mixed, along2 - across2)
    total = float(along2 + across2)
    outline = Outline(
        centre_mm=centre,
        slope_deg=float(np.rad2deg(slope)),
        length_mm=0.0,
        height_mm=0.0,
        across_mm=0.0,
        area_mm2=len(points_mm) * pixel_mm[0] * pixel_mm[1],
        elongation=float(np.hypot(along2 - across2, 2 * mixed)) / total if total > 0 else 0.0,
    )
    length_mm, across_mm = (
        float(np.ptp(away @ axis) + np.abs(axis) @ np.array(pixel_mm)) for axis in (outline.forward, outline.upward)
    )
    return Outline(
        centre_mm=centre,
        slope_deg=outline.slope_deg,
        length_mm=length_mm,
        height_mm=outline.area_mm2 / length_mm,
        across_mm=across_mm,
        area_mm2=outline.area_mm2,
        elongation=outline.elongation,
    )


def _piece(x: int, pixels: NDArray[np.intp], grid: SliceGrid) -> Piece:
    last = np.array(grid.shape[1:]) - 1
    return Piece(
        x=x,
        pixels=pixels,
        outline=measure_outline(grid.plane_mm(x, pixels), grid.pixel_mm),
        is_on_edge=bool(((pixels == 0) | (pixels == last)).any()),
    )


def _least_pixels(grid: SliceGrid) -> int:
    return max(int(np.ceil(LEAST_AREA_MM2 / (grid.pixel_mm[0] * grid.pixel_mm[1]))), 2)


def _components(mask: NDArray[np.bool_], least: int) -> Iterator[NDArray[np.intp]]:
    """Yield the pixels ``(V, 2)`` of each component of a mask, those of ``least`` pixels and more."""
    from scipy.ndimage import find_objects, label

    numbers, _ = label(mask)
    counts = np.bincount(numbers.ravel())
    for number, window in enumerate(find_objects(numbers), start=1):
        if counts[number] >= least:
            corner = np.array([part.start for part in window])
            yield np.argwhere(numbers[window] == number) + corner


# ------------------------------------------------------------------------------------------------ joined discs
def _parted(pixels: NDArray[np.intp], x: int, grid: SliceGrid) -> list[NDArray[np.intp]]:
    """Return the discs of a component apart from each other, or one freed of what hangs on it; most are one."""
    outline = measure_outline(grid.plane_mm(x, pixels), grid.pixel_mm)
    fill = outline.area_mm2 / (outline.length_mm * outline.across_mm)
    if outline.across_mm < _JOINED_ACROSS_MM and (fill > _JOINED_FILL or outline.length_mm < 2 * _LEAST_APART_MM):
        return [pixels]
    openings = [[_trimmed(disc, x, grid) for disc in _opened(pixels, line_mm, x, grid)] for line_mm in _OPENINGS_MM]
    several = [discs for discs in openings if len(discs) > 1]
    freed = [discs for discs in openings if len(discs) == 1 and _is_one_disc(discs[0], x, grid)]
    if several or freed:
        return (several + freed)[0]
    if outline.across_mm <= _HOPELESS_ACROSS_MM:
        return [pixels]
    return [_trimmed(pixels, x, grid)] if fill > _JOINED_FILL else []


def _is_one_disc(pixels: NDArray[np.intp], x: int, grid: SliceGrid) -> bool:
    return measure_outline(grid.plane_mm(x, pixels), grid.pixel_mm).across_mm < _JOINED_ACROSS_MM


def _trimmed(pixels: NDArray[np.intp], x: int, grid: SliceGrid) -> NDArray[np.intp]:
    """Return a disc without the stumps of a bridge: what lies much further from its axis than its mean height."""
    for _ in range(_TRIMS):
        points = grid.plane_mm(x, pixels)
        outline = measure_outline(points, grid.pixel_mm)
        away_mm = np.abs((points - np.median(points, axis=0)) @ outline.upward)
        pixels = pixels[away_mm <= _STUMP * outline.height_mm / 2 + _BRIM_MM]
    return pixels


def _opened(pixels: NDArray[np.intp], line_mm: float, x: int, grid: SliceGrid) -> list[NDArray[np.intp]]:
    """Return what is left of a component where a front-back line of some slope fits in, disc by disc."""
    from scipy.ndimage import binary_opening, distance_transform_edt, label

    corner = pixels.min(axis=0) - 1
    mask = np.zeros(pixels.max(axis=0) - corner + 2, bool)
    mask[tuple((pixels - corner).T)] = True
    kept = np.logical_or.reduce(
        [binary_opening(mask, _line(line_mm, slope_deg, grid.pixel_mm)) for slope_deg in _OPENING_SLOPES_DEG]
    )
    numbers, _ = label(kept)
    large = np.bincount(numbers.ravel()) * grid.pixel_mm[0] * grid.pixel_mm[1] >= _LEAST_PART_MM2
    large[0] = False
    disc_of = _discs_of_parts([np.argwhere(numbers == number) for number in np.flatnonzero(large)], x, grid)
    owner = np.zeros(large.size, np.intp)
    owner[large] = disc_of
    numbers = owner[numbers]
    away_mm, nearest = distance_transform_edt(numbers == 0, sampling=grid.pixel_mm, return_indices=True)
    given = np.where(mask & (away_mm <= _BRIM_MM), numbers[tuple(nearest)], 0)
    return [np.argwhere(given == number) + corner for number in range(1, max(disc_of, default=0) + 1)]


def _line(length_mm: float, slope_deg: float, pixel_mm: tuple[float, float]) -> NDArray[np.bool_]:
    """Return a line of pixels, its front lower by the slope."""
    slope = np.deg2rad(slope_deg)
    way = np.array([np.cos(slope), -np.sin(slope)]) * length_mm / np.array(pixel_mm)
    points = np.rint(np.linspace(0, 1, 64)[:, None] * way).astype(np.intp)
    points -= points.min(axis=0)
    line = np.zeros(points.max(axis=0) + 1, bool)
    line[tuple(points.T)] = True
    return line


def _discs_of_parts(parts: list[NDArray[np.intp]], x: int, grid: SliceGrid) -> list[int]:
    """Return the number, from 1, of the disc each part belongs to: a new one where it lies well below the last."""
    outlines = [measure_outline(grid.plane_mm(x, part), grid.pixel_mm) for part in parts]
    numbers: list[int] = [0] * len(parts)
    last: Outline | None = None
    for place in sorted(range(len(parts)), key=lambda place: -outlines[place].centre_mm[1]):
        here = outlines[place]
        larger = here if last is None or here.length_mm > last.length_mm else last
        is_new = last is None or bool(abs((last.centre_mm - here.centre_mm) @ larger.upward) >= _LEAST_APART_MM)
        numbers[place] = max(numbers) + is_new
        last = here if is_new else larger
    return numbers
