"""How a run of many visits ended, in a screenful: counts by code, the largest changes; the tables hold all."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from t2disc.cli.show import counted, primary_changes, show_changes, tell

if TYPE_CHECKING:
    from rich.console import Console

    from t2disc.store import ChangeRow
    from t2disc.study import StudySummary

MOST_VISITS = 6
"""Of which every disc is printed."""
_MOST_CHANGES = 8


def is_large(summary: StudySummary) -> bool:
    """Tell whether a study has more visits than a terminal should list disc by disc."""
    return len(summary.visits) > MOST_VISITS


def show_overview(console: Console, summary: StudySummary, out: Path) -> None:
    """Print how many visits, discs and changes there are, what is against any by its code, and the largest changes."""
    _show_visits(console, summary)
    _show_changes(console, summary.changes)
    _show_reviews(console, summary)
    grades = Counter[str](row.grade.word for row in summary.visits if summary.checks and row.grade is not None)
    if grades:
        tell(console, f"Grades: {_told(grades)}")
    tell(console, f"Each visit: t2disc status {out}; why one is as it is: t2disc explain {out} VISIT")


def _show_visits(console: Console, summary: StudySummary) -> None:
    records = [row.record for row in summary.visits]
    refused = Counter(str(record.code) for record in records if not record.is_done)
    done = [record for record in records if record.is_done]
    why = f" ({_told(refused)})" if refused else ""
    tell(console, f"{counted(len(records), 'visit')}: {len(done)} done, {refused.total()} quarantined{why}")
    n_bare = sum(not record.levels for record in done)
    bare = f"; {counted(n_bare, 'visit')} without a labelled disc" if n_bare else ""
    n_discs, with_discs = sum(len(record.levels) for record in done), counted(len(done) - n_bare, "visit")
    tell(console, f"{counted(n_discs, 'disc')} in {with_discs}{bare}")


def _show_changes(console: Console, changes: Sequence[ChangeRow]) -> None:
    """Print how many changes exceed repeatability, and the largest of them, of treated discs where any is named."""
    rows = list(primary_changes(changes))
    if not rows:
        return
    refused = {(row.participant_id, row.followup_session_id): row.codes[0] for row in rows if row.reason}
    n_pairs = len({(row.participant_id, row.followup_session_id) for row in rows})
    told = [row for row in rows if math.isfinite(row.change.change_ms)]
    n_beyond = sum(bool(row.change.exceeds_rc) for row in told)
    why = f"; {len(refused)} not matched ({_told(Counter(refused.values()))})" if refused else ""
    tell(console, f"{counted(n_pairs, 'pair')} of visits: {counted(len(told), 'change')}, {n_beyond} beyond RC{why}")
    treated = [row for row in told if row.role == "index"]
    chosen = sorted(treated or told, key=lambda row: -abs(row.change.change_ms))[:_MOST_CHANGES]
    if chosen:
        whose = "treated discs" if treated else "discs"
        tell(console, f"Largest changes, {len(chosen)} of {len(treated or told)} {whose}:")
        show_changes(console, chosen)


def _show_reviews(console: Console, summary: StudySummary) -> None:
    """Print how many visits and matches a reader should look at, by the codes that say why."""
    records = [row.record for row in summary.visits if row.record.needs_review]
    if records:
        codes = Counter(code for record in records for code in record.labels.review_codes)
        tell(console, f"Visits to review: {len(records)} ({_told(codes)})")
    matches = [row for row in primary_changes(summary.changes) if row.codes and not row.reason]
    if matches:
        codes = Counter(str(code) for row in matches for code in row.codes)
        tell(console, f"Matches to review: {len(matches)} ({_told(codes)})")


def _told(counts: Counter[str]) -> str:
    """Return codes with their counts, the most frequent first."""
    return ", ".join(f"{code} {n}" for code, n in sorted(counts.items(), key=lambda item: (-item[1], item[0])))
