"""The allow-listed facts of an acquisition; nothing else of a header leaves ingest.

Free-text facts (model, software, coil) are cut to 64 plain characters.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
from pydicom.dataset import Dataset

from t2disc.ingest import elements as el
from t2disc.ingest.frames import Frame
from t2disc.ingest.frametype import vendor
from t2disc.model import Acquisition

DATES = ("AcquisitionDate", "AcquisitionDateTime", "SeriesDate", "ContentDate", "StudyDate")
"""Keywords of the elements that tell the day of acquisition, the nearest first."""

FACTS = (
    "Manufacturer", "ManufacturerModelName", "MagneticFieldStrength", "SoftwareVersions", "ReceiveCoilName",
    "RepetitionTime", "FlipAngle", "AcquisitionTime", *DATES,
)  # fmt: skip
"""Keywords of the elements that :func:`acquisition_of` reads, at the top or in a functional group."""

_PLAIN = re.compile(r"[^A-Za-z0-9 ._+*/()-]+")
_MAX_TEXT = 64


def acquisition_of(ds: Dataset, frame: Frame, step_mm: float) -> Acquisition:
    """Return the facts that the header ``ds`` of the plane ``frame`` states, on slices ``step_mm`` apart."""
    timing, coil = _group(ds, "MRTimingAndRelatedParametersSequence"), _group(ds, "MRReceiveCoilSequence")
    thickness = frame.plane.thickness_mm
    return Acquisition(
        vendor=vendor(el.text(ds, "Manufacturer")),
        scanner_model=plain(el.text(ds, "ManufacturerModelName")),
        field_strength_t=el.number(ds, "MagneticFieldStrength"),
        software=plain(" ".join(el.texts(ds, "SoftwareVersions"))),
        receive_coil=plain(el.text(coil, "ReceiveCoilName")),
        sequence=frame.sequence,
        repetition_time_ms=el.number(timing, "RepetitionTime"),
        flip_angle_deg=el.number(timing, "FlipAngle"),
        voxel_size_mm=(*_pixel_size_mm(frame), round(step_mm, 4)),
        slice_thickness_mm=thickness,
        slice_gap_mm=None if thickness is None else round(step_mm - thickness, 4) + 0.0,
        slice_normal=_normal(frame),
        acquisition_date=el.date(ds, *DATES),
        acquisition_time=_time(ds),
    )


def plain(text: str) -> str | None:
    """Return a header's text reduced to plain characters and 64 of them, ``None`` when nothing is left."""
    return _PLAIN.sub(" ", text).strip()[:_MAX_TEXT] or None


def _pixel_size_mm(frame: Frame) -> tuple[float, float]:
    between_rows, between_columns = frame.plane.spacing_mm or (math.nan, math.nan)
    return between_columns, between_rows


def _normal(frame: Frame) -> tuple[float, float, float] | None:
    if frame.plane.orientation is None:
        return None
    x, y, z = np.cross(frame.plane.orientation[:3], frame.plane.orientation[3:])
    return unit_vector((-x, -y, z))  # LPS to RAS+


def unit_vector(direction: Sequence[float]) -> tuple[float, float, float] | None:
    """Return a direction at length 1, to four digits, its largest part above 0; ``None`` when it is none."""
    length = math.hypot(*direction)
    if not (math.isfinite(length) and length):
        return None
    sign = math.copysign(1.0, max(direction, key=abs))
    x, y, z = (round(sign * float(part) / length, 4) + 0.0 for part in direction)
    return x, y, z


def _group(ds: Dataset, keyword: str) -> Dataset:
    """Return a functional group of an enhanced object; in a classic image the elements stand at the top."""
    for home in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for item in (ds.get(home) or [])[:1]:
            if keyword in item and item[keyword].value:
                return Dataset(item[keyword].value[0])
    return ds


def _time(ds: Dataset) -> str | None:
    """Return the time of acquisition as HH:MM:SS; beside a placeholder date it is a placeholder too."""
    moment = el.text(ds, "AcquisitionTime") or el.text(ds, "AcquisitionDateTime")[8:]
    return el.real_time(moment) if el.date(ds, "AcquisitionDate", "AcquisitionDateTime") else None
