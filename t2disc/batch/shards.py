"""A study divided among machines that share a disk: who measures which participants, and what keeps them apart."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from t2disc.errors import ArgumentInvalid
from t2disc.model import Visit
from t2disc.store import shard_lock


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One of ``n_shards`` parts of a study; ``number`` counts from 1.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: no such part.
    """

    number: int
    n_shards: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.n_shards:
            raise ArgumentInvalid(
                f"shard {self.number} of {self.n_shards}", expected="i/n with i from 1 to n, such as 1/8"
            )

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read ``i/n``."""
        if not (found := re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text, re.ASCII)):
            raise ArgumentInvalid("a shard that is not written i/n", expected="i/n with i from 1 to n, such as 1/8")
        return cls(number=int(found[1]), n_shards=int(found[2]))

    def of(self, visits: Sequence[Visit]) -> tuple[Visit, ...]:
        """Return the shard's own visits, in their order: participants as a whole, so that no pair is divided.

        Participants with most visits are dealt first, each to the shard that has fewest visits so far. That depends on
        the study's visits alone, not on their order or on what has been measured.
        """
        n_visits = Counter(visit.participant_id for visit in visits)
        loads, own = [0] * self.n_shards, set()
        for participant_id, n in sorted(n_visits.items(), key=lambda item: (-item[1], item[0])):
            least = loads.index(min(loads))
            loads[least] += n
            if least == self.number - 1:
                own.add(participant_id)
        return tuple(visit for visit in visits if visit.participant_id in own)

    def lock(self, out: Path, visits: Sequence[Visit]) -> AbstractContextManager[None]:
        """Hold this shard of the output folder; shards that divide other visits, or otherwise, are kept out."""
        keys = "\n".join((str(self.n_shards), *sorted(visit.key for visit in visits)))
        division = hashlib.sha256(keys.encode()).hexdigest()[:12]
        return shard_lock(out, number=self.number, n_shards=self.n_shards, division=division)
