"""The table of changes: each later visit against the first, region by region, with its uncertainty and its match."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from t2disc.model import SCHEME_OF, Change, DiscShape, Drift, MatchCode
from t2disc.store.columns import (
    LEVEL,
    LEVEL_WORDS,
    PARTICIPANT,
    REGION,
    REGION_WORDS,
    ROLE,
    ROLE_WORDS,
    SCHEME,
    SCHEME_WORDS,
    Column,
)
from t2disc.store.pairs import DiscMatchFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlFacts:
    """Mean change of the participant's control discs in the same region, beside the index disc's own; ms and %."""

    n: int
    change_ms: float
    change_pct: float
    se_ms: float
    interval_ms: tuple[float, float]
    exceeds_rc: bool | None
    centred_ms: float | None = None  # less the mean over all participants at this follow-up
    adjusted_ms: float | None = None  # of the index disc
    slope: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRow:
    """One region of one disc at two visits of a participant."""

    participant_id: str
    role: str
    baseline_session_id: str
    followup_session_id: str
    change: Change
    match: DiscMatchFacts | None = None  # None where the disc was not matched
    codes: tuple[str, ...] = ()  # what speaks against the match, or why there is none
    reason: str = ""  # of a refused pair, in words
    drift: Drift | None = None
    shapes: tuple[DiscShape | None, DiscShape | None] = (None, None)  # of the disc at both visits
    controls: ControlFacts | None = None  # of index discs

    @property
    def is_whole_disc(self) -> bool:
        """Whether the row may tell size and form: the disc by each visit's own outline."""
        return (self.change.region, self.change.roi) == ("disc", "own")


ROI_WORDS = {
    "matched": "Primary: the part of the region that both visits' outlines agree on, carried by the disc's own motion",
    "own": "Each visit's own outline",
    "baseline": "The baseline's outline, carried to the follow-up",
    "followup": "The follow-up's outline, carried to the baseline",
}
MATCH_WORDS = {
    MatchCode.LEVEL_MISSING: "The disc was found at one visit only",
    MatchCode.OUT_OF_FIELD: "Part of the disc lies outside the other visit's images",
    MatchCode.DIVERGED: "Its own motion could not be found; it follows its neighbours",
    MatchCode.INCONSISTENT: "The way there and the way back disagree",
    MatchCode.POOR_FIT: "The surroundings of the disc look different at the two visits",
    MatchCode.THROUGH_PLANE_UNSURE: "By itself it would have gone elsewhere across the slices",
    MatchCode.PERHAPS_ANOTHER: "All discs: the bones differ in looks or in length, as those of another person would",
}
_PAIR_WORDS = {
    "no-common-level": "No disc was found at both visits",
    "orientation-differs": "Slices run in another direction at follow-up",
    "same-images": "the very images of the baseline at follow-up: no change is told",
    "quantity-differs": "T2 at one visit and T2* at the other: no change is told",
    "levels-slipped": "The images fit when one visit's levels are moved by one: no change is told",
    "visits-unalike": "The bones do not look like one person's: no change is told",
}
_RC_SOURCES = {
    "Belavy 2021": "Belavy et al. 2021, PLoS One 16(4):e0249855, doi:10.1371/journal.pone.0249855: 12 men, measured "
    "nine times in 368 days; the nucleus' figure above L5/S1 is that of the mean over levels, and small for one disc",
    "protocol": "[repeatability] rc_pct of the protocol",
    "test-retest of this study": "The study's own: [repeatability] retest_visit of the protocol",
}
_YES_NO = {"true": "Yes", "false": "No"}
_AGREEMENT = {
    "same": "The same at both visits, within tolerance",
    "differs": "Another at follow-up",
    "cannot be checked": "A header does not tell",
}
_DRIFT = {
    "scanner": "Vendor and model of the scanner",
    "software": "Software of the scanner",
    "receive_coil": "Receive coil",
    "field_strength": "Field strength",
    "first_echo_time": "First echo time",
    "echo_spacing": "Distance of echo times",
    "n_echoes": "Number of echoes",
    "repetition_time": "Repetition time",
    "flip_angle": "Flip angle",
    "voxel_size": "Voxel size",
    "slice_thickness": "Slice thickness",
}
_LACKING = "n/a where the visit lacks the disc"
_OWN_DISC = "n/a but for the whole disc by each visit's own outline"


def _yes_no(value: bool | None) -> str | None:
    return None if value is None else str(value).lower()


def _changed(
    name: str,
    description: str,
    units: str = "ms",
    decimals: int | None = 3,
    levels: Mapping[str, str] | None = None,
) -> Column[ChangeRow]:
    return Column(name, description, lambda row: getattr(row.change, name), units, decimals, levels)


