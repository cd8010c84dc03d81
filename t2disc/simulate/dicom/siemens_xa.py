"""Siemens XA, enhanced: one file per echo in one series; phase and T2 map in series of their own."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from t2disc.simulate.dicom.enhanced import FrameSpec, enhanced_object
from t2disc.simulate.dicom.exam import Exam, Series, series_of
from t2disc.simulate.dicom.header import whole
from t2disc.simulate.dicom.siemens import PHASE_INTERCEPT, PHASE_SLOPE


def siemens_xa_objects(exam: Exam) -> Iterator[Dataset]:
    """Yield the objects of a Siemens Vida (syngo MR XA30) exam."""
    scan = exam.scan
    yield from _localiser(exam, series_of(1, "localizer", sequence="GR", minute=1))
    series = series_of(8, "t2_map_sag_se_mc", minute=12)
    for echo in range(scan.magnitude.shape[0]):
        frames = _frames(exam, whole(scan.magnitude[echo]), echo, ("ORIGINAL", "PRIMARY", "M", "NONE"))
        yield _object(exam, series, frames, echo)
    series = series_of(9, "t2_map_sag_se_mc", minute=12)
    for echo in range(scan.phase.shape[0]):
        stored = whole((scan.phase[echo] / np.pi * 4096 - PHASE_INTERCEPT) / PHASE_SLOPE)
        frames = _frames(
            exam,
            stored,
            echo,
            ("ORIGINAL", "PRIMARY", "P", "NONE"),
            "PHASE",
            float(PHASE_SLOPE),
            float(PHASE_INTERCEPT),
        )
        yield _object(exam, series, frames, echo)
    frames = _frames(exam, whole(scan.scanner_t2_ms), 0, ("DERIVED", "PRIMARY", "T2 MAP", "NONE"))
    yield _object(exam, series_of(10, "t2_map_sag_se_mc_T2", minute=12), frames, 0)


def _frames(
    exam: Exam,
    stored: NDArray[np.uint16],
    echo: int,
    frame_type: tuple[str, ...],
    component: str = "MAGNITUDE",
    slope: float = 1.0,
    intercept: float = 0.0,
) -> list[FrameSpec]:
    """Return the slices ``(Z, rows, columns)`` of one echo as frames."""
    return [
        FrameSpec(
            grid=exam.scan.grid,
            index=index,
            stored=image,
            echo=echo,
            echo_time_ms=exam.scan.echo_times_ms[echo],
            frame_type=frame_type,
            component=component,
            slope=slope,
            intercept=intercept,
        )
        for index, image in enumerate(stored)
    ]


def _object(exam: Exam, series: Series, frames: list[FrameSpec], number: int) -> Dataset:
    out = enhanced_object(exam, series, frames, number)
    out.Manufacturer = "Siemens Healthineers"
    out.ManufacturerModelName = "MAGNETOM Vida" if exam.acquisition.field_strength_t > 2 else "MAGNETOM Sola"
    out.SoftwareVersions = "syngo MR XA30"
    out.InstanceNumber = number + 1
    out.PulseSequenceName = f"*se2d{len(exam.scan.echo_times_ms)}" if series.sequence == "SE" else "*fl2d1"
    return out


def _localiser(exam: Exam, series: Series) -> Iterator[Dataset]:
    for number, plane in enumerate(exam.localiser):
        frame = FrameSpec(
            grid=plane.grid,
            index=0,
            stored=whole(plane.magnitude),
            echo=0,
            echo_time_ms=5.0,
            frame_type=("ORIGINAL", "PRIMARY", "M", "NONE"),
        )
        yield _object(exam, series, [frame], number)
