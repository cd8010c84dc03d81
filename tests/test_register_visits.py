"""Discs matched between two visits: against the motion that was simulated, under its symmetries, and when things fail.

The scans are small and coarse (1.4 mm), so that the file is quick; scripts hold the evidence at full size.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK
from pairs import SEEN, Measured, measured, person, rearranged, with_levels
from scipy.spatial.transform import Rotation

from t2disc.errors import LevelsSlipped, NoCommonLevel, OrientationDiffers, VisitsUnalike
from t2disc.model import LEVELS, Flag, MatchCode, VisitMatch
from t2disc.register import match_visits
from t2disc.register.doubts import is_perhaps_another, share_in_field
from t2disc.register.motions import moved, stretch
from t2disc.simulate.moved import disc_motion

PERSON = person(1)
TWO = SEEN[-2:]


@pytest.fixture(scope="module")
def baseline() -> Measured:
    return measured(PERSON, PERSON.visits[0])


@pytest.fixture(scope="module")
def followup() -> Measured:
    return measured(PERSON, PERSON.visits[1])


@pytest.fixture(scope="module")
def found(baseline, followup) -> VisitMatch:
    return match_visits(baseline, followup)


@pytest.fixture(scope="module")
def found_two(baseline, followup) -> VisitMatch:
    return match_visits(with_levels(baseline, TWO), with_levels(followup, TWO))


def points_mm(visit: Measured, level: str) -> np.ndarray:
    """Return the voxel centres of a disc ``(V, 3)``, RAS+ mm."""
    affine = visit.discs.affine
    return np.argwhere(visit.discs.mask(level)) @ affine[:3, :3].T + affine[:3, 3]


def farthest_mm(visit: Measured, one: VisitMatch, other: VisitMatch) -> float:
    """Return how far two matches carry any voxel of any disc apart."""
    assert one.levels == other.levels
    return max(
        float(np.linalg.norm(moved(a.motion, points) - moved(b.motion, points), axis=1).max())
        for a, b in zip(one.discs, other.discs, strict=True)
        for points in [points_mm(visit, a.level)]
    )


def shifted_by(visit: Measured, motion: np.ndarray) -> Measured:
    """Return the same person carried through the scanner's space together with the slices."""
    affine = motion @ visit.discs.affine
    return Measured(t2map=replace(visit.t2map, affine=affine), discs=replace(visit.discs, affine=affine))


def without_t2(visit: Measured, where: np.ndarray, flag: Flag) -> Measured:
    """Return a visit whose voxels in ``where`` have no T2."""
    values = {
        name: np.where(where, np.float32(np.nan), getattr(visit.t2map, name)) for name in ("t2_ms", "s0", "t2_se_ms")
    }
    flags = np.where(where, np.uint8(flag), visit.t2map.flag).astype(np.uint8)
    return replace(visit, t2map=replace(visit.t2map, flag=flags, **values))


# ------------------------------------------------------------------------------------------------ truth
def test_each_disc_is_found_to_a_quarter_of_a_pixel_in_the_plane_and_of_a_slice_across(baseline, followup, found):
    assert found.levels == SEEN
    size_mm = np.linalg.norm(followup.discs.affine[:3, :3], axis=0)
    axes = followup.discs.affine[:3, :3] / size_mm
    for disc in found.discs:
        points = points_mm(baseline, disc.level)
        truth = disc_motion(PERSON, *PERSON.visits, disc.level)
        off_mm = np.abs((moved(disc.motion, points) - moved(truth, points)) @ axes).mean(axis=0)
        assert (off_mm < size_mm / 4).all(), disc.level
        assert np.linalg.norm(moved(truth, points) - points, axis=1).mean() > 3  # they did move
    assert found.missing == ()


def test_nothing_speaks_against_a_good_match(found):
    assert [disc.codes for disc in found.discs] == [()] * 3
    assert list(found.warnings) == []
    assert min(disc.correlation for disc in found.discs) > 0.85
    assert max(disc.inverse_mm for disc in found.discs) < 0.3
    assert not any(disc.is_fallback for disc in found.discs)


def test_a_person_who_did_not_move_is_found_not_to_have(baseline):
    one = with_levels(baseline, TWO)
    still = match_visits(one, one)
    for disc in still.discs:
        points = points_mm(baseline, disc.level)
        assert np.linalg.norm(moved(disc.motion, points) - points, axis=1).max() < 0.02
        assert disc.correlation > 0.999


# ------------------------------------------------------------------------------------------------ what must not steer
def test_a_change_of_every_nucleus_by_60_per_cent_does_not_move_the_match(baseline, found):
    visit = PERSON.visits[1]
    discs = tuple(replace(disc, t2_np_ms=1.6 * disc.t2_np_ms) for disc in visit.discs)
    healed = measured(PERSON, replace(visit, discs=discs))
    assert farthest_mm(baseline, match_visits(baseline, healed), found) < 0.05


