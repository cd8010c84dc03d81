"""What to run, and running it: one bad visit never stops the others."""

from t2disc.batch.faults import as_refusal
from t2disc.batch.limits import usable_cores
from t2disc.batch.plan import Decision, Earlier, Wanted, decide
from t2disc.batch.progress import Reporter
from t2disc.batch.run import StudyOutcome, run_study
from t2disc.batch.settings import RunSettings
from t2disc.batch.task import Effort

__all__ = [
    "Decision",
    "Earlier",
    "Effort",
    "Reporter",
    "RunSettings",
    "StudyOutcome",
    "Wanted",
    "as_refusal",
    "decide",
    "run_study",
    "usable_cores",
]
