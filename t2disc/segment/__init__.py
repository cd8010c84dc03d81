"""Which voxels belong to which disc and to which region of it."""

from t2disc.segment.find import find_discs
from t2disc.segment.network import label_structures
from t2disc.segment.regions import disc_coordinates, divide_discs

__all__ = ["disc_coordinates", "divide_discs", "find_discs", "label_structures"]
