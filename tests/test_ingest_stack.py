"""From sound series, whatever their storage and order, to one stack."""

from __future__ import annotations

import random

import numpy as np
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)
from slices import COLUMNS, ECHO_TIMES_MS, ROWS, fake_slice, series, stored_values, write

from t2disc import T2DiscError, load_stack
from t2disc.ingest import take_inventory
from t2disc.model.protocol import IngestSettings


def expected_signal(n_slices: int = 3) -> np.ndarray:
    """(X, Y, Z, E) by plain transposition: X along columns, Y from the last row up."""
    planes = [[stored_values(z, te)[::-1].T for z in range(n_slices)] for te in ECHO_TIMES_MS]
    return np.array(planes, np.float32).transpose(2, 3, 1, 0)


def test_a_series_becomes_one_stack_with_every_value_in_its_place(tmp_path):
    stack = load_stack(write(tmp_path, series()))
    assert stack.signal.dtype == np.float32
    assert stack.shape == (COLUMNS, ROWS, 3)
    np.testing.assert_array_equal(stack.signal, expected_signal())
    np.testing.assert_array_equal(stack.echo_times_ms, ECHO_TIMES_MS)


def test_the_affine_puts_each_corner_where_the_header_puts_it(tmp_path):
    stack = load_stack(write(tmp_path, series()))
    # DICOM: the first pixel of slice 0 lies at LPS (0, -50, 60) = RAS (0, 50, 60); it is x = 0, y = ROWS - 1.
    np.testing.assert_allclose(stack.affine @ [0, ROWS - 1, 0, 1], [0, 50, 60, 1], atol=1e-9)
    # Along a row: 0.5 mm towards posterior a column; down a column: 0.8 mm towards inferior a row.
    np.testing.assert_allclose(stack.affine @ [COLUMNS - 1, 0, 0, 1], [0, 50 - 0.5 * 39, 60 - 0.8 * 47, 1], atol=1e-9)
    # Slices step along the normal, row x column = LPS (-1, 0, 0), towards the patient's right... of LPS: RAS +x.
    np.testing.assert_allclose(stack.affine @ [0, ROWS - 1, 2, 1], [10, 50, 60, 1], atol=1e-9)


def test_the_facts_are_the_allow_list_and_nothing_else(tmp_path):
    facts = load_stack(write(tmp_path, series())).acquisition
    assert (facts.vendor, facts.scanner_model, facts.sequence) == ("Siemens", "Model", "spin-echo")
    assert (facts.field_strength_t, facts.repetition_time_ms, facts.flip_angle_deg) == (3.0, 2000.0, 90.0)
    assert (facts.slice_thickness_mm, facts.slice_gap_mm, facts.voxel_size_mm) == (4.0, 1.0, (0.5, 0.8, 5.0))
    assert (facts.acquisition_date, facts.acquisition_time) == ("2024-01-02", "10:11:12")


@pytest.mark.parametrize("seed", range(4))
def test_names_folders_and_order_of_files_do_not_change_a_bit(tmp_path, seed):
    slices = series()
    reference = load_stack(write(tmp_path / "a", slices))
    random.Random(seed).shuffle(slices)
    shuffled = load_stack(write(tmp_path / "b", slices, lambda n: f"{(7919 * (n + seed)) % 9973:x}"))
    assert shuffled.signal.tobytes() == reference.signal.tobytes()
    np.testing.assert_array_equal(shuffled.affine, reference.affine)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_native_syntaxes_give_the_same_values(tmp_path, syntax):
    stack = load_stack(write(tmp_path, series(TransferSyntaxUID=syntax)))
    np.testing.assert_array_equal(stack.signal, expected_signal())


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_lossless_compression_gives_the_same_values(tmp_path, syntax):
    slices = series()
    for ds in slices:
        ds.compress(syntax, generate_instance_uid=False)
    np.testing.assert_array_equal(load_stack(write(tmp_path, slices)).signal, expected_signal())


