"""BIDS echoes and label maps: seconds become milliseconds at this door, damaged files are refused."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from t2disc import T2DiscError, load_labels, load_stack
from t2disc.ingest import take_inventory
from t2disc.model.protocol import IngestSettings

AFFINE = np.array([[0, 0, 4.0, -8], [-0.5, 0, 0, 20], [0, 0.5, 0, -30], [0, 0, 0, 1]])
SHAPE = (16, 14, 5)


def write_nifti(path: Path, values: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values, affine), path)
    return path


def write_echoes(folder: Path, echo_times_s=(0.01, 0.02, 0.04), first: int = 1, **sidecar: object) -> Path:
    for n, seconds in enumerate(echo_times_s, start=first):
        path = folder / f"sub-1_ses-a_echo-{n}_MESE.nii.gz"
        write_nifti(path, np.full(SHAPE, 1000 * np.exp(-seconds / 0.05), np.float32))
        path.with_name(path.name.replace(".nii.gz", ".json")).write_text(json.dumps({"EchoTime": seconds, **sidecar}))
    return folder


def code_of(folder: Path) -> str:
    with pytest.raises(T2DiscError) as refusal:
        load_stack(folder)
    return refusal.value.code


def test_times_become_milliseconds_and_facts_are_read(tmp_path):
    stack = load_stack(write_echoes(tmp_path, RepetitionTime=2.0, Manufacturer="GE MEDICAL SYSTEMS"))
    np.testing.assert_allclose(stack.echo_times_ms, [10, 20, 40])
    np.testing.assert_allclose(stack.signal[3, 2, 1], 1000 * np.exp(-np.array([10, 20, 40]) / 50), rtol=1e-6)
    np.testing.assert_allclose(stack.affine, AFFINE)
    assert (stack.acquisition.vendor, stack.acquisition.repetition_time_ms) == ("GE", 2000.0)
    assert stack.acquisition.sequence == "spin-echo"


@pytest.mark.parametrize(
    ("echo_time", "code"),
    [
        (None, "echo-time-missing"),
        ("0.01", "echo-time-not-a-number"),
        (0, "echo-time-not-positive"),
        (-0.01, "echo-time-not-positive"),
        (0.02, "echo-time-repeated"),
        (10, "sidecar-invalid"),
    ],
    ids=["missing", "text", "zero", "negative", "repeated", "milliseconds"],
)
def test_an_echo_time_that_is_none_is_refused_and_no_unit_is_guessed(tmp_path, echo_time, code):
    write_echoes(tmp_path)
    (tmp_path / "sub-1_ses-a_echo-3_MESE.json").write_text(json.dumps({"EchoTime": echo_time}))
    assert code_of(tmp_path) == code


def test_echoes_that_are_lost_or_named_against_their_times_are_refused(tmp_path):
    for lost in (1, 2):
        folder = write_echoes(tmp_path / f"lost{lost}")
        for path in folder.glob(f"*echo-{lost}_*"):
            path.unlink()
        assert code_of(folder) == "echo-missing"
    assert code_of(write_echoes(tmp_path / "swapped", (0.01, 0.04, 0.02))) == "echo-numbers-contradict"
    assert load_stack(write_echoes(tmp_path / "from0", first=0)).n_echoes == 3


def test_sidecars_grids_and_acquisitions_must_fit_together(tmp_path):
    folder = write_echoes(tmp_path / "a")
    (folder / "sub-1_ses-a_echo-1_MESE.json").unlink()
    assert code_of(folder) == "sidecar-invalid"
    folder = write_echoes(tmp_path / "b")
    write_nifti(folder / "sub-1_ses-a_echo-2_MESE.nii.gz", np.ones((16, 14, 4), np.float32))
    assert code_of(folder) == "grid-mismatch"
    folder = write_echoes(tmp_path / "c")
    for path in list(folder.glob("*echo-1*")):
        path.rename(folder / path.name.replace("_echo", "_run-2_echo"))
    assert code_of(folder) == "several-multi-echo-series"
    assert code_of(write_echoes(tmp_path / "d", [0.01])) == "no-multi-echo-series"


def test_every_flipped_bit_in_a_gzip_stream_is_refused_or_harmless(tmp_path):
    """Promise 11: nibabel alone loads nearly all of these silently."""
    folder = write_echoes(tmp_path)
    victim = folder / "sub-1_ses-a_echo-2_MESE.nii.gz"
    noisy = np.random.default_rng(0).normal(100, 10, SHAPE).astype(np.float32)
    write_nifti(victim, noisy)
    content = victim.read_bytes()
    whole = load_stack(folder).signal.tobytes()
    n_refused = 0
    for at in np.random.default_rng(1).integers(0, 8 * len(content), 200):
        flipped = bytearray(content)
        flipped[at // 8] ^= 1 << (at % 8)
        victim.write_bytes(flipped)
        try:
            assert load_stack(folder).signal.tobytes() == whole  # the gzip header's time stamp and name carry no data
        except T2DiscError as error:
            assert error.code in {"nifti-unreadable", "geometry-missing", "grid-mismatch"}
            n_refused += 1
    assert n_refused >= 190


def test_looking_at_a_visit_finds_a_damaged_volume_too(tmp_path):
    """As the quickstart says: of BIDS, looking reads volumes whole."""
    victim = write_echoes(tmp_path) / "sub-1_ses-a_echo-3_MESE.nii.gz"
    victim.write_bytes(victim.read_bytes()[:-9])
    with pytest.raises(T2DiscError, match="nifti-unreadable"):
        take_inventory(tmp_path)
    quickstart = (Path(__file__).parents[1] / "docs" / "quickstart.md").read_text(encoding="utf-8")
    assert "BIDS volumes are read whole" in quickstart


def test_a_gzip_bomb_is_refused(tmp_path):
    folder = write_echoes(tmp_path)
    victim = folder / "sub-1_ses-a_echo-2_MESE.nii.gz"
    body = gzip.decompress(victim.read_bytes())
    victim.write_bytes(gzip.compress(body + bytes(1 << 27), 9))
    assert code_of(folder) == "nifti-unreadable"


def test_the_protocol_chooses_among_acquisitions_and_a_gradient_echo_is_refused(tmp_path):
    folder = write_echoes(tmp_path / "two")
    for path in list(write_echoes(tmp_path / "more", [0.012, 0.024]).iterdir()):
        path.rename(folder / path.name.replace("_echo", "_run-2_echo"))
    assert code_of(folder) == "several-multi-echo-series"
    assert load_stack(folder, settings=IngestSettings(n_echoes=2)).echo_times_ms.tolist() == [12, 24]
    with pytest.raises(T2DiscError, match="series-not-found"):
        load_stack(folder, settings=IngestSettings(n_echoes=9))
    gradient = write_echoes(tmp_path / "gradient", ScanningSequence="GR")
    assert code_of(gradient) == "gradient-echo"
    assert load_stack(gradient, require_spin_echo=False).n_echoes == 3


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"EchoTime": 1' + 400 * "0" + "}", "echo-time-not-a-number"),
        ('{"EchoTime": 1e-320}', "echo-time-not-positive"),
        ("[" * 100_000, "sidecar-invalid"),
        ("[1, 2]", "sidecar-invalid"),
        ('{"EchoTime": true}', "echo-time-not-a-number"),
    ],
    ids=["huge", "tiny", "deep", "list", "boolean"],
)
def test_hostile_sidecars_are_refused(tmp_path, text, code):
    write_echoes(tmp_path)
    (tmp_path / "sub-1_ses-a_echo-3_MESE.json").write_text(text)
    assert code_of(tmp_path) == code


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs on this system")
def test_a_fifo_in_place_of_a_sidecar_or_a_table_does_not_block(tmp_path):
    sidecar = write_echoes(tmp_path) / "sub-1_ses-a_echo-3_MESE.json"
    sidecar.unlink()
    os.mkfifo(sidecar)
    assert code_of(tmp_path) == "sidecar-invalid"
    table = write_labels(tmp_path).with_name("x_dseg.tsv")
    table.unlink()
    os.mkfifo(table)
    with pytest.raises(T2DiscError, match="labels-unnamed"):
        load_labels(tmp_path / "x_dseg.nii.gz")


def test_complex_volumes_and_label_values_beyond_32_bits_are_refused(tmp_path):
    folder = write_echoes(tmp_path)
    write_nifti(folder / "sub-1_ses-a_echo-2_MESE.nii.gz", np.ones(SHAPE, np.complex64))
    assert code_of(folder) == "nifti-unreadable"
    path = write_labels(tmp_path)
    write_nifti(path, np.full(SHAPE, 2.0**33, np.float64))
    with pytest.raises(T2DiscError, match="labels-unreadable"):
        load_labels(path)


def test_date_and_time_are_read_from_sidecars_and_placeholders_are_none(tmp_path):
    moment = load_stack(write_echoes(tmp_path / "a", AcquisitionDateTime="2024-01-02T10:11:12.5")).acquisition
    apart = load_stack(write_echoes(tmp_path / "b", AcquisitionDate="20240102", AcquisitionTime="10:11:12")).acquisition
    for facts in (moment, apart):
        assert (facts.acquisition_date, facts.acquisition_time) == ("2024-01-02", "10:11:12")
    none = load_stack(write_echoes(tmp_path / "c", AcquisitionDateTime="1900-01-01T10:11:12")).acquisition
    assert (none.acquisition_date, none.acquisition_time) == (None, None)


def test_facts_of_a_sidecar_that_are_null_or_under_the_derivatives_name_are_understood(tmp_path):
    facts = load_stack(write_echoes(tmp_path, SoftwareVersions=None, RepetitionTimeExcitation=1.5)).acquisition
    assert (facts.software, facts.repetition_time_ms) == (None, 1500.0)


# ------------------------------------------------------------------------------------------------ inheritance
def bids_visit(root: Path) -> Path:
    """A dataset of one visit whose echoes' own sidecars hold the echo time alone."""
    (root / "dataset_description.json").parent.mkdir(parents=True, exist_ok=True)
    (root / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.9.0"}')
    write_echoes(root / "sub-1" / "ses-a" / "anat")
    return root / "sub-1" / "ses-a"


def test_what_the_folders_above_say_is_inherited_and_the_nearest_wins(tmp_path):
    visit = bids_visit(tmp_path / "study")
    facts = {"Manufacturer": "SIEMENS", "RepetitionTime": 2.0, "MagneticFieldStrength": 3, "EchoTime": 9.9}
    for path, told in (
        (tmp_path / "MESE.json", {"SliceThickness": 9}),  # above the dataset
        (tmp_path / "study" / "MESE.json", facts),
        (tmp_path / "study" / "acq-other_MESE.json", {"FlipAngle": 9}),
        (tmp_path / "study" / "T1w.json", {"FlipAngle": 9}),
        (tmp_path / "study" / "sub-1" / "sub-1_MESE.json", {"RepetitionTime": 1.5, "Manufacturer": "GE"}),
        (visit / "sub-1_ses-a_MESE.json", {"Manufacturer": "Philips"}),
        (visit / "anat" / "sub-2_MESE.json", {"FlipAngle": 9}),
    ):
        path.write_text(json.dumps(told))
    stack = load_stack(visit)
    facts = stack.acquisition
    assert (facts.vendor, facts.repetition_time_ms, facts.field_strength_t) == ("Philips", 1500.0, 3.0)
    assert (facts.flip_angle_deg, facts.slice_thickness_mm) == (None, None)
    assert stack.echo_times_ms.tolist() == [10, 20, 40]


def test_echoes_may_have_all_they_say_from_above(tmp_path):
    visit = bids_visit(tmp_path)
    for path in (visit / "anat").glob("*.json"):
        path.rename(tmp_path / path.name.removeprefix("sub-1_ses-a_"))
    assert load_stack(visit).echo_times_ms.tolist() == [10, 20, 40]
    (tmp_path / "echo-2_MESE.json").unlink()
    assert code_of(visit) == "sidecar-invalid"


def test_a_gradient_echo_that_only_the_root_tells_of_is_refused(tmp_path):
    visit = bids_visit(tmp_path)
    (tmp_path / "MESE.json").write_text('{"ScanningSequence": "GR"}')
    assert code_of(visit) == "gradient-echo"


@pytest.mark.parametrize("content", [b"[1]", b"{", b'{"x": "' + b"y" * 2**20 + b'"}'], ids=["list", "cut", "huge"])
def test_a_damaged_or_huge_sidecar_above_is_refused(tmp_path, content):
    visit = bids_visit(tmp_path)
    (tmp_path / "MESE.json").write_bytes(content)
    assert code_of(visit) == "sidecar-invalid"


def test_sidecars_of_one_folder_that_contradict_each_other_are_refused(tmp_path):
    visit = bids_visit(tmp_path)
    (tmp_path / "sub-1_MESE.json").write_text('{"RepetitionTime": 1.5, "FlipAngle": 90}')
    (tmp_path / "ses-a_MESE.json").write_text('{"RepetitionTime": 1.5}')
    assert load_stack(visit).acquisition.repetition_time_ms == 1500.0
    (tmp_path / "ses-a_MESE.json").write_text('{"RepetitionTime": 2.5}')
    assert code_of(visit) == "sidecar-invalid"


def test_echoes_given_one_by_one_have_the_sidecars_beside_them(tmp_path):
    echoes = sorted(write_echoes(tmp_path).glob("*.nii.gz"))
    assert load_stack(echoes).echo_times_ms.tolist() == [10, 20, 40]


def rewrite_header(folder: Path, change) -> Path:
    for path in folder.glob("*.nii.gz"):
        image = nib.load(path)
        changed = nib.Nifti1Image(np.asarray(image.dataobj), *change(image.affine, image.header))
        nib.save(changed, path)
    return folder


@pytest.mark.parametrize(("unit", "per_mm"), [("meter", 1e-3), ("micron", 1e3), ("mm", 1.0), ("unknown", 1.0)])
def test_the_unit_of_length_is_that_of_the_header(tmp_path, unit, per_mm):
    """The same volume, its affine in metres or microns, lies where it did: nothing is guessed from a magnitude."""

    def in_unit(affine, header):
        header.set_xyzt_units(unit, "sec")
        return np.diag([per_mm, per_mm, per_mm, 1]) @ affine, header

    stack = load_stack(rewrite_header(write_echoes(tmp_path), in_unit))
    np.testing.assert_allclose(stack.affine, AFFINE, rtol=1e-5)
    assert stack.acquisition.voxel_size_mm == (0.5, 0.5, 4.0)


def test_a_unit_of_length_that_nifti_does_not_know_is_refused_by_its_code(tmp_path):
    folder = write_echoes(tmp_path)
    for path in folder.glob("*.nii.gz"):
        content = bytearray(gzip.decompress(path.read_bytes()))
        content[123] = 5  # xyzt_units
        path.write_bytes(gzip.compress(content))
    with pytest.raises(T2DiscError, match=r"nifti-unreadable.*code 5"):
        load_stack(folder)


def sheared(axis: int, towards: int, share: float) -> np.ndarray:
    affine = AFFINE.copy()
    step = affine[:3, towards] / np.linalg.norm(affine[:3, towards])
    affine[:3, axis] += share * np.linalg.norm(affine[:3, axis]) * step
    return affine


@pytest.mark.parametrize("axes", [(2, 0), (2, 1), (1, 0)], ids=["slices-along-x", "slices-along-y", "in-plane"])
def test_a_volume_that_leans_is_refused_as_the_same_dicom_is(tmp_path, axes):
    for share, is_refused in ((0.1, True), (0.004, False)):
        folder = rewrite_header(
            write_echoes(tmp_path / str(share)), lambda _, __, share=share: (sheared(*axes, share), None)
        )
        if is_refused:
            assert code_of(folder) == "slices-sheared"
        else:
            assert load_stack(folder).shape == SHAPE


def write_labels(folder: Path, rows: str = "index\tname\n1\tL4/L5\n2\tL5/S1\n") -> Path:
    values = np.zeros(SHAPE, np.uint8)
    values[4:8, 4:6], values[4:8, 8:10] = 2, 1
    path = write_nifti(folder / "x_dseg.nii.gz", values)
    path.with_name("x_dseg.tsv").write_text(rows)
    return path


def test_labels_are_read_with_their_names(tmp_path):
    labels = load_labels(write_labels(tmp_path))
    assert labels.names == ((1, "L4/L5"), (2, "L5/S1"))
    assert labels.values.dtype == np.int32
    assert np.bincount(labels.values.ravel()).tolist() == [SHAPE[0] * SHAPE[1] * SHAPE[2] - 80, 40, 40]


def test_labels_without_a_usable_table_or_of_fractions_are_refused(tmp_path):
    for rows in ("value\tname\n1\tL4/L5\n", "index\tname\none\tL4/L5\n", "index\tname\n1\n"):
        with pytest.raises(T2DiscError) as refusal:
            load_labels(write_labels(tmp_path, rows))
        assert refusal.value.code == "labels-unnamed"
    path = write_labels(tmp_path)
    write_nifti(path, np.full(SHAPE, 0.5, np.float32))
    with pytest.raises(T2DiscError) as refusal:
        load_labels(path)
    assert refusal.value.code == "labels-unreadable"