def _matched(name: str, description: str, units: str = "", decimals: int | None = 3) -> Column[ChangeRow]:
    field = name.removeprefix("match_")
    return Column(name, description, lambda row: row.match and getattr(row.match, field), units, decimals)


def _drifted(fact: str, description: str) -> Column[ChangeRow]:
    text = f"{description} at both visits"
    return Column(f"drift_{fact}", text, lambda row: row.drift and getattr(row.drift, fact), levels=_AGREEMENT)


def _controls(
    name: str, description: str, value: Callable[[ControlFacts], Any], units: str = "ms", decimals: int | None = 3
) -> Column[ChangeRow]:
    text = f"{description}; n/a but for index discs"
    return Column(name, text, lambda row: value(row.controls) if row.controls else None, units, decimals)


def _shape(field: str, description: str, units: str = "", decimals: int = 3) -> Iterator[Column[ChangeRow]]:
    """Yield three columns: a measure of size or form at baseline, at follow-up, and its change in %."""

    def at(row: ChangeRow, visit: int) -> float | None:
        shape = row.shapes[visit] if row.is_whole_disc else None
        return float(getattr(shape, field)) if shape else None

    def change_pct(row: ChangeRow) -> float | None:
        before, after = at(row, 0), at(row, 1)
        return 100 * (after - before) / before if before and after is not None else None

    text = f"{description}; {_OWN_DISC}"
    yield Column(f"baseline_{field}", f"{text}, at baseline", lambda row: at(row, 0), units, decimals)
    yield Column(f"followup_{field}", f"{text}, at follow-up", lambda row: at(row, 1), units, decimals)
    name = field.removesuffix("_mm3").removesuffix("_mm2").removesuffix("_mm")
    yield Column(f"{name}_change_pct", f"Change of it in per cent of baseline; {_OWN_DISC}", change_pct, "%", 2)


