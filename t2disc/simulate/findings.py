"""Recipes of what goes wrong in spines: nodes, marrow changes, broken and operated vertebrae, and organs in front."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SchmorlRecipe:
    """A Schmorl node: disc tissue that has broken through an endplate into the body."""

    is_upward: bool  # into the body above the disc, or below
    forward: float = 0.0  # of the half depth: -1 at the back of the disc, 1 at its front
    right_mm: float = 0.0
    depth_mm: float = 4.0  # into the body
    radius_mm: float = 4.0  # along the endplate


@dataclass(frozen=True, slots=True, kw_only=True)
class ModicRecipe:
    """A band of changed marrow along an endplate. Source: Modic et al., Radiology 1988 (types 1 to 3)."""

    is_above: bool  # in the body above the disc, or below
    kind: int  # 1 oedema, 2 fat, 3 sclerosis
    height_mm: float = 7.0
    forward: float = 0.0  # centre of the band, of the half depth
    half_length: float = 0.8  # of the half depth


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotRecipe:
    """A round spot in the marrow of a body, as a haemangioma."""

    centre: tuple[float, float, float] = (0.0, 0.0, 0.0)  # anterior, right, up, of half depth, width, height
    radius_mm: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BoneRecipe:
    """What is odd about one vertebra."""

    vertebra: str  # L1
    height: float = 1.0  # of its full height: below 1 when compressed
    wedge_deg: float = 0.0  # more height in front; negative for a wedge fracture
    has_arch: bool = True  # laminae and spinous process; cut away at laminectomy
    spur: float = 0.0  # osteophytes at both ends, of the half depth
    spots: tuple[SpotRecipe, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SurgeryRecipe:
    """What a laminectomy leaves behind the sac: scar, or a collection of fluid."""

    vertebra: str  # in the middle of the field operated on
    is_fluid: bool = False
    radii_mm: tuple[float, float, float] = (14.0, 12.0, 30.0)  # anterior, right, up


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganRecipe:
    """An ellipsoid in abdomen or pelvis: a wall around a content, both by the name of a tissue."""

    centre_mm: tuple[float, float, float]  # right, anterior, up in the body
    radii_mm: tuple[float, float, float]
    content: str  # BOWEL_FLUID
    wall: str = "BOWEL"
    wall_mm: float = 2.0
    tilt_deg: float = 0.0  # about the right axis
