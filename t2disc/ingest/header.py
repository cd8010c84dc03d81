"""From one file's header to its planes: classic images hold one, enhanced multi-frame objects hold all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset

from t2disc.errors import DicomUnreadable, NoImages
from t2disc.ingest import elements as el
from t2disc.ingest.dicomfile import DicomHeader, quiet, read_header
from t2disc.ingest.facts import DATES, FACTS, acquisition_of
from t2disc.ingest.frames import Echo, Frame, PixelSource, Plane, Rescale, Series
from t2disc.ingest.frametype import component, sequence
from t2disc.model import Acquisition, Identity

_MR_CLASSES = frozenset({"1.2.840.10008.5.1.4.1.1.4"})
_ENHANCED_CLASSES = frozenset({"1.2.840.10008.5.1.4.1.1.4.1", "1.2.840.10008.5.1.4.1.1.4.4"})
_DICOMDIR = "1.2.840.10008.1.3.10"
_LOSSY_SYNTAXES = frozenset(
    {"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.4.203"}
)
_MAYBE_LOSSY_SYNTAXES = frozenset({"1.2.840.10008.1.2.4.91"})  # JPEG 2000: lossless only if the header says so
_PHILIPS, _GE = "Philips MR Imaging DD 001", "GEMS_PARM_01"

_KEYWORDS = (
    "ImageType", "SOPClassUID", "SOPInstanceUID", "StudyDate", "SeriesDescription", "ComplexImageComponent",
    "PatientID", "ScanningSequence", "EchoPulseSequence", "SliceThickness", "EchoTime", "EchoNumbers",
    "SpacingBetweenSlices", "SeriesInstanceUID", "SeriesNumber", "ImagePositionPatient", "ImageOrientationPatient",
    "SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames", "Rows", "Columns", "PixelSpacing",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "RescaleIntercept", "RescaleSlope",
    "LossyImageCompression",
    "SpecificCharacterSet", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
)  # fmt: skip


def _tags(*keywords: str) -> tuple[int, ...]:
    return tuple(tag for keyword in keywords if (tag := tag_for_keyword(keyword)) is not None)


_BLOCKS = range(0x10, 0x14)
_PRIVATE = [tag + b for b in _BLOCKS for tag in (0x20050000, 0x00430000)] + [
    tag + (b << 8) for b in _BLOCKS for tag in (0x2005000E, 0x0043002F)
]
_WANTED = (*_tags(*_KEYWORDS), *_PRIVATE)
_WHO = _tags("PatientID", "StudyDate", *DATES)
_FACTS = _tags(*FACTS, "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")


@dataclass(frozen=True, slots=True)
class NotUsed:
    """A file that holds no plane for T2: ``not an image``, ``other object`` or ``unreadable``."""

    what: str
    series_uid: str = field(default="", repr=False)  # where a damaged file still tells it


def read_frames(path: Path) -> list[Frame] | NotUsed:
    """Return the planes of one file, or what the file is instead. Reads no pixel."""
    try:
        with quiet():
            header = read_header(path, _WANTED)
            return NotUsed("not an image") if header is None else _frames(path, header)
    except Exception:  # pydicom raises any of a dozen kinds on damaged bytes; also OSError, MemoryError
        return NotUsed("unreadable")


def read_identity(path: Path) -> Identity | None:
    """Return whose a DICOM file is and of which day, ``None`` when the file is no DICOM.

    Damaged files are told as far as their header goes: whose they are comes early.

    Raises
    ------
    DicomUnreadable
        ``dicom-unreadable``: a damaged DICOM file that does not tell whose it is.
    """
    try:
        with quiet():
            header = read_header(path, _WHO)
            return None if header is None or header.media_class == _DICOMDIR else _identity(header)
    except DicomUnreadable:
        raise
    except Exception as error:  # as in read_frames
        raise DicomUnreadable("a damaged DICOM file that does not tell whose it is") from error


def _identity(header: DicomHeader) -> Identity:
    ds = header.dataset
    patient_id = el.text(ds, "PatientID")
    if header.pixel_offset < 0 and not patient_id:
        raise DicomUnreadable("a DICOM file that does not tell whose it is")
    return Identity(
        patient_id=patient_id,
        study_date=el.date(ds, "StudyDate"),
        acquisition_date=el.date(ds, *DATES),
    )


def read_facts(path: Path, frame: Frame, step_mm: float) -> Acquisition:
    """Return the allow-listed facts of the acquisition from the header of one of its files.

    Raises
    ------
    DicomUnreadable
        ``dicom-unreadable``: the file changed since it was listed.
    NoImages
        ``no-images``: the file is no DICOM any more.
    """
    try:
        with quiet():
            header = read_header(path, _FACTS)
            if header is not None:
                return acquisition_of(header.dataset, frame, step_mm)
    except Exception as error:  # as in read_frames
        raise DicomUnreadable("a header that can no longer be read") from error
    raise NoImages("a file that is no DICOM any more")


def _frames(path: Path, header: DicomHeader) -> list[Frame] | NotUsed:
    sop_class = el.text(header.dataset, "SOPClassUID")
    if sop_class not in _MR_CLASSES | _ENHANCED_CLASSES:
        return NotUsed("other object" if sop_class or header.media_class == _DICOMDIR else "unreadable")
    if header.pixel_offset < 0:
        return NotUsed("unreadable", el.text(header.dataset, "SeriesInstanceUID"))
    n_planes = len(header.dataset.get("PerFrameFunctionalGroupsSequence") or "1")
    if (el.integer(header.dataset, "NumberOfFrames") or 1) != n_planes:
        return NotUsed("unreadable", el.text(header.dataset, "SeriesInstanceUID"))
    source = _pixel_source(path, header, n_planes)
    if "PerFrameFunctionalGroupsSequence" in header.dataset:
        return list(_enhanced(header.dataset, source))
    return [_classic(header.dataset, source)]


def _pixel_source(path: Path, header: DicomHeader, n_planes: int) -> PixelSource:
    ds, syntax = header.dataset, header.transfer_syntax
    bits_allocated = el.integer(ds, "BitsAllocated") or 0
    bits_stored = el.integer(ds, "BitsStored") or bits_allocated
    high_bit = el.integer(ds, "HighBit")
    declared_lossy = el.text(ds, "LossyImageCompression")
    return PixelSource(
        path=path,
        transfer_syntax=syntax,
        offset=header.pixel_offset,
        length=header.pixel_length,
        file_bytes=header.file_bytes,
        rows=el.integer(ds, "Rows") or 0,
        columns=el.integer(ds, "Columns") or 0,
        n_frames=n_planes,
        bits_allocated=bits_allocated,
        bits_stored=bits_stored,
        high_bit=bits_stored - 1 if high_bit is None else high_bit,
        is_signed=el.integer(ds, "PixelRepresentation") == 1,
        is_grey=el.integer(ds, "SamplesPerPixel") == 1
        and el.text(ds, "PhotometricInterpretation").startswith("MONOCHROME"),
        is_lossy=syntax in _LOSSY_SYNTAXES
        or declared_lossy == "01"
        or (syntax in _MAYBE_LOSSY_SYNTAXES and declared_lossy != "00"),
    )


def _classic(ds: Dataset, source: PixelSource) -> Frame:
    image_type = el.texts(ds, "ImageType")
    ge_raw_type = el.private_number(ds, 0x0043, _GE, 0x2F)
    return Frame(
        source=source,
        index=0,
        sop_uid=el.text(ds, "SOPInstanceUID"),
        series=_series(ds),
        component=component(image_type, el.text(ds, "ComplexImageComponent"), ge_raw_type),
        sequence=sequence(el.texts(ds, "ScanningSequence"), el.text(ds, "EchoPulseSequence"), image_type),
        echo=_echo(ds, "EchoTime"),
        plane=_plane(ds, ds, ds),
        rescale=_rescale(ds, el.private_number(ds, 0x2005, _PHILIPS, 0x0E)),
    )


def _enhanced(ds: Dataset, source: PixelSource) -> Iterator[Frame]:
    """Yield the planes of an enhanced object: what a plane's own functional group does not say, the shared one does."""
    shared = _first(ds, "SharedFunctionalGroupsSequence")
    series, sop_uid = _series(ds), el.text(ds, "SOPInstanceUID")
    scanning, pulse = el.texts(ds, "ScanningSequence"), el.text(ds, "EchoPulseSequence")
    for index, own in enumerate(ds.PerFrameFunctionalGroupsSequence):
        group = partial(_group, own, shared)
        frame_type = group("MRImageFrameTypeSequence")
        image_type = el.texts(frame_type, "FrameType") or el.texts(ds, "ImageType")
        part = el.text(frame_type, "ComplexImageComponent") or el.text(ds, "ComplexImageComponent")
        yield Frame(
            source=source,
            index=index,
            sop_uid=sop_uid,
            series=series,
            component=component(image_type, part),
            sequence=sequence(scanning, pulse, image_type),
            echo=_echo(group("MREchoSequence"), "EffectiveEchoTime"),
            plane=_plane(
                group("PlanePositionSequence"), group("PlaneOrientationSequence"), group("PixelMeasuresSequence")
            ),
            rescale=_rescale(group("PixelValueTransformationSequence"), _enhanced_scale_slope(own)),
        )


