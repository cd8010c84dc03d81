"""A spine bent sideways: one lateral curve, its vertebrae turned about their own axes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from t2disc.simulate.recipe import BodyRecipe
from t2disc.simulate.shapes import Frame, Skeleton

_CURVE_MM = 150.0  # from end to end, of an adult of middle height
_TURN = 0.3  # rotation at the apex, of the Cobb angle


def bend_sideways(skeleton: Skeleton, body: BodyRecipe) -> Skeleton:
    """Return the spine with the lateral curve of a recipe; the mean place of its discs sideways stays 0."""
    curve = _Curve(
        apex_mm=float(skeleton.vertebra(body.scoliosis_apex).frame.origin_mm[2]),
        length_mm=_CURVE_MM * body.size,
        cobb=float(np.deg2rad(body.scoliosis_deg)),
    )
    middle_mm = float(np.mean([curve.right_mm(disc.frame) for disc in skeleton.discs if disc.recipe]))
    return Skeleton(
        vertebrae=tuple(replace(shape, frame=curve.bent(shape.frame, middle_mm)) for shape in skeleton.vertebrae),
        discs=tuple(
            replace(
                shape,
                frame=curve.bent(shape.frame, middle_mm),
                lateral_wedge_deg=curve.wedge_deg(shape.frame, 34 * body.size),
            )
            for shape in skeleton.discs
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Curve:
    """A lateral curve whose ends, a length apart, differ in tilt by the Cobb angle (radians).

    The coronal tilt at height z is cobb/2 sin(pi d / L) with d = z - z(apex), and 0 from d = L on: the lateral place
    is its integral, cobb/2 L/pi (1 - cos(pi d / L)). Source: Cobb, Instr Course Lect 1948, for the angle.
    """

    apex_mm: float
    length_mm: float
    cobb: float

    def phase(self, frame: Frame) -> float:
        """Return pi d / L of a frame, within -pi to pi."""
        return float(np.clip((frame.origin_mm[2] - self.apex_mm) / self.length_mm, -1, 1) * np.pi)

    def right_mm(self, frame: Frame) -> float:
        """Return how far the curve moves a frame to the right of its apex."""
        return float(self.cobb / 2 * self.length_mm / np.pi * (1 - np.cos(self.phase(frame))))

    def wedge_deg(self, frame: Frame, segment_mm: float) -> float:
        """Return the lateral wedge of a disc that takes all the bending of its segment."""
        phase = self.phase(frame)
        change = np.cos(phase) if abs(phase) < np.pi else 0.0
        return float(np.rad2deg(-self.cobb / 2 * change * np.pi / self.length_mm * segment_mm))

    def bent(self, frame: Frame, middle_mm: float) -> Frame:
        """Return a frame moved sideways, tilted and turned."""
        tilt = self.cobb / 2 * np.sin(self.phase(frame))
        turn = _TURN * self.cobb * max(np.cos(self.phase(frame)), 0.0)
        c, s = np.cos(tilt), np.sin(tilt)
        coronal = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
        c, s = np.cos(turn), np.sin(turn)
        axial = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
        aside = np.array([self.right_mm(frame) - middle_mm, 0.0, 0.0])
        return replace(frame, origin_mm=frame.origin_mm + aside, axes=frame.axes @ (coronal @ axial).T)
