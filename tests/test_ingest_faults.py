"""Each fault of a delivery has its own code, or the documented right answer; never a guess, a hang or a crash."""

from __future__ import annotations

import os
import re
import struct
import tracemalloc
import zlib
from pathlib import Path

import jpeg_ls
import numpy as np
import pytest
from openjpeg.utils import encode_array
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.tag import Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, JPEGBaseline8Bit
from slices import fake_slice, series, stored_values, where, write

from t2disc import T2DiscError, load_stack
from t2disc.ingest import read_identity, take_inventory
from t2disc.model.protocol import IngestSettings

CORONAL = [1.0, 0.0, 0.0, 0.0, 0.0, -1.0]


def raw_echo_time(ds, value: bytes):
    """Put bytes into EchoTime that pydicom itself would refuse to write."""
    ds._dict[Tag(0x0018, 0x0081)] = RawDataElement(Tag(0x0018, 0x0081), "DS", len(value), value, 0, False, True)
    return ds


def slice_missing():
    return series()[:-1]


def slice_missing_at_every_echo():
    return [ds for ds in series(5) if ds.InstanceNumber != 3]


def slice_doubled():
    return [*series(), fake_slice(1, 20.0)]


def echo_missing():
    return [ds for ds in series() if ds.EchoNumbers != 3]


def echo_missing_in_most_slices():
    return [ds for ds in series(4) if ds.EchoNumbers != 3 or ds.InstanceNumber == 1]


def echo_doubled():
    return [*series(), *series(3, [20.0])]


def echo_time_missing():
    return [*series()[:-1], fake_slice(2, 40.0, EchoTime=None)]


def echo_time_missing_everywhere():
    return series(EchoTime=None)


def echo_time_empty():
    return [*series()[:-1], fake_slice(2, 40.0, EchoTime="")]


def echo_time_repeated():
    return [*series(3, [10.0, 20.0, 40.0]), *series(3, [20.0], EchoNumbers=3)]


def echo_time_text():
    return [*series()[1:], raw_echo_time(fake_slice(0, 10.0), b"1O.O")]


def echo_time_two_values():
    return [*series()[1:], raw_echo_time(fake_slice(0, 10.0), b"10\\20")]


def echo_time_negative():
    return [*series(3, [20.0, 30.0]), *series(3, [-10.0])]


def echo_time_zero():
    return [*series(3, [20.0, 30.0]), *series(3, [0.0])]


def echo_times_all_equal():
    slices = series()
    for ds in slices:
        ds.EchoTime, ds.EchoNumbers = 10, 1
    return slices


def rescale_unequal():
    slices = series(RescaleSlope=1, RescaleIntercept=0)
    for ds in where(slices, EchoNumbers=2):
        ds.RescaleSlope = 2
    return slices


def rescale_in_some_images():
    return [fake_slice(0, 10.0, RescaleSlope=2, RescaleIntercept=0), *series()[1:]]


def rescale_zero():
    return series(RescaleSlope=0, RescaleIntercept=0)


def spacing_uneven():
    slices = series(4)
    for ds in where(slices, InstanceNumber=3):
        ds.ImagePositionPatient = [-11.5, -50, 60]
    return slices


def slices_leaning():
    slices = series(4)
    for ds in slices:
        ds.ImagePositionPatient = [-5.0 * ds.InstanceNumber, -50 + 2.0 * ds.InstanceNumber, 60]
    return slices


def echoes_displaced():
    slices = series()
    for ds in where(slices, EchoNumbers=2):
        ds.ImagePositionPatient = [ds.ImagePositionPatient[0], -47.0, 60]
    return slices


def one_slice_turned():
    slices = series()
    slices[4].ImageOrientationPatient = CORONAL
    return slices


def two_orientations_with_two_echo_times():
    return series(2, [90.0]) + series(2, [120.0], ImageOrientationPatient=CORONAL)


def two_whole_orientations():
    return series() + series(ImageOrientationPatient=CORONAL)


