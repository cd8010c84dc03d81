"""Whether the names of a label map agree with where its labels lie: a map of another tool is believed only then.

Everything is judged in the patient's space and on the label map's own grid, before any of it is cut by the image.
Left and right cannot be told apart: a spine is the same on both sides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from t2disc.errors import LabelsLevelUnknown, LabelsMirrored, LabelsOutOfOrder
from t2disc.model import LEVELS, LabelMap

_TOO_CLOSE, _TOO_FAR = 1.35, 1.6  # times the distance of neighbours elsewhere in the map, for two levels or for one
_LEAST_STEP_MM = 20.0
"""Centres of neighbouring lumbar discs lie some 30 to 42 mm apart."""
_BESIDE_MM = 10.0  # canal within this height of a disc's centre is beside it
_SACRUM_AHEAD_MM = 10.0

_VERTEBRA = re.compile(
    r"^(?:(?:vertebrae?|vertebral body) )?(T12|L[1-6]|S1)(?: (?:vertebrae?|vertebral body))?$", re.IGNORECASE
)
_CANAL = re.compile(r"^(?:(?:spinal )?(?:canal|cord)|thecal sac|csf)$", re.IGNORECASE)
_SACRUM = re.compile(r"^sacrum$", re.IGNORECASE)
_BONES = ("T12", "L1", "L2", "L3", "L4", "L5", "S1")  # the n-th disc lies between the n-th and the next

Centres = Mapping[int, NDArray[np.float64]]  # of each drawn value, (3,) RAS+ mm


def verify_names(labels: LabelMap, values: Mapping[str, int]) -> tuple[str, ...]:
    """Refuse names that where the labels lie contradicts, and return remarks on what looks odd.

    Parameters
    ----------
    labels
        The map as it was drawn.
    values
        Value of each drawn disc, by level, from superior to inferior.

    Raises
    ------
    LabelsOutOfOrder
        ``labels-out-of-order``: discs that do not follow one another from head to foot, a disc that does not lie
        between the vertebrae of its name, or a name left out where no disc is.
    LabelsMirrored
        ``labels-mirrored``: the canal lies in front of the discs, or the sacrum in front of L5/S1.
    LabelsLevelUnknown
        ``labels-level-unknown``: a sixth lumbar vertebra, and a disc named L5/S1.
    """
    points, drawn = _drawn_points(labels)
    centres = _centres(points, drawn)
    _require_order(values, centres)
    _require_five_lumbar(labels, values, centres)
    _require_between_vertebrae(labels, values, centres)
    _require_canal_behind(labels, values, points, drawn, centres)
    _require_sacrum_behind(labels, values, centres)
    return tuple(_odd_distances(values, centres))


def _drawn_points(labels: LabelMap) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Return the drawn voxels' places ``(V, 3)`` RAS+ mm and their values ``(V,)``."""
    voxels = np.nonzero(labels.values)
    points = np.column_stack(voxels) @ labels.affine[:3, :3].T + labels.affine[:3, 3]
    return points, labels.values[voxels]


def _centres(points: NDArray[np.float64], drawn: NDArray[np.int32]) -> Centres:
    found, which, counts = np.unique(drawn, return_inverse=True, return_counts=True)
    sums = np.column_stack([np.bincount(which, weights=points[:, axis]) for axis in range(3)])
    return dict(zip(found.tolist(), sums / counts[:, None], strict=True))


def _named(labels: LabelMap, pattern: re.Pattern[str], centres: Centres) -> Iterator[tuple[str, int]]:
    """Yield what a pattern finds among the names, and the value, of what is drawn."""
    for value, name in labels.names:
        match = pattern.match(re.sub(r"[\s_-]+", " ", name.strip()))
        if match and value in centres:
            yield (match[1].upper() if match.re.groups else match[0]), value


# ------------------------------------------------------------------------------------------------ head to foot
def _require_order(values: Mapping[str, int], centres: Centres) -> None:
    height_mm = [float(centres[value][2]) for value in values.values()]
    drops_mm = -np.diff(height_mm)
    if drops_mm.size > 1 and (drops_mm <= 0).all():
        raise LabelsOutOfOrder(f"{len(values)} discs in reverse order: {list(values)[-1]} is the highest")
    for (upper, lower), drop_mm in zip(pairwise(values), drops_mm, strict=True):
        if drop_mm <= 0:
            raise LabelsOutOfOrder(f"{lower} not below {upper} (its centre lies {-drop_mm:.1f} mm higher)")


