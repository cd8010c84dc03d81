"""Pixels from disk straight into one float32 array; nothing is allocated that a header merely claims."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2disc.errors import PixelsLossy, PixelsTruncated, PixelsUndecodable, PixelsUnsupported
from t2disc.ingest.codestream import check_codestreams
from t2disc.ingest.dicomfile import DEFLATED, EXPLICIT_BIG, inflate, quiet
from t2disc.ingest.frames import Frame, PixelSource

_AFTER_PIXELS_BYTES = 1 << 16  # padding and trailers that may follow the pixels of a deflated body

Placed = tuple[Frame, NDArray[np.float32], tuple[float, float]]


def read_signal(
    frames: Sequence[Sequence[Frame]], scales: Sequence[Sequence[tuple[float, float]]]
) -> NDArray[np.float32]:
    """Decode ``frames[e][z]``, checked, with (factor, offset) ``scales[e][z]`` into ``(X, Y, Z, E)`` float32.

    In memory each plane is contiguous (the array is a transposed view of ``(E, Z, Y, X)``); rows are stored from the
    last one up, as the affine of :mod:`t2disc.ingest.grid` says.

    Raises
    ------
    PixelError
        ``pixels-truncated``, ``pixels-undecodable``.
    """
    first = frames[0][0].source
    planes = np.empty((len(frames), len(frames[0]), first.rows, first.columns), np.float32)
    places = [
        (frame, planes[e, z, ::-1], scales[e][z]) for e, echo in enumerate(frames) for z, frame in enumerate(echo)
    ]
    for source, wanted in _by_file(places):
        try:
            _fill(source, wanted)
        except (OSError, zlib.error) as error:
            raise PixelsTruncated(f"a file whose pixels cannot be read ({type(error).__name__})") from error
    return planes.transpose(3, 2, 1, 0)


def check_sources(frames: Sequence[Sequence[Frame]]) -> None:
    """Refuse, without decoding, files whose pixels cannot give exact grey values or are not all there.

    Raises
    ------
    PixelError
        ``pixels-lossy``, ``pixels-truncated``, ``pixels-undecodable``, ``pixels-unsupported``.
    """
    sources = list(_sources(frames))
    formats = {(source.bits_allocated, source.bits_stored, source.is_signed) for source in sources}
    if len(formats) > 1:
        raise PixelsUnsupported(f"{len(formats)} pixel formats in one series", expected="one format for all images")
    for source in sources:
        _check_format(source)
        if source.is_native:
            _check_length(source)
        else:
            check_codestreams(source)


def _check_format(source: PixelSource) -> None:
    if source.is_lossy:
        raise PixelsLossy("lossy compressed pixels")
    if not source.is_grey or source.bits_allocated not in (8, 16):
        raise PixelsUnsupported(f"{source.bits_allocated} bits per sample, or colour")
    if not 0 < source.bits_stored <= source.bits_allocated or source.high_bit != source.bits_stored - 1:
        raise PixelsUnsupported(f"{source.bits_stored} bits stored up to bit {source.high_bit}")
    if source.transfer_syntax == EXPLICIT_BIG and source.bits_allocated == 8:
        raise PixelsUnsupported("8-bit pixels in big endian byte order")


def _check_length(source: PixelSource) -> None:
    needed = source.plane_bytes * source.n_frames
    if source.length not in (needed, needed + needed % 2):  # padded to an even length
        raise PixelsTruncated(f"{source.length} pixel bytes in a file where its matrix needs {needed}")
    if source.transfer_syntax != DEFLATED and source.offset + needed > source.file_bytes:
        raise PixelsTruncated(f"{source.file_bytes - source.offset} of {needed} pixel bytes in a file")


def payload_digest(source: PixelSource) -> str:
    """Return a digest of a file's pixel bytes as stored, to tell a harmless copy from a conflict."""
    with source.path.open("rb") as file:
        file.seek(0 if source.transfer_syntax == DEFLATED else source.offset)
        return hashlib.sha256(file.read()).hexdigest()


def _sources(frames: Iterable[Iterable[Frame]]) -> Iterator[PixelSource]:
    seen: set[Path] = set()
    for frame in (frame for echo in frames for frame in echo):
        if frame.source.path not in seen:
            seen.add(frame.source.path)
            yield frame.source


def _by_file(places: Iterable[Placed]) -> Iterator[tuple[PixelSource, list[Placed]]]:
    by_path: dict[Path, list[Placed]] = {}
    for place in places:
        by_path.setdefault(place[0].source.path, []).append(place)
    for wanted in by_path.values():
        yield wanted[0][0].source, sorted(wanted, key=lambda place: place[0].index)


def _fill(source: PixelSource, wanted: Sequence[Placed]) -> None:
    stored = _native(source, wanted) if source.is_native else _decoded(source, wanted)
    for plane, (_, out, (factor, offset)) in zip(stored, wanted, strict=True):
        np.copyto(out, plane, casting="unsafe")
        if factor != 1.0:
            out *= np.float32(factor)
        if offset != 0.0:
            out += np.float32(offset)


def _native(source: PixelSource, wanted: Sequence[Placed]) -> Iterator[NDArray[np.generic]]:
    order = ">" if source.transfer_syntax == EXPLICIT_BIG else "<"
    dtype = np.dtype(f"{order}{'i' if source.is_signed else 'u'}{source.bits_allocated // 8}")
    shape, size = (source.rows, source.columns), source.plane_bytes
    if source.transfer_syntax == DEFLATED:
        body = inflate(source.path, source.offset + size * source.n_frames + _AFTER_PIXELS_BYTES)
        if len(body) < source.offset + size * source.n_frames:
            raise PixelsTruncated(f"{len(body) - source.offset} of {size * source.n_frames} pixel bytes in a file")
        for frame, _, _ in wanted:
            plane = np.frombuffer(body, dtype, shape[0] * shape[1], source.offset + frame.index * size)
            yield _stored_bits(plane.reshape(shape), source)
        return
    with source.path.open("rb") as file:
        for frame, _, _ in wanted:
            file.seek(source.offset + frame.index * size)
            content = file.read(size)
            if len(content) < size:
                raise PixelsTruncated(f"{len(content)} of {size} bytes of an image")
            yield _stored_bits(np.frombuffer(content, dtype).reshape(shape), source)


def _stored_bits(plane: NDArray[Any], source: PixelSource) -> NDArray[Any]:
    """Drop the bits above those stored, where old scanners keep overlays, and extend the sign from the highest."""
    unused = source.bits_allocated - source.bits_stored
    if unused == 0:
        return plane
    kept: NDArray[Any] = plane << unused  # in the plane's own type: shifted back, a signed one carries its sign along
    return kept >> unused


def _decoded(source: PixelSource, wanted: Sequence[Placed]) -> Iterator[NDArray[np.generic]]:
    from pydicom.pixels.utils import iter_pixels

    planes = iter_pixels(source.path, indices=[frame.index for frame, _, _ in wanted])
    for _ in wanted:
        try:
            with quiet():
                plane = next(planes)
        except Exception as error:  # decoders raise what they like on damaged streams, and when there is none
            raise PixelsUndecodable("compressed pixels that no decoder here can read") from error
        if plane.shape != (source.rows, source.columns):
            raise PixelsUndecodable("compressed pixels whose matrix is not that of the header")
        yield plane
