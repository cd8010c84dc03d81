"""Figures of a page: a picture beside its words and the command line that makes it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from t2disc.model.report import ReportFigure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from t2disc.study.report.plots import Plot

REPORT_COMMAND = "t2disc report OUT"


def page_figure(plot: Plot, figure: Figure, *, name: str, where: str, options: str = "") -> ReportFigure:
    """Return a drawn plot as a figure of a page.

    Parameters
    ----------
    plot, figure
        What it is, and the drawing.
    name
        Under which its ratings are kept.
    where
        Its place, as ``t2disc plot`` takes it.
    options
        Of the command line, such as the protocol file.
    """
    from t2disc.qc.report import still

    return ReportFigure(
        name=name,
        title=plot.title,
        caption=plot.caption,
        picture=still(figure, plot.alternative),
        command=f"t2disc plot OUT {where} {plot.name} -o {plot.name}.png{options}",
    )
