"""Commands that start from a study folder: what it holds, and measuring it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from t2disc.cli.exits import coded_exits
from t2disc.cli.options import (
    Figures,
    Jobs,
    Labels,
    MemoryLimit,
    Model,
    Models,
    Only,
    Out,
    ProtocolFile,
    Reason,
    Study,
    Timeout,
    open_log,
)
from t2disc.errors import ArgumentInvalid

if TYPE_CHECKING:
    from t2disc.cli.requests import FitRequest


def fit(
    study: Study,
    out: Out = None,
    labels: Labels = None,
    protocol: ProtocolFile = None,
    model: Model = None,
    models: Models = None,
    figures: Figures = False,
    only: Only = [],  # noqa: B006 - typer copies it
    redo: Annotated[
        list[str],
        typer.Option("--redo", metavar="VISIT", help="Measure these again though nothing has changed; as --only."),
    ] = [],  # noqa: B006
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would be done with every visit, and why; write nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome, or the plan, as JSON.")] = False,
    reason: Reason = "",
    jobs: Jobs = None,
    memory_limit: MemoryLimit = None,
    timeout: Timeout = 1800,
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
        console = open_log()
        from t2disc.cli.jobs import run_fit, run_plan

        request = _request(
            study,
            out,
            models,
            labels_dir=labels,
            protocol_file=protocol,
            model=model,
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


def slurm(
    study: Study,
    shards: Annotated[
        int, typer.Option("--shards", metavar="N", min=1, max=999_999, help="Tasks of the array, a shard each.")
    ],
    out: Out = None,
    labels: Labels = None,
    protocol: ProtocolFile = None,
    figures: Figures = False,
    model: Model = None,
    models: Models = None,
    memory_limit: MemoryLimit = None,
    timeout: Timeout = 1800,
    reason: Reason = "",
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
        open_log()
        from t2disc.cli.slurm import run_slurm

        request = _request(
            study,
            out,
            models,
            labels_dir=labels,
            protocol_file=protocol,
            model=model,
            with_figures=figures,
            memory_limit_mib=memory_limit,
            timeout_s=timeout,
            reason=reason,
        )
        raise typer.Exit(int(run_slurm(request, shards, tuple(sbatch), script)))


def check(study: Study, out: Out = None, labels: Labels = None, protocol: ProtocolFile = None) -> None:
    """Tell what STUDY holds, what would be used and why; write nothing."""
    with coded_exits(study):
        open_log()
        from t2disc.cli.jobs import run_check

        request = _request(study, out, labels_dir=labels, protocol_file=protocol)
        raise typer.Exit(int(run_check(request)))


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
        open_log()
        from t2disc.cli.jobs import run_simulate
        from t2disc.cli.requests import SimulateRequest

        request = SimulateRequest(
            n_participants=participants, vendors=tuple(vendor), seed=seed, size=size, snr=snr, model=model
        )
        raise typer.Exit(int(run_simulate(out, request)))


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
        console = open_log()
        from t2disc.cli.jobs import run_demo

        raise typer.Exit(int(run_demo(study, out, console)))


def schema() -> None:
    """Print the JSON Schema of the protocol file, for editors."""
    with coded_exits():
        from t2disc.study import protocol_schema

        typer.echo(protocol_schema(), nl=False)


def _request(study: Path, out: Path | None, models: str | None = None, **others: Any) -> FitRequest:
    """Return what a command was asked for; models are named in one text, and outputs have their usual place."""
    from t2disc.cli.requests import FitRequest, default_out

    return FitRequest(study_dir=study, out=out or default_out(study), models=_named_models(models), **others)


def _named_models(text: str | None) -> tuple[str, ...]:
    """Return the models named in one text, none where nothing was asked; whether they are known is asked later."""
    if text is None:
        return ()
    names = tuple(name.strip() for name in text.split(","))
    expected = "names of models with commas between, each once, such as mono,rician,epg"
    if not all(names):
        raise ArgumentInvalid(f"--models {text!r}, which holds an empty name", expected=expected)
    if repeated := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise ArgumentInvalid(f"--models that names {', '.join(map(repr, repeated))} more than once", expected=expected)
    return names
