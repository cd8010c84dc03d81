"""The part of a participant's page that shows one visit: slices, goodness of fit, numbers, checks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from t2disc import store
from t2disc.errors import OutputsDamaged
from t2disc.model import Check
from t2disc.model.report import ReadingGuide, ReportFigure, ReportSection, ReportTable, SliceStrip
from t2disc.study.report.figures import REPORT_COMMAND, page_figure
from t2disc.study.report.gather import GREY_WORDS, Participant
from t2disc.study.report.plots import FLAGS, HISTOGRAM, PROFILES, QUALITY, VisitPlot, shown_levels
from t2disc.study.report.words import COMPARED, MISSING, interval, number, plain

FEW_MISSING = 0.02
"""Share of a disc's voxels without a T2 up to which nobody needs to be shown where they lie."""

_DISC_COLUMNS = (
    "level",
    "region",
    "role",
    "T2 median (ms)",
    "95 % interval (ms)",
    "voxels used",
    "of",
    "SNR",
    "chi-square",
    "poor fits (%)",
    "odd/even",
    "confidence",
)


def visit_section(
    out: Path,
    participant: Participant,
    row: store.VisitRow,
    visit: store.StoredVisit | None,
    *,
    strips: tuple[SliceStrip, ...] = (),
    guide: ReadingGuide | None = None,
) -> ReportSection:
    """Return what is shown of a visit; of one that was refused, or whose maps are lost, why there is nothing.

    ``strips`` are the visit's slices, ``guide`` stands beside them where nothing above told how to read them.
    """
    record = row.record
    name = f"visit-{plain(record.session_id)}"
    if visit is None:
        reason = record.reason or "its maps cannot be read back"
        text = f"[{record.code or 'outputs-damaged'}] {reason}"
        return ReportSection(name=name, title=f"Visit {record.session_id}: not measured", text=text)
    slices = ReportFigure(
        name=f"{name}-slices",
        title="T2 on the discs",
        caption=f"Slices from the patient's right to left; grey is {GREY_WORDS[visit.echo is not None]}.",
        strips=strips,
        levels=record.levels,
        command=REPORT_COMMAND,
        guide=guide,
    )
    return ReportSection(
        name=name,
        title=f"Visit {record.session_id}",
        text=_text(participant, row),
        figures=(slices, *_plots(out, name, visit)),
        tables=(*_tables(record, participant.control_levels), *_check_tables(participant, row)),
    )


def _text(participant: Participant, row: store.VisitRow) -> str:
    """Return what is remarked of a visit, and that all its checks passed where they did."""
    checks, told = _checks(participant, row)
    notes = "; ".join(row.record.notes)
    if row.grade is None or not checks or told:
        return notes
    return f"{notes} {len(checks)} of {len(checks)} checks passed: {row.grade.word}.".strip()


def _checks(participant: Participant, row: store.VisitRow) -> tuple[list[Check], list[Check]]:
    """Return the checks of a visit, and those that did not pass."""
    checks = [item.check for item in participant.checks if item.session_id == row.record.session_id]
    return checks, [check for check in checks if check.outcome != "pass"]


def absent_section(session_id: str) -> ReportSection:
    """Return what is told of a visit that the study expected and that never came."""
    text = "The study expects this visit; nothing of it was ever delivered."
    return ReportSection(name=f"visit-{plain(session_id)}", title=f"Visit {session_id}: not done", text=text)


# ------------------------------------------------------------------------------------------------ figures
def _plots(out: Path, name: str, visit: store.StoredVisit) -> Iterator[ReportFigure]:
    for plot in _worth_drawing(visit):
        try:
            figure = plot.draw(out, visit, shown_levels(visit.record))
        except OutputsDamaged:  # maps that outputs of an earlier t2disc lack
            continue
        yield page_figure(plot, figure, name=f"{name}-{plot.name}", where=visit.record.key)


def _worth_drawing(visit: store.StoredVisit) -> Iterator[VisitPlot]:
    """Yield the plots by which this visit is judged: flags only where a disc lacks more than a few voxels."""
    if not visit.record.levels:
        return
    yield QUALITY
    if _missing_share(visit.record) > FEW_MISSING:
        yield FLAGS
    yield HISTOGRAM
    yield PROFILES


def _missing_share(record: store.VisitRecord) -> float:
    """Return the greatest share of a disc's voxels that have no T2."""
    discs = [measure for measure in record.measures if measure.region == "disc" and measure.n_voxels]
    return max((1 - measure.n_used / measure.n_voxels for measure in discs), default=0.0)


# ------------------------------------------------------------------------------------------------ tables
def _tables(record: store.VisitRecord, control_levels: tuple[str, ...]) -> Iterator[ReportTable]:
    yield ReportTable(
        title=f"Discs at {record.session_id}",
        columns=_DISC_COLUMNS,
        rows=tuple(
            _disc_row(store.DiscRow(record=record, measure=measure, control_levels=control_levels))
            for measure in record.measures
            if measure.region in COMPARED
        ),
        note="Interval: of the median, for noise alone. Chi-square: about 1 where the model describes the signal; "
        "odd/even: above 0 where refocusing is imperfect.",
    )
    if record.model_sensitivity:
        yield _model_table(record)


def _model_table(record: store.VisitRecord) -> ReportTable:
    models = [median.model for median in record.model_sensitivity[0].medians]
    return ReportTable(
        title=f"T2 by signal model at {record.session_id}, median (ms)",
        columns=("level", "region", *models, "spread (ms)"),
        rows=tuple(
            (row.level, row.region, *(number(m.t2_median_ms, 1) for m in row.medians), number(row.spread_ms, 1))
            for row in record.model_sensitivity
        ),
        note="Where the spread is large beside a change, the change is a matter of the model.",
    )


def _check_tables(participant: Participant, row: store.VisitRow) -> Iterator[ReportTable]:
    """Yield what keeps a visit from being optimal, where the protocol expects anything."""
    if row.grade is None:
        return
    checks, told = _checks(participant, row)
    if not told:
        return
    yield ReportTable(
        title=f"Checks at {row.record.session_id}: {row.grade.word}",
        columns=("check", "disc", "severity", "outcome", "expected", "found"),
        rows=tuple(
            (f"{c.group}.{c.name}", c.level or MISSING, c.severity, c.outcome, c.expected, c.found or MISSING)
            for c in told
        ),
        note=f"{len(checks) - len(told)} of {len(checks)} checks passed; the others stand here.",
    )


def _disc_row(row: store.DiscRow) -> tuple[str, ...]:
    measure, quality = row.measure, row.quality
    confidence = row.record.confidence(measure.level)
    return (
        measure.level,
        measure.region,
        row.role,
        number(measure.t2_median_ms, 1),
        interval(measure.t2_median_interval_ms),
        str(measure.n_used),
        str(measure.n_voxels),
        number(measure.snr_first_echo, 0),
        number(quality.chi2_red_median, 2) if quality else MISSING,
        number(100 * quality.poor_fit_share, 1) if quality else MISSING,
        number(quality.odd_even_median, 3, sign=True) if quality else MISSING,
        number(confidence, 2) if confidence is not None else MISSING,
    )
