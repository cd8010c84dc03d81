"""Signals that end a process: the first one unwinds what runs, and what it unwinds is not disturbed by a second one.

Loads nothing, so that it holds while everything else is loaded.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

INTERRUPTED, TERMINATED = 130, 143
_CODES = {
    name: code
    for name, code in (("SIGINT", INTERRUPTED), ("SIGTERM", TERMINATED), ("SIGHUP", TERMINATED))
    if hasattr(signal, name)  # Windows has no SIGHUP
}


_Handler = Callable[[int, FrameType | None], None]


class Terminated(BaseException):
    """SIGTERM arrived, or the terminal was closed."""


class _Ended(BaseException):
    """A signal arrived where no command is running."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@contextmanager
def ending_with_a_code(*, is_own_process: bool) -> Iterator[None]:
    """Let a process end with a code of its own, whatever arrives before and after its command.

    A signal that finds no handler ends a process by itself, with no code of ours, though all was done; and one that
    finds Python's own prints a traceback, which holds paths.
    """
    if not is_own_process or not _can_handle():
        yield
        return
    _install(_raise_ended)
    try:
        yield
    except _Ended as ended:
        raise SystemExit(ended.code) from None
    finally:
        _be_deaf()


@contextmanager
def unwinding() -> Iterator[None]:
    """Let signals unwind a command as Ctrl-C does: locks are freed, children ended, nothing half-written stays.

    Raises
    ------
    KeyboardInterrupt, Terminated
        Once: while what runs is unwound, further signals are not heard.
    """
    if not _can_handle():
        yield
        return
    before = _install(_raise_kind)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _can_handle() -> bool:
    return threading.current_thread() is threading.main_thread()


def _install(handler: _Handler) -> dict[signal.Signals, Any]:
    """Install a handler for each signal that is not ignored, as those of a shell's background jobs are; return those
    that it replaces.
    """
    before = {number: signal.getsignal(number) for number in _numbers()}
    heard = {number: old for number, old in before.items() if old is not signal.SIG_IGN and old is not None}
    for number in heard:
        signal.signal(number, handler)
    return heard


def _numbers() -> Iterator[signal.Signals]:
    return (signal.Signals[name] for name in _CODES)


def _be_deaf() -> None:
    for number in _numbers():
        signal.signal(number, signal.SIG_IGN)


def _raise_kind(number: int, _frame: FrameType | None) -> None:
    _be_deaf()
    raise KeyboardInterrupt if number == signal.SIGINT else Terminated


def _raise_ended(number: int, _frame: FrameType | None) -> None:
    _be_deaf()
    raise _Ended(_CODES[signal.Signals(number).name])
