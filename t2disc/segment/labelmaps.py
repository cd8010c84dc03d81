"""Discs drawn elsewhere: names understood, voxels placed on the stack's grid, order along the spine verified."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from t2disc.errors import LabelsLevelUnknown, LabelsOutsideImage, LabelsRepeated, LabelsUnnamed
from t2disc.model import LEVELS, DiscLabels, EchoStack, LabelMap, parse_level, without_disc
from t2disc.model.grids import GRID_TOLERANCE_MM, corner_distance_mm
from t2disc.segment.labelorder import verify_names

LEAST_SHARE = 0.8
"""Discs of which less than this share of the labelled volume lies in the image are noted."""

_OTHER_DISC = re.compile(r"^(C[1-7]/?C[1-7]|C7/?T1|T\d{1,2}/?T\d{1,2}|S[1-5]/?S[1-5])$", re.IGNORECASE)
"""Discs above T12 and below S1: not lumbar, and seen at the ends of many lumbar images."""
_OTHER_ANATOMY = re.compile(
    r"""^(
        background
      | ((vertebrae?|vertebral[ ]body)[ ])? (C[1-7] | T([1-9]|1[0-3]) | L[1-6] | S[1-5])
        ([ ](vertebrae?|vertebral[ ]body))?
      | vertebrae? | vertebral[ ](body|bodies) | posterior[ ]elements? | endplates?
      | sacrum | coccyx | (spinal[ ])?(canal|cord) | conus([ ]medullaris)? | cauda[ ]equina | thecal[ ]sac | csf
    )$""",
    re.IGNORECASE | re.VERBOSE,
)
"""Names that are surely no disc: vertebrae, sacrum, canal and cord."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlacedDiscs:
    """Discs ``(X, Y, Z)`` uint8 on a stack's grid with the values of :class:`DiscLabels`, their levels, remarks."""

    discs: NDArray[np.uint8]
    levels: tuple[str, ...]
    notes: tuple[str, ...]


def place_labels(stack: EchoStack, labels: LabelMap) -> PlacedDiscs:
    """Place a label map on a stack's grid and verify it.

    By nearest neighbour in world space (a label is a name: it cannot be averaged); a map already on that grid is
    copied. Names that are surely other anatomy (vertebrae, sacrum, canal, discs above T12) are left aside; any other
    name that is no disc level is refused.

    Raises
    ------
    LabelsLevelUnknown
        ``labels-level-unknown``: a name that is neither a disc level nor surely other anatomy.
    LabelsRepeated
        ``labels-repeated``: a value or a level named twice.
    LabelsUnnamed
        ``labels-unnamed``: a value without a name, or no disc among the values.
    LabelsOutsideImage
        ``labels-outside-image``: a disc of the map has no voxel on the stack's grid.
    LabelsOutOfOrder
        ``labels-out-of-order``: the discs do not follow one another down the spine.
    LabelsMirrored
        ``labels-mirrored``: the canal or the sacrum lies in front of the discs.
    """
    values = _disc_values(labels)
    remarks = verify_names(labels, values)
    discs = _place(labels, values, stack)
    levels = tuple(values)
    _require_inside(discs, levels)
    notes = (*_scheme_note(labels), *remarks, *_cut_discs(labels, values, discs, stack))
    return PlacedDiscs(discs=discs, levels=levels, notes=notes)


# ------------------------------------------------------------------------------------------------ names
def _disc_values(labels: LabelMap) -> dict[str, int]:
    """Return the value of each disc that is drawn, by level, from superior to inferior."""
    _require_values_once(labels)
    drawn = set(np.unique(labels.values[labels.values != 0]).tolist())
    _require_all_named(drawn, {value for value, _ in labels.names})
    values: dict[str, int] = {}
    for value, name in labels.names:
        level = _level_or_none(name)
        if level is None:
            continue
        if level in values:
            raise LabelsRepeated(f"level {level} named twice")
        values[level] = value
    if 0 in values.values():
        raise LabelsUnnamed("a disc whose label value is 0", expected="0 for the background only")
    found = {level: values[level] for level in LEVELS if values.get(level) in drawn}
    if not found:
        raise LabelsUnnamed("a label map in which no named disc is drawn")
    return found


def _require_values_once(labels: LabelMap) -> None:
    values = [value for value, _ in labels.names]
    if repeated := sorted({value for value in values if values.count(value) > 1}):
        raise LabelsRepeated(f"label values named twice: {repeated}")


def _require_all_named(drawn: set[int], named: set[int]) -> None:
    if unnamed := sorted(drawn - named):
        shown = ", ".join(map(str, unnamed[:8])) + (", ..." if len(unnamed) > 8 else "")
        raise LabelsUnnamed(f"{len(unnamed)} label values without a name: {shown}")


