"""What lies in a visit's folder, as told by headers alone."""

from __future__ import annotations

from dataclasses import dataclass, field

from t2disc.model.stack import Acquisition, LeftOut


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """The series that would be used for T2, and everything that would be left out; no pixel was read."""

    echo_times_ms: tuple[float, ...]
    shape: tuple[int, int, int]
    n_images: int
    acquisition: Acquisition
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whose a DICOM file is and of which day; held in memory to tell visits apart, never written or printed."""

    patient_id: str = field(repr=False)
    study_date: str | None = field(default=None, repr=False)  # YYYY-MM-DD
    acquisition_date: str | None = field(default=None, repr=False)  # YYYY-MM-DD, as Acquisition has it
