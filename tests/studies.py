"""Small studies of fake slices whose T2 is 60 ms everywhere, with disc labels, for tests of whole runs."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from slices import series, write

T2_MS = 60.0  # of every slice of the factory
LEVELS = ("L4/L5", "L5/S1")
_N_SLICES = 4
# the factory's slices in RAS+: columns run backwards by 0.5 mm, rows downwards by 0.8 mm, slices to the right by 5 mm
_AFFINE = np.array([[0, 0, 5.0, 0], [-0.5, 0, 0, 50], [0, 0.8, 0, 60 - 47 * 0.8], [0, 0, 0, 1]])


def sound_visit(folder: Path, date: str = "20240102", *, scanned: str = "", **changes: object) -> Path:
    """Write one visit that can be measured; scans of two days differ in one voxel, for no two scans are equal, unless
    they are said to have been ``scanned`` on one.
    """
    slices = series(_N_SLICES, StudyDate=date, AcquisitionDate=date, **changes)
    for ds in slices:
        corner = int.from_bytes(ds.PixelData[:2], "little") + round(int(scanned or date) % 89 / ds.EchoTime)
        ds.PixelData = corner.to_bytes(2, "little") + ds.PixelData[2:]
    return write(folder / "scan", slices)


def broken_visit(folder: Path) -> Path:
    """Write one visit that is refused: slice-missing."""
    return write(folder / "scan", series(_N_SLICES)[:-1])


def label_map(folder: Path, stem: str) -> None:
    """Write a label map of two discs for the visit ``stem`` (``sub-X_ses-Y``)."""
    folder.mkdir(parents=True, exist_ok=True)
    values = np.zeros((40, 48, _N_SLICES), np.uint8)
    values[5:30, 24:34, 1:3], values[5:30, 10:20, 1:3] = 1, 2
    image = nib.Nifti1Image(values, _AFFINE)
    image.to_filename(folder / f"{stem}_dseg.nii.gz")
    rows = "".join(f"{index}\t{level}\n" for index, level in enumerate(LEVELS, start=1))
    (folder / f"{stem}_dseg.tsv").write_text(f"index\tname\n{rows}")


def small_study(folder: Path) -> Path:
    """Write a study: one participant with two visits and labels, treated at L4/L5."""
    for visit, date in (("baseline", "20240102"), ("month12", "20250102")):
        sound_visit(folder / "P1" / visit, date)
        label_map(folder / "labels", f"sub-P1_ses-{visit}")
    (folder / "participants.tsv").write_text("participant_id\tindex_level\nP1\tL4/L5\n")
    return folder


VOLATILE = {"index.sqlite", "audit.jsonl"}


def tree(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file below ``folder`` but the logs, the index and the audit, which tell times."""
    paths = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: path.read_bytes() for name, path in paths.items() if "logs/" not in name and name not in VOLATILE}
