"""Checks that the data classes share: shape, type, finiteness; and arrays made read-only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from t2disc.errors import ArgumentInvalid


def frozen(array: Any, name: str, *, ndim: int, dtype: DTypeLike) -> NDArray[Any]:
    """Return ``array`` as a read-only array of the wanted type and rank, without a copy where none is needed."""
    out = np.asarray(array, dtype=dtype)
    if out.ndim != ndim:
        raise ArgumentInvalid(f"{name} of shape {out.shape}", expected=f"{ndim} dimensions")
    view = out.view()
    view.flags.writeable = False
    return view


def frozen_affine(affine: Any) -> NDArray[np.float64]:
    """Return a checked, read-only (4, 4) affine from voxel to RAS+ mm."""
    out = frozen(affine, "affine", ndim=2, dtype=np.float64)
    if out.shape != (4, 4) or not np.isfinite(out).all():
        raise ArgumentInvalid(f"affine of shape {out.shape}", expected="a finite (4, 4) matrix")
    if abs(np.linalg.det(out[:3, :3])) < 1e-9:
        raise ArgumentInvalid("an affine that cannot be inverted", expected="three independent voxel axes")
    return out


def same_shape(name: str, shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    """Refuse an array whose shape is not that of its grid."""
    if shape != expected:
        raise ArgumentInvalid(f"{name} of shape {shape}", expected=f"shape {expected}")
