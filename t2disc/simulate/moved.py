"""Pairs of visits to judge registration by: the same person lying differently, and how each disc truly moved."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from t2disc.errors import ArgumentInvalid
from t2disc.model.levels import LEVELS
from t2disc.simulate.aim import rounded
from t2disc.simulate.grid import rotation
from t2disc.simulate.recipe import (
    AcquisitionRecipe,
    BodyRecipe,
    DiscRecipe,
    ParticipantRecipe,
    PoseRecipe,
    StudyRecipe,
    VisitRecipe,
    all_discs,
    graded_disc,
    refuse_unknown,
)
from t2disc.simulate.skeleton import build_skeleton
from t2disc.simulate.study import SIZES

_SEED = 0x3D
_INDEX_LEVELS = ("L3/L4", "L4/L5", "L5/S1")


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedRecipe:
    """What differs between the two visits of a person; each amount is the most that is drawn, either way."""

    flexion_deg: float = 5.0  # of each level
    shift_mm: tuple[float, float, float] = (3.0, 8.0, 8.0)  # right (through plane), anterior, superior
    rotation_deg: tuple[float, float, float] = (5.0, 2.0, 2.0)  # about the right, anterior and superior axis
    slice_offset: float = 0.5  # of the distance between slices
    index_change: float = 1.2  # factor of the nucleus' T2 in the index disc
    followup_height: float = 1.0  # of the index disc, relative to baseline
    followup_vendor: str | None = None  # another scanner, with another matrix and echo train; the same when None


def moved_study(
    n_participants: int, *, seed: int, size: str = "full", snr: float = 40.0, moved: MovedRecipe | None = None
) -> StudyRecipe:
    """Return a study of two visits between which everybody moved, by amounts drawn from ``moved``.

    Parameters
    ----------
    n_participants
        Participants P001, P002, ...; discs of Pfirrmann grades 1 to 4, the index disc of grade 4.
    seed
        Draws bodies, discs, poses, noise and identifiers.
    size
        ``tiny``, ``small`` or ``full``; see SIZES.
    snr
        First echo, mean of the nuclei.
    moved
        What differs between the visits; its defaults when None.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: an unknown size, or a number out of range.
    """
    refuse_unknown("size", (size,), SIZES)
    if n_participants < 1:
        raise ArgumentInvalid(f"{n_participants} participants", expected="at least one")
    acquisition = replace(SIZES[size], snr=snr, phase_echoes=1)
    numbers = range(1, n_participants + 1)
    people = tuple(_participant(number, acquisition, moved or MovedRecipe(), seed) for number in numbers)
    return StudyRecipe(participants=people)


def disc_motion(
    participant: ParticipantRecipe, baseline: VisitRecipe, followup: VisitRecipe, level: str
) -> NDArray[np.float64]:
    """Return the rigid motion ``(4, 4)`` of one disc from baseline to follow-up, RAS+ mm of the scanner.

    It carries the frame of the disc: its middle, and the mean tilt of its two endplates.
    """
    before, after = (_disc_frame(participant.body, visit, level) for visit in (baseline, followup))
    motion: NDArray[np.float64] = after @ np.linalg.inv(before)
    return motion


def _disc_frame(body: BodyRecipe, visit: VisitRecipe, level: str) -> NDArray[np.float64]:
    """Return the disc's own coordinates as a matrix to RAS+ mm of the scanner."""
    skeleton = build_skeleton(body, all_discs(visit.discs), visit.pose)
    frame = next(disc.frame for disc in skeleton.discs if disc.level == level)
    turn = rotation(*visit.pose.rotation_deg)
    out = np.eye(4)
    out[:3, :3] = turn @ frame.axes.T
    out[:3, 3] = turn @ frame.origin_mm + np.array(visit.pose.shift_mm)
    return out


