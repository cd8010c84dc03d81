"""How far each echo of a stack lies from the first, and what was done about it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum


class EchoState(StrEnum):
    """What became of an echo; the words stand in records: add, never rename."""

    REFERENCE = "reference"  # the first echo: the others are measured against it
    LEFT = "left"  # measured, and within the threshold: left as it was
    CORRECTED = "corrected"  # measured, beyond the threshold, and moved back onto the first
    UNSURE = "unsure"  # not measured: too little signal left, or too little in common with the first echo
    UNSETTLED = "unsettled"  # not measured: no motion within reach brings it onto the first


@dataclass(frozen=True, slots=True, kw_only=True)
class EchoShift:
    """The rigid motion of the body in the image plane from the first echo to one echo; NaN where it is not measured.

    Attributes
    ----------
    echo_time_ms
        Of the echo, ms.
    state
        Whether it was measured, and what was done.
    translation_mm
        Of the middle of the field, to the right, to the front and upwards (RAS+), mm.
    rotation_deg
        About the third axis of the grid in the slices' order, right-handed, degrees.
    displacement_mm
        Largest of any voxel of the body that lies inside the field, mm.
    standard_error_mm
        Of the place of the body's voxel that is least sure, by noise, mm.
    """

    echo_time_ms: float
    state: EchoState
    translation_mm: tuple[float, float, float] = (math.nan,) * 3
    rotation_deg: float = math.nan
    displacement_mm: float = math.nan
    standard_error_mm: float = math.nan

    @property
    def is_measured(self) -> bool:
        """Whether the echo was measured against the first."""
        return self.state in (EchoState.LEFT, EchoState.CORRECTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class EchoMotion:
    """Motion between the echoes of one visit.

    Attributes
    ----------
    threshold_mm
        Displacement above which an echo was corrected, mm.
    echoes
        ``(E,)``, the first one included.
    """

    threshold_mm: float
    echoes: tuple[EchoShift, ...]

    @property
    def largest_mm(self) -> float:
        """Largest displacement of the echoes that were measured, mm; NaN where none was."""
        return max((echo.displacement_mm for echo in self.echoes if echo.is_measured), default=math.nan)

    def numbers(self, *states: EchoState) -> tuple[int, ...]:
        """Return the numbers, from 1, of the echoes in one of the states."""
        return tuple(number for number, echo in enumerate(self.echoes, start=1) if echo.state in states)
