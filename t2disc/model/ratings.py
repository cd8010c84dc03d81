"""What a reader said of what was shown: a word and a comment for a figure, or for one disc of it."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

from t2disc.errors import ArgumentInvalid
from t2disc.model.levels import LEVELS

Word = Literal["", "pass", "unsure", "fail"]
WORDS: tuple[Word, ...] = ("pass", "unsure", "fail")
"""From best to worst: the scale is ordinal."""
MOST_COMMENT = 400
"""Characters of a comment."""

_READER = re.compile(r"[^\W_][\w .'-]{0,39}")
_DEVICES = frozenset(("con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))))
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


READER_RULE = (
    "a reader's name of at most 40 letters, digits, spaces, '.', '_', '-', that begins with a letter or digit and is "
    "no device of Windows such as CON or NUL"
)
_EXPECTED = {
    "level": "a disc such as L4/L5",
    "word": f"a word of {', '.join(WORDS)}",
    "comment": f"a comment in one line of at most {MOST_COMMENT} characters",
    "reader": READER_RULE,
}


def is_reader(name: str) -> bool:
    """Tell whether a text can be a reader's name: a file is called after it.

    Windows opens a device where a file's name up to its first dot is one of a few, whatever the case and what follows.
    Source: Microsoft, "Naming Files, Paths, and Namespaces".
    """
    return _is_kept_reader(name) and same_reader(name).partition(".")[0].strip() not in _DEVICES


def _is_kept_reader(name: str) -> bool:
    """Tell whether a rating on record may bear this name: on other systems devices' names were good ones once."""
    composed = unicodedata.normalize("NFC", name)  # a letter and its accent may come apart
    return bool(_READER.fullmatch(composed)) and name.isprintable() and name == name.strip()


def same_reader(name: str) -> str:
    """Return what tells readers apart: their names whatever the case, and however accents are encoded."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """One statement of one reader; a later one on the same thing takes its place, and both are kept.

    Attributes
    ----------
    subject
        Participant, or read code of a blinded visit.
    figure
        Name of the figure that was rated.
    level
        Disc that was rated; empty for the figure as a whole.
    word
        ``pass``, ``unsure`` or ``fail``; empty where there is a comment alone.
    comment
        In the reader's words, on the figure.
    reader
        Who rated: at most 40 letters, digits, spaces, ``.``, ``_``, ``-`` and ``'``, beginning with a letter or digit.
    rated_sha256
        Check sum of what the reader saw (:attr:`~t2disc.model.report.ReportFigure.sha256`).
    rated_utc
        When, as ``2026-11-28T09:30:00.123Z``.
    """

    subject: str
    figure: str
    level: str = ""
    word: Word = ""
    comment: str = ""
    reader: str
    rated_sha256: str
    rated_utc: str

    def __post_init__(self) -> None:
        wrong = [name for name, is_right in self._checks().items() if not is_right]
        if wrong:
            raise ArgumentInvalid(
                f"a rating whose {', '.join(wrong)} cannot be",
                expected=" and ".join(_EXPECTED[name] for name in wrong if name in _EXPECTED) or "what the page sent",
            )

    def _checks(self) -> dict[str, bool]:
        return {
            "subject": bool(_NAME.fullmatch(self.subject)),
            "figure": bool(_NAME.fullmatch(self.figure)),
            "level": self.level in ("", *LEVELS),
            "word": self.word in ("", *WORDS),
            "comment": len(self.comment) <= MOST_COMMENT and self.comment.isprintable(),
            "reader": _is_kept_reader(self.reader),
            "rated_sha256": bool(_SHA256.fullmatch(self.rated_sha256)),
            "rated_utc": bool(_UTC.fullmatch(self.rated_utc)),
        }

    @property
    def place(self) -> tuple[str, str, str, str]:
        """What it is a statement on, and whose: the key under which the latest one counts."""
        return same_reader(self.reader), self.subject, self.figure, self.level
