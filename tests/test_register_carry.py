"""Regions carried between visits: exact where they can be, nothing invented, neither visit favoured."""

from __future__ import annotations

import typing
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_dilation
from scipy.spatial.transform import Rotation

from t2disc.errors import ArgumentInvalid
from t2disc.model import ROIS, DiscLabels, DiscMatch, RegionMap, T2Map, VisitMatch
from t2disc.register import carry_regions

SHAPE, SIZE_MM = (48, 56, 7), np.array([1.0, 1.0, 4.0])
LEVELS_MM = {"L3/L4": (18.0, 1.0, 0.0), "L4/L5": (-16.0, -2.0, 1.0)}  # up, front, right of the middle
HALF_MM = (6.0, 17.0, 22.0)  # height, depth and width of a disc, halved: wider than the stack


def oblique(size_mm: np.ndarray = SIZE_MM, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """Return the affine of sagittal slices, a few degrees off: X backwards, Y up, Z to the left; its middle is at 0."""
    turn = Rotation.from_euler("xyz", (3, -5, 4), degrees=True).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.array([[0, 0, -1.0], [-1.0, 0, 0], [0, 1.0, 0]]) * size_mm
    affine[:3, 3] = -affine[:3, :3] @ (np.array(shape) - 1) / 2
    return affine


def drawn(motion: np.ndarray | None = None, *, affine=None, shape=SHAPE, half_mm=HALF_MM, schemes=True) -> DiscLabels:
    """Return two discs, moved from their usual place by ``motion``, drawn as ellipsoids on a grid."""
    affine = oblique() if affine is None else affine
    back = np.linalg.inv(np.eye(4) if motion is None else motion) @ affine
    points = np.moveaxis(np.indices(shape), 0, -1) @ back[:3, :3].T + back[:3, 3]
    discs, regions, strips = (np.zeros(shape, np.uint8) for _ in range(3))
    for level, (up, front, right) in LEVELS_MM.items():
        place = (points - (right, front, up)) / (half_mm[2], half_mm[1], half_mm[0])
        inside = (place**2).sum(axis=-1) <= 1
        discs[inside] = DiscLabels.value_of(level)
        regions[inside] = np.where(place[..., 1] > 0, 2, 3)[inside]
        regions[inside & ((place**2).sum(axis=-1) < 0.4)] = 1
        strips[inside] = (1 + np.clip(np.floor((place[..., 1] + 1) / 2 * 5), 0, 4))[inside]
    return DiscLabels(
        discs=discs,
        regions=regions,
        levels=tuple(LEVELS_MM),
        affine=affine,
        schemes=(RegionMap(scheme="strips", values=strips),) if schemes else (),
    )


def matched(motion: np.ndarray, levels=tuple(LEVELS_MM)) -> VisitMatch:
    """Return a match in which every disc moves alike."""
    discs = tuple(
        DiscMatch(level=level, motion=motion, correlation=1.0, inverse_mm=0.0, through_plane_mm=0.0) for level in levels
    )
    return VisitMatch(motion=motion, correlation=1.0, discs=discs)


def motion_of(turn_deg=(0.0, 0.0, 0.0), shift_mm=(0.0, 0.0, 0.0)) -> np.ndarray:
    out = np.eye(4)
    out[:3, :3] = Rotation.from_rotvec(turn_deg, degrees=True).as_matrix()
    out[:3, 3] = shift_mm
    return out


def maps(labels: DiscLabels) -> list[np.ndarray]:
    return [labels.discs, labels.regions, *(scheme.values for scheme in labels.schemes)]


def assert_same(one: DiscLabels, other: DiscLabels) -> None:
    assert one.levels == other.levels
    np.testing.assert_allclose(one.affine, other.affine)
    assert [s.scheme for s in one.schemes] == [s.scheme for s in other.schemes]
    for a, b in zip(maps(one), maps(other), strict=True):
        np.testing.assert_array_equal(a, b)


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Return the Dice coefficient."""
    return 2 * np.count_nonzero(one & other) / (np.count_nonzero(one) + np.count_nonzero(other))


motions = st.builds(
    motion_of,
    st.tuples(*[st.floats(-6, 6)] * 3),
    st.tuples(st.floats(-2, 2), st.floats(-5, 5), st.floats(-5, 5)),
)


# ------------------------------------------------------------------------------------------------ exact
def test_a_person_who_did_not_move_keeps_every_label_in_every_way():
    labels = drawn()
    assert labels.discs[..., 0].any()  # discs reach the first and the last slice
    assert labels.discs[..., -1].any()
    ways = carry_regions(matched(np.eye(4)), labels, labels)
    assert [way.roi for way in ways] == [roi for roi in ROIS if roi != "own"]
    for way in ways:
        assert_same(way.baseline, labels)
        assert_same(way.followup, labels)


@pytest.mark.parametrize("steps", [(3, 0, 0), (0, -4, 0), (0, 0, 1), (2, 3, -1)], ids=str)
def test_a_shift_by_whole_voxels_shifts_the_labels_and_changes_none(steps):
    labels = drawn(half_mm=(6.0, 14.0, 7.0))  # within the stack, so that nothing is lost at its edge
    shift_mm = labels.affine[:3, :3] @ np.array(steps, float)
    _, carried, _ = carry_regions(matched(motion_of(shift_mm=shift_mm)), labels, labels)
    for before, after in zip(maps(labels), maps(carried.followup), strict=True):
        np.testing.assert_array_equal(after, np.roll(before, steps, axis=(0, 1, 2)))


def test_a_shifted_grid_with_the_person_in_place_carries_labels_exactly():
    labels, moved_affine = drawn(half_mm=(6.0, 14.0, 7.0)), oblique()
    moved_affine[:3, 3] += moved_affine[:3, :3] @ np.array([2.0, 0, -1.0])
    followup = drawn(affine=moved_affine, half_mm=(6.0, 14.0, 7.0))
    first, carried, _ = carry_regions(matched(np.eye(4)), labels, followup)
    assert_same(carried.followup, followup)
    assert_same(first.baseline, labels)


def test_labels_on_another_grid_are_carried_with_their_schemes():
    shape, size_mm = (40, 70, 9), np.array([1.2, 0.8, 3.3])
    followup = drawn(affine=oblique(size_mm, shape), shape=shape)
    for way in carry_regions(matched(np.eye(4)), drawn(), followup):
        assert (way.baseline.shape, way.followup.shape) == (SHAPE, shape)
        assert way.baseline.region_names == way.followup.region_names == followup.region_names
        for level in followup.levels:
            assert overlap(way.followup.mask(level), followup.mask(level)) > 0.93
            assert way.followup.mask(level, "strip3").any()


# ------------------------------------------------------------------------------------------------ laws
@given(motion=motions)
@settings(max_examples=15)
def test_a_carried_disc_is_the_disc_drawn_where_it_moved_but_for_half_a_rim(motion):
    fine = {"shape": (48, 64, 32), "affine": oblique(np.ones(3), (48, 64, 32)), "half_mm": (6.0, 14.0, 11.0)}
    baseline, truth = drawn(**fine), drawn(motion, **fine)
    _, carried, _ = carry_regions(matched(motion), baseline, truth)
    for level in truth.levels:
        assert overlap(carried.followup.mask(level), truth.mask(level)) > 0.93
        assert overlap(carried.followup.mask(level, "NP"), truth.mask(level, "NP")) > 0.85
        one, other = (np.argwhere(labels.mask(level)).mean(axis=0) for labels in (carried.followup, truth))
        np.testing.assert_allclose(one, other, atol=0.5)  # voxels: a flat face moves by whole ones


@given(motion=motions)
@settings(max_examples=15)
def test_volume_is_kept_to_a_few_per_cent(motion):
    baseline = drawn(half_mm=(6.0, 14.0, 9.0))
    _, carried, _ = carry_regions(matched(motion), baseline, baseline)
    for level in baseline.levels:
        assert np.count_nonzero(carried.followup.mask(level)) == pytest.approx(
            np.count_nonzero(baseline.mask(level)), rel=0.05
        )


@given(motion=motions)
@settings(max_examples=15)
def test_there_and_back_loses_no_more_than_a_rim(motion):
    labels = drawn(half_mm=(6.0, 14.0, 7.0))
    _, there, _ = carry_regions(matched(motion), labels, labels)
    _, back, _ = carry_regions(matched(np.linalg.inv(motion)), there.followup, labels)
    for level in labels.levels:
        own, returned = labels.mask(level), back.followup.mask(level)
        core = ~binary_dilation(~own, np.ones((3, 3, 3)))
        assert core.any()
        assert returned[core].all()
        assert not returned[~binary_dilation(own, np.ones((3, 3, 3)))].any()
        assert overlap(own, returned) > 0.9


@given(motion=motions)
@settings(max_examples=15)
def test_the_matched_part_lies_within_both_visits_own_and_within_what_was_carried(motion):
    baseline, followup = drawn(), drawn(motion, half_mm=(5.0, 16.0, 20.0))
    agreed, from_baseline, from_followup = carry_regions(matched(motion), baseline, followup)
    for level in baseline.levels:
        for region in baseline.region_names:
            for part, own, other in (
                (agreed.baseline, baseline, from_followup.baseline),
                (agreed.followup, followup, from_baseline.followup),
            ):
                expected = own.mask(level, region) & other.mask(level, region)
                if region in ("AF",):  # front and back must agree too
                    expected = part.mask(level, region) & expected
                np.testing.assert_array_equal(part.mask(level, region), expected)


@given(motion=motions)
@settings(max_examples=15)
def test_exchanging_the_visits_exchanges_what_is_matched(motion):
    baseline, followup = drawn(), drawn(motion, half_mm=(5.0, 16.0, 20.0))
    agreed, from_baseline, from_followup = carry_regions(matched(motion), baseline, followup)
    swapped, *others = carry_regions(matched(np.linalg.inv(motion)), followup, baseline)
    for one, other in (
        (agreed, swapped),
        (from_baseline, others[1]),
        (from_followup, others[0]),
    ):
        assert_same(one.baseline, other.followup)
        assert_same(one.followup, other.baseline)


@given(motion=motions)
@settings(max_examples=10)
def test_regions_never_lie_outside_their_disc_and_hold_only_values_that_were_there(motion):
    baseline, followup = drawn(), drawn(motion)
    for way in carry_regions(matched(motion), baseline, followup):
        for labels in (way.baseline, way.followup):
            discs, *regions = maps(labels)
            for part, original in zip(regions, maps(baseline)[1:], strict=True):
                assert not part[discs == 0].any()
                assert {*np.unique(part)} <= {*np.unique(original)} | {0}


def test_a_disc_at_the_edge_of_the_stack_keeps_its_outermost_slice():
    labels = drawn()
    nudge = motion_of(shift_mm=0.3 * labels.affine[:3, 2])  # 0.3 slices: the first voxel of a row is still 70 % disc
    _, carried, _ = carry_regions(matched(nudge), labels, labels)
    lost = labels.discs[..., 0].astype(bool) & ~carried.followup.discs[..., 0].astype(bool)
    assert np.count_nonzero(lost) < 0.1 * np.count_nonzero(labels.discs[..., 0])


# ------------------------------------------------------------------------------------------------ faults
def test_each_disc_moves_by_its_own_motion():
    labels = drawn(half_mm=(6.0, 14.0, 7.0))
    up = labels.affine[:3, 1]
    still, raised = matched(np.eye(4)), matched(motion_of(shift_mm=2 * up))
    match = replace(still, discs=(still.discs[0], raised.discs[1]))
    _, carried, _ = carry_regions(match, labels, labels)
    np.testing.assert_array_equal(carried.followup.mask("L3/L4"), labels.mask("L3/L4"))
    np.testing.assert_array_equal(carried.followup.mask("L4/L5"), np.roll(labels.mask("L4/L5"), 2, axis=1))


@pytest.mark.parametrize("way_mm", [(500.0, 0, 0), (0, -300.0, 0), (0, 0, 300.0)], ids=str)
def test_a_disc_carried_out_of_the_field_is_empty_there_and_matched_nowhere(way_mm):
    labels = drawn()
    agreed, from_baseline, from_followup = carry_regions(matched(motion_of(shift_mm=way_mm)), labels, labels)
    assert not from_baseline.followup.discs.any()
    assert not from_followup.baseline.discs.any()
    assert not agreed.baseline.discs.any()
    assert not agreed.followup.discs.any()
    assert_same(from_baseline.baseline, labels)


def test_a_level_with_a_name_but_without_a_voxel_is_carried_as_nothing():
    labels = drawn()
    empty = replace(labels, discs=np.where(labels.mask("L3/L4"), 0, labels.discs).astype(np.uint8))
    agreed, from_baseline, _ = carry_regions(matched(np.eye(4)), empty, labels)
    assert not from_baseline.followup.mask("L3/L4").any()
    assert not agreed.followup.mask("L3/L4").any()
    assert agreed.followup.mask("L4/L5").any()


def test_only_matched_levels_are_in_any_map():
    labels = drawn()
    for way in carry_regions(matched(np.eye(4), levels=("L4/L5",)), labels, labels):
        for part in (way.baseline, way.followup):
            assert part.levels == ("L4/L5",)
            assert not part.mask("L3/L4").any()
            np.testing.assert_array_equal(part.mask("L4/L5"), labels.mask("L4/L5"))


@pytest.mark.parametrize("side", ["baseline", "followup"])
def test_a_matched_level_that_a_visit_does_not_have_is_refused(side):
    both = {"baseline": drawn(), "followup": drawn()}
    both[side] = replace(both[side], levels=("L4/L5",), confidences=())
    with pytest.raises(ArgumentInvalid, match="1 matched level"):
        carry_regions(matched(np.eye(4)), **both)


def test_where_the_protocol_changed_between_visits_only_the_common_schemes_are_matched():
    with_strips, without = drawn(), drawn(schemes=False)
    agreed, from_baseline, from_followup = carry_regions(matched(np.eye(4)), with_strips, without)
    for labels in (agreed.baseline, agreed.followup):
        assert "strip1" not in labels.region_names
        np.testing.assert_array_equal(labels.mask("L4/L5", "NP"), without.mask("L4/L5", "NP"))
    assert "strip1" in from_baseline.followup.region_names
    assert "strip1" not in from_followup.baseline.region_names


def test_no_t2_map_can_be_given_to_what_carries():
    hints = typing.get_type_hints(carry_regions)
    assert hints
    assert T2Map not in hints.values()
