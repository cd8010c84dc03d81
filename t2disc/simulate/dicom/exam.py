"""One exam on its way to DICOM: what was measured, of whom, when, and the identifiers it gets."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.uid import generate_uid

from t2disc.simulate.recipe import AcquisitionRecipe
from t2disc.simulate.scan import LocaliserImage, Scan


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Exam:
    """All that a vendor's writer needs; everything in it is made up."""

    participant_id: str
    visit: str
    study_date: str  # YYYYMMDD
    seed: int
    transfer_syntax: str
    acquisition: AcquisitionRecipe
    scan: Scan
    localiser: tuple[LocaliserImage, ...]

    def uid(self, *parts: object) -> str:
        """Return the identifier of a part of the exam: the same parts, the same identifier.

        Parts that name a patient's frame or study must not hold more than they name.
        """
        sources = [self.participant_id, self.visit, str(self.seed), *map(str, parts)]
        return str(generate_uid(entropy_srcs=["/".join(sources)]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A series of an exam: its number, what the technologist called it, and when it began."""

    number: int
    description: str
    sequence: str  # SE or GR
    time: str  # HHMMSS.ffffff
    name: str = ""  # tells identifiers of series apart that share number and description

    def uid(self, exam: Exam) -> str:
        """Return the SeriesInstanceUID."""
        return exam.uid("series", self.number, self.name)


def series_of(number: int, description: str, *, sequence: str = "SE", minute: int = 0, name: str = "") -> Series:
    """Return a series that began some minutes after ten o'clock."""
    return Series(number=number, description=description, sequence=sequence, time=f"10{minute:02d}30.120000", name=name)
