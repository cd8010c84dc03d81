"""Commands for whoever reads the results: reports, plots, ratings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from t2disc.cli.exits import coded_exits
from t2disc.cli.options import Outputs, ProtocolFile, Readable, open_log


def report(
    out: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="Outputs of t2disc fit; the pages are written there.")
    ],
    protocol: ProtocolFile = None,
    study: Annotated[
        Path | None,
        typer.Option(
            "--study", exists=True, file_okay=False, help="Study folder whose participants.tsv tells who was expected."
        ),
    ] = None,
) -> None:
    """Write a report of each participant of OUT, and an index of all visits: HTML files that need no network."""
    with coded_exits(study):
        open_log()
        from t2disc.cli.jobs import run_report

        raise typer.Exit(int(run_report(out, protocol, study)))


def plot(
    out: Outputs,
    where: Annotated[str, typer.Argument(help="sub-X/ses-Y, sub-X, ses-Y for all participants, or study.")],
    name: Annotated[
        str,
        typer.Argument(
            help="overlay, quality, flags, histogram, profiles or change of sub-X/ses-Y; trajectories of sub-X or "
            "study; cohort or agreement of ses-Y."
        ),
    ],
    picture: Annotated[
        Path, typer.Option("-o", "--out", help="The picture: a file named .png or .svg, in a folder that exists.")
    ],
    protocol: ProtocolFile = None,
    levels: Annotated[
        str | None,
        typer.Option(
            "--levels", help="Discs of histogram and profiles, such as L3/L4,L4/L5; the report's when left out."
        ),
    ] = None,
) -> None:
    """Draw one plot from OUT, as the reports show it, into a file of its own."""
    with coded_exits():
        open_log()
        from t2disc.cli.jobs import run_plot

        raise typer.Exit(int(run_plot(out, where, name, picture, protocol, levels)))


def review(
    folder: Readable,
    protocol: ProtocolFile = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")] = 0,
    consensus: Annotated[
        bool, typer.Option("--consensus", help="Show what readers differ on, with each reader's word: for a meeting.")
    ] = False,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the address in a browser.")] = True,
) -> None:
    """Let readers rate the reports of FOLDER on a server of this machine, in three planes, until Ctrl-C."""
    with coded_exits():
        open_log()
        from t2disc.cli.reviewing import run_review

        code = run_review(folder, protocol, port=port, with_differences=consensus, opens_browser=browser)
        raise typer.Exit(int(code))


def blind(
    out: Outputs,
    folder: Annotated[Path, typer.Argument(help="New or empty folder for the reading set.")],
    key: Annotated[
        Path, typer.Option("--key", help="New file that will tell which visit each code stands for; not for readers.")
    ],
    repeats: Annotated[
        int, typer.Option("--repeats", min=0, help="So many visits, drawn at random, are read twice.")
    ] = 0,
) -> None:
    """Put every measured visit of OUT under a random code into FOLDER, for t2disc review."""
    with coded_exits():
        open_log()
        from t2disc.cli.reviewing import run_blind

        raise typer.Exit(int(run_blind(out, folder, key, n_repeats=repeats)))


def ratings(
    folder: Readable,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder for the tables.", show_default="beside the ratings")
    ] = None,
    key: Annotated[
        Path | None, typer.Option("--key", exists=True, dir_okay=False, help="Key of the set: unblinds its tables.")
    ] = None,
) -> None:
    """Write the tables of what readers rated and of what they differ on."""
    with coded_exits():
        open_log()
        from t2disc.cli.reviewing import run_ratings

        raise typer.Exit(int(run_ratings(folder, out, key)))
