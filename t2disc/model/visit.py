"""Who came when: the keys under which visits are known, and what is to be read for each."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from t2disc.model.labels import DiscLabels
from t2disc.model.levels import CONTROL_LEVELS
from t2disc.model.maps import T2Map


@dataclass(frozen=True, slots=True)
class InputFacts:
    """What reading a visit's files told once, and need not tell again while they are the same."""

    images_sha256: str | None = None  # of all of them, as :class:`~t2disc.store.Basis` has it
    acquisition_date: str | None = None  # YYYY-MM-DD


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One session of one participant, as found in the study folder.

    ``files`` is empty when the whole ``folder`` belongs to the visit; in a heap it lists the visit's own files.
    Paths stay out of the ``repr``, which is safe to log.
    """

    participant_id: str  # sub-...
    session_id: str  # ses-...
    folder: Path = field(repr=False)
    files: tuple[Path, ...] = field(default=(), repr=False)
    acquisition_date: str | None = field(default=None, repr=False)  # YYYY-MM-DD
    index_level: str | None = None  # treated disc, from participants.tsv
    stamp: str | None = field(default=None, repr=False)  # of its files, by which they are known again unread

    @property
    def key(self) -> str:
        """Study key, ``sub-01/ses-baseline``."""
        return f"{self.participant_id}/{self.session_id}"

    @property
    def stem(self) -> str:
        """Start of the visit's file names, ``sub-01_ses-baseline``."""
        return f"{self.participant_id}_{self.session_id}"

    def role(self, level: str, control_levels: Collection[str] = CONTROL_LEVELS) -> str:
        """Return what the disc is to the study, see :func:`role_of`."""
        return role_of(level, self.index_level, control_levels)


def role_of(level: str, index_level: str | None, control_levels: Collection[str] = CONTROL_LEVELS) -> str:
    """Return what a disc is to the study.

    ``index`` is the treated disc; ``control`` any other that can be one, by ``[study] control_levels`` of the protocol;
    ``other`` one that cannot, as T12/L1, which is seen or not as slices happen to lie; ``unknown`` all discs of a
    participant whose treated disc nobody has named.
    """
    if index_level is None:
        return "unknown"
    if level == index_level:
        return "index"
    return "control" if level in control_levels else "other"


class MeasuredVisit(Protocol):
    """A visit with its numbers in memory, wherever they come from: its T2 map and its discs, on one grid."""

    @property
    def t2map(self) -> T2Map:
        """``(X, Y, Z)`` T2 in ms with flags."""

    @property
    def discs(self) -> DiscLabels:
        """``(X, Y, Z)`` named discs and their regions."""
