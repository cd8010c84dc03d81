"""A participant's page: what must be known first, then changes, visits, and what the numbers rest on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from t2disc import __version__, store
from t2disc.model import Change, Grade
from t2disc.model.report import ParticipantPage, ReportSection, ReportTable, SliceStrip
from t2disc.study.report.figures import page_figure
from t2disc.study.report.gather import Participant
from t2disc.study.report.pair_section import SeenPair, lost_words, pair_section
from t2disc.study.report.plots import TRAJECTORIES, draw_trajectories
from t2disc.study.report.visit_section import absent_section, visit_section
from t2disc.study.report.words import MISSING, OTHER_GRADES, interval, number

Maps = Mapping[str, store.StoredVisit]  # of each visit that has them, by session


def participant_page(
    out: Path, participant: Participant, maps: Maps, *, command: str = "", options: str = ""
) -> ParticipantPage:
    """Return everything a participant's page shows; ``options`` are those of the command lines below figures."""
    from t2disc.qc.report import own_strips

    treated = participant.index_level
    strips = {
        session_id: own_strips(visit, session_id, grey=visit.echo, index_level=treated)
        for session_id, visit in maps.items()
    }
    pairs = tuple(_pair_sections(participant, maps, strips, options))
    is_told = any(figure.guide for section in pairs for figure in section.figures)
    return ParticipantPage(
        participant_id=participant.participant_id,
        summary=tuple(_summary(participant)),
        sections=(
            *pairs,
            *_trajectories(participant, options),
            *_visit_sections(out, participant, maps, strips, is_told=is_told),
            _settings_section(participant),
        ),
        command=command,
        version=__version__,
    )


# ------------------------------------------------------------------------------------------------ in a line each
def _summary(participant: Participant) -> Iterator[str]:
    if participant.has_other_grades:
        yield OTHER_GRADES
    for session_id in participant.session_ids:
        row = participant.visit(session_id)
        yield f"{session_id}: {_visit_words(row) if row else 'not done; it was expected and never came'}"
    for pair in participant.pairs:
        lost = lost_words(participant, pair)
        words = _change_words(pair, participant) + (f"; {lost}" if lost else "")
        yield f"{pair.followup_session_id} since {pair.baseline_session_id}: {words}"


def _visit_words(row: store.VisitRow) -> str:
    record = row.record
    graded = f"; {row.grade.word}{_why(row.grade)}" if row.grade else ""
    if not record.is_done:
        return f"quarantined [{record.code}]{graded}"
    review = f"; to review: {', '.join(record.labels.review_codes)}" if record.needs_review else ""
    model = record.fit.model if record.fit else "unknown"
    return f"measured, {len(record.levels)} discs, model {model}{graded}{review}"


def _why(grade: Grade) -> str:
    return f" ({'; '.join(grade.reasons)})" if grade.reasons else ""


def _change_words(pair: store.PairRecord, participant: Participant) -> str:
    if pair.code:
        return f"not compared [{pair.code}]"
    treated = treated_nucleus(participant.changes_of(pair), participant.index_level)
    if treated is None:
        return "compared; no treated disc is named"
    return (
        f"nucleus of the treated disc {treated.level} {number(treated.change_ms, 1, sign=True)} ms "
        f"({number(treated.change_pct, 1, sign=True)} %; 95 % interval {interval(treated.interval_ms)} ms)"
    )


def treated_nucleus(changes: Sequence[Change], index_level: str | None) -> Change | None:
    """Return the change of the treated disc's nucleus, where there is one."""
    return next((change for change in changes if (change.region, change.level) == ("NP", index_level)), None)


# ------------------------------------------------------------------------------------------------ sections
def _pair_sections(
    participant: Participant, maps: Maps, strips: Mapping[str, tuple[SliceStrip, ...]], options: str
) -> Iterator[ReportSection]:
    from t2disc.qc.report import reading_guide

    for record in participant.pairs:
        baseline, followup = maps.get(record.baseline_session_id), maps.get(record.followup_session_id)
        if baseline is None or followup is None:
            continue
        own = strips[record.baseline_session_id]
        seen = SeenPair(record=record, baseline=baseline, followup=followup, baseline_strips=own)
        yield pair_section(seen, participant, guide=reading_guide(), options=options)


def _trajectories(participant: Participant, options: str) -> Iterator[ReportSection]:
    if not any(pair.is_matched for pair in participant.pairs):
        return
    figure = page_figure(
        TRAJECTORIES,
        draw_trajectories(participant),
        name="trajectories",
        where=participant.participant_id,
        options=options,
    )
    yield ReportSection(name="visits", title="Over the visits", figures=(figure,))


def _visit_sections(
    out: Path,
    participant: Participant,
    maps: Maps,
    strips: Mapping[str, tuple[SliceStrip, ...]],
    *,
    is_told: bool,
) -> Iterator[ReportSection]:
    """Yield a section for each visit; the first with slices tells how to read them, unless a pair's does."""
    from t2disc.qc.report import reading_guide

    for session_id in participant.session_ids:
        row = participant.visit(session_id)
        if row is None:
            yield absent_section(session_id)
            continue
        visit = maps.get(session_id)
        guide = reading_guide() if visit is not None and not is_told else None
        is_told = is_told or guide is not None
        own = strips.get(session_id, ())
        yield visit_section(out, participant, row, visit, strips=own, guide=guide)


def _settings_section(participant: Participant) -> ReportSection:
    table = ReportTable(
        title="What the numbers rest on",
        columns=("visit", "model", "echoes", "noise sigma", "labels", "SHA-256 of labels", "t2disc"),
        rows=tuple(_settings_row(row.record, fit) for row in participant.visits if (fit := row.record.fit)),
        note="The record of each visit has every file and setting with its check sum.",
    )
    return ReportSection(name="provenance", title="Provenance", tables=(table,))


def _settings_row(record: store.VisitRecord, fit: store.FitFacts) -> tuple[str, ...]:
    first, last = fit.echo_times_ms[0], fit.echo_times_ms[-1]
    return (
        record.session_id,
        fit.model,
        f"{len(fit.echo_times_ms)}, {first:g} to {last:g} ms ({fit.echoes})",
        f"{number(fit.noise.sigma, 2)} ({fit.noise.method})",
        record.labels.kind,
        record.labels.sha256[:12] if record.labels.sha256 else MISSING,
        record.version,
    )
