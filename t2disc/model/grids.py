"""Words for grids: whether two are the same, and which voxel axis runs which way through the body."""

from __future__ import annotations

from itertools import permutations, product
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from t2disc.errors import ArgumentInvalid

GRID_TOLERANCE_MM = 0.01
"""Two grids are one when no corner of theirs lies further apart than this."""


class OnGrid(Protocol):
    """Anything that lies on a grid: a stack, a map, labels."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Grid ``(X, Y, Z)`` in voxels."""

    @property
    def affine(self) -> NDArray[np.float64]:
        """``(4, 4)`` voxel index to RAS+ mm."""


def corner_distance_mm(shape: tuple[int, ...], one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return how far two affines put the corner voxels of one grid apart, in mm, at most."""
    corners = np.array([(*corner, 1) for corner in product(*((0, n - 1) for n in shape))], dtype=np.float64)
    return float(np.linalg.norm(corners @ (one - other).T, axis=1).max())


def require_same_grid(*items: OnGrid) -> None:
    """Refuse things that do not lie on one grid.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: another shape, or corners more than 0.01 mm apart.
    """
    first, *others = items
    for other in others:
        if other.shape != first.shape:
            raise ArgumentInvalid(f"grids of {first.shape} and {other.shape} voxels", expected="one grid")
        apart_mm = corner_distance_mm(first.shape, first.affine, other.affine)
        if apart_mm > GRID_TOLERANCE_MM:
            raise ArgumentInvalid(f"grids whose corners lie {apart_mm:.3g} mm apart", expected="one grid")


def anatomical_axes(affine: NDArray[np.float64]) -> tuple[int, int, int]:
    """Return the voxel axes closest to left-right, posterior-anterior and inferior-superior, each axis once."""
    directions = np.abs(affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0))
    lr, pa, si = max(permutations(range(3)), key=lambda axes: sum(directions[w, a] for w, a in enumerate(axes)))
    return lr, pa, si
