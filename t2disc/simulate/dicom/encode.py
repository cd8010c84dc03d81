"""From a dataset to the bytes of a DICOM file, in any of the transfer syntaxes that hospitals send."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from t2disc.simulate.recipe import refuse_unknown

TRANSFER_SYNTAXES = {
    "explicit_le": ExplicitVRLittleEndian,
    "implicit_le": ImplicitVRLittleEndian,
    "big_endian": ExplicitVRBigEndian,
    "deflate": DeflatedExplicitVRLittleEndian,
    "rle": RLELossless,
    "jpeg2000": JPEG2000Lossless,
    "jpegls": JPEGLSLossless,
}
"""Transfer syntaxes by the names recipes use; all are lossless."""


def set_pixels(dataset: Dataset, frames: NDArray[np.uint16], *, bits_stored: int = 12, is_signed: bool = False) -> None:
    """Describe and attach pixels ``(frames, rows, columns)`` that are not negative."""
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = frames.shape[1:]
    dataset.BitsAllocated = 16
    dataset.BitsStored = bits_stored
    dataset.HighBit = bits_stored - 1
    dataset.PixelRepresentation = int(is_signed)
    dataset.PixelData = np.ascontiguousarray(frames, "<u2").tobytes()
    dataset["PixelData"].VR = "OW"


def to_bytes(dataset: Dataset, transfer_syntax: str) -> bytes:
    """Return the file of a dataset whose pixels are still native little endian.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: a transfer syntax that is not one of TRANSFER_SYNTAXES.
    """
    refuse_unknown("transfer syntax", (transfer_syntax,), TRANSFER_SYNTAXES)
    syntax = TRANSFER_SYNTAXES[transfer_syntax]
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    elif syntax.is_encapsulated:
        _compress(dataset, transfer_syntax)
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _compress(dataset: Dataset, transfer_syntax: str) -> None:
    """Replace native pixels by one compressed fragment a frame."""
    if transfer_syntax == "rle":
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
        return
    frames = np.frombuffer(dataset.PixelData, "<u2").reshape(-1, dataset.Rows, dataset.Columns)
    encode = {"jpeg2000": _encode_jpeg2000, "jpegls": _encode_jpegls}[transfer_syntax]
    dataset.PixelData = encapsulate([encode(frame, dataset.BitsStored) for frame in frames])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True


def _encode_jpeg2000(frame: NDArray[np.uint16], bits_stored: int) -> bytes:
    from openjpeg.utils import encode_array

    return bytes(encode_array(frame, bits_stored=bits_stored, photometric_interpretation=2))


def _encode_jpegls(frame: NDArray[np.uint16], bits_stored: int) -> bytes:
    import jpeg_ls  # type: ignore[import-untyped]

    rows, columns = frame.shape
    return bytes(jpeg_ls.encode_buffer(frame.tobytes(), rows, columns, 1, bits_stored))
