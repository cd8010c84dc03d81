"""The chain of vertebrae and discs in the body: built segment by segment, bent level by level."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from t2disc.simulate.recipe import BodyRecipe, DiscRecipe, PoseRecipe
from t2disc.simulate.scoliosis import bend_sideways
from t2disc.simulate.shapes import DiscShape, Frame, Skeleton, Vector, VertebraShape
from t2disc.simulate.tissues import EXTRA_LEVELS, Tissue, disc_tissues

# height, wedge (front higher), half depth above and below, half width: mm and degrees, adult of middle height
# Source: Zhou et al., Eur Spine J 2000 (lumbar bodies by CT); sacrum to the eye after sagittal MR.
_BODIES: dict[str, tuple[float, float, float, float, float]] = {
    "T7": (19.5, -4.0, 12.8, 13.2, 14.5),
    "T8": (20.3, -4.0, 13.2, 13.6, 15.0),
    "T9": (21.0, -4.0, 13.6, 14.0, 16.0),
    "T10": (22.0, -4.0, 14.0, 14.2, 17.0),
    "T11": (23.5, -4.0, 14.4, 14.8, 19.0),
    "T12": (25.0, -4.0, 15.0, 15.5, 20.5),
    "L1": (26.0, -3.0, 15.8, 16.2, 21.5),
    "L2": (27.0, -1.0, 16.4, 16.8, 22.5),
    "L3": (27.5, 1.0, 16.9, 17.2, 23.5),
    "L4": (27.5, 3.0, 17.2, 17.4, 24.5),
    "L5": (27.0, 8.0, 17.4, 17.0, 26.0),
    "L6": (26.5, 9.0, 17.2, 16.8, 27.0),
    "S1": (30.0, 4.0, 16.8, 11.5, 40.0),
    "S2": (25.0, -12.0, 11.2, 8.5, 36.0),
    "S3": (21.0, -14.0, 8.3, 7.0, 30.0),
    "S4": (18.0, -12.0, 6.8, 6.0, 24.0),
    "S5": (15.0, -10.0, 5.8, 4.5, 18.0),
}
_WEDGE_DEG = {
    "T7/T8": 1.0,
    "T8/T9": 1.0,
    "T9/T10": 1.0,
    "T10/T11": 1.0,
    "T11/T12": 1.0,
    "T12/L1": 2.0,
    "L1/L2": 4.0,
    "L2/L3": 6.0,
    "L3/L4": 8.0,
    "L4/L5": 11.0,
    "L5/S1": 15.0,
    "L5/L6": 11.0,
    "L6/S1": 14.0,
}
_LUMBAR = ("L5", "L4", "L3", "L2", "L1")
_THORACIC = ("T12", "T11", "T10", "T9", "T8", "T7")
_SACRUM = ("S1", "S2", "S3", "S4", "S5")
_SACRAL_DISC_MM = 2.6


def _frame(point: Vector, tilt_deg: float) -> Frame:
    c, s = np.cos(np.deg2rad(tilt_deg)), np.sin(np.deg2rad(tilt_deg))
    axes = np.array([[0.0, c, -s], [1.0, 0.0, 0.0], [0.0, s, c]])
    return Frame(origin_mm=point, axes=axes, tilt_deg=tilt_deg)


@dataclass(slots=True)
class _Walk:
    """A walk along the spine: each step turns half, goes on, and turns half again."""

    point: Vector
    tilt_deg: float
    upward: bool

    def step(self, length_mm: float, wedge_deg: float) -> Frame:
        """Walk through a segment whose front is higher by ``wedge_deg`` and return the frame at its middle."""
        turn = -wedge_deg if self.upward else wedge_deg
        middle = self.tilt_deg + turn / 2
        frame = _frame(self.point, middle)
        way = frame.axes[2] * (length_mm if self.upward else -length_mm)
        frame = _frame(self.point + way / 2, middle)
        self.point = self.point + way
        self.tilt_deg += turn
        return frame


def _vertebra(name: str, walk: _Walk, body: BodyRecipe) -> VertebraShape:
    height, wedge, above, below, width = _BODIES[name]
    size, bone = body.size, next((bone for bone in body.bones if bone.vertebra == name), None)
    if bone:
        height, wedge = height * bone.height, wedge + bone.wedge_deg
    frame = walk.step(height * size, wedge)
    return VertebraShape(
        name=name,
        frame=frame,
        half_depth_mm=(above * size, below * size),
        half_width_mm=width * size,
        height_mm=height * size,
        wedge_deg=wedge,
        bone=bone,
    )


def _disc(
    recipe: DiscRecipe | None, below: str, above: str, walk: _Walk, body: BodyRecipe, bend_deg: float
) -> DiscShape:
    """Walk through one disc; one without a recipe is a spare (above T12 or within the sacrum)."""
    level = f"{above}/{below}"
    is_well_formed_s1 = above == "S1" and body.s1_disc_mm > 0
    remnant = body.s1_disc_mm if is_well_formed_s1 else _SACRAL_DISC_MM
    height = recipe.height_mm if recipe else (6.5 if above.startswith("T") else remnant)
    scale = recipe.depth if recipe else 1.0
    is_full = recipe is not None or (body.is_detailed and (above.startswith("T") or is_well_formed_s1))
    half_depth = ((_BODIES[above][3] + _BODIES[below][2]) / 2 * body.size + (0.6 if is_full else -0.5)) * scale
    rim = 0.6 if is_full else -12.0  # sideways; sacral remnants stay within the bodies
    concavity = min(1.6, 0.14 * height)
    thinnest = height - 2 * concavity
    widest = np.rad2deg(np.arctan(0.6 * thinnest / half_depth))  # so that the back of the disc stays open
    wedge = float(np.clip(_WEDGE_DEG.get(level, 0.0) * body.lordosis - bend_deg, -widest, widest))
    frame = walk.step(thinnest, wedge)
    nucleus, annulus = disc_tissues(level) if recipe else (Tissue.SPARE_NP, Tissue.SPARE_AF)
    return DiscShape(
        level=level,
        frame=frame,
        half_depth_mm=half_depth,
        half_width_mm=((_BODIES[above][4] + _BODIES[below][4]) / 2 * body.size + rim) * scale,
        height_mm=height,
        concavity_mm=concavity,
        wedge_deg=wedge,
        bulge_mm=recipe.bulge_mm if recipe else 0.0,
        nucleus=nucleus,
        annulus=annulus if not (above.startswith("S") or below == "S2") else Tissue.SPARE_AF,
        recipe=recipe,
    )


def _chain(body: BodyRecipe, discs: dict[str, DiscRecipe], flexion: dict[str, float]) -> Skeleton:
    """Build the chain from the S1 endplate upwards and downwards, S1's endplate at the origin."""
    shapes: list[VertebraShape] = []
    gaps: list[DiscShape] = []
    walk = _Walk(np.zeros(3), body.sacral_slope_deg, upward=True)
    names = ("S1", *(("L6",) if body.n_lumbar == 6 else ()), *_LUMBAR, *_THORACIC[: body.n_thoracic])
    for below, above in pairwise(names):
        level = f"{above}/{below}"
        like = EXTRA_LEVELS.get(level, level)
        gaps.append(_disc(discs.get(like), below, above, walk, body, flexion.get(like, 0.0)))
        shapes.append(_vertebra(above, walk, body))
    shapes.reverse()
    gaps.reverse()
    walk = _Walk(np.zeros(3), body.sacral_slope_deg, upward=False)
    shapes.append(_vertebra(_SACRUM[0], walk, body))
    for above, below in pairwise(_SACRUM):
        gaps.append(_disc(None, below, above, walk, body, 0.0))
        shapes.append(_vertebra(below, walk, body))
    return Skeleton(vertebrae=tuple(shapes), discs=tuple(gaps))


