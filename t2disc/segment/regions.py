"""Regions by where a voxel lies in its disc, never by its T2: the measurement must not choose its region.

Every scheme is a rule on the disc's own coordinates (:mod:`t2disc.segment.coordinates`), applied to one and the same
mask: ``u`` from its front (0) to its back edge (1) along its bent mid-surface, and the distance of the slice from the
disc's middle.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from t2disc.errors import ArgumentInvalid
from t2disc.model import N_STRIPS, SCHEME_PARTS, SCHEMES, Region, RegionMap, Scheme
from t2disc.segment.coordinates import DiscCoordinates, disc_coordinates

if TYPE_CHECKING:
    from t2disc.model.protocol import RegionSettings

ANNULUS_FRACTION = 0.2
"""Share of the front-back length that is annulus at either end (the outer 20 % in common use)."""

Rule = Callable[[DiscCoordinates], NDArray[np.uint8]]


def region_schemes(
    discs: NDArray[np.uint8], affine: NDArray[np.float64], settings: RegionSettings | None = None
) -> tuple[RegionMap, ...]:
    """Divide every disc in every way that the protocol asks for; the discs' outlines are the same in all.

    ======================  ===========================================================================
    ``np-af``               AF at the front where ``u < f``, at the back where ``u > 1 - f``; NP between
    ``strips``              five strips of equal length along the mid-surface, 1 at the front
    ``mid-sagittal``        NP and AF in slices whose middle lies within W / 2 of the disc's middle
    ``posterior``           ``u > 1 - p``
    ======================  ===========================================================================

    Source: slices across 20 mm are five of 4 mm, the number that stands for the whole of a disc that is not degenerated
    (Menezes-Reis et al. 2015).

    Parameters
    ----------
    discs
        ``(X, Y, Z)``; 0 is background, 1, 2, ... are discs.
    affine
        ``(4, 4)`` voxel index to RAS+ mm.
    settings
        ``[regions]`` of the protocol: which schemes, ``f``, ``W`` in mm, and ``p``. Default: its defaults.

    Returns
    -------
    tuple of RegionMap
        In the order of SCHEMES; the first is always ``np-af``.
    """
    if settings is None:
        from t2disc.model.protocol import RegionSettings

        settings = RegionSettings()
    rules: dict[Scheme, Rule] = {
        "np-af": lambda at: _np_af(at, settings.annulus_fraction),
        "strips": _strips,
        "mid-sagittal": lambda at: _mid_sagittal(at, settings.annulus_fraction, settings.mid_sagittal_mm),
        "posterior": lambda at: (at.u > 1 - settings.posterior_fraction).astype(np.uint8),
    }
    asked = [scheme for scheme in SCHEMES if scheme == "np-af" or scheme in settings.schemes]
    divided = _divided(discs, affine, [rules[scheme] for scheme in asked])
    return tuple(RegionMap(scheme=scheme, values=values) for scheme, values in zip(asked, divided, strict=True))


def divide_discs(
    discs: NDArray[np.uint8], affine: NDArray[np.float64], *, annulus_fraction: float = ANNULUS_FRACTION
) -> NDArray[np.uint8]:
    """Divide every disc into nucleus (NP) and front and back annulus (AF) by its own front-back coordinate.

    ``AF_ANTERIOR`` where ``u < f``, ``AF_POSTERIOR`` where ``u > 1 - f``, ``NP`` between. The annulus at the left and
    right ends of a disc is not told apart: it counts as nucleus in the lateral slices, as in the studies that use
    this division of sagittal images.

    Parameters
    ----------
    discs
        ``(X, Y, Z)``; 0 is background, 1, 2, ... are discs.
    affine
        ``(4, 4)`` voxel index to RAS+ mm.
    annulus_fraction
        ``f``, above 0 and below 0.5.

    Returns
    -------
    ndarray
        ``(X, Y, Z)`` uint8 of :class:`~t2disc.model.Region`.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: a fraction that leaves no nucleus or no annulus.
    """
    if not 0 < annulus_fraction < 0.5:
        raise ArgumentInvalid(f"annulus_fraction {annulus_fraction}", expected="a share above 0 and below 0.5")
    (regions,) = _divided(discs, affine, [lambda at: _np_af(at, annulus_fraction)])
    return regions


def _divided(
    discs: NDArray[np.uint8], affine: NDArray[np.float64], rules: Sequence[Rule]
) -> tuple[NDArray[np.uint8], ...]:
    """Return one map ``(X, Y, Z)`` per rule; each disc's coordinates are worked out once."""
    maps = tuple(np.zeros(discs.shape, dtype=np.uint8) for _ in rules)
    for number in range(1, int(discs.max(initial=0)) + 1):
        disc = discs == number
        at = disc_coordinates(disc, affine)
        for values, rule in zip(maps, rules, strict=True):
            values[disc] = rule(at)
    return maps


def _np_af(at: DiscCoordinates, annulus_fraction: float) -> NDArray[np.uint8]:
    ends = [at.u < annulus_fraction, at.u > 1 - annulus_fraction]
    return np.select(ends, [Region.AF_ANTERIOR, Region.AF_POSTERIOR], Region.NP).astype(np.uint8)


def _strips(at: DiscCoordinates) -> NDArray[np.uint8]:
    return (np.minimum(np.floor(at.u * N_STRIPS), N_STRIPS - 1) + 1).astype(np.uint8)


def _mid_sagittal(at: DiscCoordinates, annulus_fraction: float, width_mm: float) -> NDArray[np.uint8]:
    """Return NP and AF within the width; the slice nearest to the middle belongs to it however thick slices are."""
    from_middle_mm = np.abs(at.lateral_mm)
    reach_mm = max(width_mm / 2, float(from_middle_mm.min(initial=np.inf))) if from_middle_mm.size else 0.0
    (nucleus,), (annulus,) = (SCHEME_PARTS["mid-sagittal"][region] for region in ("NP_mid", "AF_mid"))
    parts = np.where(_np_af(at, annulus_fraction) == Region.NP, nucleus, annulus)
    return np.where(from_middle_mm <= reach_mm, parts, 0).astype(np.uint8)
