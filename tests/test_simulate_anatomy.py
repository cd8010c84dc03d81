"""The simulated spine: what lies where, what the truth says, and what moves between visits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

from t2disc.errors import ArgumentInvalid, LabelsLevelUnknown
from t2disc.model import LEVELS
from t2disc.simulate import (
    AcquisitionRecipe,
    BodyRecipe,
    DiscRecipe,
    ParticipantRecipe,
    PoseRecipe,
    Scan,
    VisitRecipe,
    default_study,
    graded_disc,
    simulate_scan,
)
from t2disc.simulate.anatomy import build_anatomy, tissue_fractions, tissue_samples
from t2disc.simulate.grid import Plane, sagittal_grid
from t2disc.simulate.shapes import Skeleton
from t2disc.simulate.skeleton import build_skeleton
from t2disc.simulate.tissues import Tissue, disc_tissues

FINE = AcquisitionRecipe(rows=160, columns=96, voxel_mm=1.4, n_slices=3, echo_times_ms=(10.0, 40.0, 80.0), snr=np.inf)
LUMBAR = LEVELS[1:]
GRADES = dict(zip(LUMBAR, (1, 2, 3, 4, 2), strict=True))


def discs_of(**t2_np_ms: float) -> tuple[DiscRecipe, ...]:
    return tuple(
        replace(disc, t2_np_ms=t2_np_ms.get(disc.level.replace("/", ""), disc.t2_np_ms))
        for disc in (graded_disc(level, grade) for level, grade in GRADES.items())
    )


AT_REST = PoseRecipe()


def scan_of(
    pose: PoseRecipe = AT_REST, acquisition: AcquisitionRecipe = FINE, discs: tuple[DiscRecipe, ...] = discs_of()
) -> Scan:
    visit = VisitRecipe(name="v", study_date="20240101", discs=discs, pose=pose, acquisition=acquisition)
    return simulate_scan(
        ParticipantRecipe(participant_id="P", index_level="L4/L5", body=BodyRecipe(), visits=()), visit
    )


@pytest.fixture(scope="module")
def scan() -> Scan:
    return scan_of()


def t2_of_two_echoes(scan: Scan, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    first, last = (scan.magnitude[e][mask].astype(float) for e in (0, -1))
    return (scan.echo_times_ms[-1] - scan.echo_times_ms[0]) / np.log(first / last)


def middle_of_disc(scan: Scan, level: str) -> NDArray[np.bool_]:
    """Return the middle 60 % of a disc front to back by image column, slice by slice: a division of its own."""
    inside = scan.truth.discs == LEVELS.index(level) + 1
    out = np.zeros_like(inside)
    for index, slice_ in enumerate(inside):
        columns = np.flatnonzero(slice_.any(axis=0))
        low, high = columns[0], columns[-1] + 1
        margin = round(0.2 * (high - low))
        out[index, :, low + margin : high - margin] = slice_[:, low + margin : high - margin]
    return out


def centroid_mm(scan: Scan, level: str) -> NDArray[np.float64]:
    voxels = np.argwhere(scan.grid.to_nifti_order(scan.truth.discs) == LEVELS.index(level) + 1)
    return np.asarray((voxels @ scan.grid.affine[:3, :3].T + scan.grid.affine[:3, 3]).mean(axis=0))


@pytest.mark.parametrize("level", LUMBAR)
def test_median_t2_of_the_middle_of_a_disc_is_the_recipes_nucleus(scan: Scan, level: str) -> None:
    disc = graded_disc(level, GRADES[level])
    assert np.median(t2_of_two_echoes(scan, middle_of_disc(scan, level))) == pytest.approx(disc.t2_np_ms, rel=0.01)


def test_front_and_back_of_a_disc_hold_the_annulus(scan: Scan) -> None:
    disc = graded_disc("L3/L4", GRADES["L3/L4"])
    inside = scan.truth.discs == LEVELS.index("L3/L4") + 1
    for region in (2, 3):
        values = t2_of_two_echoes(scan, inside & (scan.truth.regions == region))
        assert values.size > 10
        assert np.percentile(values, 30) < 1.1 * disc.t2_af_ms


def test_annulus_regions_lie_in_front_of_and_behind_the_nucleus(scan: Scan) -> None:
    columns = [
        np.argwhere((scan.truth.discs == 4) & (scan.truth.regions == region))[:, 2].mean() for region in (2, 1, 3)
    ]
    assert columns == sorted(columns)  # image columns run backwards


def test_labels_are_voxels_at_least_half_disc() -> None:
    anatomy = build_anatomy(BodyRecipe(), discs_of(), PoseRecipe())
    grid = sagittal_grid(FINE)
    share = tissue_fractions(anatomy, grid, 1)[:, list(disc_tissues("L2/L3"))].sum(axis=1)
    expected = (share >= 0.5).reshape(grid.rows, grid.columns)
    assert expected.any()
    np.testing.assert_array_equal(scan_of().truth.discs[1] == LEVELS.index("L2/L3") + 1, expected)


def test_tissue_shares_sum_to_one_in_every_voxel() -> None:
    anatomy = build_anatomy(BodyRecipe(), discs_of(), PoseRecipe())
    shares = tissue_fractions(anatomy, sagittal_grid(FINE), 0)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, rtol=1e-6)


def test_partial_volume_keeps_the_volume_of_a_disc_when_voxels_grow(scan: Scan) -> None:
    def volume_mm3(acquisition: AcquisitionRecipe) -> float:
        anatomy = build_anatomy(BodyRecipe(), discs_of(), PoseRecipe())
        grid = sagittal_grid(acquisition)
        shares = sum(
            float(tissue_fractions(anatomy, grid, z)[:, list(disc_tissues("L3/L4"))].sum())
            for z in range(grid.n_slices)
        )
        return shares * acquisition.voxel_mm**2 * acquisition.thickness_mm

    coarse = replace(FINE, rows=80, columns=48, voxel_mm=2.8)
    assert volume_mm3(coarse) == pytest.approx(volume_mm3(FINE), rel=0.03)


def test_levels_run_downwards_and_the_canal_lies_behind_the_discs(scan: Scan) -> None:
    heights = [centroid_mm(scan, level)[2] for level in LUMBAR]
    assert heights == sorted(heights, reverse=True)
    labels = tissue_samples(
        build_anatomy(BodyRecipe(), discs_of(), PoseRecipe()),
        Plane(
            rows=300,
            columns=1,
            first_mm=np.array([0.0, 60.0, centroid_mm(scan, "L3/L4")[2]]),
            column_step_mm=np.array([0.0, 0.0, -1.0]),
            row_step_mm=np.array([0.0, -0.5, 0.0]),
        ),
    )[:, 0]
    order = [np.flatnonzero(np.isin(labels, tissue)).mean() for tissue in (list(disc_tissues("L3/L4")), [Tissue.CSF])]
    assert order == sorted(order)


def test_the_spine_is_lordotic_and_the_sacrum_slopes_forwards() -> None:
    skeleton = build_skeleton(BodyRecipe(), discs_of(), PoseRecipe())
    tilt = {shape.name: shape.frame.tilt_deg for shape in skeleton.vertebrae}
    assert 25 < tilt["L5"] - tilt["L1"] < 60
    assert 30 < tilt["S1"] < 60


def test_background_outside_the_body_is_noise_alone() -> None:
    noisy = scan_of(acquisition=replace(FINE, columns=180, snr=40.0))
    air = binary_erosion(np.isnan(noisy.truth.t2_ms), np.ones((1, 5, 5)))  # clear of the skin by two voxels
    behind = noisy.magnitude[:, air & (np.arange(180) > 140)]
    assert behind.size > 5000
    assert behind.mean() == pytest.approx(noisy.sigma * np.sqrt(np.pi / 2), rel=0.02)
    assert behind.std() == pytest.approx(noisy.sigma * np.sqrt(2 - np.pi / 2), rel=0.02)


def test_snr_is_that_of_the_first_echo_in_the_nuclei(scan: Scan) -> None:
    noisy = scan_of(acquisition=replace(FINE, snr=40.0))
    level = noisy.magnitude[0][noisy.truth.regions == 1].mean()
    assert level / noisy.sigma == pytest.approx(40.0, rel=0.02)


def test_a_shift_moves_every_disc_by_as_much(scan: Scan) -> None:
    moved = scan_of(PoseRecipe(shift_mm=(0.0, 4.2, -7.0)))
    for level in LUMBAR:
        np.testing.assert_allclose((centroid_mm(moved, level) - centroid_mm(scan, level))[1:], [4.2, -7.0], atol=0.5)


def test_flexion_tilts_the_segments_above_and_leaves_l3_and_all_shapes_as_they_were() -> None:
    def turned(skeleton: Skeleton, name: str) -> float:
        return skeleton.vertebra(name).frame.tilt_deg

    still = build_skeleton(BodyRecipe(), discs_of(), PoseRecipe())
    bent = build_skeleton(BodyRecipe(), discs_of(), PoseRecipe(flexion_deg=(("L2/L3", 3.0), ("L4/L5", 2.0))))
    assert turned(bent, "L3") == pytest.approx(turned(still, "L3"))
    np.testing.assert_allclose(bent.vertebra("L3").frame.origin_mm, still.vertebra("L3").frame.origin_mm, atol=1e-9)
    assert turned(bent, "L2") - turned(still, "L2") == pytest.approx(3.0)  # forwards
    assert turned(bent, "L5") - turned(still, "L5") == pytest.approx(-2.0)
    assert [d.height_mm for d in bent.discs] == [d.height_mm for d in still.discs]


def test_flexion_leaves_the_t2_of_discs() -> None:
    bent = scan_of(PoseRecipe(flexion_deg=tuple((level, 2.0) for level in LUMBAR), rotation_deg=(2.0, 0.5, -0.5)))
    values = t2_of_two_echoes(bent, middle_of_disc(bent, "L2/L3"))
    assert np.median(values) == pytest.approx(graded_disc("L2/L3", 2).t2_np_ms, rel=0.01)


def test_a_chosen_change_is_in_the_index_disc_and_nowhere_else(scan: Scan) -> None:
    changed = scan_of(discs=discs_of(L4L5=70.0))
    assert np.median(t2_of_two_echoes(changed, middle_of_disc(changed, "L4/L5"))) == pytest.approx(70.0, rel=0.01)
    np.testing.assert_array_equal(changed.truth.discs, scan.truth.discs)
    elsewhere = middle_of_disc(scan, "L3/L4")
    np.testing.assert_allclose(t2_of_two_echoes(changed, elsewhere), t2_of_two_echoes(scan, elsewhere), rtol=1e-4)


def test_a_bulge_reaches_backwards() -> None:
    def back(bulge_mm: float) -> int:
        discs = (replace(graded_disc("L4/L5", 4), bulge_mm=bulge_mm),)
        return int(np.argwhere(scan_of(discs=discs).truth.discs[1] == LEVELS.index("L4/L5") + 1)[:, 1].max())

    assert back(6.0) - back(0.0) == pytest.approx(6.0 / FINE.voxel_mm, abs=1.6)


def test_a_lower_disc_is_lower() -> None:
    def height(height_mm: float) -> float:
        discs = (replace(graded_disc("L3/L4", 2), height_mm=height_mm),)
        inside = scan_of(discs=discs).truth.discs[1] == LEVELS.index("L3/L4") + 1
        return float(inside.sum(axis=0).max() * FINE.voxel_mm)

    assert height(11.0) - height(6.0) == pytest.approx(5.0, abs=1.8)


def test_default_study_changes_the_index_disc_by_the_stated_factor() -> None:
    for person in default_study(3, size="tiny").participants:
        before, after = ({disc.level: disc for disc in visit.discs} for visit in person.visits)
        ratio = {level: after[level].t2_np_ms / before[level].t2_np_ms for level in before}
        assert ratio.pop(person.index_level) == pytest.approx(1.15, rel=2e-3)
        assert set(ratio.values()) == {1.0}
        assert person.visits[0].pose != person.visits[1].pose


def test_recipes_out_of_range_are_refused() -> None:
    with pytest.raises(ArgumentInvalid):
        DiscRecipe(level="L4/L5", t2_np_ms=-1.0)
    with pytest.raises(LabelsLevelUnknown):
        DiscRecipe(level="C4/C5")
    with pytest.raises(ArgumentInvalid):
        graded_disc("L4/L5", 9)
    with pytest.raises(ArgumentInvalid):
        default_study(size="huge")
