"""Echoes that come as BIDS files: ``*_echo-<N>_MESE.nii[.gz]`` with a JSON sidecar each, or ones that they share.

BIDS keeps times in seconds; this door turns them into milliseconds, and refuses values no spin-echo train has rather
than guess a unit. Source: BIDS 1.9.0, MRI / anatomy imaging data (MESE), qMRI appendix.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from t2disc.errors import (
    EchoMissing,
    EchoNumbersContradict,
    EchoTimeMissing,
    EchoTimeNotANumber,
    EchoTimeNotPositive,
    EchoTimeRepeated,
    GradientEcho,
    GridMismatch,
    NoMultiEchoSeries,
    SequenceUnknown,
    SeriesNotFound,
    SeveralMultiEchoSeries,
    SidecarInvalid,
)
from t2disc.ingest.elements import real_date, real_time
from t2disc.ingest.facts import plain, unit_vector
from t2disc.ingest.frametype import sequence, vendor
from t2disc.ingest.grid import check_affine
from t2disc.ingest.nifti import read_volume
from t2disc.ingest.sidecars import read_sidecar
from t2disc.model import Acquisition, EchoStack, Inventory, LeftOut
from t2disc.model.grids import corner_distance_mm

if TYPE_CHECKING:
    from t2disc.model.protocol import IngestSettings

_ECHO_NAME = re.compile(r"^(?P<before>.+)_echo-(?P<n>[0-9]+)(?P<after>(?:_[a-z]+-[A-Za-z0-9]+)*)_MESE\.nii(\.gz)?$")
_LONGEST_ECHO_TIME_S = 2.0
_SAME_GRID_MM = 0.01


@dataclass(frozen=True, slots=True)
class _EchoFile:
    path: Path
    number: int  # echo-<N> of the file name
    echo_time_ms: float
    sidecar: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _MeseSeries:
    """The echoes of one acquisition, by rising echo time."""

    echoes: tuple[_EchoFile, ...]

    @property
    def sequence(self) -> str:
        """Sequence kind; the suffix MESE says spin echo where the sidecar says nothing."""
        marks = self.echoes[0].sidecar.get("ScanningSequence") or "SE"
        return sequence(map(str, marks) if isinstance(marks, list) else re.split(r"[\\_]", str(marks)))

    def describe(self) -> str:
        times = [echo.echo_time_ms for echo in self.echoes]
        return f"{len(times)} echoes ({times[0]:g}-{times[-1]:g} ms)"

    def fits(self, settings: IngestSettings | None) -> bool:
        """Tell whether the series is one that the protocol file may mean; it has no series number in BIDS."""
        return settings is None or settings.fits_train([echo.echo_time_ms for echo in self.echoes])


def echo_files(files: Sequence[Path]) -> list[Path]:
    """Return the magnitude MESE files among ``files``; ``part-phase`` and its like are none."""
    named = [(path, _ECHO_NAME.match(path.name)) for path in files]
    return [path for path, name in named if name and "_part-" not in path.name.replace("_part-mag", "")]


def load_echoes(files: Sequence[Path], settings: IngestSettings | None, *, require_spin_echo: bool) -> EchoStack:
    """Read the echoes of one MESE acquisition into one stack.

    Raises
    ------
    SidecarInvalid, EchoTimeMissing, EchoTimeNotANumber, EchoTimeNotPositive, EchoTimeRepeated
        When a sidecar does not give its echo time.
    SeveralMultiEchoSeries, SeriesNotFound, NoMultiEchoSeries, GradientEcho, SequenceUnknown
        When the files are of several acquisitions, of one echo, or of no spin echo.
    NiftiUnreadable, GridMismatch, GeometryMissing, SlicesSheared
        When the volumes cannot be read, do not lie on one grid, or lie on one that leans.
    """
    series = _choose(files, settings, require_spin_echo=require_spin_echo)
    echoes = series.echoes
    first, affine = read_volume(echoes[0].path)
    check_affine(affine, first.shape)
    signal = np.empty((len(echoes), *first.shape[::-1]), np.float32).transpose(3, 2, 1, 0)
    signal[..., 0] = first
    for e, echo in enumerate(echoes[1:], start=1):
        values, own_affine = read_volume(echo.path)
        if values.shape != first.shape or corner_distance_mm(first.shape, own_affine, affine) > _SAME_GRID_MM:
            raise GridMismatch(f"echoes of shapes {first.shape} and {values.shape}, or of different affines")
        signal[..., e] = values
    return EchoStack(
        signal=signal,
        echo_times_ms=np.array([echo.echo_time_ms for echo in echoes]),
        affine=affine,
        acquisition=_acquisition(series, affine),
        left_out=_others(files, echoes),
    )


def take_inventory(files: Sequence[Path], settings: IngestSettings | None, *, require_spin_echo: bool) -> Inventory:
    """Tell what :func:`load_echoes` would read; volumes are read and verified on the way."""
    stack = load_echoes(files, settings, require_spin_echo=require_spin_echo)
    return Inventory(
        echo_times_ms=tuple(map(float, stack.echo_times_ms)),
        shape=stack.shape,
        n_images=stack.n_echoes,
        acquisition=stack.acquisition,
        left_out=stack.left_out,
    )


def _choose(files: Sequence[Path], settings: IngestSettings | None, *, require_spin_echo: bool) -> _MeseSeries:
    """Return the one MESE acquisition, under the rules that hold for DICOM series too."""
    acquisitions: dict[str, list[Path]] = {}
    for path in echo_files(files):
        acquisitions.setdefault(_ECHO_NAME.sub(r"\g<before>\g<after>", path.name), []).append(path)
    sidecars = [path for path in files if path.suffix == ".json"]
    candidates = [_series(paths, sidecars) for paths in acquisitions.values()]
    listed = "; ".join(series.describe() for series in candidates)
    wanted = [series for series in candidates if series.fits(settings)]
    if not wanted:
        raise SeriesNotFound(listed + "; none fits the protocol file")
    if len(wanted) > 1:
        raise SeveralMultiEchoSeries(listed)
    if len(wanted[0].echoes) < 2:
        raise NoMultiEchoSeries("one MESE echo")
    _whole_train([echo.number for echo in wanted[0].echoes])
    if require_spin_echo and wanted[0].sequence != "spin-echo":
        raise (GradientEcho if wanted[0].sequence == "gradient-echo" else SequenceUnknown)(listed)
    return wanted[0]


def _series(paths: Sequence[Path], files: Sequence[Path]) -> _MeseSeries:
    echoes = sorted((_with_sidecar(path, files) for path in paths), key=lambda echo: echo.echo_time_ms)
    times = [echo.echo_time_ms for echo in echoes]
    if len(set(times)) < len(times):
        raise EchoTimeRepeated(f"echo times {', '.join(f'{t:g}' for t in times)} ms")
    return _MeseSeries(tuple(echoes))


def _whole_train(numbers: Sequence[int]) -> None:
    """Refuse echo numbers that do not rise with the echo times, or that show a gap; some tools count from 0."""
    listed = ", ".join(map(str, numbers))
    if list(numbers) != sorted(set(numbers)):
        raise EchoNumbersContradict(f"files echo-{listed} at rising echo times")
    if numbers[0] > 1 or numbers[-1] - numbers[0] != len(numbers) - 1:
        raise EchoMissing(f"files echo-{listed}", expected="files echo-1, echo-2, ... without a gap")


def _with_sidecar(path: Path, files: Sequence[Path]) -> _EchoFile:
    sidecar = read_sidecar(path, files)
    name = _ECHO_NAME.match(path.name)
    return _EchoFile(path, int(name["n"]) if name else 0, _echo_time_ms(sidecar), sidecar)


def _echo_time_ms(sidecar: dict[str, Any]) -> float:
    if sidecar.get("EchoTime") is None:
        raise EchoTimeMissing("a sidecar without EchoTime", expected="EchoTime in seconds in every sidecar")
    number = _number(sidecar, "EchoTime")
    if number is None:
        raise EchoTimeNotANumber("a sidecar whose EchoTime is no number", expected="EchoTime in seconds")
    echo_time_ms = round(number * 1000.0, 6)
    if echo_time_ms <= 0:
        raise EchoTimeNotPositive(f"an EchoTime of {number:g} s")
    if number > _LONGEST_ECHO_TIME_S:
        raise SidecarInvalid(f"an EchoTime of {number:g} s", expected="EchoTime in seconds, as BIDS demands")
    return echo_time_ms


def _acquisition(series: _MeseSeries, affine: NDArray[np.float64]) -> Acquisition:
    sidecar = series.echoes[0].sidecar
    size_mm = [round(float(size), 4) for size in np.linalg.norm(affine[:3, :3], axis=0)]
    repetition_s = _number(sidecar, "RepetitionTime") or _number(sidecar, "RepetitionTimeExcitation")
    thickness_mm = _number(sidecar, "SliceThickness")
    date, _, moment = str(sidecar.get("AcquisitionDateTime", "")).partition("T")
    day = real_date(date) or real_date(str(sidecar.get("AcquisitionDate", "")))
    return Acquisition(
        vendor=vendor(str(sidecar.get("Manufacturer", ""))),
        scanner_model=_text(sidecar, "ManufacturersModelName"),
        field_strength_t=_number(sidecar, "MagneticFieldStrength"),
        software=_text(sidecar, "SoftwareVersions"),
        receive_coil=_text(sidecar, "ReceiveCoilName"),
        sequence=series.sequence,
        repetition_time_ms=None if repetition_s is None else repetition_s * 1000.0,
        flip_angle_deg=_number(sidecar, "FlipAngle"),
        voxel_size_mm=(size_mm[0], size_mm[1], size_mm[2]),
        slice_thickness_mm=thickness_mm,
        slice_gap_mm=None if thickness_mm is None else round(size_mm[2] - thickness_mm, 4) + 0.0,
        slice_normal=unit_vector(np.cross(affine[:3, 0], affine[:3, 1]).tolist()),
        acquisition_date=day,
        acquisition_time=None if day is None else real_time(moment or str(sidecar.get("AcquisitionTime", ""))),
    )


def _number(sidecar: dict[str, Any], key: str) -> float | None:
    value = sidecar.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _text(sidecar: dict[str, Any], key: str) -> str | None:
    value = sidecar.get(key)
    return plain(str(value)) if isinstance(value, (str, int, float)) else None


def _others(files: Sequence[Path], echoes: Sequence[_EchoFile]) -> tuple[LeftOut, ...]:
    used = {echo.path for echo in echoes}
    n = sum(path not in used and path.suffix != ".json" for path in files)
    return (LeftOut(what="other file", n_images=n, why="not an echo of the MESE acquisition"),) if n else ()