def position_missing():
    return [*series()[1:], fake_slice(0, 10.0, ImagePositionPatient=None)]


def orientation_impossible():
    return series(ImageOrientationPatient=[0, 2, 0, 0, 0, -1])


def matrix_differs():
    other = fake_slice(0, 10.0, Rows=24)
    other.PixelData = other.PixelData[: len(other.PixelData) // 2]
    return [*series()[1:], other]


def two_patients():
    return series() + series(2, [50.0], PatientID="ID-2", SeriesInstanceUID="1.2.8")


def two_visits():
    return series() + series(SeriesInstanceUID="1.2.8", StudyDate="20250102", AcquisitionDate="20250102")


def two_series():
    return series() + series(SeriesInstanceUID="1.2.8", SeriesNumber=6)


def gradient_echo():
    return series(ScanningSequence="GR")


def sequence_unsaid():
    return series(ScanningSequence=None)


def one_echo():
    return series(3, [10.0])


def phase_only():
    return series(ImageType=["ORIGINAL", "PRIMARY", "P", "ND"])


def lossy_pixels():
    return series(LossyImageCompression="01")


def lossy_syntax():
    slices = series()
    for ds in slices:
        ds.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
        ds.PixelData = encapsulate([ds.PixelData])
    return slices


def colour_pixels():
    return series(PhotometricInterpretation="RGB")


def pixels_cut_in_the_header():
    slices = series()
    slices[3].PixelData = slices[3].PixelData[:100]
    return slices


def same_uid_other_pixels():
    slices = series()
    other = fake_slice(0, 10.0, SOPInstanceUID=slices[0].SOPInstanceUID)
    other.PixelData = stored_values(1, 10.0).tobytes()
    return [*slices, other]


def copy_of_an_image_in_another_series():
    slices = series()
    return [fake_slice(0, 10.0, SOPInstanceUID=slices[0].SOPInstanceUID, SeriesInstanceUID="1.2.8"), *slices]


def odd_bits():
    return series(BitsStored=12, HighBit=15)


def one_image_of_fewer_bits():
    return [fake_slice(0, 10.0, BitsStored=8, HighBit=7), *series()[1:]]


def rows_fewer_than_the_pixels():
    return series(Rows=20)


def eight_bits_stated_for_sixteen():
    return series(BitsAllocated=8, BitsStored=8, HighBit=7)


def several_frames_in_a_classic_image():
    return [fake_slice(0, 10.0, NumberOfFrames=3), *series()[1:]]


def every_second_slice_lost():
    return [ds for ds in series(6) if ds.InstanceNumber % 2]


def single_slice_of_unknown_thickness():
    return series(1, SliceThickness=None, SpacingBetweenSlices=None)


def echo_numbers_against_the_times():
    slices = series()
    for ds in slices:
        ds.EchoNumbers = 5 - ds.EchoNumbers
    return slices


def echo_times_swapped_in_one_slice():
    slices = series()
    slices[0].EchoTime, slices[3].EchoTime = slices[3].EchoTime, slices[0].EchoTime
    return slices


def echo_time_with_an_underscore():
    return [*series()[1:], raw_echo_time(fake_slice(0, 10.0), b"1_0 ")]


def matrix_of_65535():
    return series(Rows=65535, Columns=65535)


CODES = {
    slice_missing: "slice-missing",
    slice_missing_at_every_echo: "slice-missing",
    slice_doubled: "slice-doubled",
    echo_missing: "echo-missing",
    echo_missing_in_most_slices: "echo-missing",
    echo_doubled: "echo-doubled",
    echo_time_missing: "echo-time-missing",
    echo_time_missing_everywhere: "echo-time-missing",
    echo_time_empty: "echo-time-missing",
    echo_time_repeated: "echo-time-repeated",
    echo_time_text: "echo-time-not-a-number",
    echo_time_two_values: "echo-time-not-a-number",
    echo_time_negative: "echo-time-not-positive",
    echo_time_zero: "echo-time-not-positive",
    echo_times_all_equal: "echo-times-all-equal",
    rescale_unequal: "rescale-unequal",
    rescale_in_some_images: "rescale-unequal",
    rescale_zero: "rescale-unequal",
    spacing_uneven: "slice-spacing-uneven",
    slices_leaning: "slices-sheared",
    echoes_displaced: "grid-mismatch",
    one_slice_turned: "two-orientations",
    two_orientations_with_two_echo_times: "two-orientations",
    two_whole_orientations: "two-orientations",
    position_missing: "geometry-missing",
    orientation_impossible: "geometry-missing",
    matrix_differs: "grid-mismatch",
    two_patients: "two-patients",
    two_visits: "two-visits",
    two_series: "several-multi-echo-series",
    gradient_echo: "gradient-echo",
    sequence_unsaid: "sequence-unknown",
    one_echo: "no-multi-echo-series",
    phase_only: "no-multi-echo-series",
    lossy_pixels: "pixels-lossy",
    lossy_syntax: "pixels-lossy",
    colour_pixels: "pixels-unsupported",
    pixels_cut_in_the_header: "pixels-truncated",
    same_uid_other_pixels: "duplicate-conflict",
    copy_of_an_image_in_another_series: "duplicate-conflict",
    odd_bits: "pixels-unsupported",
    one_image_of_fewer_bits: "pixels-unsupported",
    rows_fewer_than_the_pixels: "pixels-truncated",
    eight_bits_stated_for_sixteen: "pixels-truncated",
    several_frames_in_a_classic_image: "dicom-unreadable",
    every_second_slice_lost: "slice-missing",
    single_slice_of_unknown_thickness: "geometry-missing",
    echo_numbers_against_the_times: "echo-numbers-contradict",
    echo_times_swapped_in_one_slice: "echo-numbers-contradict",
    echo_time_with_an_underscore: "echo-time-not-a-number",
    matrix_of_65535: "image-too-large",
}


def refusal(source, **options) -> T2DiscError:
    with pytest.raises(T2DiscError) as caught:
        load_stack(source, **options)
    return caught.value


@pytest.mark.parametrize("fault", CODES, ids=lambda fault: fault.__name__)
def test_each_fault_is_refused_with_its_own_code_and_says_what_to_do(tmp_path, fault):
    error = refusal(write(tmp_path, fault()))
    assert error.code == CODES[fault]
    assert error.found
    assert error.expected
    assert error.todo
    assert not re.search(r"ID-1|Name|im0", str(error)), "no header text or file name in an error"


def test_a_sound_series_is_not_refused(tmp_path):
    assert load_stack(write(tmp_path, series())).n_echoes == 4  # the factory itself is no fault


def test_the_protocol_file_may_name_a_series_that_is_not_there(tmp_path):
    error = refusal(write(tmp_path, series()), settings=IngestSettings(series_number=99))
    assert error.code == "series-not-found"
    assert "series 5: 4 echoes (10-40 ms), 3 slices of 40 x 48" in error.found


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "no-images"), (b"just text", "no-images"), (b"\x89PNG\r\n" + b"x" * 5000, "no-images")],
    ids=["empty", "text", "other"],
)
def test_a_folder_without_dicom_is_refused(tmp_path, content, code):
    (tmp_path / "file").write_bytes(content)
    assert refusal(tmp_path).code == code


