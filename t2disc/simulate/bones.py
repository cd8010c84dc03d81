"""Vertebrae with endplates and posterior elements, and the discs between them, each painted in its own frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from t2disc.simulate.canvas import Canvas, Coordinates, rounded, superellipse
from t2disc.simulate.findings import BoneRecipe
from t2disc.simulate.lesions import paint_lesions, paint_spots
from t2disc.simulate.profile import CANAL_HALF_DEPTH_MM, SPINOUS_REACH_MM
from t2disc.simulate.shapes import DiscShape, Skeleton, VertebraShape
from t2disc.simulate.structures import Structure
from t2disc.simulate.tissues import Tissue

CORTEX_MM = 0.8
ENDPLATE_MM = 1.2  # bony and cartilaginous, with the chemical shift of marrow fat
LIGAMENT_MM = 1.3
NP_FRONT_BACK = 0.72  # of the disc's half depth; the analysis calls the middle 0.6 nucleus
NP_SIDEWAYS = 0.86  # of the disc's half width


def paint_bones(canvas: Canvas, skeleton: Skeleton, *, is_detailed: bool = False) -> None:
    """Paint bodies, posterior elements and discs; discs come last, so that nothing covers them."""
    for vertebra in skeleton.vertebrae:
        _paint_arch(canvas, vertebra)
    for vertebra in skeleton.vertebrae:
        _paint_body(canvas, vertebra)
    for disc in skeleton.discs:
        if is_detailed and disc.is_sacral:
            _paint_ala(canvas, disc)
        _paint_disc(canvas, disc)


def _structure(shape: VertebraShape) -> Structure:
    return Structure.SACRUM if shape.is_sacral else Structure.VERTEBRA


def _slope(wedge_deg: float) -> np.float32:
    return np.float32(np.tan(np.deg2rad(wedge_deg) / 2))


def _paint_body(canvas: Canvas, shape: VertebraShape) -> None:
    """A waisted body of marrow in a thin cortex, with the vein that leaves it backwards and its ligaments."""
    above, below = shape.half_depth_mm
    window = canvas.window(shape.frame.origin_mm, float(np.hypot(shape.half_width_mm + 6, shape.height_mm)))
    if window is None:
        return
    u, v, w = canvas.local(shape.frame, window)
    level = w / np.float32(shape.height_mm / 2)
    depth = np.float32((above + below) / 2) + np.clip(level, -1.5, 1.5) * np.float32((above - below) / 2)
    waist = np.float32(0.9) + np.float32(0.1) * level * level
    if shape.bone and shape.bone.spur:
        ends = np.minimum(level * level, np.float32(1)) ** 4
        waist = np.asarray(waist + np.float32(shape.bone.spur) * ends, np.float32)
    u_n, v_n = np.abs(u) / (depth * waist), np.abs(v) / (np.float32(shape.half_width_mm) * waist)
    outline = np.where(u > 0, rounded(u_n) + rounded(v_n), superellipse(u_n, v_n))
    tall = np.abs(w) < np.float32(shape.height_mm / 2) + u * _slope(shape.wedge_deg)
    half = float(above + below) / 2
    canvas.paint(window, tall & (outline < (1 + LIGAMENT_MM / half) ** 3), Tissue.LIGAMENT)
    canvas.paint(window, tall & (outline < 1), Tissue.CORTEX, _structure(shape))
    canvas.paint(window, tall & (outline < (1 - CORTEX_MM / half) ** 3), Tissue.MARROW, _structure(shape))
    vein = (np.abs(w) < 1.3 - np.float32(0.05) * (u + np.float32(half))) & (np.abs(v) < 5) & (u < -0.45 * half)
    if not shape.is_sacral:
        canvas.paint(window, vein & (outline < 1), Tissue.SLOW_BLOOD, Structure.VERTEBRA)
    paint_spots(canvas, window, (u, v, w), shape)


def _paint_ala(canvas: Canvas, shape: DiscShape) -> None:
    """Bone that joins the sacral bodies beside the remnant of the disc between them."""
    window = canvas.window(shape.frame.origin_mm, shape.half_width_mm + 22)
    if window is None:
        return
    u, v, w = canvas.local(shape.frame, window)
    half = np.float32(shape.height_mm / 2 + 1.5) + np.abs(u * _slope(shape.wedge_deg))
    beside = np.abs(v) - np.float32(shape.half_width_mm)
    depth = np.float32(shape.half_depth_mm) * np.sqrt(np.maximum(1 - (beside / np.float32(14)) ** 2, 0))
    ala = (np.abs(w) < half) & (beside > -6) & (np.abs(u) < depth)
    canvas.paint(window, ala, Tissue.MARROW, Structure.SACRUM)


def _paint_disc(canvas: Canvas, shape: DiscShape) -> None:
    """Endplates, outer ligament, annulus, nucleus."""
    window = canvas.window(shape.frame.origin_mm, float(np.hypot(shape.half_width_mm + 6, 24)))
    if window is None:
        return
    here = canvas.local(shape.frame, window)
    outline, front_back = _disc_outline(shape, here)
    u, v, w = here
    dome = np.maximum(1 - outline, 0) * np.float32(shape.concavity_mm)
    half = np.float32(shape.height_mm / 2 - shape.concavity_mm) + u * _slope(shape.wedge_deg) + dome
    if shape.lateral_wedge_deg:
        half = half + v * _slope(shape.lateral_wedge_deg)
    away = np.abs(w)
    rim = 1 + LIGAMENT_MM / shape.half_depth_mm
    if shape.recipe and shape.recipe.depth < 1:  # fibres fill the space around a rudimentary disc
        rim = max(rim, 1 / shape.recipe.depth)
    endplate_mm = shape.recipe.endplate_mm if shape.recipe else ENDPLATE_MM
    canvas.paint(window, (away < half + endplate_mm) & (outline < 1) & (away > half), Tissue.ENDPLATE)
    canvas.paint(window, (away < half + 0.5) & (outline < rim**3) & (outline >= 1), Tissue.LIGAMENT)
    inside = (away < half) & (outline < 1)
    structure = Structure.SACRUM if shape.is_sacral else Structure.DISC
    canvas.paint(window, inside, shape.annulus, structure)
    if shape.nucleus != shape.annulus:
        wide = np.abs(v) < np.float32(NP_SIDEWAYS * shape.half_width_mm)
        along = np.clip(front_back / np.float32(NP_FRONT_BACK), -2, 2)
        across = np.minimum(away / np.maximum(half, 0.1), 2)
        lens = superellipse(along * along, (across * across) ** 2)  # a box with rounded corners
        canvas.paint(window, inside & wide & (lens < 1), shape.nucleus, structure)
    if shape.recipe:
        paint_lesions(canvas, window, here, half, outline, shape)


def _disc_outline(shape: DiscShape, here: Coordinates) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the outline function (1 at the edge) and the place between back (-1) and front (1) of the disc."""
    u, v, w = here
    sideways = np.asarray(np.abs(v) / np.float32(shape.half_width_mm), np.float32)
    bulge = np.float32(shape.bulge_mm) * np.maximum(1 - (w / np.float32(shape.height_mm / 2)) ** 2, 0)
    bulge = bulge * np.maximum(1 - np.float32(1.4) * sideways * sideways, 0)
    centred = u + bulge / 2
    depth = np.float32(shape.half_depth_mm) + bulge / 2
    u_n = np.asarray(np.abs(centred) / depth, np.float32)
    outline = np.where(centred > 0, rounded(u_n) + rounded(sideways), superellipse(u_n, sideways))
    front = np.maximum(1 - rounded(sideways), 1e-3) ** np.float32(0.4)
    back = np.sqrt(np.sqrt(np.maximum(1 - superellipse(sideways, np.zeros_like(sideways)), 1e-3)))
    return outline, centred / (depth * np.where(centred > 0, front, back))


