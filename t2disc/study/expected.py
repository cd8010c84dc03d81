"""Whom a study expects, and at which visits: who never came has no record, only the study's own list tells."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from t2disc.errors import NoVisits, ParticipantsInvalid
from t2disc.study.layout import detect_layout
from t2disc.study.names import bids_label
from t2disc.study.order import plain_session
from t2disc.study.participants import read_participants
from t2disc.study.pseudonym import is_pseudonym, pseudonym, read_key

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
    is_list_alone
        Whether the list came without the images, by which one could tell whether it names PatientIDs.
    """

    session_ids: tuple[str, ...] = ()
    participant_ids: tuple[str, ...] = field(default=(), repr=False)
    is_list_alone: bool = False

    def absent(self, session_ids: Sequence[str]) -> tuple[str, ...]:
        """Return the visits that were expected of a participant with some visits, and are not among them."""
        came = {plain_session(name) for name in session_ids}
        lacking = tuple(name for name in self.session_ids if plain_session(name) not in came)
        return lacking if came or lacking else (_SOME_VISIT,)

    def never_seen(self, participant_ids: Collection[str]) -> tuple[str, ...]:
        """Return the participants who are on the list and not among those seen; case does not tell them apart.

        Raises
        ------
        ParticipantsInvalid
            ``participants-invalid``: the list came without the images, and those seen have pseudonyms: names on the
            list may be PatientIDs.
        """
        if self.is_list_alone and any(map(is_pseudonym, participant_ids)):
            raise ParticipantsInvalid(
                "a participants.tsv without its images, beside outputs with pseudonyms",
                expected="the study folder itself: the list may name PatientIDs",
                todo="give the folder that was measured",
            )
        seen = {name.casefold() for name in participant_ids}
        return tuple(name for name in self.participant_ids if name.casefold() not in seen)


def expected_visits(protocol: Protocol | None, study_dir: Path | None = None) -> Expected:
    """Return what ``[study] visit_order`` and, where the study folder is given, its ``participants.tsv`` say.

    In a heap of files ``participants.tsv`` may name a PatientID: only pseudonyms leave this function. A folder may hold
    the list alone; its names are then those of the outputs, unless these have pseudonyms.

    Raises
    ------
    ParticipantsInvalid, PseudonymKeyMissing, LayoutUnclear
        As :func:`t2disc.study.participants.read_participants` and :func:`~t2disc.study.layout.detect_layout`.
    """
    order = protocol.study.visit_order if protocol else ()
    sessions = tuple(dict.fromkeys(bids_label(name, "ses-") for name in order))
    participants, is_alone = _participant_ids(study_dir, protocol) if study_dir else ((), False)
    return Expected(session_ids=sessions, participant_ids=participants, is_list_alone=is_alone)


def _participant_ids(study_dir: Path, protocol: Protocol | None) -> tuple[tuple[str, ...], bool]:
    """Return whom the list names, as outputs do, and whether it came without images."""
    rows = read_participants(study_dir)
    plain = tuple(row.participant_id for row in rows)
    try:
        layout = detect_layout(study_dir, protocol.study.layout if protocol else "auto")
    except NoVisits:
        if not rows:
            raise
        return plain, True
    if layout != "heap":
        return plain, False
    rename = partial(pseudonym, key=read_key(study_dir))
    return tuple(rename(row.name) for row in rows), False
