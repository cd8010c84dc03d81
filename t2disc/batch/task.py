"""A piece of work that stands alone, and how it ended; where it is done, here or in a child, is not its concern."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol

from t2disc.errors import ExecutorError, InstallError, OutputsDamaged, StoreError, T2DiscError


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a task left: its record and files lie on disk, so that little crosses from a child."""

    written: tuple[PurePosixPath, ...] = ()  # files that were written, below the task's folder
    remarks: tuple[str, ...] = ()  # what should be looked at
    has_steady_inputs: bool = False  # whether its files, before and after, were those that were found for the plan


class Task(Protocol):
    """Something to be done that goes to a child process by pickle."""

    @property
    def key(self) -> str:
        """The visit or pair, in a line."""

    def do(self) -> Done:
        """Do it and publish what comes of it, be it a result or a coded refusal.

        Doing it twice gives the same bytes. Anything raised is no finding of the task's own: a fault of the disk or
        of the installation ends the run, any other the task.
        """

    def give_up(self, fault: T2DiscError) -> Done:
        """Publish that it could not be done, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """What a task cost."""

    seconds: float
    peak_mib: float | None = None  # most memory that its process held, MiB; None where the process is not its own
    n_tries: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a task ended; ``faults`` of its tries, the last of which counts where ``done`` is None."""

    task: Task
    done: Done | None
    faults: tuple[T2DiscError, ...] = ()
    effort: Effort


def concerns_the_run(fault: T2DiscError) -> bool:
    """Tell whether a fault would meet every other task too: the disk, the installation, the workers."""
    return isinstance(fault, (ExecutorError, InstallError, StoreError)) and not isinstance(fault, OutputsDamaged)
