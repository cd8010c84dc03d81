"""Reports and single plots of a study, from its outputs alone: gathered, told and drawn; pages are made in qc."""

from t2disc.study.report.pages import write_reports
from t2disc.study.report.plots import draw_plot, plot_names, plot_title

__all__ = ["draw_plot", "plot_names", "plot_title", "write_reports"]
