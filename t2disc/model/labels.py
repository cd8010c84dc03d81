"""Which voxels belong to which disc, and to which region of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from t2disc.errors import ArgumentInvalid, LabelsLevelUnknown, LabelsRepeated
from t2disc.model._arrays import frozen, frozen_affine, same_shape
from t2disc.model.levels import LEVELS, parse_level
from t2disc.model.regions import REGION_PARTS, SCHEME_OF, RegionMap
from t2disc.model.regions import Region as Region  # its home before the schemes
from t2disc.model.review import ReviewReason

LabelKind = Literal["none", "automatic", "given", "correction"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSource:
    """Where a visit's labels come from: nobody, the network, a reader or another tool, or a reader's correction."""

    kind: LabelKind = "none"
    sha256: str | None = None  # of the label file, or of the network's weights
    scheme: str | None = None  # names of a foreign label map: names, totalspineseg, spineps, sct, spider ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelMap:
    """A label map as read from disk, on its own grid, before it is placed on a stack.

    ``values`` ``(X, Y, Z)`` whole numbers; ``affine`` to RAS+ mm; ``names`` pairs of (value, level as written);
    ``source`` the file it was read from.
    """

    values: NDArray[np.int32]
    affine: NDArray[np.float64]
    names: tuple[tuple[int, str], ...]
    source: LabelSource = LabelSource(kind="given")

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", frozen(self.values, "values", ndim=3, dtype=np.int32))
        object.__setattr__(self, "affine", frozen_affine(self.affine))

    def __repr__(self) -> str:
        return f"LabelMap(shape={self.values.shape}, names={len(self.names)})"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DiscLabels:
    """Named discs and their regions on the stack's grid.

    Attributes
    ----------
    discs
        ``(X, Y, Z)`` uint8; 0 is background, other values see :meth:`value_of`.
    regions
        ``(X, Y, Z)`` uint8 of the primary scheme, see :class:`Region`; 0 outside the discs.
    levels
        Disc levels from superior to inferior, each once.
    affine
        ``(4, 4)`` voxel index to RAS+ mm.
    notes
        Remarks for the visit's record.
    confidences
        One per level, 0 to 1: how sure outline and name are. 1 for labels that a reader gave.
    reasons
        Why a reader should look at the labels before their numbers are used; empty when nothing speaks against them.
    source
        Who drew the labels.
    schemes
        Further ways of dividing the same discs, each once, in the order of SCHEMES.
    """

    discs: NDArray[np.uint8]
    regions: NDArray[np.uint8]
    levels: tuple[str, ...]
    affine: NDArray[np.float64]
    notes: tuple[str, ...] = ()
    confidences: tuple[float, ...] = ()
    reasons: tuple[ReviewReason, ...] = ()
    source: LabelSource = LabelSource()
    schemes: tuple[RegionMap, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "discs", frozen(self.discs, "discs", ndim=3, dtype=np.uint8))
        object.__setattr__(self, "regions", frozen(self.regions, "regions", ndim=3, dtype=np.uint8))
        same_shape("regions", self.regions.shape, self.discs.shape)
        for scheme in self.schemes:
            same_shape("regions", scheme.values.shape, self.discs.shape)
        object.__setattr__(self, "affine", frozen_affine(self.affine))
        if unknown := [level for level in self.levels if level not in LEVELS]:
            raise LabelsLevelUnknown(f"{len(unknown)} names that are no disc level")
        if len(set(self.levels)) != len(self.levels):
            raise LabelsRepeated("a level named twice")
        if not self.confidences:
            object.__setattr__(self, "confidences", (1.0,) * len(self.levels))
        if len(self.confidences) != len(self.levels) or not all(0 <= sure <= 1 for sure in self.confidences):
            raise ArgumentInvalid(
                f"{len(self.confidences)} confidences for {len(self.levels)} levels",
                expected="one from 0 to 1 per level",
            )

    @property
    def needs_review(self) -> bool:
        """Whether a reader should look before the numbers are used."""
        return bool(self.reasons)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Grid ``(X, Y, Z)`` in voxels."""
        x, y, z = self.discs.shape
        return x, y, z

    @staticmethod
    def value_of(level: str) -> int:
        """Return the value of a level in ``discs``: its place in LEVELS from 1, the same at every visit.

        Raises
        ------
        ArgumentInvalid
            ``argument-invalid``: no disc level, in none of the spellings of :func:`~t2disc.model.levels.parse_level`.
        """
        try:
            return LEVELS.index(parse_level(level)) + 1
        except (LabelsLevelUnknown, TypeError, AttributeError):
            raise ArgumentInvalid("a name that is no disc level", expected=f"one of {', '.join(LEVELS)}") from None

    @property
    def region_names(self) -> tuple[str, ...]:
        """Regions that the discs are divided into, in the order of the tables: ``disc``, ``NP``, ``AF``, ..."""
        divided = {"np-af", *(scheme.scheme for scheme in self.schemes)}
        return tuple(region for region, scheme in SCHEME_OF.items() if scheme in divided)

    def mask(self, level: str, region: str = "disc") -> NDArray[np.bool_]:
        """Return the voxels ``(X, Y, Z)`` of one region of one disc, see :attr:`region_names`.

        Raises
        ------
        ArgumentInvalid
            ``argument-invalid``: a region that these discs are not divided into, or no disc level.
        """
        inside: NDArray[np.bool_] = self.discs == self.value_of(level)
        if region == "disc":
            return inside
        if region in REGION_PARTS:
            inside &= np.isin(self.regions, REGION_PARTS[region])
            return inside
        for scheme in self.schemes:
            if region in scheme.names:
                inside &= scheme.mask(region)
                return inside
        raise ArgumentInvalid("a region that is not there", expected=f"one of {', '.join(self.region_names)}")

    def __repr__(self) -> str:
        return f"DiscLabels(shape={self.shape}, levels={list(self.levels)})"
