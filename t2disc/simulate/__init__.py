"""A lumbar spine with known truth, written as real DICOM in the manner of each vendor.

``simulate_study(default_study())`` yields the files of a whole study; nothing is written here.
"""

from t2disc.simulate.awkward import with_fused_level, with_sacrum_cut_off, with_six_lumbar
from t2disc.simulate.dicom import TRANSFER_SYNTAXES, VENDORS
from t2disc.simulate.epg import cpmg_echoes
from t2disc.simulate.findings import (
    BoneRecipe,
    ModicRecipe,
    OrganRecipe,
    SchmorlRecipe,
    SpotRecipe,
    SurgeryRecipe,
)
from t2disc.simulate.recipe import (
    AcquisitionRecipe,
    BodyRecipe,
    DiscRecipe,
    ParticipantRecipe,
    PoseRecipe,
    StudyRecipe,
    VisitRecipe,
    graded_disc,
)
from t2disc.simulate.scan import Scan
from t2disc.simulate.scene import Scene, draw_scene
from t2disc.simulate.structures import Structure
from t2disc.simulate.study import SIZES, default_study, simulate_scan, simulate_study, simulate_visit
from t2disc.simulate.truth import SimulatedFile
from t2disc.simulate.varied import varied_study

__all__ = [
    "SIZES",
    "TRANSFER_SYNTAXES",
    "VENDORS",
    "AcquisitionRecipe",
    "BodyRecipe",
    "BoneRecipe",
    "DiscRecipe",
    "ModicRecipe",
    "OrganRecipe",
    "ParticipantRecipe",
    "PoseRecipe",
    "Scan",
    "Scene",
    "SchmorlRecipe",
    "SimulatedFile",
    "SpotRecipe",
    "Structure",
    "StudyRecipe",
    "SurgeryRecipe",
    "VisitRecipe",
    "cpmg_echoes",
    "default_study",
    "draw_scene",
    "graded_disc",
    "simulate_scan",
    "simulate_study",
    "simulate_visit",
    "varied_study",
    "with_fused_level",
    "with_sacrum_cut_off",
    "with_six_lumbar",
]
