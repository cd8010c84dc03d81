"""The story of a pair of visits: from the maps of both to the change of every disc, and what is kept of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from t2disc import store
from t2disc.errors import LevelsSlipped, MatchError, QuantityDiffers, SameImages, T2DiscError, VisitsUnalike
from t2disc.model import Change, DiscLabels, DiscShape, Drift, MatchedLabels, VisitMatch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from t2disc.model.protocol import RepeatabilitySettings

_NOT_COMPARABLE = (LevelsSlipped, QuantityDiffers, SameImages, VisitsUnalike)  # one name, but no change of one disc


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two measured visits of a participant: the first, and a later one."""

    baseline: store.VisitRecord
    followup: store.VisitRecord

    @property
    def key(self) -> str:
        """The pair in a line: ``sub-01/ses-month12 since ses-baseline``."""
        return f"{self.followup.key} since {self.baseline.session_id}"

    @property
    def names(self) -> tuple[str, str, str]:
        """Participant, baseline session, follow-up session."""
        return self.baseline.participant_id, self.baseline.session_id, self.followup.session_id


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PairResult:
    """A pair, measured; without a match where the two visits cannot be compared disc by disc."""

    pair: Pair
    baseline: store.StoredVisit
    followup: store.StoredVisit
    match: VisitMatch | None
    refusal: T2DiscError | None
    matched: MatchedLabels | None  # the part that both visits agree on
    changes: tuple[Change, ...]
    drift: Drift
    shapes: tuple[tuple[DiscShape, ...], tuple[DiscShape, ...]]


def analyse_pair(
    pair: Pair, out: Path, settings: RepeatabilitySettings | None = None, *, n_threads: int = 1
) -> PairResult:
    """Match the discs of two visits that were published in ``out``, and measure their change in every region.

    ``settings`` is ``[repeatability]`` of the protocol.

    Raises
    ------
    OutputsDamaged
        ``outputs-damaged``: the maps of a visit cannot be read back.
    """
    from t2disc.measure import given_repeatability, measure_changes

    before, after = (store.read_visit(out, record) for record in (pair.baseline, pair.followup))
    own = MatchedLabels(roi="own", baseline=before.discs, followup=after.discs)
    coefficient = given_repeatability(settings.rc_pct if settings else {})
    match, regions, refusal = _matched(before, after, n_threads)
    changes = [
        change
        for labels in (*regions, own)
        for change in measure_changes(before.t2map, after.t2map, labels, match, coefficient)
    ]
    if isinstance(refusal, _NOT_COMPARABLE):
        changes = [replace(change, is_comparable=False) for change in changes]
    return PairResult(
        pair=pair,
        baseline=before,
        followup=after,
        match=match,
        refusal=refusal,
        matched=regions[0] if regions else None,
        changes=tuple(changes),
        drift=pair_drift(pair),
        shapes=(_shapes(before), _shapes(after)),
    )


def _matched(
    before: store.StoredVisit, after: store.StoredVisit, n_threads: int
) -> tuple[VisitMatch | None, tuple[MatchedLabels, ...], T2DiscError | None]:
    """Return the match with the regions carried by it, or why there is none."""
    from t2disc.register import carry_regions, match_visits

    try:
        _require_two_scans(before, after)
        _require_one_quantity(before.record, after.record)
        match = match_visits(before, after, n_threads=n_threads)
    except MatchError as refusal:
        return None, (), refusal
    return match, carry_regions(match, before.discs, after.discs), None


def _require_two_scans(before: store.StoredVisit, after: store.StoredVisit) -> None:
    """Refuse the same images twice: a change of exactly nothing would pass for a finding.

    Files that were written anew, with other headers, hold the same scan where every voxel has the same T2.
    """
    one, other = before.record.basis, after.record.basis
    are_files_equal = one is not None and other is not None and one.images_sha256 == other.images_sha256
    if are_files_equal or _are_maps_equal(before.t2map.t2_ms, after.t2map.t2_ms):
        raise SameImages("the very images of the baseline at follow-up")


def _are_maps_equal(one: NDArray[np.floating], other: NDArray[np.floating]) -> bool:
    return bool(np.isfinite(one).any()) and np.array_equal(one, other, equal_nan=True)


def _require_one_quantity(before: store.VisitRecord, after: store.VisitRecord) -> None:
    """Refuse T2 beside T2*: their difference is no change."""
    one, other = (record.acquisition.quantity if record.acquisition else "T2" for record in (before, after))
    if one != other:
        raise QuantityDiffers(f"{one} at baseline and {other} at follow-up")


