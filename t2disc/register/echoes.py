"""Echoes of one visit that were not acquired together, brought onto the first; those that lie on it are left alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from t2disc.model import EchoMotion, EchoShift, EchoStack, EchoState
from t2disc.register.inplane import Measured, index_motion, measure_motion
from t2disc.register.pyramid import Matrix, levels_of

if TYPE_CHECKING:
    from t2disc.model.protocol import RegisterSettings

THRESHOLD_MM = 0.5
LEAST_SURE_MM = 0.1
"""Standard error above which an echo counts as not measured."""
LEAST_CLEAR = 5.0
"""Power of what an echo has in common with the first over that of its noise, below which it counts as not measured."""
SPLINE = 3  # degree of the interpolating spline by which an echo is moved


def align_echoes(stack: EchoStack, settings: RegisterSettings | None = None) -> tuple[EchoStack, EchoMotion]:
    """Measure how far each echo lies from the first, and move back those that lie beyond the threshold.

    The motion is rigid within the image plane: two shifts and a turn, one for all slices. Motion through thick slices
    is hardly seen, and undoing it would mix the tissue of neighbouring slices.

    Parameters
    ----------
    stack
        The echoes as they were acquired.
    settings
        The protocol's ``[register]``; its defaults when None.

    Returns
    -------
    EchoStack
        The very stack given, where no echo was corrected. Otherwise corrected echoes are resampled by a cubic spline
        in their planes; what lies outside the field they were measured in is NaN. The first echo is never touched.
    EchoMotion
        What was measured and done.
    """
    threshold_mm = THRESHOLD_MM if settings is None else settings.echo_threshold_mm
    plane = _Plane.of(stack)
    found = _measure(plane.turned(stack.signal), plane.pixel_mm)
    shifts = [_shift(plane, te, each, threshold_mm) for te, each in zip(stack.echo_times_ms[1:], found, strict=True)]
    first = EchoShift(echo_time_ms=float(stack.echo_times_ms[0]), state=EchoState.REFERENCE)
    motion = EchoMotion(threshold_mm=threshold_mm, echoes=(first, *shifts))
    return _corrected(stack, plane, found, motion), motion


class _Plane(NamedTuple):
    """The image plane of a grid: its two axes, and the middle of the field; slices follow each other along the third.

    Slices lie along the longest edge of the voxel; where no edge is longest, along the last axis.
    """

    axes: tuple[int, int, int]  # of the grid: first and second in the plane, then the slices'
    pixel_mm: tuple[float, float]
    along: NDArray[np.float64]  # (2, 3), the plane's axes in RAS+

    @classmethod
    def of(cls, stack: EchoStack) -> _Plane:
        size_mm = np.array(stack.voxel_size_mm)
        through = int(2 - np.argmax(size_mm[::-1] > 0.999 * size_mm.max()))
        first, second = (axis for axis in range(3) if axis != through)
        along = stack.affine[:3, [first, second]].T / size_mm[[first, second], None]
        return cls((first, second, through), (float(size_mm[first]), float(size_mm[second])), along)

    def turned(self, volume: NDArray[Any]) -> NDArray[Any]:
        """Return a volume ``(X, Y, Z, ...)`` with the plane's axes first; a view."""
        return volume.transpose(*self.axes, *range(3, volume.ndim))


def _measure(signal: NDArray[np.float32], pixel_mm: tuple[float, float]) -> list[Measured]:
    """Measure every echo of ``(X, Y, Z, E)`` but the first."""
    known = np.ones(signal.shape[:3], bool)
    for echo in range(signal.shape[3]):
        known &= np.isfinite(signal[..., echo])
    levels = levels_of(signal[..., 0], known, pixel_mm)
    return [measure_motion(levels, signal[..., echo]) for echo in range(1, signal.shape[3])]


def _shift(plane: _Plane, echo_time_ms: float, found: Measured, threshold_mm: float) -> EchoShift:
    """Decide what becomes of an echo, and put in the words of the record what was found of it."""
    state = _state(found, threshold_mm)
    shift = EchoShift(echo_time_ms=float(echo_time_ms), state=state)
    if not shift.is_measured:
        return shift
    right, anterior, superior = (float(part) for part in found.motion[:2, 2] @ plane.along)
    return replace(
        shift,
        translation_mm=(round(right, 4), round(anterior, 4), round(superior, 4)),
        rotation_deg=round(float(np.degrees(np.arctan2(found.motion[1, 0], found.motion[0, 0]))), 4),
        displacement_mm=round(found.displacement_mm, 4),
        standard_error_mm=round(found.standard_error_mm, 4),
    )


def _state(found: Measured, threshold_mm: float) -> EchoState:
    if not found.standard_error_mm <= LEAST_SURE_MM or found.clarity < LEAST_CLEAR:
        return EchoState.UNSURE
    if not found.is_settled:
        return EchoState.UNSETTLED
    return EchoState.CORRECTED if found.displacement_mm > threshold_mm else EchoState.LEFT


def _corrected(stack: EchoStack, plane: _Plane, found: list[Measured], motion: EchoMotion) -> EchoStack:
    """Return the stack with the echoes that are to be corrected moved back; the stack itself where none is."""
    numbers = motion.numbers(EchoState.CORRECTED)
    if not numbers:
        return stack
    signal = stack.signal.copy(order="K")
    for number in numbers:
        echo = plane.turned(signal[..., number - 1])
        for z in range(echo.shape[2]):
            echo[..., z] = _moved_back(echo[..., z], found[number - 2].motion, plane.pixel_mm)
    return stack.replace(signal=signal)


def _moved_back(image: NDArray[np.float32], motion: Matrix, pixel_mm: tuple[float, float]) -> NDArray[np.float32]:
    """Return an image ``(X, Y)`` whose every pixel is taken from where the motion brought it; NaN from outside."""
    from scipy.ndimage import affine_transform

    turn, start = index_motion(motion, image.shape, pixel_mm)
    known = np.isfinite(image)
    filled = np.where(known, image, np.float32(0))
    out = affine_transform(filled, turn, start, order=SPLINE, mode="mirror", output=np.float32)
    is_known = affine_transform(known.astype(np.float32), turn, start, order=1, mode="constant", cval=0.0) > 1 - 1e-4
    return np.where(is_known, np.maximum(out, 0), np.float32(np.nan))
