"""Numbers per disc and region, and their change between visits."""

from t2disc.measure.change import compare_visits
from t2disc.measure.disc import measure_discs

__all__ = ["compare_visits", "measure_discs"]