@pytest.mark.parametrize(("factor", "most_mm"), [(8, 1e-9), (7, 1e-3)])  # a power of two rounds nothing
def test_the_signal_scale_of_a_scanner_changes_nothing(baseline, followup, found_two, factor, most_mm):
    louder = replace(followup, t2map=replace(followup.t2map, s0=factor * followup.t2map.s0))
    again = match_visits(with_levels(baseline, TWO), with_levels(louder, TWO))
    assert farthest_mm(baseline, again, found_two) < most_mm


def test_exchanging_the_visits_inverts_every_motion(baseline, followup, found):
    back = match_visits(followup, baseline)
    inverted = replace(back, discs=tuple(replace(d, motion=np.linalg.inv(d.motion)) for d in back.discs))
    assert farthest_mm(baseline, inverted, found) < 0.02


def test_any_number_of_threads_and_any_run_give_the_same_bytes(baseline, followup, found):
    again = match_visits(baseline, followup, n_threads=2)
    assert again.motion.tobytes() == found.motion.tobytes()
    for one, other in zip(again.discs, found.discs, strict=True):
        assert one.motion.tobytes() == other.motion.tobytes()
        assert (one.correlation, one.inverse_mm, one.through_plane_mm) == (
            other.correlation,
            other.inverse_mm,
            other.through_plane_mm,
        )


@pytest.mark.parametrize("n_cores", [1, 3])
def test_the_number_of_cores_that_itk_sees_changes_no_byte(baseline, followup, found, n_cores):
    before = SimpleITK.ProcessObject.GetGlobalDefaultNumberOfThreads()
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(n_cores)
    try:
        again = match_visits(baseline, followup)
    finally:
        SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(before)
    assert again.motion.tobytes() == found.motion.tobytes()
    assert [disc.motion.tobytes() for disc in again.discs] == [disc.motion.tobytes() for disc in found.discs]


@pytest.mark.parametrize(
    ("axes", "flips"), [((0, 1, 2), (2,)), ((2, 0, 1), (0, 1))], ids=["backwards", "another-order"]
)
def test_the_order_in_which_voxels_are_stored_does_not_matter(baseline, followup, found, axes, flips):
    again = match_visits(baseline, rearranged(followup, axes, flips))
    assert farthest_mm(baseline, again, found) < 0.02


def test_a_baseline_stored_the_other_way_round_gives_the_same_motions(baseline, followup, found):
    again = match_visits(rearranged(baseline, (1, 2, 0), (1,)), followup)
    assert farthest_mm(baseline, again, found) < 0.02


def test_carrying_the_person_and_the_slices_through_the_scanner_carries_the_motions(baseline, followup, found_two):
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_euler("xyz", (20, 10, -5), degrees=True).as_matrix()
    motion[:3, 3] = 40, -100, 60
    again = match_visits(with_levels(baseline, TWO), with_levels(shifted_by(followup, motion), TWO))
    carried = replace(found_two, discs=tuple(replace(d, motion=motion @ d.motion) for d in found_two.discs))
    assert farthest_mm(baseline, again, carried) < 0.02


# ------------------------------------------------------------------------------------------------ refused
def test_a_numbering_that_slipped_by_one_is_refused(baseline, followup):
    names = LEVELS[-4:-1]  # each disc has the name of the one above
    slipped = replace(
        followup.discs,
        discs=np.where(followup.discs.discs > 0, followup.discs.discs - 1, 0).astype(np.uint8),
        levels=names,
    )
    for one, other in ((baseline, replace(followup, discs=slipped)), (replace(followup, discs=slipped), baseline)):
        with pytest.raises(LevelsSlipped):
            match_visits(one, other)


@pytest.mark.parametrize("seed", [3, 6])  # of nine others, three are so alike in three discs that nothing tells them
def test_a_person_of_another_build_is_refused_or_every_disc_says_so(baseline, seed):
    other = person(seed)
    try:
        match = match_visits(baseline, measured(other, other.visits[1]))
    except (VisitsUnalike, LevelsSlipped):
        return
    assert all(MatchCode.PERHAPS_ANOTHER in disc.codes for disc in match.discs)


@pytest.mark.parametrize(
    ("correlation", "longer", "is_other"),
    [(0.9, 1.0, False), (0.9, np.nan, False), (0.79, 1.0, True), (0.9, 1.02, True), (0.9, 0.98, True)],
)
def test_bones_that_look_other_or_are_longer_may_be_another_persons(correlation, longer, is_other):
    assert is_perhaps_another(correlation, longer) is is_other


def test_a_spine_that_bends_keeps_its_length_and_a_larger_one_has_another():
    straight = 35.0 * np.array([[0, 0, 0], [0, 0, 1], [0, 0, 2], [0, 0, 3]])
    bends = np.deg2rad([0, 5, 12])
    steps = 35.0 * np.stack([0 * bends, np.sin(bends), np.cos(bends)], axis=1)
    bent = np.concatenate([np.zeros((1, 3)), np.cumsum(steps, axis=0)])
    assert stretch(straight, bent) == pytest.approx(1)
    assert stretch(straight, 1.03 * bent) == pytest.approx(1.03)
    assert np.isnan(stretch(straight[:3], 1.03 * bent[:3]))