CHANGE_COLUMNS: tuple[Column[ChangeRow], ...] = (
    Column("participant_id", PARTICIPANT, lambda row: row.participant_id),
    _changed("level", f"{LEVEL}; every disc of either visit", "", None, LEVEL_WORDS),
    _changed("region", REGION, "", None, REGION_WORDS),
    Column("role", ROLE, lambda row: row.role, levels=ROLE_WORDS),
    _changed("baseline_t2_median_ms", f"Median T2 at baseline; {_LACKING}"),
    _changed("followup_t2_median_ms", f"Median T2 at follow-up; {_LACKING}"),
    _changed("change_ms", "Follow-up minus baseline"),
    _changed("change_pct", "Change in per cent of baseline", "%"),
    _changed("roi", "Whose outline of the region", "", None, ROI_WORDS),
    _changed(
        "se_ms",
        "Standard error of the change: the greater of noise and place, and the noise floor beside it; n/a, as the "
        "intervals are, where the floor is not known",
    ),
    Column("ci95_low_ms", "Lower end of the 95 % interval", lambda row: row.change.interval_ms[0], "ms", 3),
    Column("ci95_high_ms", "Upper end of the 95 % interval", lambda row: row.change.interval_ms[1], "ms", 3),
    Column("ci95_low_pct", "Lower end of the 95 % interval", lambda row: row.change.interval_pct[0], "%", 3),
    Column("ci95_high_pct", "Upper end of the 95 % interval", lambda row: row.change.interval_pct[1], "%", 3),
    _changed("noise_se_ms", "Standard error by the voxels' own noise, that of neighbours being partly the same"),
    _changed("place_se_ms", "Standard error by leaving out one of eight parts of the region at a time"),
    _changed(
        "se_pct",
        "Standard error of change_pct, the baseline's own error in it; the floor lengthens the baseline, and so the "
        "percentage, too",
        "%",
    ),
    _changed("baseline_noise_se_ms", "Part of noise_se_ms that is the baseline's; the follow-up's is left in squares"),
    _changed("place_se_pct", "As place_se_ms, of change_pct", "%"),
    _changed(
        "floor_ms",
        "Part of the change that the noise floor of magnitude images is expected to make up; n/a where that cannot be "
        "told: sigma not known, decay drowned, or a model whose answer to the floor is not known",
    ),
    _changed(
        "baseline_floor_ms", "Part of the baseline's median that it is expected to make up: with it, se_pct follows"
    ),
    Column(
        "rc_pct",
        "Repeatability coefficient: 95 % of pairs without a true change differ by less; n/a where it is not known",
        lambda row: row.change.repeatability.rc_pct,
        "%",
        2,
    ),
    Column(
        "rc_source",
        "Where the coefficient comes from; n/a where there is none",
        lambda row: row.change.repeatability.source,
        levels=_RC_SOURCES,
    ),
    Column(
        "rc_n_participants",
        "Participants measured twice behind the study's own coefficient, ten or more; n/a for others",
        lambda row: row.change.repeatability.n_participants,
    ),
    Column(
        "rc_n_pairs",
        "Discs measured twice behind it, those of one participant counted one by one; n/a for others",
        lambda row: row.change.repeatability.n_pairs,
    ),
    Column(
        "exceeds_rc",
        "Whether the change is greater than measuring twice would give",
        lambda row: _yes_no(row.change.exceeds_rc),
        levels=_YES_NO,
    ),
    _controls("n_controls", "Control discs with a change in this region", lambda c: c.n, "", None),
    _controls("control_change_ms", "Mean change of the control discs: the covariate", lambda c: c.change_ms),
    _controls("control_change_pct", "The same, of each disc's baseline", lambda c: c.change_pct, "%"),
    _controls(
        "control_se_ms",
        "Its standard error, the errors of its discs taken as independent: what the discs of one scan share (the noise "
        "floor, the scanner's state, how the patient lay) is left out",
        lambda c: c.se_ms,
    ),
    _controls("control_ci95_low_ms", "Lower end of its 95 % interval, by control_se_ms", lambda c: c.interval_ms[0]),
    _controls("control_ci95_high_ms", "Upper end of its 95 % interval, by control_se_ms", lambda c: c.interval_ms[1]),
    _controls(
        "control_exceeds_rc",
        "Whether it, in %, is greater than the mean of its discs' rc_pct: the most that measuring twice gives a mean, "
        "as if the discs of one scan erred as one",
        lambda c: _yes_no(c.exceeds_rc),
        "",
        None,
    ),
    _controls(
        "control_change_centred_ms",
        "The covariate less its mean over all participants at this follow-up",
        lambda c: c.centred_ms,
    ),
    _controls(
        "adjusted_change_ms",
        "Change of the index disc had all participants' controls changed alike, by one slope for all participants; "
        "n/a under ten",
        lambda c: c.adjusted_ms,
    ),
    _controls("control_slope", "Slope of index on control change used for it", lambda c: c.slope, "ratio"),
    Column("baseline_session_id", "First visit of the participant", lambda row: row.baseline_session_id),
    Column("followup_session_id", "Visit compared with it", lambda row: row.followup_session_id),
    Column(
        "interval_days",
        "Days from baseline to follow-up; n/a without dates",
        lambda row: row.drift and row.drift.interval_days,
        "d",
    ),
    _changed("baseline_n_used", f"Voxels with a T2 at baseline; {_LACKING}", "", None),
    _changed("followup_n_used", f"Voxels with a T2 at follow-up; {_LACKING}", "", None),
    Column("scheme", SCHEME, lambda row: SCHEME_OF[row.change.region], levels=SCHEME_WORDS),
    Column(
        "match_codes",
        "What speaks against the match of the disc, or why there is none: codes, separated by semicolons; n/a where "
        "nothing does",
        lambda row: ";".join(row.codes),
        levels={code.value: text for code, text in MATCH_WORDS.items()} | _PAIR_WORDS,
    ),
    Column("match_reason", "Why the two visits could not be matched, in words", lambda row: row.reason),
    _matched("match_correlation", "Of the locally normalised images about the disc at both visits, 1 is perfect"),
    _matched("match_inverse_mm", "Distance between the way there and the way back, mean over the disc", "mm"),
    _matched("match_through_plane_mm", "How far the disc alone would have gone from the through-plane motion", "mm"),
    _matched("match_shift_mm", "How far the disc's middle moved in scanner coordinates", "mm"),
    _matched("match_rotation_deg", "How far the disc turned", "degrees"),
    *_shape("volume_mm3", "Volume of the disc", "mm3"),
    *_shape("area_mm2", "Area of a mid-sagittal section of the disc", "mm2"),
    *_shape("height_mm", "Mean mid-sagittal height of the disc", "mm"),
    *_shape("height_index", "Height over length of the disc, mid-sagittal", "ratio", 4),
    *(_drifted(fact, text) for fact, text in _DRIFT.items()),
    Column(
        "time_of_day_difference_h",
        "Clock time at follow-up minus at baseline; discs lose fluid over the day",
        lambda row: row.drift and row.drift.time_of_day_difference_h,
        "h",
        2,
    ),
)
