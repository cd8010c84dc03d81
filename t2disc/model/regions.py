"""The regions of a disc and the schemes that define them: which there are, and what their maps hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from t2disc.errors import ArgumentInvalid
from t2disc.model._arrays import frozen


class Region(IntEnum):
    """Values of the region map. The numbers stand in published datasets: add, never renumber."""

    NONE = 0
    NP = 1  # nucleus pulposus
    AF_ANTERIOR = 2  # annulus fibrosus, front
    AF_POSTERIOR = 3  # annulus fibrosus, back


Scheme = Literal["np-af", "strips", "mid-sagittal", "posterior"]
SCHEMES: tuple[Scheme, ...] = get_args(Scheme)
"""Ways of dividing a disc, in the order of the tables; the first is the primary one and always measured."""

REGION_PARTS: dict[str, tuple[Region, ...]] = {
    "disc": (Region.NONE, Region.NP, Region.AF_ANTERIOR, Region.AF_POSTERIOR),
    "NP": (Region.NP,),
    "AF": (Region.AF_ANTERIOR, Region.AF_POSTERIOR),
    "AF_anterior": (Region.AF_ANTERIOR,),
    "AF_posterior": (Region.AF_POSTERIOR,),
}
"""Regions of the primary scheme as the tables name them, and the values of the region map that make up each."""

N_STRIPS = 5

SCHEME_PARTS: dict[Scheme, Mapping[str, tuple[int, ...]]] = {
    "np-af": REGION_PARTS,
    "strips": {f"strip{number}": (number,) for number in range(1, N_STRIPS + 1)},
    "mid-sagittal": {
        "disc_mid": (1, 2),
        "NP_mid": (1,),
        "AF_mid": (2,),
    },
    "posterior": {"posterior": (1,)},
}
"""Regions of every scheme and the values of its map that make up each. No name stands in two schemes."""

SCHEME_OF: dict[str, Scheme] = {region: scheme for scheme, parts in SCHEME_PARTS.items() for region in parts}
"""The scheme that defines a region; its keys are all regions in the order of the tables."""

COMPARED_REGIONS: dict[str, tuple[str, ...]] = {"NP": ("NP", "NP_mid", "strip3"), "disc": ("disc", "disc_mid")}
"""What studies call the nucleus, and the disc: definitions of one thing by several schemes, the primary one first."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RegionMap:
    """One way of dividing the discs of a visit; the discs' masks are the same in every one.

    ``values`` ``(X, Y, Z)`` uint8: parts as SCHEME_PARTS numbers them, 0 where the scheme has no region.
    """

    scheme: Scheme
    values: NDArray[np.uint8]

    def __post_init__(self) -> None:
        if self.scheme not in SCHEMES:
            raise ArgumentInvalid("an unknown scheme of regions", expected=f"one of {', '.join(SCHEMES)}")
        object.__setattr__(self, "values", frozen(self.values, "values", ndim=3, dtype=np.uint8))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its regions."""
        return tuple(SCHEME_PARTS[self.scheme])

    def mask(self, region: str) -> NDArray[np.bool_]:
        """Return the voxels ``(X, Y, Z)`` of one of its regions in all discs."""
        inside: NDArray[np.bool_] = np.isin(self.values, SCHEME_PARTS[self.scheme][region])
        return inside

    def __repr__(self) -> str:
        return f"RegionMap(scheme={self.scheme!r}, shape={self.values.shape})"
