"""The record of a visit: what was used, left out and found; the study's tables hold what these files do."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from t2disc import __version__
from t2disc.model import (
    CONTROL_LEVELS,
    Acquisition,
    DiscMeasure,
    DiscQuality,
    EchoChoice,
    EchoMotion,
    EchoShift,
    EchoStack,
    EchoState,
    Flag,
    LeftOut,
    ModelMedian,
    ModelOptions,
    ModelSensitivity,
    NoiseEstimate,
    RoiSensitivity,
    T2Map,
    role_of,
)
from t2disc.model.fitting import ALL_ECHOES, DEFAULT_OPTIONS
from t2disc.store.files import StoredFile, json_file
from t2disc.store.provenance import Basis, LabelFacts, Provenance, read_label_facts, read_provenance
from t2disc.store.trees import number, without_nan

if TYPE_CHECKING:
    from t2disc.model.protocol import RegionSettings

RECORD_VERSION = 3  # of the record and of the maps it tells of: what another version wrote is measured again
_SUFFIX = "_desc-t2disc_record.json"

Status = Literal["done", "quarantined"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FitFacts:
    """What a visit's maps rest on."""

    model: str
    skip_first: int  # echoes left out at the start of the train
    min_snr: float  # first echo over sigma below which no T2 is given
    echo_times_ms: tuple[float, ...]  # those used
    shape: tuple[int, int, int]  # voxels along X, Y, Z
    voxel_size_mm: tuple[float, float, float]
    n_fitted: int  # voxels with a T2
    noise: NoiseEstimate
    noise_asked: str = "auto"  # where sigma was to come from
    n_acquired: int = 0  # echoes of the series; 0 in records older than this fact
    echoes: EchoChoice = ALL_ECHOES
    options: ModelOptions = DEFAULT_OPTIONS  # what the model assumed

    @classmethod
    def of(cls, stack: EchoStack, t2map: T2Map, *, min_snr: float, noise_asked: str = "auto") -> FitFacts:
        """Gather the facts of a finished fit."""
        return cls(
            model=t2map.model,
            skip_first=t2map.echoes.skip_first,
            min_snr=min_snr,
            echo_times_ms=tuple(float(te_ms) for te_ms in t2map.echo_times_ms),
            shape=stack.shape,
            voxel_size_mm=stack.voxel_size_mm,
            n_fitted=int((t2map.flag == 0).sum()),
            noise=t2map.noise,
            noise_asked=noise_asked,
            n_acquired=stack.n_echoes,
            echoes=t2map.echoes,
            options=t2map.options,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionFacts:
    """How a visit's discs were divided."""

    schemes: tuple[str, ...]
    annulus_fraction: float  # of the front-back length, at each end
    mid_sagittal_mm: float  # width of the slices about the disc's middle
    posterior_fraction: float  # of the front-back length

    @classmethod
    def of(cls, settings: RegionSettings) -> RegionFacts:
        """Gather the facts of the protocol's ``[regions]``."""
        return cls(**settings.model_dump())


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitRecord:
    """Everything the tables say of one visit."""

    participant_id: str
    session_id: str
    status: Status
    code: str = ""  # of the refusal, when quarantined
    reason: str = ""
    index_level: str | None = None
    acquisition_date: str | None = None  # YYYY-MM-DD
    levels: tuple[str, ...] = ()  # discs found
    labels: LabelFacts = field(default_factory=LabelFacts)
    acquisition: Acquisition | None = None
    motion: EchoMotion | None = None  # None of refused visits, and where it was not looked for
    fit: FitFacts | None = None
    regions: RegionFacts | None = None
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    measures: tuple[DiscMeasure, ...] = ()
    roi_sensitivity: tuple[RoiSensitivity, ...] = ()
    model_sensitivity: tuple[ModelSensitivity, ...] = ()
    disc_quality: tuple[DiscQuality, ...] = ()
    version: str = __version__
    basis: Basis | None = None  # None where the inputs could not be read as a whole, and of refused visits
    provenance: Provenance | None = None  # None in records older than it, and of refused visits

    @property
    def key(self) -> str:
        """Study key, ``sub-01/ses-baseline``."""
        return f"{self.participant_id}/{self.session_id}"

    @property
    def is_done(self) -> bool:
        """Whether the visit has maps."""
        return self.status == "done"

    @property
    def needs_review(self) -> bool:
        """Whether a reader should look at the labels before the numbers are used."""
        return self.labels.needs_review

    def confidence(self, level: str) -> float | None:
        """Return how sure outline and name of a disc are, 0 to 1; ``None`` where the record does not tell."""
        return dict(zip(self.levels, self.labels.confidences, strict=False)).get(level)

    def role(self, level: str, control_levels: Collection[str] = CONTROL_LEVELS) -> str:
        """Return what the disc is to the study, as the visit does."""
        return role_of(level, self.index_level, control_levels)


def record_file(record: VisitRecord) -> StoredFile:
    """Return the record as JSON, at its place in the visit's folder; a missing number is ``null``."""
    tree = {"record_version": RECORD_VERSION, **without_nan(asdict(record))}
    return json_file(f"{record.participant_id}_{record.session_id}{_SUFFIX}", tree)


def recorded_keys(out: Path) -> tuple[str, ...]:
    """Return the study keys of the visits that have a record in ``out``, readable or not, sorted."""
    folders = {path.parent for path in out.glob(f"sub-*/ses-*/sub-*_ses-*{_SUFFIX}")}
    return tuple(sorted(f"{folder.parent.name}/{folder.name}" for folder in folders))


def record_path(out: Path, participant_id: str, session_id: str) -> Path:
    """Return where the record of a visit lies."""
    return out / participant_id / session_id / f"{participant_id}_{session_id}{_SUFFIX}"


def read_record(out: Path, participant_id: str, session_id: str) -> VisitRecord | None:
    """Read the record of one visit; ``None`` where there is none, or none as t2disc writes it."""
    try:
        return _record(json.loads(record_path(out, participant_id, session_id).read_bytes()))
    except (OSError, ValueError, TypeError, LookupError, AttributeError, AssertionError, RecursionError):
        return None


def _record(tree: dict[str, Any]) -> VisitRecord:
    if tree.pop("record_version") != RECORD_VERSION:
        raise ValueError("another version of the record")
    return VisitRecord(
        **tree
        | {
            "levels": tuple(tree["levels"]),
            "labels": read_label_facts(tree["labels"]),
            "acquisition": _acquisition(tree["acquisition"]) if tree["acquisition"] else None,
            "motion": _motion(tree["motion"]) if tree.get("motion") else None,
            "fit": _fit(tree["fit"]) if tree["fit"] else None,
            "regions": _regions(tree["regions"]) if tree.get("regions") else None,
            "left_out": tuple(LeftOut(**item) for item in tree["left_out"]),
            "notes": tuple(tree["notes"]),
            "measures": tuple(_measure(item) for item in tree["measures"]),
            "basis": Basis(**tree["basis"]) if tree["basis"] else None,
            "provenance": read_provenance(tree["provenance"]) if tree.get("provenance") else None,
            "roi_sensitivity": tuple(_sensitivity(item) for item in tree.get("roi_sensitivity", ())),
            "disc_quality": tuple(_quality(item) for item in tree.get("disc_quality", ())),
            "model_sensitivity": tuple(_by_model(item) for item in tree.get("model_sensitivity", ())),
        }
    )


def _acquisition(tree: dict[str, Any]) -> Acquisition:
    facts: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in tree.items()}
    return Acquisition(**facts)


