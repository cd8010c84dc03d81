"""What a report shows, gathered before any page is made: plain words and pictures, nothing of a header."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field

from t2disc.errors import ArgumentInvalid
from t2disc.model.checks import GRADES


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportTable:
    """A table as it is printed.

    Attributes
    ----------
    title
        What it tells.
    columns
        Headings, units included.
    rows
        Cells as text, one per column; ``n/a`` where a value is missing.
    note
        How to read it.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ArgumentInvalid(f"rows of the table {self.title!r} of another length", expected="one cell per column")


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An encoded picture.

    Attributes
    ----------
    content
        The bytes of a PNG or a JPEG.
    media_type
        ``image/png`` or ``image/jpeg``.
    alternative
        What it shows, for those who cannot see it.
    """

    content: bytes = field(repr=False)
    media_type: str
    alternative: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceStrip:
    """Slices below each other in one picture, all of one size, so that a page can show them one at a time.

    Attributes
    ----------
    name
        What is shown: ``T2 at baseline``.
    picture
        ``n x height_px`` high.
    captions
        One per slice: where it lies.
    width_px, height_px
        Of one slice.
    """

    name: str
    picture: Picture
    captions: tuple[str, ...]
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingExample:
    """A small picture of what good, or bad, looks like, and how to tell."""

    title: str
    picture: Picture
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingGuide:
    """How a figure is read: in words, and by examples that stand beside it."""

    text: str
    examples: tuple[ReadingExample, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFigure:
    """A figure of a report with what a reader needs to judge it; it carries a rating of its own.

    Attributes
    ----------
    name
        Stays the same from report to report: ratings are kept under it. Letters, digits, hyphens.
    title, caption
        What it is; how to read it.
    strips
        Layers that take turns in one place (baseline and follow-up, with colour and without), all of one size.
    picture
        Or one still picture.
    levels
        Discs that may be rated one by one.
    command
        The line that makes it again; ``OUT`` stands for the folder of the outputs.
    guide
        How it is read, where words below its title do not do.
    """

    name: str
    title: str
    caption: str = ""
    strips: tuple[SliceStrip, ...] = ()
    picture: Picture | None = None
    levels: tuple[str, ...] = ()
    command: str = ""
    guide: ReadingGuide | None = None

    def __post_init__(self) -> None:
        sizes = {(strip.width_px, strip.height_px, len(strip.captions)) for strip in self.strips}
        if len(sizes) > 1 or bool(self.strips) == (self.picture is not None):
            raise ArgumentInvalid(f"figure {self.name!r}", expected="strips of one size, or one picture")

    @property
    def sha256(self) -> str:
        """Check sum of what is seen, pictures and their captions: what a rating was of."""
        seen = hashlib.sha256()
        for strip in self.strips:
            seen.update("\n".join((strip.name, *strip.captions, "")).encode())
            seen.update(strip.picture.content)
        if self.picture is not None:
            seen.update(self.picture.content)
        return seen.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSection:
    """A part of a page with its figures and tables."""

    name: str
    title: str
    text: str = ""
    figures: tuple[ReportFigure, ...] = ()
    tables: tuple[ReportTable, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantPage:
    """Everything the report of one participant shows.

    Attributes
    ----------
    participant_id
        As the outputs name it.
    summary
        One line per visit and pair: what must be known before anything else.
    sections
        In order of reading.
    command
        By which outputs and pages are made, in general form.
    version
        Of t2disc.
    """

    participant_id: str
    summary: tuple[str, ...]
    sections: tuple[ReportSection, ...]
    command: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexRow:
    """One visit in the index of a study."""

    participant_id: str
    session_id: str
    status: str
    grade: str
    review: str
    n_discs: str
    index_t2: str
    index_change: str
    report: str  # relative address of its report; empty where there is none
    reasons: str = ""  # of the grade
    thumbnail: Picture | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexPage:
    """The index of a study: every visit, and figures of the whole; ``note`` is what must be known of all of it."""

    rows: tuple[IndexRow, ...]
    figures: tuple[ReportFigure, ...] = ()
    note: str = ""
    command: str = ""
    version: str = ""

    @property
    def grade_counts(self) -> tuple[tuple[str, int], ...]:
        """How many visits have each grade, from the best to the worst; grades that no visit has are left out."""
        counts = Counter(row.grade for row in self.rows)
        return tuple((grade, counts[grade]) for grade in GRADES if counts[grade])
