"""A slice of one visit, and the other visit as it would lie there: resampled for viewing only, never measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2disc.model import DiscLabels, EchoStack, MeasuredVisit, T2Map, VisitMatch
from t2disc.qc.panels import MARGINS_MM
from t2disc.qc.views import Box, SagittalView, crop_box, sagittal_view

VIEW_ECHO_MS = 30.0
"""Echo time of the grey picture that is made from a T2 map: bone, disc and fluid can be told apart."""

DiscBox = tuple[slice, slice, slice]
"""A part of a grid ``(X, Y, Z)``."""

Grey = NDArray[np.float32] | None
"""Signal ``(X, Y, Z)`` of an image of the visit, to be shown in grey; ``None``: made from S0 and T2."""
Greys = tuple[NDArray[np.float32], NDArray[np.float32]] | None
"""Of baseline and follow-up, in one way of both."""

Window = tuple[float, float]
"""Signals that are black and white."""

_HALF = 0.5  # of a voxel, by linear interpolation, as the regions are carried
_NEAR_MM = 0.1  # a place this close to a disc moves with it
_FALL = 3  # power of the distance by which the pull of a disc falls


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ViewedSlice:
    """What is shown of a slice, ``(rows, columns)`` each.

    ``signal`` in units of the image or of S0, 0 where there is none; ``t2_ms`` within discs, NaN elsewhere; ``discs``
    and ``regions`` as in :class:`~t2disc.model.DiscLabels`.
    """

    signal: NDArray[np.float32]
    t2_ms: NDArray[np.float32]
    discs: NDArray[np.uint8]
    regions: NDArray[np.uint8]


def own_slice(visit: MeasuredVisit, view: SagittalView, index: int, box: Box, grey: Grey = None) -> ViewedSlice:
    """Return part of a slice of a visit on its own grid, voxel by voxel."""
    maps = (visit.t2map.s0, visit.t2map.t2_ms, visit.discs.discs, visit.discs.regions)
    s0, t2_ms, discs, regions = (view.turn(values)[index][box] for values in maps)
    within_ms = np.where(discs > 0, t2_ms, np.float32(np.nan))
    signal = _signal(s0, t2_ms) if grey is None else _lit(view.turn(grey)[index][box])
    return ViewedSlice(signal=signal, t2_ms=within_ms, discs=discs, regions=regions)


def carried_slice(
    followup: MeasuredVisit,
    match: VisitMatch,
    baseline: ViewedSlice,
    places_mm: NDArray[np.float64],
    pixel_mm: tuple[float, float],
    boxes: Mapping[str, DiscBox] | None = None,
    grey: Grey = None,
) -> ViewedSlice:
    """Return the follow-up as it would lie in a slice of the baseline, for viewing only.

    Each disc is resampled by its own rigid motion, T2 by linear interpolation between fitted voxels of that disc. The
    grey picture between discs moves by a mean of their motions, weighted by the distance to each disc cubed, so that
    no edge is seen where one motion passes into the next.

    Parameters
    ----------
    followup
        Finished data of the follow-up, on its own grid.
    match
        Motions from baseline to follow-up.
    baseline
        The slice ``(rows, columns)`` whose discs tell where each motion holds.
    places_mm
        ``(rows, columns, 3)`` where its pixels lie, RAS+ mm of the baseline.
    pixel_mm
        From row to row and from column to column.
    boxes
        Of :func:`boxes_of`, found once for many slices.
    grey
        Image of the follow-up.
    """
    shape = baseline.discs.shape
    moved_mm = _blended(match, _distances_mm(match, baseline.discs, pixel_mm), places_mm)
    part, affine = _reached(followup.t2map, moved_mm)
    t2map = followup.t2map
    signal = _signal(t2map.s0[part], t2map.t2_ms[part]) if grey is None else _lit(grey[part])
    shown = ViewedSlice(
        signal=_sample(signal, affine, moved_mm),
        t2_ms=np.full(shape, np.nan, np.float32),
        discs=np.zeros(shape, np.uint8),
        regions=np.zeros(shape, np.uint8),
    )
    boxes = boxes_of(followup.discs) if boxes is None else boxes
    for disc in match.discs:
        if box := boxes.get(disc.level):
            _carry_disc(followup, disc.level, box, _moved(disc.motion, places_mm), shown)
    return shown


def viewed_stack(t2map: T2Map, discs: DiscLabels, grey: Grey = None) -> EchoStack:
    """Return the grey picture of a visit as a stack of one echo, for figures of visits whose images are not at hand.

    Where no image is given it is made from the T2 map: black where there is no T2, and beyond what figures show about
    the discs. For viewing only.
    """
    if grey is not None:
        return EchoStack(signal=_lit(grey)[..., None], echo_times_ms=t2map.echo_times_ms[:1], affine=t2map.affine)
    view = sagittal_view(discs.affine)
    box = crop_box(view.turn(discs.discs) > 0, view, MARGINS_MM)
    signal = np.zeros(t2map.shape, np.float32)
    view.turn(signal)[:, *box] = _signal(view.turn(t2map.s0)[:, *box], view.turn(t2map.t2_ms)[:, *box])
    return EchoStack(signal=signal[..., None], echo_times_ms=np.array([VIEW_ECHO_MS]), affine=t2map.affine)


def difference_ms(baseline: ViewedSlice, followup: ViewedSlice) -> NDArray[np.float32]:
    """Return follow-up minus baseline ``(rows, columns)``, ms, where both show the same disc; NaN elsewhere."""
    same = (baseline.discs > 0) & (baseline.discs == followup.discs)
    difference: NDArray[np.float32] = np.where(same, followup.t2_ms - baseline.t2_ms, np.float32(np.nan))
    return difference


# ------------------------------------------------------------------------------------------------ pictures
def _signal(s0: NDArray[np.float32], t2_ms: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``S0 exp(-TE / T2)`` at 30 ms, of any shape; 0 where no T2 was fitted."""
    fitted = np.isfinite(t2_ms) & np.isfinite(s0)
    rate = np.divide(-VIEW_ECHO_MS, t2_ms, out=np.full(t2_ms.shape, -np.inf, np.float32), where=fitted)
    signal: NDArray[np.float32] = np.where(fitted, s0, np.float32(0)) * np.exp(rate)
    return signal


