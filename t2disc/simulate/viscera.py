"""Random organs in front of the spine and beside it: what a network must not take for discs."""

from __future__ import annotations

import numpy as np

from t2disc.simulate.findings import OrganRecipe

_CONTENTS = ("BOWEL", "BOWEL", "BOWEL_FLUID", "AIR", "ORGAN", "FAT", "FAT")
_BOWEL_FRONT_MM = 34.0  # nearest centre of a loop to the middle of L3


def draw_organs(rng: np.random.Generator, belly_mm: float) -> tuple[OrganRecipe, ...]:
    """Draw kidneys, hip bones, lobes of liver or spleen, loops of bowel, and what lies in the pelvis."""
    return (*_draw_beside(rng), *_draw_lobes(rng), *_draw_bowel(rng, belly_mm), *_draw_pelvis(rng))


def _draw_beside(rng: np.random.Generator) -> list[OrganRecipe]:
    """Kidneys and iliac bones."""
    organs = []
    for side in (-1, 1):
        kidney = (side * rng.uniform(48, 62), rng.uniform(-28, 0), rng.uniform(10, 60))
        size = (rng.uniform(20, 28), rng.uniform(20, 27), rng.uniform(45, 58))
        organs.append(_organ(kidney, size, "ORGAN", "FAT", 0.5))
        organs.append(_organ(kidney, tuple(0.35 * axis for axis in size), "BOWEL_FLUID", "FAT", 2.0))
        hip = (side * rng.uniform(58, 68), rng.uniform(-50, -25), rng.uniform(-125, -95))
        organs.append(_organ(hip, (rng.uniform(38, 50), rng.uniform(10, 16), 45.0), "MARROW", "CORTEX", 1.2, tilt=30.0))
    return organs


def _draw_lobes(rng: np.random.Generator) -> list[OrganRecipe]:
    organs = []
    for _ in range(int(rng.integers(0, 4))):
        centre = (rng.uniform(-70, 70), rng.uniform(45, 100), rng.uniform(60, 190))
        organs.append(_organ(centre, tuple(rng.uniform(25, 65, 3)), "ORGAN", "FAT", 1.0))
    return organs


def _draw_bowel(rng: np.random.Generator, belly_mm: float) -> list[OrganRecipe]:
    """Loops of bowel, round or flat, stacked as they are; some flat ones lie like a pile of discs."""
    organs = []
    for _ in range(int(rng.integers(25, 90))):
        centre = (
            rng.uniform(-75, 75),
            rng.uniform(_BOWEL_FRONT_MM, max(belly_mm - 35, 45)),
            rng.uniform(-150, 170),
        )
        radii = rng.uniform(6, 22, 3)
        if rng.random() < 0.3:
            radii[2] = rng.uniform(3, 7)
        content = str(rng.choice(_CONTENTS))
        organs.append(_organ(centre, tuple(radii), content, "BOWEL", rng.uniform(0.5, 3), tilt=rng.uniform(-60, 60)))
    return organs


def _draw_pelvis(rng: np.random.Generator) -> list[OrganRecipe]:
    """Bladder, uterus or prostate, rectum, cysts; below and in front of the sacrum."""
    organs = []
    bladder = (rng.uniform(-6, 6), rng.uniform(45, 80), rng.uniform(-185, -140))
    organs.append(_organ(bladder, tuple(rng.uniform(12, 42, 3)), "BLADDER", "MUSCLE", rng.uniform(2, 5)))
    if rng.random() < 0.5:
        uterus = (rng.uniform(-8, 8), rng.uniform(10, 50), rng.uniform(-165, -125))
        size = (rng.uniform(20, 35), 25, rng.uniform(15, 28))
        organs.append(_organ(uterus, size, "UTERUS", "MUSCLE", 6.0, tilt=rng.uniform(-60, 60)))
    rectum = (rng.uniform(-8, 8), rng.uniform(-25, 5), rng.uniform(-190, -160))
    content = str(rng.choice(["AIR", "BOWEL", "BOWEL_FLUID"]))
    organs.append(_organ(rectum, (rng.uniform(10, 20), 18, rng.uniform(20, 45)), content, "MUSCLE", 3.0))
    if rng.random() < 0.25:
        cyst = (rng.uniform(-40, 40), rng.uniform(20, 60), rng.uniform(-150, 80))
        organs.append(_organ(cyst, tuple(rng.uniform(8, 25, 3)), "COLLECTION", "LIGAMENT", 1.0))
    return organs


def _organ(
    centre: tuple[float, ...],
    radii: tuple[float, ...],
    content: str,
    wall: str,
    wall_mm: float,
    *,
    tilt: float = 0.0,
) -> OrganRecipe:
    right, anterior, up = (float(value) for value in centre)
    depth, width, height = (float(value) for value in radii)
    return OrganRecipe(
        centre_mm=(right, anterior, up),
        radii_mm=(depth, width, height),
        content=content,
        wall=wall,
        wall_mm=float(wall_mm),
        tilt_deg=float(tilt),
    )
