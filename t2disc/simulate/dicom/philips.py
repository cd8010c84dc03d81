"""Philips, classic and enhanced: magnitude, phase and maps together; only the private scale slope makes one scale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from t2disc.simulate.dicom.enhanced import FrameSpec, enhanced_object
from t2disc.simulate.dicom.exam import Exam, Series, series_of
from t2disc.simulate.dicom.header import classic_image, decimal, whole
from t2disc.simulate.grid import Grid

_CREATOR = "Philips MR Imaging DD 001"
_CREATOR_OF_ITEMS = "Philips MR Imaging DD 005"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhilipsScale:
    """Displayed value = stored x slope + intercept; floating-point value = displayed / (slope x scale slope).

    Source: Chenevert et al., Transl Oncol 2014; Philips private elements (2005,100D) and (2005,100E).
    """

    slope: float
    intercept: float
    scale_slope: float

    def stored(self, floating_point: NDArray[np.float32]) -> NDArray[np.uint16]:
        """Return the stored pixels whose floating-point value is nearest."""
        return whole(floating_point.astype(np.float64) * self.scale_slope - self.intercept / self.slope)


def _short(value: float) -> float:
    """Return the number a decimal string holds."""
    return float(decimal(value))


def magnitude_scale(image: NDArray[np.float32], echo: int) -> PhilipsScale:
    """Return the scale of one echo: the stored values fill 12 bits, and the slope is its own for every echo."""
    full = np.float32(4095 / max(float(image.max()), 1e-6))
    return PhilipsScale(slope=_short(1.21 + 0.173 * echo), intercept=0.0, scale_slope=float(full))


def _phase_scale() -> PhilipsScale:
    """Phase in thousandths of a radian."""
    return PhilipsScale(slope=1.53455, intercept=-3142.0, scale_slope=float(np.float32(4095 / (2 * np.pi))))


def _map_scale(image: NDArray[np.float32]) -> PhilipsScale:
    """T2 in ms on the displayed scale."""
    slope = _short(max(float(image.max()), 1.0) / 4095)
    return PhilipsScale(slope=slope, intercept=0.0, scale_slope=float(np.float32(1 / slope)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Image:
    """One image of the stack before it becomes a file or a frame."""

    kind: str  # M, P or T2
    echo: int
    index: int
    echo_time_ms: float
    image_type: tuple[str, ...]
    scale: PhilipsScale
    stored: NDArray[np.uint16]


def _stack(exam: Exam) -> Iterator[_Image]:
    """Yield all images of the multi-echo scan in the order Philips numbers them: by slice, by kind, by echo."""
    scan = exam.scan
    magnitudes = [magnitude_scale(volume, echo) for echo, volume in enumerate(scan.magnitude)]
    phase, t2 = _phase_scale(), _map_scale(scan.scanner_t2_ms)
    for index in range(scan.grid.n_slices):
        parts = [("M", e, scale, scan.magnitude[e, index]) for e, scale in enumerate(magnitudes)]
        parts += [("P", e, phase, scan.phase[e, index]) for e in range(scan.phase.shape[0])]
        parts += [("T2", 0, t2, scan.scanner_t2_ms[index])]
        for kind, echo, scale, pixels in parts:
            yield _Image(
                kind=kind,
                echo=echo,
                index=index,
                echo_time_ms=0.0 if kind == "T2" else scan.echo_times_ms[echo],
                image_type=_IMAGE_TYPES[kind],
                scale=scale,
                stored=scale.stored(pixels),
            )


_IMAGE_TYPES = {
    "M": ("ORIGINAL", "PRIMARY", "M_SE", "M", "SE"),
    "P": ("ORIGINAL", "PRIMARY", "PHASE MAP", "P", "SE"),
    "T2": ("ORIGINAL", "PRIMARY", "T2 MAP", "T2", "UNSPECIFIED"),
}
_FRAME_TYPES = {
    "M": ("ORIGINAL", "PRIMARY", "T2", "NONE"),
    "P": ("ORIGINAL", "PRIMARY", "T2", "NONE"),
    "T2": ("DERIVED", "PRIMARY", "T2", "T2"),
}


def _scanner(exam: Exam, dataset: Dataset) -> None:
    dataset.Manufacturer = "Philips Medical Systems"
    dataset.ManufacturerModelName = "Ingenia" if exam.acquisition.field_strength_t > 2 else "Achieva"
    dataset.SoftwareVersions = ["5.7.1", "5.7.1.2"]


def _add_scale(dataset: Dataset, scale: PhilipsScale) -> None:
    """Add the private scale slope and intercept."""
    block = dataset.private_block(0x2005, _CREATOR, create=True)
    block.add_new(0x0D, "FL", 0.0)
    block.add_new(0x0E, "FL", scale.scale_slope)


# ---------------------------------------------------------------------------------------------- classic
def philips_images(exam: Exam) -> Iterator[Dataset]:
    """Yield the images of a Philips Ingenia (R5.7) exam sent as classic MR images."""
    yield from _classic_localiser(exam, series_of(101, "Survey", sequence="GR", minute=1))
    series = series_of(401, "T2map_MESE_sag", minute=12)
    for number, part in enumerate(_stack(exam), start=1):
        image = classic_image(exam, series, exam.scan.grid, part.index, part.stored, part.kind, part.echo)
        yield _marked(exam, image, part, number)


def _marked(exam: Exam, image: Dataset, part: _Image, number: int) -> Dataset:
    """Add what Philips says of every image."""
    _scanner(exam, image)
    image.ImageType = list(part.image_type)
    image.InstanceNumber = number
    image.EchoTime = decimal(part.echo_time_ms)
    image.EchoNumbers = part.echo + 1
    image.EchoTrainLength = len(exam.scan.echo_times_ms) if image.ScanningSequence == "SE" else 1
    image.ReceiveCoilName = "MULTI COIL"
    image.RescaleSlope, image.RescaleIntercept = decimal(part.scale.slope), decimal(part.scale.intercept)
    image.RescaleType = "normalized"
    _add_scale(image, part.scale)
    return image


def _classic_localiser(exam: Exam, series: Series) -> Iterator[Dataset]:
    for number, part in enumerate(_localiser_parts(exam), start=1):
        grid = exam.localiser[part.index].grid
        image = classic_image(exam, series, grid, 0, part.stored, "localiser", number)
        yield _marked(exam, image, part, number)


def _localiser_parts(exam: Exam) -> Iterator[_Image]:
    for index, plane in enumerate(exam.localiser):
        scale = magnitude_scale(plane.magnitude, 0)
        yield _Image(
            kind="M",
            echo=0,
            index=index,
            echo_time_ms=5.0,
            image_type=("ORIGINAL", "PRIMARY", "M_FFE", "M", "FFE"),
            scale=scale,
            stored=scale.stored(plane.magnitude),
        )


# ---------------------------------------------------------------------------------------------- enhanced
def philips_enhanced_objects(exam: Exam) -> Iterator[Dataset]:
    """Yield the two objects of a Philips Ingenia exam sent as enhanced MR: survey, and the whole multi-echo scan.

    Value 3 of FrameType is the image flavour (T2-weighted), not a map; the classic ImageType stands in Philips' own
    sequence of every frame.
    """
    survey = [_frame(part, exam.localiser[part.index].grid, 0) for part in _localiser_parts(exam)]
    scan = [_frame(part, exam.scan.grid, part.index) for part in _stack(exam)]
    for number, description, frames, sequence in (
        (101, "Survey", survey, "GR"),
        (401, "T2map_MESE_sag", scan, "SE"),
    ):
        series = series_of(number, description, sequence=sequence, minute=12 if sequence == "SE" else 1)
        out = enhanced_object(exam, series, frames, pixel_measures_shared=sequence == "SE")
        _scanner(exam, out)
        out.ImageType = [
            "ORIGINAL",
            "PRIMARY",
            "T2" if sequence == "SE" else "T1",
            "MIXED" if len(frames) > 3 else "NONE",
        ]
        out.AcquisitionContrast = "T2" if sequence == "SE" else "T1"
        for frame, group in zip(frames, out.PerFrameFunctionalGroupsSequence, strict=True):
            _add_private_item(group, frame)
        yield out


def _frame(part: _Image, grid: Grid, index: int) -> FrameSpec:
    return FrameSpec(
        grid=grid,
        index=index,
        stored=part.stored,
        echo=part.echo,
        echo_time_ms=part.echo_time_ms,
        frame_type=_FRAME_TYPES[part.kind],
        component="PHASE" if part.kind == "P" else "MAGNITUDE",
        slope=part.scale.slope,
        intercept=part.scale.intercept,
        rescale_type="normalized",
        image_type=part.image_type,
        scale_slope=part.scale.scale_slope,
    )


def _add_private_item(group: Dataset, frame: FrameSpec) -> None:
    """Add Philips' own per-frame item (2005,140F): the classic ImageType and the scale slope."""
    item = Dataset()
    item.ImageType = list(frame.image_type)
    item.EchoTime = decimal(frame.echo_time_ms)
    scale = PhilipsScale(slope=frame.slope, intercept=frame.intercept, scale_slope=frame.scale_slope)
    _add_scale(item, scale)
    group.add_new(0x20050014, "LO", _CREATOR_OF_ITEMS)
    group.add_new(0x2005140F, "SQ", Sequence([item]))
