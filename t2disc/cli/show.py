"""Results on stdout: the inventory, the table of discs, the changes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from t2disc.model import Change, Check, Inventory, LeftOut
    from t2disc.store import ChangeRow, DiscRow, VisitRecord, VisitRow
    from t2disc.study import Inspection, StudySummary

_REGIONS = ("disc", "NP", "AF")
_LEAST_WIDTH = 120  # a narrower terminal wraps lines, which is better than cutting digits off


def stdout_console() -> Console:
    """Return the console for results, wide enough that no number of a table is cut."""
    return Console(highlight=False, width=max(Console().width, _LEAST_WIDTH))


def show_inspections(console: Console, inspections: Sequence[Inspection], checks: Sequence[Sequence[Check]]) -> None:
    """Print, visit by visit, what was found, what will be used and why, what is refused, and the protocol's checks."""
    for inspection, answers in zip(inspections, checks, strict=True):
        key = inspection.visit.key
        if inspection.refusal is not None:
            refusal = inspection.refusal
            tell(console, f"{key}  refused [{refusal.code}] found {refusal.found}; {refusal.todo}")
        elif inspection.inventory is not None:
            tell(console, f"{key}  use {_used(inspection.inventory)}, {_labels(inspection)}")
            for item in inspection.inventory.left_out:
                tell(console, f"    leave {_left_out(item)}")
            for note in inspection.notes:
                tell(console, f"    note: {note}")
        _show_checks(console, answers)


def _show_checks(console: Console, checks: Sequence[Check]) -> None:
    """Print which checks a visit passes, in a line, and a line for each that it does not, or that cannot be made."""
    if passed := [check.name for check in checks if check.outcome == "pass"]:
        tell(console, f"    pass: {', '.join(passed)}")
    for check in checks:
        if check.outcome != "pass":
            told = f"expected {check.expected}, found {check.found}"
            tell(console, f"    {check.outcome}: {check.name} ({check.severity}), {told}")


def show_grades(console: Console, summary: StudySummary) -> None:
    """Print each visit's grade by the protocol's checks, with its reasons; nothing where none was asked for."""
    for row in summary.visits:
        if summary.checks and row.grade is not None:
            reasons = f": {'; '.join(row.grade.reasons)}" if row.grade.reasons else ""
            tell(console, f"{row.record.key}  {row.grade.word}{reasons}")


def _used(found: Inventory) -> str:
    te_ms, facts = found.echo_times_ms, found.acquisition
    field = f" {facts.field_strength_t:g} T" if facts.field_strength_t else ""
    size = " x ".join(str(n) for n in found.shape)
    return (
        f"{len(te_ms)} echoes at {te_ms[0]:.4g}-{te_ms[-1]:.4g} ms, {size} voxels, {found.n_images} images, "
        f"{facts.vendor or 'vendor unknown'}{field}, {facts.sequence}, "
        f"{facts.acquisition_date or 'no date'}"
    )


def _labels(inspection: Inspection) -> str:
    if inspection.n_named is None:
        return "no labels, discs are found automatically" if inspection.is_automatic else "no labels"
    drawn = "corrected labels" if inspection.is_corrected else "labels"
    return f"{drawn} of {counted(inspection.n_named, 'disc')}"


def _left_out(item: LeftOut) -> str:
    series = f" of series {item.series_number}" if item.series_number is not None else ""
    return f"{item.n_images} {item.what}{series}: {item.why}"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 visit``, ``2 visits``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def show_summary(console: Console, summary: StudySummary, *, with_labels: bool) -> None:
    """Print the discs of every visit, their changes, the visits that were refused, and those to be reviewed."""
    if summary.discs:
        console.print(_disc_table(summary.discs))
    elif any(row.record.is_done for row in summary.visits):
        todo = "" if with_labels else " Give label maps with --labels DIR."
        tell(console, f"No disc was labelled; the maps were written.{todo}")
    if summary.changes:
        show_changes(console, primary_changes(summary.changes))
        _show_matches(console, summary.changes)
    for row in summary.visits:
        if not row.record.is_done:
            tell(console, f"{row.record.key}  quarantined [{row.record.code}] {row.record.reason}")
        elif not row.record.levels and summary.discs:
            tell(console, f"{row.record.key}  no disc was labelled")
    _show_reviews(console, [row.record for row in summary.visits if row.record.needs_review])


def _show_reviews(console: Console, records: Sequence[VisitRecord]) -> None:
    """Print which visits a reader should look at before their numbers are used, and why."""
    if not records:
        return
    tell(console, f"{counted(len(records), 'visit')} to review: {', '.join(record.key for record in records)}")
    for record in records:
        for reason in record.labels.reasons:
            tell(console, f"    {record.key}  {reason}")


