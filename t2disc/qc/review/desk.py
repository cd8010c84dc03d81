"""What a review server needs of a study, or of a reading set: pages, volumes, and a place for ratings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from t2disc.model.ratings import Rating
from t2disc.model.report import ParticipantPage

VOLUMES = ("echo", "T2", "discs")
"""What the viewer in three planes shows of a visit: first echo, T2 in ms on the discs, and the disc labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewedVisit:
    """One visit that can be opened in three planes.

    Attributes
    ----------
    name
        Session, or read code.
    levels
        Discs that are labelled, with their values and colours ``(r, g, b)`` in the label volume.
    """

    name: str
    levels: tuple[tuple[str, int, tuple[int, int, int]], ...] = ()


class Desk(Protocol):
    """Where a reader sits: a study's outputs, or a blinded reading set."""

    @property
    def title(self) -> str:
        """What is read."""

    @property
    def subjects(self) -> tuple[str, ...]:
        """Participants, or read codes, in the order of reading."""

    def page(self, subject: str) -> ParticipantPage:
        """Return what is shown of one subject."""

    def visits(self, subject: str) -> tuple[ViewedVisit, ...]:
        """Return the visits of a subject that can be opened in three planes."""

    def volume(self, subject: str, visit: str, name: str) -> bytes:
        """Return one of :data:`VOLUMES` as gzipped NIfTI."""

    def ratings(self, reader: str = "") -> tuple[Rating, ...]:
        """Return every rating that was kept, in order of time; with a name, that reader's alone."""

    def keep(self, rating: Rating) -> None:
        """Keep a rating, and return once it is on the disk."""
