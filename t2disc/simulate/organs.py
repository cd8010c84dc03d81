"""What a recipe puts around the spine of one person: organs of abdomen and pelvis, and the traces of an operation."""

from __future__ import annotations

import numpy as np

from t2disc.simulate.canvas import Canvas
from t2disc.simulate.findings import OrganRecipe
from t2disc.simulate.profile import CANAL_HALF_DEPTH_MM
from t2disc.simulate.recipe import BodyRecipe
from t2disc.simulate.shapes import Frame, Skeleton, Vector
from t2disc.simulate.tissues import Tissue


def paint_organs(canvas: Canvas, organs: tuple[OrganRecipe, ...]) -> None:
    """Paint ellipsoids in the order of the recipe, each a wall around its content, within what is body already."""
    for organ in organs:
        centre, radii = np.array(organ.centre_mm), np.array(organ.radii_mm)
        inner = tuple(float(max(radius - organ.wall_mm, 0.1)) for radius in radii)
        axes = _tilted(organ.tilt_deg)
        _paint_ellipsoid(canvas, centre, axes, organ.radii_mm, Tissue[organ.wall])
        _paint_ellipsoid(canvas, centre, axes, inner, Tissue[organ.content])


def paint_surgery(canvas: Canvas, skeleton: Skeleton, body: BodyRecipe) -> None:
    """Paint scar or fluid behind the sac, where the arches are missing."""
    surgery = body.surgery
    if surgery is None:
        return
    shape = skeleton.vertebra(surgery.vertebra)
    behind = sum(shape.half_depth_mm) / 2 + 2 * CANAL_HALF_DEPTH_MM + surgery.radii_mm[0]
    centre = shape.frame.origin_mm - behind * shape.frame.axes[0] - 8.0 * shape.frame.axes[2]
    tissue = Tissue.COLLECTION if surgery.is_fluid else Tissue.SCAR
    _paint_ellipsoid(canvas, centre, shape.frame.axes, surgery.radii_mm, tissue)


def _tilted(tilt_deg: float) -> Vector:
    c, s = np.cos(np.deg2rad(tilt_deg)), np.sin(np.deg2rad(tilt_deg))
    return np.array([[0.0, c, -s], [1.0, 0.0, 0.0], [0.0, s, c]])


def _paint_ellipsoid(
    canvas: Canvas, centre_mm: Vector, axes: Vector, radii_mm: tuple[float, ...], tissue: Tissue
) -> None:
    """Paint an ellipsoid with half axes (anterior, right, up) of its own frame; never outside the skin."""
    window = canvas.window(centre_mm, max(radii_mm))
    if window is None:
        return
    here = canvas.local(Frame(origin_mm=centre_mm, axes=axes, tilt_deg=0.0), window)
    u, v, w = (axis / np.float32(radius) for axis, radius in zip(here, radii_mm, strict=True))
    labels = canvas.labels[window]
    inside = (u * u + v * v + w * w < 1) & (labels != Tissue.SKIN) & (labels != Tissue.AIR)
    canvas.paint(window, inside, tissue)
