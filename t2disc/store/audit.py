"""The audit log of a study: who changed which outputs when and why, in a file that only grows, chained line by line."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal

from t2disc import __version__
from t2disc.errors import ArgumentInvalid, AuditDamaged
from t2disc.store.chain import append_entries, parse_chain
from t2disc.store.files import storing, write_file

AUDIT = "audit.jsonl"
_LEFT = ".t2disc.audit-"
_OF_SHARDS = ("run", "relabel", "compare", "found")
_TARGET = r"sub-[0-9A-Za-z]+/(pairs/ses-[0-9A-Za-z]+_)?ses-[0-9A-Za-z]+"
MOST_REASON = 400
"""Characters of a reason."""

Action = Literal["run", "relabel", "compare", "tables", "found", "lock", "unlock"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One change.

    Attributes
    ----------
    who
        User of the computer, or ``T2DISC_USER``.
    utc
        When, as ``2026-11-28T09:30:00.123Z``.
    action
        ``run`` or ``relabel`` of a visit, ``compare`` of a pair, ``tables``; ``found``, what no entry tells of: a run
        that was cut off, or a change from outside; ``lock`` and ``unlock``.
    target
        Folder below the outputs, ``manifest.json`` of the tables, or ``.`` for the study.
    why
        What the run decided it for.
    reason
        What whoever started it gave as reason.
    before_sha256, after_sha256
        Of the target's manifest; ``None`` where there was, or is, none.
    """

    who: str
    utc: str
    action: Action
    target: str
    why: str = ""
    reason: str = ""
    before_sha256: str | None = None
    after_sha256: str | None = None

    def __post_init__(self) -> None:
        if len(self.reason) > MOST_REASON or not self.reason.isprintable():
            raise ArgumentInvalid("a reason that is too long or has line breaks", expected=f"{MOST_REASON} characters")


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """A study's audit log; ``n_torn`` lines were cut off while written."""

    entries: tuple[AuditEntry, ...] = ()
    n_torn: int = 0

    @property
    def is_locked(self) -> bool:
        """Whether the study was locked, and not unlocked since."""
        locks = [entry.action for entry in self.entries if entry.action in ("lock", "unlock")]
        return bool(locks) and locks[-1] == "lock"

    @property
    def states(self) -> Mapping[str, str | None]:
        """The latest check sum of each target."""
        return {entry.target: entry.after_sha256 for entry in self.entries if entry.target != "."}


def read_audit(out: Path) -> Audit:
    """Read the audit log of ``out``; an empty one where there is none.

    Raises
    ------
    AuditDamaged
        ``audit-damaged``: a line was changed or taken out.
    """
    with storing(AUDIT):
        content = (out / AUDIT).read_bytes() if (out / AUDIT).exists() else b""
    chain = parse_chain(content, AuditDamaged)
    return Audit(entries=tuple(_entry(each) for each in chain.entries), n_torn=chain.n_torn)


def append_audit(out: Path, entries: Sequence[AuditEntry]) -> None:
    """Add entries to the audit log, and return once they are on the disk.

    Raises
    ------
    StoreError
        ``disk-full``, ``permission-denied``, ``write-failed`` or ``audit-damaged``.
    """
    if entries:
        append_entries(out / AUDIT, [asdict(each) | {"version": __version__} for each in entries], AuditDamaged)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftAudit:
    """What shards have left for the audit log, in the order in which it came to be, and the files that hold it."""

    entries: tuple[AuditEntry, ...] = ()
    files: tuple[Path, ...] = ()


def leave_audit(out: Path, entries: Sequence[AuditEntry]) -> None:
    """Leave entries beside the audit log for the next run of the whole study, which alone adds to the log.

    Shards run on several machines at once, and not every shared disk lets these take turns at one file.

    Raises
    ------
    StoreError
        ``disk-full``, ``permission-denied`` or ``write-failed``.
    """
    if entries:
        tree = [asdict(each) for each in entries]
        write_file(out / f"{_LEFT}{secrets.token_hex(8)}.json", json.dumps(tree, indent=1).encode())


def read_left_audit(out: Path) -> LeftAudit:
    """Read what shards have left for the audit log and no run has taken up.

    Of each target the entries follow one another by their check sums before and after, for machines differ in time.

    Raises
    ------
    AuditDamaged
        ``audit-damaged``: a file that is not as a shard left it; it is named.
    """
    audit = read_audit(out)
    files = tuple(sorted(out.glob(f"{_LEFT}*.json")))
    told = {entry for path in files for entry in _left_entries(path)} - set(audit.entries)
    by_time = sorted(told, key=lambda each: (each.utc, each.target, each.who))
    entries = [
        entry
        for target in dict.fromkeys(each.target for each in by_time)
        for entry in _in_turn([each for each in by_time if each.target == target], audit.states.get(target))
    ]
    return LeftAudit(entries=tuple(entries), files=files)


def _in_turn(entries: list[AuditEntry], state: str | None) -> Iterator[AuditEntry]:
    """Yield the entries of one target each after the one that it follows; those that change nothing are left out."""
    while entries:
        entry = next((each for each in entries if each.before_sha256 == state), entries[0])
        entries.remove(entry)
        if entry.after_sha256 != state:
            state = entry.after_sha256
            yield entry


def take_up_audit(out: Path) -> None:
    """Add to the audit log what shards have left for it, once though a run is cut off here; the output folder is held.

    Raises
    ------
    StoreError
        ``disk-full``, ``permission-denied``, ``write-failed`` or ``audit-damaged``, also of what was left.
    """
    left = read_left_audit(out)
    append_audit(out, left.entries)
    with storing(AUDIT):
        for path in left.files:
            path.unlink()


def _left_entries(path: Path) -> list[AuditEntry]:
    try:
        if path.is_symlink() or not path.is_file():
            raise ValueError("no file")
        tree = json.loads(path.read_bytes())
        entries = [_entry(each) for each in tree] if isinstance(tree, list) else []
        if not entries or not all(map(_is_of_a_shard, entries)):
            raise ValueError("no entries of a shard")
    except (OSError, ValueError, TypeError, RecursionError, AuditDamaged):
        raise AuditDamaged(
            f"{path.name}, a shard's note for the audit log, not as it was written",
            expected="what a shard left there",
            todo=f"move {path.name} out of the output folder; what it told will be told as found",
        ) from None
    return entries


def _is_of_a_shard(entry: AuditEntry) -> bool:
    texts = (entry.who, entry.utc, entry.target, entry.why, entry.reason)
    sums = (entry.before_sha256, entry.after_sha256)
    is_typed = all(isinstance(each, str) for each in texts) and all(isinstance(each, str | None) for each in sums)
    return is_typed and entry.action in _OF_SHARDS and re.fullmatch(_TARGET, entry.target) is not None


_FIELDS = tuple(each.name for each in fields(AuditEntry))


def _entry(told: Mapping[str, object]) -> AuditEntry:
    try:
        return AuditEntry(**{name: told[name] for name in _FIELDS})  # type: ignore[arg-type] # the chain vouches
    except (LookupError, TypeError, AttributeError, ArgumentInvalid):
        raise AuditDamaged("a line with other fields than an entry has") from None
