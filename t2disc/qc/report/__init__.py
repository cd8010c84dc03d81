"""Reports: one file per participant and an index, readable anywhere, without network; ratings stay with the reader."""

from t2disc.qc.report.guide import reading_guide
from t2disc.qc.report.pages import render_index, render_participant
from t2disc.qc.report.stills import still
from t2disc.qc.report.strips import followup_strips, own_strips, thumbnail

__all__ = [
    "followup_strips",
    "own_strips",
    "reading_guide",
    "render_index",
    "render_participant",
    "still",
    "thumbnail",
]
