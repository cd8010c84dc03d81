"""A visit's folder, put in place in one step: staged beside its target, completed by its manifest, renamed."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Collection, Sequence
from contextlib import suppress
from itertools import product
from pathlib import Path, PurePosixPath

from t2disc.errors import WriteFailed
from t2disc.store.files import StoredFile, flush_folder, keep_file, storing, write_file
from t2disc.store.manifest import MANIFEST, is_intact, manifest_file

_STAGED = ".staged"
_ASIDE = ".aside"


def publish_visit(target: Path, files: Sequence[StoredFile]) -> tuple[PurePosixPath, ...]:
    """Put a visit's files under ``target`` (``OUT/sub-X/ses-Y``), all of them or none.

    The files and, last, their manifest are written to a hidden folder beside the target, which then takes the
    target's place by renaming. A visit that stands there already with the same bytes is left as it is; of one that
    differs, the files that stay the same are taken over, with their times, and only the others are written.

    Returns
    -------
    tuple of PurePosixPath
        The files that were written; empty when nothing changed.

    Raises
    ------
    StoreError
        ``disk-full``, ``permission-denied`` or ``write-failed``; an earlier result of the visit is untouched. A
        symbolic link in the place of the visit's or its participant's folder is refused: it leads elsewhere.
    """
    _refuse_links(target)
    manifest = manifest_file(files)
    if is_intact(target, manifest):
        return ()
    _refuse_foreign(target)
    staged = target.with_name(f".{target.name}.{secrets.token_hex(4)}{_STAGED}")
    try:
        written = [file.path for file in files if _stage(file, staged, target)]
        write_file(staged / MANIFEST, manifest.content)
        _swap(staged, target)
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        raise
    return (*written, manifest.path)


def _stage(file: StoredFile, staged: Path, target: Path) -> bool:
    """Take a file over from ``target`` if it stands there already, otherwise write it; tell whether it was written."""
    new, old = (folder.joinpath(*file.path.parts) for folder in (staged, target))
    if keep_file(old, new, file.content):
        return False
    write_file(new, file.content)
    return True


def _refuse_links(target: Path) -> None:
    with storing(f"the folder {target.name}"):
        is_link = target.is_symlink() or target.parent.is_symlink()
    if is_link:
        raise WriteFailed(
            "a symbolic link in the place of a visit's or a participant's outputs",
            expected="folders of their own in the output folder",
            todo="remove the link, or choose another output folder with -o",
        )


def _refuse_foreign(target: Path) -> None:
    """Refuse to replace a folder that carries no manifest: t2disc did not write it, it may hold somebody's data."""
    with storing(f"the folder {target.name}"):
        is_foreign = target.exists() and not (target / MANIFEST).is_file()
    if is_foreign:
        raise WriteFailed(
            "a folder in the place of a visit's outputs that t2disc did not write",
            expected="a folder of t2disc's outputs, or none",
            todo="choose another output folder with -o",
        )


def _swap(staged: Path, target: Path) -> None:
    aside = target.with_name(f".{target.name}.{secrets.token_hex(4)}{_ASIDE}")
    with storing(f"the folder {target.name}"):
        if target.exists():
            target.rename(aside)
        try:
            staged.rename(target)
        except BaseException:
            if aside.exists():
                aside.rename(target)
            raise
        flush_folder(target.parent)
    shutil.rmtree(aside, ignore_errors=True)


def sweep_leftovers(out: Path, participant_ids: Collection[str] | None = None) -> int:
    """Clear what a killed run left in ``out``, and put back an earlier result that was moved aside; return how many.

    Only names that t2disc gives its temporary files are touched, at the depths where it makes them; where
    ``participant_ids`` are named, below their folders alone: whatever else lies there may be another shard's.
    """
    n_swept = 0
    with storing("the output folder"):
        kinds = product(("sub-*", "sub-*/pairs"), (_STAGED, _ASIDE))
        for folder in sorted({path for home, suffix in kinds for path in out.glob(f"{home}/.ses-*{suffix}")}):
            if any((out / above).is_symlink() for above in folder.relative_to(out).parents[:-1]):
                continue
            if participant_ids is not None and folder.relative_to(out).parts[0] not in participant_ids:
                continue
            target = folder.with_name(folder.name[1:].split(".")[0])
            if folder.suffix == _ASIDE and not target.exists() and (folder / MANIFEST).is_file():
                folder.rename(target)
            else:
                shutil.rmtree(folder, ignore_errors=True)
            n_swept += 1
        shared = () if participant_ids is not None else (*out.glob(".*.tmp"), *out.glob("logs/.*.tmp"))
        for file in sorted({*shared}):
            with suppress(FileNotFoundError):
                file.unlink()
            n_swept += 1
    return n_swept
