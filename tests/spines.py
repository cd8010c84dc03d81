"""A small lumbar spine on an oblique sagittal grid, written as the files of the tools that labs draw with."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path

import nibabel as nib
import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from scipy.spatial.transform import Rotation

from t2disc.model import LEVELS, EchoStack

SHAPE = (60, 130, 5)
STEP_MM = 34.0
BONES = ("T12", "L1", "L2", "L3", "L4", "L5")
SIZE_MM = np.array([2.0, 2.0, 4.0])
_TURN = Rotation.from_euler("xyz", (4, -6, 5), degrees=True).as_matrix()
AFFINE = np.eye(4)
AFFINE[:3, :3] = _TURN @ np.array([[0, 0, -1.0], [-1.0, 0, 0], [0, 1.0, 0]]) * SIZE_MM
AFFINE[:3, 3] = -AFFINE[:3, :3] @ (np.array(SHAPE) - 1) / 2

VALUES = {
    "totalspineseg": {
        **dict(zip(LEVELS, (91, 92, 93, 94, 95, 100), strict=True)),
        **dict(zip(BONES, (32, 41, 42, 43, 44, 45), strict=True)),
        **{"sacrum": 50, "cord": 1, "canal": 2},
    },
    "spineps": {
        **dict(zip(LEVELS, (119, 120, 121, 122, 123, 124), strict=True)),
        **dict(zip(BONES, (19, 20, 21, 22, 23, 24), strict=True)),
        **{"sacrum": 26},
    },
    "spider": {
        **dict(zip(LEVELS, (206, 205, 204, 203, 202, 201), strict=True)),
        **dict(zip(BONES, (6, 5, 4, 3, 2, 1), strict=True)),
        **{"canal": 100},
    },
}
"""Values by which each tool draws each structure."""


def structures() -> dict[str, np.ndarray]:
    """Return the voxels ``(X, Y, Z)`` of every structure."""
    points = np.moveaxis(np.indices(SHAPE), 0, -1) @ AFFINE[:3, :3].T + AFFINE[:3, 3]
    heights = {level: 85 - STEP_MM * n for n, level in enumerate(LEVELS)}
    found = {level: _ellipsoid(points, (0, 10, height), (22, 18, 5)) for level, height in heights.items()}
    for n, bone in enumerate(BONES):
        height = 85 + STEP_MM / 2 - STEP_MM * n
        body = _ellipsoid(points, (0, 10, height), (20, 16, 11))
        found[bone] = body | _ellipsoid(points, (0, -35, height), (4, 10, 8))
    found["sacrum"] = _ellipsoid(points, (0, 0, -108), (25, 14, 13))
    canal = (np.hypot(points[..., 0], points[..., 1] + 17) < 8) & (np.abs(points[..., 2]) < 110)
    found["canal"] = canal & ~np.any(list(found.values()), axis=0)
    return found


def _ellipsoid(points: np.ndarray, centre: tuple[float, ...], axes: tuple[float, ...]) -> np.ndarray:
    return (((points - centre) / axes) ** 2).sum(axis=-1) < 1


def drawn(values: Mapping[str, int], masks: Mapping[str, np.ndarray] | None = None) -> np.ndarray:
    """Return the label map in which each structure has the value of its name."""
    out = np.zeros(SHAPE, np.int32)
    for name, mask in (masks or structures()).items():
        if name in values:
            out[mask] = values[name]
    return out


def stack() -> EchoStack:
    """Return images on the grid of the labels."""
    return EchoStack(signal=np.ones((*SHAPE, 2), np.float32), echo_times_ms=np.array([10.0, 20.0]), affine=AFFINE)


def write_nifti(path: Path, values: np.ndarray) -> Path:
    """Write a label map without a table."""
    image = nib.Nifti1Image(values.astype(np.int16), AFFINE)
    image.set_sform(AFFINE, code=1)
    image.to_filename(path)
    return path


# ------------------------------------------------------------------------------------------------ 3D Slicer
def nrrd_header(shape: tuple[int, ...], segments: Mapping[str, tuple[int, int]], **changes: str) -> dict[str, str]:
    """Return the fields of a ``.seg.nrrd`` in LPS; ``segments`` are (value, layer) by name."""
    lps = np.diag([-1.0, -1, 1, 1]) @ AFFINE
    directions = " ".join(f"({','.join(repr(float(x)) for x in lps[:3, axis])})" for axis in range(3))
    header = {
        "type": "short",
        "dimension": str(len(shape)),
        "space": "left-posterior-superior",
        "sizes": " ".join(map(str, shape)),
        "space directions": f"{'none ' if len(shape) == 4 else ''}{directions}",
        "kinds": f"{'list ' if len(shape) == 4 else ''}domain domain domain",
        "endian": "little",
        "encoding": "gzip",
        "space origin": f"({','.join(repr(float(x)) for x in lps[:3, 3])})",
    } | {key.replace("_", " "): value for key, value in changes.items()}
    for number, (name, (value, layer)) in enumerate(segments.items()):
        header |= {f"Segment{number}_Name:=": name, f"Segment{number}_LabelValue:=": str(value)}
        header |= {f"Segment{number}_Layer:=": str(layer), f"Segment{number}_Color:=": "0.5 0.6 0.1"}
    return header


def nrrd_bytes(header: Mapping[str, str], data: bytes) -> bytes:
    """Return a whole NRRD file."""
    lines = [f"{key}{value}" if key.endswith(":=") else f"{key}: {value}" for key, value in header.items()]
    return "\n".join(("NRRD0004", "# Complete NRRD file format specification at:", *lines, "", "")).encode() + data


def write_nrrd(path: Path, values: np.ndarray, segments: Mapping[str, tuple[int, int]], **changes: str) -> Path:
    """Write a ``.seg.nrrd``; of four dimensions the first is that of the layers."""
    header = nrrd_header(values.shape, segments, **changes)
    data = values.astype(">i2" if header["endian"] == "big" else "<i2").tobytes(order="F")
    path.write_bytes(nrrd_bytes(header, gzip.compress(data) if header["encoding"] == "gzip" else data))
    return path


# ------------------------------------------------------------------------------------------------ DICOM SEG
def segmentation(
    segments: Mapping[str, np.ndarray], *, codes: Mapping[str, str] | None = None, kind: str = "BINARY"
) -> FileDataset:
    """Return a DICOM SEG with one segment per name, as highdicom writes it; planes without voxels are left out."""
    lps = np.diag([-1.0, -1, 1, 1]) @ AFFINE
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.66.4"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    seg = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    seg.SOPClassUID, seg.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    seg.PatientName, seg.Modality, seg.SegmentationType = "CANARY^NAME", "SEG", kind
    seg.Columns, seg.Rows = SHAPE[:2]
    seg.SamplesPerPixel, seg.PixelRepresentation, seg.PhotometricInterpretation = 1, 0, "MONOCHROME2"
    seg.BitsAllocated = seg.BitsStored = 1 if kind == "BINARY" else 8
    seg.HighBit = seg.BitsStored - 1
    seg.SegmentSequence = Sequence(
        [_segment(n, name, (codes or {}).get(name)) for n, name in enumerate(segments, start=1)]
    )
    orientation = [float(x) for axis in (0, 1) for x in lps[:3, axis] / SIZE_MM[axis]]
    shared = Dataset()
    shared.PlaneOrientationSequence = [_dataset(ImageOrientationPatient=[round(x, 10) for x in orientation])]
    shared.PixelMeasuresSequence = [_dataset(PixelSpacing=[2.0, 2.0], SliceThickness=3.0, SpacingBetweenSlices=4.0)]
    seg.SharedFunctionalGroupsSequence = [shared]
    frames, groups = [], []
    for number, mask in enumerate(segments.values(), start=1):
        for z in [z for z in range(SHAPE[2]) if mask[:, :, z].any()]:
            corner = [round(float(x), 6) for x in lps[:3, 2] * z + lps[:3, 3]]
            group = Dataset()
            group.PlanePositionSequence = [_dataset(ImagePositionPatient=corner)]
            group.SegmentIdentificationSequence = [_dataset(ReferencedSegmentNumber=number)]
            groups.append(group)
            frames.append(mask[:, :, z].T)
    seg.PerFrameFunctionalGroupsSequence = groups
    seg.NumberOfFrames = len(frames)
    inside = np.array(frames, np.uint8)
    if kind == "BINARY":
        pixels = np.packbits(inside.ravel(), bitorder="little").tobytes()
    else:
        seg.SegmentationFractionalType, seg.MaximumFractionalValue = "PROBABILITY", 200
        pixels = np.where(inside, 100, 99).astype(np.uint8).tobytes()
    seg.PixelData = pixels + b"\0" * (len(pixels) % 2)
    seg["PixelData"].VR = "OB"
    return seg


def labelmap_segmentation(values: Mapping[str, int], masks: Mapping[str, np.ndarray], bits: int = 8) -> FileDataset:
    """Return a DICOM SEG of type LABELMAP: one frame per plane, in which each voxel has the number of its segment."""
    numbers = drawn(values, masks)
    seg = segmentation({"all": numbers >= 0})
    seg.SOPClassUID = seg.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.66.7"
    seg.SegmentationType, seg.PixelPaddingValue = "LABELMAP", 0
    seg.BitsAllocated = seg.BitsStored = bits
    seg.HighBit = bits - 1
    named = {"Background": 0, **values}
    seg.SegmentSequence = Sequence([_segment(number, name, None) for name, number in named.items()])
    for group in seg.PerFrameFunctionalGroupsSequence:
        del group.SegmentIdentificationSequence
    seg.PixelData = np.moveaxis(numbers, -1, 0).transpose(0, 2, 1).astype(f"<u{bits // 8}").tobytes()
    seg["PixelData"].VR = "OB" if bits == 8 else "OW"
    return seg


def _segment(number: int, label: str, code: str | None) -> Dataset:
    segment = _dataset(SegmentNumber=number, SegmentLabel=label, SegmentAlgorithmType="MANUAL")
    if code is not None:
        item = _dataset(CodeValue=code, CodingSchemeDesignator="SCT", CodeMeaning="a disc")
        segment.SegmentedPropertyTypeCodeSequence = [item]
    return segment


def _dataset(**elements: object) -> Dataset:
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset
