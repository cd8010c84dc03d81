"""``[checks]`` of the protocol file: what a study expects of scans, signals and pairs, how exactly, and how badly."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from t2disc.model.checks import Severity
from t2disc.model.levels import LEVELS
from t2disc.model.maps import Flag
from t2disc.model.table import Table

Vendor = Literal["Siemens", "GE", "Philips", "Canon", "United Imaging", "other"]
Direction = Literal["sagittal", "coronal", "transverse"]
DriftFact = Literal[
    "scanner", "software", "receive_coil", "field_strength", "first_echo_time", "echo_spacing", "n_echoes",
    "repetition_time", "flip_angle", "voxel_size", "slice_thickness",
]  # fmt: skip
FLAGS = tuple(flag.name.lower() for flag in Flag if flag is not Flag.OK)
ANY_FLAG = "any"
OTHER_VISITS = "*"


def _lumbar(level: str) -> str:
    if level not in LEVELS:
        raise ValueError("no disc level from T12/L1 to L5/S1")
    return level


Level = Annotated[str, AfterValidator(_lumbar)]
Clock = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[Finite, Field(gt=0)]
Tolerance = Annotated[Finite, Field(ge=0)]


class _Expectation(Table):
    severity: Severity = Field("minor", description="major, minor or info: what a deviation means for the grade")


# ------------------------------------------------------------------------------------------------ scan
class EchoTimes(_Expectation):
    """The whole train."""

    expected: tuple[Positive, ...] = Field(strict=False, min_length=1, description="Every echo time, ms, rising")
    tolerance: Tolerance = Field(0.05, description="ms, of each echo")
    severity: Severity = "major"

    @field_validator("expected")
    @classmethod
    def _rising(cls, given: tuple[float, ...]) -> tuple[float, ...]:
        if list(given) != sorted(set(given)):
            raise ValueError("echo times that do not rise")
        return given


class RepetitionTime(_Expectation):
    """Repetition time."""

    expected: Positive = Field(description="ms")
    tolerance: Tolerance = Field(50.0, description="ms")


class FieldStrength(_Expectation):
    """Field of the magnet."""

    expected: Positive = Field(description="Tesla")
    tolerance: Tolerance = Field(0.15, description="Tesla; a nominal 3 T magnet may call itself 2.89 T")
    severity: Severity = "major"


class VoxelSize(_Expectation):
    """Step between voxel centres."""

    expected: tuple[Positive, Positive, Positive] = Field(
        strict=False, description="mm along columns, along rows, and from slice to slice (gap included)"
    )
    tolerance: Tolerance = Field(0.05, description="mm, of each of the three")


class SliceThickness(_Expectation):
    """Thickness of the slices, without the gap."""

    expected: Positive = Field(description="mm")
    tolerance: Tolerance = Field(0.05, description="mm")


class Orientation(_Expectation):
    """How the slices lie."""

    expected: Direction = Field(description="sagittal, coronal or transverse")
    tolerance: Annotated[Finite, Field(ge=0, le=45)] = Field(
        20.0, description="Degrees between the slices' normal and the scanner's axis"
    )
    severity: Severity = "major"


class Coverage(_Expectation):
    """Discs that must be found whole; L1/L2 to L5/S1 is the spine from L1 to S1."""

    first: Level = Field("L1/L2", description="Uppermost disc")
    last: Level = Field("L5/S1", description="Lowest disc")
    severity: Severity = "major"

    @model_validator(mode="after")
    def _downwards(self) -> Coverage:
        if not self.levels:
            raise ValueError("a last disc above the first")
        return self

    @property
    def levels(self) -> tuple[str, ...]:
        """Discs asked for, from superior to inferior."""
        return LEVELS[LEVELS.index(self.first) : LEVELS.index(self.last) + 1]


class VendorNamed(_Expectation):
    """Maker of the scanner."""

    expected: tuple[Vendor, ...] = Field(strict=False, min_length=1, description="Any of these")


class TextNamed(_Expectation):
    """A text of the header, held against patterns and never repeated in an output."""

    expected: tuple[Annotated[str, Field(min_length=1, max_length=64)], ...] = Field(
        strict=False, min_length=1, description="Any of these; * and ? match any text, case is ignored"
    )


class SoftwareNamed(TextNamed):
    """Software of the scanner."""

    severity: Severity = "info"


class TimeOfDay(_Expectation):
    """Clock time of the scan: discs lose fluid over the day."""

    earliest: Clock = Field(description="HH:MM")
    latest: Clock = Field(description="HH:MM; before the earliest, the window goes over midnight")
    tolerance: Annotated[Finite, Field(ge=0, lt=720)] = Field(0.0, description="Minutes before and after")


class ScanChecks(Table):
    """``[checks.scan]``: how a visit must have been scanned; told by headers, coverage by the images."""

    echo_times_ms: EchoTimes | None = None
    repetition_time_ms: RepetitionTime | None = None
    field_strength_t: FieldStrength | None = None
    voxel_size_mm: VoxelSize | None = None
    slice_thickness_mm: SliceThickness | None = None
    orientation: Orientation | None = None
    coverage: Coverage | None = None
    vendor: VendorNamed | None = None
    scanner_model: TextNamed | None = None
    software: SoftwareNamed | None = None
    time_of_day: TimeOfDay | None = None


# ------------------------------------------------------------------------------------------------ signal
class Least(_Expectation):
    """A number that must not be smaller."""

    least: Tolerance = Field(description="The smallest that passes")


class Most(_Expectation):
    """A number that must not be greater."""

    most: Tolerance = Field(description="The greatest that passes")


class MajorLeast(Least):
    """A number that must not be smaller, or the disc cannot be used."""

    severity: Severity = "major"


class Asked(_Expectation):
    """Something that is asked for, without a number."""


class MajorAsked(Asked):
    """Something without which the disc cannot be used."""

    severity: Severity = "major"


class SignalChecks(Table):
    """``[checks.signal]``: what the signal of every disc must give; echo motion is the visit's."""

    snr: MajorLeast | None = Field(None, description="Median signal of the first echo used, over sigma; whole disc")
    flagged_pct: dict[str, Most] = Field(
        {}, description="Share of the disc's voxels without a T2, %, by reason: any, or the name of a flag"
    )
    chi2_red: Most | None = Field(None, description="Residual: median reduced chi-square of the disc; about 1 is good")
    odd_even: Most | None = Field(None, description="Median odd/even-echo index of the disc, without its sign")
    labels: MajorAsked | None = Field(None, description="No reason to review outline or name of the disc")
    echo_motion_mm: Most | None = Field(
        None, description="Largest displacement of any echo against the first, before any correction, mm"
    )

    @field_validator("flagged_pct")
    @classmethod
    def _flags(cls, given: dict[str, Most]) -> dict[str, Most]:
        if unknown := [name for name in given if name not in (ANY_FLAG, *FLAGS)]:
            raise ValueError(f"{len(unknown)} names that are no flag: {ANY_FLAG}, {', '.join(FLAGS)}")
        return given


