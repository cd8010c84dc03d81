"""Participants whose discs cannot all be named or measured, made from those whose can."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from t2disc.simulate.aim import bounds_mm, rounded
from t2disc.simulate.grid import rotation
from t2disc.simulate.recipe import BodyRecipe, DiscRecipe, ParticipantRecipe, VisitRecipe, all_discs
from t2disc.simulate.skeleton import build_skeleton

_FUSED_MM = 4.0


def with_six_lumbar(participant: ParticipantRecipe) -> ParticipantRecipe:
    """Return the participant with an extra vertebra L6, S1 at the same place in the field as before.

    L1/L2 to L4/L5 keep their names and labels; L5/L6 and L6/S1 are discs without a name and without a label.
    """
    body = replace(participant.body, n_lumbar=6)
    return replace(
        participant,
        body=body,
        visits=tuple(_followed(visit, participant.body, body) for visit in participant.visits),
    )


def _followed(visit: VisitRecipe, before: BodyRecipe, after: BodyRecipe) -> VisitRecipe:
    """Return the visit with its stack moved as the sacrum has moved."""
    bottom = [bounds_mm(body, visit.discs, visit.pose)[0] for body in (before, after)]
    centre = np.array(visit.acquisition.centre_mm) + (bottom[1] - bottom[0])
    return replace(visit, acquisition=replace(visit.acquisition, centre_mm=rounded(centre)))


def with_sacrum_cut_off(participant: ParticipantRecipe) -> ParticipantRecipe:
    """Return the participant with stacks that end within L5, so that neither L5/S1 nor the sacrum is seen."""
    visits = []
    for visit in participant.visits:
        skeleton = build_skeleton(participant.body, all_discs(visit.discs), visit.pose)
        last = rotation(*visit.pose.rotation_deg) @ skeleton.vertebra("L5").frame.origin_mm
        right, anterior, _ = visit.acquisition.centre_mm
        up_mm = last[2] + visit.pose.shift_mm[2] + visit.acquisition.rows * visit.acquisition.voxel_mm / 2
        centre_mm = (right, anterior, round(float(up_mm), 2))
        visits.append(replace(visit, acquisition=replace(visit.acquisition, centre_mm=centre_mm)))
    return replace(participant, visits=tuple(visits))


def with_fused_level(participant: ParticipantRecipe, level: str) -> ParticipantRecipe:
    """Return the participant with one disc space bridged by marrow, so that no disc is there to be measured."""
    visits = tuple(
        replace(
            visit,
            discs=tuple(
                replace(disc, is_fused=True, height_mm=_FUSED_MM, bulge_mm=0.0, schmorl=())
                if disc.level == level
                else disc
                for disc in all_discs(visit.discs)
            ),
        )
        for visit in participant.visits
    )
    return replace(participant, visits=visits)


def _fused(disc: DiscRecipe) -> DiscRecipe:
    return replace(disc, is_fused=True, height_mm=_FUSED_MM, bulge_mm=0.0, schmorl=())
