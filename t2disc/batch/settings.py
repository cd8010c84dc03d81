"""What a run needs to know beside its visits."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from t2disc import study
from t2disc.batch.limits import Limits
from t2disc.batch.shards import Shard
from t2disc.errors import ArgumentInvalid

if TYPE_CHECKING:
    from t2disc.model import Visit
    from t2disc.model.protocol import Protocol

    VisitStory = Callable[[Visit, Protocol, study.LabelFolders], study.VisitResult]

LOCAL = "local"
DASK_LOCAL = "dask-local"
_EXECUTORS = re.compile(rf"{LOCAL}|{DASK_LOCAL}|dask://[^\s/]+:[0-9]+")

TIMEOUT_S = 1800.0
"""A visit of clinical size takes seconds to a minute; half an hour is no visit's, on any machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """What a run needs to know beside its visits.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: jobs below 0, a limit that is not above 0, or an executor that there is not.
    """

    out: Path
    protocol: Protocol
    labels_dir: Path | None = None
    corrections_dir: Path | None = None  # its label maps come before those of labels_dir
    with_figures: bool = False
    jobs: int = (
        0  # child processes or dask-local workers at once, one visit each; 0 measures in this process, without limits
    )
    memory_limit_mib: int | None = None  # of a child's data, MiB
    timeout_s: float | None = TIMEOUT_S  # of a child, s
    only: tuple[str, ...] = ()  # participants or visits, as sub-X or sub-X/ses-Y with * and ?; () for all
    redo: tuple[str, ...] = ()  # those that are measured again though nothing has changed
    reason: str = ""  # why a study is run again; a locked one is not without
    executor: str = LOCAL  # or dask-local, or dask://host:port: where tasks are done
    shard: Shard | None = None  # the part of the study that is measured, without tables; None for all
    analyse: VisitStory = study.analyse_visit  # goes to the children by its name, as a module's function

    def __post_init__(self) -> None:
        if self.jobs < 0:
            raise ArgumentInvalid(f"{self.jobs} jobs", expected="0 (in this process), 1 or more")
        if not _EXECUTORS.fullmatch(self.executor):
            raise ArgumentInvalid("an executor that there is not", expected="local, dask-local or dask://host:port")
        if self.executor != LOCAL and not self.jobs:
            raise ArgumentInvalid(
                f"0 jobs (in this process) with the executor {self.executor.split(':')[0]}", expected="1 job or more"
            )
        for name, limit in (("MiB", self.memory_limit_mib), ("s", self.timeout_s)):
            if limit is not None and not limit > 0:
                raise ArgumentInvalid(f"a limit of {limit:g} {name}", expected="a limit above 0, or none")

    @property
    def label_folders(self) -> study.LabelFolders:
        """Where label maps are looked for."""
        return study.LabelFolders(corrections=self.corrections_dir, given=self.labels_dir)

    @property
    def limits(self) -> Limits:
        """What each child may use."""
        return Limits(memory_mib=self.memory_limit_mib, timeout_s=self.timeout_s)
