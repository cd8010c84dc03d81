"""Compressed pixels looked at before they are decoded: whole to the end, and of the matrix that the header states.

A decoder allocates what a codestream claims, whatever the DICOM header says; so the claim is read first.
Sources: DICOM PS3.5 A.4 (fragments); ITU-T T.800 A.5.1 (SIZ); ITU-T T.87 C.2 (frame and scan header of JPEG-LS).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from t2disc.errors import PixelsLossy, PixelsTruncated, PixelsUndecodable
from t2disc.ingest.frames import PixelSource

_ITEM, _END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_JPEG_2000, _JPEG = b"\xff\x4f\xff\x51", b"\xff\xd8"
_JPEG_LS_FRAME, _START_OF_SCAN, _CODING_STYLE = 0xF7, 0xDA, 0x52
_LAST_MARKERS = frozenset({0xDA, 0x90, 0x93, 0xD9})  # scan, tile part, data, end: what follows has no length
_HEAD_BYTES = 1 << 16
_RLE = "1.2.840.10008.1.2.5"
_RLE_HEAD_BYTES, _RLE_PADDING_BYTES = 64, 256


def check_codestreams(source: PixelSource) -> None:
    """Refuse compressed pixels that are cut short, or whose own matrix is not that of the header.

    Raises
    ------
    PixelsTruncated
        ``pixels-truncated``: the file ends before its last fragment does.
    PixelsLossy
        ``pixels-lossy``: an irreversible codestream, whatever the header calls it.
    PixelsUndecodable
        ``pixels-undecodable``: a codestream of another matrix or of several components, or none at all; run lengths
        that are longer than any way to write the plane.
    """
    with source.path.open("rb") as file:
        places = list(_fragments(file, source))
        if not places:
            raise PixelsUndecodable("compressed pixels without a fragment")
        if source.transfer_syntax == _RLE:
            _check_run_lengths(places, source)
            return
        for n, (at, length) in enumerate(places):
            file.seek(at)
            _check_head(file.read(min(length, _HEAD_BYTES)), source, must_start=n == 0)


def _check_run_lengths(places: list[tuple[int, int]], source: PixelSource) -> None:
    """Refuse more run lengths than a plane can need: two bytes stand for up to 128, and a decoder makes them all.

    The most wasteful encoder spends two bytes on each byte of the plane (PS3.5 G.3.1).
    """
    most = _RLE_HEAD_BYTES + 2 * source.plane_bytes + _RLE_PADDING_BYTES
    longest = max(length for _, length in places)
    if longest > most:
        raise PixelsUndecodable(f"{longest} bytes of run lengths for a plane of {source.plane_bytes}")


def _fragments(file: BinaryIO, source: PixelSource) -> Iterator[tuple[int, int]]:
    """Yield (offset, length) of each fragment after the offset table."""
    at, is_table = source.offset, True
    while True:
        file.seek(at)
        head = file.read(8)
        if head[:4] == _END:
            return
        if len(head) < 8 or head[:4] != _ITEM:
            raise PixelsTruncated("compressed pixels that break off between two fragments")
        length = struct.unpack_from("<L", head, 4)[0]
        if at + 8 + length > source.file_bytes:
            raise PixelsTruncated(f"{source.file_bytes - at - 8} of {length} bytes of a fragment")
        if not is_table:
            yield at + 8, length
        at, is_table = at + 8 + length, False


def _check_head(head: bytes, source: PixelSource, *, must_start: bool) -> None:
    """Check the matrix of a fragment that starts a codestream; others continue one."""
    try:
        size = _matrix(head)
        is_lossy = size is not None and _is_lossy(head)
    except (struct.error, IndexError) as error:
        raise PixelsUndecodable("a codestream whose header is damaged or of another kind") from error
    if size is None and must_start:
        raise PixelsUndecodable("compressed pixels that start with no codestream known here")
    if is_lossy:
        raise PixelsLossy("a lossy codestream in a file that calls itself lossless")
    if size is not None and size != (source.columns, source.rows, 1):
        columns, rows, components = size
        raise PixelsUndecodable(
            f"a codestream of {columns} x {rows}, {components} components",
            expected=f"the header's {source.columns} x {source.rows}, 1 component",
            todo="export the series again",
        )


def _matrix(head: bytes) -> tuple[int, int, int] | None:
    """Return (columns, rows, components) as a codestream states them, ``None`` for what starts none."""
    if head.startswith(_JPEG_2000):
        right, lower, left, upper = struct.unpack_from(">4L", head, 8)
        return right - left, lower - upper, struct.unpack_from(">H", head, 40)[0]
    if head.startswith(_JPEG):
        return _jpeg_matrix(head)
    return None


def _jpeg_matrix(head: bytes) -> tuple[int, int, int] | None:
    at = _segment(head, 2, _JPEG_LS_FRAME)
    _, rows, columns, components = struct.unpack_from(">BHHB", head, at + 4)
    return columns, rows, components


def _is_lossy(head: bytes) -> bool:
    """Tell near-lossless JPEG-LS and irreversible JPEG 2000; a reversible stream cut in rate cannot be told."""
    if head.startswith(_JPEG_2000):
        return head[_segment(head, 2, _CODING_STYLE) + 13] == 0  # the 9/7 wavelet
    scan = _segment(head, 2, _START_OF_SCAN)
    return head[scan + 5 + 2 * head[scan + 4]] != 0  # NEAR


def _segment(head: bytes, at: int, wanted: int) -> int:
    """Return where the marker segment of the wanted kind starts; every segment states its length."""
    while True:
        mark, marker, length = struct.unpack_from(">BBH", head, at)
        if marker == wanted:
            return at
        if mark != 0xFF or marker in _LAST_MARKERS:
            raise struct.error("no such segment")
        at += 2 + length
