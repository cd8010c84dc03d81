"""The model equations: the signal of a voxel at each echo."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def mono_signal(echo_times_ms: Any, t2_ms: Any, s0: Any) -> NDArray[np.float64]:
    """Mono-exponential decay, S(TE) = S0 exp(-TE / T2).

    Parameters
    ----------
    echo_times_ms
        ``(E,)`` echo times, ms.
    t2_ms
        T2 in ms, of any shape.
    s0
        Signal at TE 0, of the shape of ``t2_ms`` or a number.

    Returns
    -------
    ndarray
        Shape of ``t2_ms`` followed by ``(E,)``, in units of ``s0``.
    """
    times = np.asarray(echo_times_ms, dtype=np.float64)
    t2 = np.asarray(t2_ms, dtype=np.float64)[..., None]
    signal: NDArray[np.float64] = np.asarray(s0, dtype=np.float64)[..., None] * np.exp(-times / t2)
    return signal
