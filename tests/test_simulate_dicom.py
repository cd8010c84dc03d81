"""Each vendor's files, read back with plain pydicom and compared with the float volume they were written from."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

from t2disc.errors import ArgumentInvalid
from t2disc.simulate import TRANSFER_SYNTAXES, VENDORS, default_study
from t2disc.simulate.dicom import Exam, write_exam
from t2disc.simulate.study import simulate_exam

CLASSIC = ("siemens", "ge", "philips")
ENHANCED = ("siemens_xa", "philips_enhanced")
SCALE_SLOPE = 0x2005100E


@cache
def exam() -> Exam:
    person = default_study(1, size="tiny", seed=3).participants[0]
    visit = person.visits[0]
    small = replace(visit.acquisition, rows=48, columns=40, voxel_mm=4.4, n_slices=4, echo_times_ms=(10.0, 20.0, 30.0))
    return simulate_exam(person, replace(visit, acquisition=small))


@cache
def datasets(vendor: str, transfer_syntax: str = "explicit_le") -> tuple[Any, ...]:
    files = write_exam(replace(exam(), transfer_syntax=transfer_syntax), vendor)
    return tuple(pydicom.dcmread(BytesIO(file)) for file in files)


def in_series(vendor: str, number: int) -> list[Any]:
    return [ds for ds in datasets(vendor) if ds.SeriesNumber == number]


def positions(ds: Any) -> NDArray[np.float64]:
    return np.array(ds.ImagePositionPatient, float)


def classic_magnitudes(vendor: str, transfer_syntax: str = "explicit_le") -> list[Any]:
    wanted = {
        "siemens": ["ORIGINAL", "PRIMARY", "M", "ND"],
        "ge": ["ORIGINAL", "PRIMARY", "OTHER"],
        "philips": ["ORIGINAL", "PRIMARY", "M_SE", "M", "SE"],
    }[vendor]
    out = [
        ds for ds in datasets(vendor, transfer_syntax) if list(ds.ImageType) == wanted and ds.ScanningSequence == "SE"
    ]
    return [ds for ds in out if vendor != "ge" or ds[0x0043102F].value == 0]


def floating_point(ds: Any) -> tuple[NDArray[np.float64], float]:
    """Return the pixels of a classic image on the common scale, and the size of one quantisation step."""
    stored = ds.pixel_array.astype(float)
    if SCALE_SLOPE not in ds:
        return stored, 1.0
    slope, scale = float(ds.RescaleSlope), ds[SCALE_SLOPE].value
    return (stored * slope + float(ds.RescaleIntercept)) / (slope * scale), 1 / scale


def slice_and_echo(ds: Any, position: NDArray[np.float64]) -> tuple[int, int]:
    grid = exam().scan.grid
    affine = np.column_stack([grid.slice_step_mm, grid.column_step_mm, grid.row_step_mm])
    ras = position * [-1, -1, 1]
    steps = np.linalg.solve(affine, ras - grid.first_mm)
    np.testing.assert_allclose(steps[1:], 0, atol=2e-3)
    return round(steps[0]), exam().scan.echo_times_ms.index(float(ds))


@pytest.mark.parametrize("vendor", CLASSIC)
def test_classic_magnitudes_equal_the_float_volume_within_half_a_step(vendor: str) -> None:
    images = classic_magnitudes(vendor)
    assert len(images) == 4 * 3
    seen = set()
    for ds in images:
        index, echo = slice_and_echo(ds.EchoTime, positions(ds))
        pixels, step = floating_point(ds)
        np.testing.assert_allclose(pixels, exam().scan.magnitude[echo, index], rtol=1e-6, atol=0.5001 * step)
        seen.add((index, echo))
    assert len(seen) == 12


@pytest.mark.parametrize("vendor", ENHANCED)
def test_enhanced_magnitudes_equal_the_float_volume_within_half_a_step(vendor: str) -> None:
    seen = set()
    for ds in datasets(vendor):
        if ds.EchoPulseSequence != "SPIN":
            continue
        for group, stored in zip(ds.PerFrameFunctionalGroupsSequence, ds.pixel_array.astype(float), strict=True):
            kind = group.MRImageFrameTypeSequence[0]
            if kind.ComplexImageComponent != "MAGNITUDE" or kind.FrameType[0] == "DERIVED":
                continue
            position = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
            index, echo = slice_and_echo(group.MREchoSequence[0].EffectiveEchoTime, position)
            transform = group.PixelValueTransformationSequence[0]
            pixels = stored * float(transform.RescaleSlope) + float(transform.RescaleIntercept)
            step = 1.0
            if vendor == "philips_enhanced":
                scale = group[0x2005140F].value[0][SCALE_SLOPE].value
                pixels, step = pixels / (float(transform.RescaleSlope) * scale), 1 / scale
            np.testing.assert_allclose(pixels, exam().scan.magnitude[echo, index], rtol=1e-6, atol=0.5001 * step)
            seen.add((index, echo))
    assert len(seen) == 12


@pytest.mark.parametrize("vendor", VENDORS)
def test_orientation_and_spacing_rebuild_the_affine_of_the_truth(vendor: str) -> None:
    grid = exam().scan.grid
    series = max(
        (ds for ds in datasets(vendor) if ds.Rows == grid.rows), key=lambda ds: int(ds.get("NumberOfFrames", 1))
    )
    ds = series
    if "PerFrameFunctionalGroupsSequence" in series:
        group = series.PerFrameFunctionalGroupsSequence[0]
        measures = group if "PixelMeasuresSequence" in group else series.SharedFunctionalGroupsSequence[0]
        orientation = group.PlaneOrientationSequence[0].ImageOrientationPatient
        spacing = measures.PixelMeasuresSequence[0].PixelSpacing
    else:
        orientation, spacing = ds.ImageOrientationPatient, ds.PixelSpacing
    along_row, along_column = np.array(orientation, float).reshape(2, 3) * [-1, -1, 1]
    np.testing.assert_allclose(along_row * float(spacing[1]), grid.affine[:3, 0], atol=2e-5)
    np.testing.assert_allclose(-along_column * float(spacing[0]), grid.affine[:3, 1], atol=2e-5)
    assert np.cross(along_row, along_column) @ grid.slice_step_mm > 0


def test_nifti_order_puts_each_pixel_at_its_world_place() -> None:
    grid = exam().scan.grid
    marked = np.zeros((grid.n_slices, grid.rows, grid.columns))
    marked[2, 5, 7] = 1
    x, y, z = np.argwhere(grid.to_nifti_order(marked))[0]
    np.testing.assert_allclose(grid.affine[:3, :3] @ [x, y, z] + grid.affine[:3, 3], grid.slice_centres_mm(2)[5, 7])


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_file_is_valid_part_10_with_its_own_identifier_and_one_study(vendor: str) -> None:
    files = datasets(vendor)
    assert len({ds.SOPInstanceUID for ds in files}) == len(files)
    assert len({ds.StudyInstanceUID for ds in files}) == 1
    assert {ds.PatientID for ds in files} == {"SIM-P001"}
    for ds in files:
        assert ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID
        assert pydicom.uid.UID(ds.SOPInstanceUID).is_valid
        assert ds.StudyDate == "20240302"


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_three_plane_localiser_is_a_gradient_echo_series_of_its_own(vendor: str) -> None:
    first = min(ds.SeriesNumber for ds in datasets(vendor))
    planes = set()
    for ds in in_series(vendor, first):
        groups = ds.get("PerFrameFunctionalGroupsSequence")
        holders = [g.PlaneOrientationSequence[0] for g in groups] if groups else [ds]
        planes |= {tuple(np.abs(np.array(h.ImageOrientationPatient, float)).round(3)) for h in holders}
        assert (ds.EchoPulseSequence if groups else ds.ScanningSequence) in ("GR", "GRADIENT")
    assert len(planes) == 3


# ------------------------------------------------------------------------------------------------ manners
def test_siemens_echoes_share_instance_numbers_and_means_share_the_series() -> None:
    series = in_series("siemens", 4)
    assert len({ds.SeriesInstanceUID for ds in series}) == 1
    numbers: dict[int, set[float]] = defaultdict(set)
    for ds in classic_magnitudes("siemens"):
        numbers[ds.InstanceNumber].add(float(ds.EchoTime))
    assert numbers == {n: {10.0, 20.0, 30.0} for n in range(1, 5)}
    assert sum("MEAN" in ds.ImageType for ds in series) == 4
    assert all("RescaleSlope" not in ds for ds in series)


def test_siemens_phase_and_t2_map_are_series_of_their_own() -> None:
    phase, maps = in_series("siemens", 5), in_series("siemens", 6)
    assert {ds.ImageType[2] for ds in phase} == {"P"}
    assert {tuple(ds.ImageType[:3]) for ds in maps} == {("DERIVED", "PRIMARY", "T2 MAP")}
    first = phase[0]
    radians = (first.pixel_array * float(first.RescaleSlope) + float(first.RescaleIntercept)) / 4096 * np.pi
    np.testing.assert_allclose(radians, exam().scan.phase[0, 0], atol=1.01 * np.pi / 4096 * 2)


def test_ge_counts_echoes_fastest_without_rescale_and_says_echo_train_length_one() -> None:
    images = sorted(classic_magnitudes("ge"), key=lambda ds: ds.InstanceNumber)
    assert [float(ds.EchoTime) for ds in images[:4]] == [10.0, 20.0, 30.0, 10.0]
    assert {ds.EchoTrainLength for ds in images} == {1}
    assert not any("RescaleSlope" in ds for ds in images)
    assert {ds.PixelRepresentation for ds in images} == {1}


def test_ge_slice_steps_differ_in_the_fourth_decimal() -> None:
    images = [ds for ds in classic_magnitudes("ge") if ds.EchoNumbers == 1]
    steps = np.linalg.norm(np.diff([positions(ds) for ds in images], axis=0), axis=1)
    assert np.ptp(steps) > 1e-5
    np.testing.assert_allclose(steps, 4.4, atol=1e-3)


def test_philips_keeps_magnitude_phase_and_map_in_one_series_with_slopes_that_differ() -> None:
    series = in_series("philips", 401)
    kinds = {ds.ImageType[3] for ds in series}
    assert kinds == {"M", "P", "T2"}
    assert {float(ds.EchoTime) for ds in series if ds.ImageType[3] == "T2"} == {0.0}
    magnitudes = classic_magnitudes("philips")
    assert len({ds.RescaleSlope for ds in magnitudes}) == 3
    assert magnitudes[0][0x20050010].value == "Philips MR Imaging DD 001"
    displayed = {float(ds.EchoTime): ds.pixel_array.max() * float(ds.RescaleSlope) for ds in magnitudes}
    assert displayed[30.0] > displayed[10.0]  # the displayed value alone would show a rise


def test_philips_enhanced_holds_magnitude_phase_and_map_frames_in_one_object() -> None:
    (scan,) = in_series("philips_enhanced", 401)
    groups = scan.PerFrameFunctionalGroupsSequence
    components = [g.MRImageFrameTypeSequence[0].ComplexImageComponent for g in groups]
    assert (components.count("MAGNITUDE"), components.count("PHASE")) == (4 * 3 + 4, 4)
    assert scan.ComplexImageComponent == "MIXED"
    assert {float(g.MREchoSequence[0].EffectiveEchoTime) for g in groups} == {0.0, 10.0, 20.0, 30.0}
    assert {g[0x2005140F].value[0].ImageType[3] for g in groups} == {"M", "P", "T2"}


def test_siemens_xa_writes_one_object_per_echo_and_phase_in_a_series_of_its_own() -> None:
    echoes = in_series("siemens_xa", 8)
    assert [ds.PerFrameFunctionalGroupsSequence[0].MREchoSequence[0].EffectiveEchoTime for ds in echoes] == [10, 20, 30]
    assert {ds.NumberOfFrames for ds in echoes} == {4}
    assert {ds.EchoPulseSequence for ds in echoes} == {"SPIN"}
    assert {ds.ComplexImageComponent for ds in in_series("siemens_xa", 9)} == {"PHASE"}
    timing = echoes[0].SharedFunctionalGroupsSequence[0].MRTimingAndRelatedParametersSequence[0]
    assert float(timing.RepetitionTime) == 2000.0


# ------------------------------------------------------------------------------------------------ transfer syntaxes
@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("transfer_syntax", [name for name in TRANSFER_SYNTAXES if name != "explicit_le"])
def test_every_transfer_syntax_decodes_to_the_same_pixels(vendor: str, transfer_syntax: str) -> None:
    plain, coded = datasets(vendor), datasets(vendor, transfer_syntax)
    for before, after in zip(plain[::5], coded[::5], strict=True):
        assert after.file_meta.TransferSyntaxUID == TRANSFER_SYNTAXES[transfer_syntax]
        np.testing.assert_array_equal(before.pixel_array, after.pixel_array)


def test_unknown_vendors_and_transfer_syntaxes_are_refused() -> None:
    with pytest.raises(ArgumentInvalid):
        list(write_exam(exam(), "acme"))
    with pytest.raises(ArgumentInvalid):
        list(write_exam(replace(exam(), transfer_syntax="mp3"), "ge"))
