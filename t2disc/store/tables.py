"""The study's tables: tab-separated, one data dictionary each, made from the visits' records alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from t2disc.model import (
    COMPARED_REGIONS,
    CONTROL_LEVELS,
    SCHEME_OF,
    DiscMeasure,
    DiscQuality,
    EchoState,
    Flag,
    Grade,
    RoiSensitivity,
)
from t2disc.model.review import ReviewCode
from t2disc.store.change_table import CHANGE_COLUMNS, ChangeRow
from t2disc.store.check_table import CHECK_COLUMNS, GRADE_WORDS, CheckRow
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
    table,
)
from t2disc.store.files import StoredFile
from t2disc.store.model_table import ModelRow, model_columns
from t2disc.store.records import VisitRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscRow:
    """One region of one disc at one visit."""

    record: VisitRecord
    measure: DiscMeasure
    control_levels: tuple[str, ...] = CONTROL_LEVELS

    @property
    def role(self) -> str:
        """What the disc is to the study."""
        return self.record.role(self.measure.level, self.control_levels)

    @property
    def quality(self) -> DiscQuality | None:
        """Goodness of fit in the same region; ``None`` in records older than that."""
        wanted = (self.measure.level, self.measure.region)
        return next((q for q in self.record.disc_quality if (q.level, q.region) == wanted), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoiRow:
    """One disc at one visit, under every definition of its regions."""

    record: VisitRecord
    sensitivity: RoiSensitivity
    control_levels: tuple[str, ...] = CONTROL_LEVELS

    @property
    def role(self) -> str:
        """What the disc is to the study."""
        return self.record.role(self.sensitivity.level, self.control_levels)

    def median_ms(self, region: str) -> float | None:
        """Return the median T2 of one of the disc's regions; ``None`` where its scheme was not measured."""
        level = self.sensitivity.level
        found = (m.t2_median_ms for m in self.record.measures if (m.level, m.region) == (level, region))
        return next(found, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitRow:
    """One visit, with its place in the participant's order (``None`` when the order is not known)."""

    record: VisitRecord
    number: int | None
    ordered_by: str
    grade: Grade | None = None  # None where the protocol expects nothing


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


def _judged(name: str, description: str, decimals: int) -> Column[DiscRow]:
    return Column(name, description, lambda row: row.quality and getattr(row.quality, name), "ratio", decimals)


def _left_out(flag: Flag) -> Column[DiscRow]:
    name = flag.name.lower()
    text = f"Voxels of the region without a T2 because of: {name.replace('_', ' ')}"
    return Column(f"n_{name}", text, lambda row: row.measure.n_left_out[flag])


def _sure(name: str, interval_ms: Callable[[DiscMeasure], tuple[float, float]]) -> Iterator[Column[DiscRow]]:
    """Yield how sure mean or median is: standard error, both ends of the interval, and the noise floor's part."""
    noise = "by the voxels' own noise, that of neighbours being partly the same"
    yield _measured(f"t2_{name}_se_ms", f"Standard error of the {name} {noise}; n/a with 2 echoes", "ms", 3)
    lacking = "n/a where the standard error or the noise floor cannot be told"
    of = f"end of the 95 % interval of the {name} of true T2"
    yield Column(f"t2_{name}_ci95_low_ms", f"Lower {of}; {lacking}", lambda row: interval_ms(row.measure)[0], "ms", 3)
    yield Column(f"t2_{name}_ci95_high_ms", f"Upper {of}; {lacking}", lambda row: interval_ms(row.measure)[1], "ms", 3)
    text = f"Part of the {name} that the noise floor of magnitude images is expected to make up; not taken off"
    yield _measured(f"t2_{name}_floor_ms", text, "ms", 3)


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
_NOISE = {
    "background": "Air around the body",
    "residual": "What fits leave over",
    "given": "Given from Python",
    "none": "Unknown: SNR was not tested",
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
DISC_COLUMNS: tuple[Column[DiscRow], ...] = (
    Column("participant_id", PARTICIPANT, lambda row: row.record.participant_id),
    Column("session_id", "Visit; quarantined ones have no rows, see visits.tsv", lambda row: row.record.session_id),
    _measured("level", LEVEL, levels=LEVEL_WORDS),
    _measured("region", REGION, levels=REGION_WORDS),
    Column("role", ROLE, lambda row: row.role, levels=ROLE_WORDS),
    _measured("n_voxels", "Voxels in the region"),
    _measured("n_used", "Voxels with a T2"),
    *(_left_out(flag) for flag in Flag if flag is not Flag.OK),
    _measured("volume_mm3", "Volume of all voxels in the region, slice gap included", "mm3", 3),
    _measured("t2_mean_ms", "Mean T2", "ms", 3),
    _measured("t2_median_ms", "Median T2", "ms", 3),
    _measured("t2_sd_ms", "Standard deviation of T2 over voxels, n - 1 in its denominator", "ms", 3),
    _measured("t2_p10_ms", "10th percentile of T2, by linear interpolation", "ms", 3),
    _measured("t2_p90_ms", "90th percentile of T2, by linear interpolation", "ms", 3),
    _measured(
        "t2_sem_ms",
        "Standard deviation over the root of n_used, voxels taken as independent; how sure the mean is: t2_mean_se_ms",
        "ms",
        3,
    ),
    _measured("s0_median", "Median signal at echo time 0", "arbitrary", 2),
    _measured(
        "snr_first_echo",
        "Median over used voxels of S0 exp(-TE1 / T2), the first echo with perfect refocusing, over the noise sigma",
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
    Column("scheme", SCHEME, lambda row: SCHEME_OF[row.measure.region], levels=SCHEME_WORDS),
    *_sure("mean", lambda measure: measure.t2_mean_interval_ms),
    *_sure("median", lambda measure: measure.t2_median_interval_ms),
    _measured("b1_median", "Median refocusing efficiency, B1 over nominal, of models that find it", "ratio", 3),
    Column("model", "Signal model of the visit's maps", lambda row: row.record.fit and row.record.fit.model),
    _measured(
        "t2_mean_curvature_ms",
        "Part of the mean that noise is expected to make up because decays are curved; not taken off",
        "ms",
        3,
    ),
    _judged(
        "chi2_red_median",
        "Median reduced chi-square of the fits over the median of its law: about 1 where the model holds",
        3,
    ),
    _judged("poor_fit_share", "Share of voxels beyond the 99 % point of chi-square: 0.01 where the model holds", 4),
    _judged("r2_median", "Median share of the decay that the fits explain", 4),
    _judged("odd_even_median", "Median odd/even-echo index: above 0 where refocusing is imperfect", 4),
    _judged("decay_variance_median", "Median variance about the fitted decay over its first echo squared", 6),
)


def _median_under(region: str) -> Column[RoiRow]:
    text = f"Median T2, {REGION_WORDS[region]}; n/a where its scheme was not measured"
    return Column(f"t2_{region}_ms", text, lambda row: row.median_ms(region), "ms", 3)


def _spread(name: str, description: str, units: str) -> Column[RoiRow]:
    return Column(name, description, lambda row: getattr(row.sensitivity, name), units, 3)


_OTHER_REGIONS = [region for region in SCHEME_OF if region not in {*COMPARED_REGIONS["NP"], *COMPARED_REGIONS["disc"]}]

ROI_COLUMNS: tuple[Column[RoiRow], ...] = (
    Column("participant_id", PARTICIPANT, lambda row: row.record.participant_id),
    Column("session_id", "Visit; quarantined ones have no rows, see visits.tsv", lambda row: row.record.session_id),
    Column("level", LEVEL, lambda row: row.sensitivity.level, levels=LEVEL_WORDS),
    Column("role", ROLE, lambda row: row.role, levels=ROLE_WORDS),
    *map(_median_under, COMPARED_REGIONS["NP"]),
    _spread("np_spread_ms", "Greatest minus smallest median of the three definitions of the nucleus before", "ms"),
    _spread("np_spread_pct", "The same in per cent of the primary definition, t2_NP_ms", "%"),
    *map(_median_under, COMPARED_REGIONS["disc"]),
    _spread("disc_spread_ms", "Greatest minus smallest median of the two definitions of the disc before", "ms"),
    _spread("disc_spread_pct", "The same in per cent of the primary definition, t2_disc_ms", "%"),
    *map(_median_under, _OTHER_REGIONS),
)


def _record(name: str, description: str, levels: Mapping[str, str] | None = None) -> Column[VisitRow]:
    return Column(name, description, lambda row: getattr(row.record, name), levels=levels)


VISIT_COLUMNS: tuple[Column[VisitRow], ...] = (
    Column("participant_id", PARTICIPANT, lambda row: row.record.participant_id),
    Column("session_id", "Visit", lambda row: row.record.session_id),
    Column("visit_number", "Place in the participant's order of visits, from 1", lambda row: row.number),
    Column("ordered_by", "What the order rests on", lambda row: row.ordered_by, levels=_ORDERED_BY),
    _record("status", "How the visit ended", _STATUS),
    _record("code", "Code of the refusal"),
    _record("reason", "The refusal in words"),
    _record("acquisition_date", "Date of acquisition, where the header tells one"),
    _record("index_level", "Treated disc of the participant", LEVEL_WORDS),
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
    Column("echoes", "The rule by which echoes were chosen", lambda row: row.record.fit and str(row.record.fit.echoes)),
    Column("n_echoes", "Echoes used", lambda row: row.record.fit and len(row.record.fit.echo_times_ms)),
    Column(
        "echo_motion_mm",
        "Largest displacement of the body, inside the field, of any echo against the first, before any correction; n/a "
        "where no echo could be measured",
        lambda row: row.record.motion and row.record.motion.largest_mm,
        "mm",
        3,
    ),
    Column(
        "echoes_corrected",
        "Echoes moved back onto the first because they lay beyond the protocol's threshold",
        lambda row: row.record.motion and len(row.record.motion.numbers(EchoState.CORRECTED)),
    ),
    Column("n_fitted", "Voxels with a T2 in the whole image", lambda row: row.record.fit and row.record.fit.n_fitted),
    Column(
        "noise", "Where sigma comes from", lambda row: row.record.fit and row.record.fit.noise.method, levels=_NOISE
    ),
    Column("sigma", "Noise per channel", lambda row: row.record.fit and row.record.fit.noise.sigma, "arbitrary", 4),
    Column(
        "n_left_out",
        "Images and files of the visit that were not used; named in its record",
        lambda row: sum(item.n_images for item in row.record.left_out) if row.record.is_done else None,
    ),
    Column("notes", "Remarks, separated by semicolons", lambda row: "; ".join(row.record.notes)),
    Column("version", "Version of t2disc", lambda row: row.record.version),
    Column(
        "grade",
        "How far the visit can be used, by [checks] of the protocol file; n/a where that expects nothing",
        lambda row: row.grade and row.grade.word,
        levels=GRADE_WORDS,
    ),
    Column(
        "grade_reasons",
        "Why not further, separated by semicolons; checks.tsv tells what was expected and found",
        lambda row: "; ".join(row.grade.reasons) if row.grade else None,
    ),
)


def table_files(
    discs: Sequence[DiscRow],
    changes: Sequence[ChangeRow],
    visits: Sequence[VisitRow],
    sensitivities: Sequence[RoiRow] = (),
    models: Sequence[ModelRow] = (),
    checks: Sequence[CheckRow] = (),
) -> tuple[StoredFile, ...]:
    """Return ``discs``, ``changes``, ``visits``, ``roi_sensitivity``, ``model_sensitivity`` and ``checks``.

    Each is a ``.tsv`` with its ``.json`` dictionary.
    """
    return (
        *table("discs", DISC_COLUMNS, discs),
        *table("changes", CHANGE_COLUMNS, changes),
        *table("visits", VISIT_COLUMNS, visits),
        *table("roi_sensitivity", ROI_COLUMNS, sensitivities),
        *table("model_sensitivity", model_columns(models), models),
        *table("checks", CHECK_COLUMNS, checks),
    )
