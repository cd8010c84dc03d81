"""Results whose record is of another version: they are there, and no verb of this version can read them."""

from __future__ import annotations

import json
from pathlib import Path

from t2disc.errors import RecordsOutdated
from t2disc.store.pairs import PAIR_RECORD_VERSION, pair_record_path, recorded_pairs
from t2disc.store.records import RECORD_VERSION, record_path, recorded_keys

_N_NAMED = 3


def is_outdated(out: Path, participant_id: str, session_id: str) -> bool:
    """Tell whether a visit has a record, and one of another version; what is no record at all is none."""
    return _is_of_another(record_path(out, participant_id, session_id), "record_version", RECORD_VERSION)


def is_pair_outdated(out: Path, participant_id: str, baseline: str, followup: str) -> bool:
    """Tell whether a pair has a record, and one of another version; what is no record at all is none."""
    path = pair_record_path(out, participant_id, baseline, followup)
    return _is_of_another(path, "pair_record_version", PAIR_RECORD_VERSION)


def outdated_results(out: Path) -> tuple[str, ...]:
    """Return the visits, then the pairs, whose record is of another version: ``sub-X/ses-B``, or with `` since ses-A``.

    Of records of this version the first few bytes are read.
    """
    visits = [key for key in recorded_keys(out) if is_outdated(out, *key.split("/"))]
    pairs = [
        f"{participant_id}/{followup} since {baseline}"
        for participant_id, baseline, followup in recorded_pairs(out)
        if is_pair_outdated(out, participant_id, baseline, followup)
    ]
    return (*visits, *pairs)


def refuse_outdated(out: Path) -> None:
    """Refuse outputs of which a part cannot be read, as what is told of the rest would pass for the whole.

    Raises
    ------
    RecordsOutdated
        ``records-outdated``.
    """
    found = outdated_results(out)
    if not found:
        return
    more = f" and {len(found) - _N_NAMED} more" if len(found) > _N_NAMED else ""
    results = "1 result" if len(found) == 1 else f"{len(found)} results"
    raise RecordsOutdated(
        f"{results} of another version of the record: {', '.join(found[:_N_NAMED])}{more}",
        expected=f"records of version {RECORD_VERSION} of visits, {PAIR_RECORD_VERSION} of pairs",
    )


def _is_of_another(path: Path, name: str, version: int) -> bool:
    own = f'{{\n  "{name}": {version},'.encode()  # as every record begins
    try:
        with path.open("rb") as file:
            head = file.read(len(own))
            tree = {} if head == own else json.loads(head + file.read())
    except (OSError, ValueError, RecursionError):
        return False
    found = tree.get(name) if isinstance(tree, dict) else None
    return type(found) is int and found != version
