"""How a study folder is laid out, told from names and folders alone where that is possible."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Literal

from t2disc.errors import DicomUnreadable, LayoutUnclear, NoVisits, StudyNotFound
from t2disc.study.names import bids_label
from t2disc.study.smallfile import read_small_file

Layout = Literal["folders", "bids", "heap"]

CORRECTIONS = "corrections"
"""Folder of a study folder for readers' corrections of labels."""
IGNORED = frozenset(
    {"derivatives", "labels", CORRECTIONS, "sourcedata", "code", "phenotype", "stimuli", "truth", "logs"}
)
"""Folders of a study folder that hold no visits: outputs, labels, corrections, and the side folders of BIDS."""


def detect_layout(study_dir: Path, wanted: str = "auto", ignore: Collection[Path] = ()) -> Layout:
    """Tell how a study folder is laid out.

    ``bids`` where there are ``sub-*`` folders and either a ``dataset_description.json`` or an ``anat`` folder right
    below one of them; ``heap`` where DICOM files lie in the study folder itself and no folder beside them;
    otherwise ``folders``.

    Parameters
    ----------
    study_dir
        The study folder.
    wanted
        ``[study] layout`` of the protocol file; anything but ``auto`` is taken at its word.
    ignore
        Folders that hold no visits, such as that of the outputs.

    Raises
    ------
    StudyNotFound
        ``study-not-found``: no such folder, or it cannot be listed.
    LayoutUnclear
        ``layout-unclear``: DICOM files beside folders.
    NoVisits
        ``no-visits``: neither folders nor DICOM files.
    """
    list_folder(study_dir)
    if wanted in ("folders", "bids", "heap"):
        return wanted  # type: ignore[return-value]  # narrowed by the line above
    folders = list(visible_folders(study_dir, ignore))
    if _is_bids(study_dir, folders):
        return "bids"
    has_dicom = holds_dicom(study_dir)
    if has_dicom and folders:
        raise LayoutUnclear(f"DICOM files beside {len(folders)} folders in the study folder")
    if has_dicom:
        return "heap"
    if not folders:
        raise NoVisits("a study folder without visits")
    return "folders"


def participant_folders(study_dir: Path, layout: Layout, ignore: Collection[Path] = ()) -> dict[Path, str]:
    """Return each participant's folder with the label ``sub-...`` made of its name.

    Raises
    ------
    LayoutUnclear
        ``layout-unclear``: a name without any letter or digit, or too long a one.
    """
    folders = visible_folders(study_dir, ignore)
    return {path: bids_label(path.name, "sub-") for path in folders if layout != "bids" or path.name.startswith("sub-")}


def list_folder(folder: Path) -> list[Path]:
    """Return what lies in ``folder``, sorted, without hidden names.

    Raises
    ------
    StudyNotFound
        ``study-not-found``: no such folder, or it cannot be listed.
    """
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise StudyNotFound(f"no folder that can be listed ({type(error).__name__})") from None


def visible_folders(folder: Path, ignore: Collection[Path] = ()) -> Iterator[Path]:
    """Yield the sub-folders that may hold participants, sorted by name.

    Left out are hidden folders, those of :data:`IGNORED`, those of ``ignore``, and other datasets derived from data.
    """
    return (path for path in _wanted_folders(folder, ignore) if not _is_derivative(path))


def derived_folders(folder: Path, ignore: Collection[Path] = ()) -> Iterator[Path]:
    """Yield the sub-folders that hold no participants for one reason only: they are datasets derived from others."""
    return (path for path in _wanted_folders(folder, ignore) if _is_derivative(path))


def _wanted_folders(folder: Path, ignore: Collection[Path]) -> Iterator[Path]:
    unwanted = {path.resolve() for path in ignore}
    for path in list_folder(folder):
        if path.is_dir() and path.name.lower() not in IGNORED and path.resolve() not in unwanted:
            yield path


def holds_dicom(folder: Path) -> bool:
    """Tell whether DICOM files, damaged ones too, lie in ``folder`` itself."""
    return any(_is_dicom(path) for path in list_folder(folder) if path.is_file())


def _is_dicom(path: Path) -> bool:
    from t2disc.ingest import read_identity

    try:
        return read_identity(path) is not None
    except DicomUnreadable:
        return True


def _is_bids(study_dir: Path, folders: list[Path]) -> bool:
    participants = [path for path in folders if path.name.startswith("sub-")]
    has_description = (study_dir / "dataset_description.json").is_file()
    return bool(participants) and (has_description or any((path / "anat").is_dir() for path in participants))


def _is_derivative(folder: Path) -> bool:
    try:
        content = read_small_file(folder / "dataset_description.json", LayoutUnclear, "a dataset_description.json")
        description = json.loads(content)
    except (OSError, ValueError, RecursionError, LayoutUnclear):
        return False
    return isinstance(description, dict) and description.get("DatasetType") == "derivative"
