"""The multi-echo volume as it leaves ingest, with the few facts of its acquisition that may be told."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2disc.errors import ArgumentInvalid
from t2disc.model._arrays import frozen, frozen_affine


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquisition:
    """The allow-list: all that t2disc ever repeats of a header. ``None`` means that the header did not say.

    Source: DICOM PS3.3 C.8.3.1 (MR Image) and C.8.13 (Enhanced MR); tags beside each field.
    """

    vendor: str | None = None  # one of Siemens, GE, Philips, Canon, United Imaging, other (0008,0070)
    scanner_model: str | None = None  # (0008,1090)
    field_strength_t: float | None = None  # tesla (0018,0087)
    software: str | None = None  # (0018,1020)
    receive_coil: str | None = None  # (0018,1250)
    sequence: str = "unknown"  # spin-echo, gradient-echo or unknown (0018,0020), (0018,9008)
    repetition_time_ms: float | None = None  # (0018,0080)
    flip_angle_deg: float | None = None  # (0018,1314): of excitation or, at Siemens spin echo, of refocusing
    voxel_size_mm: tuple[float, float, float] | None = None  # along columns, rows and slices (gap included)
    slice_thickness_mm: float | None = None  # (0018,0050)
    slice_gap_mm: float | None = None  # step between slice centres less the thickness
    slice_normal: tuple[float, float, float] | None = None  # unit vector across the slices, RAS+ (0020,0037)
    acquisition_date: str | None = None  # YYYY-MM-DD (0008,0022)
    acquisition_time: str | None = None  # HH:MM:SS (0008,0032)

    @property
    def quantity(self) -> str:
        """What the decay measures: ``T2*`` of a gradient echo, otherwise ``T2``."""
        return "T2*" if self.sequence == "gradient-echo" else "T2"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A group of images or files that ingest saw and did not use, and why."""

    what: str  # phase, localiser, scanner map, derived image, other series, not an image, unreadable, duplicate ...
    n_images: int
    why: str
    series_number: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EchoStack:
    """One multi-echo magnitude volume on one grid and one intensity scale.

    Attributes
    ----------
    signal
        ``(X, Y, Z, E)`` float32, arbitrary units common to all echoes; read-only. X runs along image columns, Y along
        image rows from the last row up, Z along the slice normal (the order dcm2niix writes); the affine, not the
        index, says where left and anterior are.
    echo_times_ms
        ``(E,)`` float64, strictly rising, above 0.
    affine
        ``(4, 4)`` voxel index to RAS+ mm, of the voxel centre.
    acquisition
        Allow-listed facts of the header.
    left_out
        What else lay in the folder.
    notes
        Remarks for the visit's record (tolerated deviations); no header text.
    """

    signal: NDArray[np.float32]
    echo_times_ms: NDArray[np.float64]
    affine: NDArray[np.float64]
    acquisition: Acquisition = Acquisition()
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        signal = frozen(self.signal, "signal", ndim=4, dtype=np.float32)
        echo_times_ms = frozen(self.echo_times_ms, "echo_times_ms", ndim=1, dtype=np.float64)
        if signal.shape[3] != echo_times_ms.size:
            raise ArgumentInvalid(
                f"{signal.shape[3]} echoes and {echo_times_ms.size} echo times",
                expected="one time per echo",
            )
        if not (np.isfinite(echo_times_ms).all() and (np.diff(echo_times_ms, prepend=0.0) > 0).all()):
            raise ArgumentInvalid("echo times that do not rise from above 0 ms", expected="rising echo times in ms")
        object.__setattr__(self, "signal", signal)
        object.__setattr__(self, "echo_times_ms", echo_times_ms)
        object.__setattr__(self, "affine", frozen_affine(self.affine))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Grid ``(X, Y, Z)`` in voxels."""
        x, y, z, _ = self.signal.shape
        return x, y, z

    @property
    def n_echoes(self) -> int:
        """Number of echoes E."""
        return int(self.echo_times_ms.size)

    @property
    def voxel_size_mm(self) -> tuple[float, float, float]:
        """Step between voxel centres along X, Y, Z in mm (slice gap included)."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)

    def replace(self, **changes: Any) -> EchoStack:
        """Return a new stack with some fields changed and all checks made again."""
        return replace(self, **changes)

    def __repr__(self) -> str:
        te = self.echo_times_ms
        size = " x ".join(f"{s:.3g}" for s in self.voxel_size_mm)
        return f"EchoStack(shape={self.shape}, echoes={self.n_echoes} at {te[0]:.4g}-{te[-1]:.4g} ms, voxel={size} mm)"
