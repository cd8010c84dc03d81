"""Sequences as different as sites choose them, and fields of view as a technologist aims them at a spine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from t2disc.simulate.draws import chance, uniform
from t2disc.simulate.grid import rotation
from t2disc.simulate.recipe import AcquisitionRecipe, BodyRecipe, DiscRecipe, PoseRecipe, all_discs
from t2disc.simulate.skeleton import build_skeleton

_IN_FIELD = ("T12", "L1", "L2", "L3", "L4", "L5", "L6", "S1")
VARIED_SIZES: dict[str, tuple[tuple[int, ...], tuple[int, int]]] = {
    "tiny": ((96, 104), (5, 6)),
    "small": ((112, 128, 144, 160), (7, 9)),
    "full": ((320, 384, 448), (11, 17)),
}
"""Rows of the matrix to choose from, and fewest and most slices, by name."""


def draw_sequence(rng: np.random.Generator, size: str, snr: float | None) -> AcquisitionRecipe:
    """Draw matrix, slices and echo train; where the stack lies comes later."""
    matrices, (fewest, most) = VARIED_SIZES[size]
    n_echoes, spacing_ms = int(rng.integers(8, 17)), round(uniform(rng, 8.0, 13.0), 1)
    thickness_mm = round(uniform(rng, 3.0, 5.0), 1)
    is_one_and_a_half = chance(rng, 0.3)
    return AcquisitionRecipe(
        rows=int(rng.choice(matrices)),
        n_slices=int(rng.integers(fewest, most + 1)),
        thickness_mm=thickness_mm,
        gap_mm=round(thickness_mm * float(rng.choice([0.0, 0.1, 0.2, 0.3])), 2),
        oblique_deg=(round(uniform(rng, -6, 6), 2), round(uniform(rng, -4, 4), 2)),
        echo_times_ms=tuple(round(spacing_ms * n, 2) for n in range(1, n_echoes + 1)),
        repetition_time_ms=float(rng.integers(1500, 3500)),
        snr=uniform(rng, 35.0, 90.0) if snr is None else snr,
        field_strength_t=1.5 if is_one_and_a_half else 3.0,
        b1_mean=uniform(rng, 0.82, 1.0),
        phase_echoes=1 if size == "tiny" else 2,
    )


def aimed(
    rng: np.random.Generator,
    sequence: AcquisitionRecipe,
    body: BodyRecipe,
    discs: tuple[DiscRecipe, ...],
    pose: PoseRecipe,
) -> AcquisitionRecipe:
    """Return the sequence with a field of view that a technologist would choose: T12/L1 to S1 within it."""
    low, high = bounds_mm(body, discs, pose)
    height_mm = (high[2] - low[2]) + uniform(rng, 10, 60)
    voxel_mm = round(height_mm / sequence.rows, 3)
    spare_mm = height_mm - (high[2] - low[2])
    width_mm = max(high[1] - low[1] + 20, height_mm * uniform(rng, 0.75, 1.0))
    columns = 2 * int(np.ceil(width_mm / voxel_mm / 2))
    aside_mm = (columns * voxel_mm - (high[1] - low[1])) / 2
    middle = (low + high) / 2
    offset = np.array([uniform(rng, -2, 2), uniform(rng, -0.7, 0.9) * aside_mm, uniform(rng, -0.4, 0.4) * spare_mm])
    return replace(sequence, columns=columns, voxel_mm=voxel_mm, centre_mm=rounded(middle + offset))


def bounds_mm(
    body: BodyRecipe, discs: tuple[DiscRecipe, ...], pose: PoseRecipe
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the corners (RAS of the scanner) of a box around the bodies T12 to S1, at their middle sideways."""
    skeleton = build_skeleton(body, all_discs(discs), pose)
    turn = rotation(*pose.rotation_deg)
    points = []
    for shape in skeleton.vertebrae:
        if shape.name not in _IN_FIELD:
            continue
        up, ahead = shape.height_mm / 2 * shape.frame.axes[2], max(shape.half_depth_mm) * shape.frame.axes[0]
        points += [shape.frame.origin_mm + a * up + b * ahead for a in (-1, 1) for b in (-1, 1)]
    seen = np.array(points) @ turn.T + np.array(pose.shift_mm)
    low, high = seen.min(axis=0), seen.max(axis=0)
    low[0] = high[0] = np.mean(
        [(turn @ disc.frame.origin_mm)[0] + pose.shift_mm[0] for disc in skeleton.discs if disc.recipe]
    )
    return low, high


def rounded(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return three numbers to a hundredth, as a console shows them."""
    first, second, third = (round(float(value), 2) for value in values)
    return first, second, third
