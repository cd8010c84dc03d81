"""A look at the outputs of a study: what its visits are, and the index made again from their records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from t2disc import store
from t2disc.batch.visits import lacks_pictures


@dataclass(frozen=True, slots=True, kw_only=True)
class Surveyed:
    """A visit's facts, and whether its outputs are as they were published."""

    facts: store.VisitFacts
    is_whole: bool


def survey(out: Path) -> tuple[Surveyed, ...]:
    """Return the facts of every visit that has a record in ``out``, by study key.

    Those of the index count while the visit's files are the ones it has seen; otherwise its record is read, and its
    files are looked at.

    Raises
    ------
    RecordsOutdated
        ``records-outdated``.
    """
    store.refuse_outdated(out)
    return tuple(_survey(out, store.read_index(out)))


def rebuild_index(out: Path) -> int:
    """Make the index again from the records and manifests, and return how many visits it holds.

    What it knew of the inputs is kept as far as their files are the same, which the next run sees.

    Raises
    ------
    StoreError
        ``output-busy``, ``disk-full``, ``permission-denied``, ``write-failed`` or ``records-outdated``.
    """
    store.refuse_outdated(out)
    with store.output_lock(out):
        visits = {each.facts.key: each.facts for each in _survey(out, store.StudyIndex())}
        store.write_index(out, replace(store.read_index(out), visits=visits))
    return len(visits)


def _survey(out: Path, index: store.StudyIndex) -> Iterator[Surveyed]:
    for key in store.recorded_keys(out):
        known, stamp = index.visits.get(key), store.folder_stamp(out / key)
        if known is not None and stamp is not None and known.stamp == stamp:
            yield Surveyed(facts=known, is_whole=True)
            continue
        record = store.read_record(out, *key.split("/"))
        if record is None:
            continue
        is_whole = store.is_whole(out / key)
        pictures = {"has_pictures": store.has_figures(out / key), "lacks_pictures": lacks_pictures(record)}
        facts = store.VisitFacts.of(record, **pictures, stamp=stamp if is_whole else None)
        yield Surveyed(facts=facts, is_whole=is_whole)
