"""The anatomy of one person at one visit, and how much of each tissue every voxel of a stack holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from t2disc.simulate.bones import paint_bones
from t2disc.simulate.canvas import Canvas
from t2disc.simulate.grid import Grid, Plane, sample_planes
from t2disc.simulate.profile import Profile, build_profile
from t2disc.simulate.recipe import BodyRecipe, DiscRecipe, PoseRecipe, all_discs
from t2disc.simulate.shapes import Skeleton
from t2disc.simulate.skeleton import build_skeleton
from t2disc.simulate.surroundings import paint_surroundings
from t2disc.simulate.tissues import N_TISSUES, TissueTable, tissue_table

IN_PLANE_SAMPLES = 2
THROUGH_SAMPLES = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Anatomy:
    """One person in one posture: shapes, the curves they hang on, and the tissues' properties."""

    skeleton: Skeleton
    profile: Profile
    tissues: TissueTable
    discs: tuple[DiscRecipe, ...]
    body: BodyRecipe
    pose: PoseRecipe

    @property
    def seed(self) -> int:
        """What draws bowel, muscle streaks and texture."""
        return self.body.seed


def build_anatomy(body: BodyRecipe, discs: tuple[DiscRecipe, ...], pose: PoseRecipe) -> Anatomy:
    """Return the anatomy of a visit; levels without a recipe get a disc of Pfirrmann grade 2."""
    every = all_discs(discs)
    skeleton = build_skeleton(body, every, pose)
    return Anatomy(
        skeleton=skeleton,
        profile=build_profile(skeleton, body),
        tissues=tissue_table(every, body),
        discs=every,
        body=body,
        pose=pose,
    )


def tissue_samples(anatomy: Anatomy, plane: Plane) -> NDArray[np.uint8]:
    """Return the tissue number at every sample ``(rows, columns)`` of a plane in body coordinates."""
    return paint_plane(anatomy, plane).labels


def paint_plane(anatomy: Anatomy, plane: Plane) -> Canvas:
    """Return a plane in body coordinates with all tissues and structures painted."""
    canvas = Canvas(plane)
    paint_surroundings(canvas, anatomy.skeleton, anatomy.profile, anatomy.body)
    paint_bones(canvas, anatomy.skeleton, is_detailed=anatomy.body.is_detailed)
    return canvas


def tissue_fractions(
    anatomy: Anatomy,
    grid: Grid,
    index: int,
    *,
    in_plane: int = IN_PLANE_SAMPLES,
    through: int = THROUGH_SAMPLES,
) -> NDArray[np.float32]:
    """Return the share of each tissue in every voxel of one slice, ``(rows * columns, K)``; each row sums to 1."""
    voxel = np.arange(grid.rows * grid.columns).reshape(grid.rows, grid.columns) * N_TISSUES
    voxel = voxel.repeat(in_plane, axis=0).repeat(in_plane, axis=1)
    counts = np.zeros(grid.rows * grid.columns * N_TISSUES, np.float32)
    for plane in sample_planes(grid, index, anatomy.pose, in_plane=in_plane, through=through):
        labels = tissue_samples(anatomy, plane)
        counts += np.bincount((voxel + labels).ravel(), minlength=counts.size)
    counts /= np.float32(in_plane * in_plane * through)
    return counts.reshape(-1, N_TISSUES)
