"""The index of a study: a row for each visit, those that never came among them, and figures of the whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from t2disc import __version__, store
from t2disc.model.checks import GradeWord
from t2disc.model.report import IndexPage, IndexRow, ReportFigure
from t2disc.study.report.figures import page_figure
from t2disc.study.report.gather import Gathered, Participant
from t2disc.study.report.participant import treated_nucleus
from t2disc.study.report.plots import (
    AGREEMENT,
    COHORT,
    STUDY_TRAJECTORIES,
    WHOLE_STUDY,
    controls,
    draw_agreement,
    draw_cohort,
    draw_study_trajectories,
)
from t2disc.study.report.words import OTHER_GRADES, number, plain

NOT_DONE: GradeWord = "not done"
_LEAST_PARTICIPANTS = 2  # of figures of the whole: one participant's page shows the same
_LEAST_CONTROLS = 3  # fewer pairs have no limits of agreement


def index_page(gathered: Gathered, rows: Sequence[IndexRow], *, command: str = "", options: str = "") -> IndexPage:
    """Return the index; ``options`` are those of the command lines below figures."""
    figures = tuple(_figures(gathered, options))
    note = OTHER_GRADES if any(one.has_other_grades for one in gathered.participants) else ""
    return IndexPage(rows=tuple(rows), figures=figures, note=note, command=command, version=__version__)


def index_rows(participant: Participant, maps: Mapping[str, store.StoredVisit]) -> tuple[IndexRow, ...]:
    """Return the rows of one participant: visits with a record, and between them those that never came."""
    address = f"{participant.participant_id}/{participant.report_name}" if participant.visits else ""
    return tuple(
        _row(participant, row, maps.get(session_id), address)
        if (row := participant.visit(session_id))
        else _absent_row(participant, session_id, address)
        for session_id in participant.session_ids
    )


def _row(participant: Participant, row: store.VisitRow, visit: store.StoredVisit | None, address: str) -> IndexRow:
    from t2disc.qc.report import thumbnail

    record = row.record
    medians = [m.t2_median_ms for m in record.measures if (m.region, m.level) == ("NP", record.index_level)]
    pairs = [pair for pair in participant.pairs if pair.followup_session_id == record.session_id]
    matched = [pair for pair in pairs if pair.is_matched]
    treated = treated_nucleus(participant.changes_of(matched[0]), record.index_level) if matched else None
    match_codes = [code for pair in pairs for code in _codes(pair)]
    return IndexRow(
        participant_id=record.participant_id,
        session_id=record.session_id,
        status=record.status if record.is_done else f"quarantined [{record.code}]",
        grade=row.grade.word if row.grade else "",
        reasons="; ".join(row.grade.reasons) if row.grade else "",
        review=", ".join(dict.fromkeys((*record.labels.review_codes, *match_codes))),
        n_discs=str(len(record.levels)) if record.is_done else "",
        index_t2=number(medians[0], 1) if medians else "",
        index_change=number(treated.change_ms, 1, sign=True) if treated else "",
        report=address,
        thumbnail=thumbnail(visit, visit.echo) if visit else None,
    )


def _codes(pair: store.PairRecord) -> Iterator[str]:
    """Yield why a pair was not matched, and what speaks against the match of each disc."""
    if pair.code:
        yield pair.code
    for level in (*dict.fromkeys(change.level for change in pair.changes), *pair.missing):
        yield from pair.codes(level)


def _absent_row(participant: Participant, session_id: str, address: str) -> IndexRow:
    return IndexRow(
        participant_id=participant.participant_id,
        session_id=session_id,
        status="never came",
        grade=NOT_DONE,
        review="",
        n_discs="",
        index_t2="",
        index_change="",
        report=address,
    )


# ------------------------------------------------------------------------------------------------ figures
def _figures(gathered: Gathered, options: str) -> Iterator[ReportFigure]:
    """Yield figures of the whole, where more than one participant has a change."""
    changes = [one for one in gathered.study_changes if (one.change.region, one.change.roi) == ("NP", "matched")]
    if len({one.participant_id for one in changes}) < _LEAST_PARTICIPANTS:
        return
    compared = {one.followup_session_id for one in changes}
    followups = [followup for followup in gathered.followups if followup in compared]
    for followup in followups:
        drawn = draw_cohort(changes, followup)
        yield page_figure(COHORT, drawn, name=f"cohort-{plain(followup)}", where=followup, options=options)
    drawn = draw_study_trajectories(gathered)
    yield page_figure(STUDY_TRAJECTORIES, drawn, name="trajectories", where=WHOLE_STUDY, options=options)
    for followup in followups:
        if len(controls(changes, followup)) >= _LEAST_CONTROLS:
            drawn = draw_agreement(changes, followup)
            yield page_figure(AGREEMENT, drawn, name=f"agreement-{plain(followup)}", where=followup, options=options)
