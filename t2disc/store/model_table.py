"""The table that sets signal models side by side: its columns depend on which were asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from t2disc.model import CONTROL_LEVELS, ModelMedian, ModelSensitivity
from t2disc.store.columns import LEVEL, LEVEL_WORDS, PARTICIPANT, REGION, REGION_WORDS, ROLE, ROLE_WORDS, Column
from t2disc.store.records import VisitRecord

_COMPARED_WORDS = {region: REGION_WORDS[region] for region in ("disc", "NP", "AF")}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRow:
    """One region of one disc at one visit, under every model it was fitted with."""

    record: VisitRecord
    sensitivity: ModelSensitivity
    control_levels: tuple[str, ...] = CONTROL_LEVELS

    @property
    def role(self) -> str:
        """What the disc is to the study."""
        return self.record.role(self.sensitivity.level, self.control_levels)


def model_columns(rows: Sequence[ModelRow]) -> tuple[Column[ModelRow], ...]:
    """Return the columns: two for each model that any row has, in the order in which they first appear."""
    models = dict.fromkeys(median.model for row in rows for median in row.sensitivity.medians)
    return (
        Column("participant_id", PARTICIPANT, lambda row: row.record.participant_id),
        Column("session_id", "Visit", lambda row: row.record.session_id),
        Column("level", LEVEL, lambda row: row.sensitivity.level, levels=LEVEL_WORDS),
        Column("region", REGION, lambda row: row.sensitivity.region, levels=_COMPARED_WORDS),
        Column("role", ROLE, lambda row: row.role, levels=ROLE_WORDS),
        Column("model", "Signal model of the visit's maps", lambda row: row.record.fit and row.record.fit.model),
        Column("n_voxels", "Voxels in the region", lambda row: row.sensitivity.n_voxels),
        Column(
            "spread_ms",
            "Greatest minus smallest median of the models that give a T2 to nine tenths of the first one's voxels",
            lambda row: row.sensitivity.spread_ms,
            "ms",
            3,
        ),
        Column(
            "spread_pct",
            "The spread in % of the median under the model of the maps: where it is large, the answer is the model's",
            lambda row: row.sensitivity.spread_pct,
            "%",
            2,
        ),
        *(column for model in models for column in _columns_of(model)),
    )


def _columns_of(model: str) -> Iterator[Column[ModelRow]]:
    name = model.replace("-", "_")
    yield Column(f"t2_median_{name}_ms", f"Median T2 under {model}", _told(model, lambda m: m.t2_median_ms), "ms", 3)
    yield Column(f"n_used_{name}", f"Voxels to which {model} gives a T2", _told(model, lambda m: m.n_used))


def _told(model: str, value: Callable[[ModelMedian], object]) -> Callable[[ModelRow], object]:
    def tell(row: ModelRow) -> object:
        median = row.sensitivity.median(model)
        return None if median is None else value(median)

    return tell
