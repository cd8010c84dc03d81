"""A factory of fake slices: a sound multi-echo series by default, so that each fault is one line of a test."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, MRImageStorage, generate_uid

ROWS, COLUMNS = 48, 40
ECHO_TIMES_MS = (10.0, 20.0, 30.0, 40.0)
SAGITTAL = [0.0, 1.0, 0.0, 0.0, 0.0, -1.0]
SERIES_UID = "1.2.3.4"


def stored_values(z: int, echo_time_ms: float) -> np.ndarray:
    """Return (ROWS, COLUMNS) uint16 with a decay in echo time and a gradient that tells rows, columns and slices."""
    rows, columns = np.mgrid[:ROWS, :COLUMNS]
    start = 1000 + 20 * rows + 3 * columns + 100 * z
    return np.round(start * np.exp(-echo_time_ms / 60.0)).astype(np.uint16)


def fake_slice(z: int = 0, echo_time_ms: float = 10.0, **changes: Any) -> FileDataset:
    """Return one classic sagittal MR image at slice ``z``; ``changes`` set elements, ``None`` removes them."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = changes.pop("TransferSyntaxUID", ExplicitVRLittleEndian)
    meta.MediaStorageSOPClassUID = MRImageStorage
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = MRImageStorage, generate_uid()
    meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
    ds.Modality, ds.Manufacturer, ds.ManufacturerModelName = "MR", "SIEMENS", "Model"
    ds.StudyDate, ds.AcquisitionDate, ds.AcquisitionTime = "20240102", "20240102", "101112.5"
    ds.PatientID, ds.PatientName = "ID-1", "Name^Test"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SeriesNumber = "1.2.3", SERIES_UID, 5
    ds.ScanningSequence, ds.SequenceVariant, ds.RepetitionTime, ds.FlipAngle = "SE", "SK", 2000, 90
    ds.MagneticFieldStrength, ds.SliceThickness, ds.SpacingBetweenSlices = 3, 4, 5
    ds.EchoTime, ds.EchoNumbers, ds.InstanceNumber = echo_time_ms, round(echo_time_ms / 10), z + 1
    ds.ImageOrientationPatient, ds.PixelSpacing = SAGITTAL, [0.8, 0.5]
    ds.ImagePositionPatient = [-5.0 * z, -50.0, 60.0]
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = ROWS, COLUMNS, 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
    order = ">u2" if meta.TransferSyntaxUID == ExplicitVRBigEndian else "<u2"
    ds.PixelData = stored_values(z, echo_time_ms).astype(order).tobytes()
    return edit(ds, **changes)


def edit(ds: FileDataset, **changes: Any) -> FileDataset:
    """Set or remove (``None``) elements of one slice and return it."""
    for keyword, value in changes.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    return ds


def series(n_slices: int = 3, echo_times_ms: Sequence[float] = ECHO_TIMES_MS, **changes: Any) -> list[FileDataset]:
    """Return a whole series, echo by echo; ``changes`` apply to every slice."""
    return [fake_slice(z, te, **changes) for te in echo_times_ms for z in range(n_slices)]


def where(slices: Iterable[FileDataset], **wanted: Any) -> list[FileDataset]:
    """Return the slices whose elements equal ``wanted``."""
    return [ds for ds in slices if all(getattr(ds, k) == v for k, v in wanted.items())]


def write(folder: Path, slices: Iterable[Dataset], name: Callable[[int], str] = "im{:04d}".format) -> Path:
    """Write slices under meaningless names and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for n, ds in enumerate(slices):
        dcmwrite(folder / name(n), ds, enforce_file_format=True)
    return folder
