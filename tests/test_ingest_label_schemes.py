"""Label maps of other tools: each is read right, and one that is mirrored or out of order is refused."""

from __future__ import annotations

import csv
import gzip
import hashlib
import tracemalloc
from itertools import pairwise
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from spines import (
    AFFINE,
    BONES,
    SHAPE,
    VALUES,
    drawn,
    labelmap_segmentation,
    nrrd_bytes,
    nrrd_header,
    segmentation,
    stack,
    structures,
    write_nifti,
    write_nrrd,
)
from studies import small_study
from typer.testing import CliRunner

from t2disc import errors, load_labels
from t2disc.cli.app import app
from t2disc.ingest import SCHEME_NAMES, is_label_file
from t2disc.model import LEVELS, DiscLabels, LabelMap
from t2disc.segment.labelmaps import PlacedDiscs, place_labels
from t2disc.store import label_files

MASKS = structures()
TRUTH = drawn({level: DiscLabels.value_of(level) for level in LEVELS}, MASKS)
DISCS = {level: MASKS[level] for level in LEVELS}
CODES = dict(zip(LEVELS, ("76206002", "80064006", "67459009", "62551000", "84020006", "715056000"), strict=True))
KINDS = (*VALUES, "table", "itk-snap", "slicer", "slicer-layers", "dicom-seg", "dicom-labelmap")


def placed(labels: LabelMap) -> PlacedDiscs:
    return place_labels(stack(), labels)


def write_as(kind: str, folder: Path, masks: dict[str, np.ndarray]) -> Path:
    """Write the structures as one tool would."""
    if kind in VALUES:
        return write_nifti(folder / "x_dseg.nii.gz", drawn(VALUES[kind], masks))
    names = [*LEVELS, "canal"]
    values = {name: number for number, name in enumerate(names, start=1)}
    if kind == "table":
        path = write_nifti(folder / "x_dseg.nii.gz", drawn(values, masks))
        rows = "".join(f"{value}\t{name}\n" for name, value in values.items())
        path.with_name("x_dseg.tsv").write_text(f"index\tname\n{rows}")
        return path
    if kind == "itk-snap":
        path = write_nifti(folder / "x_dseg.nii.gz", drawn(values, masks))
        rows = "".join(f'{value:5}  255 0  {value}  0.5  1  0    "{name}"\n' for name, value in values.items())
        head = '#####\n# ITK-SnAP Label Description File\n    0  0 0 0  0 0 0  "Clear Label"\n'
        path.with_name("x_dseg.label.txt").write_text(f'{head}{rows}   99  0 0 0  1 1 1  "Label 99"\n')
        return path
    if kind == "slicer":
        segments = {name: (value, 0) for name, value in values.items()}
        return write_nrrd(folder / "x.seg.nrrd", drawn(values, masks), segments)
    if kind == "slicer-layers":  # the canal in a layer of its own, where it has the value of a disc
        layers = np.stack([drawn({name: values[name] for name in LEVELS}, masks), drawn({"canal": 3}, masks)])
        segments = {name: (values[name], 0) for name in LEVELS} | {"canal": (3, 1)}
        return write_nrrd(folder / "x.seg.nrrd", layers, segments)
    path = folder / "x_dseg.dcm"
    if kind == "dicom-labelmap":
        seg = labelmap_segmentation(values, {name: masks[name] for name in names})
    else:
        seg = segmentation({name: masks[name] for name in names})
    seg.save_as(path, enforce_file_format=True)
    return path


def code_of(path: Path, scheme: str | None = None) -> str:
    with pytest.raises(errors.LabelError) as refusal:
        placed(load_labels(path, scheme))
    assert "CANARY" not in str(refusal.value)
    return refusal.value.code


def exchanged(masks: dict[str, np.ndarray], one: str, other: str) -> dict[str, np.ndarray]:
    return masks | {one: masks[other], other: masks[one]}


def flipped(masks: dict[str, np.ndarray], axis: int) -> dict[str, np.ndarray]:
    return {name: np.flip(mask, axis) for name, mask in masks.items()}


