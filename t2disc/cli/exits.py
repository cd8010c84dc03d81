"""Exit codes: what a script that calls t2disc can rely on."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from types import FrameType

import typer

from t2disc.errors import InputError, StoreError, StudyError, T2DiscError, UsageError

log = logging.getLogger("t2disc")


class ExitCode(IntEnum):
    """How a command ended."""

    DONE = 0  # everything was done
    INTERNAL = 1  # a fault of t2disc
    USAGE = 2  # the call, the protocol file or the layout of the study folder
    QUARANTINED = 3  # some visits were refused; the others are done
    ENVIRONMENT = 4  # disk, lock or permission
    INTERRUPTED = 130  # Ctrl-C
    TERMINATED = 143  # SIGTERM


class Terminated(BaseException):
    """SIGTERM arrived."""


@contextmanager
def coded_exits() -> Iterator[None]:
    """Turn whatever ends a command into its exit code, told in one line on stderr."""
    try:
        with _terminable():
            yield
    except (typer.Exit, typer.BadParameter, BrokenPipeError):
        raise
    except KeyboardInterrupt:
        _leave("interrupted; visits that are done stay done", ExitCode.INTERRUPTED)
    except Terminated:
        _leave("terminated; visits that are done stay done", ExitCode.TERMINATED)
    except T2DiscError as error:
        _leave(str(error), exit_code(error))
    except Exception as fault:
        from t2disc.batch import as_refusal

        _leave(str(as_refusal(fault)), ExitCode.INTERNAL)


def exit_code(error: T2DiscError) -> ExitCode:
    """Return the exit code of an error that ends a command."""
    if isinstance(error, StoreError):
        return ExitCode.ENVIRONMENT
    if isinstance(error, (UsageError, StudyError)):
        return ExitCode.USAGE
    return ExitCode.QUARANTINED if isinstance(error, InputError) else ExitCode.INTERNAL


def _leave(text: str, code: ExitCode) -> None:
    log.error(text)
    raise typer.Exit(int(code))


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM unwind the stack like Ctrl-C does, so that locks are freed and nothing half-written stays."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise Terminated
