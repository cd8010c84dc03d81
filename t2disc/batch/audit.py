"""Telling the audit log what a run changed."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from t2disc import store
from t2disc.batch.plan import Decision
from t2disc.batch.visits import Planned
from t2disc.errors import ArgumentInvalid
from t2disc.store.audit import Action

USER_VARIABLE = "T2DISC_USER"
_FOUND = "no entry tells of this change: a run that was cut off, or a change from outside"


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who starts a run, and why."""

    who: str
    reason: str = ""

    @classmethod
    def of_this_process(cls, reason: str = "") -> Author:
        """Return the user of the computer, or whoever ``T2DISC_USER`` names."""
        try:
            return cls(who=os.environ.get(USER_VARIABLE) or getpass.getuser(), reason=reason)
        except (OSError, KeyError, ImportError):
            return cls(who="unknown", reason=reason)


def lock_study(out: Path, author: Author, *, unlock: bool = False) -> None:
    """Lock a study, or unlock it, in its audit log.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: no reason is given.
    StoreError
        ``output-busy``, ``disk-full``, ``permission-denied``, ``write-failed`` or ``audit-damaged``.
    """
    if not author.reason.strip():
        raise ArgumentInvalid("a lock or unlock without a reason", expected="why, in a few words, with --reason")
    action: Action = "unlock" if unlock else "lock"
    with store.output_lock(out):
        store.take_up_audit(out)
        sha256 = store.file_sha256(out / store.STUDY_MANIFEST)
        entry = _entry(author, action, ".", before=sha256, after=sha256)
        store.append_audit(out, [entry])


def audit_run(out: Path, plan: Sequence[Planned], author: Author) -> None:
    """Add an entry for every visit, pair and table whose published state is not the one last told of.

    It is called when a run has written everything, and looks at what is there: so a run that was cut off is told of
    by the next one, and a run that changed nothing adds nothing. What shards left for it was taken up at the start.
    """
    store.append_audit(out, _changes(out, _states(out), plan, author))


def audit_shard(out: Path, plan: Sequence[Planned], pairs: Sequence[store.PairRecord], author: Author) -> None:
    """Leave an entry for every visit and pair of a shard whose state is not the one last told of."""
    folders = [planned.visit.key for planned in plan]
    folders += [store.pair_folder(out, *pair.names).relative_to(out).as_posix() for pair in pairs]
    states = ((folder, store.manifest_sha256(out / folder)) for folder in folders)
    store.leave_audit(out, _changes(out, states, plan, author))


def _changes(
    out: Path, states: Iterable[tuple[str, str | None]], plan: Sequence[Planned], author: Author
) -> list[store.AuditEntry]:
    left = store.read_left_audit(out).entries
    before = {**store.read_audit(out).states, **{each.target: each.after_sha256 for each in left}}
    decisions = {planned.visit.key: planned.decision for planned in plan}
    entries = []
    for target, after in states:
        if before.get(target) == after:
            continue
        action, why = _cause(target, decisions.get(target))
        entries.append(_entry(author, action, target, before=before.get(target), after=after, why=why))
    return entries


def _states(out: Path) -> Iterator[tuple[str, str | None]]:
    manifest = store.read_study_manifest(out)
    if manifest is not None:
        yield from sorted(manifest.folders.items())
        yield store.STUDY_MANIFEST, store.file_sha256(out / store.STUDY_MANIFEST)


def _cause(target: str, decision: Decision | None) -> tuple[Action, str]:
    if target == store.STUDY_MANIFEST:
        return "tables", "made from the visits and pairs before"
    if decision is None:
        return "compare", ""
    return ("found", _FOUND) if decision.action == "skip" else (decision.action, decision.why)


def _entry(
    author: Author, action: Action, target: str, *, before: str | None, after: str | None, why: str = ""
) -> store.AuditEntry:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return store.AuditEntry(
        who=author.who,
        utc=now,
        action=action,
        target=target,
        why=why,
        reason=author.reason,
        before_sha256=before,
        after_sha256=after,
    )
