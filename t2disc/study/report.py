"""The reports of a study, from its outputs alone: what each participant's page shows, and the index of all visits."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from t2disc import __version__, store
from t2disc.errors import OutputsDamaged, StudyNotFound
from t2disc.model import Change, DiscMatch, DiscMeasure, VisitMatch
from t2disc.model.report import (
    IndexPage,
    IndexRow,
    ParticipantPage,
    Picture,
    ReportFigure,
    ReportSection,
    ReportTable,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from t2disc.model.protocol import Protocol

_DPI = 80  # of still pictures
_COMPARED = ("disc", "NP", "AF")
_HOW_TO_READ = (
    "Look at the outlines first: a disc whose border cuts into a vertebra or leaves out its edge has numbers that "
    "mean little. Colour is T2 from 0 (dark) to 200 ms (yellow) in every report; a voxel of a disc that stays grey has "
    "none. Good: smooth colour inside the white border, brighter in the middle, the same border at both visits. Bad: "
    "colour that ends before the border (voxels without a T2), a bright rim (fluid or fat in the outline), or a disc "
    "that jumps when baseline and follow-up flicker (the match failed)."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Participant:
    """What the outputs hold of one participant, visits in order."""

    participant_id: str
    visits: tuple[store.VisitRow, ...]
    pairs: tuple[store.PairRecord, ...]
    checks: tuple[store.CheckRow, ...]

    @property
    def report_name(self) -> str:
        return f"{self.participant_id}_report.html"


def write_reports(out: Path, protocol: Protocol | None = None, *, command: str = "") -> tuple[PurePosixPath, ...]:
    """Write a report of each participant and an index of all visits into a study's outputs.

    Everything comes from records, maps and labels in ``out``; a report that would not change stays.

    Parameters
    ----------
    out
        Outputs of ``t2disc fit``.
    protocol
        Its ``[checks]`` give the grades, its ``[study] visit_order`` the order; none where it is left out.
    command
        Shown under the figures: how the outputs were made.

    Returns
    -------
    tuple of PurePosixPath
        The pages, below ``out``: ``sub-X/sub-X_report.html`` and ``index.html``, the index last.

    Raises
    ------
    StudyNotFound
        ``study-not-found``: no visit has a record in ``out``.
    """
    participants = tuple(_participants(out, protocol))
    if not participants:
        raise StudyNotFound("a folder without records of visits", expected="the outputs of t2disc fit")
    pages, rows = [], []
    for participant in participants:
        path = PurePosixPath(participant.participant_id, participant.report_name)
        html, index_rows = _report(out, participant, command)
        store.update_file(out.joinpath(*path.parts), html.encode())
        pages.append(path)
        rows += index_rows
    from t2disc.qc.report import render_index

    index = render_index(IndexPage(rows=tuple(rows), command=command, version=__version__))
    store.update_file(out / "index.html", index.encode())
    return (*pages, PurePosixPath("index.html"))


def _participants(out: Path, protocol: Protocol | None) -> Iterator[_Participant]:
    from t2disc.study.summary import summarise

    keys = [key.split("/") for key in store.recorded_keys(out)]
    records = [record for p, s in keys if (record := store.read_record(out, p, s)) is not None]
    pairs = [pair for names in store.recorded_pairs(out) if (pair := store.read_pair_record(out, *names)) is not None]
    if protocol is None:
        summary = summarise(records, pairs)
    else:
        summary = summarise(records, pairs, protocol.study.visit_order, protocol.repeatability, protocol.checks)
    visits = summary.visits
    for participant_id in dict.fromkeys(row.record.participant_id for row in visits):
        yield _Participant(
            participant_id=participant_id,
            visits=tuple(row for row in visits if row.record.participant_id == participant_id),
            pairs=tuple(pair for pair in pairs if pair.participant_id == participant_id),
            checks=tuple(row for row in summary.checks if row.participant_id == participant_id),
        )


# ------------------------------------------------------------------------------------------------ one participant
def _report(out: Path, participant: _Participant, command: str) -> tuple[str, list[IndexRow]]:
    """Return a participant's page, and its rows in the index."""
    from t2disc.qc.report import render_participant

    maps = {row.record.session_id: found for row in participant.visits if (found := _read(out, row.record))}
    page = ParticipantPage(
        participant_id=participant.participant_id,
        summary=tuple(_summary(participant)),
        sections=(
            *_pair_sections(participant, maps),
            *_visit_sections(participant, maps),
            _settings_section(participant),
        ),
        command=command,
        version=__version__,
    )
    return render_participant(page), [_index_row(participant, row, maps) for row in participant.visits]


