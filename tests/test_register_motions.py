"""Rigid motions: found from points, halved, seen from a centre, and what discs share of them through the slices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from t2disc.register.motions import about, distance_mm, fit_motion, middle_of, moved
from t2disc.register.sharing import share_through_plane

ways_mm = st.tuples(*[st.floats(-100, 100)] * 3)
turns_deg = st.tuples(*[st.floats(-89, 89)] * 3)
seeds = st.integers(0, 10_000)


def motion_of(turn_deg=(0.0, 0.0, 0.0), shift_mm=(0.0, 0.0, 0.0)) -> np.ndarray:
    """Return a motion from a rotation vector in degrees and a shift."""
    out = np.eye(4)
    out[:3, :3] = Rotation.from_rotvec(turn_deg, degrees=True).as_matrix()
    out[:3, 3] = shift_mm
    return out


def angle_deg(motion: np.ndarray) -> float:
    return float(np.rad2deg(Rotation.from_matrix(motion[:3, :3]).magnitude()))


def assert_rigid(motion: np.ndarray) -> None:
    np.testing.assert_allclose(motion[:3, :3] @ motion[:3, :3].T, np.eye(3), atol=1e-9)
    assert np.linalg.det(motion[:3, :3]) == pytest.approx(1)
    np.testing.assert_array_equal(motion[3], [0, 0, 0, 1])


motions = st.builds(motion_of, turns_deg, ways_mm)


# ------------------------------------------------------------------------------------------------ from points
@given(motion=motions, seed=seeds, n=st.integers(3, 30))
def test_any_rigid_motion_is_found_from_points_and_where_they_went(motion, seed, n):
    points = 20 * np.random.default_rng(seed).standard_normal((n, 3))
    found = fit_motion(points, moved(motion, points))
    assert_rigid(found)
    assert distance_mm(found, motion, points) < 1e-6


@given(motion=motions, seed=seeds)
def test_mirrored_points_are_answered_by_a_turn_and_never_by_a_mirror(motion, seed):
    points = 20 * np.random.default_rng(seed).standard_normal((12, 3))
    assert_rigid(fit_motion(points, moved(motion, points * (-1, 1, 1))))


@given(seed=seeds)
def test_points_in_one_plane_do_not_turn_a_fit_into_a_mirror(seed):
    points = 20 * np.random.default_rng(seed).standard_normal((6, 3)) * (1, 1, 0)
    motion = motion_of((20, -30, 10), (1, 2, 3))
    found = fit_motion(points, moved(motion, points))
    assert_rigid(found)
    np.testing.assert_allclose(found, motion, atol=1e-6)


@given(motion=motions, seed=seeds)
def test_no_other_motion_nearby_fits_noisy_points_better(motion, seed):
    rng = np.random.default_rng(seed)
    points, weights = 20 * rng.standard_normal((10, 3)), rng.uniform(0.1, 1, 10)
    aims = moved(motion, points) + rng.standard_normal((10, 3))

    def cost(candidate):
        return weights @ ((moved(candidate, points) - aims) ** 2).sum(axis=1)

    found = fit_motion(points, aims, weights)
    for _ in range(10):
        nudge = motion_of(rng.normal(0, 0.3, 3), rng.normal(0, 0.1, 3))
        assert cost(found) <= cost(nudge @ found) + 1e-9


@given(motion=motions, seed=seeds, factor=st.floats(0.01, 100))
def test_points_without_weight_do_not_count_and_a_common_factor_changes_nothing(motion, seed, factor):
    rng = np.random.default_rng(seed)
    points = 20 * rng.standard_normal((8, 3))
    aims = moved(motion, points) + rng.standard_normal((8, 3))
    weights = np.array([1.0] * 6 + [0.0] * 2)
    six = fit_motion(points[:6], aims[:6])
    np.testing.assert_allclose(fit_motion(points, aims, factor * weights), six, atol=1e-6)


# ------------------------------------------------------------------------------------------------ halves and centres
small_turns_deg = st.tuples(*[st.floats(-50, 50)] * 3)


@given(one=motions, turn=small_turns_deg, shift=ways_mm, centre=ways_mm)
def test_the_middle_of_two_motions_is_halfway_at_the_centre_and_halfway_in_turn(one, turn, shift, centre):
    centre_mm = np.array(centre)
    other = one @ about(motion_of(turn, shift), -centre_mm)
    middle = middle_of(one, other, centre_mm)
    assert_rigid(middle)
    ends = [moved(motion, centre_mm[None]) for motion in (one, other)]
    np.testing.assert_allclose(moved(middle, centre_mm[None]), np.mean(ends, axis=0), atol=1e-6)
    whole_deg = angle_deg(np.linalg.inv(one) @ other)
    assert angle_deg(np.linalg.inv(one) @ middle) == pytest.approx(whole_deg / 2, abs=1e-5)
    assert angle_deg(np.linalg.inv(other) @ middle) == pytest.approx(whole_deg / 2, abs=1e-5)


@given(one=motions, turn=small_turns_deg, shift=ways_mm, centre=ways_mm)
def test_neither_of_two_motions_is_favoured(one, turn, shift, centre):
    centre_mm = np.array(centre)
    other = one @ motion_of(turn, shift)
    np.testing.assert_allclose(middle_of(one, other, centre_mm), middle_of(other, one, centre_mm), atol=1e-6)


@given(motion=motions, centre=ways_mm)
def test_the_middle_of_a_motion_and_itself_is_that_motion(motion, centre):
    np.testing.assert_allclose(middle_of(motion, motion, np.array(centre)), motion, atol=1e-9)


@given(motion=motions, centre=ways_mm)
def test_seen_from_a_centre_a_motion_has_the_way_of_that_centre_and_the_same_turn(motion, centre):
    centre_mm = np.array(centre)
    seen = about(motion, centre_mm)
    np.testing.assert_allclose(seen[:3, 3], moved(motion, centre_mm[None])[0] - centre_mm, atol=1e-9)
    np.testing.assert_array_equal(seen[:3, :3], motion[:3, :3])
    np.testing.assert_allclose(about(seen, -centre_mm), motion, atol=1e-9)


# ------------------------------------------------------------------------------------------------ sharing
SLICES = Rotation.from_euler("xyz", (2, -4, 3), degrees=True).as_matrix()  # normal, front to back, up
CENTRES_MM = np.array([[1.0, 5, 70], [0, 10, 35], [-1, 12, 0], [0, 8, -35], [1, -2, -68]])


def parts_of(motion: np.ndarray, whole: np.ndarray, centre_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the turn in degrees and the way of the centre in mm, after the whole motion, along the slices' frame."""
    rest = np.linalg.inv(whole) @ motion
    turn = Rotation.from_matrix(rest[:3, :3]).as_rotvec(degrees=True)
    return turn @ SLICES, (moved(rest, centre_mm[None])[0] - centre_mm) @ SLICES


