"""A label map drawn in another tool: a NIfTI volume and the BIDS table that names its values."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from t2disc.errors import GeometryMissing, LabelsUnnamed, LabelsUnreadable, NiftiUnreadable
from t2disc.ingest.nifti import read_volume
from t2disc.model import LabelMap


def load_labels(path: Path | str) -> LabelMap:
    """Read a label map ``*_dseg.nii[.gz]`` and the ``.tsv`` of the same name, with columns ``index`` and ``name``.

    Source: BIDS derivatives, imaging data types, common image-derived labels.

    Raises
    ------
    LabelsUnreadable
        ``labels-unreadable``: no whole three-dimensional NIfTI of whole numbers from 0.
    LabelsUnnamed
        ``labels-unnamed``: the table is absent or lacks a column.
    """
    path = Path(path)
    try:
        values, affine = read_volume(path)
    except (NiftiUnreadable, GeometryMissing) as error:
        raise LabelsUnreadable(error.found) from error
    whole = np.asarray(values, np.float64)
    if not np.isfinite(whole).all() or (whole != np.round(whole)).any() or whole.min(initial=0) < 0:
        raise LabelsUnreadable("label values that are no whole numbers from 0")
    if whole.max(initial=0) > np.iinfo(np.int32).max:
        raise LabelsUnreadable("label values beyond 32 bits")
    return LabelMap(values=whole.astype(np.int32), affine=affine, names=_names(path))


def _names(path: Path) -> tuple[tuple[int, str], ...]:
    table = path.with_name(path.name.removesuffix(".gz").removesuffix(".nii") + ".tsv")
    if not table.is_file():
        raise LabelsUnnamed("a label map without a table beside it")
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        return tuple((_index(row["index"]), row["name"].strip()) for row in rows)
    except (OSError, KeyError, ValueError, AttributeError, TypeError, csv.Error) as error:
        raise LabelsUnnamed(
            "a label table that lacks the columns index and name, or a whole number in index"
        ) from error


def _index(text: str) -> int:
    if not text.strip().isdecimal():
        raise ValueError("no whole number")
    return int(text)
