"""Segmentations of 3D Slicer, ``.seg.nrrd`` and ``.nrrd``, read whole and verified.

The header decides how much is inflated; a stream that is shorter or longer is refused. Only what Slicer writes is
read: an attached header, integers of either byte order, raw or gzip. Source: Teem, "Definition of NRRD File Format";
3D Slicer, vtkMRMLSegmentationStorageNode (``Segment0_Name``, ``Segment0_LabelValue``, ``Segment0_Layer``).
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from t2disc.errors import LabelsUnreadable, T2DiscError
from t2disc.ingest.segments import Drawing, merged, require_size, whole_numbers

_MAGIC = re.compile(rb"NRRD000[1-5]\r?\n")
_END = re.compile(rb"\r?\n\r?\n")
_MAX_HEADER_BYTES = 1 << 20
_MAX_SEGMENTS = 1000
_GZIP = zlib.MAX_WBITS | 16
_TO_RAS = {
    "left-posterior-superior": (-1.0, -1.0, 1.0),
    "lps": (-1.0, -1.0, 1.0),
    "right-anterior-superior": (1.0, 1.0, 1.0),
    "ras": (1.0, 1.0, 1.0),
}
_TYPES = {
    **dict.fromkeys(("signed char", "int8", "int8_t"), "i1"),
    **dict.fromkeys(("uchar", "unsigned char", "uint8", "uint8_t"), "u1"),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), "i2"),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), "u2"),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t"), "i4"),
    **dict.fromkeys(("uint", "unsigned int", "uint32", "uint32_t"), "u4"),
}
_SEGMENT = re.compile(r"Segment(\d{1,4})_(Name|LabelValue|Layer)")


@dataclass(frozen=True, slots=True)
class _Segment:
    name: str
    value: int
    layer: int


def read_nrrd(path: Path) -> Drawing:
    """Return the label values and names of one NRRD file.

    Segments that lie in several layers get the values 1, 2, 3 ... in their order; those of one layer keep theirs.

    Raises
    ------
    LabelsUnreadable
        ``labels-unreadable``: no whole NRRD label map with its place in the patient.
    LabelsRepeated
        ``labels-repeated``: discs of two layers that overlap.
    """
    try:
        content = path.read_bytes()
        header, start = _header(content)
        return _drawing(header, content[start:])
    except T2DiscError:
        raise
    except (OSError, ValueError, KeyError, LookupError, OverflowError, zlib.error) as error:
        raise LabelsUnreadable("a file that is no whole NRRD label map") from error


def _drawing(header: Mapping[str, str], data: bytes) -> Drawing:
    sizes = [int(size) for size in header["sizes"].split()]
    if len(sizes) not in (3, 4) or int(header["dimension"]) != len(sizes):
        raise LabelsUnreadable(f"an NRRD of {len(sizes)} dimensions")
    affine = _affine(header, n_axes=len(sizes))
    values = _values(header, data, sizes)
    segments = _segments(header)
    if len(sizes) == 3:
        names = tuple((segment.value, segment.name) for segment in segments)
        return Drawing(values=whole_numbers(values), affine=affine, names=names)
    if not segments or any(segment.layer >= sizes[0] for segment in segments):
        raise LabelsUnreadable("layers without the names and values of their segments")
    numbered = list(enumerate(segments, start=1))
    masks = ((n, segment.name, values[segment.layer] == segment.value) for n, segment in numbered)
    drawn = merged(masks, (sizes[1], sizes[2], sizes[3]))
    return Drawing(values=drawn, affine=affine, names=tuple((n, s.name) for n, s in numbered))


# ------------------------------------------------------------------------------------------------ header
def _header(content: bytes) -> tuple[dict[str, str], int]:
    """Return fields and key/value pairs, and where the data start."""
    magic = _MAGIC.match(content)
    end = _END.search(content, 0, _MAX_HEADER_BYTES)
    if magic is None or end is None:
        raise LabelsUnreadable("a file without an NRRD header")
    header: dict[str, str] = {}
    for line in content[magic.end() : end.start()].decode("utf-8").splitlines():
        if line.startswith("#"):
            continue
        key, mark, value = line.partition(":=" if ":=" in line else ":")
        if mark == ":=":
            header.setdefault(key, value)
        elif mark:
            header[key.strip().lower()] = value.strip()
    _require_plain(header)
    return header, end.end()


def _require_plain(header: Mapping[str, str]) -> None:
    """Refuse headers that send the reader elsewhere in this file or in others."""
    if header.keys() & {"data file", "datafile"}:
        raise LabelsUnreadable("an NRRD whose data lie in another file", todo="save the segmentation as one .seg.nrrd")
    skips = (header.get(key, "0") for key in ("line skip", "lineskip", "byte skip", "byteskip"))
    if any(int(skip) != 0 for skip in skips):
        raise LabelsUnreadable("an NRRD that skips part of its data")


def _affine(header: Mapping[str, str], *, n_axes: int) -> NDArray[np.float64]:
    to_ras = _TO_RAS.get(header.get("space", "").lower())
    if to_ras is None:
        raise LabelsUnreadable("an NRRD that does not say how its space lies in the patient (LPS or RAS)")
    directions = re.findall(r"none|\([^()]*\)", header["space directions"])
    if len(directions) != n_axes or ("none" in directions) != (n_axes == 4) or "none" in directions[-3:]:
        raise LabelsUnreadable("space directions that are not those of one volume")
    affine = np.eye(4)
    affine[:3, :3] = np.array([_vector(text) for text in directions[-3:]]).T
    affine[:3, 3] = _vector(header["space origin"])
    affine[:3] *= np.array(to_ras)[:, None]
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise LabelsUnreadable("space directions that span no volume")
    return affine


def _vector(text: str) -> list[float]:
    numbers = [float(part) for part in text.strip("() ").split(",")]
    if len(numbers) != 3:
        raise ValueError("no vector")
    return numbers


def _segments(header: Mapping[str, str]) -> list[_Segment]:
    """Return the segments in their order.

    A file without them, a plain NRRD, gives none.
    """
    found: dict[int, dict[str, str]] = {}
    for key, value in header.items():
        if match := _SEGMENT.fullmatch(key):
            found.setdefault(int(match[1]), {})[match[2]] = value
    if len(found) > _MAX_SEGMENTS:
        raise LabelsUnreadable(f"{len(found)} segments")
    if any("LabelValue" not in keys or "Name" not in keys for keys in found.values()):
        raise LabelsUnreadable("segments without a value or a name, as old versions of Slicer wrote them")
    return list(_in_order(found))


def _in_order(found: Mapping[int, Mapping[str, str]]) -> Iterator[_Segment]:
    for _, keys in sorted(found.items()):
        value, layer = int(keys["LabelValue"]), int(keys.get("Layer", "0"))
        if value < 1 or layer < 0:
            raise LabelsUnreadable("a segment of the value or the layer of nothing")
        yield _Segment(keys["Name"].strip(), value, layer)


# ------------------------------------------------------------------------------------------------ data
def _values(header: Mapping[str, str], data: bytes, sizes: list[int]) -> NDArray[np.generic]:
    n_values = require_size(sizes)
    order = {"little": "<", "big": ">"}[header.get("endian", "little").lower()]
    kind = _TYPES.get(header["type"].lower())
    if kind is None:
        raise LabelsUnreadable("an NRRD of values that are no integers of up to 32 bits")
    dtype = np.dtype(order + kind)
    raw = _decoded(header["encoding"].lower(), data, n_values * dtype.itemsize)
    return np.frombuffer(raw, dtype).reshape(sizes, order="F")


def _decoded(encoding: str, data: bytes, n_bytes: int) -> bytes:
    if encoding in ("gz", "gzip"):
        stream = zlib.decompressobj(_GZIP)
        data = stream.decompress(data, n_bytes + 1)
        if len(data) == n_bytes and not stream.eof:
            data += stream.decompress(stream.unconsumed_tail, 1)  # the check sum stands after the last byte
        if len(data) != n_bytes or not stream.eof:
            raise LabelsUnreadable("a gzip stream that is cut short or goes beyond the size its header states")
    elif encoding != "raw":
        raise LabelsUnreadable("an NRRD that is neither raw nor gzip")
    if len(data) != n_bytes:
        raise LabelsUnreadable(f"{len(data)} of {n_bytes} bytes")
    return data
