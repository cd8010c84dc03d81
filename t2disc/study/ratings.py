"""Ratings as tables: whose word counts, what readers differ on, and, with its key, what a blinded set was of."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from t2disc import store
from t2disc.errors import ArgumentInvalid, StudyNotFound
from t2disc.model.ratings import same_reader
from t2disc.study.desks import REVIEW

if TYPE_CHECKING:
    from t2disc.qc.ratings import Disagreement, ReaderAgreement

Visit = tuple[str, str] | tuple[None, None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingsExported:
    """What was written, and what it says.

    ``n_torn`` lines were cut off by a crash as they were written; their readers were told that they were not kept.
    """

    folder: Path
    n_ratings: int
    n_readers: int
    n_torn: int
    differences: tuple[Disagreement, ...]
    agreements: tuple[ReaderAgreement, ...]


def export_ratings(source: Path, folder: Path | None = None, key_file: Path | None = None) -> RatingsExported:
    """Write ``ratings.tsv``, ``disagreements.tsv`` and ``agreement.tsv`` of a study or of a reading set.

    Parameters
    ----------
    source
        Outputs of ``t2disc fit``, or a reading set of ``t2disc blind``.
    folder
        Where the tables go; beside the ratings unless told otherwise. With a key it must be told, and may not be
        the reading set: whoever reads there must not find who is who.
    key_file
        Key of the reading set: participants and visits join the read codes, and visits that were read twice tell how
        far each reader agrees with himself.

    Raises
    ------
    RatingsDamaged
        ``ratings-damaged``.
    ReadingSetDamaged
        ``reading-set-damaged``: the key is not that of this set.
    StudyNotFound
        ``study-not-found``: ``source`` is neither.
    ArgumentInvalid
        ``argument-invalid``: a key for what is not blinded, no place for unblinded tables, or a visit or pair
        as place.
    """
    from t2disc.qc.ratings import agreements, current_ratings, disagreements, self_agreements

    if not store.is_reading_set(source) and not store.recorded_keys(source):
        raise StudyNotFound("a folder that holds no readings", expected="the outputs of t2disc fit, or of t2disc blind")
    home = source if store.is_reading_set(source) else source / REVIEW
    visits = _unblinded(source, key_file) if key_file else {}
    target = _target(source, home, folder, is_unblinded=bool(key_file))
    kept = store.read_ratings(home)
    latest = current_ratings(kept.ratings)
    times = Counter(rating.place for rating in kept.ratings)
    differing = disagreements(latest)
    agreeing = (*agreements(latest), *self_agreements(latest, visits))
    rows = []
    for rating in sorted(latest, key=lambda rating: (rating.subject, rating.figure, rating.level, rating.reader)):
        participant_id, session_id = visits.get(rating.subject, (None, None))
        n_earlier = times[rating.place] - 1
        row = store.RatingRow(rating=rating, n_earlier=n_earlier, participant_id=participant_id, session_id=session_id)
        rows.append(row)
    tables = (rows, [_difference(one, visits) for one in differing], [_agreement(one) for one in agreeing])
    for file in store.rating_files(*tables):
        store.update_file(target.joinpath(*file.path.parts), file.content)
    return RatingsExported(
        folder=target,
        n_ratings=len(latest),
        n_readers=len({same_reader(rating.reader) for rating in latest}),
        n_torn=kept.n_torn,
        differences=differing,
        agreements=agreeing,
    )


def _unblinded(source: Path, key_file: Path) -> dict[str, Visit]:
    if not store.is_reading_set(source):
        raise ArgumentInvalid("a key for outputs that are not blinded", expected="the folder that t2disc blind wrote")
    return dict(store.ReadingSet(source).read_key(key_file).visits)


def _target(source: Path, home: Path, folder: Path | None, *, is_unblinded: bool) -> Path:
    if folder is not None:
        store.refuse_published(folder, "tables of ratings")
    if not is_unblinded:
        return folder or home
    if folder is None or folder.resolve().is_relative_to(source.resolve()):
        raise ArgumentInvalid(
            "unblinded tables without a place of their own",
            expected="a folder that the readers do not see",
            todo="name one with -o",
        )
    return folder


def _agreement(one: ReaderAgreement) -> store.AgreementRow:
    return store.AgreementRow(
        reader=one.readers[0],
        other=one.readers[1],
        n_common=one.n_common,
        n_equal=one.n_equal,
        n_unlike=one.n_unlike,
        kappa=one.kappa,
    )


def _difference(one: Disagreement, visits: dict[str, Visit]) -> store.DisagreementRow:
    participant_id, session_id = visits.get(one.subject, (None, None))
    return store.DisagreementRow(
        subject=one.subject,
        figure=one.figure,
        level=one.level,
        words=", ".join(f"{reader} {word}" for reader, word in one.words),
        is_wide=one.is_wide,
        participant_id=participant_id,
        session_id=session_id,
    )
