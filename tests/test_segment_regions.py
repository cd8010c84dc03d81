"""Nucleus and annulus from the disc's own coordinates, for discs whose truth is drawn by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from t2disc.errors import ArgumentInvalid
from t2disc.model import Region
from t2disc.segment import disc_coordinates, divide_discs

# voxel axes run left, posterior, superior
LPS_AXES = np.array([[-4.0, 0, 0, 8.0], [0, -1.0, 0, 20.0], [0, 0, 1.0, -15.0], [0, 0, 0, 1]])
SHAPE = (5, 40, 30)
tilts = st.floats(-50, 50)


def box(length: int = 30, height: int = 8, n_slices: int = 3) -> np.ndarray:
    disc = np.zeros(SHAPE, bool)
    disc[1 : 1 + n_slices, 5 : 5 + length, 11 : 11 + height] = True
    return disc


def tilted_slab(degrees: float, length_mm: float = 30, height_mm: float = 8) -> tuple[np.ndarray, np.ndarray]:
    """A slab whose front end is turned up by some degrees: its voxels, and their true u drawn from the angle alone."""
    _, posterior, up = np.indices(SHAPE) - np.array([0, 19.5, 14.5]).reshape(3, 1, 1, 1)
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    along, across = posterior * cos - up * sin, posterior * sin + up * cos
    disc = (abs(along) < length_mm / 2) & (abs(across) < height_mm / 2)
    return disc, (along / length_mm + 0.5)[disc]


def uv(disc: np.ndarray, affine: np.ndarray = LPS_AXES) -> tuple[np.ndarray, np.ndarray]:
    at = disc_coordinates(disc, affine)
    return at.u, at.v


def rotated(affine: np.ndarray, axis: str, degrees: float) -> np.ndarray:
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler(axis, degrees, degrees=True).as_matrix()
    return turn @ affine


# ------------------------------------------------------------------------------------------------ coordinates
def test_n_voxels_in_a_row_lie_at_odd_halves_of_n():
    u, v = uv(box(length=30, height=8))
    np.testing.assert_allclose(np.unique(u), (np.arange(30) + 0.5) / 30, atol=1e-8)
    np.testing.assert_allclose(np.unique(v), (np.arange(8) + 0.5) / 8, atol=1e-8)


def test_u_rises_backward_and_v_rises_downward():
    disc = box()
    u, v = uv(disc, LPS_AXES)
    _, posterior, up = np.nonzero(disc)
    assert u[posterior == posterior.min()].max() < 0.1 < 0.9 < u[posterior == posterior.max()].min()
    assert v[up == up.max()].max() < 0.1 < 0.9 < v[up == up.min()].min()


@given(degrees=tilts)
@settings(max_examples=40, deadline=None)
def test_u_follows_the_disc_when_it_is_tilted(degrees):
    disc, true_u = tilted_slab(degrees)
    u, _ = uv(disc, LPS_AXES)
    assert np.abs(u - true_u).max() < 1.5 / 30  # a voxel and a half of stair at the ends of a tilted slab


@given(degrees=tilts)
@settings(max_examples=25, deadline=None)
def test_turning_the_whole_body_forward_changes_no_coordinate(degrees):
    disc = box()
    u, v = uv(disc, LPS_AXES)
    turned_u, turned_v = uv(disc, rotated(LPS_AXES, "x", degrees))
    np.testing.assert_allclose(turned_u, u, atol=1e-8)
    np.testing.assert_allclose(turned_v, v, atol=1e-8)


@given(about_s=st.floats(-30, 30), about_a=st.floats(-20, 20))
@settings(max_examples=25, deadline=None)
def test_oblique_sagittal_slices_change_no_coordinate(about_s, about_a):
    disc = box()
    oblique = rotated(rotated(LPS_AXES, "z", about_s), "y", about_a)
    np.testing.assert_allclose(uv(disc, oblique)[0], uv(disc)[0], atol=1e-8)


@given(order=st.permutations(range(3)), flips=st.tuples(*[st.booleans()] * 3), degrees=tilts)
@settings(max_examples=60, deadline=None)
def test_regions_do_not_depend_on_the_order_or_direction_of_voxel_axes(order, flips, degrees):
    disc, _ = tilted_slab(degrees)
    labels = disc.astype(np.uint8)
    back = np.zeros((4, 4))
    back[3, 3] = 1
    for new, old in enumerate(order):
        back[old, new] = -1 if flips[new] else 1
        back[old, 3] = SHAPE[old] - 1 if flips[new] else 0
    flipped = [axis for axis in range(3) if flips[axis]]

    turned = divide_discs(np.flip(labels.transpose(order), flipped), LPS_AXES @ back)
    expected = np.flip(divide_discs(labels, LPS_AXES).transpose(order), flipped)
    np.testing.assert_array_equal(turned, expected)


def test_each_slice_has_its_own_front_and_back():
    disc = box(n_slices=1)
    disc[3, 12:32, 11:19] = True  # a shorter cross-section, further back
    u, _ = uv(disc, LPS_AXES)
    slices, posterior, _ = np.nonzero(disc)
    np.testing.assert_allclose(u[(slices == 3) & (posterior == 12)], 0.5 / 20, atol=1e-8)
    np.testing.assert_allclose(u[(slices == 1) & (posterior == 5)], 0.5 / 30, atol=1e-8)


def test_a_fragment_higher_than_long_is_measured_along_the_body():
    disc = np.zeros(SHAPE, bool)
    disc[2, 18:22, 5:25] = True
    u, _ = uv(disc, LPS_AXES)
    _, posterior, _ = np.nonzero(disc)
    np.testing.assert_allclose(u, (posterior - 18 + 0.5) / 4, atol=1e-8)


def test_a_single_voxel_is_the_middle_of_its_disc():
    disc = np.zeros(SHAPE, bool)
    disc[2, 20, 15] = True
    u, v = uv(disc, LPS_AXES)
    assert u.tolist() == v.tolist() == [0.5]


def test_no_voxel_has_no_coordinates():
    u, v = uv(np.zeros(SHAPE, bool), LPS_AXES)
    assert u.size == v.size == 0


# ------------------------------------------------------------------------------------------------ regions
def test_the_outer_fifth_at_either_end_is_annulus():
    disc = box(length=30)
    regions = divide_discs(disc.astype(np.uint8), LPS_AXES)
    profile = regions[2, 5:35, 14].tolist()
    assert profile == [Region.AF_ANTERIOR] * 6 + [Region.NP] * 18 + [Region.AF_POSTERIOR] * 6
    assert not regions[~disc].any()


@pytest.mark.parametrize(("fraction", "n_annulus"), [(0.1, 3), (0.2, 6), (0.3, 9), (0.4, 12)])
def test_the_share_of_annulus_is_the_fraction_asked_for(fraction, n_annulus):
    regions = divide_discs(box(length=30).astype(np.uint8), LPS_AXES, annulus_fraction=fraction)
    profile = regions[2, 5:35, 14]
    assert np.count_nonzero(profile == Region.AF_ANTERIOR) == n_annulus
    assert np.count_nonzero(profile == Region.AF_POSTERIOR) == n_annulus


def test_a_disc_in_a_single_slice_is_divided():
    regions = divide_discs(box(n_slices=1).astype(np.uint8), LPS_AXES)
    assert {int(value) for value in np.unique(regions[1])} == {0, 1, 2, 3}


def test_each_disc_is_divided_by_its_own_axis():
    discs = np.zeros((3, 40, 60), np.uint8)
    discs[1, 5:35, 40:48] = 1
    steep, _ = tilted_slab(40)
    discs[1, :, :30][steep[2]] = 2
    together = divide_discs(discs, LPS_AXES)
    for number in (1, 2):
        alone = divide_discs((discs == number).astype(np.uint8), LPS_AXES)
        np.testing.assert_array_equal(together[discs == number], alone[discs == number])


@pytest.mark.parametrize("fraction", [0.0, 0.5, -0.2, np.nan])
def test_a_fraction_that_leaves_no_nucleus_or_no_annulus_is_refused(fraction):
    with pytest.raises(ArgumentInvalid):
        divide_discs(box().astype(np.uint8), LPS_AXES, annulus_fraction=fraction)
