"""Studies to judge by: people as different as patients are, yet each with five nameable discs, all in the field."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from t2disc.errors import ArgumentInvalid
from t2disc.model.levels import LEVELS
from t2disc.simulate.aim import VARIED_SIZES, aimed, draw_sequence, rounded
from t2disc.simulate.dicom import VENDORS
from t2disc.simulate.draws import uniform
from t2disc.simulate.recipe import (
    AcquisitionRecipe,
    DiscRecipe,
    ParticipantRecipe,
    PoseRecipe,
    StudyRecipe,
    VisitRecipe,
    refuse_unknown,
)
from t2disc.simulate.study import INDEX_CHANGE
from t2disc.simulate.variation import draw_body, draw_discs

_VISITS = (("baseline", "2024"), ("month12", "2025"))
_SEED = 0x7A
_SCOLIOSIS_DEG = 25.0
_INDEX_LEVELS = ("L3/L4", "L4/L5", "L5/S1")


def varied_study(
    n_participants: int,
    vendors: tuple[str, ...] = VENDORS,
    *,
    seed: int,
    size: str = "small",
    n_visits: int = 2,
    snr: float | None = None,
    model: str = "mono",
    transfer_syntax: str = "explicit_le",
) -> StudyRecipe:
    """Return a study of people who differ as patients do; each has five lumbar discs and all of them in the field.

    Discs are healthy to severely narrowed, bulging, with Schmorl nodes, clefts and changed marrow beside them; bodies
    differ in size, curvature (a Cobb angle up to 25 degrees), fat, tissue properties; stacks in matrix, field, slices,
    gap, obliquity, echo train (8 to 16) and TR. The index disc's nucleus gains as in ``default_study``.

    Parameters
    ----------
    n_participants
        Participants P001, P002, ...
    vendors
        Manners of writing, one per participant in turn; see VENDORS.
    seed
        Draws everything.
    size
        ``tiny``, ``small`` or ``full``; see VARIED_SIZES.
    n_visits
        1 for the baseline alone, 2 for a follow-up in another pose.
    snr
        First echo, mean of the nuclei; drawn from 35 to 90 when left out.
    model
        ``mono`` or ``epg``.
    transfer_syntax
        How pixels are stored; see TRANSFER_SYNTAXES.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: an unknown size, vendor or model, or a number out of range.
    """
    refuse_unknown("size", (size,), VARIED_SIZES)
    refuse_unknown("vendor", vendors, VENDORS)
    if n_participants < 1 or not vendors or n_visits not in (1, 2):
        raise ArgumentInvalid(
            f"{n_participants} participants, {len(vendors)} vendors, {n_visits} visits of each",
            expected="a participant, a vendor, and 1 or 2 visits",
        )
    people = []
    for number in range(1, n_participants + 1):
        rng = np.random.default_rng([seed, number, _SEED])
        sequence = replace(draw_sequence(rng, size, snr), model=model)
        vendor = vendors[(number - 1) % len(vendors)]
        people.append(_draw_participant(rng, number, vendor, sequence, transfer_syntax, n_visits))
    return StudyRecipe(participants=tuple(people))


def _draw_participant(
    rng: np.random.Generator,
    number: int,
    vendor: str,
    sequence: AcquisitionRecipe,
    transfer_syntax: str,
    n_visits: int,
) -> ParticipantRecipe:
    """Draw one participant and the visits: the same bones, the same sequence, another pose and field of view."""
    body = draw_body(rng, is_plain=True, scoliosis_deg=_SCOLIOSIS_DEG)
    baseline = draw_discs(rng, is_plain=True)
    index_level = str(rng.choice(_INDEX_LEVELS))
    visits = []
    for name, year in _VISITS[:n_visits]:
        is_first = name == "baseline"
        pose = _draw_pose(rng, is_first=is_first)
        discs = baseline if is_first else _treated(baseline, index_level)
        visit = VisitRecipe(
            name=name,
            study_date=f"{year}03{number % 28 + 1:02d}",
            discs=discs,
            vendor=vendor,
            pose=pose,
            acquisition=aimed(rng, sequence, body, discs, pose),
            transfer_syntax=transfer_syntax,
            seed=int(rng.integers(2**31)),
        )
        visits.append(visit)
    return ParticipantRecipe(participant_id=f"P{number:03d}", index_level=index_level, body=body, visits=tuple(visits))


def _treated(discs: tuple[DiscRecipe, ...], index_level: str) -> tuple[DiscRecipe, ...]:
    return tuple(
        replace(disc, t2_np_ms=round(disc.t2_np_ms * INDEX_CHANGE, 1)) if disc.level == index_level else disc
        for disc in discs
    )


def _draw_pose(rng: np.random.Generator, *, is_first: bool) -> PoseRecipe:
    """Draw how the person lies: turned in plane by up to 10 degrees, out of plane by less."""
    shift, turn = rng.uniform(-1, 1, 3) * (6, 25, 25), rng.uniform(-1, 1, 3) * (10, 2.5, 3)
    bend = () if is_first else tuple((level, round(uniform(rng, -1.5, 2.5), 2)) for level in LEVELS)
    return PoseRecipe(shift_mm=rounded(shift), rotation_deg=rounded(turn), flexion_deg=bend)
