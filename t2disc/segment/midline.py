"""The mid-surface of a disc: in every slice a bent line with as much of the disc above it as below.

In the frame of the disc's long axis (x backward, y downward, mm) the mid-line of a slice is the parabola
``y = a + b x + c x^2``. It is a regression of the disc's voxels on their feet (the nearest points of the line),
repeated until the feet settle: a principal curve. Source: Hastie & Stuetzle 1989, J Am Stat Assoc 84:502-516.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from t2disc.segment.sections import Floats, Indices, Sections, slice_means

_NEIGHBOUR_MM = 3.0  # SD of the Gaussian by which neighbouring slices share slope and bend
_SLOPE_SD = 0.5  # expected of b: the long axis has taken the tilt of the disc already
_BEND_SD = 1.0  # expected of c times the disc's length, and its limit: 1 turns either end by 45 degrees
_REFITS = 4
_NEWTON_STEPS = 5
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Midline:
    """The mid-line of every voxel's slice, each ``(V,)``: a = ``offset`` mm, b = ``slope``, c = ``bend`` 1/mm."""

    offset: Floats
    slope: Floats
    bend: Floats

    def heights_mm(self, x: Floats) -> Floats:
        """Return ``y`` of the line at ``x`` ``(V,)``."""
        heights: Floats = self.offset + (self.slope + self.bend * x) * x
        return heights

    def slopes(self, x: Floats) -> Floats:
        """Return ``dy/dx`` at ``x`` ``(V,)``."""
        return self.slope + 2 * self.bend * x

    def feet_mm(self, points_mm: Floats) -> Floats:
        """Return ``x`` of the point of the line nearest to each voxel ``(V,)``, by Newton's method."""
        x, y = points_mm.T
        foot = x.copy()
        for _ in range(_NEWTON_STEPS):
            below, slope = self.heights_mm(foot) - y, self.slopes(foot)
            curvature = 1 + slope**2 + 2 * self.bend * below
            foot -= (foot - x + below * slope) / np.maximum(curvature, 0.5)
        return np.asarray(foot)

    def arcs_mm(self, feet_mm: Floats) -> Floats:
        """Return the length of the line from ``x = 0`` to each foot ``(V,)``, mm: Gauss-Legendre quadrature."""
        nodes = feet_mm[:, None] * (_NODES + 1) / 2
        slopes = self.slope[:, None] + 2 * self.bend[:, None] * nodes
        arcs: Floats = feet_mm / 2 * (np.hypot(1, slopes) @ _WEIGHTS)
        return arcs

    def tangents(self, feet_mm: Floats) -> Floats:
        """Return unit vectors ``(V, 2)`` backward along the line at each foot."""
        slopes = self.slopes(feet_mm)
        return np.stack([np.ones_like(slopes), slopes], axis=1) / np.hypot(1, slopes)[:, None]


def fit_midline(sections: Sections) -> Midline:
    """Return the mid-line of a disc; straight and level where the disc shows no long axis.

    Slope and bend of a slice are those of its own voxels and its neighbours' together (Gaussian weights, SD 3 mm), so
    that small lateral cross-sections borrow from larger ones; the offset is the slice's own. A normal prior (SD 0.5 of
    the slope, 1 of the bend times the disc's length) decides where a fragment tells nothing.
    """
    n_voxels = len(sections.slices)
    line = Midline(offset=np.zeros(n_voxels), slope=np.zeros(n_voxels), bend=np.zeros(n_voxels))
    if not sections.has_axis:
        return line
    share = _sharing(sections.positions_mm)
    length_mm = float(np.ptp(sections.points_mm[:, 0]))
    for _ in range(_REFITS):
        line = _refitted(line, sections, share, length_mm)
    return line


def _refitted(line: Midline, sections: Sections, share: Floats, length_mm: float) -> Midline:
    """Return the regression of the voxels' vertical distances from a line's tangents on their feet."""
    x, y = sections.points_mm.T
    foot = line.feet_mm(sections.points_mm)
    target = y - line.slopes(foot) * (x - foot)  # height of the voxel when carried to its foot along the tangent
    slices = sections.slices
    terms = np.stack([foot, foot**2, target], axis=1)
    means = slice_means(terms, slices)
    centred = terms - means[slices]
    products = share @ _slice_products(centred, slices)  # (S, 3 x 3)
    moments = products.reshape(-1, 3, 3)
    residual_mm2 = max(float(np.var(y - line.heights_mm(x))), 1e-6)
    prior = residual_mm2 * np.diag([1 / _SLOPE_SD**2, (length_mm / _BEND_SD) ** 2])
    solved = np.linalg.solve(moments[:, :2, :2] + prior, moments[:, :2, 2:])[..., 0].astype(np.float64)
    slope, bend = solved[:, 0], np.clip(solved[:, 1], -_BEND_SD / length_mm, _BEND_SD / length_mm)
    offset = means[:, 2] - slope * means[:, 0] - bend * means[:, 1]
    return Midline(offset=offset[slices], slope=slope[slices], bend=bend[slices])


def _sharing(positions_mm: Floats) -> Floats:
    """Return how much each slice ``(S, S)`` weighs in the mid-line of each other."""
    apart = (positions_mm[:, None] - positions_mm) / _NEIGHBOUR_MM
    weights: Floats = np.exp(-(apart**2) / 2)
    return weights


def _slice_products(columns: Floats, slices: Indices) -> Floats:
    """Return the sums over each slice of the products of columns ``(V, K)`` with each other, ``(S, K K)``."""
    products = (columns[:, :, None] * columns[:, None, :]).reshape(len(columns), -1)
    return np.stack([np.bincount(slices, weights=column) for column in products.T], axis=1)