# ------------------------------------------------------------------------------------------------ every tool
@pytest.mark.parametrize("kind", KINDS)
def test_labels_of_every_tool_are_the_discs_they_were_drawn_as(tmp_path, kind):
    path = write_as(kind, tmp_path, MASKS)
    labels = load_labels(path)
    found = placed(labels)
    np.testing.assert_array_equal(found.discs, TRUTH)
    assert found.levels == LEVELS
    assert labels.source.kind == "given"
    assert labels.source.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert labels.source.scheme == (kind if kind in VALUES else None)
    assert found.notes == ((f"label values read as those of {kind}",) if kind in VALUES else ())
    np.testing.assert_allclose(labels.affine, AFFINE, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_labels_that_are_mirrored_head_to_foot_are_refused(tmp_path, kind):
    assert code_of(write_as(kind, tmp_path, flipped(MASKS, 1))) == "labels-out-of-order"


@pytest.mark.parametrize("kind", KINDS)
def test_labels_that_are_mirrored_front_to_back_are_refused(tmp_path, kind):
    assert code_of(write_as(kind, tmp_path, flipped(MASKS, 0))) == "labels-mirrored"


@pytest.mark.parametrize("kind", KINDS)
def test_two_discs_that_are_exchanged_are_refused(tmp_path, kind):
    assert code_of(write_as(kind, tmp_path, exchanged(MASKS, "L2/L3", "L3/L4"))) == "labels-out-of-order"


@pytest.mark.parametrize("kind", KINDS)
def test_a_level_left_out_of_the_names_but_not_of_the_spine_is_refused(tmp_path, kind):
    """T12/L1 to L1/L2 named right, and from L2/L3 on one level too low."""
    masks = dict(MASKS)
    for level, below in pairwise(LEVELS[2:]):
        masks[below] = MASKS[level]
    masks["L2/L3"] = np.zeros(SHAPE, bool)
    for bone in BONES:
        masks[bone] = np.zeros(SHAPE, bool)
    masks["sacrum"] = np.zeros(SHAPE, bool)
    masks["canal"] = MASKS["canal"]
    assert code_of(write_as(kind, tmp_path, masks)) == "labels-out-of-order"


@pytest.mark.parametrize("kind", VALUES)
def test_discs_that_lie_a_level_beside_their_vertebrae_are_refused(tmp_path, kind):
    masks = MASKS | {lower: MASKS[upper] for upper, lower in pairwise(LEVELS)}
    masks["T12/L1"] = np.zeros(SHAPE, bool)
    assert code_of(write_as(kind, tmp_path, masks)) == "labels-out-of-order"


def test_spider_values_that_run_the_other_way_are_refused_and_not_turned(tmp_path):
    turned = VALUES["spider"] | {level: 201 + n for n, level in enumerate(LEVELS)}
    path = write_nifti(tmp_path / "x_dseg.nii.gz", drawn(turned, DISCS))
    with pytest.raises(errors.LabelsOutOfOrder, match="6 discs in reverse order"):
        placed(load_labels(path))


# ------------------------------------------------------------------------------------------------ schemes
@pytest.mark.parametrize("scheme", VALUES)
def test_a_scheme_may_be_named(tmp_path, scheme):
    path = write_as(scheme, tmp_path, MASKS)
    assert placed(load_labels(path, scheme)).levels == LEVELS
    for other in set(SCHEME_NAMES) - {scheme}:
        assert code_of(path, other) in {"labels-scheme-unknown", "labels-without-outlines"}
    assert code_of(path, "CANARY") == "labels-scheme-unknown"


def test_a_scheme_that_is_named_comes_before_a_table(tmp_path):
    path = write_as("spider", tmp_path, MASKS)
    path.with_name("x_dseg.tsv").write_text("index\tname\n201\tL1/L2\n")
    assert placed(load_labels(path, "spider")).levels == LEVELS


def test_points_of_sct_are_refused_as_points(tmp_path):
    values = np.zeros(SHAPE, np.int32)
    for number, level in enumerate(LEVELS, start=20):
        values[tuple(np.argwhere(MASKS[level])[0])] = number
    path = write_nifti(tmp_path / "x_dseg.nii.gz", values)
    for scheme in (None, "sct"):
        with pytest.raises(errors.LabelsWithoutOutlines, match="points") as refusal:
            load_labels(path, scheme)
        assert "cannot be measured" in str(refusal.value)


def test_vertebrae_without_discs_are_refused_as_such(tmp_path):
    bones = {name: 7 - n for n, name in enumerate(BONES)} | {"sacrum": 1}
    path = write_nifti(tmp_path / "x_dseg.nii.gz", drawn(bones, MASKS))
    with pytest.raises(errors.LabelsWithoutOutlines, match="vertebrae and the sacrum only"):
        load_labels(path, "totalsegmentator")
    values = drawn(bones, MASKS)
    values[0, :9, 0] = 8  # T11 as well: few label maps but TotalSegmentator's have eight
    assert code_of(write_nifti(path, values)) == "labels-without-outlines"
    only_bones = {name: MASKS[name] for name in (*BONES, "sacrum")}
    assert code_of(write_nifti(path, drawn(VALUES["spineps"], only_bones))) == "labels-without-outlines"


def test_the_subregion_map_of_spineps_is_refused(tmp_path):
    values = drawn(dict.fromkeys(LEVELS, 100) | dict.fromkeys(BONES, 49) | {"sacrum": 26, "canal": 61}, MASKS)
    values[0, :200, 0], values[1, :200, 0] = 41, 60
    path = write_nifti(tmp_path / "x_dseg.nii.gz", values)
    for scheme in (None, "spineps"):
        with pytest.raises(errors.LabelsWithoutOutlines, match="subregion map"):
            load_labels(path, scheme)


def test_values_of_two_schemes_are_not_guessed(tmp_path):
    values = np.zeros(SHAPE, np.int32)
    for number, level in enumerate(LEVELS, start=20):  # larger than a point, smaller than an outline
        values[tuple(np.argwhere(MASKS[level])[:30].T)] = number
    with pytest.raises(errors.LabelsSchemeUnknown, match=r"SPINEPS or of .*Spinal Cord Toolbox"):
        load_labels(write_nifti(tmp_path / "x_dseg.nii.gz", values))


@pytest.mark.parametrize("values", [(1, 2, 3, 4, 5, 6), (7, 300, 301, 302, 303, 304), (0,) * 6])
def test_values_of_no_scheme_ask_for_a_table(tmp_path, values):
    path = write_nifti(tmp_path / "x_dseg.nii.gz", drawn(dict(zip(LEVELS, values, strict=True)), MASKS))
    assert code_of(path) == "labels-unnamed"


def test_a_sixth_lumbar_vertebra_is_not_counted_by_guess(tmp_path):
    values = drawn(VALUES["totalspineseg"], MASKS)
    values[MASKS["sacrum"]] = 46
    path = write_nifti(tmp_path / "x_dseg.nii.gz", values)
    with pytest.raises(errors.LabelsLevelUnknown, match="L6"):
        placed(load_labels(path))
    values[values == 100] = 0
    assert placed(load_labels(write_nifti(path, values))).levels == LEVELS[:-1]


def test_a_level_that_may_be_left_out_is_noted_where_nothing_else_tells(tmp_path):
    path = write_nifti(tmp_path / "x_dseg.nii.gz", drawn({"L1/L2": 92, "L2/L3": 94, "L3/L4": 100}, MASKS))
    _, *notes = placed(load_labels(path)).notes
    assert [note.partition(" mm apart: ")[2] for note in notes] == ["is there a disc between them?"] * 2


def test_neighbours_that_lie_as_far_apart_as_two_levels_are_noted(tmp_path):
    shifted = {"L1/L2": 92, "L2/L3": 93, "L4/L5": 94, "L5/S1": 95}
    labels = load_labels(write_nifti(tmp_path / "x_dseg.nii.gz", drawn(shifted, MASKS)))
    _, note = placed(labels).notes
    assert note == "L2/L3 and L3/L4 lie 68 mm apart, the others 34 mm: is there a disc between them?"


def test_a_level_that_is_not_drawn_needs_no_remark(tmp_path):
    values = drawn(VALUES["totalspineseg"], DISCS | {"L3/L4": np.zeros(SHAPE, bool)})
    found = placed(load_labels(write_nifti(tmp_path / "x_dseg.nii.gz", values)))
    assert found.levels == tuple(level for level in LEVELS if level != "L3/L4")
    assert len(found.notes) == 1


# ------------------------------------------------------------------------------------------------ descriptions
def test_what_t2disc_wrote_is_read_by_its_label_description_too(tmp_path):
    regions = (TRUTH > 0).astype(np.uint8)
    discs = DiscLabels(discs=TRUTH.astype(np.uint8), regions=regions, levels=LEVELS, affine=AFFINE)
    for file in label_files("x", discs):
        (tmp_path / file.path.name).write_bytes(file.content)
    path = tmp_path / "x_desc-discs_dseg.nii.gz"
    for _ in range(2):
        np.testing.assert_array_equal(placed(load_labels(path)).discs, TRUTH)
        path.with_name("x_desc-discs_dseg.tsv").unlink(missing_ok=True)


def test_a_table_comes_before_a_description(tmp_path):
    path = write_as("table", tmp_path, MASKS)
    path.with_name("x_dseg.label.txt").write_text("CANARY")
    assert placed(load_labels(path)).levels == LEVELS
    path.with_name("x_dseg.tsv").unlink()
    assert code_of(path) == "labels-unnamed"


@pytest.mark.parametrize("ending", [".label.txt", ".label", ".lbl", ".txt"])
def test_a_description_may_have_any_of_the_endings_that_are_in_use(tmp_path, ending):
    path = write_as("itk-snap", tmp_path, MASKS)
    path.with_name("x_dseg.label.txt").rename(path.with_name(f"x_dseg{ending}"))
    assert placed(load_labels(path)).levels == LEVELS


def test_a_note_beside_a_map_is_no_description(tmp_path):
    path = write_as("spider", tmp_path, MASKS)
    path.with_name("x_dseg.txt").write_text("drawn on Tuesday")
    assert load_labels(path).source.scheme == "spider"


def test_a_description_that_names_nothing_leaves_the_values_to_tell(tmp_path):
    path = write_as("spider", tmp_path, MASKS)
    rows = "".join(f'{n} 255 0 0 1 1 1 "Label {n}"\n' for n in range(1, 207))
    path.with_name("x_dseg.label").write_text(f'0 0 0 0 0 0 0 "Clear Label"\n{rows}')
    assert load_labels(path).source.scheme == "spider"


def test_names_that_are_no_level_are_refused_without_being_told(tmp_path):
    path = write_as("itk-snap", tmp_path, MASKS)
    description = path.with_name("x_dseg.label.txt")
    description.write_text(description.read_text().replace("L4/L5", "CANARY"))
    assert code_of(path) == "labels-level-unknown"


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"1 2 3\n", b"x" * (1 << 21)])
def test_a_description_that_cannot_be_read_is_refused(tmp_path, content):
    path = write_as("spider", tmp_path, MASKS)
    path.with_name("x_dseg.label.txt").write_bytes(content)
    assert code_of(path) == "labels-unnamed"


