"""The truth of a visit as files: disc labels, regions and T2 as NIfTI with BIDS names; what was simulated as JSON."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2disc.model.levels import LEVELS
from t2disc.model.regions import REGION_PARTS
from t2disc.simulate.grid import Grid
from t2disc.simulate.recipe import ParticipantRecipe, StudyRecipe, VisitRecipe, all_discs
from t2disc.simulate.scan import Scan


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedFile:
    """One file of a simulated study: where it belongs, relative to the study's folder, and what it holds."""

    path: PurePosixPath
    content: bytes


def truth_files(
    participant: ParticipantRecipe, visit: VisitRecipe, scan: Scan, labelled: tuple[str, ...]
) -> Iterator[SimulatedFile]:
    """Yield the label map twice (in ``labels``, for the analysis, and in ``truth``) and all else that is known.

    Labels hold the index of the level within ``labelled`` plus 1 where the disc fills at least half of the voxel.
    """
    subject, session = f"sub-{participant.participant_id}", f"ses-{visit.name}"
    stem = f"{subject}_{session}"
    discs = _relabelled(scan.truth.discs, labelled)
    regions = np.where(discs > 0, scan.truth.regions, 0).astype(np.uint8)
    label_map, table = nifti_bytes(discs, scan.grid), _table(enumerate(labelled, start=1))
    for folder in ("labels", "truth"):
        home = PurePosixPath(folder, subject, session, "anat")
        yield SimulatedFile(path=home / f"{stem}_desc-discs_dseg.nii.gz", content=label_map)
        yield SimulatedFile(path=home / f"{stem}_desc-discs_dseg.tsv", content=table)
    names = sorted((int(values[0]), region) for region, values in REGION_PARTS.items() if len(values) == 1)
    t2_s = (scan.truth.t2_ms / 1000).astype(np.float32)
    yield SimulatedFile(path=home / f"{stem}_desc-regions_dseg.nii.gz", content=nifti_bytes(regions, scan.grid))
    yield SimulatedFile(path=home / f"{stem}_desc-regions_dseg.tsv", content=_table(names))
    yield SimulatedFile(path=home / f"{stem}_T2map.nii.gz", content=nifti_bytes(t2_s, scan.grid))
    sidecar = {"Units": "s", "Description": "T2 of the tissue that fills most of the voxel; simulated"}
    yield SimulatedFile(path=home / f"{stem}_T2map.json", content=json_bytes(sidecar))
    facts = visit_facts(participant, visit, scan, labelled)
    yield SimulatedFile(path=home.parent / "truth.json", content=json_bytes(facts))


def visit_facts(
    participant: ParticipantRecipe, visit: VisitRecipe, scan: Scan, labelled: tuple[str, ...]
) -> dict[str, Any]:
    """Return what was simulated at a visit: discs, pose, acquisition, noise."""
    discs = _relabelled(scan.truth.discs, labelled)
    return {
        "participant_id": f"sub-{participant.participant_id}",
        "session_id": f"ses-{visit.name}",
        "vendor": visit.vendor,
        "transfer_syntax": visit.transfer_syntax,
        "index_level": participant.index_level,
        "discs": {
            disc.level: {
                "t2_np_ms": disc.t2_np_ms,
                "t2_af_ms": disc.t2_af_ms,
                "height_mm": disc.height_mm,
                "bulge_mm": disc.bulge_mm,
                "n_voxels": int(np.count_nonzero(discs == labelled.index(disc.level) + 1)),
            }
            for disc in all_discs(visit.discs)
            if disc.level in labelled
        },
        "pose": asdict(visit.pose) | {"flexion_deg": dict(visit.pose.flexion_deg)},
        "acquisition": asdict(visit.acquisition) | {"snr": _finite(visit.acquisition.snr)},
        "noise_sigma": scan.sigma,
        "affine_ras": scan.grid.affine.tolist(),
    }


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _relabelled(discs: NDArray[np.uint8], labelled: tuple[str, ...]) -> NDArray[np.uint8]:
    """Return labels that count within ``labelled`` instead of within LEVELS."""
    lookup = np.zeros(len(LEVELS) + 1, np.uint8)
    for value, level in enumerate(labelled, start=1):
        lookup[LEVELS.index(level) + 1] = value
    return np.asarray(lookup[discs])


def nifti_bytes(images: NDArray[np.generic], grid: Grid) -> bytes:
    """Return images ``(Z, rows, columns)`` as a gzipped NIfTI whose bytes depend on nothing else."""
    nib: Any = import_module("nibabel")  # untyped
    image = nib.Nifti1Image(grid.to_nifti_order(images), grid.affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(grid.affine, code=1)
    image.set_qform(grid.affine, code=1)
    return gzip.compress(image.to_bytes(), mtime=0)


def json_bytes(value: Any) -> bytes:
    """Return a value as indented JSON with sorted keys."""
    return (json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()


def _table(rows: Any) -> bytes:
    return "".join(f"{index}\t{name}\n" for index, name in [("index", "name"), *rows]).encode()


def participants_file(study: StudyRecipe) -> SimulatedFile:
    """Return ``participants.tsv``: each participant's treated level."""
    rows = [("participant_id", "index_level")]
    rows += [(f"sub-{person.participant_id}", person.index_level) for person in study.participants]
    text = "".join("\t".join(row) + "\n" for row in rows)
    return SimulatedFile(path=PurePosixPath("participants.tsv"), content=text.encode())
