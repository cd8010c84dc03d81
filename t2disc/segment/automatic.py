"""Discs found and named with no one drawing: the network's structures, named along the spine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from t2disc.model import EchoStack, ReviewCode, ReviewReason
from t2disc.segment.contrasts import BodyAxes, late_and_early
from t2disc.segment.levels import NamedDiscs, name_discs
from t2disc.segment.network import map_structures

LEAST_CONFIDENCE = 0.5


def find_automatically(
    stack: EchoStack, *, least_confidence: float = LEAST_CONFIDENCE, n_threads: int = 1
) -> NamedDiscs:
    """Return the named discs of a stack with a confidence for each and the reasons to look at them.

    Parameters
    ----------
    stack
        Sagittal multi-echo images; other orientations are not labelled and say so.
    least_confidence
        A level below it is marked for review.
    n_threads
        Slices computed at the same time; the result is the same for any number.
    """
    axes = BodyAxes.of(stack.affine)
    if not axes.is_sagittal:
        detail = "slices that are not sagittal: discs are found in sagittal slices only"
        return nothing_named(stack, ReviewReason(code=ReviewCode.NO_DISC_FOUND, detail=detail))
    late, early = (axes.to_body(image) for image in late_and_early(stack))
    seen = map_structures(late, early, axes.spacing_mm, n_threads=n_threads)
    structures, likely = axes.to_grid(seen.structures), axes.to_grid(seen.disc_probability)
    named = name_discs(structures, stack.affine, disc_probability=likely)
    return replace(named, reasons=(*named.reasons, *_low_confidences(named, least_confidence)))


def _low_confidences(named: NamedDiscs, least: float) -> Iterator[ReviewReason]:
    for level, confidence in zip(named.levels, named.confidences, strict=True):
        if confidence < least:
            detail = f"confidence {confidence:.2f}, less than the {least:.2f} asked for"
            yield ReviewReason(code=ReviewCode.LOW_CONFIDENCE, detail=detail, level=level)


def nothing_named(stack: EchoStack, reason: ReviewReason) -> NamedDiscs:
    """Return no disc, and why."""
    nothing = np.zeros(stack.shape, np.uint8)
    return NamedDiscs(discs=nothing, levels=(), confidences=(), reasons=(reason,))
