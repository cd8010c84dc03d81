"""Where the outputs may go: never into the way of what is read."""

from __future__ import annotations

from pathlib import Path

from t2disc.errors import ArgumentInvalid
from t2disc.store import is_own_dataset
from t2disc.study.layout import CORRECTIONS, list_folder

_OUTPUTS = "derivatives"
_TODO = "choose another output folder with -o, or leave it out for STUDY/derivatives/t2disc"


def refuse_misplaced_out(study_dir: Path, out: Path, labels_dir: Path | None = None) -> None:
    """Refuse an output folder in which outputs would replace, hide or mix with what is read; nothing is written.

    Inside the study folder, outputs go below ``derivatives`` or into a direct sub-folder that is new, empty or holds
    earlier outputs of t2disc. They never go into the folder of labels or above it; where that folder is or holds the
    study itself, the rule for the study is enough. The study's folder ``corrections`` takes no outputs even when it is
    empty.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: ``out`` is, holds or lies wrongly inside one of the folders that are read.
    """
    study_dir, out = study_dir.resolve(), out.resolve()
    if study_dir.is_relative_to(out):
        raise _misplaced("is or holds the study folder", "a folder of its own")
    if out.is_relative_to(study_dir) and not _is_free(study_dir, out):
        raise _misplaced(
            "lies among the participants",
            "inside the study folder: a folder below derivatives, or a direct sub-folder that is new, empty or holds "
            "earlier outputs of t2disc",
        )
    labels = labels_dir.resolve() if labels_dir else None
    if labels and not study_dir.is_relative_to(labels) and (out.is_relative_to(labels) or labels.is_relative_to(out)):
        raise _misplaced("is, holds or lies in the folder of labels", "folders of their own for outputs and labels")


def _is_free(study_dir: Path, out: Path) -> bool:
    """Tell whether a folder inside the study may take the outputs."""
    first, *deeper = out.relative_to(study_dir).parts
    if deeper:
        return first == _OUTPUTS
    if first.lower() == CORRECTIONS:
        return False
    return not out.exists() or (out.is_dir() and (not list_folder(out) or is_own_dataset(out)))


def _misplaced(how: str, expected: str) -> ArgumentInvalid:
    return ArgumentInvalid(f"an output folder that {how}", expected=expected, todo=_TODO)