def disc_motions(rng: np.random.Generator, whole: np.ndarray, *, through=True) -> list[np.ndarray]:
    """Return motions of five discs: each its own turn and ways in the plane, and through it a few tenths of a mm."""
    out = []
    for centre_mm in CENTRES_MM:
        turn, way = rng.normal(0, [3.0, 0.5 * through, 0.5 * through]), rng.normal(0, [0.2 * through, 1.5, 1.5])
        out.append(whole @ about(motion_of(SLICES @ turn, SLICES @ way), -centre_mm))
    return out


def farthest_mm(one, other) -> float:
    """Return how far two lists of motions carry the surroundings of any disc's middle apart, at most."""
    around = 15 * np.concatenate([np.zeros((1, 3)), np.eye(3), -np.eye(3)])
    return max(distance_mm(a, b, around + c) for a, b, c in zip(one, other, CENTRES_MM, strict=True))


WHOLE = motion_of((3, -2, 4), (2, -6, 5))


@given(seed=seeds)
@settings(max_examples=50)
def test_sharing_leaves_every_discs_turn_and_ways_within_the_slice_plane(seed):
    own = disc_motions(np.random.default_rng(seed), WHOLE)
    joined, _ = share_through_plane(own, WHOLE, CENTRES_MM, SLICES)
    for before, after, centre_mm in zip(own, joined, CENTRES_MM, strict=True):
        assert_rigid(after)
        (turn, way), (new_turn, new_way) = (parts_of(motion, WHOLE, centre_mm) for motion in (before, after))
        assert new_turn[0] == pytest.approx(turn[0], abs=1e-6)
        np.testing.assert_allclose(new_way[1:], way[1:], atol=1e-6)