# ------------------------------------------------------------------------------------------------ 3D Slicer
SEGMENTS = {level: (n, 0) for n, level in enumerate(LEVELS, start=1)}
VOLUME = drawn({level: n for level, (n, _) in SEGMENTS.items()}, MASKS)


@pytest.mark.parametrize(("endian", "encoding"), [("little", "raw"), ("big", "gzip"), ("big", "raw")])
def test_every_encoding_that_slicer_writes_is_read(tmp_path, endian, encoding):
    path = write_nrrd(tmp_path / "x.seg.nrrd", VOLUME, SEGMENTS, endian=endian, encoding=encoding)
    np.testing.assert_array_equal(placed(load_labels(path)).discs, TRUTH)


def test_a_space_of_ras_is_read_as_such(tmp_path):
    directions = " ".join(f"({','.join(repr(float(x)) for x in AFFINE[:3, axis])})" for axis in range(3))
    place = {"space": "RAS", "space_directions": directions}
    origin = f"({','.join(repr(float(x)) for x in AFFINE[:3, 3])})"
    path = write_nrrd(tmp_path / "x.seg.nrrd", VOLUME, SEGMENTS, **place, space_origin=origin)
    np.testing.assert_allclose(load_labels(path).affine, AFFINE, atol=1e-12)


