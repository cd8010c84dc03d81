"""Label maps of other tools placed on a stack: geometry against brute force, then every refusal."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from t2disc import errors
from t2disc.model import EchoStack, LabelMap
from t2disc.segment import find_discs
from t2disc.segment.labelmaps import _nearest_in_slice

LEVELS = ("L3/L4", "L4/L5", "L5/S1")
NAMES = tuple(enumerate(LEVELS, start=1))
SAGITTAL = np.array([[0, 0, -4.0, 10.0], [-1.0, 0, 0, 28.0], [0, 1.0, 0, -44.0], [0, 0, 0, 1]])
SHAPE = (56, 88, 6)


def world(shape: tuple[int, int, int], affine: np.ndarray) -> np.ndarray:
    return np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]


def spine(points_mm: np.ndarray) -> np.ndarray:
    """Discs as ellipsoids in the world: 34 mm front to back, 10 mm high, 40 mm wide, 26 mm apart."""
    values = np.zeros(points_mm.shape[:-1], np.int32)
    for number, height_mm in enumerate((26.0, 0.0, -26.0), start=1):
        values[(((points_mm - [0, 0, height_mm]) / [20, 17, 5]) ** 2).sum(axis=-1) < 1] = number
    return values


def stack_on(affine: np.ndarray = SAGITTAL, shape: tuple[int, int, int] = SHAPE) -> EchoStack:
    return EchoStack(signal=np.ones((*shape, 2), np.float32), echo_times_ms=np.array([10.0, 20.0]), affine=affine)


def labels_on(affine: np.ndarray = SAGITTAL, shape: tuple[int, int, int] = SHAPE, names=NAMES) -> LabelMap:
    return LabelMap(values=spine(world(shape, affine)), affine=affine, names=names)


def numbered(values: np.ndarray) -> np.ndarray:
    """Turn the label maps' 1, 2, 3 into what L3/L4, L4/L5 and L5/S1 have at every visit."""
    return np.where(values > 0, values + 3, 0)


def oblique(step_mm: float, degrees: tuple[float, float, float], shape: tuple[int, int, int]) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix() * step_mm
    affine[:3, 3] = -affine[:3, :3] @ (np.array(shape) - 1) / 2
    return affine


# ------------------------------------------------------------------------------------------------ geometry
def test_labels_on_the_stacks_own_grid_are_copied():
    discs = find_discs(stack_on(), labels_on())
    np.testing.assert_array_equal(discs.discs, numbered(spine(world(SHAPE, SAGITTAL))))
    assert discs.levels == LEVELS


def test_labels_that_were_not_loaded_and_what_is_no_stack_are_refused():
    for wrong in ((stack_on(), "labels_dseg.nii.gz"), (stack_on().signal, labels_on()), (None, None)):
        with pytest.raises(errors.ArgumentInvalid, match=r"as load_(labels|stack) returns it"):
            find_discs(*wrong)


def test_without_labels_no_disc_is_labelled():
    discs = find_discs(stack_on())
    assert discs.levels == ()
    assert not discs.discs.any()
    assert not discs.regions.any()


def test_every_disc_voxel_has_a_region_and_no_other_voxel_has_one():
    discs = find_discs(stack_on(), labels_on())
    np.testing.assert_array_equal(discs.regions > 0, discs.discs > 0)


def test_labels_of_an_oblique_finer_grid_give_the_nearest_label_in_the_world():
    shape = (50, 44, 70)
    affine = oblique(1.3, (12, -9, 20), shape)
    labels = labels_on(affine, shape)
    discs = find_discs(stack_on(), labels)

    targets = world(SHAPE, SAGITTAL).reshape(-1, 3)
    distance_mm, nearest = cKDTree(world(shape, affine).reshape(-1, 3)).query(targets)
    expected = labels.values.ravel()[nearest]
    expected[distance_mm > 1.3 * np.sqrt(3) / 2] = 0  # beyond the label map's own voxels
    assert (expected > 0).sum() > 1000
    np.testing.assert_array_equal(discs.discs.ravel(), numbered(expected))


