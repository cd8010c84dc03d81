"""Whether two visits were scanned alike: a change of T2 may be the scanner's, the protocol's or the hour's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, time
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from t2disc.model import Acquisition, Agreement, Drift

FIELD_TOLERANCE_T = 0.15
ECHO_TOLERANCE_MS = 0.05
FLIP_TOLERANCE_DEG = 1.0
RELATIVE_TOLERANCE = 0.01  # of repetition time, voxel size and slice thickness
_ROUNDING = 1e-9  # a difference on the border must not hang on the last bit

EchoTimes = Sequence[float] | NDArray[np.float64] | None
Told = TypeVar("Told")


def compare_acquisitions(
    baseline: Acquisition,
    followup: Acquisition,
    *,
    baseline_echo_times_ms: EchoTimes = None,
    followup_echo_times_ms: EchoTimes = None,
) -> Drift:
    """Tell what about the scan differed between two visits: a change of T2 is a change of the disc only if nothing did.

    Each fact is ``same``, ``differs``, or ``cannot be checked`` where either header does not tell it; nothing is
    guessed.

    Parameters
    ----------
    baseline, followup
        Facts of the headers.
    baseline_echo_times_ms, followup_echo_times_ms
        ``(E,)`` echo times in ms, of the whole train, rising; None where not known.

    Returns
    -------
    Drift
        One verdict per fact, the days between the visits, and the difference in time of day.

    Notes
    -----
    **Texts** (scanner, software, coil) are the same when equal but for spaces and letter case. The scanner is the same
    when vendor and model both are; one of them that differs is enough to differ. Two scanners of one model cannot be
    told apart, because no serial number is kept.

    **Tolerances** are wide enough for rounding in headers and narrow enough for what matters to T2:

    - field strength 0.15 T: a nominal 3 T magnet may call itself 2.89 T; the nearest clinical fields (1.2, 1.5 T) lie
      further apart;
    - first echo time and echo spacing 0.05 ms: half a per cent of a spacing of 10 ms, and T2 scales with the spacing;
    - repetition time 1 %: it changes the amplitude of all echoes alike, by less than that; it grows by itself when
      slices are added;
    - flip angle 1 degree: headers hold whole degrees; that little moves stimulated echoes by much less than B1 does;
    - voxel size and slice thickness 1 %: fields of view are rounded to the millimetre.

    **Time of day.** Discs lose water from rising to bedtime, so T2 depends on the hours on one's feet. The difference
    is follow-up minus baseline on the clock, above 0 when the follow-up was later in its day, and not wrapped at
    midnight: 7 am and 8 pm lie 13 hours of load apart, not 11. For people who work at night it means little.

    Source: T2 over the day, Karakida et al. 2003, Clin Radiol 58:389; tags of the facts,
    :class:`~t2disc.model.Acquisition`.
    """
    before, after = _Train.of(baseline_echo_times_ms), _Train.of(followup_echo_times_ms)
    return Drift(
        scanner=_all_of(
            _agree(baseline.vendor, followup.vendor, _same_text),
            _agree(baseline.scanner_model, followup.scanner_model, _same_text),
        ),
        software=_agree(baseline.software, followup.software, _same_text),
        receive_coil=_agree(baseline.receive_coil, followup.receive_coil, _same_text),
        field_strength=_agree(baseline.field_strength_t, followup.field_strength_t, _within(FIELD_TOLERANCE_T)),
        first_echo_time=_agree(before.first_ms, after.first_ms, _within(ECHO_TOLERANCE_MS)),
        echo_spacing=_agree(before.spacing_ms, after.spacing_ms, _within(ECHO_TOLERANCE_MS)),
        n_echoes=_agree(before.n_echoes, after.n_echoes, _within(0)),
        repetition_time=_agree(baseline.repetition_time_ms, followup.repetition_time_ms, _close),
        flip_angle=_agree(baseline.flip_angle_deg, followup.flip_angle_deg, _within(FLIP_TOLERANCE_DEG)),
        voxel_size=_agree(baseline.voxel_size_mm, followup.voxel_size_mm, _all_close),
        slice_thickness=_agree(baseline.slice_thickness_mm, followup.slice_thickness_mm, _close),
        time_of_day_difference_h=_hours_later(baseline.acquisition_time, followup.acquisition_time),
        interval_days=_days_later(baseline.acquisition_date, followup.acquisition_date),
    )


class _Train(NamedTuple):
    """What is compared of a train of echoes; None where it is not known."""

    n_echoes: int | None
    first_ms: float | None
    spacing_ms: float | None  # mean step from echo to echo

    @classmethod
    def of(cls, echo_times_ms: EchoTimes) -> _Train:
        times_ms = np.asarray([] if echo_times_ms is None else echo_times_ms, dtype=np.float64)
        n = times_ms.size
        return cls(
            n_echoes=n or None,
            first_ms=float(times_ms[0]) if n else None,
            spacing_ms=float(times_ms[-1] - times_ms[0]) / (n - 1) if n > 1 else None,
        )


# ------------------------------------------------------------------------------------------------ agreement
def _agree(one: Told | None, other: Told | None, is_same: Callable[[Told, Told], bool]) -> Agreement:
    if one is None or other is None or not (_is_told(one) and _is_told(other)):
        return "cannot be checked"
    return "same" if is_same(one, other) else "differs"


def _is_told(value: object) -> bool:
    """Tell whether a header said something: a text that is not blank, a number that is one."""
    return bool(value.strip()) if isinstance(value, str) else bool(np.isfinite(np.asarray(value, np.float64)).all())


def _all_of(*parts: Agreement) -> Agreement:
    """Return ``differs`` if one part does, ``same`` if all are."""
    if "differs" in parts:
        return "differs"
    return "cannot be checked" if "cannot be checked" in parts else "same"


def _same_text(one: str, other: str) -> bool:
    return one.casefold().split() == other.casefold().split()


def _within(tolerance: float) -> Callable[[float, float], bool]:
    return lambda one, other: abs(one - other) <= tolerance + _ROUNDING


def _close(one: float, other: float) -> bool:
    return abs(one - other) <= (RELATIVE_TOLERANCE + _ROUNDING) * max(abs(one), abs(other))


def _all_close(one: Sequence[float], other: Sequence[float]) -> bool:
    return len(one) == len(other) and all(_close(a, b) for a, b in zip(one, other, strict=True))


# ------------------------------------------------------------------------------------------------ dates
def _hours_later(baseline: str | None, followup: str | None) -> float | None:
    before, after = _hour(baseline), _hour(followup)
    return None if before is None or after is None else after - before


def _hour(clock: str | None) -> float | None:
    """Return the hours since midnight of ``HH:MM:SS``; None for anything else."""
    try:
        moment = time.fromisoformat(clock or "")
    except ValueError:
        return None
    return moment.hour + moment.minute / 60 + (moment.second + moment.microsecond / 1e6) / 3600


def _days_later(baseline: str | None, followup: str | None) -> int | None:
    try:
        return (date.fromisoformat(followup or "") - date.fromisoformat(baseline or "")).days
    except ValueError:
        return None