def test_an_empty_folder_and_an_absent_one_are_refused(tmp_path):
    assert refusal(tmp_path).code == "no-images"
    assert refusal(tmp_path / "absent").code == "study-not-found"


def test_a_file_cut_anywhere_gives_a_coded_refusal_or_the_whole_result(tmp_path):
    """Promise 9: 100 cuts of one file of the series; nothing silently wrong."""
    write(tmp_path, series(2))
    whole = load_stack(tmp_path).signal.tobytes()
    victim = tmp_path / "im0003"
    content = victim.read_bytes()
    cuts = np.unique(np.linspace(0, len(content) - 1, 100).astype(int))
    codes = set()
    for cut in cuts:
        victim.write_bytes(content[:cut])
        try:
            assert load_stack(tmp_path).signal.tobytes() == whole
        except T2DiscError as error:
            codes.add(error.code)
    assert codes <= {"slice-missing", "dicom-unreadable", "pixels-truncated"}
    assert {"slice-missing", "dicom-unreadable", "pixels-truncated"} <= codes


def test_a_damaged_file_of_another_series_is_left_out_and_named(tmp_path):
    write(tmp_path, series())
    other = fake_slice(0, 8.0, SeriesInstanceUID="1.2.7", SeriesNumber=1)
    write(tmp_path / "other", [other])
    path = tmp_path / "other" / "im0000"
    path.write_bytes(path.read_bytes()[:-1000])  # in the pixels: the series is told, and it is another
    assert load_stack(tmp_path).n_echoes == 4
    path.write_bytes(path.read_bytes()[: path.read_bytes().index(b"\xe0\x7f\x10\x00OW")])  # before them
    stack = load_stack(tmp_path)
    assert ("unreadable", 1) in {(item.what, item.n_images) for item in stack.left_out}