def test_labels_placed_from_another_grid_agree_with_the_discs_they_were_drawn_from():
    shape = (90, 80, 150)
    discs = find_discs(stack_on(), labels_on(oblique(0.6, (5, 10, -15), shape), shape))
    truth = numbered(spine(world(SHAPE, SAGITTAL)))
    for number in (4, 5, 6):
        both = np.count_nonzero((discs.discs == number) & (truth == number))
        dice = 2 * both / (np.count_nonzero(discs.discs == number) + np.count_nonzero(truth == number))
        assert dice > 0.96


@given(order=st.permutations(range(3)), flips=st.tuples(*[st.booleans()] * 3))
@settings(max_examples=20, deadline=None)
def test_the_order_and_direction_of_the_label_maps_axes_change_nothing(order, flips):
    labels = labels_on()
    turn = np.zeros((4, 4))
    turn[3, 3] = 1
    for new, old in enumerate(order):
        turn[old, new] = -1 if flips[new] else 1
        turn[old, 3] = SHAPE[old] - 1 if flips[new] else 0
    values = np.flip(labels.values.transpose(order), [axis for axis in range(3) if flips[axis]])
    turned = LabelMap(values=values, affine=SAGITTAL @ turn, names=NAMES)
    np.testing.assert_array_equal(find_discs(stack_on(), turned).discs, find_discs(stack_on(), labels).discs)


def test_a_voxel_half_way_between_two_labels_does_not_hang_on_the_last_bit():
    values = np.arange(1, 5, dtype=np.int32).reshape(4, 1, 1)
    picked = []
    for noise in (-1e-12, 0.0, 1e-12):
        to_label = np.eye(4)
        to_label[0, 3] = 0.5 + noise
        picked.append(_nearest_in_slice(values, to_label, (3, 1), 0).ravel().tolist())
    assert picked == [[2, 3, 4]] * 3


def test_a_disc_cut_by_the_edge_of_the_image_is_kept():
    affine = SAGITTAL.copy()
    affine[2, 3] = -26.0  # the image begins in the middle of L5/S1
    discs = find_discs(stack_on(affine, (56, 70, 6)), labels_on())
    n_above = np.count_nonzero(spine(world(SHAPE, SAGITTAL))[:, 18:] == 3)
    assert discs.levels == LEVELS
    assert np.count_nonzero(discs.mask("L5/S1")) == n_above > 0


def test_a_disc_of_which_the_image_holds_only_part_is_noted():
    assert find_discs(stack_on(), labels_on()).notes == ()
    lower = SAGITTAL.copy()
    lower[2, 3] -= 17  # the image now ends at S 26 mm, through the middle of L3/L4
    half = stack_on(lower)
    (note,) = find_discs(half, labels_on()).notes
    assert re.fullmatch(r"L3/L4: \d\d% of its labelled volume lies in the image", note)


# ------------------------------------------------------------------------------------------------ names
def test_discs_are_numbered_downward_whatever_their_values_and_the_order_of_the_table():
    values = np.choose(labels_on().values, [0, 95, 7, 30]).astype(np.int32)
    names = ((30, "L5-S1"), (95, "l3l4"), (7, "disc_L4_L5"))
    discs = find_discs(stack_on(), LabelMap(values=values, affine=SAGITTAL, names=names))
    assert discs.levels == LEVELS
    np.testing.assert_array_equal(discs.discs, numbered(labels_on().values))


@pytest.mark.parametrize(
    "name",
    [
        "L4", "L4 vertebra", "S1", "T12", "vertebrae_L3", "vertebra", "Vertebral body", "sacrum", "spinal_canal",
        "cord", "Background", "disc_T11_T12", "T11/T12", "disc S1/S2", "endplate", "cauda equina",
    ],
)  # fmt: skip
def test_names_of_other_anatomy_are_left_aside(name):
    values = labels_on().values.copy()
    height = 57 if "L4" in name else 84 if "L3" in name else 0  # L4 between its discs, L3 above, the rest below
    values[-4:, height : height + 4] = 9  # behind the discs
    discs = find_discs(stack_on(), LabelMap(values=values, affine=SAGITTAL, names=(*NAMES, (9, name))))
    assert discs.levels == LEVELS
    assert not discs.discs[-4:, height : height + 4].any()