# ------------------------------------------------------------------------------------------------ pair
class IntervalDays(_Expectation):
    """Days from baseline to a follow-up."""

    expected: Tolerance = Field(description="Days")
    tolerance: Tolerance = Field(30.0, description="Days before and after")


class PairChecks(Table):
    """``[checks.pair]``: how a later visit must stand to the participant's first one."""

    interval_days: dict[str, IntervalDays] = Field(
        {}, description="Days since baseline, by the name of the later visit; * is any other"
    )
    time_of_day_difference_h: Most | None = Field(None, description="Difference in clock time, hours, either way")
    same: dict[DriftFact, Severity] = Field(
        {}, description="Facts of the scan that must not differ, with their severity; tolerances as in docs/changes.md"
    )
    match: MajorAsked | None = Field(None, description="Every disc found again, with nothing against its match")
    match_correlation: Least | None = Field(None, description="Registration: correlation about the disc, 1 is perfect")
    match_inverse_mm: Most | None = Field(
        None, description="Registration residual: distance between the way there and the way back, mm"
    )

    @field_validator("interval_days")
    @classmethod
    def _named_once(cls, given: dict[str, IntervalDays]) -> dict[str, IntervalDays]:
        plain = [name if name == OTHER_VISITS else _plain(name) for name in given]
        if not all(plain) or len(set(plain)) < len(plain):
            raise ValueError("a visit's name without any letter or digit, or one that is there twice")
        return given

    def names(self, session_id: str) -> bool:
        """Tell whether a visit is named as a later one, whatever else is known of its participant."""
        return _plain(session_id) in {_plain(name) for name in self.interval_days if name != OTHER_VISITS}

    def interval_of(self, session_id: str) -> IntervalDays | None:
        """Return what is expected of a later visit, by its name with or without ``ses-``."""
        named = {_plain(name): days for name, days in self.interval_days.items() if name != OTHER_VISITS}
        return named.get(_plain(session_id), self.interval_days.get(OTHER_VISITS))


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold().removeprefix("ses-"))


class CheckSettings(Table):
    """``[checks]``: every expectation may be left out; what is not expected is not checked."""

    scan: ScanChecks = ScanChecks()
    signal: SignalChecks = SignalChecks()
    pair: PairChecks = PairChecks()

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all is expected."""
        return self == CheckSettings()
