"""Checks that the data classes share: shape, type, finiteness; and arrays made read-only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from t2disc.errors import ArgumentInvalid

Counts = NDArray[np.unsignedinteger[Any]]
"""Whole numbers from 0, uint8 wherever they fit."""


def count_type(greatest: int) -> np.dtype[Any]:
    """Return the smallest type of whole numbers that holds counts up to ``greatest``: uint8 up to 255."""
    return np.min_scalar_type(max(greatest, 0))


def frozen_counts(array: Any, name: str, *, ndim: int) -> Counts:
    """Return counts as a read-only array, uint8 where none is above 255."""
    counts = np.asarray(array)
    return frozen(counts, name, ndim=ndim, dtype=count_type(int(counts.max(initial=0))))


def unmasked(array: Any, name: str) -> Any:
    """Return a masked array of numbers as a plain one, NaN where it is masked; anything else as it is."""
    if not np.ma.is_masked(array):
        return array
    if array.dtype.kind not in "fiu":
        raise ArgumentInvalid(f"{name} masked in part", expected="an array without a mask")
    kind = array.dtype if array.dtype.kind == "f" else np.float64
    return array.astype(kind).filled(np.nan)


def frozen(array: Any, name: str, *, ndim: int, dtype: DTypeLike) -> NDArray[Any]:
    """Return ``array`` as a read-only array of the wanted type and rank, without a copy where none is needed.

    What a masked array leaves out is NaN.
    """
    if np.dtype(dtype).kind != "f" and np.ma.is_masked(array):
        raise ArgumentInvalid(f"{name} masked in part", expected="an array without a mask")
    out = np.asarray(unmasked(array, name), dtype=dtype)
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
