"""The record of a pair of visits: everything the table of changes says of it, and what it was made from."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from t2disc import __version__
from t2disc.model import Change, DiscMatch, DiscShape, Drift, MatchCode
from t2disc.store.files import StoredFile, json_file
from t2disc.store.trees import number, without_nan

PAIR_RECORD_VERSION = 2  # 1 had no error of the percentage by itself: such pairs are measured again
_SUFFIX = "_desc-change_record.json"
_FOLDER = "pairs"


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscMatchFacts:
    """How one disc was matched; see :class:`~t2disc.model.DiscMatch`. ``motion`` holds the rows of its matrix."""

    level: str
    motion: tuple[tuple[float, ...], ...]
    correlation: float
    inverse_mm: float
    through_plane_mm: float
    shift_mm: float  # of the disc's middle
    rotation_deg: float
    is_fallback: bool
    codes: tuple[MatchCode, ...]

    @classmethod
    def of(cls, match: DiscMatch, middle_mm: Any) -> DiscMatchFacts:
        """Gather the facts of a match; ``middle_mm`` ``(3,)`` is the disc's middle at baseline."""
        turn = match.motion[:3, :3]
        shift_mm = turn @ middle_mm + match.motion[:3, 3] - middle_mm
        return cls(
            level=match.level,
            motion=tuple(tuple(float(value) for value in row) for row in match.motion),
            correlation=match.correlation,
            inverse_mm=match.inverse_mm,
            through_plane_mm=match.through_plane_mm,
            shift_mm=float(np.linalg.norm(shift_mm)),
            rotation_deg=math.degrees(math.acos(min(max((float(np.trace(turn)) - 1) / 2, -1.0), 1.0))),
            is_fallback=match.is_fallback,
            codes=match.codes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PairBasis:
    """What a pair's result was made from: check sums of both visits' maps, labels and facts, and the coefficients.

    ``rc_pct`` holds those of the protocol, by region, or region and level; ``None`` in records older than it.
    """

    baseline_sha256: str
    followup_sha256: str
    settings_sha256: str
    rc_pct: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRecord:
    """Everything the table of changes says of one pair of visits.

    ``code`` and ``reason`` tell why a pair was not matched; its changes are then those of ``roi`` own only.
    """

    participant_id: str
    baseline_session_id: str
    followup_session_id: str
    drift: Drift
    code: str = ""
    reason: str = ""
    correlation: float = math.nan  # of the whole spine
    matches: tuple[DiscMatchFacts, ...] = ()
    missing: tuple[str, ...] = ()  # levels found at one visit only
    changes: tuple[Change, ...] = ()
    baseline_shapes: tuple[DiscShape, ...] = ()
    followup_shapes: tuple[DiscShape, ...] = ()
    basis: PairBasis | None = None
    version: str = __version__

    @property
    def key(self) -> str:
        """The pair in a line: ``sub-01/ses-month12 since ses-baseline``."""
        return f"{self.participant_id}/{self.followup_session_id} since {self.baseline_session_id}"

    @property
    def names(self) -> tuple[str, str, str]:
        """Participant, baseline and follow-up, as :func:`pair_folder` takes them."""
        return self.participant_id, self.baseline_session_id, self.followup_session_id

    @property
    def is_matched(self) -> bool:
        """Whether the discs of both visits were matched."""
        return not self.code

    def match(self, level: str) -> DiscMatchFacts | None:
        """Return how a disc was matched, ``None`` where it was not."""
        return next((match for match in self.matches if match.level == level), None)

    def codes(self, level: str) -> tuple[str, ...]:
        """Return what speaks against the match of a level, or why there is none."""
        if self.code:
            return (self.code,)
        if level in self.missing:
            return (MatchCode.LEVEL_MISSING.value,)
        match = self.match(level)
        return tuple(code.value for code in match.codes) if match else ()


def pair_folder(out: Path, participant_id: str, baseline: str, followup: str) -> Path:
    """Return where the outputs of a pair lie: ``OUT/sub-X/pairs/ses-A_ses-B``."""
    return out / participant_id / _FOLDER / f"{baseline}_{followup}"


def pair_stem(participant_id: str, baseline: str, followup: str) -> str:
    """Return the start of a pair's file names, ``sub-X_ses-A_ses-B``."""
    return f"{participant_id}_{baseline}_{followup}"


def pair_record_file(record: PairRecord) -> StoredFile:
    """Return the record as JSON; a missing number is ``null``.

    Coefficients of repeatability are left out: they belong to the study, not to the pair.
    """
    tree = without_nan(asdict(record))
    for change in tree["changes"]:
        del change["repeatability"]
    tree = {"pair_record_version": PAIR_RECORD_VERSION, **tree}
    stem = pair_stem(record.participant_id, record.baseline_session_id, record.followup_session_id)
    return json_file(f"{stem}{_SUFFIX}", tree)


def recorded_pairs(out: Path) -> tuple[tuple[str, str, str], ...]:
    """Return participant, baseline and follow-up of the pairs that have a record in ``out``, readable or not."""
    folders = {path.parent for path in out.glob(f"sub-*/{_FOLDER}/ses-*_ses-*/sub-*{_SUFFIX}")}
    names = ((folder.parent.parent.name, *folder.name.partition("_")[::2]) for folder in folders)
    return tuple(sorted(names))


def pair_record_path(out: Path, participant_id: str, baseline: str, followup: str) -> Path:
    """Return where the record of a pair lies."""
    folder = pair_folder(out, participant_id, baseline, followup)
    return folder / f"{pair_stem(participant_id, baseline, followup)}{_SUFFIX}"


def read_pair_record(out: Path, participant_id: str, baseline: str, followup: str) -> PairRecord | None:
    """Read the record of one pair; ``None`` where there is none, or none as t2disc writes it."""
    try:
        return _pair_record(json.loads(pair_record_path(out, participant_id, baseline, followup).read_bytes()))
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None


def _pair_record(tree: dict[str, Any]) -> PairRecord:
    if tree.pop("pair_record_version") != PAIR_RECORD_VERSION:
        raise ValueError("another version of the record")
    return PairRecord(
        **tree
        | {
            "drift": Drift(**tree["drift"]),
            "correlation": number(tree["correlation"]),
            "matches": tuple(_match(item) for item in tree["matches"]),
            "missing": tuple(tree["missing"]),
            "changes": tuple(Change(**_numbers(Change, item)) for item in tree["changes"]),
            "baseline_shapes": tuple(DiscShape(**_numbers(DiscShape, item)) for item in tree["baseline_shapes"]),
            "followup_shapes": tuple(DiscShape(**_numbers(DiscShape, item)) for item in tree["followup_shapes"]),
            "basis": PairBasis(**tree["basis"]) if tree["basis"] else None,
        }
    )


def _match(tree: dict[str, Any]) -> DiscMatchFacts:
    motion = tuple(tuple(row) for row in tree["motion"])
    codes = tuple(MatchCode(code) for code in tree["codes"])
    return DiscMatchFacts(**_numbers(DiscMatchFacts, tree) | {"motion": motion, "codes": codes})


def _numbers(kind: type, tree: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a data class with its missing numbers as NaN."""
    floats = {field.name for field in fields(kind) if field.type == "float"}
    return {name: number(value) if name in floats else value for name, value in tree.items()}
