"""Whom a study names and does not hold: nobody is dropped without a word."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from t2disc.errors import RetestVisitUnknown
from t2disc.model import Visit
from t2disc.study.layout import derived_folders, detect_layout, participant_folders
from t2disc.study.names import plain_name
from t2disc.study.order import plain_session
from t2disc.study.participants import read_participants, row_warnings
from t2disc.study.pseudonym import PseudonymKey, pseudonym, read_key

if TYPE_CHECKING:
    from t2disc.model.protocol import Protocol


_MOST_NAMED = 8  # visits of a study


def retest_warnings(visits: Sequence[Visit], protocol: Protocol) -> Iterator[str]:
    """Tell that no visit bears the name that ``[repeatability] retest_visit`` gives: coefficients are then others'."""
    name = protocol.repeatability.retest_visit
    names = sorted({visit.session_id for visit in visits})
    if name is None or not names or plain_session(name) in map(plain_session, names):
        return
    told = ", ".join(names[:_MOST_NAMED]) + (f" and {len(names) - _MOST_NAMED} more" * (len(names) > _MOST_NAMED))
    given = plain_name(name)
    yield str(RetestVisitUnknown(f"no visit called {given}, as [repeatability] retest_visit names one, among {told}"))


def participant_warnings(
    study_dir: Path,
    visits: Sequence[Visit],
    protocol: Protocol,
    *,
    ignore: Collection[Path] = (),
    key: PseudonymKey | None = None,
) -> Iterator[str]:
    """Tell which folders were skipped or hold no visit, and which rows of ``participants.tsv`` name nobody.

    Parameters
    ----------
    study_dir, protocol, ignore, key
        As given to :func:`t2disc.study.find_visits`.
    visits
        What it found.
    """
    layout = detect_layout(study_dir, protocol.study.layout, ignore)
    with_visits = {visit.participant_id for visit in visits}
    if layout != "heap":
        for folder in derived_folders(study_dir, ignore):
            yield f"folder {plain_name(folder.name)}: skipped, a dataset derived from others"
    folders = () if layout == "heap" else participant_folders(study_dir, layout, ignore).values()
    for participant_id in folders:
        if participant_id not in with_visits:
            yield f"{participant_id}: the participant's folder holds no visit folder"
    rename = partial(pseudonym, key=key or read_key(study_dir)) if layout == "heap" else None
    yield from row_warnings(read_participants(study_dir), with_visits.union(folders), rename)
