"""Pairs of visits between which a person moved: the truth that registration is judged by."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from t2disc.errors import ArgumentInvalid
from t2disc.model import LEVELS
from t2disc.simulate import SIZES, AcquisitionRecipe, ParticipantRecipe, PoseRecipe, Scan, StudyRecipe, simulate_scan
from t2disc.simulate.grid import rotation, sagittal_grid
from t2disc.simulate.moved import MovedRecipe, disc_motion, moved_study

MOST = MovedRecipe()
LUMBAR = LEVELS[1:]
WHOLE = AcquisitionRecipe(
    rows=110, columns=64, voxel_mm=2.2, n_slices=19, thickness_mm=4.5, gap_mm=0.0, echo_times_ms=(10.0, 40.0)
)
"""Whole discs from side to side, so that the middle and the axes of their masks can be compared."""


def study(seed: int = 5, n: int = 3, moved: MovedRecipe = MOST) -> StudyRecipe:
    return moved_study(n, seed=seed, size="tiny", moved=moved)


def motions(person: ParticipantRecipe) -> dict[str, NDArray[np.float64]]:
    return {level: disc_motion(person, *person.visits, level) for level in LEVELS}


def turn_deg(motion: NDArray[np.float64]) -> float:
    return float(np.rad2deg(np.linalg.norm(Rotation.from_matrix(motion[:3, :3]).as_rotvec())))


def test_a_disc_moves_rigidly_and_differently_from_its_neighbours() -> None:
    for person in study().participants:
        found = motions(person)
        for motion in found.values():
            np.testing.assert_allclose(motion[:3, :3] @ motion[:3, :3].T, np.eye(3), atol=1e-12)
            assert np.linalg.det(motion[:3, :3]) == pytest.approx(1)
            np.testing.assert_array_equal(motion[3], [0, 0, 0, 1])
        apart_deg = [turn_deg(np.linalg.inv(found[one]) @ found[next_]) for one, next_ in pairwise(LEVELS)]
        assert max(apart_deg) > 0.5


def test_the_way_there_and_the_way_back_cancel() -> None:
    person = study().participants[0]
    baseline, followup = person.visits
    for level in LEVELS:
        back = disc_motion(person, followup, baseline, level)
        np.testing.assert_allclose(back @ disc_motion(person, baseline, followup, level), np.eye(4), atol=1e-9)


def test_whoever_lies_still_does_not_move() -> None:
    person = study().participants[0]
    baseline = person.visits[0]
    for level in LEVELS:
        np.testing.assert_allclose(disc_motion(person, baseline, baseline, level), np.eye(4), atol=1e-12)


def test_without_flexion_all_discs_move_as_the_person_does() -> None:
    person = study(moved=MovedRecipe(flexion_deg=0.0)).participants[0]
    before, after = (placed(visit.pose) for visit in person.visits)
    for motion in motions(person).values():
        np.testing.assert_allclose(motion, after @ np.linalg.inv(before), atol=1e-9)


def placed(pose: PoseRecipe) -> NDArray[np.float64]:
    """Return the matrix from the body to the scanner."""
    out = np.eye(4)
    out[:3, :3], out[:3, 3] = rotation(*pose.rotation_deg), pose.shift_mm
    return out


# ------------------------------------------------------------------------------------------------ as seen in the masks
@pytest.fixture(scope="module")
def scans() -> tuple[ParticipantRecipe, tuple[Scan, Scan]]:
    person = study(seed=11, n=1, moved=MovedRecipe(slice_offset=0.0)).participants[0]
    before, after = (simulate_scan(person, replace(visit, acquisition=WHOLE)) for visit in person.visits)
    return person, (before, after)


def points_mm(scan: Scan, level: str) -> NDArray[np.float64]:
    voxels = np.argwhere(scan.grid.to_nifti_order(scan.truth.discs) == LEVELS.index(level) + 1)
    return np.asarray(voxels @ scan.grid.affine[:3, :3].T + scan.grid.affine[:3, 3])


def normal(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the direction in which a cloud of points is thinnest."""
    return np.asarray(np.linalg.eigh(np.cov(points.T))[1][:, 0])


