"""Siemens, classic: echoes share InstanceNumber; phase and T2 map are series of their own; means share the echoes'."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pydicom.dataset import Dataset

from t2disc.simulate.dicom.exam import Exam, Series, series_of
from t2disc.simulate.dicom.header import classic_image, decimal, whole

PHASE_SLOPE, PHASE_INTERCEPT = 2, -4096
"""Phase runs from -4096 to 4094 for -pi to pi (real Siemens phase images)."""


def siemens_images(exam: Exam) -> Iterator[Dataset]:
    """Yield the images of a Siemens Skyra (syngo MR E11) exam."""
    echoes = series_of(4, "t2_map_sag_se_mc", minute=12)
    yield from _localiser(exam, series_of(1, "localizer", sequence="GR", minute=1))
    yield from _magnitudes(exam, echoes)
    yield from _means(exam, echoes)
    yield from _phases(exam, series_of(5, "t2_map_sag_se_mc", minute=12))
    yield from _maps(exam, series_of(6, "t2_map_sag_se_mc_T2_Images", minute=12))


def _marked(exam: Exam, image: Dataset, image_type: list[str], instance_number: int, echo: int | None) -> Dataset:
    """Add what Siemens says of every image."""
    echo_times_ms = exam.scan.echo_times_ms
    image.Manufacturer = "SIEMENS"
    image.ManufacturerModelName = "Skyra" if exam.acquisition.field_strength_t > 2 else "Aera"
    image.SoftwareVersions = "syngo MR E11"
    image.ImageType = image_type
    image.InstanceNumber = instance_number
    image.SequenceVariant = "SP"
    image.SequenceName = f"*se2d{len(echo_times_ms)}" if image.ScanningSequence == "SE" else "*fl2d1"
    image.EchoTrainLength = len(echo_times_ms) if image.ScanningSequence == "SE" else 1
    image.TransmitCoilName = "Body"
    image.FlipAngle = decimal(exam.acquisition.refocusing_deg if image.ScanningSequence == "SE" else 20)
    image.EchoTime = decimal(5.0 if echo is None else echo_times_ms[echo])
    image.EchoNumbers = 1 if echo is None else echo + 1
    block = image.private_block(0x0051, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0F, "LO", "SP1-8")  # coil elements
    return image


def _magnitudes(exam: Exam, series: Series) -> Iterator[Dataset]:
    scan = exam.scan
    for echo in range(len(scan.echo_times_ms)):
        for index in range(scan.grid.n_slices):
            image = classic_image(exam, series, scan.grid, index, whole(scan.magnitude[echo, index]), "M", echo)
            yield _marked(exam, image, ["ORIGINAL", "PRIMARY", "M", "ND"], index + 1, echo)


def _means(exam: Exam, series: Series) -> Iterator[Dataset]:
    """Mean of all echoes, filed by the scanner in the echoes' own series."""
    scan = exam.scan
    for index in range(scan.grid.n_slices):
        stored = whole(scan.magnitude[:, index].mean(axis=0))
        image = classic_image(exam, series, scan.grid, index, stored, "mean")
        yield _marked(exam, image, ["DERIVED", "PRIMARY", "M", "ND", "MEAN"], scan.grid.n_slices + index + 1, 0)


def _phases(exam: Exam, series: Series) -> Iterator[Dataset]:
    scan = exam.scan
    for echo in range(scan.phase.shape[0]):
        for index in range(scan.grid.n_slices):
            stored = whole((scan.phase[echo, index] / np.pi * 4096 - PHASE_INTERCEPT) / PHASE_SLOPE)
            image = classic_image(exam, series, scan.grid, index, stored, "P", echo)
            image.RescaleIntercept, image.RescaleSlope, image.RescaleType = PHASE_INTERCEPT, PHASE_SLOPE, "US"
            yield _marked(exam, image, ["ORIGINAL", "PRIMARY", "P", "ND"], index + 1, echo)


def _maps(exam: Exam, series: Series) -> Iterator[Dataset]:
    scan = exam.scan
    for index in range(scan.grid.n_slices):
        image = classic_image(exam, series, scan.grid, index, whole(scan.scanner_t2_ms[index]), "T2")
        image.ImageComments = "T2 map, ms"
        yield _marked(exam, image, ["DERIVED", "PRIMARY", "T2 MAP", "ND"], index + 1, 0)


def _localiser(exam: Exam, series: Series) -> Iterator[Dataset]:
    for number, plane in enumerate(exam.localiser, start=1):
        image = classic_image(exam, series, plane.grid, 0, whole(plane.magnitude), "localiser", number)
        yield _marked(exam, image, ["ORIGINAL", "PRIMARY", "M", "ND", "NORM"], number, None)