def test_an_nrrd_without_segments_is_named_by_its_table_or_its_values(tmp_path):
    path = write_nrrd(tmp_path / "x_dseg.nrrd", drawn(VALUES["totalspineseg"], MASKS), {})
    assert load_labels(path).source.scheme == "totalspineseg"
    path.with_name("x_dseg.tsv").write_text("index\tname\n91\tL1/L2\n")
    assert load_labels(path).names == ((91, "L1/L2"),)


def test_names_within_the_file_come_before_a_table(tmp_path):
    path = write_nrrd(tmp_path / "x_dseg.seg.nrrd", VOLUME, SEGMENTS)
    path.with_name("x_dseg.tsv").write_text("index\tname\n1\tL1/L2\n")  # of a copy that Slicer has numbered anew
    assert placed(load_labels(path)).levels == LEVELS


def test_segments_that_nobody_named_leave_the_values_to_tell(tmp_path):
    values = drawn(VALUES["totalspineseg"], MASKS)
    segments = {f"Segment_{value}": (value, 0) for value in VALUES["totalspineseg"].values()}
    assert load_labels(write_nrrd(tmp_path / "x.seg.nrrd", values, segments)).source.scheme == "totalspineseg"


def test_discs_of_two_layers_that_overlap_are_refused_and_other_structures_give_way(tmp_path):
    both = MASKS["L4/L5"] | MASKS["L5/S1"]
    layers = np.stack([MASKS["L4/L5"], both]).astype(np.int16)
    path = write_nrrd(tmp_path / "x.seg.nrrd", layers, {"L4/L5": (1, 0), "L5/S1": (1, 1)})
    assert code_of(path) == "labels-repeated"
    layers = np.stack([MASKS["L4/L5"], both | MASKS["canal"]]).astype(np.int16)
    found = placed(load_labels(write_nrrd(path, layers, {"L4/L5": (1, 0), "canal": (1, 1)})))
    np.testing.assert_array_equal(found.discs > 0, MASKS["L4/L5"])