@pytest.mark.parametrize("which", range(4))
def test_one_disc_that_lost_height_does_not_make_another_person(which):
    middles = 35.0 * np.array([[0, 0, 0], [0, 0, 1], [0, 0, 2], [0, 0, 3]])
    sunken = middles.copy()
    sunken[which:] -= (0, 0, 1.5)
    sunken[which + 1 :] -= (0, 0, 1.5)
    assert not is_perhaps_another(0.9, stretch(middles, sunken))


def test_slices_across_the_spine_are_refused(baseline, followup):
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("y", 90, degrees=True).as_matrix()
    with pytest.raises(OrientationDiffers, match="90 degrees"):
        match_visits(baseline, shifted_by(followup, turn))


def test_visits_without_a_level_in_common_are_refused(baseline, followup):
    with pytest.raises(NoCommonLevel, match="L5/S1"):
        match_visits(with_levels(baseline, SEEN[:1]), with_levels(followup, SEEN[-1:]))


def test_a_visit_without_any_t2_is_refused(baseline, followup):
    everywhere = np.ones(followup.discs.shape, np.bool_)
    with pytest.raises(VisitsUnalike):
        match_visits(with_levels(baseline, TWO), with_levels(without_t2(followup, everywhere, Flag.NOT_CONVERGED), TWO))


# ------------------------------------------------------------------------------------------------ in part
def test_a_level_missing_at_follow_up_is_named_and_the_others_are_matched(baseline, followup, found_two):
    match = match_visits(baseline, with_levels(followup, TWO))
    assert (match.levels, match.missing) == (TWO, SEEN[:1])
    assert match.disc(SEEN[0]) is None
    assert farthest_mm(baseline, match, found_two) < 0.5


def test_a_single_disc_is_matched(baseline, followup, found):
    match = match_visits(with_levels(baseline, SEEN[1:2]), with_levels(followup, SEEN[1:2]))
    (disc,) = match.discs
    points, expected = points_mm(baseline, disc.level), found.disc(disc.level)
    assert np.linalg.norm(moved(disc.motion, points) - moved(expected.motion, points), axis=1).mean() < 0.7
    assert disc.through_plane_mm == 0


def test_a_disc_without_signal_at_follow_up_follows_its_neighbours_and_leaves_them_alone(baseline, followup, found):
    lost = SEEN[0]
    rows = np.flatnonzero(followup.discs.mask(lost).any(axis=(0, 2)))
    blank = np.zeros(followup.discs.shape, np.bool_)
    blank[:, rows[0] - 9 :] = True  # from half a vertebra below the disc upwards
    match = match_visits(baseline, without_t2(followup, blank, Flag.NO_SIGNAL))
    disc = match.disc(lost)
    assert disc.is_fallback
    assert MatchCode.DIVERGED in disc.codes
    np.testing.assert_allclose(disc.motion, match.discs[1].motion, atol=1e-6)
    for level in SEEN[1:]:
        points = points_mm(baseline, level)
        off_mm = moved(match.disc(level).motion, points) - moved(found.disc(level).motion, points)
        assert np.linalg.norm(off_mm, axis=1).mean() < 0.5
        assert MatchCode.DIVERGED not in match.disc(level).codes


def test_a_follow_up_that_cuts_the_lowest_disc_says_so_and_matches_the_others(baseline, followup, found):
    lowest = SEEN[-1]
    rows = np.flatnonzero(followup.discs.mask(lowest).any(axis=(0, 2)))
    first = int(rows.mean())
    affine = followup.discs.affine.copy()
    affine[:3, 3] += first * affine[:3, 1]
    t2map, discs = followup.t2map, followup.discs
    cut = Measured(
        t2map=replace(
            t2map,
            affine=affine,
            **{name: getattr(t2map, name)[:, first:] for name in ("t2_ms", "s0", "t2_se_ms", "flag")},
        ),
        discs=replace(discs, affine=affine, discs=discs.discs[:, first:], regions=discs.regions[:, first:]),
    )
    match = match_visits(baseline, cut)
    assert MatchCode.OUT_OF_FIELD in match.disc(lowest).codes
    for level in SEEN[:-1]:
        assert MatchCode.OUT_OF_FIELD not in match.disc(level).codes
        points = points_mm(baseline, level)
        off_mm = moved(match.disc(level).motion, points) - moved(found.disc(level).motion, points)
        assert np.linalg.norm(off_mm, axis=1).mean() < 0.5


def test_the_share_in_the_field_counts_voxels_out_to_their_faces():
    affine = np.diag([2.0, 1.0, 4.0, 1.0])
    places = np.array([[-0.9, 0, 0], [-1.1, 0, 0], [18.9, 0, 0], [19.1, 0, 0]])
    np.testing.assert_array_equal(share_in_field(places[[0, 2]], affine, (10, 5, 3)), 1.0)
    np.testing.assert_array_equal(share_in_field(places, affine, (10, 5, 3)), 0.5)
