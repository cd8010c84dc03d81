"""NIfTI volumes read whole and verified: a flipped bit in a gzip stream is refused, a bomb is not inflated.

nibabel stops reading a .nii.gz at the last voxel, before the check sum; here the stream is read to its end first, no
further than its own header allows. Source: RFC 1952 (gzip), NIfTI-1.
"""

from __future__ import annotations

import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2disc.errors import GeometryMissing, NiftiUnreadable, T2DiscError

_HEADER_BYTES = 1 << 16
_MAX_BYTES = 1 << 32  # of one volume, uncompressed
_EXTRA_BYTES = 1 << 20  # header extensions
_GZIP = zlib.MAX_WBITS | 16
_MM_PER_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}  # xyzt_units: unknown (mm by convention), metre, mm, micron


def read_volume(path: Path) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Return the values ``(X, Y, Z)`` and the affine ``(4, 4)`` to RAS+ mm of one NIfTI file.

    Metres and microns become mm; where the header names no unit, numbers are mm by convention.

    Source: NIfTI-1, field ``xyzt_units``, spatial codes 0 to 3.

    Raises
    ------
    NiftiUnreadable
        ``nifti-unreadable``: no NIfTI, cut short, wrong check sum, larger than its header says, or in a unit of length
        that NIfTI does not know.
    GeometryMissing
        ``geometry-missing``: neither sform nor qform is set.
    """
    try:
        return _parse(_content(path))
    except T2DiscError:
        raise
    except Exception as error:  # nibabel and zlib raise what they like on damaged bytes
        raise NiftiUnreadable("a file that is no whole NIfTI volume") from error


def _content(path: Path) -> bytes:
    if not path.is_file():  # a FIFO would block, a device never end
        raise NiftiUnreadable("no regular file")
    content = path.read_bytes()
    return _gunzip(content) if content[:2] == b"\x1f\x8b" else content


def _gunzip(content: bytes) -> bytes:
    stream = zlib.decompressobj(_GZIP)
    start = stream.decompress(content, _HEADER_BYTES)
    expected = _stated_bytes(start)
    rest = stream.decompress(stream.unconsumed_tail, expected + _EXTRA_BYTES) if not stream.eof else b""
    if not stream.eof:
        raise NiftiUnreadable("a gzip stream that is cut short or goes beyond the size its header states")
    if stream.unused_data.strip(b"\0"):
        raise NiftiUnreadable("bytes after the end of the gzip stream")
    return start + rest


def _stated_bytes(start: bytes) -> int:
    import nibabel as nib

    header = nib.Nifti1Header.from_fileobj(BytesIO(start), check=False)  # type: ignore[no-untyped-call]
    n_values = int(np.prod([max(int(n), 1) for n in header["dim"][1:8]], dtype=object))
    stated = n_values * int(header.get_data_dtype().itemsize) + int(header["vox_offset"])
    if not 0 < stated <= _MAX_BYTES:
        raise NiftiUnreadable(f"a header that states {stated} bytes")
    return stated


def _parse(content: bytes) -> tuple[NDArray[Any], NDArray[np.float64]]:
    import nibabel as nib

    if len(content) < _stated_bytes(content):
        raise NiftiUnreadable(f"{len(content)} of {_stated_bytes(content)} bytes")
    image = nib.Nifti1Image.from_bytes(content)
    if not (image.header["sform_code"] > 0 or image.header["qform_code"] > 0):
        raise GeometryMissing("a NIfTI volume without sform or qform", expected="an affine to patient coordinates")
    values = np.asanyarray(image.dataobj)
    while values.ndim > 3 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim != 3 or values.dtype.kind not in "iuf":
        raise NiftiUnreadable(f"{values.dtype} values of shape {values.shape}", expected="one volume of real numbers")
    return values, _in_mm(np.array(image.affine, np.float64), int(image.header["xyzt_units"]))


def _in_mm(affine: NDArray[np.float64], xyzt_units: int) -> NDArray[np.float64]:
    """Return an affine in the header's unit of length as one in mm."""
    unit = xyzt_units & 7
    if unit not in _MM_PER_UNIT:
        raise NiftiUnreadable(f"a unit of length of code {unit}", expected="metres, mm or microns (xyzt_units)")
    affine[:3] *= _MM_PER_UNIT[unit]
    return affine
