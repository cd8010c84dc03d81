"""Frozen data that crosses rooms. Nothing here fits, reads or draws.

:mod:`t2disc.model.protocol` is not re-exported: it loads pydantic, which most rooms do without.
"""

from t2disc.model.checks import GRADES, OUTCOMES, SEVERITIES, Check, Grade
from t2disc.model.cohort import StudyChange
from t2disc.model.drift import Agreement, Drift
from t2disc.model.fitting import PULSES, EchoChoice, ModelOptions, SliceProfile
from t2disc.model.inventory import Identity, Inventory
from t2disc.model.labels import DiscLabels, LabelKind, LabelMap, LabelSource
from t2disc.model.levels import CONTROL_LEVELS, LEVELS, level_or_none, parse_level, without_disc
from t2disc.model.maps import Flag, NoiseEstimate, T2Map, VoxelFit
from t2disc.model.match import ROIS, DiscMatch, HowMatched, MatchCode, MatchedLabels, Roi, VisitMatch
from t2disc.model.measures import Z_95, Change, DiscMeasure, Repeatability, RoiSensitivity
from t2disc.model.motion import EchoMotion, EchoShift, EchoState
from t2disc.model.quality import DiscQuality, FitQuality
from t2disc.model.regions import (
    COMPARED_REGIONS,
    N_STRIPS,
    REGION_PARTS,
    SCHEME_OF,
    SCHEME_PARTS,
    SCHEMES,
    Region,
    RegionMap,
    Scheme,
)
from t2disc.model.review import ReviewCode, ReviewReason
from t2disc.model.sensitivity import ModelMedian, ModelSensitivity
from t2disc.model.shape import DiscShape
from t2disc.model.stack import Acquisition, EchoStack, LeftOut
from t2disc.model.visit import InputFacts, MeasuredVisit, Visit, role_of

__all__ = [
    "COMPARED_REGIONS",
    "CONTROL_LEVELS",
    "GRADES",
    "LEVELS",
    "N_STRIPS",
    "OUTCOMES",
    "PULSES",
    "REGION_PARTS",
    "ROIS",
    "SCHEMES",
    "SCHEME_OF",
    "SCHEME_PARTS",
    "SEVERITIES",
    "Z_95",
    "Acquisition",
    "Agreement",
    "Change",
    "Check",
    "DiscLabels",
    "DiscMatch",
    "DiscMeasure",
    "DiscQuality",
    "DiscShape",
    "Drift",
    "EchoChoice",
    "EchoMotion",
    "EchoShift",
    "EchoStack",
    "EchoState",
    "FitQuality",
    "Flag",
    "Grade",
    "HowMatched",
    "Identity",
    "InputFacts",
    "Inventory",
    "LabelKind",
    "LabelMap",
    "LabelSource",
    "LeftOut",
    "MatchCode",
    "MatchedLabels",
    "MeasuredVisit",
    "ModelMedian",
    "ModelOptions",
    "ModelSensitivity",
    "NoiseEstimate",
    "Region",
    "RegionMap",
    "Repeatability",
    "ReviewCode",
    "ReviewReason",
    "Roi",
    "RoiSensitivity",
    "Scheme",
    "SliceProfile",
    "StudyChange",
    "T2Map",
    "Visit",
    "VisitMatch",
    "VoxelFit",
    "level_or_none",
    "parse_level",
    "role_of",
    "without_disc",
]