@pytest.mark.parametrize(
    "name", ["L4/L6", "L5/L6", "L6/S1", "disc", "disc L4", "L45", "nucleus", "", "lesion", "L4 L4"]
)
def test_a_name_that_could_be_a_disc_is_refused_and_never_guessed(name):
    with pytest.raises(errors.LabelsLevelUnknown):
        find_discs(stack_on(), labels_on(names=(*NAMES, (4, name))))


def test_a_refused_name_is_not_repeated_in_the_error():
    with pytest.raises(errors.LabelsLevelUnknown) as caught:
        find_discs(stack_on(), labels_on(names=(*NAMES, (4, "CANARY"))))
    assert "CANARY" not in str(caught.value)


def test_a_level_named_for_two_values_is_refused():
    with pytest.raises(errors.LabelsRepeated, match="L4/L5"):
        find_discs(stack_on(), labels_on(names=(*NAMES, (4, "L4-L5"))))


def test_a_value_with_two_names_is_refused():
    with pytest.raises(errors.LabelsRepeated, match=r"\[2\]"):
        find_discs(stack_on(), labels_on(names=(*NAMES, (2, "L2/L3"))))


def test_a_value_without_a_name_is_refused():
    with pytest.raises(errors.LabelsUnnamed, match=r"1 label values without a name: 3"):
        find_discs(stack_on(), labels_on(names=NAMES[:2]))


def test_a_disc_named_for_the_background_is_refused():
    with pytest.raises(errors.LabelsUnnamed, match="value is 0"):
        find_discs(stack_on(), labels_on(names=(*NAMES, (0, "L2/L3"))))


def test_a_map_that_holds_no_disc_is_refused():
    empty = LabelMap(values=np.zeros(SHAPE, np.int32), affine=SAGITTAL, names=NAMES)
    with pytest.raises(errors.LabelsUnnamed, match="no named disc is drawn"):
        find_discs(stack_on(), empty)


def test_a_level_in_the_table_that_is_not_drawn_is_no_disc():
    discs = find_discs(stack_on(), labels_on(names=(*NAMES, (4, "L2/L3"))))
    assert discs.levels == LEVELS


# ------------------------------------------------------------------------------------------------ place and order
def test_labels_of_another_place_are_refused():
    affine = SAGITTAL.copy()
    affine[0, 3] += 500
    far_away = LabelMap(values=labels_on().values, affine=affine, names=NAMES)
    with pytest.raises(errors.LabelsOutsideImage, match="no voxel of any"):
        find_discs(stack_on(), far_away)


def test_a_disc_wholly_outside_the_image_is_refused_by_name():
    affine = SAGITTAL.copy()
    affine[2, 3] = -18.0  # the image begins above L5/S1
    with pytest.raises(errors.LabelsOutsideImage, match=r"1 of 3 labelled discs .* L5/S1"):
        find_discs(stack_on(affine, (56, 60, 6)), labels_on())


def test_levels_numbered_the_other_way_are_refused():
    upside_down = tuple(zip((1, 2, 3), reversed(LEVELS), strict=True))
    with pytest.raises(errors.LabelsOutOfOrder) as caught:
        find_discs(stack_on(), labels_on(names=upside_down))
    assert caught.value.code == "labels-out-of-order"


def test_two_levels_exchanged_are_refused_with_their_names():
    with pytest.raises(errors.LabelsOutOfOrder, match=r"L4/L5 not below L3/L4 .*26\.0 mm higher"):
        find_discs(stack_on(), labels_on(names=((1, "L4/L5"), (2, "L3/L4"), (3, "L5/S1"))))


def test_one_labelled_disc_needs_no_order():
    single = LabelMap(values=(labels_on().values == 2).astype(np.int32), affine=SAGITTAL, names=((1, "L4/L5"),))
    assert find_discs(stack_on(), single).levels == ("L4/L5",)
