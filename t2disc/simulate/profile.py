"""Curves that follow the spine: canal, front wall, tips of the spinous processes, skin; tables over the height."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d

from t2disc.simulate.recipe import BodyRecipe
from t2disc.simulate.shapes import Skeleton, VertebraShape

Curve = NDArray[np.float32]

_LOWEST_MM, _HIGHEST_MM, _STEP_MM = -260.0, 260.0, 0.5
_HEIGHTS_MM = np.arange(_LOWEST_MM, _HIGHEST_MM + _STEP_MM / 2, _STEP_MM)

CANAL_HALF_DEPTH_MM = 8.2
SPINOUS_REACH_MM = {"L": 31.0, "T": 30.0, "S": 9.0}  # behind the canal, by region


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Profile:
    """Anterior position, in mm of the body, of curves along the spine; one entry per half millimetre of height."""

    canal: Curve  # middle of the dural sac
    canal_cosine: Curve  # of the canal's tilt: turns a distance along the anterior axis into one across the canal
    sac_half_depth: Curve  # of the dural sac, 0 below its end at S2
    cord_radius: Curve  # of cord and conus, 0 below L1
    front: Curve  # front of the bodies and discs
    fascia: Curve  # just behind the spinous processes
    skin: Curve  # of the back
    arteries: Curve  # half distance of the vessels' centres: they part at L4
    canal_right: Curve  # to the right of the midline: 0 in a straight spine
    front_right: Curve  # the same, of the front of the bodies
    s1_height_mm: float
    belly_mm: float

    def index(self, up: NDArray[np.float32]) -> NDArray[np.intp]:
        """Return where in the tables the given heights ``(...)`` lie."""
        inside = np.clip((up - np.float32(_LOWEST_MM)) * np.float32(1 / _STEP_MM), 0, _HEIGHTS_MM.size - 1)
        return np.asarray(inside.astype(np.intp))


def _through(points: list[tuple[float, float]], smooth_mm: float) -> NDArray[np.float64]:
    """Interpolate (height, anterior) points over the table, level beyond the ends, smoothed."""
    height, anterior = np.array(sorted(points)).T
    inside = np.clip(_HEIGHTS_MM, height[0], height[-1])
    return np.asarray(
        gaussian_filter1d(PchipInterpolator(height, anterior)(inside), smooth_mm / _STEP_MM, mode="nearest")
    )


def _behind(shape: VertebraShape, reach_mm: float, up_mm: float = 0.0) -> tuple[float, float]:
    """Return (height, anterior) of a point behind a vertebra's back wall."""
    back = sum(shape.half_depth_mm) / 2 + reach_mm
    _, anterior, height = shape.frame.origin_mm - back * shape.frame.axes[0] + up_mm * shape.frame.axes[2]
    return float(height), float(anterior)


def _aside(shape: VertebraShape, reach_mm: float) -> tuple[float, float]:
    """Return (height, right) of a point behind a vertebra's middle."""
    right, _, height = shape.frame.origin_mm - reach_mm * shape.frame.axes[0]
    return float(height), float(right)


def build_profile(skeleton: Skeleton, body: BodyRecipe) -> Profile:
    """Return the curves of one spine in one posture."""
    bodies = skeleton.vertebrae
    canal = _through(
        [_behind(shape, CANAL_HALF_DEPTH_MM + (0.6 if not shape.is_sacral else -0.5)) for shape in bodies], 5.0
    )
    front = _through([_behind(shape, -sum(shape.half_depth_mm) - 1.0) for shape in bodies], 4.0)
    reach = 2 * CANAL_HALF_DEPTH_MM + 4.0
    tips = [_behind(shape, reach + SPINOUS_REACH_MM[shape.name[0]], -8.0) for shape in bodies]
    fascia = _through(tips, 9.0) - 3.0
    s1 = float(skeleton.vertebra("S1").frame.origin_mm[2])
    buttocks = 16.0 / (1 + np.exp((_HEIGHTS_MM - s1 + 12.0) / 14.0))
    skin = gaussian_filter1d(fascia - body.fat_mm - buttocks, 20.0 / _STEP_MM, mode="nearest")
    s2, l1, l4 = (float(skeleton.vertebra(name).frame.origin_mm[2]) for name in ("S2", "L1", "L4"))
    widest = (CANAL_HALF_DEPTH_MM - 1.2) * body.sac
    tables = {
        "canal": canal,
        "canal_cosine": 1 / np.sqrt(1 + np.gradient(canal, _STEP_MM) ** 2),
        "sac_half_depth": widest * np.clip((_HEIGHTS_MM - s2 + 4.0 + body.sac_end_mm) / 42.0, 0.0, 1.0) ** 0.5,
        "cord_radius": 4.3 * np.clip((_HEIGHTS_MM - l1 + 10.0 + body.conus_mm) / 26.0, 0.0, 1.0) ** 0.6,
        "front": front,
        "fascia": fascia,
        "skin": skin,
        "arteries": np.clip((l4 - _HEIGHTS_MM) * 0.35, 0.0, 30.0),
        "canal_right": _through([_aside(shape, 24.0 * body.size) for shape in bodies], 5.0),
        "front_right": _through([_aside(shape, -16.0 * body.size) for shape in bodies], 5.0),
    }
    curves = {name: np.asarray(table, np.float32) for name, table in tables.items()}
    return Profile(**curves, s1_height_mm=s1, belly_mm=body.belly_mm)
