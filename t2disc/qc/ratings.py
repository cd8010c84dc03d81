"""What readers' ratings say together: which statement counts, where readers differ, how far they agree."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar

from t2disc.model.ratings import WORDS, Rating, Word, same_reader

_Said = TypeVar("_Said", bound=str)
Item = tuple[str, str, str]  # subject, figure, level


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """One thing that readers rated differently, with each reader's word."""

    subject: str
    figure: str
    level: str
    words: tuple[tuple[str, Word], ...]  # reader, word; by reader

    @property
    def is_wide(self) -> bool:
        """Whether one reader passed what another failed."""
        return {"pass", "fail"} <= {word for _, word in self.words}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderAgreement:
    """How far two readers agree on what both rated.

    ``kappa`` is NaN where it says nothing: no common item, or both gave one and the same word throughout. ``n_unlike``
    of the common items were rated in pictures that were not the same: the outputs were made again between the readings.
    """

    readers: tuple[str, str]
    n_common: int
    n_equal: int
    n_unlike: int = 0
    kappa: float  # Cohen's, linear weights


def current_ratings(ratings: Iterable[Rating]) -> tuple[Rating, ...]:
    """Return each reader's latest statement on each thing, in the order in which the things were first rated."""
    latest: dict[tuple[str, str, str, str], Rating] = {}
    for rating in ratings:
        latest[rating.place] = rating
    return tuple(latest.values())


def disagreements(ratings: Iterable[Rating]) -> tuple[Disagreement, ...]:
    """Return what readers rated differently, by subject, figure and disc."""
    words = _words(current_ratings(ratings))
    return tuple(
        Disagreement(subject=subject, figure=figure, level=level, words=tuple(sorted(said.items())))
        for (subject, figure, level), said in sorted(words.items())
        if len(set(said.values())) > 1
    )


def agreements(ratings: Iterable[Rating]) -> tuple[ReaderAgreement, ...]:
    """Return, for every two readers, how many things both rated, and how far they agree."""
    latest = current_ratings(ratings)
    words, seen = _words(latest), _seen(latest)
    readers = sorted({reader for said in words.values() for reader in said})
    return tuple(_agreement(pair, words, seen) for pair in combinations(readers, 2))


def self_agreements(ratings: Iterable[Rating], visits: Mapping[str, object]) -> tuple[ReaderAgreement, ...]:
    """Return how far each reader agrees with himself on visits that were read twice.

    Parameters
    ----------
    ratings
        Of a blinded set.
    visits
        What each read code stands for, by its key: two codes of one visit are its two readings.
    """
    codes: defaultdict[object, list[str]] = defaultdict(list)
    for code, visit in sorted(visits.items()):
        codes[visit].append(code)
    twice = [pair for own in codes.values() for pair in combinations(own, 2)]
    words = _words(current_ratings(ratings))
    readers = sorted({reader for said in words.values() for reader in said})
    found = {reader: list(_both(reader, twice, words)) for reader in readers}
    return tuple(
        ReaderAgreement(
            readers=(reader, reader),
            n_common=len(pairs),
            n_equal=sum(one == other for one, other in pairs),
            kappa=weighted_kappa(pairs),
        )
        for reader, pairs in found.items()
        if pairs
    )


def _both(
    reader: str, twice: Iterable[tuple[str, str]], words: Mapping[Item, Mapping[str, Word]]
) -> Iterator[tuple[Word, Word]]:
    """Yield a reader's words at both readings of each figure and disc."""
    for one, other in twice:
        for subject, figure, level in words:
            if subject == one:
                said = words[one, figure, level].get(reader), words.get((other, figure, level), {}).get(reader)
                if said[0] and said[1]:
                    yield said[0], said[1]


def weighted_kappa(pairs: Sequence[tuple[Word, Word]]) -> float:
    """Return Cohen's kappa with linear weights, of two readers' words on the same things.

    ``kappa = 1 - sum(d) / sum(expected d)``, where d is how many steps of pass, unsure, fail two words lie apart and
    the expected sum takes the readers' words as independent. NaN where it is 0 over 0.

    Source: Cohen 1968, Psychol Bull 70:213.
    """
    steps = [(WORDS.index(one), WORDS.index(other)) for one, other in pairs]
    if not steps:
        return math.nan
    observed = sum(abs(one - other) for one, other in steps)
    expected = sum(abs(one - other) for one, _ in steps for _, other in steps) / len(steps)
    return 1 - observed / expected if expected else math.nan


def _words(ratings: Iterable[Rating]) -> Mapping[Item, Mapping[str, Word]]:
    """Return what each reader said of each thing; readers are told apart whatever the case of their names."""
    words: defaultdict[Item, dict[str, Word]] = defaultdict(dict)
    for rating in ratings:
        if rating.word:
            words[rating.subject, rating.figure, rating.level][same_reader(rating.reader)] = rating.word
    return words


def _seen(ratings: Iterable[Rating]) -> Mapping[Item, Mapping[str, str]]:
    """Return the check sum of what each reader saw of each thing that got a word."""
    seen: defaultdict[Item, dict[str, str]] = defaultdict(dict)
    for rating in ratings:
        if rating.word:
            seen[rating.subject, rating.figure, rating.level][same_reader(rating.reader)] = rating.rated_sha256
    return seen


def _agreement(
    readers: tuple[str, str], words: Mapping[Item, Mapping[str, Word]], seen: Mapping[Item, Mapping[str, str]]
) -> ReaderAgreement:
    pairs = list(_common(readers, words.values()))
    return ReaderAgreement(
        readers=readers,
        n_common=len(pairs),
        n_equal=sum(one == other for one, other in pairs),
        n_unlike=sum(one != other for one, other in _common(readers, seen.values())),
        kappa=weighted_kappa(pairs),
    )


def _common(readers: tuple[str, str], said: Iterable[Mapping[str, _Said]]) -> Iterator[tuple[_Said, _Said]]:
    for words in said:
        if all(reader in words for reader in readers):
            yield words[readers[0]], words[readers[1]]
