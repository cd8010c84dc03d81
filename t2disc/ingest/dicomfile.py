"""One DICOM file's header and where its pixels lie, read with a bound on every size it claims.

The header is read from a prefix of the file that grows only as far as the header does, so 240 slices cost 240 short
reads and no pixel is touched. Deflated files are inflated only as far as their own header says they should go.
Source: DICOM PS3.5 section 7 (data elements) and A.5 (deflate), PS3.10 section 7 (file meta information).
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import pydicom.config
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from t2disc.errors import DeflateBomb

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
NATIVE = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE, DEFLATED, EXPLICIT_BIG})

_PREFIX_BYTES = (1 << 16, 1 << 21, 1 << 24)  # 64 KiB holds most headers, 16 MiB any enhanced multi-frame header
_PIXEL_GROUP = 0x7FE0
_PIXEL_ELEMENTS = (0x0008, 0x0009, 0x0010)  # float, double and integer pixel data
_LONG_VR = frozenset({b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"UC", b"UR", b"UT", b"UN", b"SV", b"UV"})


@dataclass(frozen=True, slots=True)
class DicomHeader:
    """A parsed header and the place of its pixel data.

    ``dataset`` holds the wanted elements only. ``pixel_offset`` and ``pixel_length`` are bytes from the start of the
    file (of the inflated body when ``transfer_syntax`` is deflate); ``-1`` when the file ends before its pixels.
    ``file_bytes`` is the size of the file, ``media_class`` the kind of file as its meta group states it (0002,0002).
    """

    dataset: Dataset
    transfer_syntax: str
    pixel_offset: int
    pixel_length: int
    file_bytes: int
    media_class: str


def read_header(path: Path, wanted: Sequence[int]) -> DicomHeader | None:
    """Read the elements with the tags ``wanted`` from one file; ``None`` when the file is no DICOM.

    Raises
    ------
    Exception
        Whatever pydicom makes of a damaged header; the caller turns it into a coded error.
    """
    file_bytes = path.stat().st_size
    with path.open("rb") as file:
        for size in _PREFIX_BYTES:
            file.seek(0)
            prefix = file.read(min(size, file_bytes))
            meta = _meta(prefix)
            if meta is None:
                return None
            body, start = prefix[meta.body_start :], meta.body_start
            whole = len(prefix) == file_bytes
            if meta.transfer_syntax == DEFLATED:
                body, start = _inflate(body, size), 0
                whole = whole and len(body) < size
            try:
                header = _parse(body, start, meta, wanted, file_bytes)
            except Exception:  # an element cut by the prefix's end; a longer prefix tells it from damage
                if whole or size == _PREFIX_BYTES[-1]:
                    raise
                continue
            if header.pixel_offset >= 0 or whole:
                return header
    return header


@contextmanager
def quiet() -> Iterator[None]:
    """Keep pydicom from checking, warning or logging header values: they are a patient's."""
    settings = pydicom.config.settings
    mode, disabled = settings.reading_validation_mode, pydicom.config.logger.disabled
    settings.reading_validation_mode = pydicom.config.IGNORE
    pydicom.config.logger.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        settings.reading_validation_mode = mode
        pydicom.config.logger.disabled = disabled


def inflate(path: Path, limit_bytes: int) -> bytes:
    """Return the inflated body of a deflated DICOM file, refusing to go beyond ``limit_bytes``."""
    content = path.read_bytes()
    meta = _meta(content)
    body = _inflate(content[meta.body_start if meta else 0 :], limit_bytes + 1)
    if len(body) > limit_bytes:
        raise DeflateBomb(f"compressed data that expand beyond {limit_bytes} bytes")
    return body


def _parse(body: bytes, start: int, meta: _Meta, wanted: Sequence[int], file_bytes: int) -> DicomHeader:
    """Parse the beginning of a data set that starts ``start`` bytes into the file."""
    syntax, _, media_class = meta
    implicit, little = syntax == IMPLICIT_LITTLE, syntax != EXPLICIT_BIG
    buffer = _WholeReads(body)
    dataset = read_dataset(buffer, implicit, little, stop_when=_at_pixels, specific_tags=list(wanted))
    implicit = bool(dataset.original_encoding[0])  # as found: pydicom sees through a wrong transfer syntax
    offset, length = _pixel_element(body, buffer.tell(), implicit=implicit, little=little)
    return DicomHeader(dataset, syntax, start + offset if offset >= 0 else -1, length, file_bytes, media_class)


class _WholeReads(BytesIO):
    """A buffer that refuses to hand out part of a value: pydicom would take the beginning of a UID for the UID."""

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(size)
        if size is not None and 0 < len(content) < size:
            raise EOFError(f"{len(content)} of {size} bytes")
        return content


def _at_pixels(tag: int, vr: str | None, length: int) -> bool:  # noqa: ARG001 - pydicom's signature
    return tag >> 16 == _PIXEL_GROUP and tag & 0xFFFF in _PIXEL_ELEMENTS


def _pixel_element(body: bytes, at: int, *, implicit: bool, little: bool) -> tuple[int, int]:
    """Return (offset, length) of the value of the pixel element whose tag stands at ``at``, (-1, 0) if none does."""
    order = "<" if little else ">"
    if len(body) < at + 12 or struct.unpack_from(order + "H", body, at)[0] != _PIXEL_GROUP:
        return -1, 0
    if implicit:
        return at + 8, struct.unpack_from(order + "L", body, at + 4)[0]
    if body[at + 4 : at + 6] in _LONG_VR:
        return at + 12, struct.unpack_from(order + "L", body, at + 8)[0]
    return at + 8, struct.unpack_from(order + "H", body, at + 6)[0]


class _Meta(NamedTuple):
    """What the file meta information says, and where the data set starts."""

    transfer_syntax: str
    body_start: int
    media_class: str = ""


def _meta(content: bytes) -> _Meta | None:
    """Return the file meta information, or ``None`` when the bytes are not DICOM."""
    if content[128:132] != b"DICM":
        return _without_preamble(content)
    at, found = 132, {b"\x02\x00": b"", b"\x10\x00": IMPLICIT_LITTLE.encode()}
    while at + 8 <= len(content) and content[at : at + 2] == b"\x02\x00":
        if content[at + 4 : at + 6] in _LONG_VR:
            if at + 12 > len(content):
                break
            head, length = 12, struct.unpack_from("<L", content, at + 8)[0]
        else:
            head, length = 8, struct.unpack_from("<H", content, at + 6)[0]
        if content[at + 2 : at + 4] in found:
            found[content[at + 2 : at + 4]] = content[at + head : at + head + length]
        at += head + length
    media_class, syntax = (value.rstrip(b"\0 ").decode("ascii", "replace") for value in found.values())
    return _Meta(syntax, at, media_class)


def _without_preamble(content: bytes) -> _Meta | None:
    """Recognise the old files that start with group 0008 and no preamble (PS3.10 allows no such file; sites do)."""
    if content[:2] != b"\x08\x00" or len(content) < 8 or content[3:4] != b"\x00":
        return None
    return _Meta(EXPLICIT_LITTLE if content[4:6].isalpha() and content[4:6].isupper() else IMPLICIT_LITTLE, 0)


def _inflate(data: bytes, limit_bytes: int) -> bytes:
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, limit_bytes)