def _moved(frame: Frame, turn: Vector, turn_deg: float, pivot: Vector) -> Frame:
    return Frame(
        origin_mm=turn @ (frame.origin_mm - pivot), axes=frame.axes @ turn.T, tilt_deg=frame.tilt_deg + turn_deg
    )


def _anchored(chain: Skeleton, tilt_deg: float) -> Skeleton:
    """Return the chain moved so that L3 is centred on the origin with the given tilt."""
    anchor = chain.vertebra("L3").frame
    angle = tilt_deg - anchor.tilt_deg
    c, s = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    turn = np.array([[1.0, 0.0, 0.0], [0.0, c, s], [0.0, -s, c]])
    return Skeleton(
        vertebrae=tuple(
            replace(shape, frame=_moved(shape.frame, turn, angle, anchor.origin_mm)) for shape in chain.vertebrae
        ),
        discs=tuple(replace(shape, frame=_moved(shape.frame, turn, angle, anchor.origin_mm)) for shape in chain.discs),
    )


def build_skeleton(body: BodyRecipe, discs: tuple[DiscRecipe, ...], pose: PoseRecipe) -> Skeleton:
    """Return the spine of one person in the posture of one visit.

    Flexion turns each motion segment about the middle of its disc; L3 keeps its place and tilt, so that the spine
    bends about its own middle as it does on a table.
    """
    known = {disc.level: disc for disc in discs}
    straight = _chain(body, known, {})
    bent = _chain(body, known, dict(pose.flexion_deg))
    upright = _anchored(bent, straight.vertebra("L3").frame.tilt_deg)
    return bend_sideways(upright, body) if body.scoliosis_deg else upright