@pytest.mark.parametrize(
    "changes",
    [
        {"sizes": "60 130 6"},
        {"sizes": "60 130 4"},
        {"sizes": "60 130 -5"},
        {"sizes": "60 130 CANARY"},
        {"sizes": "60 130"},
        {"sizes": "9999999 9999999 9999999"},
        {"dimension": "4"},
        {"type": "double"},
        {"type": "CANARY"},
        {"encoding": "bzip2"},
        {"encoding": "raw"},
        {"endian": "CANARY"},
        {"space": "CANARY"},
        {"space_directions": "none (1,0,0) (0,1,0)"},
        {"space_directions": "(1,0,0) (1,0,0) (0,0,1)"},
        {"space_directions": "(nan,0,0) (0,1,0) (0,0,1)"},
        {"space_origin": "(0,0)"},
        {"data_file": "../../CANARY.raw"},
        {"byte_skip": "10"},
    ],
    ids=str,
)
def test_hostile_nrrd_headers_are_refused(tmp_path, changes):
    header = nrrd_header(SHAPE, SEGMENTS, **changes)
    path = tmp_path / "x.seg.nrrd"
    path.write_bytes(nrrd_bytes(header, gzip.compress(VOLUME.astype("<i2").tobytes(order="F"))))
    assert code_of(path) == "labels-unreadable"


