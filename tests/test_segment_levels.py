"""From a map of structures to named discs: what a network gets wrong must not name a disc wrongly without a word."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, binary_erosion

from t2disc.errors import ArgumentInvalid
from t2disc.model import LEVELS, DiscLabels
from t2disc.model.review import ReviewCode
from t2disc.segment.levels import NamedDiscs, name_discs
from t2disc.simulate import BodyRecipe, DiscRecipe, PoseRecipe, graded_disc
from t2disc.simulate.anatomy import build_anatomy, paint_plane
from t2disc.simulate.grid import Plane
from t2disc.simulate.tissues import level_numbers

LUMBAR = LEVELS[1:]
VERTEBRA, DISC, CANAL, SACRUM = 1, 2, 3, 4
PIXEL_MM, SLICE_MM = 1.4, 4.0
AFFINE = np.diag([SLICE_MM, PIXEL_MM, PIXEL_MM, 1.0])
HEALTHY = tuple(graded_disc(level, 2) for level in LEVELS)

Volume = NDArray[np.uint8]


@dataclass(frozen=True)
class Spine:
    """Structures and levels ``(X, Y, Z)`` of a simulated spine, right, anterior, superior."""

    structures: Volume
    levels: Volume

    def of(self, level: str) -> NDArray[np.bool_]:
        return self.levels == DiscLabels.value_of(level)

    def height(self, level: str) -> int:
        return round(np.argwhere(self.of(level))[:, 2].mean())

    def place(self, level: str) -> NDArray[np.float64]:
        return np.argwhere(self.of(level)).mean(axis=0)


def spine_of(
    body: BodyRecipe | None = None,
    discs: tuple[DiscRecipe, ...] = HEALTHY,
    *,
    n_slices: int = 9,
    slice_mm: float = SLICE_MM,
    turn_deg: float = 0.0,
) -> Spine:
    anatomy = build_anatomy(body or BodyRecipe(), discs, PoseRecipe())
    rows, columns, turn = 200, 130, np.deg2rad(turn_deg)
    backward = np.array([np.sin(turn), -np.cos(turn), 0.0])
    right = np.array([np.cos(turn), np.sin(turn), 0.0])
    canvases = [
        paint_plane(
            anatomy,
            Plane(
                rows=rows,
                columns=columns,
                first_mm=right * slice_mm * (k - (n_slices - 1) / 2)
                - backward * columns / 2 * PIXEL_MM
                + np.array([0.0, 0.0, 100.0]),
                column_step_mm=backward * PIXEL_MM,
                row_step_mm=np.array([0.0, 0.0, -PIXEL_MM]),
            ),
        )
        for k in range(n_slices)
    ]

    def volume(images: list[Volume]) -> Volume:
        return np.ascontiguousarray(np.stack(images)[:, ::-1, ::-1].transpose(0, 2, 1))

    return Spine(volume([c.structures for c in canvases]), volume([level_numbers()[c.labels] for c in canvases]))


@pytest.fixture(scope="module")
def spine() -> Spine:
    return spine_of()


def codes(named: NamedDiscs) -> set[ReviewCode]:
    return {reason.code for reason in named.reasons}


def wrong(named: NamedDiscs, spine: Spine) -> list[str]:
    """Levels whose voxels mostly belong to another disc, or to none."""
    return [
        level
        for level in named.levels
        if (spine.of(level) & (named.discs == DiscLabels.value_of(level))).sum()
        < 0.5 * (named.discs == DiscLabels.value_of(level)).sum()
    ]


# ------------------------------------------------------------------------------------------------ what is right
def test_every_disc_of_a_clear_spine_is_named_with_confidence_and_without_a_reason(spine):
    named = name_discs(spine.structures, AFFINE)
    assert named.levels[-5:] == LUMBAR
    assert wrong(named, spine) == []
    assert min(named.confidences[-5:]) > 0.9
    assert [reason for reason in named.reasons if reason.level in LUMBAR or reason.level is None] == []
    assert all(reason.code is ReviewCode.DISC_CUT_OFF for reason in named.reasons)


def test_no_voxel_of_a_clear_spine_is_lost_but_specks(spine):
    named = name_discs(spine.structures, AFFINE)
    for level in LUMBAR:
        found, true = named.discs == DiscLabels.value_of(level), spine.of(level) & (spine.structures == DISC)
        assert (found & true).sum() > 0.97 * true.sum()


@pytest.mark.parametrize("body", [
    BodyRecipe(size=0.86), BodyRecipe(size=1.15), BodyRecipe(sacral_slope_deg=22, lordosis=0.5),
    BodyRecipe(sacral_slope_deg=58, lordosis=1.4), BodyRecipe(scoliosis_deg=35), BodyRecipe(scoliosis_deg=-30),
], ids=["small", "large", "flat", "curved", "left curve", "right curve"])  # fmt: skip
def test_people_differ_and_their_discs_keep_their_names(body):
    spine = spine_of(body)
    named = name_discs(spine.structures, AFFINE)
    assert set(named.levels) >= set(LUMBAR)
    assert wrong(named, spine) == []
    assert ReviewCode.NAMING_UNCERTAIN not in codes(named)


def test_oblique_slices_cut_the_same_discs():
    turn = np.deg2rad(15)
    spine, affine = spine_of(turn_deg=15), AFFINE.copy()
    affine[:3, :3] = [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]] @ AFFINE[:3, :3]
    named = name_discs(spine.structures, affine)
    assert set(named.levels) >= set(LUMBAR)
    assert wrong(named, spine) == []


def test_the_order_and_direction_of_the_axes_change_nothing(spine):
    named = name_discs(spine.structures, AFFINE)
    turned = spine.structures.transpose(2, 0, 1)[::-1, :, ::-1]
    affine = np.zeros((4, 4))
    affine[[2, 0, 1], [0, 1, 2]] = -PIXEL_MM, SLICE_MM, -PIXEL_MM
    affine[3, 3] = 1
    again = name_discs(turned, affine)
    assert again.levels == named.levels
    np.testing.assert_array_equal(again.discs, named.discs.transpose(2, 0, 1)[::-1, :, ::-1])


def test_the_same_map_gives_the_same_answer(spine):
    one, other = (name_discs(spine.structures.copy(), AFFINE) for _ in range(2))
    assert (one.levels, one.confidences, one.reasons) == (other.levels, other.confidences, other.reasons)


def test_a_volume_of_one_slice_is_named_and_says_that_it_is_one_slice(spine):
    named = name_discs(spine.structures[4:5], AFFINE)
    assert set(named.levels) >= set(LUMBAR)
    assert wrong(named, Spine(spine.structures[4:5], spine.levels[4:5])) == []
    assert ReviewCode.TOO_FEW_SLICES in codes(named)
    assert max(named.confidences) < 0.5


# ------------------------------------------------------------------------------------------------ a network's faults
def test_discs_in_pieces_with_blobs_and_frayed_edges_keep_their_names(spine):
    rng = np.random.default_rng(3)
    map_ = spine.structures.copy()
    for x in range(len(map_)):
        disc = map_[x] == DISC
        frayed = binary_dilation(disc) & ~binary_erosion(disc)
        map_[x][frayed & (rng.random(disc.shape) < 0.3)] = DISC
        map_[x][disc & frayed & (rng.random(disc.shape) < 0.3)] = VERTEBRA
    y = round(spine.place("L3/L4")[1])
    map_[:, y - 1 : y + 2][spine.of("L3/L4")[:, y - 1 : y + 2]] = 0  # broken in two
    map_[2][spine.of("L4/L5")[2]] = 0  # missed in a slice
    map_[3:5, 118:128, 60:64] = DISC  # in the abdomen
    map_[4:7, 5:17, 90:94] = DISC  # behind
    named = name_discs(map_, AFFINE)
    assert set(named.levels) >= set(LUMBAR)
    assert wrong(named, spine) == []


def test_two_discs_joined_by_a_bridge_are_parted(spine):
    map_ = spine.structures.copy()
    (_, y, above), (_, _, below) = spine.place("L2/L3"), spine.place("L3/L4")
    map_[3:7, round(y) + 6 : round(y) + 9, round(below) : round(above)] = DISC
    named = name_discs(map_, AFFINE)
    assert set(named.levels) >= set(LUMBAR)
    assert wrong(named, spine) == []


def test_a_disc_that_is_not_there_is_missed_by_name_and_moves_no_other(spine):
    map_ = spine.structures.copy()
    map_[binary_dilation(spine.of("L3/L4")) & (map_ == DISC)] = VERTEBRA
    named = name_discs(map_, AFFINE)
    assert set(LUMBAR) - set(named.levels) == {"L3/L4"}
    assert wrong(named, spine) == []
    assert ReviewCode.GAP_IN_ORDER in codes(named)
    assert [r.level for r in named.reasons if r.code is ReviewCode.DISC_MISSING] == ["L3/L4"]


def test_a_lowest_disc_that_is_not_there_moves_no_other(spine):
    map_ = spine.structures.copy()
    map_[spine.of("L5/S1")] = 0
    named = name_discs(map_, AFFINE)
    assert set(LUMBAR) - set(named.levels) == {"L5/S1"}
    assert wrong(named, spine) == []
    assert {ReviewCode.DISC_MISSING, ReviewCode.NAMING_UNCERTAIN} <= codes(named)


def test_what_is_left_of_s1_s2_is_no_lumbar_disc(spine):
    map_ = spine.structures.copy()
    low, back = spine.place("L5/S1")[2] - 30 / PIXEL_MM, spine.place("L5/S1")[1] - 22 / PIXEL_MM
    _, y, z = np.ogrid[: map_.shape[0], : map_.shape[1], : map_.shape[2]]
    along, across = (y - back) * 0.7 - (z - low) * 0.7, (y - back) * 0.7 + (z - low) * 0.7
    map_[(np.abs(along) < 7) & (np.abs(across) < 2) & (map_ == SACRUM)] = DISC
    named = name_discs(map_, AFFINE)
    assert set(named.levels) >= set(LUMBAR)
    assert wrong(named, spine) == []


@pytest.mark.parametrize("instead", [0, VERTEBRA], ids=["nothing", "vertebra"])
def test_without_a_sacrum_names_follow_the_shape_and_are_marked_uncertain(spine, instead):
    map_ = np.where(spine.structures == SACRUM, instead, spine.structures).astype(np.uint8)
    named = name_discs(map_, AFFINE)
    assert set(named.levels) >= set(LUMBAR)
    assert wrong(named, spine) == []
    assert {ReviewCode.SACRUM_NOT_SEEN, ReviewCode.NAMING_UNCERTAIN} <= codes(named)
    assert max(named.confidences) <= 0.6


@pytest.mark.parametrize("above", ["L5/S1", "L4/L5", "L3/L4"])
def test_an_image_that_ends_above_the_sacrum_is_never_named_in_silence(spine, above):
    named = name_discs(spine.structures[:, :, spine.height(above) + 12 :], AFFINE)
    assert codes(named) & {ReviewCode.SACRUM_NOT_SEEN, ReviewCode.NO_DISC_FOUND}
    assert max(named.confidences, default=0.0) <= 0.6


def test_a_disc_cut_by_the_edge_is_said_to_be(spine):
    top = spine.height("L1/L2") + 1
    named = name_discs(spine.structures[:, :, :top], AFFINE)
    assert ("L1/L2", ReviewCode.DISC_CUT_OFF) in {(r.level, r.code) for r in named.reasons}
    assert wrong(named, Spine(spine.structures[:, :, :top], spine.levels[:, :, :top])) == []


def test_a_rudimentary_lowest_disc_is_a_sign_of_a_transitional_vertebra():
    short = DiscRecipe(level="L5/S1", height_mm=4.0, depth=0.55)
    spine = spine_of(discs=(*HEALTHY[:-1], short))
    named = name_discs(spine.structures, AFFINE)
    assert wrong(named, spine) == []
    assert ReviewCode.TRANSITIONAL_VERTEBRA in codes(named)


def test_an_outline_of_low_probability_is_said_to_be_uncertain(spine):
    likely = np.where(spine.of("L4/L5"), 0.4, 0.95).astype(np.float32)
    named = name_discs(spine.structures, AFFINE, disc_probability=likely)
    sure = dict(zip(named.levels, named.confidences, strict=True))
    assert sure["L4/L5"] < 0.45 < 0.85 < sure["L3/L4"]
    assert [r.level for r in named.reasons if r.code is ReviewCode.OUTLINE_UNCERTAIN] == ["L4/L5"]


# ------------------------------------------------------------------------------------------------ no spine at all
def test_what_is_no_spine_has_no_disc():
    empty = np.zeros((5, 60, 60), np.uint8)
    ball, knee = empty.copy(), empty.copy()
    x, y, z = np.ogrid[:5, :60, :60]
    ball[(x - 2) ** 2 * 8 + (y - 30) ** 2 + (z - 30) ** 2 < 200] = DISC
    knee[:, 20:40, 32:58] = VERTEBRA
    knee[:, 20:40, 2:28] = VERTEBRA
    knee[:, 20:26, 29:31] = DISC
    for map_ in (empty, ball, knee, np.full_like(empty, DISC), np.full_like(empty, VERTEBRA)):
        named = name_discs(map_, np.diag([4.0, 1.4, 1.4, 1.0]))
        assert named.levels == ()
        assert codes(named) == {ReviewCode.NO_DISC_FOUND}
        assert not named.discs.any()


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    shape=st.tuples(st.integers(1, 6), st.integers(1, 60), st.integers(1, 60)),
    n_blobs=st.integers(0, 40),
)
def test_no_map_of_blobs_makes_it_fail(seed, shape, n_blobs):
    rng = np.random.default_rng(seed)
    map_ = np.zeros(shape, np.uint8)
    for _ in range(n_blobs):
        corner = [rng.integers(0, n) for n in shape]
        window = tuple(slice(c, c + rng.integers(1, m)) for c, m in zip(corner, (4, 30, 12), strict=True))
        map_[window] = rng.integers(0, 6)
    named = name_discs(map_, np.diag([4.0, 1.4, 1.4, 1.0]), disc_probability=rng.random(shape, np.float32))
    assert len(named.levels) == len(named.confidences)
    assert all(0 <= sure <= 1 for sure in named.confidences)
    assert sorted(np.unique(named.discs[named.discs > 0])) == [DiscLabels.value_of(level) for level in named.levels]
    assert named.reasons or not named.levels
    assert all(sure <= 0.8 for sure in named.confidences)


def test_noise_takes_no_longer_than_a_spine():
    noise = np.random.default_rng(0).integers(0, 5, (5, 128, 128)).astype(np.uint8)
    assert name_discs(noise, AFFINE).levels == ()


@pytest.mark.parametrize(("structures", "probability"), [
    (np.zeros((3, 3), np.uint8), None),
    (np.zeros((0, 3, 3), np.uint8), None),
    (np.zeros((3, 3, 3), np.uint8), np.zeros((3, 3), np.float32)),
])  # fmt: skip
def test_what_is_no_volume_is_refused(structures, probability):
    with pytest.raises(ArgumentInvalid):
        name_discs(structures, AFFINE, disc_probability=probability)


def test_scipy_is_loaded_only_when_discs_are_named():
    code = "import sys, t2disc.segment.levels; assert not any(m.split('.')[0] == 'scipy' for m in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
