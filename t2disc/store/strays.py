"""What lies among the outputs though no manifest lists it: results of nobody, and what is no result at all."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from t2disc.store.manifest import is_entry
from t2disc.store.reading import is_reading_key

_OWN = re.compile(
    r"manifest\.json|audit\.jsonl|index\.sqlite|dataset_description\.json|\.bidsignore|index\.html"
    r"|(ratings|disagreements|agreement)\.(tsv|json)"
    r"|\.t2disc\..+|\..+\.tmp|\.ses-.+\.(staged|aside)"
    r"|sub-[0-9A-Za-z]+_report\.html|.+\.(png|svg)",
    re.IGNORECASE,
)
"""What t2disc writes beside its results, or has not yet published; pictures are those of ``t2disc plot``."""
_OWN_FOLDERS = ("logs", "review")
_OF_PEOPLE = "phenotype"
_OF_BIDS = re.compile(r"(README|CHANGES|LICENSE)(\..+)?|CITATION\.cff", re.IGNORECASE)
"""Words that people may write to a dataset."""
_NO_RESULT = re.compile(r"participants\.(tsv|json|csv|xlsx)|.+_(sessions|scans)\.(tsv|json)")
_RESULT = re.compile(r"(?!\.).+\.(tsv|csv|xlsx|json|nii|nii\.gz)", re.IGNORECASE)
"""What BIDS tools and statisticians take for data; hidden files they do not see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stray:
    """Something that t2disc did not publish; ``is_result`` where it may be taken for a result of this study."""

    path: PurePosixPath  # below the outputs
    is_result: bool


def strays(out: Path, tables: Collection[str], folders: Collection[str]) -> Iterator[Stray]:
    """Yield what lies at the root of the outputs and in participants' folders beside what was published.

    Parameters
    ----------
    out
        The outputs.
    tables
        Names of the files at the root that a manifest lists.
    folders
        Folders of visits and pairs below ``out``; each has a manifest of its own, and is not looked into.

    Logs, reports, pictures, ratings, the key of a reading set, and a README are no strays. A folder that is none of
    t2disc's is named as a whole: as a result where it is a participant's or lies in one's, or holds images
    or tables (``phenotype/``, where BIDS has tables of people, may hold those).
    """
    for path in sorted(out.iterdir()):
        if path.name in tables or path.name in _OWN_FOLDERS or _OF_BIDS.fullmatch(path.name):
            continue
        if path.name.startswith("sub-") and any(name.startswith(f"{path.name}/") for name in folders):
            yield from _below(out, path, folders)
        elif not _is_own(path):
            yield _stray(out, path, is_result=_is_result(path) or (_is_plain(path) and _holds_results(path)))


def _below(out: Path, folder: Path, folders: Collection[str]) -> Iterator[Stray]:
    """Yield the strays in a participant's folder, and in that of its pairs."""
    for path in sorted(folder.iterdir()):
        name = path.relative_to(out).as_posix()
        if path.name == "pairs" and any(each.startswith(f"{name}/") for each in folders):
            yield from _below(out, path, folders)
        elif name not in folders and not _is_own(path):
            yield _stray(out, path, is_result=_is_result(path) or _is_plain(path))


def _is_own(path: Path) -> bool:
    """Tell whether t2disc may have written a file beside its results, or all files of a folder; there may be none."""
    if _is_plain(path) and not path.name.startswith("."):
        return all(_is_own(each) for each in path.rglob("*") if is_entry(each))
    return _OWN.fullmatch(path.name) is not None or (path.suffix == ".json" and is_reading_key(path))


def _is_plain(path: Path) -> bool:
    return not is_entry(path)  # a folder, and no link to one


def _is_result(path: Path) -> bool:
    """Tell whether a file, a participant's or visit's folder, or a link to one, is taken for results by its name."""
    name = path.name
    if path.is_dir():
        return name.startswith(("sub-", "ses-"))
    return _RESULT.fullmatch(name) is not None and not _NO_RESULT.fullmatch(name)


def _holds_results(folder: Path) -> bool:
    if folder.name.startswith("."):
        return False
    tables = () if folder.name == _OF_PEOPLE else folder.rglob("*.tsv")
    return any(folder.rglob("*.nii*")) or any(not _NO_RESULT.fullmatch(each.name) for each in tables)


def _stray(out: Path, path: Path, *, is_result: bool) -> Stray:
    return Stray(path=PurePosixPath(path.relative_to(out).as_posix()), is_result=is_result)
