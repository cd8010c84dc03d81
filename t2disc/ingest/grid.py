"""From loose planes to one regular grid of slices and echoes, or the reason why they make none.

Slices are sorted by their position along the normal, echoes by their echo time: never by file name, instance number or
echo number, which vendors use differently. The affine comes from the first and last position, never from
SliceThickness. Source: DICOM PS3.3 C.7.6.2 (Image Plane); NIfTI-1 affine conventions as in dcm2niix.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from t2disc.errors import (
    EchoDoubled,
    EchoMissing,
    EchoNumbersContradict,
    EchoTimeMissing,
    EchoTimeNotANumber,
    EchoTimeNotPositive,
    EchoTimeRepeated,
    GeometryMissing,
    GridMismatch,
    ImageTooLarge,
    SliceDoubled,
    SliceMissing,
    SliceSpacingUneven,
    SlicesSheared,
)
from t2disc.ingest.frames import Frame, Plane
from t2disc.ingest.series import ECHO_TIME_TOLERANCE_MS, Group, distinct

_SAME_SLICE_MM = 0.1  # planes closer than this along the normal are one slice
_STEP_NOTED, _STEP_REFUSED = 0.01, 0.05  # deviation of one slice step from the median step
_SHEAR_REFUSED = 0.02  # in-plane drift per mm along the normal
_SKEW_REFUSED = 1e-2  # cosine between rows and columns, and deviation of a direction from length 1
_MAX_MATRIX = 4096  # rows or columns; clinical MR stays below 1024
_MAX_VALUES = 1 << 30  # of one stack: 4 GiB as float32

Cells = dict[tuple[int, int], list[Frame]]


@dataclass(frozen=True, slots=True)
class Layout:
    """Planes in their places: ``frames[e][z]``, with the grid they make."""

    frames: tuple[tuple[Frame, ...], ...]
    echo_times_ms: tuple[float, ...]
    affine: NDArray[np.float64]
    notes: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Grid (X, Y, Z)."""
        source = self.frames[0][0].source
        return source.columns, source.rows, len(self.frames[0])

    @property
    def step_mm(self) -> float:
        """Distance between slice centres, mm."""
        return float(np.linalg.norm(self.affine[:3, 2]))


def lay_out(group: Group) -> Layout:
    """Put every plane of a series in its place.

    Raises
    ------
    EchoError
        ``echo-time-missing``, ``echo-time-not-a-number``, ``echo-time-not-positive``, ``echo-time-repeated``,
        ``echo-missing``, ``echo-doubled``.
    GeometryError
        ``geometry-missing``, ``slice-missing``, ``slice-doubled``, ``slice-spacing-uneven``, ``slices-sheared``.
    PixelError, ScanError
        ``grid-mismatch``, ``image-too-large``.
    """
    frames = group.frames
    check_echo_times(frames)
    check_geometry(frames)
    echo_times_ms = group.echo_times_ms
    check_size(frames, len(echo_times_ms))
    normal = slice_normal(frames[0])
    depths_mm = distinct([_depth(frame, normal) for frame in frames], _SAME_SLICE_MM)
    cells = _sort_into_cells(frames, normal, echo_times_ms, depths_mm)
    _nothing_doubled(cells, n_slices=len(depths_mm), echo_times_ms=echo_times_ms)
    _nothing_missing(cells, n_slices=len(depths_mm), echo_times_ms=echo_times_ms)
    ordered = tuple(tuple(cells[z, e][0] for z in range(len(depths_mm))) for e in range(len(echo_times_ms)))
    _whole_train(ordered)
    notes = _even_steps(np.array(depths_mm)) + _even_train(np.array(echo_times_ms))
    _stated_step(np.array(depths_mm), frames[0].plane)
    _straight_stack(ordered, normal)
    return Layout(ordered, echo_times_ms, _affine(ordered[0]), notes)


def check_echo_times(frames: Sequence[Frame]) -> None:
    """Refuse echo times that are absent, no number, or not above zero."""
    faults = Counter(frame.echo.fault for frame in frames)
    if faults["missing"]:
        raise EchoTimeMissing(f"{faults['missing']} of {len(frames)} images without an echo time")
    if faults["text"]:
        raise EchoTimeNotANumber(f"{faults['text']} of {len(frames)} images whose echo time is no number")
    lowest = min(frame.echo.time_ms for frame in frames if frame.echo.time_ms is not None)
    if lowest <= 0:
        raise EchoTimeNotPositive(f"an echo time of {lowest:g} ms")


def check_geometry(frames: Sequence[Frame]) -> None:
    """Refuse planes that do not say where they lie, or say it in a way no image can."""
    planes = [frame.plane for frame in frames]
    lost = sum(p.position_mm is None or p.orientation is None or p.spacing_mm is None for p in planes)
    if lost:
        raise GeometryMissing(f"{lost} of {len(frames)} images without position, orientation or pixel spacing")
    row, column = _directions(planes[0])
    lengths = np.array([np.linalg.norm(row), np.linalg.norm(column)])
    if (np.abs(lengths - 1) > _SKEW_REFUSED).any() or abs(row @ column) > _SKEW_REFUSED:
        raise GeometryMissing("an image orientation whose directions are not at right angles and of length 1")
    if min(planes[0].spacing_mm or (0,)) <= 0:
        raise GeometryMissing("a pixel spacing that is not above 0 mm")
    if len({plane.position_mm for plane in planes}) == 1 and not (planes[0].step_mm or planes[0].thickness_mm):
        raise GeometryMissing("a single slice that does not say how thick it is")


