"""Nucleus and annulus from the disc's own coordinates, for discs whose truth is drawn by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from t2disc.errors import ArgumentInvalid
from t2disc.model import SCHEME_PARTS, SCHEMES, Region
from t2disc.model.protocol import RegionSettings
from t2disc.segment import disc_coordinates, divide_discs, region_schemes

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


# ------------------------------------------------------------------------------------------------ bent discs
def bent_disc(
    radius_mm: float, degrees: float = 0.0, *, wedge: float = 0.0, voxel_mm: float = 0.7, length_mm: float = 35.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A sector of a ring 9 mm thick, bent upward at both ends and tilted: disc, affine, and true u by arc length.

    ``wedge`` is the share by which the front is thicker and the back thinner than the middle.
    """
    n = int(60 / voxel_mm)
    posterior, up = (np.indices((n, n)) - (n - 1) / 2) * voxel_mm
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    along, above = posterior * cos + up * sin, up * cos - posterior * sin
    arc_mm = radius_mm * np.arctan2(along, radius_mm - above)
    from_middle_mm = np.hypot(along, radius_mm - above) - radius_mm
    half_mm = 4.5 * (1 - 2 * wedge * arc_mm / length_mm)
    section = (abs(arc_mm) < length_mm / 2) & (abs(from_middle_mm) < half_mm)
    affine = np.diag([4.0, -voxel_mm, voxel_mm, 1.0])
    return np.stack([section] * 3), affine, np.tile((arc_mm / length_mm + 0.5)[section], 3)


@given(radius_mm=st.floats(40, 400), degrees=tilts)
@settings(max_examples=40, deadline=None)
def test_u_is_the_arc_length_along_a_bent_disc(radius_mm, degrees):
    disc, affine, true_u = bent_disc(radius_mm, degrees)
    error_mm = abs(disc_coordinates(disc, affine).u - true_u) * 35
    assert error_mm.max() < 0.7 * np.sqrt(2)  # a voxel's diagonal; measured along the long axis alone: up to 3.6 mm
    assert np.sqrt(np.mean(error_mm**2)) < 0.4


@pytest.mark.parametrize("radius_mm", [40, 80, 1e6])
@pytest.mark.parametrize("degrees", [0, 13, -27, 40])
def test_u_follows_a_disc_bent_and_wedged_in_voxels_of_2_mm(radius_mm, degrees):
    disc, affine, true_u = bent_disc(radius_mm, degrees, wedge=0.3, voxel_mm=2.0)
    assert (abs(disc_coordinates(disc, affine).u - true_u) * 35).max() < 2.0


def test_v_runs_across_the_local_thickness_of_a_bent_wedge():
    disc, affine, _ = bent_disc(50, 10, wedge=0.4)
    at = disc_coordinates(disc, affine)
    for front, back in ((0.1, 0.2), (0.45, 0.55), (0.8, 0.9)):
        v = at.v[(at.u > front) & (at.u < back)]
        assert v.min() < 0.12
        assert v.max() > 0.88
        assert abs(np.median(v) - 0.5) < 0.05


def test_the_mid_surface_does_not_jump_from_slice_to_slice():
    """A small lateral cross-section of a bent disc takes its bend from its neighbours."""
    disc, affine, _ = bent_disc(40)
    disc[0, :35] = disc[0, -35:] = False
    at = disc_coordinates(disc, affine)
    slices, posterior, _ = np.nonzero(disc)
    bent = at.u[slices == 0], posterior[slices == 0]
    assert np.corrcoef(*bent)[0, 1] > 0.95
    assert 0 < bent[0].min() < bent[0].max() < 1


@given(order=st.permutations(range(3)), flips=st.tuples(*[st.booleans()] * 3), radius_mm=st.floats(40, 200))
@settings(max_examples=30, deadline=None)
def test_coordinates_of_a_bent_disc_do_not_depend_on_voxel_axes(order, flips, radius_mm):
    disc, affine, _ = bent_disc(radius_mm, 15, voxel_mm=1.3)
    back = np.zeros((4, 4))
    back[3, 3] = 1
    for new, old in enumerate(order):
        back[old, new] = -1 if flips[new] else 1
        back[old, 3] = disc.shape[old] - 1 if flips[new] else 0
    flipped = [axis for axis in range(3) if flips[axis]]
    for name in ("u", "v", "w", "lateral_mm"):
        volume, turned_volume = np.zeros(disc.shape), np.zeros(disc.transpose(order).shape)
        turned = np.flip(disc.transpose(order), flipped)
        volume[disc] = getattr(disc_coordinates(disc, affine), name)
        turned_volume[turned] = getattr(disc_coordinates(turned, affine @ back), name)
        np.testing.assert_allclose(turned_volume, np.flip(volume.transpose(order), flipped), atol=1e-6)


@given(degrees=st.floats(-30, 30))
@settings(max_examples=20, deadline=None)
def test_turning_the_body_changes_no_coordinate_of_a_bent_disc(degrees):
    disc, affine, _ = bent_disc(50, voxel_mm=1.3)
    np.testing.assert_allclose(uv(disc, rotated(affine, "x", degrees)), uv(disc, affine), atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (3, 2), (1, 4), (4, 3)])
def test_a_fragment_of_a_few_voxels_has_coordinates(size):
    disc = np.zeros(SHAPE, bool)
    disc[2, 10 : 10 + size[0], 10 : 10 + size[1]] = True
    at = disc_coordinates(disc, np.diag([4.0, -2.0, 2.0, 1.0]))
    for values in (at.u, at.v):
        assert ((values > 0) & (values < 1)).all()
    assert not at.w.any()
    assert not at.lateral_mm.any()


def test_w_runs_from_left_to_right_and_millimetres_count_from_the_middle():
    at = disc_coordinates(box(n_slices=3), LPS_AXES)  # the first voxel axis runs to the left, 4 mm a slice
    left, middle, right = (np.unique(at.w[np.nonzero(box(n_slices=3))[0] == x]) for x in (3, 2, 1))
    np.testing.assert_allclose([left, middle, right], [[-2 / 3], [0], [2 / 3]])
    np.testing.assert_allclose(np.unique(at.lateral_mm), [-4, 0, 4])
    assert at.lateral_mm[at.w > 0.5].min() == 4


# ------------------------------------------------------------------------------------------------ schemes
def maps_of(discs: np.ndarray, affine: np.ndarray = LPS_AXES, **settings: object) -> dict[str, np.ndarray]:
    found = region_schemes(discs.astype(np.uint8), affine, RegionSettings(**settings))
    return {item.scheme: item.values for item in found}


def test_every_scheme_divides_the_same_mask():
    disc, affine, _ = bent_disc(60)
    maps = maps_of(disc, affine)
    assert tuple(maps) == SCHEMES
    for scheme, values in maps.items():
        assert not values[~disc].any()
        assert set(np.unique(values[disc])) <= {part for parts in SCHEME_PARTS[scheme].values() for part in parts} | {0}
    assert (maps["np-af"][disc] > 0).all()
    assert (maps["strips"][disc] > 0).all()


def test_the_primary_scheme_is_that_of_divide_discs_and_always_there():
    disc = box()
    maps = maps_of(disc, schemes=("posterior",), annulus_fraction=0.3)
    assert tuple(maps) == ("np-af", "posterior")
    np.testing.assert_array_equal(maps["np-af"], divide_discs(disc.astype(np.uint8), LPS_AXES, annulus_fraction=0.3))


def test_five_strips_are_equally_long_and_counted_from_the_front():
    strips = maps_of(box(length=30))["strips"]
    assert strips[2, 5:35, 14].tolist() == [1] * 6 + [2] * 6 + [3] * 6 + [4] * 6 + [5] * 6


def test_strips_of_a_bent_disc_are_equally_long_on_its_mid_surface():
    disc, affine, true_u = bent_disc(45, 20)
    strips = maps_of(disc, affine)["strips"][disc]
    wrong = strips != np.floor(true_u * 5) + 1
    assert np.mean(wrong) < 0.06
    assert abs(true_u[wrong] * 5 - np.round(true_u[wrong] * 5)).max() * 7 < 1  # all within a millimetre of a border


@pytest.mark.parametrize(("fraction", "n_posterior"), [(0.1, 3), (0.2, 6)])
def test_the_posterior_end_is_the_share_asked_for(fraction, n_posterior):
    posterior = maps_of(box(length=30), posterior_fraction=fraction)["posterior"]
    assert posterior[2, 5:35, 14].tolist() == [0] * (30 - n_posterior) + [1] * n_posterior


@pytest.mark.parametrize(("width_mm", "slices"), [(20.0, [3, 4, 5, 6, 7]), (8.0, [4, 5, 6]), (7.9, [5]), (0.1, [5])])
def test_mid_sagittal_slices_are_those_within_the_width_and_at_least_the_middle_one(width_mm, slices):
    disc = np.zeros((11, 40, 30), bool)
    disc[:, 5:35, 11:19] = True
    middle = maps_of(disc, mid_sagittal_mm=width_mm)["mid-sagittal"]
    assert np.flatnonzero(middle.any(axis=(1, 2))).tolist() == slices
    regions = divide_discs(disc.astype(np.uint8), LPS_AXES)[slices]
    np.testing.assert_array_equal(middle[slices] == 1, regions == Region.NP)
    np.testing.assert_array_equal(middle[slices] == 2, np.isin(regions, (Region.AF_ANTERIOR, Region.AF_POSTERIOR)))


def test_the_middle_is_each_discs_own():
    discs = np.zeros((11, 40, 30), np.uint8)
    discs[0:5, 5:35, 2:10] = 1
    discs[6:11, 5:35, 15:23] = 2
    middle = maps_of(discs, mid_sagittal_mm=1.0)["mid-sagittal"]
    assert np.flatnonzero(middle[:, 20, 5]).tolist() == [2]
    assert np.flatnonzero(middle[:, 20, 18]).tolist() == [8]


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