def _read(out: Path, record: store.VisitRecord) -> store.StoredVisit | None:
    if not record.is_done:
        return None
    try:
        return store.read_visit(out, record)
    except OutputsDamaged:
        return None


def _summary(participant: _Participant) -> Iterator[str]:
    for row in participant.visits:
        record = row.record
        if not record.is_done:
            yield f"{record.session_id}: quarantined [{record.code}]"
            continue
        graded = f"; {row.grade.word}" if row.grade else ""
        review = f"; to review: {', '.join(record.labels.review_codes)}" if record.needs_review else ""
        yield f"{record.session_id}: measured, {len(record.levels)} discs, model {_model(record)}{graded}{review}"
    for pair in participant.pairs:
        found = [change for change in _matched(pair) if change.region == "NP" and _role(participant, change) == "index"]
        yield f"{pair.followup_session_id} since {pair.baseline_session_id}: {_change_words(pair, found)}"


def _model(record: store.VisitRecord) -> str:
    return record.fit.model if record.fit else "unknown"


def _change_words(pair: store.PairRecord, index_nucleus: Sequence[Change]) -> str:
    if pair.code:
        return f"not compared [{pair.code}]"
    if not index_nucleus:
        return "compared; no treated disc is named"
    change = index_nucleus[0]
    low, high = change.interval_ms
    return (
        f"nucleus of the treated disc {change.level} {_number(change.change_ms, 1, sign=True)} ms "
        f"({_number(change.change_pct, 1, sign=True)} %; 95 % interval {_number(low, 1)} to {_number(high, 1)} ms)"
    )


def _matched(pair: store.PairRecord) -> list[Change]:
    roi = "matched" if pair.is_matched else "own"
    return [change for change in pair.changes if change.roi == roi]


def _role(participant: _Participant, change: Change) -> str:
    return participant.visits[0].record.role(change.level)


# ------------------------------------------------------------------------------------------------ sections
def _pair_sections(participant: _Participant, maps: dict[str, store.StoredVisit]) -> Iterator[ReportSection]:
    for pair in participant.pairs:
        baseline, followup = maps.get(pair.baseline_session_id), maps.get(pair.followup_session_id)
        if baseline is None or followup is None:
            continue
        name = f"change-{_word(pair.followup_session_id)}"
        yield ReportSection(
            name=name,
            title=f"Change: {pair.followup_session_id} since {pair.baseline_session_id}",
            text=_HOW_TO_READ,
            figures=tuple(_pair_figures(name, pair, baseline, followup, participant)),
            tables=(_change_table(pair, participant),),
        )


def _pair_figures(
    name: str,
    pair: store.PairRecord,
    baseline: store.StoredVisit,
    followup: store.StoredVisit,
    participant: _Participant,
) -> Iterator[ReportFigure]:
    from t2disc.qc import plot_change
    from t2disc.qc.report import followup_strips, own_strips

    match = _visit_match(pair)
    if match is not None:
        own = own_strips(baseline, pair.baseline_session_id)
        carried = followup_strips(baseline, followup, match, pair.followup_session_id)
        yield ReportFigure(
            name=f"{name}-slices",
            title="Baseline and follow-up in one place",
            caption="The follow-up is resampled onto the baseline, each disc by its own motion, for viewing only. "
            "Flicker changes between the two: what moves is change, or a match that failed.",
            strips=(*own, *carried),
            levels=tuple(disc.level for disc in match.discs),
        )
    figure = plot_change(
        baseline,
        followup,
        match,
        pair.changes,
        roi="matched" if match else "own",
        index_level=participant.visits[0].record.index_level,
        reason=pair.reason,
    )
    yield ReportFigure(
        name=f"{name}-intervals",
        title="Change of every disc",
        caption="Each row is a disc: its change with the 95 % interval; the band is what measuring twice gives.",
        picture=_still(figure, "Change of T2 of every disc with its interval"),
    )


