"""A script that submits a study to Slurm: an array of shards, and behind it the run that writes the tables."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from t2disc.cli.exits import ExitCode
from t2disc.cli.requests import FitRequest
from t2disc.errors import ArgumentInvalid

_SCRIPT = """\
#!/bin/bash
# Run this with bash on a machine that may submit jobs, with t2disc on its path. It submits {n_shards} tasks, each of
# which measures a part of the study, and a last job that writes the tables once all tasks have ended, well or not.
set -euo pipefail

array=$(sbatch --parsable <<'T2DISC_JOB'
#!/bin/bash
#SBATCH --job-name=t2disc
#SBATCH --array=1-{n_shards}
{options}exec {fit} --shard "$SLURM_ARRAY_TASK_ID/{n_shards}"
T2DISC_JOB
)

sbatch --dependency="afterany:${{array%%;*}}" <<'T2DISC_JOB'
#!/bin/bash
#SBATCH --job-name=t2disc-tables
{options}exec {fit}
T2DISC_JOB
"""


def run_slurm(request: FitRequest, n_shards: int, options: Sequence[str], script: Path | None) -> ExitCode:
    """Print the script, or write it; nothing is submitted."""
    import typer

    from t2disc import study
    from t2disc.store import write_file

    study.read_protocol(request.protocol_file, model=request.model, models=request.models)  # or a refusal, now
    study.refuse_misplaced_out(request.study_dir, request.out, request.labels_dir)
    text = slurm_script(request, n_shards, options)
    if script is None:
        typer.echo(text, nl=False)
    else:
        write_file(script, text.encode())
    return ExitCode.DONE


def slurm_script(request: FitRequest, n_shards: int, options: Sequence[str] = ()) -> str:
    """Return a bash script that submits the fit of a study.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: an option that is none of sbatch, or text that holds a control character.
    """
    arguments = ["t2disc", "fit", *_arguments(request)]
    for text in (*arguments, *options):
        if not text.isprintable():
            raise ArgumentInvalid(
                "a control character in a path or an option", expected="paths and options in one line"
            )
    for option in options:
        if not option.startswith("-"):
            raise ArgumentInvalid("an option for sbatch that is none", expected="options such as --mem=2G")
    lines = "".join(f"#SBATCH {option}\n" for option in options)
    return _SCRIPT.format(n_shards=n_shards, options=lines, fit=shlex.join(arguments))


def _arguments(request: FitRequest) -> Iterator[str]:
    """Yield the arguments of every task's run; places are told in full, for tasks may start in another folder."""
    yield from (str(request.study_dir.absolute()), "--out", str(request.out.absolute()))
    for option, path in (("--labels", request.labels_dir), ("--protocol", request.protocol_file)):
        if path is not None:
            yield from (option, str(path.absolute()))
    if request.model is not None:
        yield from ("--model", request.model)
    if request.models:
        yield from ("--models", ",".join(request.models))
    if request.with_figures:
        yield "--figures"
    if request.memory_limit_mib is not None:
        yield from ("--memory-limit", str(request.memory_limit_mib))
    if request.reason:
        yield from ("--reason", request.reason)
    yield from ("--timeout", f"{request.timeout_s:g}", "--jobs", "1")
