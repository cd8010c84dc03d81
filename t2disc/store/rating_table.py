"""The tables of ratings: each reader's latest word on each thing, and what readers differ on.

Comments are the one text of a table that somebody typed freely. A spreadsheet takes a cell that begins with ``=``,
``+``, ``-`` or ``@`` for a formula and carries it out, also behind a quotation mark, so an apostrophe is put before
such a comment: spreadsheets read it as *text follows*. Nothing is lost, for comments that begin with apostrophes before
such a sign get one more: a program takes one apostrophe away where such a sign comes after the apostrophes, and has the
comment as it was typed. The ratings themselves (``ratings/*.jsonl``) hold it untouched. Source: OWASP, "CSV Injection".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from t2disc.model.ratings import Rating
from t2disc.store.columns import LEVEL_WORDS, PARTICIPANT, Column, table
from t2disc.store.files import StoredFile

_SUBJECT = "Participant, or read code of a blinded visit"
_FIGURE = "Figure of the report, or of the blinded visit"
_RATED_LEVEL = "Disc that was rated; n/a for the figure as a whole"
_WORDS = {
    "pass": "Can be used as it is",
    "unsure": "Somebody else should look",
    "fail": "Must not be used as it is",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingRow:
    """A rating that counts; who and which visit a read code stands for, where the key was given."""

    rating: Rating
    n_earlier: int = 0
    participant_id: str | None = None
    session_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DisagreementRow:
    """One thing that readers rated differently."""

    subject: str
    figure: str
    level: str
    words: str
    is_wide: bool
    participant_id: str | None = None
    session_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementRow:
    """How far two readers agree, or one with himself at two readings."""

    reader: str
    other: str
    n_common: int
    n_equal: int
    n_unlike: int
    kappa: float


def _as_text(comment: str) -> str:
    """Return a comment as the table writes it, with an apostrophe where a spreadsheet might take it for a formula."""
    text = " ".join(comment.split())  # as cells are written: what stands first then is what a spreadsheet sees first
    return f"'{text}" if text.lstrip("'").startswith(_FORMULA_SIGNS) else text


_FORMULA_SIGNS = ("=", "+", "-", "@", "\N{FULLWIDTH EQUALS SIGN}", "\N{FULLWIDTH PLUS SIGN}", '"',
                  "\N{FULLWIDTH HYPHEN-MINUS}", "\N{FULLWIDTH COMMERCIAL AT}")  # fmt: skip
_COMMENT = (
    "The reader's latest comment; an apostrophe stands before one that a spreadsheet might take for a formula (it "
    "begins with =, +, -, @ or a quotation mark, or with apostrophes before these): take one away to have it as typed"
)
_WHO: tuple[Column[RatingRow], ...] = (
    Column("participant_id", f"{PARTICIPANT}; n/a while blinded", lambda row: row.participant_id),
    Column("session_id", "Visit that a read code stands for; n/a while blinded", lambda row: row.session_id),
)
RATING_COLUMNS: tuple[Column[RatingRow], ...] = (
    Column("subject", _SUBJECT, lambda row: row.rating.subject),
    *_WHO,
    Column("figure", _FIGURE, lambda row: row.rating.figure),
    Column("level", _RATED_LEVEL, lambda row: row.rating.level, levels=LEVEL_WORDS),
    Column("reader", "Who rated", lambda row: row.rating.reader),
    Column("rating", "The reader's latest word", lambda row: row.rating.word, levels=_WORDS),
    Column("comment", _COMMENT, lambda row: _as_text(row.rating.comment)),
    Column("rated_utc", "When", lambda row: row.rating.rated_utc),
    Column("n_earlier", "Statements of the reader on this that were replaced", lambda row: row.n_earlier),
    Column("rated_sha256", "SHA-256 of what was seen", lambda row: row.rating.rated_sha256),
)
DISAGREEMENT_COLUMNS: tuple[Column[DisagreementRow], ...] = (
    Column("subject", _SUBJECT, lambda row: row.subject),
    Column("participant_id", f"{PARTICIPANT}; n/a while blinded", lambda row: row.participant_id),
    Column("session_id", "Visit that a read code stands for; n/a while blinded", lambda row: row.session_id),
    Column("figure", _FIGURE, lambda row: row.figure),
    Column("level", _RATED_LEVEL, lambda row: row.level, levels=LEVEL_WORDS),
    Column("ratings", "Each reader and word", lambda row: row.words),
    Column("pass_and_fail", "Whether one passed what another failed", lambda row: "yes" if row.is_wide else "no"),
)


AGREEMENT_COLUMNS: tuple[Column[AgreementRow], ...] = (
    Column("reader", "A reader", lambda row: row.reader),
    Column("other", "Another; or the same, where visits were read twice and the key was given", lambda row: row.other),
    Column("n_common", "Figures and discs that both rated, or rated at both readings", lambda row: row.n_common),
    Column("n_equal", "Those with the same word", lambda row: row.n_equal),
    Column("n_unlike", "Those whose pictures were not the same", lambda row: row.n_unlike),
    Column(
        "weighted_kappa",
        "Cohen's kappa with linear weights (pass, unsure, fail); n/a where one word was given throughout",
        lambda row: row.kappa,
        decimals=3,
    ),
)


def rating_files(
    rows: Sequence[RatingRow], differing: Sequence[DisagreementRow], agreeing: Sequence[AgreementRow]
) -> tuple[StoredFile, ...]:
    """Return ``ratings.tsv``, ``disagreements.tsv`` and ``agreement.tsv`` with their data dictionaries."""
    return (
        *table("ratings", RATING_COLUMNS, rows),
        *table("disagreements", DISAGREEMENT_COLUMNS, differing),
        *table("agreement", AGREEMENT_COLUMNS, agreeing),
    )
