"""Who is L4/L5, and where is its nucleus: from a reader's labels where there are any."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from t2disc.model import DiscLabels, EchoStack, LabelMap
from t2disc.segment.labelmaps import place_labels
from t2disc.segment.regions import region_schemes

if TYPE_CHECKING:
    from t2disc.model.protocol import RegionSettings


def find_discs(
    stack: EchoStack, labels: LabelMap | None = None, *, regions: RegionSettings | None = None
) -> DiscLabels:
    """Say which voxels of a stack belong to which lumbar disc, and to its nucleus or annulus.

    Parameters
    ----------
    stack
        The images whose grid the discs shall have.
    labels
        A label map and the names of its values, on any grid; without one no disc is labelled.
    regions
        How to divide the discs: ``[regions]`` of the protocol, default its defaults.

    Returns
    -------
    DiscLabels
        ``(X, Y, Z)`` discs numbered from superior to inferior, with their regions.

    Raises
    ------
    LabelError
        The label map cannot be used, see :func:`~t2disc.segment.labelmaps.place_labels`.
    """
    if labels is None:
        return _no_discs(stack)
    placed = place_labels(stack, labels)
    primary, *others = region_schemes(placed.discs, stack.affine, regions)
    return DiscLabels(
        discs=placed.discs,
        regions=primary.values,
        schemes=tuple(others),
        levels=placed.levels,
        affine=stack.affine,
        notes=placed.notes,
        source=labels.source,
    )


def _no_discs(stack: EchoStack) -> DiscLabels:
    nothing = np.zeros(stack.shape, dtype=np.uint8)
    return DiscLabels(discs=nothing, regions=nothing, levels=(), affine=stack.affine)
