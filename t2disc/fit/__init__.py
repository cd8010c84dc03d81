"""T2 from signals: pure arrays in, values with standard errors and reasons out; knows nothing of discs or files."""

from t2disc.fit import loglinear, monoexp, offset, rician, stimulated  # noqa: F401 - imported so that they register their models
from t2disc.fit.correlation import estimate_design_effect
from t2disc.fit.expected import expected_signal
from t2disc.fit.goodness import judge_fit
from t2disc.fit.interval import t2_interval_ms
from t2disc.fit.models import model_names, register_model
from t2disc.fit.noise import estimate_sigma
from t2disc.fit.pulses import named_profile, slice_profile
from t2disc.fit.run import fit_t2, fit_voxels, require_suited
from t2disc.fit.signal import mono_signal
from t2disc.fit.train import echo_train

__all__ = [
    "echo_train",
    "estimate_design_effect",
    "estimate_sigma",
    "expected_signal",
    "fit_t2",
    "fit_voxels",
    "judge_fit",
    "model_names",
    "mono_signal",
    "named_profile",
    "register_model",
    "require_suited",
    "slice_profile",
    "t2_interval_ms",
]
