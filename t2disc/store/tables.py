"""The study's tables: tab-separated, one data dictionary each, made from the visits' records alone."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Generic, TypeVar

from t2disc.model import COMPARED_REGIONS, LEVELS, SCHEME_OF, Change, DiscMeasure, Flag, RoiSensitivity
from t2disc.model.review import ReviewCode
from t2disc.store.files import StoredFile
from t2disc.store.records import VisitRecord

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscRow:
    """One region of one disc at one visit."""

    record: VisitRecord
    measure: DiscMeasure


@dataclass(frozen=True, slots=True, kw_only=True)
class RoiRow:
    """One disc at one visit, under every definition of its regions."""

    record: VisitRecord
    sensitivity: RoiSensitivity

    def median_ms(self, region: str) -> float | None:
        """Return the median T2 of one of the disc's regions; ``None`` where its scheme was not measured."""
        level = self.sensitivity.level
        found = (m.t2_median_ms for m in self.record.measures if (m.level, m.region) == (level, region))
        return next(found, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRow:
    """One region of one disc at two visits of a participant."""

    participant_id: str
    role: str
    baseline_session_id: str
    followup_session_id: str
    change: Change
    interval_days: int | None = None  # None where a visit has no date
    baseline_n_used: int | None = None  # voxels with a T2; None where the visit lacks the disc
    followup_n_used: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitRow:
    """One visit, with its place in the participant's order (``None`` when the order is not known)."""

    record: VisitRecord
    number: int | None
    ordered_by: str


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """A column: its name, what it tells, where its value comes from; its unit, decimals and words if it has any."""

    name: str
    description: str
    value: Callable[[Row], Any]
    units: str = ""
    decimals: int | None = None
    levels: Mapping[str, str] | None = None  # every word that may stand in the column, and what it means

    def entry(self) -> dict[str, Any]:
        """Return the column's entry in the data dictionary."""
        words = {"Description": self.description, "Units": self.units, "Levels": dict(self.levels or {})}
        return {key: text for key, text in words.items() if text}


def _labels_of(row: DiscRow | VisitRow) -> str | None:
    return row.record.labels.kind if row.record.is_done else None


def _measured(
    name: str,
    description: str,
    units: str = "",
    decimals: int | None = None,
    levels: Mapping[str, str] | None = None,
) -> Column[DiscRow]:
    return Column(name, description, lambda row: getattr(row.measure, name), units, decimals, levels)


def _left_out(flag: Flag) -> Column[DiscRow]:
    name = flag.name.lower()
    text = f"Voxels of the region without a T2 because of: {name.replace('_', ' ')}"
    return Column(f"n_{name}", text, lambda row: row.measure.n_left_out[flag])


def _changed(
    name: str,
    description: str,
    units: str = "ms",
    decimals: int | None = 3,
    levels: Mapping[str, str] | None = None,
) -> Column[ChangeRow]:
    return Column(name, description, lambda row: getattr(row.change, name), units, decimals, levels)


_PARTICIPANT = "Participant, as named by the study folder (or pseudonym)"
_LEVEL = "Disc, by its two vertebrae"
_LEVELS = {level: f"Disc between {level.replace('/', ' and ')}" for level in LEVELS}
_REGION = "Region of the disc"
_REGIONS = {
    "disc": "Whole disc",
    "NP": "Nucleus pulposus",
    "AF": "Annulus fibrosus; prefer the median: the inner edge holds some nucleus",
    "AF_anterior": "Annulus fibrosus, front part",
    "AF_posterior": "Annulus fibrosus, back part",
    "strip1": "First fifth of the disc from the front, by length along its mid-surface",
    "strip2": "Second fifth from the front",
    "strip3": "Third fifth: the centre",
    "strip4": "Fourth fifth from the front",
    "strip5": "Last fifth: the back",
    "disc_mid": "Mid-sagittal slices of the whole disc",
    "NP_mid": "Mid-sagittal slices of the nucleus pulposus",
    "AF_mid": "Mid-sagittal slices of the annulus fibrosus",
    "posterior": "Posterior end of the disc, 10 % of its length unless the protocol says otherwise",
}
_SCHEME = "The scheme that defines the region"
_SCHEMES = {
    "np-af": "Primary: annulus at the front and back end, nucleus between",
    "strips": "Five strips of equal length from front to back",
    "mid-sagittal": "np-af in the slices about the disc's middle only",
    "posterior": "The posterior end of the disc",
}
_ROLE = "What the disc is to the study"
_ROLES = {
    "index": "Treated disc, as participants.tsv names it",
    "control": "Any other disc of a participant whose treated disc is named",
    "unknown": "No treated disc is named for the participant",
}
_STATUS = {
    "done": "Measured; its maps are written",
    "quarantined": "Refused, see code and reason; it has no rows in discs.tsv and changes.tsv",
}
_ORDERED_BY = {
    "date": "Dates of acquisition",
    "protocol": "[study] visit_order of the protocol file",
    "name": "Names of the visits",
    "single": "The participant has one visit",
    "unknown": "Nothing tells the order; the participant has no rows in changes.tsv",
}
_LABELS = {
    "automatic": "Found by t2disc itself",
    "given": "Label map of a reader or another tool, in the folder given with --labels",
    "correction": "Label map in the folder corrections of the study, which overrules the others",
    "none": "No disc was labelled",
}
_REVIEW = {
    ReviewCode.NO_DISC_FOUND: "No disc was found",
    ReviewCode.SACRUM_NOT_SEEN: "The sacrum, from which levels are counted, was not seen",
    ReviewCode.SIX_LUMBAR_BODIES: "Six lumbar bodies, it seems",
    ReviewCode.TRANSITIONAL_VERTEBRA: "A vertebra between lumbar and sacral, it seems",
    ReviewCode.DISC_MISSING: "A disc between two that were found is missing",
    ReviewCode.GAP_IN_ORDER: "The distances between discs leave room for another",
    ReviewCode.DISC_CUT_OFF: "A disc is cut by the edge of the image",
    ReviewCode.NAMING_UNCERTAIN: "It is not sure which level is which",
    ReviewCode.LOW_CONFIDENCE: "The confidence in a level is below what the protocol asks for",
    ReviewCode.OUTLINE_UNCERTAIN: "The outline of a disc is not sure",
    ReviewCode.TOO_FEW_SLICES: "A disc is seen in too few slices",
    ReviewCode.INDEX_LEVEL_NOT_FOUND: "The treated disc is not among those labelled",
}
_LACKING = "n/a where the visit lacks the disc"

DISC_COLUMNS: tuple[Column[DiscRow], ...] = (
    Column("participant_id", _PARTICIPANT, lambda row: row.record.participant_id),
    Column("session_id", "Visit; quarantined ones have no rows, see visits.tsv", lambda row: row.record.session_id),
    _measured("level", _LEVEL, levels=_LEVELS),
    _measured("region", _REGION, levels=_REGIONS),
    Column("role", _ROLE, lambda row: row.record.role(row.measure.level), levels=_ROLES),
    _measured("n_voxels", "Voxels in the region"),
    _measured("n_used", "Voxels with a T2"),
    *(_left_out(flag) for flag in Flag if flag is not Flag.OK),
    _measured("volume_mm3", "Volume of all voxels in the region, slice gap included", "mm3", 3),
    _measured("t2_mean_ms", "Mean T2", "ms", 3),
    _measured("t2_median_ms", "Median T2", "ms", 3),
    _measured("t2_sd_ms", "Standard deviation of T2 over voxels, n - 1 in its denominator", "ms", 3),
    _measured("t2_p10_ms", "10th percentile of T2, by linear interpolation", "ms", 3),
    _measured("t2_p90_ms", "90th percentile of T2, by linear interpolation", "ms", 3),
    _measured("t2_sem_ms", "Standard error of the mean, voxels taken as independent: a lower bound", "ms", 3),
    _measured("s0_median", "Median signal at echo time 0", "arbitrary", 2),
    _measured(
        "snr_first_echo",
        "Median over used voxels of the fitted first echo, S0 exp(-TE1 / T2), over the noise sigma",
        "ratio",
        2,
    ),
    Column("labels", "Where the outline and the name of the disc come from", _labels_of, levels=_LABELS),
    Column(
        "confidence",
        "How sure outline and name of the disc are, 0 to 1; 1 where a reader gave them",
        lambda row: row.record.confidence(row.measure.level),
        decimals=3,
    ),
    Column("scheme", _SCHEME, lambda row: SCHEME_OF[row.measure.region], levels=_SCHEMES),
)


def _median_under(region: str) -> Column[RoiRow]:
    text = f"Median T2, {_REGIONS[region]}; n/a where its scheme was not measured"
    return Column(f"t2_{region}_ms", text, lambda row: row.median_ms(region), "ms", 3)


def _spread(name: str, description: str, units: str) -> Column[RoiRow]:
    return Column(name, description, lambda row: getattr(row.sensitivity, name), units, 3)


_OTHER_REGIONS = [region for region in SCHEME_OF if region not in {*COMPARED_REGIONS["NP"], *COMPARED_REGIONS["disc"]}]

ROI_COLUMNS: tuple[Column[RoiRow], ...] = (
    Column("participant_id", _PARTICIPANT, lambda row: row.record.participant_id),
    Column("session_id", "Visit; quarantined ones have no rows, see visits.tsv", lambda row: row.record.session_id),
    Column("level", _LEVEL, lambda row: row.sensitivity.level, levels=_LEVELS),
    Column("role", _ROLE, lambda row: row.record.role(row.sensitivity.level), levels=_ROLES),
    *map(_median_under, COMPARED_REGIONS["NP"]),
    _spread("np_spread_ms", "Greatest minus smallest median of the three definitions of the nucleus before", "ms"),
    _spread("np_spread_pct", "The same in per cent of the primary definition, t2_NP_ms", "%"),
    *map(_median_under, COMPARED_REGIONS["disc"]),
    _spread("disc_spread_ms", "Greatest minus smallest median of the two definitions of the disc before", "ms"),
    _spread("disc_spread_pct", "The same in per cent of the primary definition, t2_disc_ms", "%"),
    *map(_median_under, _OTHER_REGIONS),
)


CHANGE_COLUMNS: tuple[Column[ChangeRow], ...] = (
    Column("participant_id", _PARTICIPANT, lambda row: row.participant_id),
    _changed("level", f"{_LEVEL}; every disc of either visit", "", None, _LEVELS),
    _changed("region", _REGION, "", None, _REGIONS),
    Column("role", _ROLE, lambda row: row.role, levels=_ROLES),
    _changed("baseline_t2_median_ms", f"Median T2 at baseline; {_LACKING}"),
    _changed("followup_t2_median_ms", f"Median T2 at follow-up; {_LACKING}"),
    _changed("change_ms", "Follow-up minus baseline"),
    _changed("change_pct", "Change in per cent of baseline", "%"),
    Column("baseline_session_id", "First visit of the participant", lambda row: row.baseline_session_id),
    Column("followup_session_id", "Visit compared with it", lambda row: row.followup_session_id),
    Column("interval_days", "Days from baseline to follow-up; n/a without dates", lambda row: row.interval_days, "d"),
    Column("baseline_n_used", f"Voxels with a T2 at baseline; {_LACKING}", lambda row: row.baseline_n_used),
    Column("followup_n_used", f"Voxels with a T2 at follow-up; {_LACKING}", lambda row: row.followup_n_used),
    Column("scheme", _SCHEME, lambda row: SCHEME_OF[row.change.region], levels=_SCHEMES),
)


def _record(name: str, description: str, levels: Mapping[str, str] | None = None) -> Column[VisitRow]:
    return Column(name, description, lambda row: getattr(row.record, name), levels=levels)


VISIT_COLUMNS: tuple[Column[VisitRow], ...] = (
    Column("participant_id", _PARTICIPANT, lambda row: row.record.participant_id),
    Column("session_id", "Visit", lambda row: row.record.session_id),
    Column("visit_number", "Place in the participant's order of visits, from 1", lambda row: row.number),
    Column("ordered_by", "What the order rests on", lambda row: row.ordered_by, levels=_ORDERED_BY),
    _record("status", "How the visit ended", _STATUS),
    _record("code", "Code of the refusal"),
    _record("reason", "The refusal in words"),
    _record("acquisition_date", "Date of acquisition, where the header tells one"),
    _record("index_level", "Treated disc of the participant", _LEVELS),
    Column("n_discs", "Discs labelled", lambda row: len(row.record.levels) if row.record.is_done else None),
    Column("labels", "Where the visit's labels come from", _labels_of, levels=_LABELS),
    Column(
        "labels_sha256",
        "SHA-256 of the label map, or of the weights of the network that found the discs",
        lambda row: row.record.labels.sha256,
    ),
    Column(
        "review",
        "Why a reader should look at the labels before the numbers are used: codes, separated by semicolons; n/a "
        "where nothing speaks against them",
        lambda row: ";".join(row.record.labels.review_codes),
        levels={code.value: text for code, text in _REVIEW.items()},
    ),
    Column(
        "review_reasons",
        "The same in words, separated by semicolons",
        lambda row: "; ".join(reason.words for reason in row.record.labels.reasons),
    ),
    Column("model", "Signal model", lambda row: row.record.fit and row.record.fit.model),
    Column("n_echoes", "Echoes used", lambda row: row.record.fit and len(row.record.fit.echo_times_ms)),
    Column("n_fitted", "Voxels with a T2 in the whole image", lambda row: row.record.fit and row.record.fit.n_fitted),
    Column("sigma", "Noise per channel", lambda row: row.record.fit and row.record.fit.noise.sigma, "arbitrary", 4),
    Column(
        "n_left_out",
        "Images and files of the visit that were not used; named in its record",
        lambda row: sum(item.n_images for item in row.record.left_out) if row.record.is_done else None,
    ),
    Column("notes", "Remarks, separated by semicolons", lambda row: "; ".join(row.record.notes)),
    Column("version", "Version of t2disc", lambda row: row.record.version),
)


def table_files(
    discs: Sequence[DiscRow],
    changes: Sequence[ChangeRow],
    visits: Sequence[VisitRow],
    sensitivities: Sequence[RoiRow] = (),
) -> tuple[StoredFile, ...]:
    """Return ``discs``, ``changes``, ``visits``, ``roi_sensitivity``: each a ``.tsv`` with its ``.json`` dictionary."""
    return (
        *_table("discs", DISC_COLUMNS, discs),
        *_table("changes", CHANGE_COLUMNS, changes),
        *_table("visits", VISIT_COLUMNS, visits),
        *_table("roi_sensitivity", ROI_COLUMNS, sensitivities),
    )


def _table(name: str, columns: Sequence[Column[Row]], rows: Iterable[Row]) -> tuple[StoredFile, StoredFile]:
    lines = ["\t".join(column.name for column in columns)]
    lines += ["\t".join(cell(column.value(row), column.decimals) for column in columns) for row in rows]
    dictionary = {column.name: column.entry() for column in columns}
    return (
        StoredFile(path=PurePosixPath(f"{name}.tsv"), content=("\n".join(lines) + "\n").encode()),
        StoredFile(path=PurePosixPath(f"{name}.json"), content=(json.dumps(dictionary, indent=2) + "\n").encode()),
    )


def cell(value: object, decimals: int | None = None) -> str:
    """Return a value as the tables write it: ``n/a`` when missing, fixed decimals, no tab or line break.

    Source: BIDS 1.9.0, "Tabular files" (missing values are ``n/a``).
    """
    if value is None or value == "" or (isinstance(value, float) and not math.isfinite(value)):
        return "n/a"
    if isinstance(value, float) and decimals is not None:
        text = f"{value:.{decimals}f}"
        return text.removeprefix("-") if float(text) == 0 else text
    return " ".join(str(value).split())
