"""Pairs of visits: each later visit is compared with the first, unless nothing has changed since the last time."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from t2disc import store, study
from t2disc.batch.executors import do_tasks
from t2disc.batch.limits import usable_cores
from t2disc.batch.plan import Decision, EarlierPair, decide_pair
from t2disc.batch.progress import Reporter
from t2disc.batch.settings import RunSettings
from t2disc.batch.task import Done, Effort, Ended
from t2disc.batch.visits import first_try
from t2disc.errors import OutputsDamaged, StoreError, T2DiscError, WriteFailed

MOST_THREADS = 2  # of a pair in this process; a child has one


@dataclass(frozen=True, slots=True, kw_only=True)
class PairTask:
    """Two visits to be compared; ``basis`` of their outputs was told when it was planned."""

    pair: study.Pair
    settings: RunSettings
    basis: store.PairBasis | None
    into: Path | None = None  # where the result goes, unless beside the visits

    @property
    def key(self) -> str:
        """The pair in a line."""
        return self.pair.key

    def do(self) -> Done:
        """Compare the two visits and put the outputs in place."""
        settings, n_threads = self.settings, 1 if self.settings.jobs else min(usable_cores(), MOST_THREADS)
        try:
            repeatability = settings.protocol.repeatability
            result = study.analyse_pair(self.pair, settings.out, repeatability, n_threads=n_threads)
        except T2DiscError as refusal:
            if isinstance(refusal, StoreError) and not isinstance(refusal, OutputsDamaged):
                raise
            return self.give_up(refusal)
        record = study.pair_record(result, self.basis)
        pictures, remarks = _draw(result) if settings.with_figures else ((), ())
        return self._publish((*study.pair_files(result), *pictures, store.pair_record_file(record)), remarks)

    def give_up(self, fault: T2DiscError) -> Done:
        """Put the two visits' own numbers, and why they are not compared, in the place of the pair's outputs."""
        return self._publish((store.pair_record_file(study.failed_pair_record(self.pair, fault, None)),))

    def _publish(self, files: tuple[store.StoredFile, ...], remarks: tuple[str, ...] = ()) -> Done:
        folder = store.pair_folder(self.into or self.settings.out, *self.pair.names)
        return Done(written=store.publish_visit(folder, files), remarks=remarks)


def _draw(result: study.PairResult) -> tuple[tuple[store.StoredFile, ...], tuple[str, ...]]:
    """Draw the pictures of a pair; when that fails, its numbers stand and a remark says so."""
    try:
        return tuple(study.pair_figures(result)), ()
    except Exception as fault:
        return (), (f"pictures could not be drawn ({type(fault).__name__})",)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPair:
    """A pair, what is decided of it, and its earlier record."""

    pair: study.Pair
    decision: Decision
    basis: store.PairBasis | None
    previous: store.PairRecord | None


def run_pairs(pairs: Sequence[study.Pair], settings: RunSettings, reporter: Reporter) -> tuple[store.PairRecord, ...]:
    """Compare the two visits of every pair; a pair that cannot be compared has its reason and stops no other."""
    reporter.pairs_started(len(pairs))
    plan = {pair.key: _plan(pair, settings) for pair in pairs}
    records = {key: record for key, planned in plan.items() if (record := _skipped(planned, reporter))}
    tasks = [
        PairTask(pair=planned.pair, settings=settings, basis=planned.basis)
        for key, planned in plan.items()
        if key not in records
    ]
    with closing(do_tasks(tasks, settings)) as every:
        for ended in every:
            records[ended.task.key] = _tell(plan[ended.task.key], ended, settings.out, reporter)
    return tuple(records[key] for key in plan)


def _plan(pair: study.Pair, settings: RunSettings) -> PlannedPair:
    earlier, basis = _earlier(pair, settings.out), study.pair_basis(pair, settings.out, settings.protocol.repeatability)
    is_outdated = earlier is None and store.is_pair_outdated(settings.out, *pair.names)
    decision = decide_pair(earlier, basis, with_pictures=settings.with_figures, is_outdated=is_outdated)
    return PlannedPair(pair=pair, decision=decision, basis=basis, previous=earlier.record if earlier else None)


def _earlier(pair: study.Pair, out: Path) -> EarlierPair | None:
    record = store.read_pair_record(out, *pair.names)
    if record is None:
        return None
    folder = store.pair_folder(out, *pair.names)
    return EarlierPair(record=record, is_whole=store.is_whole(folder), has_pictures=store.has_figures(folder))


def _skipped(planned: PlannedPair, reporter: Reporter) -> store.PairRecord | None:
    """Return the record of a pair that is left alone, and tell of it."""
    record = planned.previous
    if record is None or planned.decision.action != "skip":
        return None
    reporter.pair_finished(record, Effort(seconds=0.0), planned.decision)
    return record


def _tell(planned: PlannedPair, ended: Ended, out: Path, reporter: Reporter) -> store.PairRecord:
    """Read the record of a pair that has ended, and tell of it."""
    record = store.read_pair_record(out, *planned.pair.names)
    if record is None:
        raise WriteFailed(f"no record of {planned.pair.key} that can be read back")
    for warning in (*first_try(ended), *(ended.done or Done()).remarks):
        reporter.pair_warned(planned.pair.key, warning)
    reporter.pair_finished(record, ended.effort, planned.decision)
    return record