def _visit_match(pair: store.PairRecord) -> VisitMatch | None:
    """Return the match as the record keeps it: the motions, which is all that a picture needs."""
    if not pair.is_matched or not pair.matches:
        return None
    discs = tuple(
        DiscMatch(
            level=facts.level,
            motion=np.array(facts.motion),
            correlation=facts.correlation,
            inverse_mm=facts.inverse_mm,
            through_plane_mm=facts.through_plane_mm,
            is_fallback=facts.is_fallback,
            codes=facts.codes,
        )
        for facts in pair.matches
    )
    return VisitMatch(motion=discs[0].motion, correlation=pair.correlation, discs=discs, missing=pair.missing)


def _visit_sections(participant: _Participant, maps: dict[str, store.StoredVisit]) -> Iterator[ReportSection]:
    from t2disc.qc.report import own_strips

    for row in participant.visits:
        record = row.record
        name = f"visit-{_word(record.session_id)}"
        visit = maps.get(record.session_id)
        if visit is None:
            reason = record.reason or "its maps cannot be read back"
            yield ReportSection(
                name=name,
                title=f"Visit {record.session_id}: not measured",
                text=f"[{record.code or 'outputs-damaged'}] {reason}",
            )
            continue
        figure = ReportFigure(
            name=f"{name}-slices",
            title="T2 on the discs",
            caption="Slices from the patient's right to left; grey is made from S0 and T2.",
            strips=own_strips(visit, record.session_id),
            levels=record.levels,
        )
        yield ReportSection(
            name=name,
            title=f"Visit {record.session_id}",
            text="; ".join(record.notes),
            figures=(figure,),
            tables=(*_visit_tables(record), *_check_tables(participant, row)),
        )


def _visit_tables(record: store.VisitRecord) -> Iterator[ReportTable]:
    yield ReportTable(
        title=f"Discs at {record.session_id}",
        columns=(
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
        ),
        rows=tuple(_disc_row(record, measure) for measure in record.measures if measure.region in _COMPARED),
        note="Interval: of the median, for noise alone. Chi-square: about 1 where the model describes the signal; "
        "odd/even: above 0 where refocusing is imperfect.",
    )
    if record.model_sensitivity:
        models = [median.model for median in record.model_sensitivity[0].medians]
        yield ReportTable(
            title=f"T2 by signal model at {record.session_id}, median (ms)",
            columns=("level", "region", *models, "spread (ms)"),
            rows=tuple(
                (row.level, row.region, *(_number(m.t2_median_ms, 1) for m in row.medians), _number(row.spread_ms, 1))
                for row in record.model_sensitivity
            ),
            note="Where the spread is large beside a change, the change is a matter of the model.",
        )


def _check_tables(participant: _Participant, row: store.VisitRow) -> Iterator[ReportTable]:
    """Yield what keeps a visit from being optimal, where the protocol expects anything."""
    if row.grade is None:
        return
    checks = [item for item in participant.checks if item.session_id == row.record.session_id]
    open_checks = [item.check for item in checks if item.check.outcome != "pass"]
    yield ReportTable(
        title=f"Checks at {row.record.session_id}: {row.grade.word}",
        columns=("check", "disc", "severity", "outcome", "expected", "found"),
        rows=tuple(
            (f"{c.group}.{c.name}", c.level or "-", c.severity, c.outcome, c.expected, c.found or "n/a")
            for c in open_checks
        ),
        note=f"{len(checks) - len(open_checks)} of {len(checks)} checks passed; the others stand here.",
    )