def show_places(
    console: Console, out: Path, visits: Iterable[VisitRow], *, with_figures: bool, has_changes: bool
) -> None:
    """Print where the maps, the tables and the pictures lie."""
    n_done = sum(row.record.is_done for row in visits)
    if n_done:
        tell(console, f"Maps      {out / 'sub-*' / 'ses-*' / 'anat'}")
    if n_done and with_figures:
        tell(console, f"Pictures  {out / 'sub-*' / 'ses-*' / 'figures'}")
    if n_done and with_figures and has_changes:
        tell(console, f"          {out / 'sub-*' / 'pairs' / '*' / 'figures'}")
    others = "changes.tsv, roi_sensitivity.tsv, model_sensitivity.tsv, visits.tsv, checks.tsv"
    tell(console, f"Tables    {out / 'discs.tsv'}, {others}")


def show_effort(console: Console, visits: Iterable[VisitRow], *, n_skipped: int, seconds: float) -> None:
    """Print how many visits were measured and how long it took, and of how many nothing had changed."""
    n_measured = sum(row.record.is_done for row in visits) - n_skipped
    skipped = f"; nothing had changed in {n_skipped}" if n_skipped else ""
    tell(console, f"{counted(n_measured, 'visit')} measured in {seconds:.1f} s{skipped}")


def plain_table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """Return a table of words."""
    table = _table(title, heads, ())
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    return table


def _disc_table(rows: Sequence[DiscRow]) -> Table:
    """One line per disc of a visit: median T2 and voxels used, by region."""
    table = _table("T2 of discs: median, ms (voxels used)", ("participant", "visit", "level", "role"), _REGIONS)
    for (participant, session, level), group in groupby(rows, key=_disc_key):
        by_region = {row.measure.region: row for row in group}
        role = next(iter(by_region.values())).role
        table.add_row(participant, session, level, role, *(_median(by_region.get(region)) for region in _REGIONS))
    return table


def _table(title: str, words: Iterable[str], numbers: Iterable[str]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for name in words:
        table.add_column(name, no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _disc_key(row: DiscRow) -> tuple[str, str, str]:
    return row.record.participant_id, row.record.session_id, row.measure.level


def _median(row: DiscRow | None) -> str:
    if row is None:
        return "n/a"
    return f"{_one_decimal(row.measure.t2_median_ms)} ({row.measure.n_used})"


def show_changes(console: Console, rows: Iterable[ChangeRow]) -> None:
    """Print one line per disc and pair: the primary change, in the regions both visits agree on, with its interval."""
    console.print(_change_table(rows))
    tell(console, "RC: repeatability coefficient, the most that two scans of an unchanged disc differ by (95 %)")


def _change_table(rows: Iterable[ChangeRow]) -> Table:
    words, numbers = (
        ("participant", "level", "role", "visit"),
        ("T2 first", "T2", "change", "%", "95 % interval", "RC %", "> RC"),
    )
    title = "Change of median T2 of the nucleus since the participant's first visit, ms"
    table = _table(title, words, numbers)
    for row in rows:
        change = row.change
        values = (change.baseline_t2_median_ms, change.followup_t2_median_ms, change.change_ms, change.change_pct)
        coefficient = _one_decimal(change.repeatability.rc_pct)
        cells = (*map(_one_decimal, values), _interval(change), coefficient, _yes_no(change.exceeds_rc))
        table.add_row(row.participant_id, change.level, row.role, row.followup_session_id, *cells)
    return table


def _show_matches(console: Console, rows: Sequence[ChangeRow]) -> None:
    """Print which pairs were not matched and why, and which discs' matches a reader should look at."""
    for key, group in groupby(rows, key=lambda row: (row.participant_id, row.followup_session_id)):
        discs = list(primary_changes(list(group)))
        if discs[0].reason:
            tell(console, f"{'/'.join(key)}  not matched [{discs[0].codes[0]}] {discs[0].reason}")
            continue
        for row in discs:
            if row.codes:
                tell(console, f"{'/'.join(key)}  match to review: {row.change.level} {', '.join(row.codes)}")


def primary_changes(rows: Sequence[ChangeRow]) -> Iterator[ChangeRow]:
    """Yield each disc's change of the nucleus in matched regions; by the visits' own outlines where there are none."""
    nuclei = [row for row in rows if row.change.region == "NP"]
    discs: dict[tuple[str, str, str], ChangeRow] = {}
    for row in nuclei:
        key = (row.participant_id, row.followup_session_id, row.change.level)
        if row.change.roi == "matched" or key not in discs:
            discs[key] = row
    yield from discs.values()


def _interval(change: Change) -> str:
    low, high = change.interval_ms
    return f"{_one_decimal(low)} to {_one_decimal(high)}" if math.isfinite(low) else "n/a"


def _yes_no(value: bool | None) -> str:
    return "n/a" if value is None else ("yes" if value else "no")


def _one_decimal(value: float) -> str:
    return f"{round(value, 1) + 0.0:.1f}" if math.isfinite(value) else "n/a"


def tell(console: Console, text: str) -> None:
    """Print a line as it is."""
    console.print(text, markup=False, soft_wrap=True)
