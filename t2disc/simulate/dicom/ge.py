"""GE, classic: no rescale, no magnitude marker, echo fastest in InstanceNumber, positions with six digits."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from t2disc.simulate.dicom.exam import Exam, Series, series_of
from t2disc.simulate.dicom.header import classic_image, decimal, orientation_lps, position_lps, whole

_JITTER_MM = 4e-4
_RAW_TYPE_MAGNITUDE, _RAW_TYPE_PHASE = 0, 1  # (0043,102F)


def ge_images(exam: Exam) -> Iterator[Dataset]:
    """Yield the images of a GE Discovery MR750 (DV26) exam."""
    yield from _localiser(exam, series_of(1, "3-Plane Loc", sequence="GR", minute=1))
    yield from _magnitudes(exam, series_of(5, "Sag T2 MAP", minute=12))
    yield from _phases(exam, series_of(6, "Sag T2 MAP", minute=12))
    yield from _maps(exam, series_of(500, "T2 MAP: Sag T2 MAP", minute=14))


def _marked(exam: Exam, image: Dataset, instance_number: int, echo: int | None, raw_type: int) -> Dataset:
    """Add what GE says of every image, and write numbers as GE does."""
    image.Manufacturer = "GE MEDICAL SYSTEMS"
    image.ManufacturerModelName = "DISCOVERY MR750" if exam.acquisition.field_strength_t > 2 else "Optima MR450w"
    image.SoftwareVersions = ["27", "LX", "MR Software release:DV26.0_R03_1831.b"]
    image.ReceiveCoilName = "HD CTL 456"
    image.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    image.InstanceNumber = instance_number
    image.EchoTrainLength = 1
    image.EchoTime = f"{5.0 if echo is None else exam.scan.echo_times_ms[echo]:.6g}"
    image.EchoNumbers = 1 if echo is None else echo + 1
    image.ScanOptions = ["FAST_GEMS", "ACC_GEMS"]
    image.ReconstructionDiameter = decimal(float(image.PixelSpacing[0]) * image.Rows)
    image.ImageOrientationPatient = [f"{float(value):.6g}" for value in image.ImageOrientationPatient]
    image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 15, 1
    block = image.private_block(0x0043, "GEMS_PARM_01", create=True)
    block.add_new(0x2F, "SS", raw_type)
    return image


def slice_positions_lps(exam: Exam) -> NDArray[np.float64]:
    """Return ImagePositionPatient of every slice ``(Z, 3)``: the ideal one, off by up to 0.0004 mm along the normal.

    The first and the last stay ideal, so that the stack's affine is the truth's.
    """
    grid = exam.scan.grid
    normal = np.cross(*orientation_lps(grid).reshape(2, 3))
    jitter = np.random.default_rng([exam.seed, 0x6E]).uniform(-_JITTER_MM, _JITTER_MM, grid.n_slices)
    jitter[[0, -1]] = 0.0
    return np.stack([position_lps(grid, index) + jitter[index] * normal for index in range(grid.n_slices)])


def _stack(exam: Exam, series: Series, stored: NDArray[np.uint16], kind: str, raw_type: int) -> Iterator[Dataset]:
    """Yield images ``(E, Z, rows, columns)`` of the multi-echo stack, echo fastest."""
    n_echoes, n_slices = stored.shape[:2]
    positions = slice_positions_lps(exam)
    for index in range(n_slices):
        for echo in range(n_echoes):
            image = classic_image(exam, series, exam.scan.grid, index, stored[echo, index], kind, echo)
            image.ImagePositionPatient = [f"{value:.7g}" for value in positions[index]]
            yield _marked(exam, image, index * n_echoes + echo + 1, echo, raw_type)


def _magnitudes(exam: Exam, series: Series) -> Iterator[Dataset]:
    return _stack(exam, series, whole(exam.scan.magnitude), "M", _RAW_TYPE_MAGNITUDE)


def _phases(exam: Exam, series: Series) -> Iterator[Dataset]:
    """Phase in thousandths of a radian, signed, as GE stores it."""
    thousandths = np.rint(exam.scan.phase * 1000).astype(np.int16).view(np.uint16)
    return _stack(exam, series, thousandths, "P", _RAW_TYPE_PHASE)


def _maps(exam: Exam, series: Series) -> Iterator[Dataset]:
    """T2 map of the workstation, ms."""
    for image in _stack(exam, series, whole(exam.scan.scanner_t2_ms[None]), "T2", _RAW_TYPE_MAGNITUDE):
        image.ImageType = ["DERIVED", "SECONDARY", "T2 MAP"]
        yield image


def _localiser(exam: Exam, series: Series) -> Iterator[Dataset]:
    for number, plane in enumerate(exam.localiser, start=1):
        image = classic_image(exam, series, plane.grid, 0, whole(plane.magnitude), "localiser", number)
        yield _marked(exam, image, number, None, _RAW_TYPE_MAGNITUDE)
