"""Where tasks are done: one after the other in this process, each in a child of its own, or by workers of dask."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace

from t2disc.batch.distributed import do_on_dask
from t2disc.batch.settings import LOCAL, RunSettings
from t2disc.batch.supervisor import do_in_children
from t2disc.batch.task import Ended, Task, concerns_the_run
from t2disc.batch.work import attempt


def do_tasks(tasks: Sequence[Task], settings: RunSettings) -> Generator[Ended, None, None]:
    """Do every task and yield each as it ends; one that came to no end of its own is given up, and the others go on.

    Close the generator (:func:`contextlib.closing`) when it is left early: no child outlives it.

    Raises
    ------
    StoreError, InstallError, ExecutorError
        What concerns the whole run.
    """
    with closing(_do(tasks, settings)) as every:
        for ended in every:
            yield ended if ended.done else replace(ended, done=ended.task.give_up(ended.faults[-1]))


def _do(tasks: Sequence[Task], settings: RunSettings) -> Generator[Ended, None, None]:
    if settings.executor != LOCAL:
        return do_on_dask(tasks, settings)
    return do_in_children(tasks, settings.jobs, settings.limits) if settings.jobs else _do_here(tasks)


def _do_here(tasks: Sequence[Task]) -> Generator[Ended, None, None]:
    for task in tasks:
        report = attempt(task)
        if report.fault is not None and concerns_the_run(report.fault):
            raise report.fault
        faults = (report.fault,) if report.fault else ()
        yield Ended(task=task, done=report.done, faults=faults, effort=report.effort)
