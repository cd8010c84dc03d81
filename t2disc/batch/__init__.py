"""What to run, and running it: one bad visit never stops the others."""

from t2disc.batch.audit import Author, lock_study
from t2disc.batch.faults import as_refusal
from t2disc.batch.limits import usable_cores
from t2disc.batch.plan import Decision, Earlier, Wanted, decide
from t2disc.batch.progress import Reporter
from t2disc.batch.reproduce import Reproduced, reproduce_results
from t2disc.batch.run import StudyOutcome, run_study
from t2disc.batch.settings import RunSettings
from t2disc.batch.shards import Shard
from t2disc.batch.survey import Surveyed, rebuild_index, survey
from t2disc.batch.task import Effort
from t2disc.batch.visits import Planned, inputs_that_changed, plan_visits

__all__ = [
    "Author",
    "Decision",
    "Earlier",
    "Effort",
    "Planned",
    "Reporter",
    "Reproduced",
    "RunSettings",
    "Shard",
    "StudyOutcome",
    "Surveyed",
    "Wanted",
    "as_refusal",
    "decide",
    "inputs_that_changed",
    "lock_study",
    "plan_visits",
    "rebuild_index",
    "reproduce_results",
    "run_study",
    "survey",
    "usable_cores",
]