def angle_deg(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(np.rad2deg(np.arccos(min(abs(one @ other), 1.0))))


@pytest.mark.parametrize("level", LUMBAR)
def test_the_motion_carries_the_disc_seen_at_baseline_onto_that_at_follow_up(
    scans: tuple[ParticipantRecipe, tuple[Scan, Scan]], level: str
) -> None:
    person, (before, after) = scans
    motion = disc_motion(person, *person.visits, level)
    one, other = points_mm(before, level), points_mm(after, level)
    carried = one @ motion[:3, :3].T + motion[:3, 3]
    off_mm = np.abs(carried.mean(axis=0) - other.mean(axis=0))
    assert np.linalg.norm(one.mean(axis=0) - other.mean(axis=0)) > 5
    assert np.all(off_mm < [0.25 * WHOLE.thickness_mm, 0.4 * WHOLE.voxel_mm, 0.1 * WHOLE.voxel_mm])
    assert angle_deg(normal(carried), normal(other)) < 0.7
    assert angle_deg(normal(one), normal(other)) > 1.4


# ------------------------------------------------------------------------------------------------ what is drawn
def test_nobody_moves_by_more_than_the_recipe_allows() -> None:
    moved = MovedRecipe(flexion_deg=1.5, shift_mm=(1.0, 2.0, 4.0), rotation_deg=(3.0, 0.5, 1.0), slice_offset=0.0)
    poses = [person.visits[1].pose for person in study(n=30, moved=moved).participants]
    for amounts, most in (
        ([pose.shift_mm for pose in poses], moved.shift_mm),
        ([pose.rotation_deg for pose in poses], moved.rotation_deg),
        ([[bend for _, bend in pose.flexion_deg] for pose in poses], [moved.flexion_deg] * len(LEVELS)),
    ):
        largest = np.abs(amounts).max(axis=0)
        assert np.all(largest <= np.array(most) + 0.005)  # recipes are rounded
        assert np.all(largest >= 0.8 * np.array(most))  # and use the room they are given


def test_the_index_disc_changes_and_no_other() -> None:
    moved = MovedRecipe(index_change=1.3, followup_height=0.9)
    for person in study(n=6, moved=moved).participants:
        before, after = ({disc.level: disc for disc in visit.discs} for visit in person.visits)
        assert tuple(before) == LEVELS
        for level in LEVELS:
            is_index = level == person.index_level
            assert after[level].t2_np_ms / before[level].t2_np_ms == pytest.approx(1.3 if is_index else 1.0, rel=1e-4)
            assert after[level].height_mm / before[level].height_mm == pytest.approx(0.9 if is_index else 1.0)
            assert after[level].t2_af_ms == before[level].t2_af_ms


def test_every_lower_level_has_its_turn_as_the_index() -> None:
    assert {person.index_level for person in study().participants} == {"L3/L4", "L4/L5", "L5/S1"}


def test_a_seed_repeats_a_study_and_another_one_does_not() -> None:
    assert study(seed=7) == study(seed=7)
    assert study(seed=7) != study(seed=8)
    one, two = study(seed=7, n=2).participants
    assert one == study(seed=7, n=1).participants[0]  # nobody depends on how many come after
    assert (one.body, one.visits[1].pose) != (two.body, two.visits[1].pose)
    seeds = {visit.seed for person in (one, two) for visit in person.visits}
    assert len(seeds) == 4  # no two visits share their noise


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5])
def test_the_slices_are_moved_sideways_by_a_share_of_their_distance(share: float) -> None:
    sides = set()
    for person in study(n=8, moved=MovedRecipe(slice_offset=share)).participants:
        before, after = (sagittal_grid(visit.acquisition) for visit in person.visits)
        off_mm = after.affine[:3, 3] - before.affine[:3, 3]
        np.testing.assert_allclose(after.affine[:3, :3], before.affine[:3, :3])
        np.testing.assert_allclose(off_mm[1:], 0, atol=1e-9)
        assert abs(off_mm[0]) == pytest.approx(share * np.linalg.norm(before.slice_step_mm))
        sides.add(np.sign(off_mm[0]))
    assert sides == ({0.0} if share == 0 else {-1.0, 1.0})


def test_another_scanner_has_another_matrix_and_echo_train() -> None:
    for person in study(moved=MovedRecipe(followup_vendor="ge")).participants:
        before, after = person.visits
        assert (before.vendor, after.vendor) == ("siemens", "ge")
        one, other = before.acquisition, after.acquisition
        assert other.rows * other.voxel_mm == pytest.approx(one.rows * one.voxel_mm, rel=0.05)  # the same field of view
        for name in ("rows", "columns", "voxel_mm", "echo_times_ms", "repetition_time_ms", "field_strength_t"):
            assert getattr(one, name) != getattr(other, name), name
    same = study().participants[0].visits
    assert same[0].vendor == same[1].vendor
    assert same[0].acquisition.echo_times_ms == same[1].acquisition.echo_times_ms


def test_size_and_snr_are_those_asked_for() -> None:
    for size in SIZES:
        visit = moved_study(1, seed=1, size=size, snr=25.0).participants[0].visits[0]
        assert (visit.acquisition.rows, visit.acquisition.snr) == (SIZES[size].rows, 25.0)


@pytest.mark.parametrize(("n", "size"), [(0, "tiny"), (1, "huge")])
def test_an_impossible_study_is_refused(n: int, size: str) -> None:
    with pytest.raises(ArgumentInvalid) as refused:
        moved_study(n, seed=1, size=size)
    assert refused.value.code == "argument-invalid"