def _motion(tree: dict[str, Any]) -> EchoMotion:
    return EchoMotion(threshold_mm=tree["threshold_mm"], echoes=tuple(_shift(item) for item in tree["echoes"]))


def _shift(tree: dict[str, Any]) -> EchoShift:
    numbers = {field.name: number(tree[field.name]) for field in fields(EchoShift) if field.type == "float"}
    right, anterior, superior = map(number, tree["translation_mm"])
    return EchoShift(
        **tree | numbers | {"state": EchoState(tree["state"]), "translation_mm": (right, anterior, superior)}
    )


def _fit(tree: dict[str, Any]) -> FitFacts:
    x, y, z = tree["shape"]
    dx, dy, dz = tree["voxel_size_mm"]
    return FitFacts(
        **tree
        | {
            "echo_times_ms": tuple(tree["echo_times_ms"]),
            "shape": (x, y, z),
            "voxel_size_mm": (dx, dy, dz),
            "noise": _noise(tree["noise"]),
            "echoes": _echoes(tree["echoes"]) if "echoes" in tree else EchoChoice(skip_first=tree["skip_first"]),
            "options": ModelOptions(**tree.get("options", {})),
        }
    )


def _echoes(tree: dict[str, Any]) -> EchoChoice:
    numbers = tree["numbers"]
    return EchoChoice(**tree | {"numbers": None if numbers is None else tuple(numbers)})


def _noise(tree: dict[str, Any]) -> NoiseEstimate:
    noise = NoiseEstimate(**tree | {"sigma": number(tree["sigma"])})
    x, y, z = noise.design_effect  # 1 in records older than the estimate
    return replace(noise, design_effect=(number(x), number(y), number(z)))


def _regions(tree: dict[str, Any]) -> RegionFacts:
    return RegionFacts(**tree | {"schemes": tuple(tree["schemes"])})


def _sensitivity(tree: dict[str, Any]) -> RoiSensitivity:
    spreads = {field.name: number(tree[field.name]) for field in fields(RoiSensitivity) if field.type == "float"}
    return RoiSensitivity(**tree | spreads)


def _quality(tree: dict[str, Any]) -> DiscQuality:
    numbers = {field.name: number(tree[field.name]) for field in fields(DiscQuality) if field.type == "float"}
    return DiscQuality(**tree | numbers)


def _by_model(tree: dict[str, Any]) -> ModelSensitivity:
    medians = (ModelMedian(**item | {"t2_median_ms": number(item["t2_median_ms"])}) for item in tree["medians"])
    return ModelSensitivity(**tree | {"medians": tuple(medians)})


def _measure(tree: dict[str, Any]) -> DiscMeasure:
    floats = {field.name for field in fields(DiscMeasure) if field.type == "float"}
    numbers = {name: number(tree[name]) for name in floats & tree.keys()}  # records older than a number lack it: NaN
    counts = tree["n_left_out"]
    n_left_out = (*counts, *(0 for _ in range(len(Flag) - len(counts))))  # older records know fewer flags
    return DiscMeasure(**tree | numbers | {"n_left_out": n_left_out})
