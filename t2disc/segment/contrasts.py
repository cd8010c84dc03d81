"""The two images of a multi-echo stack that the network looks at, in the order of the body's own axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from t2disc.model import EchoStack
from t2disc.model.grids import anatomical_axes

T = TypeVar("T", bound=np.generic)

LATE_MS = (60.0, 110.0)
"""Echo times whose mean is the T2-weighted image; of a shorter train its last echo."""
EARLY_MS = 25.0
"""Echoes up to this one make the proton-density image; at least the first echo."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyAxes:
    """How a grid is turned to RAS+: its axes along right, anterior, superior, and which of them run backwards."""

    axes: tuple[int, int, int]
    is_reversed: tuple[bool, bool, bool]
    spacing_mm: tuple[float, float, float]  # along right, anterior, superior

    @classmethod
    def of(cls, affine: NDArray[np.float64]) -> BodyAxes:
        """Return the axes of a grid by its affine to RAS+ mm."""
        axes = anatomical_axes(affine)
        steps = [affine[:3, axis] for axis in axes]
        lr, pa, si = (float(np.linalg.norm(step)) for step in steps)
        right, anterior, superior = (bool(step[world] < 0) for world, step in enumerate(steps))
        return cls(axes=axes, is_reversed=(right, anterior, superior), spacing_mm=(lr, pa, si))

    @property
    def is_sagittal(self) -> bool:
        """Whether slices are sagittal: no other voxel edge is much longer than that from left to right."""
        return max(self.spacing_mm[1:]) < 1.5 * self.spacing_mm[0] or max(self.spacing_mm) < 2.0

    def to_body(self, volume: NDArray[T]) -> NDArray[T]:
        """Return a volume of the grid as ``(X, Y, Z)`` in RAS+ order, a view."""
        return volume.transpose(self.axes)[self._flips]

    def to_grid(self, volume: NDArray[T]) -> NDArray[T]:
        """Return a volume in RAS+ order on the grid: the way back of `to_body`."""
        return volume[self._flips].transpose(np.argsort(self.axes))

    @property
    def _flips(self) -> tuple[slice, ...]:
        return tuple(slice(None, None, -1 if reverse else 1) for reverse in self.is_reversed)


def late_and_early(stack: EchoStack) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the T2-weighted and the proton-density image of a stack, ``(X, Y, Z)`` each, on its own grid."""
    echo_times_ms = stack.echo_times_ms
    late = (echo_times_ms >= LATE_MS[0]) & (echo_times_ms <= LATE_MS[1])
    if not late.any():
        late = echo_times_ms == echo_times_ms[np.abs(echo_times_ms - LATE_MS[0]).argmin()]
    early = (echo_times_ms <= EARLY_MS) | (echo_times_ms == echo_times_ms[0])
    return _mean_echo(stack, late), _mean_echo(stack, early)


def _mean_echo(stack: EchoStack, chosen: NDArray[np.bool_]) -> NDArray[np.float32]:
    total = np.zeros(stack.shape, np.float32)
    for echo in np.flatnonzero(chosen):
        total += stack.signal[..., echo]
    return np.asarray(total / np.float32(np.count_nonzero(chosen)))
