"""The part of a participant's page that shows a change: both visits in one place, every disc's change, the table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from t2disc import store
from t2disc.model import Change
from t2disc.model.report import ReadingGuide, ReportFigure, ReportSection, ReportTable, SliceStrip
from t2disc.study.report.figures import REPORT_COMMAND, page_figure
from t2disc.study.report.gather import GREY_WORDS, Participant, visit_match
from t2disc.study.report.plots import CHANGE, draw_change, greys_of
from t2disc.study.report.words import COMPARED, MISSING, interval, number, plain

_CHANGE_COLUMNS = (
    "level",
    "region",
    "role",
    "baseline (ms)",
    "follow-up (ms)",
    "change (ms)",
    "%",
    "95 % interval (ms)",
    "repeatability (%)",
    "exceeds it",
    "voxels at baseline",
    "at follow-up",
    "to review",
)

_YES_NO = {True: "yes", False: "no", None: MISSING}
_INTERVAL = (
    "Interval: of the change, for noise, for how much it varies within the region, and for the noise floor; not for "
    "what measuring twice adds. That is the repeatability: 95 % of pairs without a true change differ by less."
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SeenPair:
    """A pair of visits with the maps of both, and the baseline's slices as its own section shows them."""

    record: store.PairRecord
    baseline: store.StoredVisit
    followup: store.StoredVisit
    baseline_strips: tuple[SliceStrip, ...]

    @property
    def name(self) -> str:
        """Of its section: ``change-month12``."""
        return f"change-{plain(self.record.followup_session_id)}"


def pair_section(pair: SeenPair, participant: Participant, *, guide: ReadingGuide, options: str = "") -> ReportSection:
    """Return what is shown of a change; ``options`` are those of the command line that draws it again."""
    record = pair.record
    slices, change = _slices(pair, guide), _change(pair, participant, options)
    return ReportSection(
        name=pair.name,
        title=f"Change: {record.followup_session_id} since {record.baseline_session_id}",
        text=" ".join(_text(record, participant)),
        figures=(*slices, change),
        tables=(_change_table(record, participant),),
    )


def lost_words(participant: Participant, pair: store.PairRecord) -> str:
    """Return which visits of a pair are non-evaluable, in words; empty where both can be used."""
    lost = participant.non_evaluable(pair)
    return f"{' and '.join(lost)} {'is' if len(lost) == 1 else 'are'} non-evaluable" if lost else ""


def _text(record: store.PairRecord, participant: Participant) -> Iterator[str]:
    if record.code:
        yield f"Not compared [{record.code}]: {record.reason}"
    if lost := lost_words(participant, record):
        yield f"{lost}: this change is left out where changes of the study are summed up."


def _slices(pair: SeenPair, guide: ReadingGuide) -> Iterator[ReportFigure]:
    from t2disc.qc.report import followup_strips

    match = visit_match(pair.record)
    if match is None:
        return
    carried = followup_strips(
        pair.baseline,
        pair.followup,
        match,
        pair.record.followup_session_id,
        greys=greys_of(pair.baseline, pair.followup),
        index_level=pair.baseline.record.index_level,
    )
    yield ReportFigure(
        name=f"{pair.name}-slices",
        title="Baseline and follow-up in one place",
        caption="The follow-up is resampled onto the baseline, each disc by its own motion, for viewing only. "
        "Flicker changes between the two: what moves is change, or a match that failed. Grey is "
        f"{GREY_WORDS[pair.baseline.echo is not None]}.",
        strips=(*pair.baseline_strips, *carried),
        levels=tuple(disc.level for disc in match.discs),
        command=REPORT_COMMAND,
        guide=guide,
    )


def _change(pair: SeenPair, participant: Participant, options: str) -> ReportFigure:
    figure = draw_change(pair.record, pair.baseline, pair.followup, participant)
    where = f"{pair.record.participant_id}/{pair.record.followup_session_id}"
    return page_figure(CHANGE, figure, name=f"{pair.name}-intervals", where=where, options=options)


def _change_table(pair: store.PairRecord, participant: Participant) -> ReportTable:
    by_own = "In each visit's own outlines, for the visits were not matched"
    agreed = "In regions that both visits' outlines agree on"
    return ReportTable(
        title="Change of median T2",
        columns=_CHANGE_COLUMNS,
        rows=tuple(
            _change_row(change, pair, participant)
            for change in participant.changes_of(pair)
            if change.region in COMPARED
        ),
        note=f"{agreed if pair.is_matched else by_own}; follow-up minus baseline. {_INTERVAL}",
    )


def _change_row(change: Change, pair: store.PairRecord, participant: Participant) -> tuple[str, ...]:
    return (
        change.level,
        change.region,
        participant.role(change.level),
        number(change.baseline_t2_median_ms, 1),
        number(change.followup_t2_median_ms, 1),
        number(change.change_ms, 1, sign=True),
        number(change.change_pct, 1, sign=True),
        interval(change.interval_ms),
        number(change.repeatability.rc_pct, 1),
        _YES_NO[change.exceeds_rc],
        MISSING if change.baseline_n_used is None else str(change.baseline_n_used),
        MISSING if change.followup_n_used is None else str(change.followup_n_used),
        ", ".join(pair.codes(change.level)) or MISSING,
    )
