"""Standard output and error of a process of ours: what cannot be written there has an end of its own, and no traceback.

Loads nothing heavy, so that it holds while everything else is loaded.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from t2disc.errors import StdoutUnwritable

# What a shell tells of a program that SIGPIPE ended, 128 + 13. Python ignores that signal, and the programs of Unix do
# not: `t2disc status OUT | head -1` ends as `cat FILE | head -1` does, with no word, as nobody is there to read it.
# Not 0: whoever looks at the code (`set -o pipefail`) must not take what was cut off for all there is.
PIPE_CLOSED = 141
_STDERR = 2  # the last of the descriptors that every process has


class PipeClosed(BaseException):
    """Whoever read the output went away."""


@contextmanager
def guarded_streams(*, is_own_process: bool) -> Iterator[None]:
    """Let a process end well where its output cannot be written, whichever library writes it.

    Where nobody reads any more it ends at once and quietly (141). Results that cannot be written, as on a full disk,
    are ``stdout-unwritable``; of the log on stderr such lines are left away, for it is kept beside the results too.
    """
    before = sys.stdout, sys.stderr
    if is_own_process:
        _fill_closed()
        sys.stdout, sys.stderr = _guarded(sys.stdout, has_results=True), _guarded(sys.stderr, has_results=False)
    try:
        yield
    except PipeClosed:
        raise SystemExit(PIPE_CLOSED) from None
    except StdoutUnwritable as error:  # while no command was running: --help and --version
        if cast("TextIO | None", sys.stderr) is not None:
            sys.stderr.write(f"{error}\n")
        raise SystemExit(4) from None
    finally:
        sys.stdout, sys.stderr = before


class _Stream:
    """A text stream whose faults are ours; it is the one that it stands for in all else."""

    def __init__(self, stream: TextIO, *, has_results: bool) -> None:
        self._stream, self._has_results = stream, has_results
        self._fault = ""  # told again and again: libraries try what a stream takes, and pass over that it fails

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with self._told():
            self._stream.write(text)
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        with self._told():
            self._stream.flush()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._drain()
            if _is_closed_pipe(error):
                raise PipeClosed from None
            self._fault = errno.errorcode.get(error.errno or 0, type(error).__name__)
        if self._fault and self._has_results:
            raise StdoutUnwritable(f"results that the system does not let be printed ({self._fault})")

    def _drain(self) -> None:
        """Let what is still held back go nowhere, or Python would try once more at its end, and tell that it failed."""
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


def _guarded(stream: TextIO, *, has_results: bool) -> TextIO:
    """Return a stream that is guarded; where a process has none, results cannot be printed, and a log goes nowhere."""
    if cast("TextIO | None", stream) is None:
        if not has_results:
            return stream
        stream = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w", buffering=1, encoding="utf-8")  # refuses: EBADF
    return cast(TextIO, _Stream(stream, has_results=has_results))


def _fill_closed() -> None:
    """Let standard streams that a shell has closed lead nowhere, lest a file of ours is opened in their place."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def _is_closed_pipe(error: OSError) -> bool:
    return isinstance(error, BrokenPipeError) or (os.name == "nt" and error.errno == errno.EINVAL)
