"""Scenes to train from: structures agree with tissues, levels run downwards, oddities show, seeds repeat."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from t2disc.model.levels import LEVELS
from t2disc.simulate import (
    BodyRecipe,
    BoneRecipe,
    DiscRecipe,
    ModicRecipe,
    OrganRecipe,
    PoseRecipe,
    SchmorlRecipe,
    SpotRecipe,
    Structure,
    SurgeryRecipe,
    draw_scene,
    graded_disc,
)
from t2disc.simulate.anatomy import build_anatomy, paint_plane
from t2disc.simulate.grid import Plane
from t2disc.simulate.tissues import N_TISSUES, Tissue, disc_tissues, level_numbers

SEEDS = range(12)
SHAPE = (260, 220)
SPARE = {Tissue.SPARE_NP, Tissue.SPARE_AF}


@pytest.fixture(scope="module")
def scenes():
    return [draw_scene(seed, n_slices=2, shape=SHAPE) for seed in SEEDS]


def named_discs() -> NDArray[np.bool_]:
    """Which tissue numbers belong to discs that have a recipe: lumbar, extra lumbar, their cartilage."""
    out = np.zeros(N_TISSUES, bool)
    out[Tissue.FIRST_DISC : Tissue.OEDEMA] = True
    return out


def midplane(body: BodyRecipe, discs: tuple[DiscRecipe, ...] = (), right_mm: float = 0.0):
    """The tissues and structures of one sagittal plane, half a millimetre apart."""
    anatomy = build_anatomy(body, discs, PoseRecipe())
    plane = Plane(
        rows=720,
        columns=360,
        first_mm=np.array([right_mm, 90.0, 170.0]),
        column_step_mm=np.array([0.0, -0.5, 0.0]),
        row_step_mm=np.array([0.0, 0.0, -0.5]),
    )
    return paint_plane(anatomy, plane)


def rows_of(canvas, level: str) -> NDArray[np.intp]:
    return np.flatnonzero((level_numbers()[canvas.labels] == LEVELS.index(level) + 1).any(axis=1))


def test_the_same_seed_gives_the_same_scene_and_another_seed_another():
    first, again, other = (draw_scene(seed, n_slices=1, shape=(120, 100)) for seed in (3, 3, 4))
    for name in ("tissues", "structures", "levels"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    np.testing.assert_array_equal(first.tissue_table.t2_ms, again.tissue_table.t2_ms)
    assert not np.array_equal(first.tissues, other.tissues)


def test_arrays_share_a_grid_twice_as_fine_as_the_pixels():
    scene = draw_scene(5, spacing_mm=2.0, n_slices=3, shape=(110, 90), with_second_plane=True)
    assert scene.samples == 2
    for array in (scene.tissues, scene.structures, scene.levels, scene.tissues_behind):
        assert array.shape == (3, 220, 180)
        assert array.dtype == np.uint8
    assert 0 < (scene.tissues != scene.tissues_behind).mean() < 0.5  # the same person, a little further


def test_fields_of_view_are_drawn_when_no_shape_is_given():
    heights_mm = [draw_scene(seed, spacing_mm=4.0, n_slices=1).tissues.shape[1] / 2 * 4.0 for seed in range(8)]
    assert 198 <= min(heights_mm) < max(heights_mm) <= 322


def test_every_sample_of_a_named_disc_is_of_the_structure_disc(scenes):
    for scene in scenes:
        assert set(np.unique(scene.structures[named_discs()[scene.tissues]])) <= {Structure.DISC}


def test_the_structure_disc_holds_nothing_but_disc(scenes):
    for scene in scenes:
        inside = np.unique(scene.tissues[scene.structures == Structure.DISC])
        assert all(named_discs()[tissue] or tissue in SPARE for tissue in inside)


def test_spare_tissue_is_a_thoracic_disc_or_a_remnant_within_the_sacrum(scenes):
    for scene in scenes:
        spare = np.isin(scene.tissues, list(SPARE))
        assert set(np.unique(scene.structures[spare])) <= {Structure.DISC, Structure.SACRUM}


def test_marrow_belongs_to_vertebrae_sacrum_or_hip_and_fluid_of_the_sac_to_the_canal(scenes):
    for scene in scenes:
        assert set(np.unique(scene.structures[scene.tissues == Tissue.CSF])) <= {Structure.CANAL}
        assert not np.isin(scene.structures[scene.tissues == Tissue.MARROW], [Structure.DISC, Structure.CANAL]).any()
        assert not scene.structures[scene.tissues == Tissue.ENDPLATE].any()


def test_levels_are_those_of_the_tissues_and_run_downwards(scenes):
    for scene in scenes:
        np.testing.assert_array_equal(scene.levels, level_numbers()[scene.tissues])
        assert (scene.structures[scene.levels > 0] == Structure.DISC).all()
        for levels in scene.levels:
            rows = [np.nonzero(levels == number)[0].mean() for number in np.unique(levels[levels > 0])]
            assert rows == sorted(rows)


def test_a_few_scenes_show_no_spine_and_most_show_canal_and_sacrum():
    seen = [draw_scene(seed, spacing_mm=5.0, n_slices=1) for seed in range(80)]
    assert 0 < sum(not scene.has_spine for scene in seen) < 10
    assert sum((scene.structures == Structure.CANAL).any() for scene in seen) > 40
    assert {scene.n_lumbar for scene in seen} == {5, 6}
    assert 5 < sum(scene.is_scoliotic for scene in seen) < 50
    assert any(scene.fused_levels for scene in seen)


def test_six_lumbar_bodies_have_one_disc_more_and_two_without_a_name():
    five, six = midplane(BodyRecipe()), midplane(BodyRecipe(n_lumbar=6))
    unnamed = [tissue for level in ("L5/L6", "L6/S1") for tissue in disc_tissues(level)]
    assert not np.isin(five.labels, unnamed).any()
    assert set(unnamed) <= set(np.unique(six.labels))
    assert (six.structures[np.isin(six.labels, unnamed)] == Structure.DISC).all()
    assert not rows_of(six, "L5/S1").size
    assert np.nonzero(np.isin(six.labels, unnamed))[0].min() > rows_of(six, "L4/L5").min()


def test_a_fused_level_has_no_disc_but_bone_from_body_to_body():
    discs = (replace(graded_disc("L3/L4", 3), is_fused=True, height_mm=4.0),)
    fused = midplane(BodyRecipe(), discs)
    assert not rows_of(fused, "L3/L4").size
    column = 180 - int(12 / 0.5)  # a centimetre in front of the middle of L3
    between = fused.structures[350:415, column]  # from within L3 into L4
    assert (between == Structure.VERTEBRA).all()


def test_a_fused_lumbosacral_level_is_vertebra_above_and_sacrum_below():
    discs = (replace(graded_disc("L5/S1", 3), is_fused=True, height_mm=4.0),)
    fused = midplane(BodyRecipe(), discs)
    assert not rows_of(fused, "L5/S1").size
    assert (fused.structures == Structure.SACRUM).any()


def test_a_well_formed_disc_below_a_lumbarised_s1_stays_sacrum():
    usual, lumbarised = midplane(BodyRecipe()), midplane(BodyRecipe(s1_disc_mm=7.0))
    nucleus = [int((canvas.labels == Tissue.SPARE_NP)[300:].sum()) for canvas in (usual, lumbarised)]
    assert nucleus[1] > 1.5 * nucleus[0]
    spare = np.isin(lumbarised.labels[420:], list(SPARE))
    assert (lumbarised.structures[420:][spare] == Structure.SACRUM).all()


def test_a_rudimentary_disc_is_narrow():
    def depth(share: float) -> int:
        canvas = midplane(BodyRecipe(), (replace(graded_disc("L5/S1", 3), depth=share),))
        return int(np.ptp(np.nonzero(level_numbers()[canvas.labels] == LEVELS.index("L5/S1") + 1)[1]))

    assert depth(0.5) == pytest.approx(0.5 * depth(1.0), rel=0.15)


def test_cartilage_is_dark_and_part_of_the_disc_and_the_bony_endplate_is_neither_disc_nor_bone():
    plain = graded_disc("L3/L4", 2)
    thick = midplane(BodyRecipe(), (replace(plain, cartilage_mm=1.5, endplate_mm=2.0),))
    thin = midplane(BodyRecipe(), (plain,))
    number = LEVELS.index("L3/L4") + 1
    inside = [level_numbers()[canvas.labels] == number for canvas in (thick, thin)]
    np.testing.assert_array_equal(*inside)
    disc = set(disc_tissues("L3/L4"))
    assert set(np.unique(thick.labels[inside[0]])) > disc
    assert set(np.unique(thin.labels[inside[1]])) == disc
    gaps = [int(((canvas.labels == Tissue.ENDPLATE) & (canvas.structures == 0)).sum()) for canvas in (thick, thin)]
    assert gaps[0] > gaps[1]


def test_a_schmorl_node_takes_the_disc_into_the_body_above():
    plain = graded_disc("L2/L3", 2)
    node = SchmorlRecipe(is_upward=True, depth_mm=5.0, radius_mm=5.0)
    before, after = (midplane(BodyRecipe(), (disc,)) for disc in (plain, replace(plain, schmorl=(node,))))
    assert rows_of(before, "L2/L3").min() - rows_of(after, "L2/L3").min() >= 4
    assert rows_of(before, "L2/L3").max() == rows_of(after, "L2/L3").max()


@pytest.mark.parametrize(("kind", "tissue"), [(1, Tissue.OEDEMA), (2, Tissue.FATTY_MARROW), (3, Tissue.SCLEROSIS)])
def test_modic_changes_lie_in_the_marrow_beside_their_disc(kind: int, tissue: Tissue):
    disc = replace(graded_disc("L4/L5", 4), modic=(ModicRecipe(is_above=False, kind=kind, height_mm=8.0),))
    canvas = midplane(BodyRecipe(), (disc,))
    changed = canvas.labels == tissue
    assert changed.sum() > 200
    assert (canvas.structures[changed] == Structure.VERTEBRA).all()
    assert np.nonzero(changed)[0].mean() > rows_of(canvas, "L4/L5").mean()


def test_a_cleft_darkens_the_middle_of_the_nucleus_alone():
    plain = graded_disc("L3/L4", 2)
    cleft = midplane(BodyRecipe(), (replace(plain, cleft_mm=2.0),))
    nucleus, annulus = disc_tissues("L3/L4")
    changed = cleft.labels != midplane(BodyRecipe(), (plain,)).labels
    assert changed.any()
    assert set(np.unique(cleft.labels[changed])) == {annulus}
    assert nucleus in cleft.labels


def test_a_fractured_vertebra_is_lower_and_a_spot_shows_in_its_marrow():
    bone = BoneRecipe(vertebra="L2", height=0.6, wedge_deg=-8.0, spots=(SpotRecipe(radius_mm=5.0),))
    usual, broken = midplane(BodyRecipe()), midplane(BodyRecipe(bones=(bone,)))
    apart = [rows_of(canvas, "L2/L3").mean() - rows_of(canvas, "L1/L2").mean() for canvas in (usual, broken)]
    assert 0.45 < apart[1] / apart[0] < 0.85
    assert (broken.structures[broken.labels == Tissue.HAEMANGIOMA] == Structure.VERTEBRA).all()
    assert (broken.labels == Tissue.HAEMANGIOMA).sum() > 200


@pytest.mark.parametrize(("is_fluid", "tissue"), [(True, Tissue.COLLECTION), (False, Tissue.SCAR)])
def test_an_operation_takes_the_arch_and_leaves_a_trace_behind_the_sac(is_fluid: bool, tissue: Tissue):
    body = BodyRecipe(
        bones=(BoneRecipe(vertebra="L4", has_arch=False),), surgery=SurgeryRecipe(vertebra="L4", is_fluid=is_fluid)
    )
    usual, operated = midplane(BodyRecipe()), midplane(body)
    trace = operated.labels == tissue
    assert trace.sum() > 500
    assert not operated.structures[trace].any()
    assert (operated.structures == Structure.VERTEBRA).sum() < (usual.structures == Structure.VERTEBRA).sum() - 500


def test_organs_of_a_recipe_stay_within_the_skin_and_carry_no_structure():
    organ = OrganRecipe(centre_mm=(0.0, 75.0, 0.0), radii_mm=(20.0, 20.0, 20.0), content="BLADDER")
    canvas = midplane(BodyRecipe(organs=(organ,), belly_mm=80.0))
    bladder = canvas.labels == Tissue.BLADDER
    assert bladder.sum() > 500
    assert not canvas.structures[bladder].any()
    assert np.nonzero(bladder)[1].min() > np.nonzero(canvas.labels == Tissue.SKIN)[1].min()
    assert (canvas.labels[:, 0] == Tissue.AIR).all()  # in front of the belly
