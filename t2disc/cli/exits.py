"""Exit codes: what a script that calls t2disc can rely on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path

import typer

from t2disc.cli import ending, streams
from t2disc.cli.ending import Terminated, unwinding
from t2disc.cli.logs import log
from t2disc.errors import (
    ArgumentInvalid,
    ExecutorError,
    InputError,
    InstallError,
    StoreError,
    StudyError,
    StudyNotFound,
    T2DiscError,
    UsageError,
)


class ExitCode(IntEnum):
    """How a command ended; :data:`MEANINGS` says it in words."""

    DONE = 0
    INTERNAL = 1
    USAGE = 2
    QUARANTINED = 3
    ENVIRONMENT = 4
    INTERRUPTED = ending.INTERRUPTED
    PIPE_CLOSED = streams.PIPE_CLOSED
    TERMINATED = ending.TERMINATED


MEANINGS = {
    ExitCode.DONE: "all done",
    ExitCode.INTERNAL: "internal error",
    ExitCode.USAGE: "usage, protocol file, or the study folder or its labels as a whole",
    ExitCode.QUARANTINED: "some visits quarantined, the others done",
    ExitCode.ENVIRONMENT: "environment (disk full, output folder in use, no permission, damaged installation, output "
    "that cannot be printed), or, of verify and reproduce, results that are not as they were",
    ExitCode.INTERRUPTED: "interrupted (Ctrl-C)",
    ExitCode.PIPE_CLOSED: "stopped, as nobody reads the output any more (a pipe into head)",
    ExitCode.TERMINATED: "terminated (SIGTERM, or the terminal closed)",
}
"""The one home of the meanings: the help prints them, and docs/protocol.md is compared with them."""

_CORRECT_THE_COMMAND = "correct the command; its --help tells what it takes"


@contextmanager
def coded_exits(study: Path | None = None) -> Iterator[None]:
    """Turn whatever ends a command into its exit code, told in one line on stderr.

    A study folder that is not found is repeated as it was typed: on stderr alone, as no run has a log by then.
    """
    try:
        with unwinding():
            yield
    except (typer.Exit, typer.BadParameter):
        raise
    except KeyboardInterrupt:
        _leave("interrupted; what is done stays done", ExitCode.INTERRUPTED)
    except Terminated:
        _leave("terminated; what is done stays done", ExitCode.TERMINATED)
    except StudyNotFound as error:
        _leave(f"{error} (given: {study})" if study else str(error), exit_code(error))
    except ArgumentInvalid as error:
        if error.todo == ArgumentInvalid.todo:  # written for calls from Python
            error.todo = _CORRECT_THE_COMMAND
        _leave(str(error), exit_code(error))
    except T2DiscError as error:
        _leave(str(error), exit_code(error))
    except Exception as fault:
        from t2disc.batch import as_refusal

        _leave(str(as_refusal(fault)), ExitCode.INTERNAL)


def exit_code(error: T2DiscError) -> ExitCode:
    """Return the exit code of an error that ends a command; what is wrong with one visit alone ends none."""
    if isinstance(error, (ExecutorError, InstallError, StoreError)):
        return ExitCode.ENVIRONMENT
    return ExitCode.USAGE if isinstance(error, (UsageError, StudyError, InputError)) else ExitCode.INTERNAL


def _leave(text: str, code: ExitCode) -> None:
    log.error(text)
    raise typer.Exit(int(code))
