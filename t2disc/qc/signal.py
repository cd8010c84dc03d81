"""Can the signal of every disc carry a T2: noise, voxels without one, fit, labels; and did the body move."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from t2disc.model import DiscMeasure, DiscQuality, EchoMotion, EchoState, Flag, NoiseEstimate, ReviewReason
from t2disc.model.checks import Check, Outcome
from t2disc.qc.outcome import NOT_MEASURED, Question, at_least, at_most

if TYPE_CHECKING:
    from t2disc.model.checksettings import MajorAsked, Most, SignalChecks

_DISC = "disc"  # the region that is judged
_CIRCULAR = "sigma comes from the residuals themselves"


def check_discs(
    settings: SignalChecks,
    measures: Sequence[DiscMeasure] = (),
    *,
    levels: Sequence[str] = (),
    motion: EchoMotion | None = None,
    reasons: Sequence[ReviewReason] = (),
    is_labelled: bool = True,
    noise: NoiseEstimate | None = None,
    qualities: Sequence[DiscQuality] = (),
) -> tuple[Check, ...]:
    """Hold the signal of every disc of a visit against what the protocol expects.

    Parameters
    ----------
    settings
        ``[checks.signal]`` of the protocol.
    measures
        Of the visit's discs; the whole disc is judged.
    levels
        Discs of the visit.
    motion
        Between its echoes; None where nobody looked.
    reasons
        Why its labels should be reviewed.
    is_labelled
        Whether anybody, or the network, labelled discs.
    noise
        Of the visit's images. Where sigma comes from the residuals themselves, they say nothing against it: the
        residual cannot be checked.
    qualities
        How well the model describes each disc, where that was measured.
    """
    found = _discs(settings, measures, levels, qualities, noise)
    labels = _labels(settings.labels, levels, reasons, is_labelled) if settings.labels else ()
    moved = (_motion(settings.echo_motion_mm, motion),) if settings.echo_motion_mm else ()
    return (*found, *labels, *moved)


def _discs(
    asked: SignalChecks,
    measures: Sequence[DiscMeasure],
    levels: Sequence[str],
    qualities: Sequence[DiscQuality],
    noise: NoiseEstimate | None,
) -> Iterator[Check]:
    by_level = {measure.level: measure for measure in measures if measure.region == _DISC}
    quality_of = {quality.level: quality for quality in qualities if quality.region == _DISC}
    is_circular = noise is not None and noise.method == "residual"
    for level in levels:
        measure, quality = by_level.get(level), quality_of.get(level)
        if asked.snr:
            found = measure.snr_first_echo if measure else None
            yield at_least("signal", "snr", asked.snr, found, level=level)
        for name, most in asked.flagged_pct.items():
            yield at_most("signal", f"flagged_pct.{name}", most, _flagged_pct(measure, name), " %", level=level)
        if asked.chi2_red:
            found = quality.chi2_red_median if quality and not is_circular else None
            silent = _CIRCULAR if is_circular else NOT_MEASURED
            yield at_most("signal", "chi2_red", asked.chi2_red, found, level=level, silent=silent)
        if asked.odd_even:
            found = abs(quality.odd_even_median) if quality else None
            yield at_most("signal", "odd_even", asked.odd_even, found, level=level)


def _flagged_pct(measure: DiscMeasure | None, name: str) -> float | None:
    """Return the share of a disc's voxels that a reason, or any, left without a T2, %."""
    if measure is None or not measure.n_voxels:
        return None
    counts = measure.n_left_out
    n = sum(counts) if name == "any" else counts[Flag[name.upper()]]
    return 100 * n / measure.n_voxels


def _labels(
    wanted: MajorAsked, levels: Sequence[str], reasons: Sequence[ReviewReason], is_labelled: bool
) -> Iterator[Check]:
    """Yield, disc by disc, whether anything speaks against its labels; what concerns all of them concerns each."""
    named = [reason.level for reason in reasons if reason.level is not None]
    places: tuple[str | None, ...] = tuple(dict.fromkeys((*levels, *named))) or (None,)
    for level in places:
        question = Question("signal", "labels", wanted.severity, "nothing to review", level)
        codes = dict.fromkeys(reason.code.value for reason in reasons if reason.level in (None, level))
        if is_labelled:
            yield question.answered(", ".join(codes) or "nothing", is_met=not codes)
        else:
            yield question.unanswered("no labels")


def _motion(wanted: Most, motion: EchoMotion | None) -> Check:
    """Tell whether any echo moved too far; echoes that could not be measured may have, unless one is known to."""
    check = at_most("signal", "echo_motion_mm", wanted, motion.largest_mm if motion else None, " mm")
    unknown = motion.numbers(EchoState.UNSURE, EchoState.UNSETTLED) if motion else ()
    if not unknown or check.outcome == "cannot be checked":
        return check
    outcome: Outcome = "deviation" if check.outcome == "deviation" else "cannot be checked"
    found = f"{check.found}; not measured: echoes {', '.join(map(str, unknown))}"
    return replace(check, outcome=outcome, found=found)
