"""Pictures from finished data; each verb returns a matplotlib Figure and touches no file."""

from t2disc.qc.agreement import plot_bland_altman
from t2disc.qc.change import plot_change
from t2disc.qc.cohort import plot_cohort
from t2disc.qc.decay import plot_decay
from t2disc.qc.flags import plot_flags
from t2disc.qc.histogram import plot_histogram
from t2disc.qc.overlay import plot_t2_overlay
from t2disc.qc.profiles import plot_profiles
from t2disc.qc.quality import plot_quality
from t2disc.qc.regression import plot_regression
from t2disc.qc.trajectories import plot_trajectories
from t2disc.qc.zoom import plot_disc_zoom

__all__ = [
    "plot_bland_altman",
    "plot_change",
    "plot_cohort",
    "plot_decay",
    "plot_disc_zoom",
    "plot_flags",
    "plot_histogram",
    "plot_profiles",
    "plot_quality",
    "plot_regression",
    "plot_t2_overlay",
    "plot_trajectories",
]
