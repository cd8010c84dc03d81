"""The commands and their options. Loads typer and nothing heavier, so that ``--help`` is quick."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from t2disc import __version__
from t2disc.cli.exits import MEANINGS, coded_exits

if TYPE_CHECKING:
    from rich.console import Console

_EXITS = f"Exit codes: {'; '.join(f'{code.value} {text}' for code, text in MEANINGS.items())}."

app = typer.Typer(
    help="Quantitative T2 of lumbar discs, from multi-echo DICOM to disc change.",
    epilog=_EXITS,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

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


Outputs = Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Outputs of t2disc fit.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    if version:
        typer.echo(f"t2disc {__version__}")
        raise typer.Exit


@app.command(epilog=_EXITS)
def fit(
    study: Study,
    out: Out = None,
    labels: Labels = None,
    protocol: ProtocolFile = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", help="Signal model of the maps: mono, rician, epg, epg-rician, mono-offset, wls or loglinear."
        ),
    ] = None,
    models: Annotated[
        str | None,
        typer.Option(
            "--models",
            help="Models to set side by side in model_sensitivity.tsv, such as mono,rician,epg; the first makes the "
            "maps, unless --model names another.",
        ),
    ] = None,
    figures: Annotated[bool, typer.Option("--figures", help="Draw T2 overlays and decay curves too.")] = False,
    only: Annotated[
        list[str],
        typer.Option(
            "--only", metavar="VISIT", help="Leave all others as they are: sub-X, ses-Y or sub-X/ses-Y; * and ?."
        ),
    ] = [],  # noqa: B006 - typer copies it
    redo: Annotated[
        list[str],
        typer.Option("--redo", metavar="VISIT", help="Measure these again though nothing has changed; as --only."),
    ] = [],  # noqa: B006
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would be done with every visit, and why; write nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome, or the plan, as JSON.")] = False,
    reason: Annotated[
        str, typer.Option("--reason", help="Why the study is run again, for its audit log; a locked study needs one.")
    ] = "",
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            min=0,
            help="Visits measured at once, each by a process of its own; 0 measures them in this process, one after "
            "the other and without limits.",
            show_default="one for each core, but no more than there are visits",
        ),
    ] = None,
    memory_limit: Annotated[
        int | None,
        typer.Option("--memory-limit", metavar="MIB", min=1, help="Most memory of one visit's data, MiB (Linux)."),
    ] = None,
    timeout: Annotated[
        float,
        typer.Option("--timeout", metavar="SECONDS", min=1, help="Longest time for one visit; it is tried twice."),
    ] = 1800,
    executor: Annotated[
        str,
        typer.Option(
            "--executor",
            help="Who measures: local (child processes), dask-local (--jobs workers of dask on this machine), or "
            "dask://HOST:PORT (a scheduler whose workers see the same disk); see docs/batch.md.",
        ),
    ] = "local",
    shard: Annotated[
        str | None,
        typer.Option(
            "--shard",
            metavar="I/N",
            help="Measure part I of N, for job arrays on a shared disk; a last run without it writes the tables.",
        ),
    ] = None,
) -> None:
    """Measure every visit of STUDY: T2 maps, discs, changes."""
    with coded_exits(study):
        console = _stderr()
        from t2disc.cli.jobs import FitRequest, default_out, run_fit, run_plan

        request = FitRequest(
            study_dir=study,
            out=out or default_out(study),
            labels_dir=labels,
            protocol_file=protocol,
            model=model,
            models=tuple(name.strip() for name in models.split(",")) if models else (),
            with_figures=figures,
            jobs=jobs,
            memory_limit_mib=memory_limit,
            timeout_s=timeout,
            only=tuple(only),
            redo=tuple(redo),
            as_json=as_json,
            reason=reason,
            executor=executor,
            shard=shard,
        )
        raise typer.Exit(int(run_plan(request) if dry_run else run_fit(request, console)))


@app.command(epilog=_EXITS)
def slurm(
    study: Study,
    shards: Annotated[
        int, typer.Option("--shards", metavar="N", min=1, max=999_999, help="Tasks of the array, a shard each.")
    ],
    out: Out = None,
    labels: Labels = None,
    protocol: ProtocolFile = None,
    figures: Annotated[bool, typer.Option("--figures", help="As for t2disc fit.")] = False,
    model: Annotated[str | None, typer.Option("--model", help="As for t2disc fit.")] = None,
    models: Annotated[str | None, typer.Option("--models", help="As for t2disc fit.")] = None,
    memory_limit: Annotated[
        int | None, typer.Option("--memory-limit", metavar="MIB", min=1, help="As for t2disc fit.")
    ] = None,
    timeout: Annotated[float, typer.Option("--timeout", metavar="SECONDS", min=1, help="As for t2disc fit.")] = 1800,
    reason: Annotated[str, typer.Option("--reason", help="As for t2disc fit.")] = "",
    sbatch: Annotated[
        list[str],
        typer.Option("--sbatch", metavar="OPTION", help="Option of sbatch for all tasks, such as --mem=2G; repeat."),
    ] = [],  # noqa: B006 - typer copies it
    script: Annotated[
        Path | None, typer.Option("--script", dir_okay=False, help="Write the script there instead of printing it.")
    ] = None,
) -> None:
    """Print a script for bash that submits the fit of STUDY to Slurm: an array of shards, then the tables."""
    with coded_exits(study):
        _stderr()
        from t2disc.cli.jobs import FitRequest, default_out
        from t2disc.cli.slurm import run_slurm

        request = FitRequest(
            study_dir=study,
            out=out or default_out(study),
            labels_dir=labels,
            protocol_file=protocol,
            model=model,
            models=tuple(name.strip() for name in models.split(",")) if models else (),
            with_figures=figures,
            memory_limit_mib=memory_limit,
            timeout_s=timeout,
            reason=reason,
        )
        raise typer.Exit(int(run_slurm(request, shards, tuple(sbatch), script)))


@app.command(epilog=_EXITS)
def check(study: Study, out: Out = None, labels: Labels = None, protocol: ProtocolFile = None) -> None:
    """Tell what STUDY holds, what would be used and why; write nothing."""
    with coded_exits(study):
        _stderr()
        from t2disc.cli.jobs import FitRequest, default_out, run_check

        request = FitRequest(study_dir=study, out=out or default_out(study), labels_dir=labels, protocol_file=protocol)
        raise typer.Exit(int(run_check(request)))


@app.command(epilog=_EXITS)
def status(
    out: Outputs,
    as_json: AsJson = False,
) -> None:
    """Tell the state of every visit in OUT; exit code 3 where any is quarantined."""
    with coded_exits():
        _stderr()
        from t2disc.cli.looking import run_status

        raise typer.Exit(int(run_status(out, as_json=as_json)))


@app.command(epilog=_EXITS)
def verify(
    out: Outputs,
    study: Annotated[
        Path | None,
        typer.Option("--study", exists=True, file_okay=False, help="Study folder: its inputs are looked at, too."),
    ] = None,
    labels: Labels = None,
    protocol: ProtocolFile = None,
    as_json: AsJson = False,
) -> None:
    """Read every file of OUT again and name those that are not as published; exit code 4 where there is one."""
    with coded_exits(study):
        _stderr()
        from t2disc.cli.jobs import FitRequest, changed_inputs
        from t2disc.cli.looking import run_verify

        inputs = None
        if study is not None:
            inputs = changed_inputs(FitRequest(study_dir=study, out=out, labels_dir=labels, protocol_file=protocol))
        raise typer.Exit(int(run_verify(out, inputs, as_json=as_json)))


@app.command(epilog=_EXITS)
def explain(
    out: Outputs, visit: Annotated[str, typer.Argument(help="sub-X/ses-Y, as t2disc status names it.")]
) -> None:
    """Tell why a visit in OUT is in its state: its refusal, or what was used, left out, and is to be reviewed."""
    with coded_exits():
        _stderr()
        from t2disc.cli.looking import run_explain

        raise typer.Exit(int(run_explain(out, visit)))


@app.command(epilog=_EXITS)
def lock(
    out: Outputs,
    reason: Annotated[str, typer.Option("--reason", help="Why, for the audit log.")],
    unlock: Annotated[bool, typer.Option("--unlock", help="Take the lock away.")] = False,
) -> None:
    """Lock OUT: from then on t2disc fit changes nothing in it without --reason."""
    with coded_exits():
        _stderr()
        from t2disc.cli.looking import run_lock

        raise typer.Exit(int(run_lock(out, reason, unlock=unlock)))


@app.command(epilog=_EXITS)
def index(out: Outputs) -> None:
    """Make the index of OUT again from the records and manifests of its visits."""
    with coded_exits():
        _stderr()
        from t2disc.cli.looking import run_index

        raise typer.Exit(int(run_index(out)))


@app.command(epilog=_EXITS)
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
        _stderr()
        from t2disc.cli.jobs import run_report

        raise typer.Exit(int(run_report(out, protocol, study)))


@app.command(epilog=_EXITS)
def plot(
    out: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Outputs of t2disc fit.")],
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
        _stderr()
        from t2disc.cli.jobs import run_plot

        raise typer.Exit(int(run_plot(out, where, name, picture, protocol, levels)))


@app.command(epilog=_EXITS)
def review(
    folder: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="Outputs of t2disc fit, or a set of t2disc blind.")
    ],
    protocol: ProtocolFile = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")] = 0,
    consensus: Annotated[
        bool, typer.Option("--consensus", help="Show what readers differ on, with each reader's word: for a meeting.")
    ] = False,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the address in a browser.")] = True,
) -> None:
    """Let readers rate the reports of FOLDER on a server of this machine, in three planes, until Ctrl-C."""
    with coded_exits():
        _stderr()
        from t2disc.cli.reviewing import run_review

        code = run_review(folder, protocol, port=port, with_differences=consensus, opens_browser=browser)
        raise typer.Exit(int(code))


@app.command(epilog=_EXITS)
def blind(
    out: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Outputs of t2disc fit.")],
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
        _stderr()
        from t2disc.cli.reviewing import run_blind

        raise typer.Exit(int(run_blind(out, folder, key, n_repeats=repeats)))


@app.command(epilog=_EXITS)
def ratings(
    folder: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="Outputs of t2disc fit, or a set of t2disc blind.")
    ],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder for the tables.", show_default="beside the ratings")
    ] = None,
    key: Annotated[
        Path | None, typer.Option("--key", exists=True, dir_okay=False, help="Key of the set: unblinds its tables.")
    ] = None,
) -> None:
    """Write the tables of what readers rated and of what they differ on."""
    with coded_exits():
        _stderr()
        from t2disc.cli.reviewing import run_ratings

        raise typer.Exit(int(run_ratings(folder, out, key)))


@app.command(epilog=_EXITS)
def schema() -> None:
    """Print the JSON Schema of the protocol file, for editors."""
    with coded_exits():
        from t2disc.study import protocol_schema

        typer.echo(protocol_schema(), nl=False)


@app.command(epilog=_EXITS)
def simulate(
    out: Annotated[Path, typer.Argument(help="New or empty folder for the simulated study.")],
    participants: Annotated[int, typer.Option("--participants", min=1, help="Number of participants.")] = 2,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Draws bodies, noise and identifiers.")] = 0,
    size: Annotated[str, typer.Option("--size", help="tiny, small, or full for a clinical matrix.")] = "small",
    vendor: Annotated[
        list[str],
        typer.Option("--vendor", help="siemens, ge, philips, philips_enhanced or siemens_xa; repeat to take turns."),
    ] = ["siemens", "philips_enhanced"],  # noqa: B006 - typer copies it
    snr: Annotated[float | None, typer.Option("--snr", help="Signal to noise of the first echo in the nuclei.")] = None,
    model: Annotated[str, typer.Option("--model", help="Signal: mono, or epg with imperfect refocusing.")] = "mono",
) -> None:
    """Write a study of simulated lumbar spines as real DICOM, with its truth."""
    with coded_exits():
        _stderr()
        from t2disc.cli.jobs import SimulateRequest, run_simulate

        request = SimulateRequest(
            n_participants=participants, vendors=tuple(vendor), seed=seed, size=size, snr=snr, model=model
        )
        raise typer.Exit(int(run_simulate(out, request)))


@app.command(epilog=_EXITS)
def demo(
    study: Annotated[
        Path | None, typer.Argument(help="Study folder; when left out, one is simulated or an earlier one used.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Output folder.", show_default="as fit, or ./t2disc-demo")
    ] = None,
) -> None:
    """Show the main job: measure STUDY (or a simulated one) with STUDY/labels, and draw pictures."""
    with coded_exits(study):
        console = _stderr()
        from t2disc.cli.jobs import run_demo

        raise typer.Exit(int(run_demo(study, out, console)))


def _stderr() -> Console:
    """Open the log on stderr."""
    from rich.console import Console

    from t2disc.cli.logs import start_logging

    console = Console(stderr=True, highlight=False)
    start_logging(console)
    return console
