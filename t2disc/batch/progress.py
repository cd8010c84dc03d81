"""What a run tells of itself while it goes on; the command line draws it, tests listen to it."""

from __future__ import annotations

from typing import Protocol

from t2disc.batch.plan import Decision
from t2disc.batch.task import Effort
from t2disc.model import Visit
from t2disc.store import PairRecord, VisitRecord


class Reporter(Protocol):
    """Listens to a run."""

    def run_started(self, n_visits: int) -> None:
        """Tell that the output folder is held and ``n_visits`` visits follow."""

    def visit_planned(self, visit: Visit, decision: Decision) -> None:
        """Tell what is decided of a visit, and why; all are planned before the first is measured."""

    def visit_warned(self, visit: Visit, text: str) -> None:
        """Tell what should be looked at in a visit that goes on."""

    def visit_finished(self, record: VisitRecord, effort: Effort, compared: str) -> None:
        """Tell how a visit ended, done or quarantined, and how that stands to its earlier result; in any order."""

    def pairs_started(self, n_pairs: int) -> None:
        """Tell that all visits are done and ``n_pairs`` pairs of visits follow."""

    def pair_warned(self, key: str, text: str) -> None:
        """Tell what should be looked at in a pair that goes on."""

    def pair_finished(self, record: PairRecord, effort: Effort, decision: Decision) -> None:
        """Tell how a pair ended, matched or refused, and why it was measured or left alone."""


class Silent:
    """Tells nothing."""

    def run_started(self, n_visits: int) -> None:
        """Say nothing."""

    def visit_planned(self, visit: Visit, decision: Decision) -> None:
        """Say nothing."""

    def visit_warned(self, visit: Visit, text: str) -> None:
        """Say nothing."""

    def visit_finished(self, record: VisitRecord, effort: Effort, compared: str) -> None:
        """Say nothing."""

    def pairs_started(self, n_pairs: int) -> None:
        """Say nothing."""

    def pair_warned(self, key: str, text: str) -> None:
        """Say nothing."""

    def pair_finished(self, record: PairRecord, effort: Effort, decision: Decision) -> None:
        """Say nothing."""
