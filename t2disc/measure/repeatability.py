"""What measuring twice gives: the literature's coefficients, or the study's own where it measured twice."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from t2disc.model import COMPARED_REGIONS, Change, Repeatability

REPEATABILITY_FACTOR = 2.77
"""1.96 sqrt(2): the difference of two measurements that 95 % stay below, in within-subject SD.

Source: Bland and Altman 1996, BMJ 313:744.
"""
LEAST_PARTICIPANTS = 10
"""Fewer people measured twice do not replace the literature: the discs of one are no people more."""
_BELAVY = "Belavy 2021"
_WCV_PCT: Mapping[str, float] = {"disc": 3.2, "NP": 4.3}  # whole disc: the upper end of 2.2-3.2 %
_WCV_PCT_L5_S1: Mapping[str, float] = {"NP": 10.1}
_FAMILY = {region: whole for whole, regions in COMPARED_REGIONS.items() for region in regions}

Coefficient = Callable[[str, str], Repeatability]
"""What measuring twice gives for a level and a region."""


def literature_repeatability(level: str, region: str) -> Repeatability:
    """Return the published repeatability coefficient of a region and level; NaN where nobody has published one.

    ``rc = 2.77 wCV``: whole disc 3.2 % (8.9 %), nucleus 4.3 % (11.9 %), nucleus of L5/S1 10.1 % (28 %). Other
    definitions of the nucleus and of the disc take the figure of the first. The annulus has none.

    Twelve men were measured nine times in 368 days. The nucleus is that of the central slice, and its 4.3 % are the
    CV of the mean over all levels; single levels above L5/S1 lie between it and 10.1 %.

    Source: Belavy et al. 2021, PLoS One 16:e0249855, abstract (coefficients of variation).
    """
    whole = _FAMILY.get(region, "")
    wcv_pct = _WCV_PCT_L5_S1.get(whole) if level == "L5/S1" else None
    wcv_pct = wcv_pct or _WCV_PCT.get(whole)
    if wcv_pct is None:
        return Repeatability()
    return Repeatability(rc_pct=REPEATABILITY_FACTOR * wcv_pct, source=_BELAVY)


def given_repeatability(rc_pct: Mapping[str, float]) -> Coefficient:
    """Return the coefficients that a protocol names, by ``region`` or ``region level`` (``NP``, ``NP L5/S1``).

    The literature's fill what the protocol leaves out.
    """

    def coefficient(level: str, region: str) -> Repeatability:
        value = rc_pct.get(f"{region} {level}", rc_pct.get(region))
        if value is None:
            return literature_repeatability(level, region)
        return Repeatability(rc_pct=value, source="protocol")

    return coefficient


def measured_repeatability(retests: Mapping[str, Sequence[Change]], otherwise: Coefficient) -> Coefficient:
    """Return coefficients from the study's own test-retest: pairs of visits between which nothing changed.

    Of each region, over the discs of all participants, with d the difference of the logarithms of both medians::

        wCV = sqrt(mean(d**2) / 2)          rc = 100 (2.77 wCV)

    A level measured twice in at least ten participants has its own coefficient; the others share that of all levels, if
    ten participants are behind it. Participants count, not discs: those of one scan err together, so that two people
    with five discs each tell about two people.

    Parameters
    ----------
    retests
        Of each participant, the changes between the two visits, of one ``roi``.
    otherwise
        What counts where there are too few participants.

    Source: Bland and Altman 1996, BMJ 313:106 (logarithms where the error grows with the value).
    """
    differences: dict[tuple[str, str], list[tuple[str, float]]] = {}
    for participant, changes in retests.items():
        for change in changes:
            before_ms, after_ms = change.baseline_t2_median_ms, change.followup_t2_median_ms
            if before_ms > 0 and after_ms > 0:
                found = differences.setdefault((change.level, change.region), [])
                found.append((participant, math.log(after_ms / before_ms)))

    def coefficient(level: str, region: str) -> Repeatability:
        own = differences.get((level, region), [])
        pooled = [pair for (_, other), pairs in differences.items() if other == region for pair in pairs]
        for pairs in (own, pooled):
            n_participants = len({participant for participant, _ in pairs})
            if n_participants >= LEAST_PARTICIPANTS:
                return Repeatability(
                    rc_pct=100 * REPEATABILITY_FACTOR * _within_subject_sd([d for _, d in pairs]),
                    source="test-retest of this study",
                    n_participants=n_participants,
                    n_pairs=len(pairs),
                )
        return otherwise(level, region)

    return coefficient


def _within_subject_sd(differences: Sequence[float]) -> float:
    return math.sqrt(float(np.mean(np.square(differences))) / 2)