def _paint_arch(canvas: Canvas, shape: VertebraShape) -> None:
    """Pedicles, articular processes, laminae and spinous process behind a body, and the roots in the foramina."""
    half = sum(shape.half_depth_mm) / 2
    back = half + 2 * CANAL_HALF_DEPTH_MM + 2.0  # behind the canal
    reach = SPINOUS_REACH_MM[shape.name[0]]
    bone = shape.bone or BoneRecipe(vertebra=shape.name)
    window = canvas.window(shape.frame.origin_mm - (back + 8) * shape.frame.axes[0], 46.0)
    if window is None:
        return
    here = canvas.local(shape.frame, window)
    if shape.is_sacral:
        size_mm = (4.0, 24.0, shape.height_mm * 0.52)
        _paint_block(canvas, window, here, (-back - 2, 0, -2), size_mm, 0.0, Structure.SACRUM)
        return
    for side in (-1.0, 1.0):
        _paint_root(canvas, window, here, side, half, shape.height_mm)
        _paint_block(canvas, window, here, (-half - 8, side * 15.5, 5.5), (10.0, 4.5, 7.0), 0.0)
        _paint_block(canvas, window, here, (-back - 1, side * 17.5, 2.0), (5.5, 7.0, 13.0), -0.25)
        _paint_block(canvas, window, here, (-back - 5, side * 18.0, -14.5), (4.5, 6.0, 11.0), -0.25)
    if not bone.has_arch:
        return
    _paint_block(canvas, window, here, (-back - 3, 0, -6.0), (3.6, 13.0, 9.0), -0.2)
    _paint_block(canvas, window, here, (-back - reach / 2, 0, -9.0), (reach / 2, 4.2, 9.5), 0.22)


