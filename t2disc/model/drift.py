"""What about the scan differed between two visits of one participant."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

Agreement = Literal["same", "differs", "cannot be checked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """The facts of the acquisition at two visits side by side; ``cannot be checked`` where either header is silent.

    Attributes
    ----------
    scanner
        Vendor and model. Two scanners of one model are not told apart.
    software, receive_coil
        As the headers name them.
    field_strength, first_echo_time, echo_spacing, n_echoes, repetition_time, flip_angle, voxel_size, slice_thickness
        Within tolerances, see :func:`~t2disc.measure.compare_acquisitions`.
    time_of_day_difference_h
        Clock time of the follow-up minus that of baseline, hours, above -24 and below 24; None where one is missing.
    interval_days
        Days from baseline to follow-up; None where a date is missing.
    """

    scanner: Agreement
    software: Agreement
    receive_coil: Agreement
    field_strength: Agreement
    first_echo_time: Agreement
    echo_spacing: Agreement
    n_echoes: Agreement
    repetition_time: Agreement
    flip_angle: Agreement
    voxel_size: Agreement
    slice_thickness: Agreement
    time_of_day_difference_h: float | None
    interval_days: int | None

    @property
    def differing(self) -> tuple[str, ...]:
        """Names of the facts that differ, in the order of the attributes."""
        return tuple(field.name for field in fields(self) if getattr(self, field.name) == "differs")
