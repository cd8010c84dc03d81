"""Where readers sit: at a study's outputs, or at a blinded reading set; both keep ratings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from t2disc import __version__, store
from t2disc.model.ratings import Rating
from t2disc.model.report import ParticipantPage, ReportFigure, ReportSection
from t2disc.study.planes import plane_volume, viewed_visit
from t2disc.study.report.gather import gather, read_maps
from t2disc.study.report.participant import participant_page

if TYPE_CHECKING:
    from t2disc.model.protocol import Protocol
    from t2disc.qc.review import ViewedVisit

REVIEW = "review"  # folder of the outputs in which ratings are kept
_TO_DO = (
    "Rate the whole, and each disc. Pass: the outline follows the disc and the T2 map can be used. Unsure: somebody "
    "else should look. Fail: an outline that cuts into bone or leaves part of the disc out, an artefact across the "
    "disc, or a wrong level."
)


class StudyDesk:
    """A study's outputs as they are when the reading begins: each participant's report.

    Raises
    ------
    StudyNotFound
        ``study-not-found``: no visit has a record in ``out``.
    """

    def __init__(self, out: Path, protocol: Protocol | None = None) -> None:
        self._out = out
        self._participants = {one.participant_id: one for one in gather(out, protocol).participants if one.visits}

    @property
    def title(self) -> str:
        """What is read."""
        return "T2 of lumbar discs: review"

    @property
    def subjects(self) -> tuple[str, ...]:
        """Participants, in alphabetical order."""
        return tuple(sorted(self._participants))

    def page(self, subject: str) -> ParticipantPage:
        """Return the report of a participant."""
        participant = self._participants[subject]
        return participant_page(self._out, participant, read_maps(self._out, participant))

    def visits(self, subject: str) -> tuple[ViewedVisit, ...]:
        """Return the visits of a participant that were measured."""
        records = [row.record for row in self._participants[subject].visits]
        return tuple(viewed_visit(one.session_id, one.levels) for one in records if one.is_done)

    def volume(self, subject: str, visit: str, name: str) -> bytes:
        """Return a volume of a visit.

        Raises
        ------
        OutputsDamaged
            ``outputs-damaged``: it cannot be read back.
        """
        rows = self._participants[subject].visits
        record = next(row.record for row in rows if row.record.session_id == visit)
        stored, echo = store.read_visit(self._out, record), store.read_first_echo(self._out, record)
        return plane_volume(stored, echo, name, stored.discs.affine)

    def ratings(self, reader: str = "") -> tuple[Rating, ...]:
        """Return every rating of this study, or of one reader."""
        return store.read_ratings(self._out / REVIEW, reader).ratings

    def keep(self, rating: Rating) -> None:
        """Keep a rating in the outputs."""
        store.append_rating(self._out / REVIEW, rating)


class ReadingDesk:
    """A blinded reading set: each read under its code, and nothing else."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._set = store.ReadingSet(folder)

    @property
    def title(self) -> str:
        """What is read."""
        return "Blinded reading"

    @property
    def subjects(self) -> tuple[str, ...]:
        """Read codes, in the order of reading."""
        return self._set.codes

    def page(self, subject: str) -> ParticipantPage:
        """Return the slices of one read."""
        levels = self._set.levels(subject)
        figure = ReportFigure(
            name="slices",
            title="T2 on the discs",
            caption="Slices from the patient's right to left; discs have a white border.",
            strips=self._set.strips(subject),
            levels=levels,
        )
        section = ReportSection(name="reading", title="Slices", text=_TO_DO, figures=(figure,))
        summary = (f"discs that are labelled: {', '.join(levels) or 'none'}",)
        return ParticipantPage(participant_id=subject, summary=summary, sections=(section,), version=__version__)

    def visits(self, subject: str) -> tuple[ViewedVisit, ...]:
        """Return the one visit of a read."""
        return (viewed_visit(subject, self._set.levels(subject)),)

    def volume(self, subject: str, visit: str, name: str) -> bytes:
        """Return a volume of a read."""
        del visit  # the only one
        return self._set.volume(subject, name)

    def ratings(self, reader: str = "") -> tuple[Rating, ...]:
        """Return every rating of this set, or of one reader."""
        return store.read_ratings(self._folder, reader).ratings

    def keep(self, rating: Rating) -> None:
        """Keep a rating in the set's own folder."""
        store.append_rating(self._folder, rating)


def desk_of(folder: Path, protocol: Protocol | None = None) -> StudyDesk | ReadingDesk:
    """Return the desk of a folder: a reading set, or a study's outputs.

    Raises
    ------
    ReadingSetDamaged
        ``reading-set-damaged``.
    StudyNotFound
        ``study-not-found``: it is neither.
    """
    return ReadingDesk(folder) if store.is_reading_set(folder) else StudyDesk(folder, protocol)
