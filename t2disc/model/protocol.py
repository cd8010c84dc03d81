"""The protocol file: what a study expects and how it wants to be analysed, checked before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, field_validator

from t2disc.model.checksettings import CheckSettings, Level
from t2disc.model.fitting import LEAST_T1_MS, MOST_T1_MS, EchoChoice, ModelOptions
from t2disc.model.levels import CONTROL_LEVELS, LEVELS
from t2disc.model.regions import SCHEME_OF, SCHEMES, Scheme
from t2disc.model.table import Table

FIRST_ECHO_TOLERANCE_MS = 0.5


class IngestSettings(Table):
    """``[ingest]``: which series is the one to measure, when a visit holds several."""

    series_number: int | None = Field(None, description="SeriesNumber (0020,0011) of the multi-echo series")
    series_description: str | None = Field(
        None,
        description="Pattern (* and ?) for SeriesDescription (0008,103E), case ignored; never repeated in an output",
    )
    n_echoes: int | None = Field(None, ge=2, description="Number of echoes")
    first_echo_time_ms: float | None = Field(None, gt=0, description="First echo time, ms, within 0.5 ms")
    require_spin_echo: bool = Field(True, description="Refuse gradient-echo series (T2*)")

    def fits_train(self, echo_times_ms: Sequence[float]) -> bool:
        """Tell whether an echo train has the number of echoes and the first echo time asked for."""
        first_ms = self.first_echo_time_ms
        return self.n_echoes in (None, len(echo_times_ms)) and (
            first_ms is None or abs(first_ms - echo_times_ms[0]) <= FIRST_ECHO_TOLERANCE_MS
        )


class FitSettings(Table):
    """``[fit]``: the model, the echoes it uses, and what it assumes."""

    model: str = Field("mono", description="Signal model of the maps; t2disc fit --model overrides it")
    compare: tuple[str, ...] = Field((), strict=False, description="Models set beside it in model_sensitivity.tsv")
    skip_first: int = Field(0, ge=0, description="Echoes left out at the start of the train")
    even_only: bool = Field(False, description="Only echoes 2, 4, 6 ...")
    echoes: tuple[int, ...] | None = Field(None, strict=False, description="Numbers of the echoes used, from 1, rising")
    drop_below_snr: float | None = Field(
        None, gt=0, description="In each voxel, echoes from the first below this multiple of sigma on are left out"
    )
    min_snr: float = Field(5.0, ge=0, description="Voxels whose first echo is below this multiple of sigma get no T2")
    noise: Literal["auto", "background", "residual"] = Field("auto", description="Where sigma comes from")
    n_channels: int = Field(1, ge=1, le=64, description="Receive channels of a root-sum-of-squares magnitude")
    t1_ms: float = Field(
        1000.0, ge=LEAST_T1_MS, le=MOST_T1_MS, description="T1 that the models of stimulated echoes assume, ms"
    )
    refocusing_deg: float = Field(180.0, ge=90, le=180, description="Nominal angle of the refocusing pulses, degrees")
    pulse: Literal["ideal", "gauss", "sinc"] = Field("ideal", description="Shape of the pulses across the slice")
    refocusing_width: float = Field(
        1.0, ge=0.5, le=4, description="Thickness of the refocused slice over that of the excited one"
    )

    @field_validator("echoes")
    @classmethod
    def _rising(cls, given: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if given is not None and (not given or list(given) != sorted(set(given)) or given[0] < 1):
            raise ValueError("echo numbers that do not rise from 1 or more")
        return given

    @property
    def others(self) -> tuple[str, ...]:
        """Models to be compared with that of the maps, each once."""
        return tuple(model for model in dict.fromkeys(self.compare) if model != self.model)

    @property
    def echo_choice(self) -> EchoChoice:
        """The rule by which echoes are used."""
        return EchoChoice(
            skip_first=self.skip_first, even_only=self.even_only, numbers=self.echoes, drop_below=self.drop_below_snr
        )

    @property
    def options(self) -> ModelOptions:
        """What models assume beyond the signal."""
        return ModelOptions(
            t1_ms=self.t1_ms,
            refocusing_deg=self.refocusing_deg,
            pulse=self.pulse,
            refocusing_width=self.refocusing_width,
            n_channels=self.n_channels,
        )


class RegisterSettings(Table):
    """``[register]``: which echoes are moved back onto the first, when they were not acquired together."""

    echo_threshold_mm: float = Field(
        0.5,
        ge=0.2,
        le=15,
        description="Echoes that lie further from the first than this are moved back, mm; 15 corrects none",
    )


class SegmentSettings(Table):
    """``[segment]``: where discs come from when no reader labelled them, and which of their voxels are measured."""

    automatic: bool = Field(True, description="Find discs automatically where a visit has no label map")
    erosion_mm: float = Field(0.0, ge=0, le=3, description="Discs lose so much at their borders before measuring, mm")
    least_confidence: float = Field(0.5, ge=0, le=1, description="A level less sure than this is marked for review")


class RegionSettings(Table):
    """``[regions]``: the ways of dividing each disc. All of them divide the same mask."""

    schemes: tuple[Scheme, ...] = Field(
        SCHEMES, strict=False, description="Schemes measured; np-af always is, whether it is named or not"
    )
    annulus_fraction: float = Field(0.2, gt=0, lt=0.5, description="Share of the length that is AF at each end")
    mid_sagittal_mm: float = Field(20.0, gt=0, description="Width of the slices about the disc's middle, mm")
    posterior_fraction: float = Field(0.1, gt=0, lt=1, description="Share of the length that is posterior")


class StudySettings(Table):
    """``[study]``: how visits are told apart and put in order, and which discs can be controls."""

    layout: Literal["auto", "folders", "bids", "heap"] = Field("auto", description="How the study folder is laid out")
    visit_order: tuple[str, ...] = Field(
        (), strict=False, description="Visit names in order, for studies without acquisition dates"
    )
    control_levels: tuple[Level, ...] = Field(
        CONTROL_LEVELS, strict=False, description="Discs that are controls where they are not the treated one"
    )

    @field_validator("control_levels")
    @classmethod
    def _each_once(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(given)) != len(given):
            raise ValueError("a level named twice")
        return tuple(level for level in LEVELS if level in given)


class RepeatabilitySettings(Table):
    """``[repeatability]``: what measuring twice gives; the literature's coefficients where nothing is said."""

    rc_pct: dict[str, float] = Field(
        {}, description="Repeatability coefficient in % by region, or region and level: `NP`, `NP L5/S1`"
    )
    retest_visit: str | None = Field(
        None, description="Name of the visit that repeats the baseline within days; the study's own coefficients"
    )

    @field_validator("retest_visit")
    @classmethod
    def _named(cls, given: str | None) -> str | None:
        if given is not None and not any(sign.isascii() and sign.isalnum() for sign in given.removeprefix("ses-")):
            raise ValueError("a visit's name without any letter or digit")
        return given

    @field_validator("rc_pct")
    @classmethod
    def _known(cls, given: dict[str, float]) -> dict[str, float]:
        for name, value in given.items():
            region, space, level = name.partition(" ")
            if region not in SCHEME_OF or (space and level not in LEVELS):
                raise ValueError("a name that is no region, or no region and level")
            if not 0 < value < 100:
                raise ValueError("a coefficient not between 0 and 100 %")
        return given


class Protocol(Table):
    """All settings of a study. Every table and key may be left out; the defaults stand in docs/protocol.md."""

    ingest: IngestSettings = IngestSettings()
    registration: RegisterSettings = Field(RegisterSettings(), alias="register")  # pydantic has a `register` of its own
    fit: FitSettings = FitSettings()
    segment: SegmentSettings = SegmentSettings()
    regions: RegionSettings = RegionSettings()
    study: StudySettings = StudySettings()
    repeatability: RepeatabilitySettings = RepeatabilitySettings()
    checks: CheckSettings = CheckSettings()