@given(seed=seeds)
@settings(max_examples=50)
def test_after_sharing_all_discs_have_one_motion_through_the_slices(seed):
    joined, _ = share_through_plane(disc_motions(np.random.default_rng(seed), WHOLE), WHOLE, CENTRES_MM, SLICES)
    turns, ways = np.array([parts_of(m, WHOLE, c) for m, c in zip(joined, CENTRES_MM, strict=True)]).transpose(1, 0, 2)
    np.testing.assert_allclose(turns[:, 1:], np.broadcast_to(turns[0, 1:], (5, 2)), atol=1e-6)
    shared = np.deg2rad(np.array([0, *turns[0, 1:]]))  # what one turn does to the ways of all middles
    expected = np.cross(np.broadcast_to(shared, (5, 3)), CENTRES_MM @ SLICES)[:, 0]
    np.testing.assert_allclose(ways[:, 0] - ways[0, 0], expected - expected[0], atol=1e-6)


@given(seed=seeds)
@settings(max_examples=50)
def test_discs_that_only_moved_within_the_slices_are_left_as_they_are(seed):
    own = disc_motions(np.random.default_rng(seed), WHOLE, through=False)
    joined, away_mm = share_through_plane(own, WHOLE, CENTRES_MM, SLICES)
    assert farthest_mm(own, joined) < 1e-6
    np.testing.assert_allclose(away_mm, 0, atol=1e-6)


@given(turn=st.tuples(*[st.floats(-2, 2)] * 3), way=st.tuples(*[st.floats(-3, 3)] * 3))
@settings(max_examples=50)
def test_a_motion_that_all_discs_have_in_common_is_kept(turn, way):
    own = [motion_of(turn, way) @ WHOLE] * 5
    joined, away_mm = share_through_plane(own, WHOLE, CENTRES_MM, SLICES)
    assert farthest_mm(own, joined) < 0.06  # two degrees are not quite small
    assert away_mm.max() < 0.06


@given(seed=seeds, which=st.integers(0, 4), away=st.floats(2, 30), sign=st.sampled_from([-1, 1]))
@settings(max_examples=50)
def test_one_wild_disc_of_five_is_told_and_moves_the_others_by_less_than_a_tenth_of_a_millimetre(
    seed, which, away, sign
):
    own = disc_motions(np.random.default_rng(seed), WHOLE, through=False)
    wild = list(own)
    astray = motion_of(SLICES @ (0, 5 * sign, 0), SLICES @ (sign * away, 0, 0))
    wild[which] = own[which] @ about(astray, -CENTRES_MM[which])
    joined, away_mm = share_through_plane(wild, WHOLE, CENTRES_MM, SLICES)
    assert farthest_mm(own, joined) < 0.1  # the wild disc too is where the others say
    assert away_mm[which] > 1
    assert np.delete(away_mm, which).max() < 0.2


@given(seed=seeds)
@settings(max_examples=30)
def test_the_order_of_discs_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    own, order = disc_motions(rng, WHOLE), rng.permutation(5)
    joined, away_mm = share_through_plane(own, WHOLE, CENTRES_MM, SLICES)
    shuffled, away_too_mm = share_through_plane([own[i] for i in order], WHOLE, CENTRES_MM[order], SLICES)
    np.testing.assert_allclose(shuffled, [joined[i] for i in order], atol=1e-6)
    np.testing.assert_allclose(away_too_mm, away_mm[order], atol=1e-6)


@given(seed=seeds, flips=st.tuples(*[st.sampled_from([-1, 1])] * 3))
@settings(max_examples=30)
def test_which_way_the_axes_of_the_slices_point_does_not_matter(seed, flips):
    own = disc_motions(np.random.default_rng(seed), WHOLE)
    joined, away_mm = share_through_plane(own, WHOLE, CENTRES_MM, SLICES)
    flipped, away_too_mm = share_through_plane(own, WHOLE, CENTRES_MM, SLICES * flips)
    np.testing.assert_allclose(flipped, joined, atol=1e-6)
    np.testing.assert_allclose(away_too_mm, away_mm, atol=1e-6)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_fewer_than_three_discs_have_nothing_to_share(n):
    own = disc_motions(np.random.default_rng(1), WHOLE)[:n]
    joined, away_mm = share_through_plane(own, WHOLE, CENTRES_MM[:n], SLICES)
    np.testing.assert_array_equal(joined, own)
    np.testing.assert_array_equal(away_mm, np.zeros(n))