def _participant(number: int, acquisition: AcquisitionRecipe, moved: MovedRecipe, seed: int) -> ParticipantRecipe:
    rng = np.random.default_rng([seed, number, _SEED])
    index_level = _INDEX_LEVELS[(number - 1) % len(_INDEX_LEVELS)]
    body = BodyRecipe(
        seed=int(rng.integers(2**31)),
        size=float(rng.uniform(0.95, 1.05)),
        sacral_slope_deg=float(rng.uniform(35, 43)),
        lordosis=float(rng.uniform(0.9, 1.1)),
        fat_mm=float(rng.uniform(12, 28)),
    )
    before = _draw_discs(rng, index_level)
    after = tuple(_changed(disc, moved) if disc.level == index_level else disc for disc in before)
    first = VisitRecipe(
        name="baseline",
        study_date=f"202403{number % 28 + 1:02d}",
        discs=before,
        acquisition=acquisition,
        pose=_draw_pose(rng, MovedRecipe(flexion_deg=0.0, shift_mm=(1.0, 3.0, 3.0), rotation_deg=(1.0, 0.5, 0.5))),
        seed=int(rng.integers(2**31)),
    )
    second = VisitRecipe(
        name="month12",
        study_date=f"202503{number % 28 + 1:02d}",
        discs=after,
        vendor=moved.followup_vendor or first.vendor,
        acquisition=_offset(_other_scanner(acquisition) if moved.followup_vendor else acquisition, moved, rng),
        pose=_draw_pose(rng, moved),
        seed=int(rng.integers(2**31)),
    )
    return ParticipantRecipe(
        participant_id=f"P{number:03d}", index_level=index_level, body=body, visits=(first, second)
    )


def _draw_discs(rng: np.random.Generator, index_level: str) -> tuple[DiscRecipe, ...]:
    discs = []
    for level in LEVELS:
        disc = graded_disc(level, 4 if level == index_level else int(rng.choice([1, 2, 2, 3])))
        discs.append(replace(disc, t2_np_ms=round(disc.t2_np_ms * rng.uniform(0.93, 1.07), 1)))
    return tuple(discs)


def _changed(disc: DiscRecipe, moved: MovedRecipe) -> DiscRecipe:
    return replace(
        disc,
        t2_np_ms=round(disc.t2_np_ms * moved.index_change, 3),
        height_mm=disc.height_mm * moved.followup_height,
    )


def _draw_pose(rng: np.random.Generator, moved: MovedRecipe) -> PoseRecipe:
    shift, turn, bend = rng.uniform(-1, 1, 3), rng.uniform(-1, 1, 3), rng.uniform(-1, 1, len(LEVELS))
    return PoseRecipe(
        shift_mm=rounded(shift * moved.shift_mm),
        rotation_deg=rounded(turn * moved.rotation_deg),
        flexion_deg=tuple(
            (level, round(float(b) * moved.flexion_deg, 2)) for level, b in zip(LEVELS, bend, strict=True)
        ),
    )


def _offset(acquisition: AcquisitionRecipe, moved: MovedRecipe, rng: np.random.Generator) -> AcquisitionRecipe:
    """Return the acquisition with its slices moved sideways by a part of their distance, to a side that is drawn."""
    step_mm = acquisition.thickness_mm + acquisition.gap_mm
    aside_mm = moved.slice_offset * step_mm * float(rng.choice([-1.0, 1.0]))
    right, anterior, superior = acquisition.centre_mm
    return replace(acquisition, centre_mm=(right + aside_mm, anterior, superior))


def _other_scanner(acquisition: AcquisitionRecipe) -> AcquisitionRecipe:
    """Return a sequence as another site would run it: larger pixels, another echo train, TR and field."""
    return replace(
        acquisition,
        rows=int(acquisition.rows * 5 / 6) // 2 * 2,
        columns=int(acquisition.columns * 5 / 6) // 2 * 2,
        voxel_mm=acquisition.voxel_mm * 1.2,
        echo_times_ms=tuple(round(11.5 * n, 2) for n in range(1, len(acquisition.echo_times_ms) - 1)),
        repetition_time_ms=1600.0,
        field_strength_t=1.5,
        oblique_deg=(-1.0, 2.0),
    )
