"""Who is L4/L5, and where is its nucleus: from a reader's labels where there are any, otherwise by the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from t2disc.errors import ArgumentInvalid
from t2disc.model import DiscLabels, EchoStack, LabelMap, LabelSource
from t2disc.segment.automatic import LEAST_CONFIDENCE, find_automatically
from t2disc.segment.erosion import eroded
from t2disc.segment.labelmaps import place_labels
from t2disc.segment.network import WEIGHTS_SHA256
from t2disc.segment.regions import region_schemes

if TYPE_CHECKING:
    from t2disc.model.protocol import RegionSettings, SegmentSettings


def find_discs(
    stack: EchoStack,
    labels: LabelMap | None = None,
    *,
    segment: SegmentSettings | None = None,
    regions: RegionSettings | None = None,
    n_threads: int = 1,
) -> DiscLabels:
    """Say which voxels of a stack belong to which lumbar disc, and to its nucleus or annulus.

    Parameters
    ----------
    stack
        The images whose grid the discs shall have.
    labels
        A label map and the names of its values, on any grid; it takes precedence over the network, which finds and
        names the discs where none is given.
    segment
        ``[segment]`` of the protocol, default its defaults: whether the network may be asked, erosion, confidence.
    regions
        How to divide the discs: ``[regions]`` of the protocol, default its defaults.
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
    ArgumentInvalid
        ``argument-invalid``: no stack, or labels that were not loaded.
    WeightsDamaged
        ``weights-damaged``: the network's file is not the one that belongs to this version.
    """
    _require_kinds(stack, labels)
    whole = _whole_discs(stack, labels, segment, n_threads)
    discs = eroded(whole.discs, stack.affine, segment.erosion_mm if segment else 0.0)
    primary, *others = region_schemes(discs, stack.affine, regions)
    return DiscLabels(
        discs=discs,
        regions=primary.values,
        schemes=tuple(others),
        levels=whole.levels,
        affine=stack.affine,
        notes=whole.notes,
        confidences=whole.confidences,
        reasons=whole.reasons,
        source=whole.source,
    )


def _require_kinds(stack: object, labels: object) -> None:
    if not isinstance(stack, EchoStack):
        found, expected = f"{type(stack).__name__} in place of a stack", "an EchoStack, as load_stack returns it"
        raise ArgumentInvalid(found, expected=expected, todo="load the visit with load_stack")
    if labels is not None and not isinstance(labels, LabelMap):
        found, expected = f"labels of type {type(labels).__name__}", "a LabelMap, as load_labels returns it"
        raise ArgumentInvalid(found, expected=expected, todo="load the file: find_discs(stack, load_labels(path))")


def _whole_discs(
    stack: EchoStack, labels: LabelMap | None, segment: SegmentSettings | None, n_threads: int
) -> DiscLabels:
    """Return the discs before they are eroded and divided."""
    nothing = np.zeros(stack.shape, np.uint8)
    if labels is not None:
        placed = place_labels(stack, labels)
        return DiscLabels(
            discs=placed.discs,
            regions=nothing,
            levels=placed.levels,
            affine=stack.affine,
            notes=placed.notes,
            source=labels.source,
        )
    if segment is not None and not segment.automatic:
        return DiscLabels(discs=nothing, regions=nothing, levels=(), affine=stack.affine)
    least = segment.least_confidence if segment else LEAST_CONFIDENCE
    named = find_automatically(stack, least_confidence=least, n_threads=n_threads)
    return DiscLabels(
        discs=named.discs,
        regions=nothing,
        levels=named.levels,
        affine=stack.affine,
        confidences=named.confidences,
        reasons=named.reasons,
        source=LabelSource(kind="automatic", sha256=WEIGHTS_SHA256),
    )