def pair_drift(pair: Pair) -> Drift:
    """Tell what about the scan differed between the two visits."""
    from t2disc.measure import compare_acquisitions
    from t2disc.model import Acquisition

    before, after = pair.baseline, pair.followup
    return compare_acquisitions(
        before.acquisition or Acquisition(),
        after.acquisition or Acquisition(),
        baseline_echo_times_ms=before.fit.echo_times_ms if before.fit else None,
        followup_echo_times_ms=after.fit.echo_times_ms if after.fit else None,
    )


def _shapes(visit: store.StoredVisit) -> tuple[DiscShape, ...]:
    from t2disc.measure import measure_shapes

    regions = visit.record.regions
    return measure_shapes(visit.discs, mid_sagittal_mm=regions.mid_sagittal_mm) if regions else ()


def pair_record(result: PairResult, basis: store.PairBasis | None) -> store.PairRecord:
    """Return what the table of changes and a later run need to know of a pair."""
    match, refusal = result.match, result.refusal
    record = _empty_record(result.pair, result.drift, basis, refusal)
    return replace(
        record,
        correlation=match.correlation if match else np.nan,
        matches=tuple(_facts(match, result.baseline.discs)) if match else (),
        missing=match.missing if match else (),
        changes=result.changes,
        baseline_shapes=result.shapes[0],
        followup_shapes=result.shapes[1],
    )


def _facts(match: VisitMatch, discs: DiscLabels) -> Iterator[store.DiscMatchFacts]:
    for disc in match.discs:
        middle = np.argwhere(discs.mask(disc.level)).mean(axis=0)
        yield store.DiscMatchFacts.of(disc, discs.affine[:3, :3] @ middle + discs.affine[:3, 3])


def failed_pair_record(pair: Pair, fault: T2DiscError, basis: store.PairBasis | None) -> store.PairRecord:
    """Return the record of a pair that could not be measured at all: the visits' own numbers side by side."""
    from t2disc.measure import compare_visits

    changes = compare_visits(pair.baseline.measures, pair.followup.measures)
    return replace(_empty_record(pair, pair_drift(pair), basis, fault), changes=changes)


def _empty_record(
    pair: Pair, drift: Drift, basis: store.PairBasis | None, refusal: T2DiscError | None
) -> store.PairRecord:
    participant_id, baseline, followup = pair.names
    return store.PairRecord(
        participant_id=participant_id,
        baseline_session_id=baseline,
        followup_session_id=followup,
        drift=drift,
        code=refusal.code if refusal else "",
        reason=f"found {refusal.found}; {refusal.todo}" if refusal else "",
        basis=basis,
    )


def pair_basis(pair: Pair, out: Path, settings: RepeatabilitySettings | None = None) -> store.PairBasis | None:
    """Return the check sums of what a pair is measured from; ``None`` where a visit's outputs cannot be told."""
    before, after = (_visit_sha256(record, out) for record in (pair.baseline, pair.followup))
    if not (before and after):
        return None
    rc_pct = settings.rc_pct if settings else {}
    settings_sha256 = hashlib.sha256(json.dumps(rc_pct, sort_keys=True).encode()).hexdigest()
    return store.PairBasis(
        baseline_sha256=before, followup_sha256=after, settings_sha256=settings_sha256, rc_pct=rc_pct
    )


def _visit_sha256(record: store.VisitRecord, out: Path) -> str | None:
    """Return one check sum over a visit's images and those facts of its record that a pair, or its picture, uses."""
    images = store.images_sha256(out / record.participant_id / record.session_id)
    facts = (record.fit, record.acquisition, record.regions)
    told = json.dumps([record.index_level, *(fact and asdict(fact) for fact in facts)], sort_keys=True)
    return hashlib.sha256(f"{images}\n{told}".encode()).hexdigest() if images else None


def pair_files(result: PairResult) -> tuple[store.StoredFile, ...]:
    """Compose the label maps of what both visits agree on, below the pair's folder."""
    if result.matched is None:
        return ()
    participant_id, baseline, followup = result.pair.names
    return (
        *store.matched_files(f"{participant_id}_{baseline}", result.matched.baseline),
        *store.matched_files(f"{participant_id}_{followup}", result.matched.followup),
    )


def pair_figures(result: PairResult) -> Iterator[store.StoredFile]:
    """Draw the change of a pair: both visits, their difference within discs, and the discs' intervals."""
    from t2disc.qc import plot_change

    participant_id, baseline, followup = result.pair.names
    figure = plot_change(
        result.baseline,
        result.followup,
        result.match,
        result.changes,
        roi="matched" if result.match else "own",
        index_level=result.pair.baseline.index_level,
        quantity=result.pair.baseline.acquisition.quantity if result.pair.baseline.acquisition else "T2",
        reason=result.refusal.found if result.refusal else "",
    )
    yield store.figure_file(f"{store.pair_stem(participant_id, baseline, followup)}_desc-change_T2", figure)
