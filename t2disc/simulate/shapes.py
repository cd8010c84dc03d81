"""Shapes of bones and discs, each in a frame of its own, and the skeleton they make up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from t2disc.simulate.findings import BoneRecipe
from t2disc.simulate.recipe import DiscRecipe

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """Local axes: ``axes`` rows are anterior, right and up as unit vectors in body RAS."""

    origin_mm: Vector
    axes: Vector
    tilt_deg: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VertebraShape:
    """A vertebral body: half depth at its upper and lower end, half width, height at its centre, wedge angle."""

    name: str
    frame: Frame
    half_depth_mm: tuple[float, float]
    half_width_mm: float
    height_mm: float
    wedge_deg: float
    bone: BoneRecipe | None = None  # what is odd about it

    @property
    def is_sacral(self) -> bool:
        """Whether the body is part of the sacrum."""
        return self.name.startswith("S")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DiscShape:
    """A disc between two bodies; concave endplates make it higher at the centre than at the rim."""

    level: str
    frame: Frame
    half_depth_mm: float
    half_width_mm: float
    height_mm: float
    concavity_mm: float
    wedge_deg: float
    bulge_mm: float
    nucleus: int
    annulus: int
    recipe: DiscRecipe | None = None  # of a disc that has one: layers, findings
    lateral_wedge_deg: float = 0.0  # higher on the right

    @property
    def is_sacral(self) -> bool:
        """Whether the disc lies within the sacrum."""
        return self.level.startswith("S")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Skeleton:
    """All bodies and discs from superior to inferior, in body coordinates with the middle of L3 at the origin."""

    vertebrae: tuple[VertebraShape, ...]
    discs: tuple[DiscShape, ...]

    def vertebra(self, name: str) -> VertebraShape:
        """Return one vertebral body by its name."""
        return next(shape for shape in self.vertebrae if shape.name == name)
