"""Was the visit scanned as the protocol asks: facts of the header, and which discs lie in the images."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import time
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from t2disc.model import Acquisition, ReviewCode, ReviewReason
from t2disc.model.checks import Check
from t2disc.qc.outcome import HEADER_SILENT, Question, is_known, number, numbers, within

if TYPE_CHECKING:
    from t2disc.model.checksettings import (
        Coverage,
        EchoTimes,
        FieldStrength,
        Orientation,
        RepetitionTime,
        ScanChecks,
        SliceThickness,
        TextNamed,
        TimeOfDay,
        VendorNamed,
        VoxelSize,
    )

    _Quantity = RepetitionTime | FieldStrength | SliceThickness

_AXES = {"sagittal": 0, "coronal": 1, "transverse": 2}
_NOT_LOOKED_FOR = "no discs were looked for"
_DAY_MIN = 24 * 60
_QUANTITIES = (  # key of the protocol, fact of the header, unit
    ("repetition_time_ms", "repetition_time_ms", " ms"),
    ("field_strength_t", "field_strength_t", " T"),
    ("slice_thickness_mm", "slice_thickness_mm", " mm"),
)


def check_visit(
    settings: ScanChecks,
    acquisition: Acquisition,
    echo_times_ms: Sequence[float] | None = None,
    *,
    levels: Sequence[str] | None = None,
    reasons: Sequence[ReviewReason] = (),
) -> tuple[Check, ...]:
    """Hold a visit's scan against what the protocol expects; what it does not expect is not checked.

    Parameters
    ----------
    settings
        ``[checks.scan]`` of the protocol.
    acquisition
        Facts of the header; those it does not tell cannot be checked.
    echo_times_ms
        ``(E,)`` of the whole train, ms; None where not known.
    levels
        Discs that were found; None where nobody looked.
    reasons
        Why the labels should be reviewed; discs that are cut off are not covered.
    """
    return tuple(_scan(settings, acquisition, echo_times_ms, levels, reasons))


def _scan(
    asked: ScanChecks,
    facts: Acquisition,
    echo_times_ms: Sequence[float] | None,
    levels: Sequence[str] | None,
    reasons: Sequence[ReviewReason],
) -> Iterator[Check]:
    if asked.echo_times_ms:
        yield _echo_times(asked.echo_times_ms, echo_times_ms)
    for name, fact, unit in _QUANTITIES:
        if (wanted := getattr(asked, name)) is not None:
            yield _quantity(name, wanted, getattr(facts, fact), unit)
    if asked.voxel_size_mm:
        yield _voxel_size(asked.voxel_size_mm, facts.voxel_size_mm)
    if asked.orientation:
        yield _orientation(asked.orientation, facts.slice_normal)
    if asked.coverage:
        yield from _coverage(asked.coverage, levels, reasons)
    if asked.vendor:
        yield _vendor(asked.vendor, facts.vendor)
    if asked.scanner_model:
        yield _text("scanner_model", asked.scanner_model, facts.scanner_model)
    if asked.software:
        yield _text("software", asked.software, facts.software)
    if asked.time_of_day:
        yield _time_of_day(asked.time_of_day, facts.acquisition_time)


def _echo_times(wanted: EchoTimes, found_ms: Sequence[float] | None) -> Check:
    expected = f"{numbers(wanted.expected)} ms +- {number(wanted.tolerance)}"
    question = Question("scan", "echo_times_ms", wanted.severity, expected)
    if not found_ms or not is_known(*found_ms):
        return question.unanswered("not known")
    is_met = len(found_ms) == len(wanted.expected) and all(
        within(found, te, wanted.tolerance) for found, te in zip(found_ms, wanted.expected, strict=True)
    )
    return question.answered(f"{numbers(found_ms)} ms", is_met=is_met)


def _quantity(name: str, wanted: _Quantity, found: float | None, unit: str) -> Check:
    expected = f"{number(wanted.expected)}{unit} +- {number(wanted.tolerance)}"
    question = Question("scan", name, wanted.severity, expected)
    if found is None or not is_known(found):
        return question.unanswered(HEADER_SILENT)
    is_met = within(found, wanted.expected, wanted.tolerance)
    return question.answered(f"{number(found)}{unit}", is_met=is_met)


def _voxel_size(wanted: VoxelSize, found_mm: Sequence[float] | None) -> Check:
    expected = f"{numbers(wanted.expected, ' x ')} mm +- {number(wanted.tolerance)}"
    question = Question("scan", "voxel_size_mm", wanted.severity, expected)
    if found_mm is None or not is_known(*found_mm):
        return question.unanswered(HEADER_SILENT)
    is_met = all(within(found, size, wanted.tolerance) for found, size in zip(found_mm, wanted.expected, strict=True))
    return question.answered(f"{numbers(found_mm, ' x ')} mm", is_met=is_met)


def _orientation(wanted: Orientation, normal: Sequence[float] | None) -> Check:
    expected = f"{wanted.expected} within {number(wanted.tolerance)} degrees"
    question = Question("scan", "orientation", wanted.severity, expected)
    if normal is None or not is_known(*normal) or not any(normal):
        return question.unanswered(HEADER_SILENT)
    off_deg = {name: _angle_deg(normal, axis) for name, axis in _AXES.items()}
    nearest = min(off_deg, key=lambda name: off_deg[name])
    is_met = within(off_deg[wanted.expected], 0, wanted.tolerance)
    return question.answered(f"{nearest}, {off_deg[nearest]:.1f} degrees off", is_met=is_met)


def _angle_deg(normal: Sequence[float], axis: int) -> float:
    across = math.hypot(*(part for place, part in enumerate(normal) if place != axis))
    return math.degrees(math.atan2(across, abs(normal[axis])))


def _coverage(wanted: Coverage, levels: Sequence[str] | None, reasons: Sequence[ReviewReason]) -> Iterator[Check]:
    """Yield whether each disc that is asked for was found whole."""
    question = Question("scan", "coverage", wanted.severity, "found whole")
    if levels is None:
        yield question.unanswered(_NOT_LOOKED_FOR)
        return
    cut = {reason.level for reason in reasons if reason.code is ReviewCode.DISC_CUT_OFF}
    for level in wanted.levels:
        is_cut = level in cut or None in cut
        found = "not found" if level not in levels else "cut off" if is_cut else "whole"
        yield replace(question, level=level).answered(found, is_met=found == "whole")


def _vendor(wanted: VendorNamed, found: str | None) -> Check:
    question = Question("scan", "vendor", wanted.severity, " or ".join(wanted.expected))
    if found is None:
        return question.unanswered(HEADER_SILENT)
    return question.answered(found, is_met=found in wanted.expected)


def _text(name: str, wanted: TextNamed, found: str | None) -> Check:
    """Hold a free text of the header against patterns; what it says is not repeated."""
    question = Question("scan", name, wanted.severity, " or ".join(wanted.expected))
    plain = _plain(found or "")
    if not plain:
        return question.unanswered(HEADER_SILENT)
    is_met = any(fnmatchcase(plain, _plain(pattern)) for pattern in wanted.expected)
    return question.answered("as named" if is_met else "another", is_met=is_met)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _time_of_day(wanted: TimeOfDay, found: str | None) -> Check:
    more = f" +- {number(wanted.tolerance)} min" if wanted.tolerance else ""
    question = Question("scan", "time_of_day", wanted.severity, f"{wanted.earliest} to {wanted.latest}{more}")
    minute = _minute(found)
    if minute is None:
        return question.unanswered(HEADER_SILENT)
    first, last = (_minute(clock) or 0.0 for clock in (wanted.earliest, wanted.latest))
    width = (last - first) % _DAY_MIN + 2 * wanted.tolerance
    is_met = (minute - first + wanted.tolerance) % _DAY_MIN <= width
    return question.answered(f"{int(minute // 60):02d}:{int(minute % 60):02d}", is_met=is_met)


def _minute(clock: str | None) -> float | None:
    """Return the minutes since midnight of ``HH:MM`` or ``HH:MM:SS``; None for anything else."""
    try:
        moment = time.fromisoformat(clock or "")
    except ValueError:
        return None
    return moment.hour * 60 + moment.minute + moment.second / 60