def check_size(frames: Sequence[Frame], n_echoes: int) -> None:
    """Refuse, before anything is allocated, a matrix or a stack that no scanner produces."""
    rows, columns = frames[0].source.rows, frames[0].source.columns
    if not (0 < rows <= _MAX_MATRIX and 0 < columns <= _MAX_MATRIX):
        raise ImageTooLarge(f"a matrix of {columns} x {rows}", expected=f"1 to {_MAX_MATRIX} rows and columns")
    if rows * columns * len(frames) > _MAX_VALUES:
        raise ImageTooLarge(f"{len(frames)} images of {columns} x {rows} at {n_echoes} echo times")


def slice_normal(frame: Frame) -> NDArray[np.float64]:
    """Return the unit normal ``(3,)``, row direction cross column direction, LPS."""
    row, column = _directions(frame.plane)
    normal = np.cross(row, column)
    return np.asarray(normal / np.linalg.norm(normal))


def _directions(plane: Plane) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the unit vectors ``(3,)`` along a row and down a column, LPS."""
    along = np.asarray(plane.orientation or (0.0,) * 6)
    return along[:3], along[3:]


def _depth(frame: Frame, normal: NDArray[np.float64]) -> float:
    return float(np.asarray(frame.plane.position_mm) @ normal)


def _sort_into_cells(
    frames: Iterable[Frame], normal: NDArray[np.float64], echo_times_ms: Sequence[float], depths_mm: Sequence[float]
) -> Cells:
    times, depths = np.array(echo_times_ms), np.array(depths_mm)
    cells: Cells = {}
    for frame in frames:
        z = int(np.abs(depths - _depth(frame, normal)).argmin())
        e = int(np.abs(times - (frame.echo.time_ms or 0.0)).argmin())
        cells.setdefault((z, e), []).append(frame)
    return cells


def _nothing_doubled(cells: Cells, *, n_slices: int, echo_times_ms: Sequence[float]) -> None:
    doubled = {cell: frames for cell, frames in cells.items() if len(frames) > 1}
    if not doubled:
        return
    slices_of = Counter(e for _, e in doubled)
    echo, n = slices_of.most_common(1)[0]
    at = f"echo time {echo_times_ms[echo]:g} ms"
    if n < n_slices:
        raise SliceDoubled(f"{n} of {n_slices} slices twice at {at}")
    numbers = {frame.echo.number for (_, e), frames in doubled.items() if e == echo for frame in frames}
    if len(numbers) > 1 and None not in numbers:
        raise EchoTimeRepeated(f"{len(numbers)} echoes at {at}")
    raise EchoDoubled(f"every slice more than once at {at}")


def _nothing_missing(cells: Cells, *, n_slices: int, echo_times_ms: Sequence[float]) -> None:
    lost = Counter(e for z in range(n_slices) for e in range(len(echo_times_ms)) if (z, e) not in cells)
    if not lost:
        return
    echo, n = lost.most_common(1)[0]
    found = f"{n_slices - n} of {n_slices} slices at echo time {echo_times_ms[echo]:g} ms"
    raise (EchoMissing if 2 * n > n_slices else SliceMissing)(found)


def _whole_train(ordered: Sequence[Sequence[Frame]]) -> None:
    """Refuse a train whose echo numbers show a gap or contradict the echo times.

    Where all images carry one number, the numbers say nothing.
    """
    of_echo = [{frame.echo.number for frame in echo} for echo in ordered]
    numbers = set[int | None]().union(*of_echo)
    if None in numbers or len(numbers) < len(ordered):
        return
    if any(len(own) > 1 for own in of_echo):
        raise EchoNumbersContradict(f"{max(map(len, of_echo))} echo numbers at one echo time")
    known = [number for own in of_echo for number in own if number is not None]
    if known != sorted(known):
        raise EchoNumbersContradict(f"echo numbers {', '.join(map(str, known))} at rising echo times")
    if known != list(range(known[0], known[0] + len(known))) or known[0] > 1:
        raise EchoMissing(f"echo numbers {', '.join(map(str, known))}", expected="echo numbers without a gap from 1")


def _even_train(echo_times_ms: NDArray[np.float64]) -> tuple[str, ...]:
    """Note a gap of whole echo spacings: an echo may have been lost, and the header does not tell."""
    if echo_times_ms.size < 3:
        return ()
    steps = np.diff(echo_times_ms, prepend=0.0)
    spacing_ms = steps[1:].min()
    gaps = np.round(steps / spacing_ms)
    is_train = np.abs(steps - gaps * spacing_ms).max() <= ECHO_TIME_TOLERANCE_MS and np.median(gaps) == 1
    if is_train and gaps.max() > 1:
        return (f"{int(gaps.sum() - gaps.size)} echo times seem to be missing from an even train; fitted as they are",)
    return ()


def _even_steps(depths_mm: NDArray[np.float64]) -> tuple[str, ...]:
    """Check slice steps against their median; return a note when they deviate but can be used."""
    if depths_mm.size < 3:
        return ()
    steps = np.diff(depths_mm)
    median = float(np.median(steps))
    ratio = steps / median
    worst = float(np.abs(ratio - 1).max())
    if worst > _STEP_REFUSED:
        gaps = ratio[np.abs(ratio - 1) > _STEP_REFUSED]
        if (gaps > 1.5).all() and (np.abs(gaps - np.round(gaps)) <= _STEP_REFUSED * gaps).all():
            raise SliceMissing(f"{int(np.round(gaps - 1).sum())} gaps in {depths_mm.size} slices at {median:.4g} mm")
        raise SliceSpacingUneven(f"slice steps from {steps.min():.4g} to {steps.max():.4g} mm")
    if worst > _STEP_NOTED:
        return (f"slice steps {steps.min():.4g}-{steps.max():.4g} mm, taken as even",)
    return ()


def _stated_step(depths_mm: NDArray[np.float64], plane: Plane) -> None:
    """Refuse slices a whole number of stated steps apart: every second one may have been lost.

    SpacingBetweenSlices (0018,0088) below the slice thickness is some vendors' gap, not the step.
    """
    if depths_mm.size < 2 or not plane.step_mm or plane.step_mm < (plane.thickness_mm or 0.0):
        return
    step_mm = float(np.median(np.diff(depths_mm)))
    ratio = step_mm / plane.step_mm
    if ratio > 1.5 and abs(ratio - round(ratio)) <= _STEP_REFUSED:
        raise SliceMissing(f"slices {step_mm:.4g} mm apart where the header states {plane.step_mm:.4g} mm")


def _straight_stack(ordered: Sequence[Sequence[Frame]], normal: NDArray[np.float64]) -> None:
    """Refuse stacks that lean, and echoes that lie elsewhere than the first."""
    corners = np.array([[frame.plane.position_mm for frame in echo] for echo in ordered])  # (E, Z, 3)
    if np.abs(corners - corners[0]).max() > _SAME_SLICE_MM:
        raise GridMismatch(f"echoes displaced by up to {np.abs(corners - corners[0]).max():.3g} mm")
    _upright(corners[0] - corners[0, 0], normal)


def _upright(relative: NDArray[np.float64], normal: NDArray[np.float64]) -> None:
    """Refuse slices ``(Z, 3)``, mm from the first, that lie beside their common normal."""
    depth = relative @ normal
    drift = np.linalg.norm(relative - depth[:, None] * normal, axis=1)
    if (drift > _SHEAR_REFUSED * np.abs(depth) + _SAME_SLICE_MM).any():
        raise SlicesSheared(f"slices displaced in their plane by up to {drift.max():.3g} mm")


def check_affine(affine: NDArray[np.float64], shape: tuple[int, int, int]) -> None:
    """Refuse the affine ``(4, 4)`` of a whole volume ``(X, Y, Z)`` under the rules that hold for loose planes.

    Raises
    ------
    GeometryMissing
        ``geometry-missing``: numbers that are not finite, or axes that span no volume.
    SlicesSheared
        ``slices-sheared``: slices that lie beside their normal, or rows and columns that are not at right angles.
    """
    axes = affine[:3, :3]
    lengths = np.linalg.norm(axes, axis=0)
    if not (np.isfinite(affine).all() and lengths.min() > 0):
        raise GeometryMissing("voxel axes of no length, or not finite", expected="an affine to patient coordinates")
    row, column, _ = (axes / lengths).T
    if abs(row @ column) > _SKEW_REFUSED:
        angle_deg = np.degrees(np.arccos(np.clip(row @ column, -1, 1)))
        raise SlicesSheared(f"rows and columns at {angle_deg:.3g} degrees", expected="rows and columns at right angles")
    normal = np.cross(row, column)
    _upright(np.arange(max(shape[2], 2))[:, None] * axes[:, 2], normal / np.linalg.norm(normal))


def _affine(slices: Sequence[Frame]) -> NDArray[np.float64]:
    """Return the (4, 4) affine to RAS+ mm: X along columns, Y along rows from the last row up, Z along the slices."""
    first, last, source = slices[0].plane, slices[-1].plane, slices[0].source
    row, column = _directions(first)
    between_rows, between_columns = first.spacing_mm or (1.0, 1.0)
    origin = np.asarray(first.position_mm) + column * between_rows * (source.rows - 1)
    if len(slices) > 1:
        step = (np.asarray(last.position_mm) - np.asarray(first.position_mm)) / (len(slices) - 1)
    else:
        step = slice_normal(slices[0]) * (first.step_mm or first.thickness_mm or np.nan)
    lps = np.eye(4)
    lps[:3] = np.column_stack([row * between_columns, -column * between_rows, step, origin])
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps
