"""Size and form of discs: against drawn ellipses of known size, turned and flipped, and simulated heights."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2disc.errors import ArgumentInvalid
from t2disc.measure import measure_shapes
from t2disc.model import DiscLabels, DiscShape
from t2disc.simulate import default_study, graded_disc, simulate_scan

LENGTH_MM, HEIGHT_MM, WIDTH_MM = 35.0, 10.0, 48.0
NUMBERS = [field.name for field in fields(DiscShape) if field.name != "level"]


def turn(about_x: float, about_y: float, about_z: float) -> np.ndarray:
    out = np.eye(3)
    for axis, degrees in enumerate((about_x, about_y, about_z)):
        c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        step, (j, k) = np.eye(3), ((axis + 1) % 3, (axis + 2) % 3)
        step[j, j], step[j, k], step[k, j], step[k, k] = c, -s, s, c
        out = step @ out
    return out


def grid(*, slice_mm: float = 4.0, voxel_mm: float = 0.7, tilt: tuple[float, float, float] = (0, 0, 0)) -> np.ndarray:
    """Sagittal slices (Z) of columns towards the back (X) and rows up (Y), turned as a whole."""
    sagittal = np.array([[0, 0, slice_mm], [-voxel_mm, 0, 0], [0, voxel_mm, 0]])
    affine = np.eye(4)
    affine[:3, :3] = turn(*tilt) @ sagittal
    affine[:3, 3] = 5.0 - affine[:3, :3] @ [35.3, 30.1, 7.2]
    return affine


def disc(affine: np.ndarray, inside, shape=(70, 62, 15)) -> DiscLabels:
    """Voxels whose centre lies inside, given by right, anterior and superior of the disc's centre in mm."""
    voxels = np.moveaxis(np.indices(shape), 0, -1)
    right, anterior, up = np.moveaxis(voxels @ affine[:3, :3].T + affine[:3, 3] - 5.0, -1, 0)
    values = np.where(inside(right, anterior, up), DiscLabels.value_of("L4/L5"), 0).astype(np.uint8)
    return labels_of(values, affine)


def labels_of(values: np.ndarray, affine: np.ndarray) -> DiscLabels:
    return DiscLabels(discs=values, regions=(values > 0).astype(np.uint8), levels=("L4/L5",), affine=affine)


def elliptic(slope_deg: float = 0.0, side: float = WIDTH_MM):
    """An elliptic cylinder from left to right, its front raised by a slope."""
    c, s = math.cos(math.radians(slope_deg)), math.sin(math.radians(slope_deg))

    def inside(right, anterior, up):
        along, across = c * anterior + s * up, c * up - s * anterior
        ellipse = (2 * along / LENGTH_MM) ** 2 + (2 * across / HEIGHT_MM) ** 2 <= 1
        return ellipse & (np.abs(right) <= side / 2)

    return inside


def brick(slope_deg: float):
    c, s = math.cos(math.radians(slope_deg)), math.sin(math.radians(slope_deg))
    return lambda right, anterior, up: (
        (np.abs(c * anterior + s * up) <= LENGTH_MM / 2)
        & (np.abs(c * up - s * anterior) <= HEIGHT_MM / 2)
        & (np.abs(right) <= WIDTH_MM / 2)
    )


def only(labels: DiscLabels, **settings) -> DiscShape:
    (shape,) = measure_shapes(labels, **settings)
    return shape


def numbers(shape: DiscShape) -> list[float]:
    return [getattr(shape, name) for name in NUMBERS]


# ------------------------------------------------------------------------------------------------ truth
@pytest.mark.parametrize("slope_deg", [0, 12, -25, 45])
@pytest.mark.parametrize("tilt", [(0, 0, 0), (3, -2, 1.5), (-8, 6, 4)])
def test_an_elliptic_disc_has_its_area_length_and_mean_height(slope_deg, tilt):
    found = only(disc(grid(tilt=tilt), elliptic(slope_deg)))
    assert found.area_mm2 == pytest.approx(math.pi / 4 * LENGTH_MM * HEIGHT_MM, rel=0.02)
    assert found.length_mm == pytest.approx(LENGTH_MM, rel=0.025)
    assert found.height_mm == pytest.approx(math.pi / 4 * HEIGHT_MM, rel=0.03)
    assert found.height_index == pytest.approx(math.pi / 4 * HEIGHT_MM / LENGTH_MM, rel=0.05)


@pytest.mark.parametrize("slope_deg", [0, 17, 40])
def test_a_disc_with_flat_ends_is_as_long(slope_deg):
    found = only(disc(grid(), brick(slope_deg)))
    assert found.length_mm == pytest.approx(LENGTH_MM, abs=0.75)  # a voxel
    assert found.height_mm == pytest.approx(HEIGHT_MM, abs=0.7)  # labels end on whole voxels


def test_the_volume_is_the_number_of_voxels_times_the_voxels_volume():
    labels = disc(grid(tilt=(4, -3, 2)), elliptic())
    found = only(labels)
    assert found.n_voxels == np.count_nonzero(labels.discs)
    assert found.volume_mm3 == pytest.approx(found.n_voxels * 0.7 * 0.7 * 4)
    assert found.volume_mm3 == pytest.approx(math.pi / 4 * LENGTH_MM * HEIGHT_MM * WIDTH_MM, rel=0.04)


def test_only_slices_about_the_middle_count_and_the_nearest_always_does():
    def barrel(right, anterior, up):  # half as high 12 mm from the middle and beyond
        return elliptic()(right, anterior, up * np.where(np.abs(right) > 11, 2, 1))

    labels = disc(grid(slice_mm=4.0), barrel)
    middle, whole, thin = (only(labels, mid_sagittal_mm=width) for width in (20.0, 60.0, 0.1))
    assert (middle.n_slices, thin.n_slices) == (5, 1)
    assert whole.n_slices > 10
    assert middle.area_mm2 == pytest.approx(thin.area_mm2, rel=0.02)
    assert whole.area_mm2 < 0.85 * middle.area_mm2
    assert whole.volume_mm3 == middle.volume_mm3


@pytest.mark.parametrize(("level", "height_mm"), [("L2/L3", 10.0), ("L4/L5", 11.0), ("L3/L4", 8.0)])
def test_a_disc_that_loses_a_tenth_of_its_height_is_seen_to(level, height_mm):
    full, low = (simulated_height_mm(level, height_mm * share) for share in (1.0, 0.9))
    assert low / full == pytest.approx(0.9, abs=0.015)


def simulated_height_mm(level: str, height_mm: float) -> float:
    person = default_study(1, size="small").participants[0]
    visit = person.visits[0]
    acquisition = replace(
        visit.acquisition, rows=320, columns=256, voxel_mm=0.6, n_slices=3, echo_times_ms=(10.0, 20.0), phase_echoes=1
    )
    discs = (replace(graded_disc(level, 2), height_mm=height_mm),)
    scan = simulate_scan(person, replace(visit, acquisition=acquisition, discs=discs))
    values = np.where(scan.truth.discs == DiscLabels.value_of(level), DiscLabels.value_of("L4/L5"), 0).astype(np.uint8)
    return only(labels_of(scan.grid.to_nifti_order(values), scan.grid.affine)).height_mm


# ------------------------------------------------------------------------------------------------ symmetries
@given(tilt=st.tuples(*[st.floats(-15, 15)] * 3))
@settings(max_examples=20)
def test_a_patient_who_lies_turned_has_the_same_disc(tilt):
    """Labels and affine turn together: the same voxels elsewhere in the scanner."""
    upright = disc(grid(), elliptic(10))
    turned = labels_of(upright.discs, grid(tilt=tilt))
    assert numbers(only(turned)) == pytest.approx(numbers(only(upright)), rel=1e-6)


@given(axes=st.permutations(range(3)), flips=st.tuples(*[st.booleans()] * 3))
@settings(max_examples=20)
def test_axes_may_be_stored_in_any_order_and_direction(axes, flips):
    labels = disc(grid(tilt=(5, 3, -4)), elliptic(20))
    step = np.zeros((4, 4))
    step[3, 3] = 1
    for new, old in enumerate(axes):
        step[old, new] = -1 if flips[old] else 1
        step[old, 3] = labels.discs.shape[old] - 1 if flips[old] else 0
    values = np.flip(labels.discs, [a for a in range(3) if flips[a]]).transpose(axes)
    again = only(labels_of(values, labels.affine @ step))
    assert numbers(again) == pytest.approx(numbers(only(labels)), rel=1e-6)


@given(factor=st.floats(0.2, 5))
@settings(max_examples=10)
def test_a_body_twice_as_large_has_discs_twice_as_large_of_the_same_form(factor):
    labels = disc(grid(), elliptic(10))
    larger = labels_of(labels.discs, labels.affine @ np.diag([factor, factor, factor, 1.0]))
    once, again = only(labels, mid_sagittal_mm=20.0), only(larger, mid_sagittal_mm=20.0 * factor)
    assert (again.length_mm, again.height_mm) == pytest.approx((factor * once.length_mm, factor * once.height_mm))
    assert again.area_mm2 == pytest.approx(factor**2 * once.area_mm2)
    assert again.volume_mm3 == pytest.approx(factor**3 * once.volume_mm3)
    assert again.height_index == pytest.approx(once.height_index)


# ------------------------------------------------------------------------------------------------ odd discs
def test_a_level_without_a_voxel_is_nan_and_has_no_volume():
    found = only(labels_of(np.zeros((5, 4, 3), np.uint8), grid()))
    assert (found.n_voxels, found.n_slices, found.volume_mm3) == (0, 0, 0.0)
    assert all(math.isnan(value) for value in (found.area_mm2, found.length_mm, found.height_mm, found.height_index))


def test_a_single_voxel_is_as_long_and_as_high_as_a_voxel():
    values = np.zeros((5, 4, 3), np.uint8)
    values[2, 2, 1] = DiscLabels.value_of("L4/L5")
    found = only(labels_of(values, grid()))
    assert numbers(found) == pytest.approx([1, 1, 0.7 * 0.7 * 4, 0.49, 0.7, 0.7, 1.0])


def test_what_is_higher_than_long_is_measured_from_front_to_back():
    upright = disc(grid(), lambda right, anterior, up: (np.abs(anterior) <= 5) & (np.abs(up) <= 15))
    assert only(upright).length_mm == pytest.approx(10, abs=0.7)
    assert only(upright).height_index > 2.5


def test_each_level_has_its_row_in_the_order_of_the_labels():
    values = np.zeros((5, 4, 3), np.uint8)
    values[0], values[3] = DiscLabels.value_of("L3/L4"), DiscLabels.value_of("L5/S1")
    labels = DiscLabels(discs=values, regions=values * 0, levels=("L3/L4", "L5/S1"), affine=grid())
    assert [(shape.level, shape.n_voxels) for shape in measure_shapes(labels)] == [("L3/L4", 12), ("L5/S1", 12)]


@pytest.mark.parametrize("width_mm", [0.0, -1.0, math.nan])
def test_a_width_that_is_none_is_refused(width_mm):
    with pytest.raises(ArgumentInvalid, match="mid_sagittal_mm"):
        measure_shapes(disc(grid(), elliptic()), mid_sagittal_mm=width_mm)
