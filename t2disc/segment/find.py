"""Who is L4/L5, and where is its nucleus: from a reader's labels where there are any, otherwise by the network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from t2disc.model import DiscLabels, EchoStack, LabelMap, LabelSource
from t2disc.segment.automatic import LEAST_CONFIDENCE, find_automatically
from t2disc.segment.erosion import eroded
from t2disc.segment.labelmaps import place_labels
from t2disc.segment.network import WEIGHTS_SHA256
from t2disc.segment.regions import ANNULUS_FRACTION, divide_discs


def find_discs(
    stack: EchoStack,
    labels: LabelMap | None = None,
    *,
    automatic: bool = True,
    annulus_fraction: float = ANNULUS_FRACTION,
    erosion_mm: float = 0.0,
    least_confidence: float = LEAST_CONFIDENCE,
    n_threads: int = 1,
) -> DiscLabels:
    """Say which voxels of a stack belong to which lumbar disc, and to its nucleus or annulus.

    Parameters
    ----------
    stack
        The images whose grid the discs shall have.
    labels
        A label map and the names of its values, on any grid; it takes precedence over the network.
    automatic
        Whether the network finds and names the discs where no labels are given; otherwise none is labelled.
    annulus_fraction
        Share of the disc's front-back length that is annulus at either end, above 0 and below 0.5.
    erosion_mm
        Discs lose their rim of this width within each slice, mm: partial volume with endplates biases T2.
    least_confidence
        An automatic level below it is marked for review.
    n_threads
        Slices that the network computes at the same time; the result is the same for any number.

    Returns
    -------
    DiscLabels
        ``(X, Y, Z)`` discs numbered from superior to inferior, with their regions, a confidence per level and the
        reasons to look at them before their numbers are used.

    Raises
    ------
    LabelError
        The label map cannot be used, see :func:`~t2disc.segment.labelmaps.place_labels`.
    WeightsDamaged
        ``weights-damaged``: the network's file is not the one that belongs to this version.
    """
    if labels is not None:
        placed = place_labels(stack, labels)
        found = DiscLabels(
            discs=placed.discs,
            regions=np.zeros_like(placed.discs),
            levels=placed.levels,
            affine=stack.affine,
            notes=placed.notes,
            source=labels.source,
        )
    elif automatic:
        named = find_automatically(stack, least_confidence=least_confidence, n_threads=n_threads)
        found = DiscLabels(
            discs=named.discs,
            regions=np.zeros_like(named.discs),
            levels=named.levels,
            affine=stack.affine,
            confidences=named.confidences,
            reasons=named.reasons,
            source=LabelSource(kind="automatic", sha256=WEIGHTS_SHA256),
        )
    else:
        return _no_discs(stack)
    return _with_regions(found, eroded(found.discs, stack.affine, erosion_mm), annulus_fraction)


def _no_discs(stack: EchoStack) -> DiscLabels:
    nothing = np.zeros(stack.shape, dtype=np.uint8)
    return DiscLabels(discs=nothing, regions=nothing, levels=(), affine=stack.affine)


def _with_regions(found: DiscLabels, discs: NDArray[np.uint8], annulus_fraction: float) -> DiscLabels:
    from dataclasses import replace

    regions = divide_discs(discs, found.affine, annulus_fraction=annulus_fraction)
    return replace(found, discs=discs, regions=regions)
