"""Outputs of small studies: made without disturbance, and compared with what a disturbed run left."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from studies import tree

from t2disc import study
from t2disc.batch import RunSettings, StudyOutcome, run_study
from t2disc.batch.progress import Silent
from t2disc.model.protocol import FitSettings, Protocol
from t2disc.store import is_whole, verify_outputs

OTHER = Protocol(fit=FitSettings(model="loglinear"))
"""Settings that every file of an earlier result was made with, which a disturbed run is to replace."""


def measure(folder: Path, out: Path, reporter: Silent | None = None, **settings: object) -> StudyOutcome:
    """Run a study whose labels lie in it."""
    wanted = {"out": out, "protocol": Protocol(), "labels_dir": folder / "labels"} | settings
    visits = study.find_visits(folder, ignore=[out, folder / "labels"])
    return run_study(visits, RunSettings(**wanted), reporter)  # type: ignore[arg-type]


def not_as_published(out: Path, allowed: Sequence[dict[str, bytes]]) -> list[str]:
    """Return every file under a final name that is not, byte for byte, that of a run in ``allowed``, and every folder
    of a visit or pair that is not whole.
    """
    wrong = [
        name
        for name, content in tree(out).items()
        if not is_hidden(name) and all(run.get(name) != content for run in allowed)
    ]
    homes = (*out.glob("sub-*/ses-*"), *out.glob("sub-*/pairs/ses-*"))
    return wrong + [home.relative_to(out).as_posix() for home in homes if not is_whole(home)]


def is_hidden(name: str) -> bool:
    """Tell whether a file has a hidden name or lies in a hidden folder, as what is being written does."""
    return any(part.startswith(".") for part in Path(name).parts)


def is_completed(out: Path, whole: dict[str, bytes]) -> bool:
    """Tell whether outputs are those of an undisturbed run, nothing is left over, and the check of outputs agrees."""
    return not not_completed(out, whole)


def not_completed(out: Path, whole: dict[str, bytes]) -> list[str]:
    """Return what parts outputs from those of an undisturbed run."""
    found = tree(out)
    differing = [f"{name} differs" for name in sorted({*found, *whole}) if found.get(name) != whole.get(name)]
    wrong = [f"verify: {finding}" for finding in verify_outputs(out)[1]]
    return differing + [f"{name} is left over" for name in sorted(leftovers(out))] + wrong


def leftovers(out: Path) -> set[str]:
    """Return the hidden names that a run which ended in order does not leave."""
    return {path.name for path in out.rglob(".*")} - {".bidsignore"}


def two_results(folder: Path) -> tuple[Path, dict[str, bytes], dict[str, bytes]]:
    """Write a small study with ``whole``, its undisturbed outputs, and ``other``, those of other settings."""
    from studies import small_study

    if not (folder / "study").exists():
        small_study(folder / "study")
        measure(folder / "study", folder / "whole")
        measure(folder / "study", folder / "other", protocol=OTHER)
    return folder / "study", tree(folder / "whole"), tree(folder / "other")
