"""Reports and single plots of a study, from its outputs alone: gathered, told and drawn; pages are made in qc."""

from t2disc.study.report.named import draw_plot, plot_names, plot_title
from t2disc.study.report.pages import write_reports

__all__ = ["draw_plot", "plot_names", "plot_title", "write_reports"]
