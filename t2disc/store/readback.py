"""Maps and labels of a measured visit, read back from where they were published."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2disc.errors import OutputsDamaged
from t2disc.model import SCHEMES, DiscLabels, LabelSource, RegionMap, T2Map
from t2disc.store.bids import FLAG_MAP, first_echo_name, quantity_of
from t2disc.store.records import VisitRecord

_MS_PER_S = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredVisit:
    """A visit as its outputs tell it: the T2 map in ms, and the discs; its first echo where that was read as well."""

    record: VisitRecord
    t2map: T2Map
    discs: DiscLabels
    echo: NDArray[np.float32] | None = None  # (X, Y, Z)


def read_visit(out: Path, record: VisitRecord, *, with_schemes: bool = True) -> StoredVisit:
    """Read the maps and labels of a visit that is done; region maps beyond NP and AF unless they are left out.

    T2 comes back from seconds in float32: to seven digits.

    Raises
    ------
    OutputsDamaged
        ``outputs-damaged``: a map is not there or not whole.
    """
    folder = out / record.participant_id / record.session_id / "anat"
    stem = f"{record.participant_id}_{record.session_id}"
    with _reading(record.key):
        discs = _discs(folder, stem, record, with_schemes=with_schemes)
        return StoredVisit(record=record, t2map=_t2map(folder, stem, record), discs=discs)


def read_first_echo(out: Path, record: VisitRecord) -> NDArray[np.float32] | None:
    """Read the first echo ``(X, Y, Z)`` of a visit that is done; ``None`` of outputs made before it was kept.

    Raises
    ------
    OutputsDamaged
        ``outputs-damaged``: it is there and not whole.
    """
    with _reading(record.key):
        if record.acquisition is None:
            raise LookupError("a record without its scan")
        name = first_echo_name(f"{record.participant_id}_{record.session_id}", record.acquisition)
        path = out / record.participant_id / record.session_id / "anat" / f"{name}.nii.gz"
        return np.asarray(_image(path)[0], np.float32) if path.exists() else None


@contextmanager
def _reading(where: str) -> Iterator[None]:
    """Turn whatever nibabel, zlib and the file system throw at a damaged file into one error."""
    try:
        yield
    except (OSError, EOFError, zlib.error, ValueError, LookupError, TypeError, ArithmeticError) as error:
        raise OutputsDamaged(f"maps that cannot be read back ({type(error).__name__})", where=where) from None
    except Exception as error:  # nibabel's own kinds have no common root
        if type(error).__module__.startswith("nibabel"):
            raise OutputsDamaged(f"maps that cannot be read back ({type(error).__name__})", where=where) from None
        raise


def _t2map(folder: Path, stem: str, record: VisitRecord) -> T2Map:
    if record.fit is None or record.acquisition is None:
        raise LookupError("a record without its fit")
    name = f"{quantity_of(record.acquisition)}map"
    t2_s, affine = _image(folder / f"{stem}_{name}.nii.gz")
    return T2Map(
        t2_ms=t2_s * np.float32(_MS_PER_S),
        s0=_image(folder / f"{stem}_S0map.nii.gz")[0],
        t2_se_ms=_image(folder / f"{stem}_desc-se_{name}.nii.gz")[0] * np.float32(_MS_PER_S),
        flag=_image(folder / f"{stem}_{FLAG_MAP}.nii.gz")[0],
        affine=affine,
        echo_times_ms=np.array(record.fit.echo_times_ms),
        model=record.fit.model,
        noise=record.fit.noise,
    )


def _discs(folder: Path, stem: str, record: VisitRecord, *, with_schemes: bool) -> DiscLabels:
    """Return the labels; empty ones on the T2 map's grid where no disc was labelled."""
    if not record.levels:
        flag, affine = _image(folder / f"{stem}_{FLAG_MAP}.nii.gz")
        return DiscLabels(discs=np.zeros_like(flag), regions=np.zeros_like(flag), levels=(), affine=affine)
    discs, affine = _image(folder / f"{stem}_desc-discs_dseg.nii.gz")
    return DiscLabels(
        discs=discs,
        regions=_image(folder / f"{stem}_desc-regions_dseg.nii.gz")[0],
        levels=record.levels,
        affine=affine,
        confidences=record.labels.confidences,
        reasons=record.labels.reasons,
        source=LabelSource(kind=record.labels.kind, sha256=record.labels.sha256, scheme=record.labels.scheme),
        schemes=tuple(_schemes(folder, stem, record)) if with_schemes else (),
    )


def _schemes(folder: Path, stem: str, record: VisitRecord) -> Iterator[RegionMap]:
    measured = record.regions.schemes if record.regions else ()
    for scheme in SCHEMES[1:]:
        if scheme in measured:
            values, _ = _image(folder / f"{stem}_desc-{scheme.replace('-', '')}_dseg.nii.gz")
            yield RegionMap(scheme=scheme, values=values)


def _image(path: Path) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Return the values as stored and the affine.

    nibabel stops at the last voxel; the stream is read to its end, where its check sum is compared. Source: RFC 1952.
    """
    nib: Any = import_module("nibabel")
    with gzip.open(path) as stream:
        image = nib.Nifti1Image.from_stream(stream)
        values = np.asarray(image.dataobj)
        if stream.read(1):
            raise ValueError("bytes after the last voxel")
    return values, image.affine
