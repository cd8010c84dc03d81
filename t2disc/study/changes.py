"""The rows of the table of changes: every pair's numbers, judged against repeatability and set beside the controls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from t2disc import store
from t2disc.model import CONTROL_LEVELS, Change, DiscShape, role_of
from t2disc.study.order import plain_session

if TYPE_CHECKING:
    from t2disc.measure import Coefficient
    from t2disc.model.protocol import RepeatabilitySettings


def change_rows(
    records: Sequence[store.VisitRecord],
    pairs: Sequence[store.PairRecord],
    settings: RepeatabilitySettings | None = None,
    control_levels: Sequence[str] = CONTROL_LEVELS,
) -> tuple[store.ChangeRow, ...]:
    """Return the rows of all pairs: participants and follow-ups in the order given, matched regions first."""
    coefficient = study_repeatability(pairs, settings)
    index_levels = {record.key: record.index_level for record in records}
    rows: list[store.ChangeRow] = []
    for pair in pairs:
        index_level = index_levels.get(f"{pair.participant_id}/{pair.baseline_session_id}")
        role = partial(role_of, index_level=index_level, control_levels=control_levels)
        rows += _with_controls(list(_pair_rows(pair, role, coefficient)))
    return tuple(_adjusted(rows))


def study_repeatability(
    pairs: Sequence[store.PairRecord], settings: RepeatabilitySettings | None = None
) -> Coefficient:
    """Return what measuring twice gives: the study's retests, else the protocol's numbers, else the literature's."""
    from t2disc.measure import given_repeatability, measured_repeatability

    known = given_repeatability(settings.rc_pct if settings else {})
    if settings is None or settings.retest_visit is None:
        return known
    name = plain_session(settings.retest_visit)  # whatever its case, as in visit_order
    retests: dict[str, list[Change]] = {}
    for pair in pairs:
        if plain_session(pair.followup_session_id) == name and pair.is_matched:
            sound = (c for c in pair.changes if c.roi == "matched" and not pair.codes(c.level))
            retests.setdefault(pair.participant_id, []).extend(sound)
    return measured_repeatability(retests, known)


def _pair_rows(
    pair: store.PairRecord, role: Callable[[str], str], coefficient: Coefficient
) -> Iterator[store.ChangeRow]:
    for change in pair.changes:
        yield store.ChangeRow(
            participant_id=pair.participant_id,
            role=role(change.level),
            baseline_session_id=pair.baseline_session_id,
            followup_session_id=pair.followup_session_id,
            change=replace(change, repeatability=coefficient(change.level, change.region)),
            match=pair.match(change.level),
            codes=pair.codes(change.level),
            reason=pair.reason,
            drift=pair.drift,
            shapes=(_shape(pair.baseline_shapes, change), _shape(pair.followup_shapes, change)),
        )


def _shape(shapes: Sequence[DiscShape], change: Change) -> DiscShape | None:
    return next((shape for shape in shapes if shape.level == change.level), None)


def _with_controls(rows: Sequence[store.ChangeRow]) -> Iterator[store.ChangeRow]:
    """Yield the rows of one pair, those of the index disc with the mean change of the control discs beside them."""
    from t2disc.measure import mean_of_controls

    for row in rows:
        if row.role != "index":
            yield row
            continue
        place = (row.change.region, row.change.roi)
        controls = [
            other.change
            for other in rows
            if other.role == "control" and (other.change.region, other.change.roi) == place and _is_sound(other)
        ]
        mean = mean_of_controls(controls)
        yield replace(
            row,
            controls=store.ControlFacts(
                n=mean.n,
                change_ms=mean.change_ms,
                change_pct=mean.change_pct,
                se_ms=mean.se_ms,
                interval_ms=mean.interval_ms,
                exceeds_rc=mean.exceeds_rc,
            ),
        )


def _is_sound(row: store.ChangeRow) -> bool:
    """Tell whether a control disc counts: one whose own motion was lost does not."""
    return row.match is None or not row.match.is_fallback


def _adjusted(rows: Sequence[store.ChangeRow]) -> Iterator[store.ChangeRow]:
    """Yield all rows, those of index discs adjusted for the controls over all participants of the same follow-up."""
    from t2disc.measure import adjusted_changes_ms

    groups: dict[tuple[str, str, str], list[int]] = {}
    for place, row in enumerate(rows):
        if row.controls is not None:
            groups.setdefault((row.followup_session_id, row.change.region, row.change.roi), []).append(place)
    out = list(rows)
    for places in groups.values():
        controls = [facts for place in places if (facts := rows[place].controls) is not None]
        covariate = np.array([facts.change_ms for facts in controls])
        adjusted, slope = adjusted_changes_ms([rows[place].change.change_ms for place in places], covariate.tolist())
        mean = float(np.nanmean(covariate)) if np.isfinite(covariate).any() else np.nan
        for place, facts, adjusted_ms in zip(places, controls, adjusted, strict=True):
            told = replace(facts, centred_ms=facts.change_ms - mean, adjusted_ms=adjusted_ms, slope=slope)
            out[place] = replace(rows[place], controls=told)
    yield from out