def test_signed_and_eight_bit_pixels_are_read_as_they_are(tmp_path):
    signed = [fake_slice(0, te, PixelRepresentation=1) for te in ECHO_TIMES_MS]
    for ds in signed:
        ds.PixelData = np.full((ROWS, COLUMNS), -3, np.int16).tobytes()
    assert (load_stack(write(tmp_path / "signed", signed)).signal == -3).all()
    small = [fake_slice(0, te, BitsAllocated=8, BitsStored=8, HighBit=7) for te in ECHO_TIMES_MS]
    for ds in small:
        ds.PixelData = np.full((ROWS, COLUMNS), 200, np.uint8).tobytes()
    assert (load_stack(write(tmp_path / "eight", small)).signal == 200).all()


def test_files_without_preamble_are_read(tmp_path):
    write(tmp_path, series(TransferSyntaxUID=ImplicitVRLittleEndian))
    for path in list(tmp_path.iterdir()):
        content = path.read_bytes()
        path.write_bytes(content[content.index(b"\x08\x00\x08\x00") :])
    np.testing.assert_array_equal(load_stack(tmp_path).signal, expected_signal())


def test_one_rescale_is_applied(tmp_path):
    stack = load_stack(write(tmp_path, series(RescaleSlope=2, RescaleIntercept=-5)))
    np.testing.assert_array_equal(stack.signal, 2 * expected_signal() - 5)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_bits_above_those_stored_are_dropped(tmp_path, syntax):
    """Old scanners keep overlays there; 12 stored bits of 16."""
    slices = series(TransferSyntaxUID=syntax, BitsStored=12, HighBit=11)
    for ds in slices:
        order = ">u2" if syntax == ExplicitVRBigEndian else "<u2"
        ds.PixelData = (np.frombuffer(ds.PixelData, order) | 0x3000).astype(order).tobytes()
    np.testing.assert_array_equal(load_stack(write(tmp_path, slices)).signal, expected_signal())


def test_the_sign_of_signed_values_is_that_of_the_highest_bit_stored(tmp_path):
    slices = [fake_slice(0, te, BitsStored=12, HighBit=11, PixelRepresentation=1) for te in ECHO_TIMES_MS]
    for ds in slices:
        ds.PixelData = np.full((ROWS, COLUMNS), -3 & 0x0FFF, np.uint16).tobytes()
    assert (load_stack(write(tmp_path, slices)).signal == -3).all()


def test_philips_scale_slope_puts_echoes_on_the_floating_point_scale(tmp_path):
    """FP = (stored * RS + RI) / (RS * SS): stored values are made from a known FP with other slopes at each echo."""
    slices = series(Manufacturer="Philips Medical Systems")
    for ds in slices:
        slope, scale_slope = 0.7 + 0.1 * ds.EchoNumbers, 0.25 * ds.EchoNumbers
        block = ds.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
        block.add_new(0x0E, "FL", scale_slope)
        ds.RescaleSlope, ds.RescaleIntercept = slope, 0
        stored = stored_values(ds.InstanceNumber - 1, float(ds.EchoTime)).astype(float) * scale_slope
        ds.PixelData = np.round(stored).astype(np.uint16).tobytes()
    signal = load_stack(write(tmp_path, slices)).signal
    half_a_step = 0.5 / (0.25 * np.arange(1, 5)) + 1e-3
    assert (np.abs(signal - expected_signal()) <= half_a_step).all()


def test_phase_maps_localisers_and_other_files_are_left_out_and_named(tmp_path):
    slices = series()
    slices += series(ImageType=["ORIGINAL", "PRIMARY", "P", "ND"], SeriesInstanceUID="1.2.9", SeriesNumber=6)
    slices += series(1, [0.0], ImageType=["DERIVED", "PRIMARY", "T2 MAP", "T2"], EchoNumbers=None)  # same series
    slices += series(2, [25.0], ImageType=["DERIVED", "PRIMARY", "M", "MEAN"], EchoNumbers=None)  # same series
    slices += series(3, [8.0], SeriesInstanceUID="1.2.7", SeriesNumber=1)
    slices += [fake_slice(0, 10.0, SOPClassUID="1.2.840.10008.5.1.4.1.1.7")]  # a screenshot
    write(tmp_path, slices)
    (tmp_path / "notes.txt").write_text("nothing")
    stack = load_stack(tmp_path)
    np.testing.assert_array_equal(stack.signal, expected_signal())
    left_out = {(item.what, item.series_number): item.n_images for item in stack.left_out}
    assert left_out == {
        ("phase", 6): 12,
        ("scanner map", 5): 1,
        ("combined echoes", 5): 2,
        ("other series", 1): 3,
        ("other object", None): 1,
        ("not an image", None): 1,
    }


