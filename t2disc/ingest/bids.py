"""Echoes that come as BIDS files: ``*_echo-<N>_MESE.nii[.gz]`` with a JSON sidecar each.

BIDS keeps times in seconds; this door turns them into milliseconds, and refuses values no spin-echo train has rather
than guess a unit. Source: BIDS 1.10, MRI / anatomy imaging data (MESE), qMRI appendix.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from t2disc.errors import (
    EchoTimeMissing,
    EchoTimeNotANumber,
    EchoTimeNotPositive,
    EchoTimeRepeated,
    GridMismatch,
    NoMultiEchoSeries,
    SeveralMultiEchoSeries,
    SidecarInvalid,
)
from t2disc.ingest.facts import plain
from t2disc.ingest.frametype import sequence, vendor
from t2disc.ingest.nifti import read_volume
from t2disc.model import Acquisition, EchoStack, Inventory, LeftOut

_ECHO_NAME = re.compile(r"^(?P<before>.+)_echo-(?P<n>[0-9]+)(?P<after>(?:_[a-z]+-[A-Za-z0-9]+)*)_MESE\.nii(\.gz)?$")
_LONGEST_ECHO_TIME_S = 2.0
_SAME_GRID_MM = 0.01


@dataclass(frozen=True, slots=True)
class _EchoFile:
    path: Path
    echo_time_ms: float
    sidecar: dict[str, Any]


def echo_files(files: Sequence[Path]) -> list[Path]:
    """Return the magnitude MESE files among ``files``; ``part-phase`` and its like are none."""
    named = [(path, _ECHO_NAME.match(path.name)) for path in files]
    return [path for path, name in named if name and "_part-" not in path.name.replace("_part-mag", "")]


def load_echoes(files: Sequence[Path]) -> EchoStack:
    """Read the echoes of one MESE acquisition into one stack.

    Raises
    ------
    SidecarInvalid, EchoTimeMissing, EchoTimeNotANumber, EchoTimeNotPositive, EchoTimeRepeated
        When a sidecar does not give its echo time.
    SeveralMultiEchoSeries, NoMultiEchoSeries
        When the files are of several acquisitions, or of one echo.
    NiftiUnreadable, GridMismatch, GeometryMissing
        When the volumes cannot be read or do not lie on one grid.
    """
    echoes = _echoes(files)
    first, affine = read_volume(echoes[0].path)
    signal = np.empty((len(echoes), *first.shape[::-1]), np.float32).transpose(3, 2, 1, 0)
    signal[..., 0] = first
    for e, echo in enumerate(echoes[1:], start=1):
        values, own_affine = read_volume(echo.path)
        if values.shape != first.shape or np.abs(own_affine - affine).max() > _SAME_GRID_MM:
            raise GridMismatch(f"echoes of shapes {first.shape} and {values.shape}, or of different affines")
        signal[..., e] = values
    return EchoStack(
        signal=signal,
        echo_times_ms=np.array([echo.echo_time_ms for echo in echoes]),
        affine=affine,
        acquisition=_acquisition(echoes[0].sidecar, affine),
        left_out=_others(files, echoes),
    )


def take_inventory(files: Sequence[Path]) -> Inventory:
    """Tell what :func:`load_echoes` would read; volumes are verified on the way."""
    stack = load_echoes(files)
    return Inventory(
        echo_times_ms=tuple(map(float, stack.echo_times_ms)),
        shape=stack.shape,
        n_images=stack.n_echoes,
        acquisition=stack.acquisition,
        left_out=stack.left_out,
    )


def _echoes(files: Sequence[Path]) -> list[_EchoFile]:
    paths = echo_files(files)
    acquisitions = {_ECHO_NAME.sub(r"\g<before>\g<after>", path.name) for path in paths}
    if len(acquisitions) > 1:
        raise SeveralMultiEchoSeries(f"{len(acquisitions)} MESE acquisitions in one session")
    if len(paths) < 2:
        raise NoMultiEchoSeries("one MESE echo")
    echoes = sorted((_with_sidecar(path) for path in paths), key=lambda echo: echo.echo_time_ms)
    times = [echo.echo_time_ms for echo in echoes]
    if len(set(times)) < len(times):
        raise EchoTimeRepeated(f"echo times {', '.join(f'{t:g}' for t in times)} ms")
    return echoes


def _with_sidecar(path: Path) -> _EchoFile:
    sidecar_path = path.with_name(path.name.removesuffix(".gz").removesuffix(".nii") + ".json")
    try:
        sidecar = json.loads(sidecar_path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SidecarInvalid("a MESE echo whose JSON sidecar is absent or no JSON") from error
    if not isinstance(sidecar, dict):
        raise SidecarInvalid("a JSON sidecar that is no object")
    return _EchoFile(path, _echo_time_ms(sidecar), sidecar)


def _echo_time_ms(sidecar: dict[str, Any]) -> float:
    seconds = sidecar.get("EchoTime")
    if seconds is None:
        raise EchoTimeMissing("a sidecar without EchoTime", expected="EchoTime in seconds in every sidecar")
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not math.isfinite(seconds):
        raise EchoTimeNotANumber("a sidecar whose EchoTime is no number", expected="EchoTime in seconds")
    if seconds <= 0:
        raise EchoTimeNotPositive(f"an EchoTime of {seconds:g} s")
    if seconds > _LONGEST_ECHO_TIME_S:
        raise SidecarInvalid(f"an EchoTime of {seconds:g} s", expected="EchoTime in seconds, as BIDS demands")
    return round(seconds * 1000.0, 6)


def _acquisition(sidecar: dict[str, Any], affine: Any) -> Acquisition:
    step_mm = float(np.linalg.norm(affine[:3, 2]))
    repetition_s, thickness_mm = _number(sidecar, "RepetitionTime"), _number(sidecar, "SliceThickness")
    marks = sidecar.get("ScanningSequence") or "SE"  # the suffix MESE says spin echo
    return Acquisition(
        vendor=vendor(str(sidecar.get("Manufacturer", ""))),
        scanner_model=_text(sidecar, "ManufacturersModelName"),
        field_strength_t=_number(sidecar, "MagneticFieldStrength"),
        software=_text(sidecar, "SoftwareVersions"),
        receive_coil=_text(sidecar, "ReceiveCoilName"),
        sequence=sequence(marks if isinstance(marks, list) else re.split(r"[\\_]", str(marks))),
        repetition_time_ms=None if repetition_s is None else repetition_s * 1000.0,
        flip_angle_deg=_number(sidecar, "FlipAngle"),
        slice_thickness_mm=thickness_mm,
        slice_gap_mm=None if thickness_mm is None else round(step_mm - thickness_mm, 4) + 0.0,
    )


def _number(sidecar: dict[str, Any], key: str) -> float | None:
    value = sidecar.get(key)
    usable = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if usable else None  # type: ignore[arg-type]


def _text(sidecar: dict[str, Any], key: str) -> str | None:
    return plain(str(sidecar[key])) if key in sidecar else None


def _others(files: Sequence[Path], echoes: Sequence[_EchoFile]) -> tuple[LeftOut, ...]:
    used = {echo.path for echo in echoes}
    n = sum(path not in used and path.suffix != ".json" for path in files)
    return (LeftOut(what="other file", n_images=n, why="not an echo of the MESE acquisition"),) if n else ()
