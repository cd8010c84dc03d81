"""Which visits a study folder holds, under which keys."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from t2disc.errors import (
    DicomUnreadable,
    FolderUnreadable,
    LayoutUnclear,
    NoImages,
    NoVisits,
    StudyNotFound,
    VisitOrderUnknown,
)
from t2disc.model import InputFacts, Visit
from t2disc.store import files_stamp
from t2disc.study.heap import visits_of_heap
from t2disc.study.layout import Layout, detect_layout, holds_dicom, list_folder, participant_folders, visible_folders
from t2disc.study.names import bids_label, refuse_collisions
from t2disc.study.order import order_visits, usual_day
from t2disc.study.participants import index_levels, read_participants
from t2disc.study.pseudonym import PseudonymKey, read_key

if TYPE_CHECKING:
    from t2disc.model import Identity
    from t2disc.model.protocol import Protocol

_DOCUMENTS = frozenset(
    {".csv", ".doc", ".docx", ".htm", ".html", ".ini", ".json", ".log", ".md"}
    | {".odt", ".pdf", ".rtf", ".toml", ".tsv", ".txt", ".xls", ".xlsx"}
)
_DIRECT_SESSION = "ses-01"  # of a BIDS participant without ses- folders


def find_visits(
    study_dir: Path | str,
    protocol: Protocol | None = None,
    *,
    ignore: Collection[Path] = (),
    key: PseudonymKey | None = None,
    known: Mapping[str, InputFacts] | None = None,
) -> tuple[Visit, ...]:
    """Find the visits of a study, by participant and in order of time where that is known.

    Three layouts are understood: ``study_dir/<participant>/<visit>/...``; BIDS ``sub-*/ses-*`` (a participant without
    ``ses-`` folders has the one visit ``ses-01``); and one heap of DICOM files, told apart by PatientID and StudyDate
    and given keyed pseudonyms with visits ``ses-01``, ``ses-02`` in order of date.

    Parameters
    ----------
    study_dir
        The study folder; ``participants.tsv`` in it names the treated level of each participant.
    protocol
        Its ``[study]`` table may fix the layout and the order of visits.
    ignore
        Folders that hold no visits, such as that of the outputs.
    key
        Key of the pseudonyms of a heap; by default that of the study (environment or file).
    known
        What files told once, by their stamp: they are not opened again for the day of their acquisition. The headers
        of a heap's files always are read, for they tell whose they are.

    Raises
    ------
    StudyNotFound, NoVisits, LayoutUnclear, NameCollision, ParticipantsInvalid, PseudonymKeyMissing
        ``study-not-found``, ``no-visits``, ``layout-unclear``, ``name-collision``, ``participants-invalid``,
        ``pseudonym-key-missing``.
    """
    study_dir = Path(study_dir)
    layout = detect_layout(study_dir, protocol.study.layout if protocol else "auto", ignore)
    if layout == "heap":
        visits = visits_of_heap(study_dir, key or read_key(study_dir), ignore)
    else:
        visits = _visits_of_folders(study_dir, layout, ignore, known or {})
    if not visits:
        raise NoVisits("a study folder without visits")
    return _in_order(visits, protocol.study.visit_order if protocol else ())


def _visits_of_folders(
    study_dir: Path, layout: Layout, ignore: Collection[Path], known: Mapping[str, InputFacts]
) -> list[Visit]:
    participants = participant_folders(study_dir, layout, ignore)
    refuse_collisions(list(participants.values()))
    levels = index_levels(read_participants(study_dir))
    return [
        _dated(replace(visit, index_level=level), known)
        for folder, participant_id in participants.items()
        for level in [levels.get(participant_id.casefold())]
        for visit in _visits_of_participant(folder, participant_id, layout)
    ]


def _visits_of_participant(folder: Path, participant_id: str, layout: Layout) -> Iterator[Visit]:
    visits = list(visible_folders(folder))
    if layout == "bids":
        visits = [path for path in visits if path.name.startswith("ses-")]
        if not visits:
            yield Visit(participant_id=participant_id, session_id=_DIRECT_SESSION, folder=folder)
            return
    else:
        _refuse_loose_files(folder, participant_id, n_visits=len(visits))
    sessions = {path: bids_label(path.name, "ses-") for path in visits}
    refuse_collisions(list(sessions.values()), where=participant_id)
    for path, session_id in sessions.items():
        yield Visit(participant_id=participant_id, session_id=session_id, folder=path)


def _refuse_loose_files(folder: Path, participant_id: str, *, n_visits: int) -> None:
    """Refuse files where visit folders should be; documents do no harm, images and what may hold some would."""
    files = [path for path in list_folder(folder) if path.is_file()]
    are_documents = all(path.suffix.lower() in _DOCUMENTS for path in files)
    if files and (holds_dicom(folder) or not (n_visits or are_documents)):
        raise LayoutUnclear(
            f"{len(files)} files right in the participant's folder and {n_visits} visit folders",
            expected="one folder per visit: study_dir/<participant>/<visit>/...",
            todo="put the files of each visit into a folder of its own (baseline, month12), "
            "or set [study] layout in the protocol file",
            where=participant_id,
        )


def _dated(visit: Visit, known: Mapping[str, InputFacts]) -> Visit:
    """Return a visit with its day and the stamp of its files, which are read where they are not known."""
    from t2disc.ingest import files_read

    try:
        stamp = files_stamp(files_read(visit.folder))
    except (FolderUnreadable, NoImages, StudyNotFound):
        stamp = None
    facts = known.get(stamp) if stamp else None
    date = facts.acquisition_date if facts else _acquisition_date(visit.folder)
    return replace(visit, acquisition_date=date, stamp=stamp)


def _acquisition_date(folder: Path) -> str | None:
    """Return the day of a visit, as most of its files tell it; what is wrong with the others is for its own story."""
    try:
        return usual_day(identity.acquisition_date for identity in _identities(folder))
    except FolderUnreadable:
        return None


def _identities(folder: Path) -> Iterator[Identity]:
    from t2disc.ingest import read_identity, walk_files

    for path in walk_files(folder):
        try:
            identity = read_identity(path)
        except DicomUnreadable:
            continue
        if identity is not None:
            yield identity


def _in_order(visits: list[Visit], visit_order: Collection[str]) -> tuple[Visit, ...]:
    """Sort by participant, then by time; by name where the order in time is not known."""
    ordered: list[Visit] = []
    by_key = sorted(visits, key=lambda visit: (visit.participant_id, visit.session_id))
    for _, group in groupby(by_key, key=lambda visit: visit.participant_id):
        of_session = {visit.session_id: visit for visit in group}
        try:
            order = order_visits({s: v.acquisition_date for s, v in of_session.items()}, tuple(visit_order))
            ordered += [of_session[session_id] for session_id in order.session_ids]
        except VisitOrderUnknown:
            ordered += of_session.values()
    return tuple(ordered)
