"""What the options of a command mean in terms of studies and batches."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from t2disc.batch import RunSettings
    from t2disc.model import Visit
    from t2disc.model.protocol import Protocol
    from t2disc.study import LabelFolders, PseudonymKey


@dataclass(frozen=True, slots=True, kw_only=True)
class FitRequest:
    """The arguments of ``t2disc fit``."""

    study_dir: Path
    out: Path
    labels_dir: Path | None = None
    protocol_file: Path | None = None
    model: str | None = None
    models: tuple[str, ...] = ()
    with_figures: bool = False
    jobs: int | None = None  # None for one for each core
    memory_limit_mib: int | None = None
    only: tuple[str, ...] = ()
    redo: tuple[str, ...] = ()
    as_json: bool = False
    reason: str = ""
    timeout_s: float = 1800.0
    executor: str = "local"
    shard: str | None = None  # i/n


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulateRequest:
    """The arguments of ``t2disc simulate``."""

    n_participants: int = 2
    vendors: tuple[str, ...] = ("siemens", "philips_enhanced")  # in turn
    seed: int = 0
    size: str = "small"
    snr: float | None = None
    model: str = "mono"


def default_out(study_dir: Path) -> Path:
    """Return where the outputs go unless told otherwise."""
    return study_dir / "derivatives" / "t2disc"


def key_for(request: FitRequest, protocol: Protocol) -> PseudonymKey | None:
    """Return the key of a heap's pseudonyms; shards, which start together, make none lest each make its own."""
    from t2disc import study

    if not is_heap(request, protocol):
        return None
    return study.read_or_make_key(request.study_dir) if request.shard is None else study.read_key(request.study_dir)


def find_study(request: FitRequest, protocol: Protocol, key: PseudonymKey | None) -> tuple[Visit, ...]:
    """Find the visits of the study; files that the outputs' index knows are not opened."""
    from t2disc import store, study

    known = store.read_index(request.out).inputs
    return study.find_visits(request.study_dir, protocol, ignore=_ignored(request), key=key, known=known)


def label_folders(request: FitRequest) -> LabelFolders:
    """Return where label maps are looked for."""
    from t2disc import study

    corrections = study.corrections_folder(request.study_dir)
    return study.LabelFolders(corrections=corrections, given=request.labels_dir)


def is_heap(request: FitRequest, protocol: Protocol) -> bool:
    """Tell whether the study is one heap of files, told apart by their headers."""
    from t2disc import study

    return study.detect_layout(request.study_dir, protocol.study.layout, _ignored(request)) == "heap"


def _ignored(request: FitRequest) -> tuple[Path, ...]:
    return (request.out, request.labels_dir) if request.labels_dir else (request.out,)


def settings_for(request: FitRequest, protocol: Protocol) -> RunSettings:
    """Return what a batch needs to know."""
    from t2disc.batch import RunSettings, Shard, usable_cores

    return RunSettings(
        out=request.out,
        protocol=protocol,
        labels_dir=request.labels_dir,
        corrections_dir=label_folders(request).corrections,
        with_figures=request.with_figures,
        jobs=usable_cores() if request.jobs is None else request.jobs,
        memory_limit_mib=request.memory_limit_mib,
        timeout_s=request.timeout_s,
        only=request.only,
        redo=request.redo,
        reason=request.reason,
        executor=request.executor,
        shard=None if request.shard is None else Shard.parse(request.shard),
    )


def study_warnings(
    request: FitRequest, protocol: Protocol, key: PseudonymKey | None, visits: tuple[Visit, ...]
) -> tuple[str, ...]:
    """Return what should be looked at before anything is measured: whoever is named and not there."""
    from t2disc import study

    missing = study.participant_warnings(request.study_dir, visits, protocol, ignore=_ignored(request), key=key)
    folders = label_folders(request)
    unlabelled = study.label_warnings(visits, folders, automatic=protocol.segment.automatic)
    return (*missing, *unlabelled, *study.correction_warnings(visits, folders.corrections))