def _disc_row(record: store.VisitRecord, measure: DiscMeasure) -> tuple[str, ...]:
    row = store.DiscRow(record=record, measure=measure)
    low, high = measure.t2_median_interval_ms
    quality, confidence = row.quality, record.confidence(measure.level)
    return (
        measure.level,
        measure.region,
        record.role(measure.level),
        _number(measure.t2_median_ms, 1),
        f"{_number(low, 1)} to {_number(high, 1)}",
        str(measure.n_used),
        str(measure.n_voxels),
        _number(measure.snr_first_echo, 0),
        _number(quality.chi2_red_median, 2) if quality else "n/a",
        _number(100 * quality.poor_fit_share, 1) if quality else "n/a",
        _number(quality.odd_even_median, 3, sign=True) if quality else "n/a",
        _number(confidence, 2) if confidence is not None else "n/a",
    )


def _change_table(pair: store.PairRecord, participant: _Participant) -> ReportTable:
    return ReportTable(
        title="Change of median T2",
        columns=(
            "level",
            "region",
            "role",
            "baseline (ms)",
            "follow-up (ms)",
            "change (ms)",
            "%",
            "95 % interval (ms)",
            "to review",
        ),
        rows=tuple(
            (
                change.level,
                change.region,
                _role(participant, change),
                _number(change.baseline_t2_median_ms, 1),
                _number(change.followup_t2_median_ms, 1),
                _number(change.change_ms, 1, sign=True),
                _number(change.change_pct, 1, sign=True),
                f"{_number(change.interval_ms[0], 1)} to {_number(change.interval_ms[1], 1)}",
                ", ".join(pair.codes(change.level)) or "-",
            )
            for change in _matched(pair)
            if change.region in _COMPARED
        ),
        note="In regions that both visits' outlines agree on; follow-up minus baseline.",
    )


def _settings_section(participant: _Participant) -> ReportSection:
    rows = []
    for row in participant.visits:
        record, fit = row.record, row.record.fit
        if fit is None:
            continue
        first, last = fit.echo_times_ms[0], fit.echo_times_ms[-1]
        rows.append(
            (
                record.session_id,
                fit.model,
                f"{len(fit.echo_times_ms)}, {first:g} to {last:g} ms ({fit.echoes})",
                f"{_number(fit.noise.sigma, 2)} ({fit.noise.method})",
                record.labels.kind,
                record.labels.sha256[:12] if record.labels.sha256 else "n/a",
                record.version,
            )
        )
    table = ReportTable(
        title="What the numbers rest on",
        columns=("visit", "model", "echoes", "noise sigma", "labels", "SHA-256 of labels", "t2disc"),
        rows=tuple(rows),
        note="The record of each visit has every file and setting with its check sum.",
    )
    return ReportSection(name="provenance", title="Provenance", tables=(table,))


# ------------------------------------------------------------------------------------------------ index
def _index_row(participant: _Participant, row: store.VisitRow, maps: dict[str, store.StoredVisit]) -> IndexRow:
    from t2disc.qc.report import thumbnail

    record = row.record
    visit = maps.get(record.session_id)
    treated = [m for m in record.measures if m.region == "NP" and m.level == record.index_level]
    changes = [
        change
        for pair in participant.pairs
        if pair.followup_session_id == record.session_id
        for change in _matched(pair)
        if change.region == "NP" and change.level == record.index_level
    ]
    return IndexRow(
        participant_id=record.participant_id,
        session_id=record.session_id,
        status=record.status if record.is_done else f"quarantined [{record.code}]",
        grade=row.grade.word if row.grade else "",
        review=", ".join(record.labels.review_codes),
        n_discs=str(len(record.levels)) if record.is_done else "",
        index_t2=_number(treated[0].t2_median_ms, 1) if treated else "",
        index_change=_number(changes[0].change_ms, 1, sign=True) if changes else "",
        report=f"{participant.participant_id}/{participant.report_name}",
        thumbnail=thumbnail(visit) if visit else None,
    )


# ------------------------------------------------------------------------------------------------ words and pictures
def _number(value: float, decimals: int, *, sign: bool = False) -> str:
    if not math.isfinite(value):
        return "n/a"
    return f"{value:+.{decimals}f}" if sign else f"{value:.{decimals}f}"


def _word(session_id: str) -> str:
    return session_id.removeprefix("ses-")


def _still(figure: Figure, alternative: str) -> Picture:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=_DPI, metadata={"Software": None})
    return Picture(content=stream.getvalue(), media_type="image/png", alternative=alternative)
