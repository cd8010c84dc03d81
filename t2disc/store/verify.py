"""Looking at every byte of the outputs again, and naming each file that is not as it was published."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from t2disc.store.audit import read_audit, read_left_audit
from t2disc.store.manifest import MANIFEST, file_sha256, is_entry, is_whole, listed_sha256s, manifest_sha256
from t2disc.store.pairs import pair_folder, recorded_pairs
from t2disc.store.records import recorded_keys
from t2disc.store.strays import strays
from t2disc.store.studymanifest import STUDY_MANIFEST, StudyManifest, read_study_manifest

What = Literal[
    "changed",
    "missing",
    "not listed",
    "no manifest of t2disc",
    "not as the audit tells",
    "not published by t2disc",
    "no result of t2disc",
    "no tables yet: an unfinished run; run t2disc fit",
    "newer than the tables: run t2disc fit",
    "changed, or of a run that was cut off",
]
_NO_MANIFEST: What = "no manifest of t2disc"
_UNFINISHED: What = "no tables yet: an unfinished run; run t2disc fit"
_NEWER: What = "newer than the tables: run t2disc fit"
_CUT_OFF: What = "changed, or of a run that was cut off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One file that is not as it was published."""

    path: PurePosixPath  # below the outputs
    what: What

    def __str__(self) -> str:
        return f"{self.path}: {self.what}"

    @property
    def is_wrong(self) -> bool:
        """Whether results are not as they were published; not of what lies beside them and is taken for none."""
        return self.what != "no result of t2disc"


def verify_outputs(out: Path) -> tuple[int, tuple[Finding, ...]]:
    """Read every file that a manifest lists, and return how many there are and which are not as they were published.

    The manifest of the study lists the tables, what describes the dataset, and the manifest of each visit and pair;
    these list their own files. The audit log tells of the latest state of each. Whatever else lies at the root or in a
    participant's folder is named. Reports, pictures, logs, ratings and the index can be made again, or guard
    themselves, and are not looked at; nor is README.md, into which people may write.

    Raises
    ------
    AuditDamaged
        ``audit-damaged``: a line of the audit log was changed or taken out.
    """
    study, told = read_study_manifest(out), _told(out)
    if study is None:
        is_lost = os.path.lexists(out / STUDY_MANIFEST) or STUDY_MANIFEST in told
        found = [Finding(path=PurePosixPath(STUDY_MANIFEST), what=_NO_MANIFEST if is_lost else _UNFINISHED)]
        study = StudyManifest(version="", settings_sha256="", folders={}, files={})
    else:
        found = [*_untold(out, study, told), *_tables(out, study)]
    n_files = len(study.files)
    folders = sorted({*study.folders, *_folders(out)})
    for name in folders:
        n_listed, wrong = _folder(out, name, study.folders.get(name), told.get(name))
        n_files += n_listed
        found += wrong
    return n_files, (*found, *_strays(out, study, folders))


def _told(out: Path) -> Mapping[str, str | None]:
    """Return the latest check sum of each target by the audit log and by what shards have left for it."""
    left = {each.target: each.after_sha256 for each in read_left_audit(out).entries}
    return {**read_audit(out).states, **left}


def _strays(out: Path, study: StudyManifest, folders: Collection[str]) -> Iterator[Finding]:
    """Yield what no manifest lists; of a study without a manifest nothing is known of the tables."""
    for each in strays(out, study.files, folders):
        if study.files or len(each.path.parts) > 1 or each.path.name.startswith("sub-"):
            yield Finding(path=each.path, what="not published by t2disc" if each.is_result else "no result of t2disc")


def _untold(out: Path, study: StudyManifest, told: Mapping[str, str | None]) -> Iterator[Finding]:
    """Yield manifests that are not the ones the audit log told of last, or that it does not tell of.

    Lines that were cut from its end, or made illegible there, leave a chain that holds.
    """
    others = {name: manifest_sha256(out / name) for name in _folders(out)}  # of visits that the study has no more
    now = {**others, **study.folders, STUDY_MANIFEST: file_sha256(out / STUDY_MANIFEST)}
    for target, sha256 in sorted(now.items()):
        if told.get(target) != sha256 and not _is_newer(out / target, told.get(target)):
            path = PurePosixPath(target)
            yield Finding(path=path if target == STUDY_MANIFEST else path / MANIFEST, what="not as the audit tells")


def _tables(out: Path, study: StudyManifest) -> Iterator[Finding]:
    for name, sha256 in sorted(study.files.items()):
        if what := _difference(out / name, sha256):
            yield Finding(path=PurePosixPath(name), what=what)


def _folders(out: Path) -> Iterator[str]:
    """Yield the folders of visits and pairs that have a record."""
    yield from recorded_keys(out)
    for names in recorded_pairs(out):
        yield pair_folder(out, *names).relative_to(out).as_posix()


def _is_newer(folder: Path, told_sha256: str | None) -> bool:
    """Tell whether a visit or pair that the tables do not know so is what the audit log, or a shard, told of last."""
    return told_sha256 is not None and manifest_sha256(folder) == told_sha256 and is_whole(folder)


def _folder(out: Path, name: str, sha256: str | None, told_sha256: str | None) -> tuple[int, list[Finding]]:
    """Return how many files a folder's manifest lists, and what is wrong with them.

    ``sha256`` is that of the manifest by the study's, ``told_sha256`` by the audit log. A run that is cut off leaves
    visits that are whole, and newer than both.
    """
    folder, home = out / name, PurePosixPath(name)
    what = _difference(folder / MANIFEST, sha256) if sha256 is not None else None
    if what == "changed" and is_whole(folder):
        what = _NEWER if _is_newer(folder, told_sha256) else _CUT_OFF
    found = [Finding(path=home / MANIFEST, what=what)] if what else []
    listed = listed_sha256s(folder)
    if not listed:
        return 1, found or [Finding(path=home / MANIFEST, what=_NO_MANIFEST)]
    for path, listed_sha256 in sorted(listed.items()):
        if wrong := _difference(folder / path, listed_sha256):
            found.append(Finding(path=home / path, what=wrong))
    on_disk = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if is_entry(path)}
    found += [Finding(path=home / path, what="not listed") for path in sorted(on_disk - {*listed, MANIFEST})]
    return 1 + len(listed), found


def _difference(path: Path, sha256: str) -> What | None:
    found = None if path.is_symlink() else file_sha256(path)
    if found is None:
        return "changed" if path.exists() else "missing"
    return None if found == sha256 else "changed"
