"""Whole simulated studies: layout, truth files, and the same bytes for the same seed."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from io import BytesIO
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest

from t2disc.simulate import SimulatedFile, default_study, simulate_scan, simulate_study

RECIPE = default_study(1, ("philips",), seed=11, size="tiny")


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return {str(file.path): file.content for file in simulate_study(RECIPE)}


def nifti(content: bytes) -> Any:
    return nib.Nifti1Image.from_bytes(gzip.decompress(content))


def test_the_same_seed_gives_the_same_bytes(files: dict[str, bytes]) -> None:
    assert {str(file.path): file.content for file in simulate_study(RECIPE)} == files


def test_another_seed_gives_another_study(files: dict[str, bytes]) -> None:
    other = next(
        file
        for file in simulate_study(default_study(1, ("philips",), seed=12, size="tiny"))
        if file.path.parts[0] == "P001"
    )
    assert isinstance(other, SimulatedFile)
    assert str(other.path) not in files


def test_file_names_have_no_extension_and_say_nothing(files: dict[str, bytes]) -> None:
    names = [path for path in files if path.startswith("P001/")]
    assert len(names) > 50
    for name in names:
        participant, visit, folder, file = name.split("/")
        assert (participant, visit in ("baseline", "month12")) == ("P001", True)
        assert set(folder + file) <= set("0123456789ABCDEF")


def test_names_do_not_follow_the_order_of_images(files: dict[str, bytes]) -> None:
    names = sorted(path for path in files if path.startswith("P001/baseline/"))
    numbers = [pydicom.dcmread(BytesIO(files[name]), stop_before_pixels=True).InstanceNumber for name in names]
    assert numbers != sorted(numbers)
    assert len({name.split("/")[2] for name in names}) == 2


def test_visits_are_a_year_apart_and_have_different_identifiers(files: dict[str, bytes]) -> None:
    def studies(visit: str) -> set[tuple[str, str]]:
        read = (pydicom.dcmread(BytesIO(c), stop_before_pixels=True) for p, c in files.items() if f"P001/{visit}/" in p)
        return {(ds.StudyDate, ds.StudyInstanceUID) for ds in read}

    (before,), (after,) = studies("baseline"), studies("month12")
    assert (before[0], after[0]) == ("20240302", "20250302")
    assert before[1] != after[1]


def test_participants_table_names_the_index_level(files: dict[str, bytes]) -> None:
    assert files["participants.tsv"].decode() == "participant_id\tindex_level\nsub-P001\tL4/L5\n"


@pytest.mark.parametrize("folder", ["labels", "truth"])
def test_label_map_and_its_table_name_the_five_lumbar_discs(files: dict[str, bytes], folder: str) -> None:
    stem = f"{folder}/sub-P001/ses-baseline/anat/sub-P001_ses-baseline_desc-discs_dseg"
    image = nifti(files[f"{stem}.nii.gz"])
    rows = [line.split("\t") for line in files[f"{stem}.tsv"].decode().splitlines()]
    assert rows == [["index", "name"], ["1", "L1/L2"], ["2", "L2/L3"], ["3", "L3/L4"], ["4", "L4/L5"], ["5", "L5/S1"]]
    values = np.asarray(image.dataobj)
    assert set(np.unique(values)) == set(range(6))
    heights = [nib.affines.apply_affine(image.affine, np.argwhere(values == n)).mean(axis=0)[2] for n in range(1, 6)]
    assert heights == sorted(heights, reverse=True)


def test_true_t2_map_is_in_seconds_on_the_grid_of_the_scan(files: dict[str, bytes]) -> None:
    home = "truth/sub-P001/ses-baseline/anat/sub-P001_ses-baseline"
    image, regions = nifti(files[f"{home}_T2map.nii.gz"]), nifti(files[f"{home}_desc-regions_dseg.nii.gz"])
    discs = np.asarray(nifti(files[f"{home}_desc-discs_dseg.nii.gz"]).dataobj)
    visit = RECIPE.participants[0].visits[0]
    scan = simulate_scan(RECIPE.participants[0], visit)
    np.testing.assert_allclose(image.affine, scan.grid.affine, atol=1e-4)
    assert image.shape == (96, 96, 5)
    for value, level in enumerate(("L1/L2", "L2/L3", "L3/L4", "L4/L5", "L5/S1"), start=1):
        nucleus = (discs == value) & (np.asarray(regions.dataobj) == 1)
        expected = next(disc.t2_np_ms for disc in visit.discs if disc.level == level)
        assert np.median(np.asarray(image.dataobj)[nucleus]) == pytest.approx(expected / 1000, rel=1e-5)


def test_truth_json_tells_discs_pose_and_index_level(files: dict[str, bytes]) -> None:
    truth = json.loads(files["truth/sub-P001/ses-month12/truth.json"])
    visit = RECIPE.participants[0].visits[1]
    assert truth["index_level"] == "L4/L5"
    assert truth["pose"]["shift_mm"] == list(visit.pose.shift_mm)
    assert truth["pose"]["flexion_deg"] == dict(visit.pose.flexion_deg)
    assert set(truth["discs"]) == {"L1/L2", "L2/L3", "L3/L4", "L4/L5", "L5/S1"}
    assert all(disc["n_voxels"] > 50 for disc in truth["discs"].values())


def test_epg_study_differs_from_mono_only_in_its_signal() -> None:
    mono, epg = (default_study(1, seed=11, size="tiny", model=m, snr=1e6).participants[0] for m in ("mono", "epg"))
    poor_b1 = replace(epg.visits[0], acquisition=replace(epg.visits[0].acquisition, b1_mean=0.8))
    first, second = simulate_scan(mono, mono.visits[0]), simulate_scan(epg, poor_b1)
    np.testing.assert_array_equal(first.truth.discs, second.truth.discs)
    nucleus = first.truth.regions == 1
    ratio = [np.median(scan.magnitude[1][nucleus] / scan.magnitude[0][nucleus]) for scan in (first, second)]
    assert ratio[1] > 1.02 * ratio[0]  # stimulated echoes lift the second echo