def test_mutated_files_never_crash_hang_or_raise_uncoded(tmp_path):
    """Promise 10 in small: random bytes overwritten anywhere in one file."""
    write(tmp_path, series(1))
    victim = tmp_path / "im0002"
    content = bytearray(victim.read_bytes())
    rng = np.random.default_rng(1)
    for _ in range(300):
        mutant = content.copy()
        for at in rng.integers(0, len(content) - stored_values(0, 10).nbytes, rng.integers(1, 9)):
            mutant[at] = rng.integers(256)
        victim.write_bytes(mutant)
        try:
            load_stack(tmp_path)
        except T2DiscError as error:
            assert error.code  # anything else fails the test


def test_links_in_circles_fifos_and_broken_links_do_not_stop_the_reading(tmp_path):
    write(tmp_path / "visit" / "a", series())
    (tmp_path / "visit" / "a" / "loop").symlink_to(tmp_path / "visit", target_is_directory=True)
    (tmp_path / "visit" / "self").symlink_to(tmp_path / "visit" / "self")
    (tmp_path / "visit" / "gone").symlink_to(tmp_path / "nowhere")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "visit" / "fifo")
    (tmp_path / "visit" / "DICOMDIR").write_bytes(b"../../../../etc/passwd")
    assert load_stack(tmp_path / "visit").n_echoes == 4


