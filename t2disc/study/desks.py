"""Where readers sit: at a study's outputs, or at a blinded reading set; both keep ratings."""

from __future__ import annotations

from pathlib import Path

from t2disc import __version__, store
from t2disc.model.ratings import Rating
from t2disc.model.report import ParticipantPage, ReportFigure, ReportSection
from t2disc.qc.review import ViewedVisit
from t2disc.study.planes import viewed_visit

REVIEW = "review"  # folder of the outputs in which ratings are kept
_TO_DO = (
    "Rate the whole, and each disc. Pass: the outline follows the disc and the T2 map can be used. Unsure: somebody "
    "else should look. Fail: an outline that cuts into bone or leaves part of the disc out, an artefact across the "
    "disc, or a wrong level."
)


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

    def ratings(self) -> tuple[Rating, ...]:
        """Return every rating of this set."""
        return store.read_ratings(self._folder).ratings

    def keep(self, rating: Rating) -> None:
        """Keep a rating in the set's own folder."""
        store.append_rating(self._folder, rating)
