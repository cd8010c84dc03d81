"""Pictures and checks from finished data: a matplotlib Figure each, or answers to the protocol; no file is touched."""

from t2disc.qc.agreement import plot_bland_altman
from t2disc.qc.carried import viewed_stack
from t2disc.qc.change import plot_change
from t2disc.qc.cohort import plot_cohort
from t2disc.qc.decay import plot_decay
from t2disc.qc.flags import plot_flags
from t2disc.qc.grade import grade_visit
from t2disc.qc.histogram import plot_histogram
from t2disc.qc.overlay import plot_t2_overlay
from t2disc.qc.pairing import check_pair
from t2disc.qc.profiles import plot_profiles
from t2disc.qc.protocol import check_visit
from t2disc.qc.quality import plot_quality
from t2disc.qc.regression import plot_regression
from t2disc.qc.signal import check_discs
from t2disc.qc.trajectories import plot_trajectories
from t2disc.qc.zoom import plot_disc_zoom

__all__ = [
    "check_discs",
    "check_pair",
    "check_visit",
    "grade_visit",
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
    "viewed_stack",
]
