"""Which visits a study folder holds, under which keys."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from t2disc.errors import LayoutUnclear, NameCollision, NoVisits, T2DiscError, VisitOrderUnknown
from t2disc.model import Visit
from t2disc.study.dates import real_date
from t2disc.study.layout import Layout, detect_layout, holds_images, list_folder, visible_folders
from t2disc.study.names import bids_label, refuse_collisions
from t2disc.study.order import order_visits
from t2disc.study.participants import read_index_levels
from t2disc.study.pseudonym import PseudonymKey, pseudonym, read_key

if TYPE_CHECKING:
    from t2disc.model.protocol import Protocol

_DIRECT_SESSION = "ses-01"  # of a BIDS participant without ses- folders
_UNDATED = "ses-undated"


def find_visits(
    study_dir: Path | str,
    protocol: Protocol | None = None,
    *,
    ignore: Collection[Path] = (),
    key: PseudonymKey | None = None,
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

    Raises
    ------
    StudyNotFound, NoVisits, LayoutUnclear, NameCollision, ParticipantsInvalid, PseudonymKeyMissing
        ``study-not-found``, ``no-visits``, ``layout-unclear``, ``name-collision``, ``participants-invalid``,
        ``pseudonym-key-missing``.
    """
    study_dir = Path(study_dir)
    layout = detect_layout(study_dir, protocol.study.layout if protocol else "auto", ignore)
    if layout == "heap":
        visits = _visits_of_heap(study_dir, key or read_key(study_dir), ignore)
    else:
        visits = _visits_of_folders(study_dir, layout, ignore)
    if not visits:
        raise NoVisits("a study folder without visits")
    return _in_order(visits, protocol.study.visit_order if protocol else ())


def _visits_of_folders(study_dir: Path, layout: Layout, ignore: Collection[Path]) -> list[Visit]:
    folders = [path for path in visible_folders(study_dir, ignore) if layout != "bids" or path.name.startswith("sub-")]
    participants = {path: bids_label(path.name, "sub-") for path in folders}
    refuse_collisions(list(participants.values()))
    levels = read_index_levels(study_dir)
    return [
        replace(visit, index_level=levels.get(participant_id), acquisition_date=_study_date(visit.folder))
        for folder, participant_id in participants.items()
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
    """Refuse files where visit folders should be; a note beside visit folders does no harm, an image might."""
    files = [path for path in list_folder(folder) if path.is_file()]
    if files and (not n_visits or holds_images(folder)):
        raise LayoutUnclear(
            f"{len(files)} files right in the participant's folder and {n_visits} visit folders",
            expected="one folder per visit: study_dir/<participant>/<visit>/...",
            todo="put the files of each visit into a folder of its own (baseline, month12), "
            "or set [study] layout in the protocol file",
            where=participant_id,
        )


def _study_date(folder: Path) -> str | None:
    """Return the study date of the first image of a visit that can be read; its faults are for its own story."""
    from t2disc.ingest import read_identity, walk_files

    with suppress(OSError, T2DiscError):
        for path in walk_files(folder):
            if (identity := read_identity(path)) is not None:
                return real_date(identity.study_date)
    return None


def _visits_of_heap(study_dir: Path, key: PseudonymKey, ignore: Collection[Path]) -> list[Visit]:
    patients = _group_by_patient(study_dir, ignore)
    names = {patient_id: pseudonym(patient_id, key) for patient_id in patients}
    if len(set(names.values())) < len(names):
        raise NameCollision("two participants with one pseudonym", todo="use another key for the pseudonyms")
    levels = read_index_levels(study_dir, rename=lambda patient_id: pseudonym(patient_id, key))
    return [
        Visit(
            participant_id=names[patient_id],
            session_id=session_id,
            folder=study_dir,
            files=tuple(files),
            acquisition_date=day,
            index_level=levels.get(names[patient_id]),
        )
        for patient_id, days in patients.items()
        for session_id, day, files in _numbered(days)
    ]


def _group_by_patient(study_dir: Path, ignore: Collection[Path]) -> dict[str, dict[str | None, list[Path]]]:
    from t2disc.ingest import read_identity, walk_files

    ignored = [path.resolve() for path in (*ignore, study_dir / "derivatives", study_dir / "labels")]
    patients: dict[str, dict[str | None, list[Path]]] = defaultdict(lambda: defaultdict(list))
    n_nameless = 0
    for path in walk_files(study_dir):
        if any(path.resolve().is_relative_to(folder) for folder in ignored):
            continue
        if (identity := read_identity(path)) is None:
            continue
        n_nameless += not identity.patient_id.strip()
        patients[identity.patient_id.strip()][real_date(identity.study_date)].append(path)
    if n_nameless:
        raise LayoutUnclear(
            f"{n_nameless} images without PatientID in a heap",
            expected="a PatientID (0010,0020) in every image, by which the heap is told apart",
            todo="put each visit into study_dir/<participant>/<visit>/",
        )
    return patients


def _numbered(days: dict[str | None, list[Path]]) -> Iterator[tuple[str, str | None, list[Path]]]:
    for number, day in enumerate(sorted(day for day in days if day), start=1):
        yield f"ses-{number:02d}", day, days[day]
    if None in days:
        yield ("ses-01" if len(days) == 1 else _UNDATED), None, days[None]


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
