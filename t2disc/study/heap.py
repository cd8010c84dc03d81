"""One heap of DICOM files: told apart by PatientID and StudyDate, and given keyed pseudonyms."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from t2disc.errors import DicomUnreadable, LayoutUnclear, NameCollision
from t2disc.model import Visit
from t2disc.store import files_stamp
from t2disc.study.layout import CORRECTIONS, list_folder
from t2disc.study.order import usual_day
from t2disc.study.participants import index_levels, read_participants
from t2disc.study.pseudonym import PseudonymKey, pseudonym

if TYPE_CHECKING:
    from t2disc.model import Identity

    Owned = tuple[Path, Identity]

_UNDATED = "ses-undated"
_NO_HEAP = frozenset({"derivatives", "labels", CORRECTIONS})  # folders of a heap that hold outputs and labels


def visits_of_heap(study_dir: Path, key: PseudonymKey, ignore: Collection[Path] = ()) -> list[Visit]:
    """Return the visits of a heap, ``ses-01``, ``ses-02`` by day; every DICOM file belongs to one.

    Raises
    ------
    DicomUnreadable
        ``dicom-unreadable``: damaged files that do not tell whose they are.
    FolderUnreadable
        ``folder-unreadable``: a folder that may not be listed.
    LayoutUnclear
        ``layout-unclear``: files without PatientID.
    NameCollision
        ``name-collision``: two participants with one pseudonym.
    """
    patients = _by_patient(_owned_files(study_dir, ignore))
    names = {patient_id: pseudonym(patient_id, key) for patient_id in patients}
    if len(set(names.values())) < len(names):
        raise NameCollision("two participants with one pseudonym", todo="use another key for the pseudonyms")
    levels = index_levels(read_participants(study_dir), rename=partial(pseudonym, key=key))
    return [
        Visit(
            participant_id=names[patient_id],
            session_id=session_id,
            folder=study_dir,
            files=tuple(path for path, _ in owned),
            acquisition_date=usual_day(identity.acquisition_date for _, identity in owned),
            index_level=levels.get(names[patient_id]),
            stamp=files_stamp(path for path, _ in owned),
        )
        for patient_id, own in patients.items()
        for session_id, owned in _by_day(own)
    ]


def _owned_files(study_dir: Path, ignore: Collection[Path]) -> list[Owned]:
    """Return every DICOM file of the heap and whose it is; refuse a heap that holds some of nobody."""
    from t2disc.ingest import read_identity

    owned: list[Owned] = []
    n_damaged = 0
    for path in _files(study_dir, ignore):
        try:
            identity = read_identity(path)
        except DicomUnreadable:
            n_damaged += 1
            continue
        if identity is not None:
            owned.append((path, identity))
    if n_damaged:
        raise DicomUnreadable(
            f"{n_damaged} damaged DICOM files in a heap that do not tell whose they are",
            todo="remove them or export them again; a visit could lack them without a trace",
        )
    return owned


def _files(study_dir: Path, ignore: Collection[Path]) -> Iterator[Path]:
    from t2disc.ingest import walk_files

    others = (path for path in list_folder(study_dir) if path.name.lower() in _NO_HEAP)
    ignored = [path.resolve() for path in (*ignore, *others)]
    for path in walk_files(study_dir):
        if not any(path.resolve().is_relative_to(folder) for folder in ignored):
            yield path


def _by_patient(files: Collection[Owned]) -> dict[str, list[Owned]]:
    patients: dict[str, list[Owned]] = defaultdict(list)
    for path, identity in files:
        patients[identity.patient_id.strip()].append((path, identity))
    if nameless := patients.get(""):
        raise LayoutUnclear(
            f"{len(nameless)} DICOM files without PatientID in a heap",
            expected="a PatientID (0010,0020) in every file, by which the heap is told apart",
            todo="put each visit into study_dir/<participant>/<visit>/",
        )
    return patients


def _by_day(files: Collection[Owned]) -> Iterator[tuple[str, list[Owned]]]:
    """Yield the visits of one patient, numbered by study date; files without one are a visit of their own."""
    days: dict[str | None, list[Owned]] = defaultdict(list)
    for path, identity in files:
        days[identity.study_date].append((path, identity))
    for number, day in enumerate(sorted(day for day in days if day), start=1):
        yield f"ses-{number:02d}", days[day]
    if None in days:
        yield ("ses-01" if len(days) == 1 else _UNDATED), days[None]
