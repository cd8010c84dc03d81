"""What ails discs and bodies: dark layers, clefts, fusion, Schmorl nodes, changed marrow; painted over the healthy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from t2disc.simulate.canvas import Canvas, Coordinates, Window
from t2disc.simulate.findings import ModicRecipe, SchmorlRecipe
from t2disc.simulate.recipe import DiscRecipe
from t2disc.simulate.shapes import DiscShape, VertebraShape
from t2disc.simulate.structures import Structure
from t2disc.simulate.tissues import Tissue, cartilage_tissue

_MODIC = {1: Tissue.OEDEMA, 2: Tissue.FATTY_MARROW, 3: Tissue.SCLEROSIS}
_RIM_MM = 1.0  # of sclerotic bone around a Schmorl node
_SEAM_MM = 0.7  # half of the dark line that a fused disc leaves
_Field = NDArray[np.float32]


def paint_spots(canvas: Canvas, window: Window, here: Coordinates, shape: VertebraShape) -> None:
    """Paint the round spots in the marrow of a body."""
    for spot in shape.bone.spots if shape.bone else ():
        size = (sum(shape.half_depth_mm) / 2, shape.half_width_mm, shape.height_mm / 2)
        u, v, w = (axis - np.float32(place * half) for axis, place, half in zip(here, spot.centre, size, strict=True))
        canvas.replace(window, u * u + v * v + w * w < spot.radius_mm**2, Tissue.MARROW, Tissue.HAEMANGIOMA)


def paint_lesions(
    canvas: Canvas, window: Window, here: Coordinates, half: _Field, outline: _Field, shape: DiscShape
) -> None:
    """Paint all findings of one disc; ``half`` is its half height and ``outline`` is 1 at its edge, in a window."""
    recipe = shape.recipe
    if recipe is None:
        return
    for modic in recipe.modic:
        _paint_modic(canvas, window, here, half + np.float32(recipe.endplate_mm), modic, shape)
    if recipe.is_fused:
        _paint_fusion(canvas, window, here, half + np.float32(recipe.endplate_mm), outline, shape)
        return
    _paint_layers(canvas, window, here[2], half, outline, shape, recipe)
    for node in recipe.schmorl:
        _paint_node(canvas, window, here, half, node, shape)


def _paint_layers(
    canvas: Canvas, window: Window, w: _Field, half: _Field, outline: _Field, shape: DiscShape, recipe: DiscRecipe
) -> None:
    """Paint the cartilaginous endplates within the disc, and the dark cleft in the middle of its nucleus."""
    away = np.abs(w)
    if recipe.cleft_mm:
        canvas.replace(window, away < recipe.cleft_mm / 2, shape.nucleus, shape.annulus)
    if recipe.cartilage_mm:
        layer = (away < half) & (away > half - np.float32(recipe.cartilage_mm)) & (outline < 1)
        canvas.paint(window, layer, cartilage_tissue(shape.level), Structure.DISC)


def _paint_node(
    canvas: Canvas, window: Window, here: Coordinates, half: _Field, node: SchmorlRecipe, shape: DiscShape
) -> None:
    """Paint a half ellipsoid of nucleus beyond the endplate, and sclerotic bone around it."""
    u, v, w = here
    beyond = (w if node.is_upward else -w) - half
    across = (u - np.float32(node.forward * shape.half_depth_mm)) ** 2 + (v - np.float32(node.right_mm)) ** 2
    for rim_mm, tissue, structure in (
        (_RIM_MM, Tissue.ENDPLATE, Structure.BACKGROUND),
        (0.0, shape.nucleus, Structure.DISC),
    ):
        radius, depth = np.float32(node.radius_mm + rim_mm), np.float32(node.depth_mm + rim_mm)
        inside = (beyond >= 0) & (across / radius**2 + (beyond / depth) ** 2 < 1)
        canvas.paint(window, inside, tissue, structure)
    opening = (np.abs(beyond + 0.5) <= 0.6) & (across < (0.8 * node.radius_mm) ** 2)
    canvas.paint(window, opening, shape.nucleus, Structure.DISC)


def _paint_modic(
    canvas: Canvas, window: Window, here: Coordinates, edge: _Field, modic: ModicRecipe, shape: DiscShape
) -> None:
    """Change the marrow of a body within an arch over its endplate."""
    u, _, w = here
    beyond = (w if modic.is_above else -w) - edge
    along = (u / np.float32(shape.half_depth_mm) - np.float32(modic.forward)) / np.float32(modic.half_length)
    inside = (beyond > -1) & (beyond < np.float32(modic.height_mm) * (1 - along * along))
    canvas.replace(window, inside, Tissue.MARROW, _MODIC[modic.kind])


def _paint_fusion(
    canvas: Canvas, window: Window, here: Coordinates, edge: _Field, outline: _Field, shape: DiscShape
) -> None:
    """Paint marrow through the disc space and a dark seam in the back half of its middle."""
    u, _, w = here
    space = np.abs(w) < edge + np.float32(0.3)
    below = Structure.SACRUM if shape.level.endswith("S1") else Structure.VERTEBRA
    for side, structure in ((w >= 0, Structure.VERTEBRA), (w < 0, below)):
        canvas.paint(window, space & side & (outline < 1), Tissue.CORTEX, structure)
        canvas.paint(window, space & side & (outline < 0.93), Tissue.MARROW, structure)
    seam = (np.abs(w) < _SEAM_MM) & (outline < 0.9) & (u < np.float32(0.2 * shape.half_depth_mm))
    canvas.paint(window, seam, Tissue.ENDPLATE)
