"""Scenes to train a segmenter from: slices through a random back with every sample's tissue, structure and level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from t2disc.simulate.anatomy import Anatomy, build_anatomy, paint_plane
from t2disc.simulate.draws import chance, uniform
from t2disc.simulate.grid import Plane, rotation
from t2disc.simulate.recipe import PoseRecipe
from t2disc.simulate.tissues import TissueTable, level_numbers
from t2disc.simulate.variation import draw_body, draw_discs

_SAMPLES = 2  # per pixel, in plane, each way
_FAR_MM = (42.0, 75.0)  # slices so far from the midline show no spine, or its rim
_SEED = 0x5CE


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    """A stack of slices in image order ``(Z, rows, columns)``, each pixel sampled ``samples`` times each way.

    Rows run from superior to inferior, columns from anterior to posterior.
    """

    tissues: NDArray[np.uint8]  # (Z, R, C), place in the tissue table
    structures: NDArray[np.uint8]  # (Z, R, C), values of Structure
    levels: NDArray[np.uint8]  # (Z, R, C), place of the level in LEVELS plus 1 within its disc; 0 elsewhere
    tissues_behind: NDArray[np.uint8] | None  # (Z, R, C), tissues of a second plane within the same slice
    tissue_table: TissueTable
    spacing_mm: float  # of pixels; samples lie spacing_mm / samples apart
    samples: int
    slice_step_mm: float
    is_scoliotic: bool
    has_spine: bool  # a vertebra is seen in some slice
    n_lumbar: int
    fused_levels: tuple[str, ...]


def draw_scene(
    seed: int,
    *,
    spacing_mm: float = 1.0,
    n_slices: int = 5,
    shape: tuple[int, int] | None = None,
    with_second_plane: bool = False,
) -> Scene:
    """Draw one person, one pose and one field of view, and return what a sagittal stack would cut.

    Parameters
    ----------
    seed
        Draws everything; the same seed gives the same scene.
    spacing_mm
        Pixel size; samples are twice as fine.
    n_slices
        Slices of the stack, side by side.
    shape
        Rows and columns in pixels; drawn (200-320 mm high) when left out.
    with_second_plane
        Whether to sample the slices a second time, some way through their thickness, for partial volume.
    """
    rng = np.random.default_rng([seed, _SEED])
    body, discs = draw_body(rng), draw_discs(rng)
    anatomy = build_anatomy(body, discs, PoseRecipe())
    step_mm = uniform(rng, 3.0, 5.5)
    offsets_mm = [step_mm * (k - (n_slices - 1) / 2) for k in range(n_slices)]
    planes = _draw_planes(rng, anatomy, spacing_mm, shape, offsets_mm)
    canvases = [paint_plane(anatomy, plane) for plane in planes]
    tissues = np.stack([canvas.labels for canvas in canvases])
    structures = np.stack([canvas.structures for canvas in canvases])
    behind_mm = step_mm * uniform(rng, 0.2, 0.7)
    return Scene(
        tissues=tissues,
        structures=structures,
        levels=level_numbers()[tissues],
        tissues_behind=_second(anatomy, planes, behind_mm) if with_second_plane else None,
        tissue_table=anatomy.tissues,
        spacing_mm=spacing_mm,
        samples=_SAMPLES,
        slice_step_mm=step_mm,
        is_scoliotic=abs(body.scoliosis_deg) >= 10,
        has_spine=bool((structures > 0).any()),
        n_lumbar=body.n_lumbar,
        fused_levels=tuple(disc.level for disc in discs if disc.is_fused),
    )


def _second(anatomy: Anatomy, planes: list[Plane], behind_mm: float) -> NDArray[np.uint8]:
    return np.stack([paint_plane(anatomy, _moved(plane, behind_mm)).labels for plane in planes])


def _moved(plane: Plane, along_mm: float) -> Plane:
    """Return the plane moved along its normal."""
    normal = np.cross(plane.column_step_mm, plane.row_step_mm)
    return Plane(
        rows=plane.rows,
        columns=plane.columns,
        first_mm=plane.first_mm + along_mm / np.linalg.norm(normal) * normal,
        column_step_mm=plane.column_step_mm,
        row_step_mm=plane.row_step_mm,
    )


def _draw_planes(
    rng: np.random.Generator,
    anatomy: Anatomy,
    spacing_mm: float,
    shape: tuple[int, int] | None,
    offsets_mm: list[float],
) -> list[Plane]:
    """Draw where the stack lies: usually on the midline with the lumbar spine in view; sometimes far from either."""
    rows, columns = shape or _draw_shape(rng, spacing_mm)
    turn = rotation(uniform(rng, -12, 12), float(rng.normal(0, 2.5)), float(rng.normal(0, 2.5)))
    column, row = turn @ np.array([0.0, -1.0, 0.0]), turn @ np.array([0.0, 0.0, -1.0])
    step = spacing_mm / _SAMPLES
    middle = np.array([_draw_aside(rng), *_draw_centre(rng, anatomy, rows * spacing_mm, columns * spacing_mm)])
    first = middle - (columns * _SAMPLES - 1) / 2 * step * column - (rows * _SAMPLES - 1) / 2 * step * row
    return [
        Plane(
            rows=rows * _SAMPLES,
            columns=columns * _SAMPLES,
            first_mm=first + offset * np.cross(column, row),
            column_step_mm=step * column,
            row_step_mm=step * row,
        )
        for offset in offsets_mm
    ]


def _draw_shape(rng: np.random.Generator, spacing_mm: float) -> tuple[int, int]:
    height_mm = uniform(rng, 200, 320)
    width_mm = min(height_mm * uniform(rng, 0.65, 1.0), 280.0)
    return round(height_mm / spacing_mm), round(width_mm / spacing_mm)


def _draw_aside(rng: np.random.Generator) -> float:
    """Draw the middle of the stack in mm to the right: near the midline in most, lateral in some, far in a few."""
    kind, side = uniform(rng, 0, 1), 1.0 if chance(rng, 0.5) else -1.0
    if kind < 0.04:
        return side * uniform(rng, *_FAR_MM)
    return uniform(rng, -35, 35) if kind < 0.3 else float(np.clip(rng.normal(0, 7), -35, 35))


def _draw_centre(rng: np.random.Generator, anatomy: Anatomy, height_mm: float, width_mm: float) -> tuple[float, float]:
    """Draw the middle of the field, anterior and up: S1 in its lower third, or cut off, or the field shifted."""
    s1_mm = float(anatomy.skeleton.vertebra("S1").frame.origin_mm[2])
    low = uniform(rng, -0.15, 0.5) if chance(rng, 0.2) else uniform(rng, 0.12, 0.33)  # S1's height in the field
    up_mm = s1_mm + (0.5 - low) * height_mm
    canal_mm = float(anatomy.profile.canal[anatomy.profile.index(np.array(up_mm, np.float32))])
    return canal_mm + (uniform(rng, 0.35, 0.75) - 0.5) * width_mm, up_mm