@pytest.mark.parametrize("key", ["type", "dimension", "space", "sizes", "space directions", "encoding", "space origin"])
def test_a_header_without_a_field_is_refused(tmp_path, key):
    header = nrrd_header(SHAPE, SEGMENTS)
    del header[key]
    path = tmp_path / "x.seg.nrrd"
    path.write_bytes(nrrd_bytes(header, gzip.compress(VOLUME.astype("<i2").tobytes(order="F"))))
    assert code_of(path) == "labels-unreadable"


@pytest.mark.parametrize("segment", [{"Segment0_Name:=": "CANARY"}, {"Segment0_LabelValue:=": "1"}])
def test_segments_without_a_name_or_a_value_are_refused(tmp_path, segment):
    path = tmp_path / "x.seg.nrrd"
    data = gzip.compress(VOLUME.astype("<i2").tobytes(order="F"))
    path.write_bytes(nrrd_bytes(nrrd_header(SHAPE, {}) | segment, data))
    assert code_of(path) == "labels-unreadable"


def test_an_nrrd_that_is_cut_or_damaged_anywhere_is_refused(tmp_path):
    whole = write_nrrd(tmp_path / "x.seg.nrrd", VOLUME, SEGMENTS).read_bytes()
    path = tmp_path / "y.seg.nrrd"
    start = whole.index(b"\n\n") + 2
    for n_bytes in (0, 4, 30, start - 1, start, start + 40, len(whole) - 8, len(whole) - 1):
        path.write_bytes(whole[:n_bytes])
        assert code_of(path) == "labels-unreadable", n_bytes
    path.write_bytes(whole[:-6] + bytes([whole[-6] ^ 1]) + whole[-5:])  # the check sum
    assert code_of(path) == "labels-unreadable"


def test_a_bomb_is_not_inflated(tmp_path):
    path = tmp_path / "x.seg.nrrd"
    path.write_bytes(nrrd_bytes(nrrd_header(SHAPE, SEGMENTS), gzip.compress(bytes(1 << 28), 1)))
    tracemalloc.start()
    assert code_of(path) == "labels-unreadable"
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 1 << 24


# ------------------------------------------------------------------------------------------------ DICOM SEG
def write_seg(folder: Path, dataset) -> Path:
    path = folder / "x_dseg.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path


def test_discs_of_a_seg_are_told_by_their_codes_where_labels_do_not(tmp_path):
    renamed = {f"Disc number {n}": DISCS[level] for n, level in enumerate(LEVELS)}
    codes = dict(zip(renamed, CODES.values(), strict=True))
    path = write_seg(tmp_path, segmentation(renamed, codes=codes))
    np.testing.assert_array_equal(placed(load_labels(path)).discs, TRUTH)
    assert code_of(write_seg(tmp_path, segmentation({"CANARY": DISCS["L4/L5"]}))) == "labels-level-unknown"


def test_a_label_and_a_code_that_contradict_are_refused(tmp_path):
    path = write_seg(tmp_path, segmentation(DISCS, codes=CODES | {"L4/L5": CODES["L5/S1"]}))
    assert code_of(path) == "labels-unnamed"


def test_a_fractional_seg_counts_from_one_half(tmp_path):
    path = write_seg(tmp_path, segmentation(DISCS, kind="FRACTIONAL"))
    np.testing.assert_array_equal(placed(load_labels(path)).discs, TRUTH)


NUMBERS = VALUES["totalspineseg"] | {"L5/S1": 1000}
"""Numbers that do not begin at 1, and one beyond 8 bits."""


def test_a_labelmap_seg_keeps_its_numbers_whatever_they_are(tmp_path):
    path = write_seg(tmp_path, labelmap_segmentation(NUMBERS, MASKS, bits=16))
    labels = load_labels(path)
    np.testing.assert_array_equal(labels.values, drawn(NUMBERS, MASKS))
    np.testing.assert_array_equal(placed(labels).discs, TRUTH)


