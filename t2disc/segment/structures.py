"""What a structure map tells apart, and the map itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class Structure(IntEnum):
    """Values of a structure map."""

    BACKGROUND = 0
    VERTEBRA = 1  # body and posterior elements
    DISC = 2
    CANAL = 3
    SACRUM = 4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StructureMap:
    """What the network saw: ``structures (X, Y, Z)`` uint8 of :class:`Structure`, and how likely each voxel is disc."""

    structures: NDArray[np.uint8]
    disc_probability: NDArray[np.float32]
