"""Tissues of the simulated body: number, relaxation times and proton density."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from t2disc.model.levels import LEVELS
from t2disc.simulate.recipe import BodyRecipe, DiscRecipe


class Tissue(IntEnum):
    """Values of the sample labels; from FIRST_DISC on, NP and AF of each level in turn, then what not everyone has."""

    AIR = 0
    FAT = 1
    MUSCLE = 2
    MARROW = 3
    CORTEX = 4
    ENDPLATE = 5
    LIGAMENT = 6
    CSF = 7
    CORD = 8
    NERVE = 9
    FLOWING_BLOOD = 10
    SLOW_BLOOD = 11
    BOWEL = 12
    BOWEL_FLUID = 13
    ORGAN = 14
    SKIN = 15
    SPARE_NP = 16  # T11/T12, which nobody measures
    SPARE_AF = 17  # the same, and what is left of the sacral discs
    FIRST_DISC = 18
    FIRST_EXTRA_DISC = 30  # NP and AF of L5/L6 and L6/S1
    FIRST_CARTILAGE = 34  # of each level, then of the extra discs
    OEDEMA = 42  # Modic 1
    FATTY_MARROW = 43  # Modic 2
    SCLEROSIS = 44  # Modic 3
    HAEMANGIOMA = 45
    SCAR = 46
    COLLECTION = 47
    BLADDER = 48
    UTERUS = 49


EXTRA_LEVELS = {"L5/L6": "L4/L5", "L6/S1": "L5/S1"}
"""Discs of a sixth lumbar vertebra, which have no place in LEVELS, and the level whose recipe each takes."""

N_TISSUES = 50

# T1 ms, T2 ms, proton density (water = 1), texture (relative SD of the proton density within the tissue)
# Sources, at 3 T: fat, muscle, fluid Gold et al., AJR 2004; vertebral marrow, liver, fat de Bazelaire et al., Radiology
# 2004 (marrow between its 49 ms and Gold's 133 ms of fatty marrow); cord, blood Stanisz et al., Magn Reson Med 2005;
# CSF Spijkerman et al., MAGMA 2018; cortical bone and ligaments have T2 below or near the first echo time.
_PROPERTIES: dict[Tissue, tuple[float, float, float, float]] = {
    Tissue.AIR: (1000.0, 100.0, 0.0, 0.0),
    Tissue.FAT: (380.0, 105.0, 0.85, 0.06),
    Tissue.MUSCLE: (1400.0, 33.0, 0.80, 0.10),
    Tissue.MARROW: (586.0, 72.0, 0.52, 0.10),
    Tissue.CORTEX: (500.0, 4.0, 0.10, 0.0),
    Tissue.ENDPLATE: (700.0, 4.0, 0.08, 0.0),
    Tissue.LIGAMENT: (900.0, 12.0, 0.30, 0.05),
    Tissue.CSF: (4000.0, 1500.0, 1.0, 0.03),
    Tissue.CORD: (993.0, 78.0, 0.80, 0.03),
    Tissue.NERVE: (993.0, 85.0, 0.80, 0.05),
    Tissue.FLOWING_BLOOD: (1932.0, 60.0, 0.05, 0.3),
    Tissue.SLOW_BLOOD: (1932.0, 150.0, 0.80, 0.05),
    Tissue.BOWEL: (1200.0, 62.0, 0.75, 0.12),
    Tissue.BOWEL_FLUID: (3000.0, 400.0, 0.90, 0.10),
    Tissue.ORGAN: (809.0, 34.0, 0.75, 0.05),
    Tissue.SKIN: (1000.0, 30.0, 0.60, 0.0),
    Tissue.SPARE_NP: (1300.0, 100.0, 0.85, 0.02),
    Tissue.SPARE_AF: (1000.0, 48.0, 0.65, 0.02),
    Tissue.OEDEMA: (1100.0, 110.0, 0.75, 0.10),
    Tissue.FATTY_MARROW: (420.0, 95.0, 0.75, 0.10),
    Tissue.SCLEROSIS: (900.0, 25.0, 0.25, 0.10),
    Tissue.HAEMANGIOMA: (480.0, 130.0, 0.80, 0.15),
    Tissue.SCAR: (1100.0, 45.0, 0.65, 0.10),
    Tissue.COLLECTION: (3500.0, 700.0, 0.95, 0.05),
    Tissue.BLADDER: (3800.0, 1200.0, 1.0, 0.02),
    Tissue.UTERUS: (1300.0, 75.0, 0.80, 0.10),
}
_CARTILAGE = (900.0, 12.0, 0.40, 0.05)  # Source: T2 of cartilaginous endplates, Berg-Johansen et al., J Orthop Res 2018


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TissueTable:
    """Properties by tissue number, each ``(K,)``: T1 and T2 in ms, proton density, texture."""

    t1_ms: NDArray[np.float64]
    t2_ms: NDArray[np.float64]
    proton_density: NDArray[np.float64]
    texture: NDArray[np.float64]


def disc_tissues(level: str) -> tuple[int, int]:
    """Return the tissue numbers (NP, AF) of one disc level."""
    first = Tissue.FIRST_DISC + 2 * LEVELS.index(level) if level in LEVELS else _extra(level)
    return first, first + 1


def _extra(level: str) -> int:
    return Tissue.FIRST_EXTRA_DISC + 2 * list(EXTRA_LEVELS).index(level)


def cartilage_tissue(level: str) -> int:
    """Return the tissue number of the cartilaginous endplates of one disc level."""
    return Tissue.FIRST_CARTILAGE + [*LEVELS, *EXTRA_LEVELS].index(level)


def level_numbers() -> NDArray[np.uint8]:
    """Return ``(K,)``: place of the level in LEVELS plus 1 for each tissue of a named disc, else 0."""
    numbers = np.zeros(N_TISSUES, np.uint8)
    for number, level in enumerate(LEVELS, start=1):
        numbers[[*disc_tissues(level), cartilage_tissue(level)]] = number
    return numbers


def tissue_table(discs: tuple[DiscRecipe, ...], body: BodyRecipe | None = None) -> TissueTable:
    """Return the properties of every tissue for one person's discs, T2 of NP and AF exactly as in the recipe.

    Source: T1 of discs near 1.3 s (nucleus) and 1.0 s (annulus) at 3 T; proton density falls with degeneration.
    """
    rows = np.zeros((N_TISSUES, 4))
    for tissue, properties in _PROPERTIES.items():
        rows[tissue] = properties
    for name, t1_ms, t2_ms, proton_density in body.tissues if body else ():
        rows[Tissue[name], :3] = t1_ms, t2_ms, proton_density
    cartilage = slice(Tissue.FIRST_CARTILAGE, Tissue.OEDEMA)
    rows[cartilage] = _CARTILAGE
    for level in LEVELS:
        rows[list(disc_tissues(level))] = rows[[Tissue.SPARE_NP, Tissue.SPARE_AF]]
    for disc in discs:
        nucleus, annulus = disc_tissues(disc.level)
        density = 0.70 + 0.15 * min(disc.t2_np_ms / 130.0, 1.3)
        rows[nucleus] = (1300.0, disc.t2_np_ms, density, 0.02)
        rows[annulus] = (1000.0, disc.t2_af_ms, 0.65, 0.02)
    for extra, level in EXTRA_LEVELS.items():
        rows[list(disc_tissues(extra))] = rows[list(disc_tissues(level))]
    t1, t2, density, texture = np.ascontiguousarray(rows.T)
    return TissueTable(t1_ms=t1, t2_ms=t2, proton_density=density, texture=texture)
