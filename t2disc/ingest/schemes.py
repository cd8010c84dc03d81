"""What the label values of other tools mean, and by which values a tool is recognised.

A scheme is recognised only where no other fits: all drawn values belong to it, and enough of those that mark it are
drawn. Otherwise the names are asked for; nothing is guessed.

Source: the label tables of TotalSpineSeg, SPINEPS (Moeller 2025), the Spinal Cord Toolbox (De Leener 2017), SPIDER
(van der Graaf 2024) and TotalSegmentator ``vertebrae_mr`` (D'Antonoli 2025).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from t2disc.errors import LabelsSchemeUnknown, LabelsUnnamed, LabelsWithoutOutlines
from t2disc.model import LEVELS

Names = tuple[tuple[int, str], ...]

_POINT_VOXELS = 8
"""A label of so few voxels may be a point (SCT draws one voxel) but is no outline of a vertebra or disc."""
_OUTLINE_VOXELS = 100
"""A label of so many voxels is no point. Between the two, sizes do not tell."""

_CERVICAL = tuple(f"C{n}" for n in range(1, 8))
_THORACIC = tuple(f"T{n}" for n in range(1, 13))
_LUMBAR = tuple(f"L{n}" for n in range(1, 6))
_SPINE = (*_CERVICAL, *_THORACIC, *_LUMBAR)  # from the head down
_DISCS = tuple(f"{upper}/{lower}" for upper, lower in zip(_SPINE[1:], (*_SPINE[2:], "S1"), strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelScheme:
    """A tool's label values.

    ``names`` says what each value stands for, ``marks`` are the values by which the tool is recognised, of which
    ``n_marks`` must be drawn. ``why_not`` says of a scheme that is known and cannot be measured what it draws instead
    of discs; ``is_points`` that it draws points.
    """

    name: str
    title: str
    names: Mapping[int, str] = field(repr=False)
    marks: frozenset[int]
    n_marks: int = 2
    why_not: str = ""
    is_points: bool = False

    def fits(self, n_voxels: Mapping[int, int]) -> bool:
        """Tell whether the drawn values and their sizes could come from this tool."""
        if not n_voxels.keys() <= self.names.keys() or len(self.marks & n_voxels.keys()) < self.n_marks:
            return False
        largest = max(n_voxels.values())
        return largest < _OUTLINE_VOXELS if self.is_points else largest > _POINT_VOXELS


def _numbered(first: int, names: tuple[str, ...], step: int = 1) -> dict[int, str]:
    return {first + step * n: name for n, name in enumerate(names)}


_TOTALSPINESEG = LabelScheme(
    name="totalspineseg",
    title="TotalSpineSeg",
    names={
        **{1: "cord", 2: "canal", 50: "sacrum"},
        **_numbered(11, _CERVICAL),
        **_numbered(21, _THORACIC),
        **_numbered(41, (*_LUMBAR, "L6")),
        **_numbered(63, _DISCS[:5]),  # C2/C3 to C6/C7
        **_numbered(71, _DISCS[5:17]),  # C7/T1 to T11/T12
        **_numbered(91, LEVELS[:-1]),
        **{96: "L5/L6", 100: "L5/S1"},
    },
    marks=frozenset({91, 92, 93, 94, 95, 100}),
)
_SPINEPS = LabelScheme(
    name="spineps",
    title="the vertebra map of SPINEPS",
    names={
        **_numbered(1, (*_SPINE, "L6", "sacrum")),
        **{28: "T13"},
        **_numbered(102, _DISCS),  # 100 and the vertebra above: 119 is below T12
        **{124: "L5/S1", 125: "L6/S1", 128: "T13/L1"},
        **dict.fromkeys(range(201, 230), "endplate"),
    },
    marks=frozenset({*range(20, 25), *range(119, 125)}),
)
_SPINEPS_PARTS = LabelScheme(
    name="spineps-subregions",
    title="the subregion map of SPINEPS",
    names={
        **dict.fromkeys(range(41, 51), "vertebra"),
        **{26: "sacrum", 60: "cord", 61: "canal", 62: "endplate", 100: "disc"},
    },
    marks=frozenset({41, 42, 49, 50, 60, 61, 62, 100}),
    n_marks=4,
    why_not="parts of vertebrae, and every disc under one value",
)
_SCT = LabelScheme(
    name="sct",
    title="the disc labels of the Spinal Cord Toolbox",
    names={**_numbered(3, _DISCS[:17]), **_numbered(20, LEVELS), **{1: "C1", 2: "C1/C2", 49: "cord", 50: "cord"}},
    marks=frozenset(range(20, 26)),
    n_marks=1,
    why_not="points at the back of each disc, not outlines: they say where a disc is and cannot be measured",
    is_points=True,
)
_SPIDER = LabelScheme(
    name="spider",
    title="SPIDER",
    names={
        **_numbered(1, _SPINE[::-1]),  # counted from the lowest
        **{100: "canal"},
        **dict.fromkeys(range(101, 126), "vertebra"),  # vertebrae cut by the image's edge
        **_numbered(201, _DISCS[::-1]),
    },
    marks=frozenset(range(201, 207)),
)
_TOTALSEGMENTATOR = LabelScheme(
    name="totalsegmentator",
    title="TotalSegmentator vertebrae_mr",
    names={1: "sacrum", **_numbered(2, _SPINE[::-1])},
    marks=frozenset(range(2, 9)),
    n_marks=7,  # fewer could be anybody's 1, 2, 3
    why_not="vertebrae and the sacrum only, no discs",
)
_SCHEMES = (_TOTALSPINESEG, _SPINEPS, _SPINEPS_PARTS, _SCT, _SPIDER, _TOTALSEGMENTATOR)

SCHEME_NAMES: tuple[str, ...] = tuple(scheme.name for scheme in _SCHEMES if scheme is not _SPINEPS_PARTS)
"""Names by which a scheme can be asked for."""


def names_by_scheme(values: NDArray[np.int32], scheme: str | None) -> tuple[Names, str]:
    """Return the names of a map's values and the scheme they are from, which is recognised where none is named.

    Parameters
    ----------
    values
        ``(X, Y, Z)`` label values, 0 is background.
    scheme
        One of SCHEME_NAMES, or None.

    Raises
    ------
    LabelsSchemeUnknown
        ``labels-scheme-unknown``: no such scheme, several that fit, or values that the scheme named does not have.
    LabelsWithoutOutlines
        ``labels-without-outlines``: the scheme draws points, vertebrae or parts of them, but no disc.
    LabelsUnnamed
        ``labels-unnamed``: values of no known scheme.
    """
    n_voxels = _n_voxels(values)
    found = _recognised(n_voxels) if scheme is None else _asked_for(scheme, n_voxels)
    if found.why_not:
        raise LabelsWithoutOutlines(f"values of {found.title}: {found.why_not}")
    if not any(found.names[value] in LEVELS for value in n_voxels):
        raise LabelsWithoutOutlines(f"values of {found.title}: no lumbar disc among them")
    return tuple((value, found.names[value]) for value in sorted(n_voxels)), found.name


def _n_voxels(values: NDArray[np.int32]) -> dict[int, int]:
    drawn, counts = np.unique(values[values != 0], return_counts=True)
    if not drawn.size:
        raise LabelsUnnamed("a label map in which nothing is drawn")
    return dict(zip(drawn.tolist(), counts.tolist(), strict=True))


def _recognised(n_voxels: Mapping[int, int]) -> LabelScheme:
    fitting = [scheme for scheme in _SCHEMES if scheme.fits(n_voxels)]
    if not fitting:
        raise LabelsUnnamed("a label map without names or a table beside it, whose values are those of no known tool")
    if len(fitting) > 1:
        raise LabelsSchemeUnknown(f"values that could be of {' or of '.join(scheme.title for scheme in fitting)}")
    return fitting[0]


def _asked_for(name: str, n_voxels: Mapping[int, int]) -> LabelScheme:
    scheme = next((scheme for scheme in _SCHEMES if scheme.name == name and name in SCHEME_NAMES), None)
    if scheme is None:
        raise LabelsSchemeUnknown("the name of no scheme")
    if scheme is _SPINEPS and _SPINEPS_PARTS.fits(n_voxels):
        return _SPINEPS_PARTS
    if foreign := list(_foreign(scheme, n_voxels)):
        raise LabelsSchemeUnknown(f"{len(foreign)} values that {scheme.title} does not have: {foreign[:8]}")
    return scheme


def _foreign(scheme: LabelScheme, n_voxels: Mapping[int, int]) -> Iterator[int]:
    return (value for value in n_voxels if value not in scheme.names)