def _require_five_lumbar(labels: LabelMap, values: Mapping[str, int], centres: Centres) -> None:
    """Refuse L5/S1 beside a vertebra L6: which of two discs is meant, tools say differently."""
    has_sixth = any(name == "L6" for name, _ in _named(labels, _VERTEBRA, centres))
    if has_sixth and "L5/S1" in values:
        raise LabelsLevelUnknown(
            "a vertebra L6 and a disc named L5/S1",
            expected="five lumbar vertebrae, or names that a reader gave",
            todo="decide which disc is which and write a _dseg.tsv beside the map, without the name L6",
        )


def _require_between_vertebrae(labels: LabelMap, values: Mapping[str, int], centres: Centres) -> None:
    bones = dict(_named(labels, _VERTEBRA, centres))
    for level, value in values.items():
        place = LEVELS.index(level)
        height_mm = centres[value][2]
        for bone, sign in ((_BONES[place], 1), (_BONES[place + 1], -1)):
            if bone in bones and sign * (centres[bones[bone]][2] - height_mm) <= 0:
                raise LabelsOutOfOrder(f"disc {level} {'above' if sign > 0 else 'below'} vertebra {bone}")


# ------------------------------------------------------------------------------------------------ front to back
def _require_canal_behind(
    labels: LabelMap,
    values: Mapping[str, int],
    points: NDArray[np.float64],
    drawn: NDArray[np.int32],
    centres: Centres,
) -> None:
    canal = points[np.isin(drawn, [value for _, value in _named(labels, _CANAL, centres)])]
    ahead_mm = []
    for value in values.values():
        beside = canal[np.abs(canal[:, 2] - centres[value][2]) < _BESIDE_MM]
        if len(beside):
            ahead_mm.append(float(beside[:, 1].mean() - centres[value][1]))
    n_ahead = sum(distance > 0 for distance in ahead_mm)
    if 2 * n_ahead > len(ahead_mm):
        raise LabelsMirrored(f"the canal in front of {n_ahead} of {len(ahead_mm)} discs")


def _require_sacrum_behind(labels: LabelMap, values: Mapping[str, int], centres: Centres) -> None:
    for _, value in _named(labels, _SACRUM, centres):
        if "L5/S1" not in values:
            return
        offset_mm = centres[value] - centres[values["L5/S1"]]
        if offset_mm[2] > 0:
            raise LabelsOutOfOrder("the sacrum above L5/S1")
        if offset_mm[1] > _SACRUM_AHEAD_MM:
            raise LabelsMirrored(f"the sacrum {offset_mm[1]:.0f} mm in front of L5/S1")


# ------------------------------------------------------------------------------------------------ distances
def _odd_distances(values: Mapping[str, int], centres: Centres) -> Iterator[str]:
    """Yield remarks on neighbours that lie far apart; refuse a level left out between discs that are neighbours."""
    pairs = [(upper, lower, LEVELS.index(lower) - LEVELS.index(upper)) for upper, lower in pairwise(values)]
    apart_mm = [float(np.linalg.norm(centres[values[upper]] - centres[values[lower]])) for upper, lower, _ in pairs]
    for number, (upper, lower, n_steps) in enumerate(pairs):
        others_mm = [mm for n, mm in enumerate(apart_mm) if n != number and pairs[n][2] == 1]
        usual_mm = float(np.median(others_mm)) if others_mm else 0.0
        text = f"{upper} and {lower} lie {apart_mm[number]:.0f} mm apart"
        if n_steps > 1 and others_mm and apart_mm[number] < _TOO_CLOSE * usual_mm:
            raise LabelsOutOfOrder(f"{text}, as neighbours do, with {n_steps - 1} levels between their names")
        if n_steps > 1 and not others_mm and apart_mm[number] < _LEAST_STEP_MM * n_steps:
            yield f"{text}: is there a disc between them?"
        if n_steps == 1 and len(others_mm) > 1 and apart_mm[number] > _TOO_FAR * usual_mm:
            yield f"{text}, the others {usual_mm:.0f} mm: is there a disc between them?"
