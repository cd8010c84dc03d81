"""Commands that look at the outputs of a study: their state, whether they are whole, and why they are so."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from t2disc.cli.exits import coded_exits
from t2disc.cli.options import AsJson, Jobs, Labels, OnlyThese, Outputs, ProtocolFile, Withheld, open_log


def status(
    out: Outputs,
    as_json: AsJson = False,
) -> None:
    """Tell the state of every visit in OUT; exit code 3 where any is quarantined."""
    with coded_exits():
        open_log()
        from t2disc.cli.looking import run_status

        raise typer.Exit(int(run_status(out, as_json=as_json)))


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
    """Read every file of OUT again and name those that are not as published, or not by t2disc; exit code 4 where there
    is one, or where an input differs from the one that was measured. What cannot be taken for a result is named only.
    While a run writes to OUT, nothing is looked at (output-busy).
    """
    with coded_exits(study):
        open_log()
        from t2disc.cli.jobs import changed_inputs
        from t2disc.cli.looking import run_verify
        from t2disc.cli.requests import FitRequest
        from t2disc.store import refuse_running

        refuse_running(out)
        inputs = None
        if study is not None:
            inputs = changed_inputs(FitRequest(study_dir=study, out=out, labels_dir=labels, protocol_file=protocol))
        raise typer.Exit(int(run_verify(out, inputs, as_json=as_json)))


def reproduce(
    out: Outputs,
    study: Annotated[
        Path,
        typer.Option("--study", exists=True, file_okay=False, help="Study folder that the results were made from."),
    ],
    labels: Labels = None,
    protocol: Withheld = None,
    only: OnlyThese = [],  # noqa: B006 - typer copies it
    jobs: Jobs = None,
    as_json: AsJson = False,
) -> None:
    """Measure visits and pairs again from what their records tell, and compare every byte; exit code 4 unless all are
    the same.
    """
    with coded_exits(study):
        open_log()
        from t2disc.cli.reproducing import run_reproduce
        from t2disc.cli.requests import FitRequest

        request = FitRequest(
            study_dir=study,
            out=out,
            labels_dir=labels,
            protocol_file=protocol,
            only=tuple(only),
            jobs=jobs,
            as_json=as_json,
        )
        raise typer.Exit(int(run_reproduce(request)))


def explain(
    out: Outputs, visit: Annotated[str, typer.Argument(help="sub-X/ses-Y, as t2disc status names it.")]
) -> None:
    """Tell why a visit in OUT is in its state: its refusal, or what was used, left out, and is to be reviewed."""
    with coded_exits():
        open_log()
        from t2disc.cli.looking import run_explain

        raise typer.Exit(int(run_explain(out, visit)))


def lock(
    out: Outputs,
    reason: Annotated[str, typer.Option("--reason", help="Why, for the audit log.")],
    unlock: Annotated[bool, typer.Option("--unlock", help="Take the lock away.")] = False,
) -> None:
    """Lock OUT: from then on t2disc fit changes nothing in it without --reason."""
    with coded_exits():
        open_log()
        from t2disc.cli.looking import run_lock

        raise typer.Exit(int(run_lock(out, reason, unlock=unlock)))


def index(out: Outputs) -> None:
    """Make the index of OUT again from the records and manifests of its visits."""
    with coded_exits():
        open_log()
        from t2disc.cli.looking import run_index

        raise typer.Exit(int(run_index(out)))
