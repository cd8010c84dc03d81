"""Frozen data that crosses rooms. Nothing here fits, reads or draws.

:mod:`t2disc.model.protocol` is not re-exported: it loads pydantic, which most rooms do without.
"""

from t2disc.model.inventory import Identity, Inventory
from t2disc.model.labels import REGION_PARTS, DiscLabels, LabelKind, LabelMap, LabelSource, Region
from t2disc.model.levels import LEVELS, parse_level
from t2disc.model.maps import Flag, NoiseEstimate, T2Map, VoxelFit
from t2disc.model.measures import Change, DiscMeasure
from t2disc.model.review import ReviewCode, ReviewReason
from t2disc.model.stack import Acquisition, EchoStack, LeftOut
from t2disc.model.visit import Visit, role_of

__all__ = [
    "LEVELS",
    "REGION_PARTS",
    "Acquisition",
    "Change",
    "DiscLabels",
    "DiscMeasure",
    "EchoStack",
    "Flag",
    "Identity",
    "Inventory",
    "LabelKind",
    "LabelMap",
    "LabelSource",
    "LeftOut",
    "NoiseEstimate",
    "Region",
    "ReviewCode",
    "ReviewReason",
    "T2Map",
    "Visit",
    "VoxelFit",
    "parse_level",
    "role_of",
]
