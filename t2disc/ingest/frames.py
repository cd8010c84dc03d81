"""One image plane as ingest knows it: where it is in space, in echo time, on disk. No pixel, no patient's name."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from t2disc.ingest.dicomfile import NATIVE

MAGNITUDE = "magnitude"
Vector = tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelSource:
    """Where the planes of one file lie, and how they are stored."""

    path: Path = field(repr=False)
    transfer_syntax: str
    offset: int
    length: int
    file_bytes: int
    rows: int
    columns: int
    n_frames: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    is_signed: bool
    is_grey: bool  # one MONOCHROME sample per pixel
    is_lossy: bool

    @property
    def is_native(self) -> bool:
        """Whether planes can be read without a decoder (after inflating, for deflate)."""
        return self.transfer_syntax in NATIVE

    @property
    def plane_bytes(self) -> int:
        """Bytes of one native plane."""
        return self.rows * self.columns * self.bits_allocated // 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescale:
    """Stored value to displayed value, and Philips' further step to the floating-point value.

    displayed = stored * slope + intercept; floating point = displayed / (slope * scale_slope).
    ``None``: the header does not say. Source: PS3.3 C.11.1 (0028,1053), (0028,1052); Philips (2005,100E).
    """

    slope: float | None = None
    intercept: float | None = None
    scale_slope: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Which series, patient and day a plane belongs to; kept in memory to tell them apart, never written or printed."""

    uid: str = field(repr=False)
    number: int | None
    description: str = field(repr=False)
    patient_id: str = field(repr=False)
    study_date: str | None = field(repr=False)  # YYYY-MM-DD


@dataclass(frozen=True, slots=True, kw_only=True)
class Echo:
    """When the plane's echo formed."""

    time_ms: float | None
    fault: str = ""  # "", missing, text
    number: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """Where the plane lies, in DICOM's own LPS coordinates; ``None`` where the header does not say."""

    position_mm: Vector | None  # (3,) centre of the first voxel
    orientation: Vector | None  # (6,) directions along a row, then down a column
    spacing_mm: Vector | None  # (2,) between rows, between columns
    thickness_mm: float | None
    step_mm: float | None  # SpacingBetweenSlices


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One plane of one file."""

    source: PixelSource
    index: int  # of the plane within its file
    sop_uid: str = field(repr=False)
    series: Series
    component: str  # magnitude, or why the plane is not for T2: phase, real part, scanner map, localiser ...
    sequence: str  # spin-echo, gradient-echo, unknown
    echo: Echo
    plane: Plane
    rescale: Rescale
