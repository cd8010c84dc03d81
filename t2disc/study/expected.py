"""Whom a study expects, and at which visits: who never came has no record, only the study's own list tells."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from t2disc.study.layout import detect_layout
from t2disc.study.names import bids_label
from t2disc.study.order import plain_session
from t2disc.study.participants import read_participants
from t2disc.study.pseudonym import pseudonym, read_key

if TYPE_CHECKING:
    from t2disc.model.protocol import Protocol

_SOME_VISIT = "ses-any"
"""Stands for the visits of a participant who never came, in a study that does not say which were expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the study's own lists say.

    Attributes
    ----------
    session_ids
        Visits that every participant is to have, in order; none where the protocol names none.
    participant_ids
        Of ``participants.tsv``; none where it was not given.
    """

    session_ids: tuple[str, ...] = ()
    participant_ids: tuple[str, ...] = ()

    def absent(self, session_ids: Sequence[str]) -> tuple[str, ...]:
        """Return the visits that were expected of a participant with some visits, and are not among them."""
        came = {plain_session(name) for name in session_ids}
        lacking = tuple(name for name in self.session_ids if plain_session(name) not in came)
        return lacking if came or lacking else (_SOME_VISIT,)

    def never_seen(self, participant_ids: Collection[str]) -> tuple[str, ...]:
        """Return the participants who are on the list and not among those seen; case does not tell them apart."""
        seen = {name.casefold() for name in participant_ids}
        return tuple(name for name in self.participant_ids if name.casefold() not in seen)


def expected_visits(protocol: Protocol | None, study_dir: Path | None = None) -> Expected:
    """Return what ``[study] visit_order`` and, where the study folder is given, its ``participants.tsv`` say.

    In a heap of files ``participants.tsv`` may name a PatientID: only pseudonyms leave this function.

    Raises
    ------
    ParticipantsInvalid, PseudonymKeyMissing, LayoutUnclear
        As :func:`t2disc.study.participants.read_participants` and :func:`~t2disc.study.layout.detect_layout`.
    """
    order = protocol.study.visit_order if protocol else ()
    sessions = tuple(dict.fromkeys(bids_label(name, "ses-") for name in order))
    participants = _participant_ids(study_dir, protocol) if study_dir else ()
    return Expected(session_ids=sessions, participant_ids=participants)


def _participant_ids(study_dir: Path, protocol: Protocol | None) -> tuple[str, ...]:
    rows = read_participants(study_dir)
    layout = detect_layout(study_dir, protocol.study.layout if protocol else "auto")
    if layout != "heap":
        return tuple(row.participant_id for row in rows)
    rename = partial(pseudonym, key=read_key(study_dir))
    return tuple(rename(row.name) for row in rows)
