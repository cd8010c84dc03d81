"""Studies to judge by, scoliosis, and the awkward participants."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from t2disc.errors import ArgumentInvalid
from t2disc.model.levels import LEVELS
from t2disc.simulate import (
    VENDORS,
    AcquisitionRecipe,
    BodyRecipe,
    DiscRecipe,
    PoseRecipe,
    default_study,
    graded_disc,
    simulate_scan,
    simulate_study,
    varied_study,
    with_fused_level,
    with_sacrum_cut_off,
    with_six_lumbar,
)
from t2disc.simulate.anatomy import build_anatomy, tissue_fractions
from t2disc.simulate.grid import rotation, sagittal_grid
from t2disc.simulate.recipe import all_discs
from t2disc.simulate.scan import measure
from t2disc.simulate.skeleton import build_skeleton
from t2disc.simulate.tissues import Tissue, cartilage_tissue, disc_tissues

STUDY = varied_study(10, seed=21, size="tiny")
LABELLED = range(2, 7)  # L1/L2 to L5/S1, as numbers within LEVELS


def labels_of(person, visit=0):
    return simulate_scan(person, person.visits[visit]).truth.discs


# ------------------------------------------------------------------------------------------------ scoliosis
def test_no_scoliosis_leaves_every_frame_in_the_midline():
    straight = build_skeleton(BodyRecipe(scoliosis_deg=0.0), all_discs(()), PoseRecipe())
    for shape in (*straight.vertebrae, *straight.discs):
        assert shape.frame.origin_mm[0] == 0
        np.testing.assert_array_equal(shape.frame.axes[1], [1.0, 0.0, 0.0])
    assert {disc.lateral_wedge_deg for disc in straight.discs} == {0.0}


@pytest.mark.parametrize("cobb_deg", [10.0, -30.0])
def test_the_ends_of_a_scoliotic_curve_differ_by_the_cobb_angle(cobb_deg):
    body = BodyRecipe(scoliosis_deg=cobb_deg, scoliosis_apex="L2", n_thoracic=6)
    skeleton = build_skeleton(body, all_discs(()), PoseRecipe())
    tilt_deg = [np.rad2deg(np.arcsin(shape.frame.axes[2][0])) for shape in skeleton.vertebrae if not shape.is_sacral]
    assert np.ptp(tilt_deg) == pytest.approx(abs(cobb_deg), rel=0.1)
    for shape in skeleton.vertebrae:
        np.testing.assert_allclose(shape.frame.axes @ shape.frame.axes.T, np.eye(3), atol=1e-12)


def test_a_positive_curve_bows_and_turns_to_the_left_about_a_mean_of_zero():
    skeleton = build_skeleton(BodyRecipe(scoliosis_deg=30.0), all_discs(()), PoseRecipe())
    apex = skeleton.vertebra("L2").frame
    assert apex.origin_mm[0] < skeleton.vertebra("L5").frame.origin_mm[0]
    assert apex.axes[0][0] < 0  # the front of the apex looks left, to the convex side
    discs = [disc.frame.origin_mm[0] for disc in skeleton.discs if disc.level in LEVELS]
    assert np.mean(discs) == pytest.approx(0, abs=1e-9)


def test_a_midline_slice_leaves_the_canal_of_a_scoliotic_spine():
    grid = sagittal_grid(replace(AcquisitionRecipe(), oblique_deg=(0.0, 0.0)))
    shares = []
    for cobb_deg in (0.0, 35.0):
        anatomy = build_anatomy(BodyRecipe(scoliosis_deg=cobb_deg), (), PoseRecipe())
        shares.append(float(tissue_fractions(anatomy, grid, grid.n_slices // 2, through=1)[:, Tissue.CSF].sum()))
    assert shares[1] < 0.7 * shares[0]


# ------------------------------------------------------------------------------------------------ recipes
@pytest.mark.parametrize(
    "make",
    [
        lambda: BodyRecipe(n_lumbar=4),
        lambda: BodyRecipe(n_thoracic=7),
        lambda: BodyRecipe(scoliosis_deg=90.0),
        lambda: DiscRecipe(level="L4/L5", depth=0.0),
        lambda: DiscRecipe(level="L4/L5", cartilage_mm=-0.1),
        lambda: varied_study(1, seed=0, size="huge"),
        lambda: varied_study(1, seed=0, n_visits=3),
        lambda: varied_study(1, seed=0, model="magic"),
        lambda: varied_study(0, seed=0),
        lambda: varied_study(1, (), seed=0),
    ],
)
def test_what_cannot_be_is_refused(make):
    with pytest.raises(ArgumentInvalid):
        make()


def test_the_cartilage_counts_as_disc_in_the_truth():
    plain = graded_disc("L3/L4", 2)
    layered = replace(plain, cartilage_mm=2.0)
    fine = AcquisitionRecipe(rows=220, columns=130, voxel_mm=1.0, n_slices=2, snr=np.inf)
    with_layer, without = (
        measure(build_anatomy(BodyRecipe(), (disc,), PoseRecipe()), fine, 0).truth.discs for disc in (layered, plain)
    )
    np.testing.assert_array_equal(with_layer, without)
    assert cartilage_tissue("L3/L4") not in disc_tissues("L3/L4")


# ------------------------------------------------------------------------------------------------ studies
def test_the_same_seed_gives_the_same_study_and_the_same_bytes():
    assert varied_study(3, seed=5, size="tiny") == varied_study(3, seed=5, size="tiny")
    assert varied_study(3, seed=5, size="tiny") != varied_study(3, seed=6, size="tiny")
    one = varied_study(1, ("ge",), seed=5, size="tiny", n_visits=1)
    first, again = ([(file.path, file.content) for file in simulate_study(one)] for _ in range(2))
    assert first == again


def test_people_sequences_and_vendors_differ():
    visits = [person.visits[0] for person in STUDY.participants]
    assert [visit.vendor for visit in visits] == [*VENDORS, *VENDORS]
    for value in (
        {visit.acquisition.thickness_mm for visit in visits},
        {len(visit.acquisition.echo_times_ms) for visit in visits},
        {visit.acquisition.voxel_mm for visit in visits},
        {person.body.size for person in STUDY.participants},
    ):
        assert len(value) >= 4
    assert all(8 <= len(visit.acquisition.echo_times_ms) <= 16 for visit in visits)
    assert 0 < max(abs(person.body.scoliosis_deg) for person in STUDY.participants) <= 25


@pytest.mark.parametrize("person", STUDY.participants, ids=lambda person: person.participant_id)
def test_every_participant_has_five_nameable_discs_in_the_field_top_to_bottom(person):
    discs = labels_of(person, visit=1)
    rows = [np.nonzero(discs == number)[1] for number in LABELLED]
    assert min(row.size for row in rows) > 30
    middles = [row.mean() for row in rows]
    assert middles == sorted(middles)


def test_t12_to_s1_lie_within_every_field():
    for person in STUDY.participants:
        for visit in person.visits:
            skeleton = build_skeleton(person.body, visit.discs, visit.pose)
            turn = rotation(*visit.pose.rotation_deg)
            acquisition = visit.acquisition
            for name in ("T12", "S1"):
                place = turn @ skeleton.vertebra(name).frame.origin_mm + np.array(visit.pose.shift_mm)
                away = np.abs(place - np.array(acquisition.centre_mm))[1:]
                half = np.array([acquisition.columns, acquisition.rows]) * acquisition.voxel_mm / 2
                assert (away < half).all()


def test_the_index_disc_gains_and_nothing_else_changes_but_the_pose():
    for person in STUDY.participants:
        before, after = ({disc.level: disc for disc in visit.discs} for visit in person.visits)
        ratio = {level: after[level].t2_np_ms / before[level].t2_np_ms for level in before}
        assert ratio.pop(person.index_level) == pytest.approx(1.15, rel=3e-3)
        assert set(ratio.values()) == {1.0}
        assert person.visits[0].pose != person.visits[1].pose
        assert person.visits[0].acquisition.echo_times_ms == person.visits[1].acquisition.echo_times_ms


def test_snr_and_model_can_be_asked_for():
    visit = varied_study(1, seed=2, size="tiny", n_visits=1, snr=77.0, model="epg").participants[0].visits[0]
    assert (visit.acquisition.snr, visit.acquisition.model) == (77.0, "epg")


def test_the_truth_of_a_varied_visit_is_written_as_of_any_other():
    study = varied_study(1, ("siemens",), seed=9, size="tiny", n_visits=1)
    files = {str(file.path): file.content for file in simulate_study(study)}
    truth = json.loads(files["truth/sub-P001/ses-baseline/truth.json"])
    assert all(disc["n_voxels"] > 30 for disc in truth["discs"].values())
    assert set(truth["discs"]) == set(LEVELS[1:])


# ------------------------------------------------------------------------------------------------ the awkward ones
@pytest.fixture(scope="module")
def person():
    return default_study(1, seed=4, size="tiny").participants[0]


def test_a_sixth_lumbar_vertebra_leaves_no_disc_named_l5_s1(person):
    six = with_six_lumbar(person)
    names = [shape.name for shape in build_skeleton(six.body, six.visits[0].discs, six.visits[0].pose).vertebrae]
    assert names.count("L6") == 1
    assert names.index("L6") == names.index("L5") + 1
    found = set(np.unique(labels_of(six)))
    assert 6 not in found  # L5/S1
    assert {3, 4, 5} <= found


def test_a_stack_can_end_above_the_sacrum(person):
    found = set(np.unique(labels_of(with_sacrum_cut_off(person))))
    assert 6 not in found
    assert {3, 4, 5} <= found


def test_a_fused_level_has_no_label_and_its_neighbours_do(person):
    found = set(np.unique(labels_of(with_fused_level(person, "L3/L4"))))
    assert 4 not in found
    assert {2, 3, 5, 6} <= found


def test_awkward_participants_keep_name_level_and_visits(person):
    for made in (with_six_lumbar(person), with_sacrum_cut_off(person), with_fused_level(person, "L4/L5")):
        assert (made.participant_id, made.index_level) == (person.participant_id, person.index_level)
        assert [visit.name for visit in made.visits] == [visit.name for visit in person.visits]
        assert made != person
