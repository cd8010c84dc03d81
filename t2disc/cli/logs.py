"""The log of a run: on stderr while it goes on, and kept beside the results. It holds no path and no header text."""

from __future__ import annotations

import logging
import os
import warnings
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from time import gmtime, monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

log = logging.getLogger("t2disc")

_SAVED_EVERY_S = 1.0  # of a long log
_LONG = 1000  # lines
_FORMAT = logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
_FORMAT.converter = gmtime


class RunLog(logging.Handler):
    """Keeps the lines of a run, to be stored whole."""

    def __init__(self, command: str) -> None:
        super().__init__()
        self.setFormatter(_FORMAT)
        started = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        self._name = f"{command}_{started}_{os.getpid()}.log"
        self._lines: list[str] = []
        self._saved_at = -inf

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        self._lines.append(self.format(record))

    def keep(self, level: str, text: str) -> None:
        """Keep a line that is told elsewhere in another way."""
        self.handle(logging.LogRecord(log.name, logging.getLevelName(level), "", 0, text, None, None))

    def save(self, out: Path) -> None:
        """Store the lines so far as ``logs/<command>_<time>_<pid>.log`` in the output folder."""
        from t2disc.store import write_file

        write_file(out / "logs" / self._name, ("\n".join(self._lines) + "\n").encode(), is_durable=False)
        self._saved_at = monotonic()

    def save_now_and_then(self, out: Path) -> None:
        """Store the lines so far; of a long log, that of thousands of visits, not if that was just done."""
        if len(self._lines) < _LONG or monotonic() - self._saved_at >= _SAVED_EVERY_S:
            self.save(out)


class _Stderr(logging.Handler):
    """Prints through rich, so that lines and progress bar do not run into each other."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Print one line."""
        self._console.print(self.format(record), markup=False, highlight=False, soft_wrap=True)


def start_logging(console: Console) -> None:
    """Send t2disc's own log to stderr and silence the libraries', which quote headers.

    On a terminal the progress bar tells what goes on, so only warnings are printed there.
    """
    warnings.simplefilter("ignore")
    logging.lastResort = None  # loggers without a handler print warnings through it
    handler = _Stderr(console)
    handler.setFormatter(_FORMAT)
    handler.setLevel(logging.WARNING if console.is_terminal else logging.INFO)
    log.handlers = [handler]
    log.setLevel(logging.INFO)
    log.propagate = False
