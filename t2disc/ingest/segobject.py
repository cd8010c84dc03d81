"""DICOM segmentation objects (SEG), as highdicom, pydicom-seg, dcmqi and 3D Slicer write them.

Source: DICOM PS3.3 C.8.20 (Segmentation), C.7.6.16 (multi-frame functional groups), Supplement 243 (LABELMAP: a voxel
holds the number of its segment); PS3.5 8.1.1 (bits packed across frames, the first voxel in the lowest bit). Codes of
the discs: SNOMED CT through the Anatomy context groups of PS3.16.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2disc.errors import LabelsUnnamed, LabelsUnreadable, T2DiscError
from t2disc.ingest.dicomfile import EXPLICIT_LITTLE, IMPLICIT_LITTLE, quiet
from t2disc.ingest.segments import Drawing, merged, require_size
from t2disc.model import level_or_none

_SEGMENTATIONS = (
    "1.2.840.10008.5.1.4.1.1.66.4",
    "1.2.840.10008.5.1.4.1.1.66.7",
)  # Segmentation, Label Map Segmentation
_LEVEL_OF_CODE = {
    "76206002": "T12/L1",
    "80064006": "L1/L2",
    "67459009": "L2/L3",
    "62551000": "L3/L4",
    "84020006": "L4/L5",
    "715056000": "L5/S1",
}
_CODES = ("SegmentedPropertyTypeCodeSequence", "AnatomicRegionSequence")
_MAX_FRAMES = 1 << 16
_MAX_SEGMENTS = 1000
_MAX_PLANES = 1 << 12  # two frames of a small file may lie any distance apart
_SAME_PLANE = 0.05  # of a slice step
_SAME_PLANE_MM = 0.1
_DRIFT_MM = 0.5  # of a plane's corner off the line of the others


@dataclass(frozen=True, slots=True, eq=False)
class _Frames:
    """Frames in the order of the file: the segment of each voxel, 0 for none; the segments and the corner of each."""

    drawn: NDArray[np.uint16]  # (F, Y, X)
    segments: tuple[frozenset[int], ...]  # that a frame may hold
    corners_mm: NDArray[np.float64]  # (F, 3), LPS
    axes_mm: NDArray[np.float64]  # (3, 2): one column further, one row further
    step_mm: float | None  # as stated
    thickness_mm: float | None  # as stated; planes with gaps are further apart


def read_segmentation(path: Path) -> Drawing:
    """Return the label values and names of one DICOM SEG: each segment under its number.

    A segment is named after the disc that its label names, otherwise after that of its code, otherwise by its label.
    Of a FRACTIONAL segmentation a voxel belongs to a segment from one half.

    Raises
    ------
    LabelsUnreadable
        ``labels-unreadable``: no whole, uncompressed, BINARY, FRACTIONAL or LABELMAP segmentation on a regular grid.
    LabelsUnnamed
        ``labels-unnamed``: a segment whose label and code name two discs.
    LabelsRepeated
        ``labels-repeated``: discs that overlap.
    """
    try:
        with quiet():
            return _drawing(_dataset(path))
    except T2DiscError:
        raise
    except Exception as error:  # pydicom raises what it likes on damaged bytes
        raise LabelsUnreadable("a file that is no whole DICOM segmentation") from error


def _drawing(dataset: Any) -> Drawing:
    names = _names(dataset)
    frames = _frames(dataset)
    if unknown := frozenset().union(*frames.segments) - names.keys():
        raise LabelsUnreadable(f"frames of {len(unknown)} segments that are not described")
    planes, affine, n_planes = _planes(frames)
    _, n_rows, n_columns = frames.drawn.shape
    shape = n_columns, n_rows, n_planes
    require_size(shape)
    masks = ((number, name, _mask(frames, planes, number, shape)) for number, name in sorted(names.items()))
    return Drawing(merged(masks, shape), affine, tuple(sorted(names.items())))


def _mask(frames: _Frames, planes: NDArray[np.intp], number: int, shape: tuple[int, int, int]) -> NDArray[np.bool_]:
    mask = np.zeros(shape, np.bool_)
    for drawn, segments, plane in zip(frames.drawn, frames.segments, planes, strict=True):
        if number in segments:
            mask[:, :, plane] |= (drawn == number).T
    return mask


# ------------------------------------------------------------------------------------------------ names
def _names(dataset: Any) -> dict[int, str]:
    segments: Sequence[Any] = dataset.SegmentSequence
    if len(segments) > _MAX_SEGMENTS:
        raise LabelsUnreadable(f"{len(segments)} segments")
    names = {int(segment.SegmentNumber): _name(segment) for segment in segments}
    if len(names) != len(segments):
        raise LabelsUnreadable("segments without a number of their own")
    if dataset.SegmentationType == "LABELMAP":
        names.pop(0, None)  # the background
    if not names or min(names) < 1:
        raise LabelsUnreadable("segments without a number from 1")
    return names


def _name(segment: Any) -> str:
    label = str(segment.get("SegmentLabel", ""))
    by_label = level_or_none(label)
    by_code = {_LEVEL_OF_CODE[value] for value in _code_values(segment) if value in _LEVEL_OF_CODE}
    if len(by_code | {by_label} - {None}) > 1:
        raise LabelsUnnamed("a segment whose label and code name two discs", todo="correct the segment's label or code")
    return by_label or next(iter(by_code), label)


def _code_values(segment: Any) -> Iterator[str]:
    for keyword in _CODES:
        for item in segment.get(keyword) or ():
            yield str(item.get("CodeValue") or item.get("LongCodeValue") or "")


# ------------------------------------------------------------------------------------------------ frames
def _dataset(path: Path) -> Any:
    from pydicom import dcmread
    from pydicom.filereader import read_file_meta_info

    syntax = str(read_file_meta_info(path).get("TransferSyntaxUID", ""))
    if syntax not in (EXPLICIT_LITTLE, IMPLICIT_LITTLE):  # looked at first: pydicom inflates without a bound
        raise LabelsUnreadable("a compressed or big endian segmentation", todo="save it uncompressed, little endian")
    dataset = dcmread(path)
    if dataset.get("SOPClassUID") not in _SEGMENTATIONS:
        raise LabelsUnreadable("a DICOM file that is no segmentation")
    return dataset


def _frames(dataset: Any) -> _Frames:
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [None])[0]
    groups = [_Groups(frame, shared) for frame in dataset.PerFrameFunctionalGroupsSequence]
    drawn, segments = _drawn(dataset, groups)
    axes_mm = _axes_mm(groups[0])
    if any(not np.allclose(_axes_mm(group), axes_mm, atol=1e-4) for group in groups):
        raise LabelsUnreadable("frames of several orientations or pixel spacings")
    corners = [[float(x) for x in group("PlanePositionSequence").ImagePositionPatient] for group in groups]
    corners_mm = np.array(corners, np.float64).reshape(len(groups), 3)
    if not np.isfinite(corners_mm).all():
        raise LabelsUnreadable("frames that do not say where they lie")
    measures = groups[0]("PixelMeasuresSequence")
    stated = (_stated_mm(measures, keyword) for keyword in ("SpacingBetweenSlices", "SliceThickness"))
    return _Frames(drawn, segments, corners_mm, axes_mm, *stated)


@dataclass(frozen=True, slots=True)
class _Groups:
    """Functional groups of a frame: its own, otherwise those shared by all frames."""

    own: Any
    shared: Any

    def __call__(self, keyword: str) -> Any:
        for groups in (self.own, self.shared):
            if groups is not None and groups.get(keyword):
                return groups.get(keyword)[0]
        raise LabelsUnreadable("frames without their segment, position, orientation or spacing")


def _stated_mm(measures: Any, keyword: str) -> float | None:
    return abs(float(measures[keyword].value)) if measures.get(keyword) else None


def _axes_mm(group: _Groups) -> NDArray[np.float64]:
    """Return ``(3, 2)``: the way to the next column and to the next row, LPS mm."""
    row_mm, column_mm = (float(x) for x in group("PixelMeasuresSequence").PixelSpacing)
    directions = np.array([float(x) for x in group("PlaneOrientationSequence").ImageOrientationPatient])
    along = directions.reshape(2, 3)
    if not np.allclose(along @ along.T, np.eye(2), atol=1e-2) or not min(row_mm, column_mm) > 0:
        raise LabelsUnreadable("an orientation or a spacing that no image has")
    axes_mm: NDArray[np.float64] = along.T * [column_mm, row_mm]
    return axes_mm


def _drawn(dataset: Any, groups: Sequence[_Groups]) -> tuple[NDArray[np.uint16], tuple[frozenset[int], ...]]:
    """Return the segment of each voxel ``(F, Y, X)``, and the segments of each frame."""
    pixels = _pixels(dataset, len(groups))
    if dataset.SegmentationType == "LABELMAP":
        if int(dataset.get("PixelPaddingValue") or 0) != 0:
            raise LabelsUnreadable("a segmentation whose background is not 0")
        return pixels, tuple(frozenset(np.flatnonzero(np.bincount(frame.ravel())).tolist()) - {0} for frame in pixels)
    numbers = [int(group("SegmentIdentificationSequence").ReferencedSegmentNumber) for group in groups]
    is_fractional = dataset.SegmentationType == "FRACTIONAL"
    inside = 2 * pixels >= (int(dataset.get("MaximumFractionalValue") or 255) if is_fractional else 1)
    return inside * np.array(numbers, np.uint16)[:, None, None], tuple(frozenset({number}) for number in numbers)


def _pixels(dataset: Any, n_groups: int) -> NDArray[np.uint16]:
    """Return the stored values ``(F, Y, X)``."""
    n_frames, rows, columns = int(dataset.NumberOfFrames), int(dataset.Rows), int(dataset.Columns)
    if n_frames != n_groups or not 0 < n_frames <= _MAX_FRAMES:
        raise LabelsUnreadable(f"{n_frames} frames, {n_groups} of them described")
    n_voxels = require_size((n_frames, rows, columns))
    kind, bits, pixels = str(dataset.SegmentationType), int(dataset.BitsAllocated), bytes(dataset.PixelData)
    if (kind, bits) not in (("BINARY", 1), ("FRACTIONAL", 8), ("LABELMAP", 8), ("LABELMAP", 16)):
        raise LabelsUnreadable(
            "a segmentation that is neither BINARY of 1 bit, FRACTIONAL of 8, nor LABELMAP of 8 or 16"
        )
    n_bytes = (n_voxels * bits + 7) // 8
    if not n_bytes <= len(pixels) <= n_bytes + 1:
        raise LabelsUnreadable(f"{len(pixels)} of {n_bytes} bytes")
    stored = np.frombuffer(pixels[:n_bytes], "<u2" if bits == 16 else np.uint8)
    values = np.unpackbits(stored, count=n_voxels, bitorder="little") if bits == 1 else stored
    return values.astype(np.uint16).reshape(n_frames, rows, columns)


# ------------------------------------------------------------------------------------------------ planes
def _planes(frames: _Frames) -> tuple[NDArray[np.intp], NDArray[np.float64], int]:
    """Return the plane of each frame, the affine to RAS+ mm and the number of planes; empty planes may be left out."""
    normal = np.cross(frames.axes_mm[:, 0], frames.axes_mm[:, 1])
    normal /= np.linalg.norm(normal)
    depths_mm = frames.corners_mm @ normal
    step_mm = _step_mm(depths_mm, frames)
    places = (depths_mm - depths_mm.min()) / step_mm
    if places.max() >= _MAX_PLANES:
        raise LabelsUnreadable(f"frames {float(np.ptp(depths_mm)):.0f} mm apart")
    planes = np.round(places).astype(np.intp)
    first = frames.corners_mm[int(depths_mm.argmin())]
    off_line_mm = np.linalg.norm(frames.corners_mm - first - np.outer(depths_mm - depths_mm.min(), normal), axis=1)
    if np.abs(places - planes).max() > _SAME_PLANE or off_line_mm.max() > _DRIFT_MM:
        raise LabelsUnreadable("frames that lie on no regular grid")
    affine = np.eye(4)
    affine[:3] = np.column_stack([frames.axes_mm, normal * step_mm, first])
    affine[:2] *= -1  # LPS to RAS
    return planes, affine, int(planes.max()) + 1


def _step_mm(depths_mm: NDArray[np.float64], frames: _Frames) -> float:
    """Return the distance of planes: as stated, otherwise the smallest found."""
    found_mm = np.diff(np.sort(depths_mm))
    found_mm = found_mm[found_mm > _SAME_PLANE_MM]
    if not found_mm.size:
        return _one_plane_mm(frames)
    step_mm = frames.step_mm or float(found_mm.min())
    span_mm = float(np.ptp(depths_mm))
    return span_mm / max(round(span_mm / step_mm), 1)  # so that rounding does not add up from plane to plane


def _one_plane_mm(frames: _Frames) -> float:
    thickness_mm = frames.step_mm or frames.thickness_mm
    if not thickness_mm or not np.isfinite(thickness_mm):
        raise LabelsUnreadable("one plane that does not say how thick it is")
    return thickness_mm