def _lit(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the signal of an image of any shape; 0 where it has none."""
    signal: NDArray[np.float32] = np.nan_to_num(image.astype(np.float32, copy=False), nan=0.0, posinf=0.0, neginf=0.0)
    return signal


def window_of(slices: Sequence[ViewedSlice]) -> Window:
    """Return black and white of grey pictures, the same for all of them; what has no signal has no say."""
    signal = np.concatenate([one.signal.ravel() for one in slices])
    lit = signal[signal > 0]
    black, white = np.percentile(lit, [1.0, 97.0]) if lit.size else (0.0, 1.0)  # the brightest: skin near the coil
    return float(black), max(float(white), float(black) * 1.01 + 1e-6)


def window_beside(window: Window, before: Sequence[ViewedSlice], after: Sequence[ViewedSlice]) -> Window:
    """Return black and white of the follow-up, so that what did not change is as grey as in the baseline.

    They are those of the baseline, ``window``, times the median ratio of signals over all places that both show: how
    much the scanner amplified may differ, and is no change.
    """
    first = np.concatenate([one.signal.ravel() for one in before])
    second = np.concatenate([one.signal.ravel() for one in after])
    both = (first > window[0]) & (second > 0)
    if not both.any():
        return window_of(after)
    ratio = float(np.median(second[both] / first[both]))
    return window[0] * ratio, window[1] * ratio


def shaded(signal: NDArray[np.float32], window: Window) -> NDArray[np.float64]:
    """Return a picture from black 0 to white 1."""
    grey: NDArray[np.float64] = np.clip((signal.astype(np.float64) - window[0]) / (window[1] - window[0]), 0, 1)
    return grey


def _reached(t2map: T2Map, places_mm: NDArray[np.float64]) -> tuple[DiscBox, NDArray[np.float64]]:
    """Return the part of a grid that holds places ``(..., 3)`` and their neighbours, and the affine of that part."""
    voxels = _moved(np.linalg.inv(t2map.affine), places_mm).reshape(-1, 3)
    low = np.clip(np.floor(voxels.min(axis=0)).astype(np.intp) - 1, 0, np.array(t2map.shape) - 1)
    high = np.clip(np.ceil(voxels.max(axis=0)).astype(np.intp) + 2, low + 1, t2map.shape)
    x, y, z = (slice(int(start), int(stop)) for start, stop in zip(low, high, strict=True))
    return (x, y, z), _cut_affine(t2map.affine, low)


def _cut_affine(affine: NDArray[np.float64], first: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the affine of a part of a grid whose first voxel is given."""
    cut = affine.copy()
    cut[:3, 3] += affine[:3, :3] @ first
    return cut


def _carry_disc(
    visit: MeasuredVisit, level: str, box: DiscBox, places_mm: NDArray[np.float64], shown: ViewedSlice
) -> None:
    """Write one disc of the follow-up into what is shown; ``places_mm`` ``(rows, columns, 3)`` lie at the follow-up."""
    affine = _cut_affine(visit.discs.affine, np.array([part.start for part in box]))
    own_ms, regions = visit.t2map.t2_ms[box], visit.discs.regions[box]
    mask = visit.discs.discs[box] == DiscLabels.value_of(level)
    inside = _sample(mask, affine, places_mm) >= _HALF
    fitted = mask & np.isfinite(own_ms)
    weight = _sample(fitted, affine, places_mm[inside])
    total_ms = _sample(np.where(fitted, own_ms, np.float32(0)), affine, places_mm[inside])
    nothing = np.full(weight.shape, np.nan, np.float32)
    shown.t2_ms[inside] = np.divide(total_ms, weight, out=nothing, where=weight >= _HALF)
    shown.discs[inside] = DiscLabels.value_of(level)
    shown.regions[inside] = _sample(np.where(mask, regions, 0), affine, places_mm[inside], order=0)


def boxes_of(discs: DiscLabels) -> dict[str, DiscBox]:
    """Return the box about each disc ``(X, Y, Z)``, with a voxel to spare, by level."""
    from scipy.ndimage import find_objects

    found = find_objects(discs.discs)
    boxes: dict[str, DiscBox] = {}
    for level in discs.levels:
        value = DiscLabels.value_of(level)
        if value <= len(found) and found[value - 1] is not None:
            x, y, z = (
                slice(max(part.start - 1, 0), min(part.stop + 1, n))
                for part, n in zip(found[value - 1], discs.shape, strict=True)
            )
            boxes[level] = (x, y, z)
    return boxes


# ------------------------------------------------------------------------------------------------ places
def _moved(motion: NDArray[Any], places_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return places ``(..., 3)`` after a motion ``(4, 4)``."""
    return np.asarray(places_mm @ motion[:3, :3].T + motion[:3, 3], np.float64)


def _blended(
    match: VisitMatch, away_mm: Mapping[str, NDArray[np.float64]], places_mm: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return where places ``(rows, columns, 3)`` lie at the follow-up: with their disc, or between two."""
    if not away_mm:
        return _moved(match.motion, places_mm)
    weights = {level: np.maximum(mm, _NEAR_MM) ** -_FALL for level, mm in away_mm.items()}
    total = np.sum(list(weights.values()), axis=0)
    moved = np.zeros(places_mm.shape)
    for disc in match.discs:
        if disc.level in weights:
            moved += (weights[disc.level] / total)[..., None] * _moved(disc.motion, places_mm)
    return moved


def _distances_mm(
    match: VisitMatch, discs: NDArray[np.uint8], pixel_mm: tuple[float, float]
) -> dict[str, NDArray[np.float64]]:
    """Return how far each pixel ``(rows, columns)`` lies from each matched disc of the slice, mm."""
    from scipy.ndimage import distance_transform_edt

    masks = {level: discs == DiscLabels.value_of(level) for level in match.levels}
    return {level: distance_transform_edt(~mask, pixel_mm) for level, mask in masks.items() if mask.any()}


def _sample(
    volume: NDArray[Any], affine: NDArray[np.float64], places_mm: NDArray[np.float64], order: int = 1
) -> NDArray[np.float32]:
    """Return a volume ``(X, Y, Z)`` at places ``(..., 3)``, RAS+ mm; 0 outside its voxels."""
    from scipy.ndimage import map_coordinates

    voxels = _moved(np.linalg.inv(affine), places_mm)
    last = np.array(volume.shape) - 1
    inside = ((voxels >= -_HALF) & (voxels <= last + _HALF)).all(axis=-1)
    within = np.clip(voxels[inside], 0, last).T  # the outer half of the outermost voxels, too
    sampled = np.zeros(inside.shape, np.float32)
    sampled[inside] = map_coordinates(volume.astype(np.float32), within, order=order, mode="nearest")
    return sampled
