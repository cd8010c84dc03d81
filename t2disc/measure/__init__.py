"""Numbers per disc and region, and their change between visits."""

from t2disc.measure.change import compare_visits
from t2disc.measure.disc import measure_discs
from t2disc.measure.sensitivity import compare_schemes

__all__ = ["compare_schemes", "compare_visits", "measure_discs"]
