"""What the outputs say of themselves as a BIDS dataset: who made them, what lies where, what no validator knows."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath

from t2disc import __version__
from t2disc.errors import ArgumentInvalid
from t2disc.store.files import StoredFile, json_file

_IGNORED_BY_VALIDATOR = (
    "discs.*",
    "changes.*",
    "roi_sensitivity.*",
    "model_sensitivity.*",
    "visits.*",
    "checks.*",
    "index.html",
    "index.sqlite",
    "audit.jsonl",
    "**/*_report.html",
    "review/",
    "logs/",
    "**/figures",
    "**/pairs",
    "manifest.json",
    "**/manifest.json",
    "**/*_record.json",
    "**/*_fitmap.*",
    "**/*_dseg.label.txt",
    "**/*_dseg.ctbl",
)
_README = """# T2 of lumbar discs, measured by t2disc

`discs.tsv`: T2 of each region of each disc at each visit. `changes.tsv`: each later visit against the first.
`roi_sensitivity.tsv`: how T2 depends on what is called the nucleus, or the disc. `model_sensitivity.tsv`: how it
depends on the signal model, where other models were asked for.
`visits.tsv`: every visit, how it was put in order, why it was refused if it was, and its grade where the protocol file
has checks. `checks.tsv`: every one of these checks. The `.json` beside each explains its columns.

`sub-*/ses-*/anat/`: the first echo (`MESE`, or `MEGRE` where the series is a gradient echo), maps of T2 in seconds
(`T2map`, `T2starmap`), their standard error (`desc-se`), the signal at echo time 0 (`S0map`), why a voxel has no T2
(`desc-flag_dseg`, 0 where there is one; the `.tsv` names the reasons), how well the curve describes the signal
(`fitmap`: reduced chi-square, R2, odd/even index, decay variance), and the discs and their regions
(`dseg`, with names and colours in the `.tsv`, for ITK-SNAP in the `.label.txt`, for 3D Slicer in the `.ctbl`).
`sub-*/ses-*/fmap/`: the refocusing efficiency (`TB1map`), of the signal models that find or are given it.

`sub-*/pairs/ses-A_ses-B/`: how the discs of visit A lie at visit B (the record), and on both visits' grids the parts of
the discs that both outlines agree on (`desc-matched...`).
"""


def dataset_files() -> tuple[StoredFile, ...]:
    """Return ``dataset_description.json``, ``.bidsignore`` and ``README.md`` of the outputs.

    Source: BIDS 1.9.0, "Dataset description" and "Derived dataset and pipeline description".
    """
    description = {
        "Name": "t2disc: T2 of lumbar discs",
        "BIDSVersion": "1.9.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "t2disc", "Version": __version__}],
    }
    return (
        json_file("dataset_description.json", description),
        StoredFile(path=PurePosixPath(".bidsignore"), content="\n".join((*_IGNORED_BY_VALIDATOR, "")).encode()),
        StoredFile(path=PurePosixPath("README.md"), content=_README.encode()),
    )


LISTED = ("dataset_description.json", ".bidsignore")
"""What the study's manifest lists of :func:`dataset_files`: people may write more into ``README.md``."""


def is_own_dataset(folder: Path) -> bool:
    """Tell whether the ``dataset_description.json`` of a folder names t2disc as its maker."""
    path = folder / "dataset_description.json"
    try:
        names = [item["Name"] for item in json.loads(path.read_bytes())["GeneratedBy"]] if path.is_file() else []
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return False
    return "t2disc" in names


def refuse_foreign_dataset(out: Path) -> None:
    """Refuse an output folder that holds somebody else's dataset.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: its ``dataset_description.json`` does not name t2disc.
    """
    if (out / "dataset_description.json").exists() and not is_own_dataset(out):
        raise ArgumentInvalid(
            "an output folder that holds another dataset",
            expected="an empty or new folder, or earlier outputs of t2disc",
            todo="choose another output folder with -o",
        )
