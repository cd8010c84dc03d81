"""A label map drawn in another tool: its values, its place in the patient, and what its values stand for."""

from __future__ import annotations

import hashlib
from pathlib import Path

from t2disc.errors import GeometryMissing, LabelsUnreadable, NiftiUnreadable
from t2disc.ingest.labelnames import names_beside, telling
from t2disc.ingest.nifti import read_volume
from t2disc.ingest.nrrd import read_nrrd
from t2disc.ingest.schemes import names_by_scheme
from t2disc.ingest.segments import Drawing, whole_numbers
from t2disc.model import LabelMap, LabelSource

_NRRD, _DICOM = (".seg.nrrd", ".nrrd"), (".dcm",)
_VOLUMES = (".nii.gz", ".nii", *_NRRD)
_LABEL_FILES = (*(f"_dseg{ending}" for ending in (*_VOLUMES, *_DICOM)), "_seg.dcm", ".seg.nrrd")


def is_label_file(path: Path | str) -> bool:
    """Tell by its name whether a file is a label map.

    ``*_dseg`` as NIfTI, NRRD or DICOM, ``*_seg.dcm``, or any ``*.seg.nrrd``.
    """
    return Path(path).name.endswith(_LABEL_FILES)


def load_labels(path: Path | str, scheme: str | None = None) -> LabelMap:
    """Read a label map: NIfTI, a segmentation of 3D Slicer (``.seg.nrrd``), or a DICOM SEG.

    What the values stand for is said by a scheme that is asked for; otherwise by the names within the file; by the
    ``.tsv`` of the same name, with columns ``index`` and ``name``; by a label description of ITK-SNAP of the same name
    (``.label.txt``, ``.label``, ``.lbl`` or ``.txt``); or by the values, where they are those of one known tool.

    Parameters
    ----------
    path
        The file. It is read as what its name says; a name without a known ending is taken for DICOM.
    scheme
        ``totalspineseg``, ``spineps``, ``sct``, ``spider`` or ``totalsegmentator``.

    Raises
    ------
    LabelsUnreadable
        ``labels-unreadable``: no whole three-dimensional map of whole numbers from 0.
    LabelsUnnamed
        ``labels-unnamed``: nothing says what the values stand for.
    LabelsSchemeUnknown
        ``labels-scheme-unknown``: an unknown scheme, or values that could be of several.
    LabelsWithoutOutlines
        ``labels-without-outlines``: points, or vertebrae only.
    LabelsRepeated
        ``labels-repeated``: discs that overlap.
    """
    path = Path(path)
    if not path.is_file():  # a FIFO would block
        raise LabelsUnreadable("no regular file")
    drawing = _drawing(path)
    names, found = (() if scheme else _written_names(path, drawing)), None
    if not names:
        names, found = names_by_scheme(drawing.values, scheme)
    source = LabelSource(kind="given", sha256=_sha256(path), scheme=found)
    return LabelMap(values=drawing.values, affine=drawing.affine, names=names, source=source)


def _drawing(path: Path) -> Drawing:
    if path.name.endswith(_NRRD):
        return read_nrrd(path)
    if path.name.endswith((".nii.gz", ".nii")):
        return _read_nifti(path)
    from t2disc.ingest.segobject import read_segmentation

    return read_segmentation(path)


def _read_nifti(path: Path) -> Drawing:
    try:
        values, affine = read_volume(path)
    except (NiftiUnreadable, GeometryMissing) as error:
        raise LabelsUnreadable(error.found) from error
    return Drawing(values=whole_numbers(values), affine=affine)


def _written_names(path: Path, drawing: Drawing) -> tuple[tuple[int, str], ...]:
    ending = next((ending for ending in (*_VOLUMES, *_DICOM) if path.name.endswith(ending)), "")
    stem = path.name.removesuffix(ending) if ending else path.name
    return telling(drawing.names) or names_beside(path, stem)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
