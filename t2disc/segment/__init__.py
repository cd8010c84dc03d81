"""Which voxels belong to which disc and to which region of it."""

from t2disc.segment.coordinates import DiscCoordinates, disc_coordinates
from t2disc.segment.find import find_discs
from t2disc.segment.network import label_structures
from t2disc.segment.regions import divide_discs, region_schemes

__all__ = [
    "DiscCoordinates",
    "disc_coordinates",
    "divide_discs",
    "find_discs",
    "label_structures",
    "region_schemes",
]
