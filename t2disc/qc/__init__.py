"""Pictures from finished data; each verb returns a matplotlib Figure and touches no file."""

from t2disc.qc.change import plot_change
from t2disc.qc.decay import plot_decay
from t2disc.qc.overlay import plot_t2_overlay

__all__ = ["plot_change", "plot_decay", "plot_t2_overlay"]
