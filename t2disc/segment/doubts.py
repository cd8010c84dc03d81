"""How sure the named discs are, and every reason why a reader should look at them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from t2disc.model import LEVELS
from t2disc.model.review import ReviewCode, ReviewReason
from t2disc.segment.anchor import Anchor
from t2disc.segment.candidates import Candidate
from t2disc.segment.naming import Naming

Floats = NDArray[np.float64]

LUMBAR = LEVELS[1:]

_UNANCHORED = 0.45  # most confidence in a name where the sacrum is not seen
_FEWEST_DISCS = 3  # ... or of so few discs that it may be no lumbar spine
_WITHOUT_LOWEST = 0.45  # ... where L5/S1 is not
_ACROSS_A_GAP = 0.6  # ... above two discs that lie further apart than usual
_SACRUM_UNDER = (0.2, 10.0)  # least share of sacrum just below L5/S1, or most distance to it in mm
_SURE_NAME = 0.9
_SURE_OUTLINE = 0.6
_FEWEST_SLICES = 3
_SHARE_OF_SLICES = 0.5  # of what the other discs are seen in
_SIX_LUMBAR = 4.0  # cost that a sixth vertebra must save
_RUDIMENTARY = 0.75  # length of L5/S1, relative to usual
_WELL_FORMED = (0.9, 5.0)  # S1/S2: length relative to a usual remnant's 24 mm, height in mm
_WIDE = 1.25  # distance between neighbours, relative to usual in this person
_CUT_OFF = 0.7  # sureness of the outline of a disc at the image's edge


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NamedSpine:
    """A chain of discs, the lowest first, with its naming and the sureness ``(N,)`` of each outline."""

    chain: tuple[Candidate, ...]
    anchor: Anchor
    naming: Naming
    outline_sureness: Floats

    @property
    def is_anchored(self) -> bool:
        """Whether the sacrum lies where this naming says: under L5/S1, or further below where that disc is missing."""
        if not self.anchor.is_sacrum_seen or self.naming.levels[-1] < 0:
            return False
        place = int(np.flatnonzero(self.naming.levels >= 0)[0])
        if self.naming.levels[place] > 0:
            return bool(np.isfinite(self.anchor.sacrum_mm[place]))
        is_under = self.chain[place].below[4] >= _SACRUM_UNDER[0]
        return bool(is_under or self.anchor.sacrum_mm[place] <= _SACRUM_UNDER[1])

    @property
    def named_levels(self) -> tuple[str, ...]:
        """Levels found that have a name in LEVELS, from superior to inferior."""
        found = set(self.naming.levels.tolist())
        return tuple(level for level in LEVELS if number_of(level) in found)

    def place(self, level: str) -> int:
        """Return the place of a level in the chain."""
        return int(np.flatnonzero(self.naming.levels == number_of(level))[0])

    def disc(self, level: str) -> Candidate:
        """Return the disc of a level."""
        return self.chain[self.place(level)]


def number_of(level: str) -> int:
    """Return a level as namings count it: 0 for L5/S1, 5 for T12/L1."""
    return len(LEVELS) - 1 - LEVELS.index(level)


# ------------------------------------------------------------------------------------------------ confidence
def confidence_of(spine: NamedSpine, level: str) -> float:
    """Return how sure name and outline of a disc are, 0 to 1: the product of both."""
    return float(np.clip(_name_sureness(spine, level) * spine.outline_sureness[spine.place(level)], 0.0, 1.0))


def _name_sureness(spine: NamedSpine, level: str) -> float:
    """Return how sure a name is: never much without a sacrum to count from, the disc above it, or across a gap."""
    sureness = float(spine.naming.sureness[spine.place(level)])
    if not spine.is_anchored or len(spine.chain) < _FEWEST_DISCS:
        sureness = min(sureness, _UNANCHORED)
    if spine.naming.levels[0] > 0:
        sureness = min(sureness, _WITHOUT_LOWEST)
    if (spine.naming.relative_distance[: spine.place(level)] > _WIDE).any():
        sureness = min(sureness, _ACROSS_A_GAP)
    return sureness


def outline_sureness(chain: list[Candidate], naming: Naming, disc_probability: NDArray[np.floating] | None) -> Floats:
    """Return how sure the outline of each disc is ``(N,)``, 0 to 1.

    The product of the mean probability of its voxels, the share of slices it is seen in beside what the others are, how
    usual its length is, and whether the image shows all of it.
    """
    n_slices = np.array([len(disc.track.slices) for disc in chain])
    usual = max(float(np.median(n_slices)), float(_FEWEST_SLICES))
    sure = np.array([_mean_probability(disc, disc_probability) for disc in chain])
    sure *= np.clip(n_slices / (0.8 * usual), 0.0, 1.0)
    sure *= np.interp(np.abs(np.log(naming.relative_length)), (0.15, 0.6), (1.0, 0.4))
    sure *= [_CUT_OFF if disc.track.is_on_edge else 1.0 for disc in chain]
    return np.asarray(sure)


def _mean_probability(disc: Candidate, disc_probability: NDArray[np.floating] | None) -> float:
    if disc_probability is None:
        return 1.0
    mean = float(np.mean(disc_probability[disc.track.index], dtype=np.float64))
    return float(np.clip(mean, 0.0, 1.0)) if np.isfinite(mean) else 0.0


# ------------------------------------------------------------------------------------------------ reasons
def doubts_about(spine: NamedSpine) -> tuple[ReviewReason, ...]:
    """Return every reason why a reader should look, those about the whole spine first."""
    return (
        *_about_the_sacrum(spine),
        *_about_the_count(spine),
        *_about_missing_discs(spine),
        *_about_names(spine),
        *(reason for level in spine.named_levels for reason in _about_an_outline(spine, level)),
    )


def _about_the_sacrum(spine: NamedSpine) -> Iterator[ReviewReason]:
    if spine.is_anchored:
        return
    detail = "named by shape alone, no sacrum was seen below the discs"
    if spine.anchor.room_mm < 12.0:
        detail = "named by shape alone, the image ends just below the lowest disc"
    yield ReviewReason(code=ReviewCode.SACRUM_NOT_SEEN, detail=detail)


def _about_the_count(spine: NamedSpine) -> Iterator[ReviewReason]:
    if spine.naming.six_lumbar >= _SIX_LUMBAR:
        detail = "the shape of the spine fits six lumbar vertebrae better than five"
        yield ReviewReason(code=ReviewCode.SIX_LUMBAR_BODIES, detail=detail)
    lengths = dict(zip(spine.naming.levels.tolist(), spine.naming.relative_length.tolist(), strict=True))
    if lengths.get(0, 1.0) < _RUDIMENTARY:
        detail = "the lowest disc is short, L5 may be part of the sacrum"
        yield ReviewReason(code=ReviewCode.TRANSITIONAL_VERTEBRA, detail=detail, level="L5/S1")
    if -1 in lengths:
        remnant = spine.chain[spine.naming.levels.tolist().index(-1)].outline
        if lengths[-1] >= _WELL_FORMED[0] and remnant.height_mm >= _WELL_FORMED[1]:
            detail = "a well formed disc within the sacrum, S1 may be a lumbar vertebra"
            yield ReviewReason(code=ReviewCode.TRANSITIONAL_VERTEBRA, detail=detail)


def _about_missing_discs(spine: NamedSpine) -> Iterator[ReviewReason]:
    numbers = spine.naming.levels.tolist()
    between = [
        level for level in LUMBAR if number_of(level) not in numbers and numbers[0] < number_of(level) < numbers[-1]
    ]
    wide = spine.naming.relative_distance > _WIDE
    if between or wide.any():
        detail = "a disc is missing between two others" if between else "two discs lie further apart than usual"
        yield ReviewReason(code=ReviewCode.GAP_IN_ORDER, detail=detail)
    for level in LUMBAR:
        if number_of(level) in numbers:
            continue
        if level in between:
            detail = "no disc was found between its neighbours"
        elif number_of(level) < numbers[0]:
            detail = "no disc was found below the lowest"
        else:
            detail = "no disc was found above the highest"
        yield ReviewReason(code=ReviewCode.DISC_MISSING, detail=detail, level=level)


def _about_names(spine: NamedSpine) -> Iterator[ReviewReason]:
    unsure = [level for level in spine.named_levels if _name_sureness(spine, level) < _SURE_NAME]
    if not spine.named_levels:
        detail = "no disc could be given the name of a lumbar level"
        yield ReviewReason(code=ReviewCode.NO_DISC_FOUND, detail=detail)
    detail = "other names fit nearly as well" if spine.is_anchored else "names hang on the shape of the spine"
    if len(unsure) == len(spine.named_levels) > 0:
        yield ReviewReason(code=ReviewCode.NAMING_UNCERTAIN, detail=detail)
    else:
        yield from (ReviewReason(code=ReviewCode.NAMING_UNCERTAIN, detail=detail, level=level) for level in unsure)


def _about_an_outline(spine: NamedSpine, level: str) -> Iterator[ReviewReason]:
    disc = spine.disc(level)
    n_slices, usual = len(disc.track.slices), float(np.median([len(one.track.slices) for one in spine.chain]))
    if n_slices < max(_FEWEST_SLICES, _SHARE_OF_SLICES * usual):
        detail = f"seen in {n_slices} slices, the discs of this spine in {usual:.0f}"
        yield ReviewReason(code=ReviewCode.TOO_FEW_SLICES, detail=detail, level=level)
    if disc.track.is_on_edge:
        yield ReviewReason(code=ReviewCode.DISC_CUT_OFF, detail="the image's edge cuts the disc", level=level)
    if (sure := float(spine.outline_sureness[spine.place(level)])) < _SURE_OUTLINE:
        detail = f"confidence in the outline is {sure:.2f}"
        yield ReviewReason(code=ReviewCode.OUTLINE_UNCERTAIN, detail=detail, level=level)
