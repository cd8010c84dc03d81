"""What every simulated image says in its header, whatever the vendor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage
from pydicom.valuerep import format_number_as_ds

from t2disc.simulate.dicom.encode import set_pixels
from t2disc.simulate.dicom.exam import Exam, Series
from t2disc.simulate.grid import Grid

_TO_LPS = np.array([-1.0, -1.0, 1.0])
_GYROMAGNETIC_MHZ_PER_T = 42.577


def decimal(value: float) -> str:
    """Return a number as a decimal string of at most 16 characters."""
    return format_number_as_ds(float(value))


def decimals(values: NDArray[np.float64]) -> list[str]:
    """Return numbers as decimal strings."""
    return [decimal(value) for value in values]


def position_lps(grid: Grid, index: int) -> NDArray[np.float64]:
    """Return the centre of the first pixel of a slice in LPS mm (ImagePositionPatient)."""
    return np.asarray(_TO_LPS * (grid.first_mm + index * grid.slice_step_mm))


def orientation_lps(grid: Grid) -> NDArray[np.float64]:
    """Return the direction of rows, then of columns, as unit vectors in LPS (ImageOrientationPatient)."""
    steps = (grid.column_step_mm, grid.row_step_mm)
    return np.concatenate([_TO_LPS * step / np.linalg.norm(step) for step in steps]) + 0.0


def pixel_spacing(grid: Grid) -> list[str]:
    """Return the distance between rows, then between columns, in mm."""
    return [decimal(float(np.linalg.norm(step))) for step in (grid.row_step_mm, grid.column_step_mm)]


def slice_spacing_mm(grid: Grid) -> float:
    """Return the distance between slice centres."""
    return float(np.linalg.norm(grid.slice_step_mm))


def exam_header(exam: Exam, series: Series, sop_class: str, *instance: object) -> Dataset:
    """Return a dataset with patient, study, series and times; ``instance`` tells its SOPInstanceUID from all others."""
    out = Dataset()
    out.SpecificCharacterSet = "ISO_IR 100"
    out.SOPClassUID = sop_class
    out.SOPInstanceUID = exam.uid("instance", series.number, series.name, *instance)
    out.StudyDate = out.SeriesDate = out.AcquisitionDate = out.ContentDate = exam.study_date
    out.StudyTime = "100000.000000"
    out.SeriesTime = out.AcquisitionTime = out.ContentTime = series.time
    out.AccessionNumber = ""
    out.Modality = "MR"
    out.ReferringPhysicianName = ""
    out.SeriesDescription = out.ProtocolName = series.description
    out.PatientName = f"SIMULATED^{exam.participant_id}"
    out.PatientID = f"SIM-{exam.participant_id}"
    out.PatientBirthDate = "19700101"
    out.PatientSex = "O"
    out.BodyPartExamined = "LSPINE"
    out.MagneticFieldStrength = decimal(exam.acquisition.field_strength_t)
    out.ImagingFrequency = decimal(exam.acquisition.field_strength_t * _GYROMAGNETIC_MHZ_PER_T)
    out.PatientPosition = "HFS"
    out.StudyInstanceUID = exam.uid("study")
    out.SeriesInstanceUID = series.uid(exam)
    out.StudyID = "1"
    out.SeriesNumber = series.number
    out.AcquisitionNumber = 1
    out.FrameOfReferenceUID = exam.uid("frame of reference")
    out.PositionReferenceIndicator = ""
    return out


def classic_image(
    exam: Exam, series: Series, grid: Grid, index: int, stored: NDArray[np.uint16], *instance: object
) -> Dataset:
    """Return one classic MR image of a slice with its plane, timing and stored pixels ``(rows, columns)``."""
    out = exam_header(exam, series, MRImageStorage, index, *instance)
    out.ScanningSequence = series.sequence
    out.SequenceVariant = "SK"
    out.ScanOptions = ""
    out.MRAcquisitionType = "2D"
    out.SliceThickness = decimal(grid.thickness_mm)
    out.RepetitionTime = decimal(exam.acquisition.repetition_time_ms if series.sequence == "SE" else 300)
    out.NumberOfAverages = "1"
    out.ImagedNucleus = "1H"
    out.PercentSampling = out.PercentPhaseFieldOfView = "100"
    out.FlipAngle = decimal(90)
    out.AcquisitionMatrix = [grid.rows, 0, 0, grid.columns]
    out.InPlanePhaseEncodingDirection = "COL"
    out.ImagePositionPatient = decimals(position_lps(grid, index))
    out.ImageOrientationPatient = decimals(orientation_lps(grid))
    out.SliceLocation = decimal(position_lps(grid, index) @ np.cross(*orientation_lps(grid).reshape(2, 3)))
    out.PixelSpacing = pixel_spacing(grid)
    if grid.n_slices > 1:
        out.SpacingBetweenSlices = decimal(slice_spacing_mm(grid))
    out.WindowCenter, out.WindowWidth = decimal(stored.max() // 2), decimal(max(int(stored.max()), 1))
    set_pixels(out, stored[None])
    return out


def whole(values: NDArray[np.floating]) -> NDArray[np.uint16]:
    """Return values rounded to stored pixels of 12 bits."""
    return np.asarray(np.clip(np.rint(values), 0, 4095), np.uint16)
