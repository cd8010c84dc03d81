"""Numbers per disc and region, and their change between visits."""

from t2disc.measure.change import compare_visits, measure_changes
from t2disc.measure.controls import ControlChange, adjusted_changes_ms, mean_of_controls
from t2disc.measure.disc import measure_discs
from t2disc.measure.drift import compare_acquisitions
from t2disc.measure.models import compare_models
from t2disc.measure.quality import measure_quality
from t2disc.measure.repeatability import (
    Coefficient,
    given_repeatability,
    literature_repeatability,
    measured_repeatability,
)
from t2disc.measure.sensitivity import compare_schemes
from t2disc.measure.shape import measure_shapes

__all__ = [
    "Coefficient",
    "ControlChange",
    "adjusted_changes_ms",
    "compare_acquisitions",
    "compare_models",
    "compare_schemes",
    "compare_visits",
    "given_repeatability",
    "literature_repeatability",
    "mean_of_controls",
    "measure_changes",
    "measure_discs",
    "measure_quality",
    "measure_shapes",
    "measured_repeatability",
]