def test_a_deflate_bomb_is_refused_without_inflating_it(tmp_path):
    """A deflated slice whose body goes on for 128 MiB of zeros after its pixels."""
    write(tmp_path, series(TransferSyntaxUID=DeflatedExplicitVRLittleEndian))
    victim = tmp_path / "im0000"
    content = victim.read_bytes()
    start = 144 + struct.unpack_from("<L", content, 140)[0]  # after the file meta information group
    body = zlib.decompress(content[start:], -15)
    packer = zlib.compressobj(9, wbits=-15)
    bomb = packer.compress(body) + b"".join(packer.compress(bytes(1 << 24)) for _ in range(8)) + packer.flush()
    victim.write_bytes(content[:start] + bomb)
    tracemalloc.start()
    error = refusal(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert error.code == "deflate-bomb"
    assert peak < 100 << 20  # the header alone may take 64 MiB


def test_an_element_that_claims_four_gigabytes_is_refused_without_allocating_them(tmp_path):
    write(tmp_path, series())
    victim = tmp_path / "im0000"
    content = bytearray(victim.read_bytes())
    at = content.index(b"\xe0\x7f\x10\x00OW")
    content[at + 8 : at + 12] = struct.pack("<L", 0xFFFFFFFE)
    victim.write_bytes(content[: at + 12 + 1000])
    tracemalloc.start()
    error = refusal(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert error.code == "pixels-truncated"
    assert peak < 50 << 20


def test_damaged_compressed_pixels_are_refused(tmp_path):
    slices = series(2)
    for ds in slices:
        ds.compress("1.2.840.10008.1.2.4.80", generate_instance_uid=False)
    write(tmp_path, slices)
    victim = tmp_path / "im0001"
    content = victim.read_bytes()
    at = content.index(b"\xff\xd8\xff")  # start of the JPEG-LS stream
    victim.write_bytes(content[: at + 4] + bytes(300) + content[at + 304 :])
    assert refusal(tmp_path).code == "pixels-undecodable"


@pytest.mark.parametrize(
    ("syntax", "mark", "at"),
    [("1.2.840.10008.1.2.4.90", b"\xff\x4f\xff\x51", 8), ("1.2.840.10008.1.2.4.80", b"\xff\xf7", 5)],
    ids=["jpeg 2000", "jpeg-ls"],
)
def test_a_codestream_that_claims_another_matrix_is_refused_before_it_is_decoded(tmp_path, syntax, mark, at):
    slices = series(1)
    for ds in slices:
        ds.compress(syntax, generate_instance_uid=False)
    write(tmp_path, slices)
    victim = tmp_path / "im0001"
    content = bytearray(victim.read_bytes())
    start = content.index(mark) + at
    content[start : start + 2] = b"\x70\x00"  # 28672 rows, or a width of 1.8 thousand million
    victim.write_bytes(content)
    tracemalloc.start()
    error = refusal(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert error.code == "pixels-undecodable"
    assert "the header's 40 x 48" in error.expected
    assert peak < 20 << 20


def test_run_lengths_that_blow_up_are_refused_before_they_are_decoded(tmp_path):
    slices = series(1)
    for ds in slices:
        ds.compress("1.2.840.10008.1.2.5", generate_instance_uid=False)
    slices[1].PixelData = encapsulate([slices[1].PixelData[16:80] + b"\x81\x00" * (1 << 19)])  # 64 MiB when decoded
    tracemalloc.start()
    error = refusal(write(tmp_path, slices))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert error.code == "pixels-undecodable"
    assert peak < 20 << 20


def test_run_lengths_as_wasteful_as_can_be_are_read(tmp_path):
    slices = series(1)
    whole = load_stack(write(tmp_path / "plain", slices)).signal.tobytes()
    for ds in slices:
        planes = np.frombuffer(ds.PixelData, "<u2").byteswap().view(np.uint8).reshape(-1, 2).T  # high bytes first
        coded = [b"".join(bytes((0, value)) for value in plane) for plane in planes]
        head = np.array([2, 64, 64 + len(coded[0]), *[0] * 13], "<u4").tobytes()
        ds.PixelData = encapsulate([head + coded[0] + coded[1]])
        ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.5"
    assert load_stack(write(tmp_path / "coded", slices)).signal.tobytes() == whole


@pytest.mark.parametrize("options", [{"lossy_error": 20}], ids=["near-lossless jpeg-ls"])
def test_a_lossy_codestream_that_calls_itself_lossless_is_refused(tmp_path, options):
    slices = series(1)
    for ds in slices:
        plane = np.frombuffer(ds.PixelData, np.uint16).reshape(48, 40)
        ds.compress("1.2.840.10008.1.2.4.80", generate_instance_uid=False)
        ds.PixelData = encapsulate([bytes(jpeg_ls.encode_array(plane, **options))])
    assert refusal(write(tmp_path, slices)).code == "pixels-lossy"


def test_an_irreversible_jpeg_2000_stream_is_refused(tmp_path):
    slices = series(1)
    for ds in slices:
        plane = np.frombuffer(ds.PixelData, np.uint16).reshape(48, 40)
        ds.compress("1.2.840.10008.1.2.4.90", generate_instance_uid=False)
        ds.PixelData = encapsulate([encode_array(plane, compression_ratios=[4])])
    assert refusal(write(tmp_path, slices)).code == "pixels-lossy"


def test_a_transfer_syntax_that_contradicts_the_bytes_does_not_shift_the_pixels(tmp_path):
    write(tmp_path, series())
    whole = load_stack(tmp_path).signal.tobytes()
    victim = tmp_path / "im0001"
    victim.write_bytes(victim.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0\0\0"))
    assert load_stack(tmp_path).signal.tobytes() == whole


def test_compressed_files_cut_short_are_called_so(tmp_path):
    slices = series(1)
    for ds in slices:
        ds.compress("1.2.840.10008.1.2.4.80", generate_instance_uid=False)
    write(tmp_path, slices)
    victim = tmp_path / "im0001"
    victim.write_bytes(victim.read_bytes()[:-200])
    assert refusal(tmp_path).code == "pixels-truncated"


def test_a_transfer_syntax_without_decoder_is_refused(tmp_path):
    slices = series()
    for ds in slices:
        ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.70"  # JPEG lossless
        ds.PixelData = encapsulate([ds.PixelData])
    assert refusal(write(tmp_path, slices)).code == "pixels-undecodable"


def test_two_visits_of_one_patient_in_one_folder_are_named_as_such(tmp_path):
    error = refusal(write(tmp_path, two_visits()))
    assert "different days" in error.found


def test_the_inventory_refuses_what_headers_and_file_sizes_show(tmp_path):
    write(tmp_path / "lossy", series(LossyImageCompression="01"))
    write(tmp_path / "cut", series())
    (tmp_path / "cut" / "im0000").write_bytes((tmp_path / "cut" / "im0000").read_bytes()[:-10])
    for name, code in (("lossy", "pixels-lossy"), ("cut", "pixels-truncated")):
        with pytest.raises(T2DiscError) as caught:
            take_inventory(tmp_path / name)
        assert caught.value.code == code


def test_a_dicomdir_under_another_name_is_another_object(tmp_path):
    write(tmp_path, series())
    directory = FileDataset("", {}, file_meta=FileMetaDataset(), preamble=b"\0" * 128)
    directory.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    directory.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4.5"
    directory.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    directory.FileSetID = "DISC"
    directory.save_as(tmp_path / "renamed", enforce_file_format=True)
    assert [(item.what, item.n_images) for item in load_stack(tmp_path).left_out] == [("other object", 1)]


def test_a_folder_that_may_not_be_listed_has_its_own_code(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    write(tmp_path, series())
    monkeypatch.setattr("t2disc.ingest.scan.os.scandir", refuse)
    error = refusal(tmp_path)
    assert error.code == "folder-unreadable"
    assert str(tmp_path) not in str(error)


def test_whose_a_file_is_can_be_told_though_its_end_is_lost(tmp_path):
    write(tmp_path, series(1))
    path = tmp_path / "im0000"
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"\xe0\x7f\x10\x00OW")])
    identity = read_identity(path)
    assert (identity.patient_id, identity.study_date, identity.acquisition_date) == ("ID-1", "2024-01-02", "2024-01-02")
    path.write_bytes(content[: content.index(b"ID-1")])
    with pytest.raises(T2DiscError) as caught:
        read_identity(path)
    assert caught.value.code == "dicom-unreadable"
    path.write_bytes(b"no DICOM")
    assert read_identity(path) is None


@pytest.mark.parametrize("date", ["00010101", "19000101", "20240231", "unknown"])
def test_dates_that_are_none_are_no_dates(tmp_path, date):
    slices = series(1, AcquisitionDate=None, StudyDate=None)
    for ds in slices:
        ds.add(DataElement(0x00080022, "LO", date))
    assert load_stack(write(tmp_path, slices)).acquisition.acquisition_date is None


def test_an_unreadable_file_says_how_many(tmp_path: Path):
    write(tmp_path, series())
    victim = tmp_path / "im0000"
    victim.write_bytes(victim.read_bytes()[:400])
    assert refusal(tmp_path).found == "1 damaged DICOM files that may belong to the series"
