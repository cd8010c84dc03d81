"""What is seen of a run while it goes on: a bar on a terminal, plain lines otherwise, the log in both cases."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from t2disc.cli.logs import RunLog, log
from t2disc.errors import StoreError, T2DiscError

if TYPE_CHECKING:
    from rich.console import Console

    from t2disc.batch import Decision, Effort
    from t2disc.model import Visit
    from t2disc.store import PairRecord, VisitRecord


class RunProgress:
    """Listens to a run, logs it and draws it. A context manager: the log is stored again when the run ends."""

    def __init__(self, console: Console, out: Path, command: str) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task("visits", total=None)
        self._log = RunLog(command)
        self._out = out
        self._is_begun = False
        self._skipped: set[str] = set()

    def __enter__(self) -> RunProgress:
        log.addHandler(self._log)
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        log.removeHandler(self._log)
        if error is not None:  # whoever catches it tells it on stderr
            self._log.keep(
                "ERROR", str(error) if isinstance(error, T2DiscError) else f"ended by {type(error).__name__}"
            )
        if self._is_begun:  # a run that was refused at once wrote nothing, and its log is none
            with suppress(StoreError):  # what ended the run is told, be it the disk itself
                self._log.save(self._out)

    def run_started(self, n_visits: int) -> None:
        """Log the version and the number of visits."""
        from t2disc import __version__
        from t2disc.cli.show import counted

        log.info("t2disc %s: %s", __version__, counted(n_visits, "visit"))
        self._bar.update(self._task, total=n_visits)
        self._is_begun = True
        self._log.save(self._out)

    def visit_planned(self, visit: Visit, decision: Decision) -> None:
        """Log a visit's key, and why it runs or not."""
        log.info("%s: %s (%s)", visit.key, decision.action, decision.why)
        if decision.action == "skip":
            self._skipped.add(visit.key)

    def visit_warned(self, visit: Visit, text: str) -> None:
        """Log what should be looked at."""
        log.warning("%s: %s", visit.key, text)

    def visit_finished(self, record: VisitRecord, effort: Effort, compared: str) -> None:
        """Log how a visit ended, and whether its result is new; of one that was left alone enough has been told."""
        self._bar.update(self._task, advance=1, description=record.key)
        if record.key in self._skipped and record.is_done:
            return
        if record.is_done:
            log.info("%s: done in %s, %d discs; %s", record.key, _cost(effort), len(record.levels), compared)
        else:
            log.warning("%s: quarantined [%s] %s; %s", record.key, record.code, record.reason, compared)
        for note in record.notes:
            log.info("%s: note: %s", record.key, note)
        self._log.save_now_and_then(self._out)

    def pairs_started(self, n_pairs: int) -> None:
        """Begin to count pairs of visits."""
        if n_pairs:
            self._bar.reset(self._task, total=n_pairs, description="changes")

    def pair_warned(self, key: str, text: str) -> None:
        """Log what should be looked at."""
        log.warning("%s: %s", key, text)

    def pair_finished(self, record: PairRecord, effort: Effort, decision: Decision) -> None:
        """Log how a pair ended, and which of its discs should be looked at."""
        if record.is_matched:
            cost, n_discs = _cost(effort), len(record.matches)
            log.info("%s: %s (%s), %s, %d discs", record.key, decision.action, decision.why, cost, n_discs)
        else:
            log.warning("%s: not matched [%s] %s", record.key, record.code, record.reason)
        for match in record.matches:
            if match.codes:
                log.warning("%s: to review: %s %s", record.key, match.level, ", ".join(match.codes))
        self._bar.advance(self._task)
        self._log.save_now_and_then(self._out)

    def run_finished(self, warnings: tuple[str, ...]) -> None:
        """Log what should be looked at, and that the run came to its end."""
        for text in warnings:
            log.warning(text)
        log.info("run complete")


def _cost(effort: Effort) -> str:
    """Tell what a visit or a pair cost."""
    memory = "" if effort.peak_mib is None else f" and {effort.peak_mib:.0f} MiB"
    return f"{effort.seconds:.1f} s{memory}"