def _paint_root(
    canvas: Canvas, window: tuple[slice, slice], here: Coordinates, side: float, half: float, height_mm: float
) -> None:
    """The root ganglion in the fat of the foramen, below the pedicle."""
    if _misses(here[1], side * 16, 9.0):
        return
    u, v, w = here
    beside = np.abs(v - np.float32(side * 16)) < 9
    foramen = (u < -half) & (u > -half - 13) & (np.abs(w + np.float32(height_mm / 2 - 4)) < 13)
    canvas.paint(window, beside & foramen, Tissue.FAT)
    ganglion = ((u + np.float32(half + 6)) / 3.0) ** 2 + ((w + np.float32(height_mm / 2 - 4)) / 4.0) ** 2 < 1
    canvas.paint(window, beside & ganglion, Tissue.NERVE)


def _misses(right: NDArray[np.float32], centre_mm: float, half_width_mm: float) -> bool:
    """Return whether all samples lie beside a block; coordinates are linear, so the corners tell."""
    corners = right[[0, 0, -1, -1], [0, -1, 0, -1]] - centre_mm
    return bool((corners > half_width_mm + 0.01).all() or (corners < -half_width_mm - 0.01).all())


def _paint_block(
    canvas: Canvas,
    window: tuple[slice, slice],
    here: Coordinates,
    centre_mm: tuple[float, float, float],
    half_size_mm: tuple[float, float, float],
    lean: float,
    structure: Structure = Structure.VERTEBRA,
) -> None:
    """A block of bone with rounded edges: marrow within a cortex; ``lean`` raises its front per mm."""
    if _misses(here[1], centre_mm[1], half_size_mm[1]):
        return
    u, v, w = (axis - np.float32(middle) for axis, middle in zip(here, centre_mm, strict=True))
    w = w - np.float32(lean) * u
    depth, width, height = (np.float32(size) for size in half_size_mm)
    shape = superellipse(u / depth, v / width) + superellipse(w / height, np.zeros_like(w))
    thinnest = float(min(half_size_mm))
    canvas.paint(window, shape < 1, Tissue.CORTEX, structure)
    canvas.paint(window, shape < (1 - CORTEX_MM / thinnest) ** 4, Tissue.MARROW, structure)