def _level_or_none(name: str) -> str | None:
    """Return the disc level a name stands for, None for other anatomy; refuse what could be either."""
    bare = without_disc(name)
    try:
        return parse_level(bare)
    except LabelsLevelUnknown:
        if _is_other_disc(bare) or _is_other_anatomy(name):
            return None
        raise


def _is_other_disc(bare: str) -> bool:
    return bool(_OTHER_DISC.match(re.sub(r"[\s/_-]+", "/", bare)))


def _is_other_anatomy(name: str) -> bool:
    return bool(_OTHER_ANATOMY.match(re.sub(r"[\s_-]+", " ", name.strip())))


# ------------------------------------------------------------------------------------------------ grid
def _place(labels: LabelMap, values: dict[str, int], stack: EchoStack) -> NDArray[np.uint8]:
    """Return the discs ``(X, Y, Z)`` on the stack's grid, with the values of :class:`DiscLabels`."""
    if _is_on_grid(labels, stack):
        return _renumbered(labels.values, values)
    to_label = np.linalg.inv(labels.affine) @ stack.affine
    discs = np.zeros(stack.shape, dtype=np.uint8)
    for z in range(stack.shape[2]):
        discs[:, :, z] = _renumbered(_nearest_in_slice(labels.values, to_label, stack.shape[:2], z), values)
    return discs


def _is_on_grid(labels: LabelMap, stack: EchoStack) -> bool:
    if labels.values.shape != stack.shape:
        return False
    return corner_distance_mm(stack.shape, labels.affine, stack.affine) <= GRID_TOLERANCE_MM


def _nearest_in_slice(
    values: NDArray[np.int32], to_label: NDArray[np.float64], shape: tuple[int, int], z: int
) -> NDArray[np.int32]:
    """Return the values ``(X, Y)`` nearest to the voxels of one slice; 0 outside the label map."""
    x, y = np.ogrid[: shape[0], : shape[1]]
    inside = np.ones(shape, dtype=np.bool_)
    nearest = []
    for axis, n in enumerate(values.shape):
        at = to_label[axis, 0] * x + to_label[axis, 1] * y + (to_label[axis, 2] * z + to_label[axis, 3])
        index = np.floor(np.round(at, 6) + 0.5).astype(np.intp)  # rounded first: a tie must not hang on the last bit
        inside &= (index >= 0) & (index < n)
        nearest.append(np.clip(index, 0, n - 1))
    picked: NDArray[np.int32] = np.where(inside, values[tuple(nearest)], 0)
    return picked


def _renumbered(drawn: NDArray[np.int32], values: dict[str, int]) -> NDArray[np.uint8]:
    out = np.zeros(drawn.shape, dtype=np.uint8)
    for level, value in values.items():
        out[drawn == value] = DiscLabels.value_of(level)
    return out


# ------------------------------------------------------------------------------------------------ checks
def _require_inside(discs: NDArray[np.uint8], levels: tuple[str, ...]) -> None:
    """Refuse discs of which no voxel is left: a level must not vanish from the tables without a word."""
    sizes = np.bincount(discs.ravel(), minlength=len(LEVELS) + 1)
    lost = [level for level in levels if sizes[DiscLabels.value_of(level)] == 0]
    if len(lost) == len(levels):
        raise LabelsOutsideImage("no voxel of any labelled disc within the image")
    if lost:
        raise LabelsOutsideImage(
            f"{len(lost)} of {len(levels)} labelled discs without a voxel in the image: {', '.join(lost)}",
            todo="check that the labels belong to this visit; if the image does not reach these discs, "
            "remove them from the label map and its table",
        )


def _scheme_note(labels: LabelMap) -> Iterator[str]:
    if labels.source.scheme is not None:
        yield f"label values read as those of {labels.source.scheme}"


def _cut_discs(labels: LabelMap, values: dict[str, int], discs: NDArray[np.uint8], stack: EchoStack) -> Iterator[str]:
    """Yield a note for each disc of which the image holds markedly less than was drawn."""
    drawn_mm3, placed_mm3 = (abs(float(np.linalg.det(affine[:3, :3]))) for affine in (labels.affine, stack.affine))
    for level, value in values.items():
        drawn = np.count_nonzero(labels.values == value) * drawn_mm3
        placed = np.count_nonzero(discs == DiscLabels.value_of(level)) * placed_mm3
        if placed < LEAST_SHARE * drawn:
            yield f"{level}: {placed / drawn:.0%} of its labelled volume lies in the image"