def test_a_labelmap_seg_whose_segments_nobody_named_is_told_by_its_values(tmp_path):
    seg = labelmap_segmentation(VALUES["totalspineseg"], MASKS)
    for segment in seg.SegmentSequence:
        segment.SegmentLabel = f"Segment {segment.SegmentNumber}"
    labels = load_labels(write_seg(tmp_path, seg))
    assert labels.source.scheme == "totalspineseg"
    np.testing.assert_array_equal(placed(labels).discs, TRUTH)


def test_frames_of_one_plane_that_draw_two_discs_in_a_voxel_are_refused(tmp_path):
    seg = labelmap_segmentation({"L4/L5": 1, "L5/S1": 2}, {"L4/L5": MASKS["L4/L5"], "L5/S1": MASKS["L5/S1"]})
    first, second, *_ = seg.PerFrameFunctionalGroupsSequence
    second.PlanePositionSequence = first.PlanePositionSequence
    n_bytes = SHAPE[0] * SHAPE[1]
    middle = bytes(MASKS["L4/L5"][:, :, 2].T.astype(np.uint8))
    seg.PixelData = middle + bytes(2 * value for value in middle) + seg.PixelData[2 * n_bytes :]
    assert code_of(write_seg(tmp_path, seg)) == "labels-repeated"


@pytest.mark.parametrize(
    "changes",
    [{"PixelPaddingValue": 7}, {"BitsAllocated": 32}, {"SegmentationType": "BINARY"}, {"NumberOfFrames": 6},
     {"PixelData": b"\0" * 1000}, {"PixelData": b"\xfe" * (SHAPE[0] * SHAPE[1] * SHAPE[2])}, {"SegmentSequence": []}],
    ids=lambda changes: next(iter(changes)),
)  # fmt: skip
def test_hostile_labelmap_segs_are_refused(tmp_path, changes):
    seg = labelmap_segmentation(VALUES["totalspineseg"], MASKS)
    for keyword, value in changes.items():
        setattr(seg, keyword, value)
    assert code_of(write_seg(tmp_path, seg)) == "labels-unreadable"


def test_planes_that_are_left_out_leave_their_place(tmp_path):
    outer = MASKS["L4/L5"] & (np.arange(SHAPE[2]) % 4 == 0)
    outer[28:32, 30:32, [0, 4]] = True  # so that both outer planes hold something
    outer[:, :, 1:4] = False
    for stated in (True, False):
        seg = segmentation({"L4/L5": outer})
        if not stated:
            del seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices
        labels = load_labels(write_seg(tmp_path, seg))
        np.testing.assert_array_equal(labels.values[:, :, [0, -1]] > 0, outer[:, :, [0, 4]])
        assert labels.values.shape[2] == (5 if stated else 2)
        np.testing.assert_allclose(labels.affine[:3, 2] * (1 if stated else 0.25), AFFINE[:3, 2], atol=1e-5)


def no_position(seg):
    del seg.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence


def no_orientation(seg):
    del seg.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence


def more_frames(seg):
    seg.NumberOfFrames += 1


def huge(seg):
    seg.Rows = seg.Columns = 65535


def short_pixels(seg):
    seg.PixelData = seg.PixelData[:100]


def another_class(seg):
    seg.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4"


def another_type(seg):
    seg.SegmentationType = "CANARY"


def uneven(seg):
    place = seg.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence[0]
    place.ImagePositionPatient = [float(place.ImagePositionPatient[0]) + 1.3, *place.ImagePositionPatient[1:]]


def far_away(seg):
    place = seg.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence[0]
    place.ImagePositionPatient = ["1e15", *place.ImagePositionPatient[1:]]


def thousands_of_planes(seg):
    corners = [
        np.array(seg.PerFrameFunctionalGroupsSequence[n].PlanePositionSequence[0].ImagePositionPatient, float)
        for n in (0, 1)
    ]
    place = seg.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence[0]
    place.ImagePositionPatient = [round(float(x), 4) for x in corners[0] + 30_000 * (corners[1] - corners[0])]


