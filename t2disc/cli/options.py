"""Arguments and options that several commands share, and what they all begin with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

Study = Annotated[
    Path, typer.Argument(help="Study folder: STUDY/<participant>/<visit>/..., BIDS, or one heap of DICOM files.")
]
Out = Annotated[
    Path | None, typer.Option("-o", "--out", help="Output folder.", show_default="STUDY/derivatives/t2disc")
]
Labels = Annotated[
    Path | None,
    typer.Option(
        "--labels",
        exists=True,
        file_okay=False,
        help="Folder of disc label maps: sub-X/ses-Y/**/*_dseg.nii.gz or sub-X_ses-Y*_dseg.nii.gz with a "
        "_dseg.tsv, or .seg.nrrd, or DICOM SEG. Label maps in STUDY/corrections come first; other visits' discs are "
        "found automatically.",
    ),
]
ProtocolFile = Annotated[
    Path | None,
    typer.Option("--protocol", exists=True, dir_okay=False, help="Protocol file (TOML); see docs/protocol.md."),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model", help="Signal model of the maps: mono, rician, epg, epg-rician, mono-offset, wls or loglinear."
    ),
]
Models = Annotated[
    str | None,
    typer.Option(
        "--models",
        help="Models to set side by side in model_sensitivity.tsv, such as mono,rician,epg; the first makes the maps, "
        "unless --model names another.",
    ),
]
Figures = Annotated[bool, typer.Option("--figures", help="Draw T2 overlays and decay curves too.")]
Only = Annotated[
    list[str],
    typer.Option("--only", metavar="VISIT", help="Leave all others as they are: sub-X, ses-Y or sub-X/ses-Y; * and ?."),
]
OnlyThese = Annotated[
    list[str],
    typer.Option("--only", metavar="VISIT", help="Measure these alone: sub-X, ses-Y or sub-X/ses-Y; * and ?."),
]
Withheld = Annotated[
    Path | None,
    typer.Option(
        "--protocol",
        exists=True,
        dir_okay=False,
        help="Protocol file: of it what records withhold is used; all else stands in the records.",
    ),
]
Reason = Annotated[
    str, typer.Option("--reason", help="Why the study is run again, for its audit log; a locked study needs one.")
]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        min=0,
        help="Visits measured at once, each by a process of its own; 0 measures them in this process, one after the "
        "other and without limits.",
        show_default="one for each core, but no more than there are visits",
    ),
]
MemoryLimit = Annotated[
    int | None,
    typer.Option("--memory-limit", metavar="MIB", min=1, help="Most memory of one visit's data, MiB (Linux)."),
]
Timeout = Annotated[
    float, typer.Option("--timeout", metavar="SECONDS", min=1, help="Longest time for one visit; it is tried twice.")
]
Outputs = Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Outputs of t2disc fit.")]
Readable = Annotated[
    Path, typer.Argument(exists=True, file_okay=False, help="Outputs of t2disc fit, or a set of t2disc blind.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def open_log() -> Console:
    """Open the log on stderr, and return where it is printed."""
    from rich.console import Console

    from t2disc.cli.logs import start_logging

    console = Console(stderr=True, highlight=False)
    start_logging(console)
    return console
