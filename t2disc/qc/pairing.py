"""Can a later visit be set beside the first: days, hours, drift of the scan, and how its discs were found again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from t2disc.model import Agreement, Drift, HowMatched, MatchCode
from t2disc.model.checks import Check, Severity
from t2disc.qc.outcome import Question, at_least, at_most, number, within

if TYPE_CHECKING:
    from t2disc.model.checksettings import IntervalDays, PairChecks

_HEADERS_SILENT = "the headers do not say"
_NOT_MATCHED = "not matched"


def check_pair(
    settings: PairChecks,
    followup: str,
    drift: Drift | None = None,
    *,
    levels: Sequence[str] = (),
    matches: Sequence[HowMatched] = (),
    missing: Sequence[str] = (),
    refusal: str = "",
) -> tuple[Check, ...]:
    """Hold a pair of visits against what the protocol expects.

    Parameters
    ----------
    settings
        ``[checks.pair]`` of the protocol.
    followup
        Name of the later visit, with or without ``ses-``.
    drift
        What about the scan differed; None where the two visits were not compared.
    levels
        Discs of either visit.
    matches
        How each disc was found again.
    missing
        Levels found at one visit only.
    refusal
        Code of the refusal, where the pair could not be matched.
    """
    return (*_scans(settings, followup, drift), *_matches(settings, levels, matches, missing, refusal))


def _scans(asked: PairChecks, followup: str, drift: Drift | None) -> Iterator[Check]:
    if days := asked.interval_of(followup):
        yield _interval(days, drift.interval_days if drift else None)
    if hours := asked.time_of_day_difference_h:
        later = drift.time_of_day_difference_h if drift else None
        apart = None if later is None else abs(later)
        yield at_most("pair", "time_of_day_difference_h", hours, apart, " h", silent=_HEADERS_SILENT)
    for fact, severity in asked.same.items():
        yield _agreement(fact, severity, getattr(drift, fact) if drift else "cannot be checked")


def _interval(wanted: IntervalDays, days: int | None) -> Check:
    expected = f"{number(wanted.expected)} d +- {number(wanted.tolerance)}"
    question = Question("pair", "interval_days", wanted.severity, expected)
    if days is None:
        return question.unanswered(_HEADERS_SILENT)
    return question.answered(f"{days} d", is_met=within(days, wanted.expected, wanted.tolerance))


def _agreement(fact: str, severity: Severity, found: Agreement) -> Check:
    question = Question("pair", f"same.{fact}", severity, "same")
    if found == "cannot be checked":
        return question.unanswered(_HEADERS_SILENT)
    return question.answered(found, is_met=found == "same")


def _matches(
    asked: PairChecks, levels: Sequence[str], matches: Sequence[HowMatched], missing: Sequence[str], refusal: str
) -> Iterator[Check]:
    by_level = {match.level: match for match in matches}
    places: tuple[str | None, ...] = tuple(dict.fromkeys((*levels, *by_level, *missing))) or (None,)
    for level in places:
        match = by_level.get(level) if level else None
        if asked.match:
            codes = (refusal,) if refusal else _codes(match, is_missing=level in missing)
            question = Question("pair", "match", asked.match.severity, "nothing against it", level)
            if codes is None:
                yield question.unanswered(_NOT_MATCHED)
            else:
                yield question.answered(", ".join(codes) or "nothing", is_met=not codes)
        if asked.match_correlation:
            correlation, least = match.correlation if match else None, asked.match_correlation
            yield at_least("pair", "match_correlation", least, correlation, level=level, silent=_NOT_MATCHED)
        if asked.match_inverse_mm:
            apart_mm, most = match.inverse_mm if match else None, asked.match_inverse_mm
            yield at_most("pair", "match_inverse_mm", most, apart_mm, " mm", level=level, silent=_NOT_MATCHED)


def _codes(match: HowMatched | None, *, is_missing: bool) -> tuple[str, ...] | None:
    """Return what speaks against a match; None where there was none to speak against."""
    if is_missing:
        return (MatchCode.LEVEL_MISSING.value,)
    return tuple(code.value for code in match.codes) if match else None
