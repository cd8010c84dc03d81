"""The command line. Loads typer and nothing heavier, so that ``--help`` is quick."""

from __future__ import annotations

from typing import Annotated

import typer

from t2disc import __version__
from t2disc.cli import commands_outputs as outputs
from t2disc.cli import commands_reading as reading
from t2disc.cli import commands_study as study
from t2disc.cli.exits import MEANINGS

_EXITS = f"Exit codes: {'; '.join(f'{code.value} {text}' for code, text in MEANINGS.items())}."
_COMMANDS = (
    *(study.fit, study.slurm, study.check),
    *(outputs.status, outputs.verify, outputs.reproduce, outputs.explain, outputs.lock, outputs.index),
    *(reading.report, reading.plot, reading.review, reading.blind, reading.ratings),
    *(study.schema, study.simulate, study.demo),
)

app = typer.Typer(
    help="Quantitative T2 of lumbar discs, from multi-echo DICOM to disc change.",
    epilog=_EXITS,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for _command in _COMMANDS:
    app.command(epilog=_EXITS)(_command)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    if version:
        typer.echo(f"t2disc {__version__}")
        raise typer.Exit