def thousands_of_segments(seg):
    seg.SegmentSequence = list(seg.SegmentSequence) * 200


def a_segment_0(seg):
    seg.SegmentSequence[0].SegmentNumber = 0
    for group in seg.PerFrameFunctionalGroupsSequence:
        segment = group.SegmentIdentificationSequence[0]
        segment.ReferencedSegmentNumber = 0 if segment.ReferencedSegmentNumber == 1 else segment.ReferencedSegmentNumber


def unknown_segment(seg):
    seg.PerFrameFunctionalGroupsSequence[0].SegmentIdentificationSequence[0].ReferencedSegmentNumber = 77


def no_segments(seg):
    seg.SegmentSequence = []


def skewed(seg):
    seg.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient = [1, 0, 0, 1, 0, 0]


@pytest.mark.parametrize(
    "fault",
    [no_position, no_orientation, more_frames, huge, short_pixels, another_class, another_type, uneven, far_away,
     thousands_of_planes, thousands_of_segments, a_segment_0, unknown_segment, no_segments, skewed],
)  # fmt: skip
def test_hostile_segs_are_refused(tmp_path, fault):
    seg = segmentation(DISCS)
    fault(seg)
    assert code_of(write_seg(tmp_path, seg)) == "labels-unreadable"


def test_a_seg_that_is_cut_is_refused(tmp_path):
    path = write_seg(tmp_path, segmentation(DISCS))
    whole = path.read_bytes()
    for n_bytes in (0, 100, 132, 400, 2000, len(whole) // 2, len(whole) - 10):
        path.write_bytes(whole[:n_bytes])
        assert code_of(path) == "labels-unreadable", n_bytes


def test_a_deflated_seg_is_refused_before_it_is_inflated(tmp_path):
    seg = segmentation(DISCS)
    seg.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"
    assert code_of(write_seg(tmp_path, seg)) == "labels-unreadable"


# ------------------------------------------------------------------------------------------------ names of files
@pytest.mark.parametrize(
    ("name", "is_file"),
    [
        ("s_dseg.nii.gz", True),
        ("s_dseg.nii", True),
        ("s_dseg.seg.nrrd", True),
        ("s_dseg.nrrd", True),
        ("s_labels.seg.nrrd", True),
        ("s_dseg.dcm", True),
        ("s_seg.dcm", True),
        ("s.nrrd", False),
        ("s.dcm", False),
        ("s_T2w.nii.gz", False),
        ("s_dseg.label.txt", False),
        ("s_dseg.tsv", False),
    ],
)
def test_a_label_file_is_told_by_its_name(name, is_file):
    assert is_label_file(Path(name)) is is_file


def test_a_study_with_a_map_of_another_tool_is_checked_and_measured(tmp_path):
    """The two discs of the small study, drawn by TotalSpineSeg with a canal behind them."""
    folder = small_study(tmp_path / "study")
    path = folder / "labels" / "sub-P1_ses-month12_dseg.nii.gz"
    image = nib.load(path)
    values = np.choose(np.asarray(image.dataobj), [0, 95, 100]).astype(np.int16)
    values[36:39, 8:36, 1:3] = 2
    nib.Nifti1Image(values, image.affine).to_filename(path)
    path.with_name("sub-P1_ses-month12_dseg.tsv").unlink()
    call = [str(folder), "--labels", str(folder / "labels")]
    assert "2025-01-02, labels of 2 discs" in CliRunner().invoke(app, ["check", *call]).stdout
    out = tmp_path / "out"
    assert CliRunner().invoke(app, ["fit", *call, "-o", str(out)]).exit_code == 0
    rows = list(csv.DictReader((out / "visits.tsv").read_text().splitlines(), delimiter="\t"))
    notes = {row["session_id"]: row["notes"] for row in rows}
    assert "label values read as those of totalspineseg" in notes["ses-month12"]
    assert "totalspineseg" not in notes["ses-baseline"]