def test_the_same_image_stored_twice_is_harmless_and_said(tmp_path):
    slices = series()
    write(tmp_path / "a", slices)
    write(tmp_path / "copy", slices[:2])
    stack = load_stack(tmp_path)
    np.testing.assert_array_equal(stack.signal, expected_signal())
    assert [(item.what, item.n_images) for item in stack.left_out] == [("duplicate", 2)]


def test_small_jitter_of_slice_positions_is_taken_as_even_and_noted(tmp_path):
    slices = series(4)
    for ds in slices:
        ds.ImagePositionPatient = [-5.0 * ds.InstanceNumber - 0.0005 * (ds.InstanceNumber % 2), -50, 60]
    assert load_stack(write(tmp_path / "ge", slices)).notes == ()
    for ds in slices:
        ds.ImagePositionPatient = [-5.0 * ds.InstanceNumber - 0.09 * (ds.InstanceNumber == 2), -50, 60]
    assert "slice steps" in load_stack(write(tmp_path / "noted", slices)).notes[0]


def test_unequal_echo_times_are_kept_as_they_are(tmp_path):
    slices = series(2, [8.0, 20.0, 45.0, 90.0], EchoNumbers=None)
    np.testing.assert_array_equal(load_stack(write(tmp_path, slices)).echo_times_ms, [8, 20, 45, 90])


def test_a_gap_of_whole_echo_spacings_is_noted_where_the_header_does_not_tell(tmp_path):
    even = load_stack(write(tmp_path / "even", series(1, [10.0, 20.0, 30.0], EchoNumbers=None)))
    gap = load_stack(write(tmp_path / "gap", series(1, [10.0, 20.0, 40.0, 50.0, 60.0], EchoNumbers=None)))
    assert even.notes == ()
    assert gap.notes == ("1 echo times seem to be missing from an even train; fitted as they are",)


def test_a_folder_a_list_of_names_and_one_file_are_taken(tmp_path):
    folder = write(tmp_path, series())
    names = [str(path) for path in folder.iterdir()]
    np.testing.assert_array_equal(load_stack(names).signal, load_stack(str(folder)).signal)
    with pytest.raises(T2DiscError, match="no-multi-echo-series"):
        load_stack(names[0])


def test_a_gradient_echo_beside_the_spin_echo_is_left_out(tmp_path):
    slices = series() + series(2, [4.0, 6.0], ScanningSequence="GR", SeriesInstanceUID="1.2.8", SeriesNumber=2)
    stack = load_stack(write(tmp_path, slices))
    assert stack.echo_times_ms[0] == 10
    assert [(item.why, item.n_images) for item in stack.left_out] == [("gradient-echo sequence", 4)]


@pytest.mark.parametrize(
    "settings",
    [
        IngestSettings(series_number=8),
        IngestSettings(series_description="t2 MAP*"),
        IngestSettings(n_echoes=2),
        IngestSettings(first_echo_time_ms=15.2),
    ],
)
def test_the_protocol_file_chooses_among_several_series(tmp_path, settings):
    slices = series() + series(
        2, [15.0, 90.0], SeriesInstanceUID="1.2.8", SeriesNumber=8, SeriesDescription="T2 map sag", EchoNumbers=None
    )
    assert load_stack(write(tmp_path, slices), settings=settings).echo_times_ms.tolist() == [15.0, 90.0]


def test_the_inventory_tells_the_same_without_reading_a_pixel(tmp_path, monkeypatch):
    slices = series() + series(1, [8.0], SeriesInstanceUID="1.2.7", SeriesNumber=1)
    monkeypatch.setattr("t2disc.ingest.load.read_signal", None)  # would fail if it were called
    inventory = take_inventory(write(tmp_path, slices))
    assert (inventory.echo_times_ms, inventory.shape, inventory.n_images) == (ECHO_TIMES_MS, (COLUMNS, ROWS, 3), 12)
    assert [item.what for item in inventory.left_out] == ["other series"]
