"""The same discs under several signal models: does the answer depend on which?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from t2disc.model import DiscLabels, Flag, ModelMedian, ModelSensitivity, T2Map
from t2disc.model.grids import require_same_grid

COMPARED = ("disc", "NP", "AF")
"""Regions that are set side by side."""


def compare_models(maps: Sequence[T2Map], discs: DiscLabels) -> tuple[ModelSensitivity, ...]:
    """Set the median T2 of each disc under each model side by side.

    Every model speaks of the voxels to which it gives a T2; how many these are stands beside each median, because a
    model that leaves out the hard voxels is not to be compared with one that does not.

    Parameters
    ----------
    maps
        One per model, that of the visit's maps first; ``(X, Y, Z)`` each, on the grid of the labels.
    discs
        Named discs.

    Returns
    -------
    tuple of ModelSensitivity
        Levels from superior to inferior, in each ``disc``, ``NP``, ``AF``.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: maps on another grid.
    """
    require_same_grid(*maps, discs)
    return tuple(
        _sensitivity(maps, discs.mask(level, region), level, region) for level in discs.levels for region in COMPARED
    )


def _sensitivity(maps: Sequence[T2Map], inside: NDArray[np.bool_], level: str, region: str) -> ModelSensitivity:
    medians = tuple(_median(t2map, inside) for t2map in maps)
    return ModelSensitivity(level=level, region=region, n_voxels=int(np.count_nonzero(inside)), medians=medians)


def _median(t2map: T2Map, inside: NDArray[np.bool_]) -> ModelMedian:
    t2_ms = t2map.t2_ms[inside & (t2map.flag == Flag.OK)].astype(np.float64)
    if not t2_ms.size:
        return ModelMedian(model=t2map.model)
    return ModelMedian(model=t2map.model, t2_median_ms=float(np.median(t2_ms)), n_used=t2_ms.size)
