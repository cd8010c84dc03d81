"""Random people: bodies and discs as different as a hospital's, from healthy to operated on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from t2disc.model.levels import LEVELS
from t2disc.simulate.draws import chance, log_uniform, uniform
from t2disc.simulate.findings import BoneRecipe, ModicRecipe, SchmorlRecipe, SpotRecipe, SurgeryRecipe
from t2disc.simulate.recipe import BodyRecipe, DiscRecipe, graded_disc
from t2disc.simulate.viscera import draw_organs

_LUMBAR = ("L1", "L2", "L3", "L4", "L5")
_ALL = ("T11", "T12", *_LUMBAR)
_SPREAD: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    # T1 ms, T2 ms, proton density: the range that a person's value is drawn from
    "FAT": ((280.0, 450.0), (60.0, 180.0), (0.55, 1.0)),
    "MUSCLE": ((1000.0, 1600.0), (26.0, 50.0), (0.5, 0.95)),
    "MARROW": ((400.0, 1000.0), (40.0, 130.0), (0.3, 0.8)),
    "CORTEX": ((500.0, 501.0), (2.0, 10.0), (0.05, 0.2)),
    "ENDPLATE": ((700.0, 701.0), (2.0, 12.0), (0.05, 0.25)),
    "LIGAMENT": ((700.0, 1100.0), (6.0, 25.0), (0.15, 0.45)),
    "CSF": ((3000.0, 4500.0), (300.0, 1800.0), (0.7, 1.0)),
    "CORD": ((850.0, 1100.0), (60.0, 95.0), (0.65, 0.9)),
    "NERVE": ((850.0, 1100.0), (50.0, 95.0), (0.5, 0.9)),
    "FLOWING_BLOOD": ((1500.0, 2000.0), (40.0, 250.0), (0.02, 0.9)),
    "SLOW_BLOOD": ((1500.0, 2000.0), (70.0, 250.0), (0.4, 0.95)),
    "BOWEL": ((900.0, 1500.0), (35.0, 90.0), (0.4, 0.9)),
    "BOWEL_FLUID": ((2000.0, 3500.0), (150.0, 700.0), (0.6, 1.0)),
    "ORGAN": ((600.0, 1200.0), (25.0, 80.0), (0.5, 0.9)),
    "SPARE_NP": ((1000.0, 1500.0), (35.0, 180.0), (0.5, 0.95)),
    "SPARE_AF": ((800.0, 1200.0), (25.0, 60.0), (0.3, 0.75)),
    "OEDEMA": ((900.0, 1400.0), (90.0, 170.0), (0.65, 0.95)),
    "FATTY_MARROW": ((350.0, 500.0), (80.0, 140.0), (0.65, 1.0)),
    "SCLEROSIS": ((700.0, 1100.0), (12.0, 40.0), (0.1, 0.35)),
    "HAEMANGIOMA": ((400.0, 900.0), (110.0, 200.0), (0.7, 1.0)),
    "SCAR": ((900.0, 1300.0), (30.0, 70.0), (0.4, 0.8)),
    "COLLECTION": ((2500.0, 4000.0), (300.0, 1200.0), (0.8, 1.0)),
    "BLADDER": ((3000.0, 4000.0), (600.0, 1500.0), (0.85, 1.0)),
    "UTERUS": ((1000.0, 1500.0), (50.0, 110.0), (0.6, 0.95)),
}


def draw_body(rng: np.random.Generator, *, is_plain: bool = False, scoliosis_deg: float = 35.0) -> BodyRecipe:
    """Draw a person; a plain one has five lumbar vertebrae, none of them broken or operated on."""
    surgery, cut = (None, ()) if is_plain else _draw_surgery(rng)
    variant = 5 if is_plain else int(rng.choice([5, 5, 5, 5, 5, 5, 5, 5, 5, 6]))
    belly_mm = uniform(rng, 75, 160)
    slope_deg = uniform(rng, 20, 60)
    return BodyRecipe(
        seed=int(rng.integers(2**31)),
        size=uniform(rng, 0.85, 1.15),
        sacral_slope_deg=slope_deg,
        lordosis=_draw_lordosis(rng, slope_deg),
        fat_mm=uniform(rng, 5, 50),
        belly_mm=belly_mm,
        sac=uniform(rng, 0.7, 1.12),
        sac_end_mm=uniform(rng, -25, 25),
        conus_mm=uniform(rng, -25, 25),
        muscle_fat=float(rng.beta(1.2, 3.0)),
        scoliosis_deg=_draw_curve(rng, scoliosis_deg),
        scoliosis_apex=str(rng.choice(["T12", "L1", "L2", "L3"])),
        is_detailed=True,
        n_thoracic=6,
        n_lumbar=variant,
        s1_disc_mm=0.0 if is_plain or chance(rng, 0.93) else uniform(rng, 5, 8),
        bones=_draw_bones(rng, cut, is_plain=is_plain),
        surgery=surgery,
        organs=draw_organs(rng, belly_mm),
        tissues=_draw_tissues(rng),
    )


def _draw_lordosis(rng: np.random.Generator, slope_deg: float) -> float:
    """Draw a curve that brings the thoracic spine over the sacrum: L1 leans back by 0 to 26 degrees.

    Source: lordosis follows the sacral slope, Roussouly et al., Spine 2005.
    """
    return float(np.clip((slope_deg + rng.uniform(0, 26) - 8.0) / 44.0, 0.3, 1.7))


def _draw_curve(rng: np.random.Generator, most_deg: float) -> float:
    """Draw a Cobb angle: straight in half of the people, slight in most others."""
    size, sign = uniform(rng, 0, 1), 1.0 if chance(rng, 0.5) else -1.0
    return 0.0 if size < 0.5 else sign * most_deg * (2 * size - 1) ** 1.3


def _draw_tissues(rng: np.random.Generator) -> tuple[tuple[str, float, float, float], ...]:
    drawn = []
    for name, spread in _SPREAD.items():
        t1_ms, t2_ms, density = (log_uniform(rng, low, high) for low, high in spread)
        drawn.append((name, t1_ms, t2_ms, density))
    return tuple(drawn)


def _draw_surgery(rng: np.random.Generator) -> tuple[SurgeryRecipe | None, tuple[str, ...]]:
    """Draw an operation in one person of ten, and the vertebrae that lost their arches."""
    if chance(rng, 0.9):
        return None, ()
    count = int(rng.integers(1, 4))
    last = int(rng.integers(2, 5))
    cut = _LUMBAR[max(last - count + 1, 0) : last + 1]
    radii = (uniform(rng, 6, 18), uniform(rng, 8, 18), uniform(rng, 12, 14 + 14 * count))
    middle = cut[len(cut) // 2]
    return SurgeryRecipe(vertebra=middle, is_fluid=chance(rng, 0.5), radii_mm=radii), cut


def _draw_bones(rng: np.random.Generator, cut: tuple[str, ...], *, is_plain: bool) -> tuple[BoneRecipe, ...]:
    """Draw what is odd about vertebrae: natural variety in all, fractures and haemangiomas in some."""
    bones = []
    for name in (*_ALL, "L6", "S1"):
        height, wedge_deg = uniform(rng, 0.93, 1.07), uniform(rng, -1.5, 1.5)
        if not is_plain and chance(rng, 0.03) and name != "S1":
            height, wedge_deg = height * uniform(rng, 0.55, 0.85), uniform(rng, -14, 3)
        spots: tuple[SpotRecipe, ...] = ()
        if chance(rng, 0.06):
            centre = (uniform(rng, -0.6, 0.6), uniform(rng, -0.5, 0.5), uniform(rng, -0.5, 0.5))
            spots = (SpotRecipe(centre=centre, radius_mm=uniform(rng, 3, 9)),)
        bones.append(
            BoneRecipe(
                vertebra=name,
                height=height,
                wedge_deg=wedge_deg,
                has_arch=name not in cut,
                spur=max(uniform(rng, -0.15, 0.13), 0.0),
                spots=spots,
            )
        )
    return tuple(bones)


def draw_discs(rng: np.random.Generator, *, is_plain: bool = False) -> tuple[DiscRecipe, ...]:
    """Draw the discs of T12/L1 to L5/S1, each for itself; plain ones are never fused or rudimentary."""
    endplate_mm = uniform(rng, 0.6, 1.8)
    cartilage_mm = min(uniform(rng, 0, 0.6), endplate_mm)
    wear = uniform(rng, 0, 1)  # of the person: discs of one back resemble each other
    discs = []
    for level in LEVELS:
        disc = _draw_disc(rng, level, wear)
        disc = replace(disc, endplate_mm=endplate_mm, cartilage_mm=min(cartilage_mm, disc.height_mm / 8))
        if not is_plain and chance(rng, 0.025):
            disc = replace(disc, is_fused=True, height_mm=uniform(rng, 3, 6), bulge_mm=0.0, schmorl=())
        discs.append(disc)
    if not is_plain and chance(rng, 0.06):  # sacralised L5
        discs[-1] = replace(
            discs[-1], height_mm=uniform(rng, 3, 5), depth=uniform(rng, 0.45, 0.8), bulge_mm=0.0, schmorl=(), modic=()
        )
    return tuple(discs)


def _draw_disc(rng: np.random.Generator, level: str, wear: float) -> DiscRecipe:
    """Draw one disc; worn ones are darker, lower and bulge, with nodes and changed marrow beside them."""
    worn = float(np.clip(rng.normal(wear + 0.12 * (level in LEVELS[-2:]), 0.28), 0, 1))
    healthy = graded_disc(level, 2)
    full_mm = healthy.height_mm * uniform(rng, 0.8, 1.25)
    t2_np_ms = float(np.exp(np.log(200) + (np.log(38) - np.log(200)) * worn) * rng.uniform(0.85, 1.15))
    t2_af_ms = min(uniform(rng, 28, 62), t2_np_ms)
    narrow = worn > 0.6 and chance(rng, 0.4)
    height_mm = uniform(rng, 3, 6) if narrow else full_mm * (1 - 0.3 * worn * uniform(rng, 0.3, 1))
    return DiscRecipe(
        level=level,
        t2_np_ms=round(t2_np_ms, 1),
        t2_af_ms=round(t2_af_ms, 1),
        height_mm=float(np.clip(height_mm, 3.0, 16.0)),
        bulge_mm=uniform(rng, 0, 1) + (uniform(rng, 0, 5.5) if chance(rng, 0.15 + 0.45 * worn) else 0.0),
        cleft_mm=uniform(rng, 0.8, 2.2) if worn < 0.6 and chance(rng, 0.5) else 0.0,
        schmorl=_draw_nodes(rng),
        modic=_draw_modic(rng, worn),
    )


def _draw_nodes(rng: np.random.Generator) -> tuple[SchmorlRecipe, ...]:
    count = int(rng.choice([0, 0, 0, 0, 0, 0, 0, 0, 1, 2]))
    return tuple(
        SchmorlRecipe(
            is_upward=chance(rng, 0.5),
            forward=uniform(rng, -0.6, 0.5),
            right_mm=uniform(rng, -12, 12),
            depth_mm=uniform(rng, 3, 6),
            radius_mm=uniform(rng, 3, 7),
        )
        for _ in range(count)
    )


def _draw_modic(rng: np.random.Generator, worn: float) -> tuple[ModicRecipe, ...]:
    if not chance(rng, 0.04 + 0.2 * worn):
        return ()
    kind, sides = int(rng.integers(1, 4)), ((True, False), (True,), (False,))[int(rng.integers(3))]
    forward, half_length = uniform(rng, -0.7, 0.7), uniform(rng, 0.4, 1.1)
    return tuple(
        ModicRecipe(
            is_above=is_above,
            kind=kind,
            height_mm=uniform(rng, 3, 13),
            forward=forward,
            half_length=half_length,
        )
        for is_above in sides
    )
