"""Pairs of visits: each later visit is compared with the first, unless nothing has changed since the last time."""

from __future__ import annotations

import os
from collections.abc import Sequence
from time import perf_counter

from t2disc import store, study
from t2disc.batch.faults import as_refusal
from t2disc.batch.plan import EarlierPair, decide_pair
from t2disc.batch.progress import Reporter
from t2disc.batch.settings import RunSettings
from t2disc.errors import InstallError, OutputsDamaged, StoreError

MOST_THREADS = 2


def run_pairs(pairs: Sequence[study.Pair], settings: RunSettings, reporter: Reporter) -> tuple[store.PairRecord, ...]:
    """Compare the two visits of every pair; a pair that cannot be compared has its reason and stops no other."""
    reporter.pairs_started(len(pairs))
    return tuple(_run_pair(pair, settings, reporter) for pair in pairs)


def _run_pair(pair: study.Pair, settings: RunSettings, reporter: Reporter) -> store.PairRecord:
    """Do with a pair what is decided, and return its record."""
    repeatability = settings.protocol.repeatability
    earlier, basis = _earlier(pair, settings), study.pair_basis(pair, settings.out, repeatability)
    decision = decide_pair(earlier, basis, with_pictures=settings.with_figures)
    started = perf_counter()
    if earlier is not None and decision.action == "skip":
        record = earlier.record
    else:
        record, files = _attempt(pair, basis, settings, reporter)
        store.publish_visit(store.pair_folder(settings.out, *pair.names), files)
    reporter.pair_finished(record, perf_counter() - started, decision)
    return record


def _earlier(pair: study.Pair, settings: RunSettings) -> EarlierPair | None:
    record = store.read_pair_record(settings.out, *pair.names)
    if record is None:
        return None
    folder = store.pair_folder(settings.out, *pair.names)
    return EarlierPair(record=record, is_whole=store.is_whole(folder), has_pictures=store.has_figures(folder))


def _attempt(
    pair: study.Pair, basis: store.PairBasis | None, settings: RunSettings, reporter: Reporter
) -> tuple[store.PairRecord, tuple[store.StoredFile, ...]]:
    """Tell the pair's story; when it fails, its record says why and is all that is stored of it."""
    try:
        n_threads = min(os.cpu_count() or 1, MOST_THREADS)
        result = study.analyse_pair(pair, settings.out, settings.protocol.repeatability, n_threads=n_threads)
        record = study.pair_record(result, basis)
        pictures = _draw(result, reporter) if settings.with_figures else ()
        return record, (*study.pair_files(result), *pictures, store.pair_record_file(record))
    except InstallError:
        raise
    except StoreError as fault:
        if not isinstance(fault, OutputsDamaged):
            raise
        record = study.failed_pair_record(pair, fault, None)
    except Exception as fault:
        record = study.failed_pair_record(pair, as_refusal(fault), None)
    return record, (store.pair_record_file(record),)


def _draw(result: study.PairResult, reporter: Reporter) -> tuple[store.StoredFile, ...]:
    """Draw the pictures of a pair; when that fails, its numbers stand and a warning says so."""
    try:
        return tuple(study.pair_figures(result))
    except Exception as fault:
        reporter.pair_warned(result.pair.key, f"pictures could not be drawn ({type(fault).__name__})")
        return ()