def _group(own: Dataset, shared: Dataset, keyword: str) -> Dataset:
    found = _first(own, keyword)
    return found if len(found) else _first(shared, keyword)


def _enhanced_scale_slope(own: Dataset) -> float | None:
    """Return Philips' scale slope, which enhanced objects keep in a private sequence of each frame (2005,140F)."""
    for tag in own.keys():  # noqa: SIM118 - iterating a Dataset would convert every element
        if tag.group == 0x2005 and tag.element & 0xFF == 0x0F and tag.element > 0xFF and own[tag].VR == "SQ":
            return el.private_number(own[tag].value[0], 0x2005, _PHILIPS, 0x0E) if own[tag].value else None
    return None


def _series(ds: Dataset) -> Series:
    return Series(
        uid=el.text(ds, "SeriesInstanceUID"),
        number=el.integer(ds, "SeriesNumber"),
        description=el.text(ds, "SeriesDescription"),
        patient_id=el.text(ds, "PatientID"),
        study_date=el.date(ds, "StudyDate"),
    )


def _echo(ds: Dataset, keyword: str) -> Echo:
    """Return the echo time in ms, or which of the two ways it fails to be one: missing, or there but no number."""
    time_ms = el.number(ds, keyword)
    fault = "" if time_ms is not None else ("text" if el.is_filled(ds, keyword) else "missing")
    return Echo(time_ms=time_ms, fault=fault, number=el.integer(ds, "EchoNumbers"))


def _plane(position: Dataset, orientation: Dataset, measures: Dataset) -> Plane:
    return Plane(
        position_mm=el.numbers(position, "ImagePositionPatient", 3),
        orientation=el.numbers(orientation, "ImageOrientationPatient", 6),
        spacing_mm=el.numbers(measures, "PixelSpacing", 2),
        thickness_mm=el.number(measures, "SliceThickness"),
        step_mm=el.number(measures, "SpacingBetweenSlices"),
    )


def _rescale(ds: Dataset, scale_slope: float | None) -> Rescale:
    return Rescale(
        slope=el.number(ds, "RescaleSlope"), intercept=el.number(ds, "RescaleIntercept"), scale_slope=scale_slope
    )


def _first(ds: Dataset, keyword: str) -> Dataset:
    items = ds.get(keyword)
    return items[0] if items else Dataset()
