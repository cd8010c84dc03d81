"""Which library holds the arrays: NumPy, or one that computes on an accelerator, behind the same few verbs.

The kernels of :mod:`t2disc.fit.newton` and what they call are written in the functions of the Python array API
standard, so that they run on any library that has them. NumPy is the default and needs nothing else.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2disc.errors import ArgumentInvalid

Namespace = Any
"""A module with the functions of the array API standard (2022.12)."""

BACKENDS = ("numpy", "torch", "cupy")
LARGE_BLOCK = 1 << 20  # voxels: an accelerator wants many at once


class Backend:
    """A library of arrays and the place where they lie.

    Parameters
    ----------
    name
        ``numpy``; ``torch`` or ``cupy``, which need ``pip install array-api-compat`` and the library itself.
    device
        Where arrays are put, in the library's own words (``cuda``, ``cpu``); the library's default when ``None``.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: a name that is none of these, or a library that is not installed.
    """

    def __init__(self, name: str = "numpy", device: str | None = None) -> None:
        self.name = name
        self.xp = _namespace(name)
        self._device = device

    def asarray(self, values: NDArray[Any]) -> Any:
        """Return a NumPy array as one of the library's, on its device."""
        if self.name == "numpy":
            return values
        return self.xp.asarray(np.ascontiguousarray(values), device=self._device)

    def to_numpy(self, values: Any) -> NDArray[Any]:
        """Return one of the library's arrays as a NumPy array."""
        if self.name == "torch":
            values = values.cpu().numpy()
        if self.name == "cupy":
            values = values.get()
        return np.asarray(values)


class _NumPy:
    """NumPy under the names of the standard; those that older releases lack are added."""

    @staticmethod
    def astype(values: NDArray[Any], dtype: Any) -> NDArray[Any]:
        """Return the values in another type."""
        return values.astype(dtype)

    @staticmethod
    def concat(arrays: list[NDArray[Any]]) -> NDArray[Any]:
        """Return arrays behind each other."""
        return np.concatenate(arrays)

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


def _namespace(name: str) -> Namespace:
    if name not in BACKENDS:
        raise ArgumentInvalid(f"backend {name!r}", expected="one of " + ", ".join(BACKENDS))
    if name == "numpy":
        return _NumPy()
    import importlib

    try:
        return importlib.import_module(f"array_api_compat.{name}")
    except ImportError:
        raise ArgumentInvalid(
            f"backend {name!r}, which is not installed",
            expected="an array library that can be imported",
            todo=f"pip install array-api-compat {name}, or leave the backend out",
        ) from None
