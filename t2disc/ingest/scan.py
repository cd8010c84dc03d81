"""Which files a folder holds: regular files only, each once, in an order that does not depend on the disk."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from t2disc.errors import FolderUnreadable, NoImages, StudyNotFound

_IGNORED_NAMES = frozenset({"DICOMDIR"})  # an index written by media exporters; its paths are not to be trusted


def walk_files(root: Path) -> Iterator[Path]:
    """Yield every regular file below ``root``, sorted by name within each folder.

    Links are followed, each folder is entered once (so loops end), and FIFOs, devices, sockets, broken links, hidden
    names and DICOMDIR are passed over: opening them could block, or lead anywhere.

    Raises
    ------
    FolderUnreadable
        ``folder-unreadable``: a folder that may not be listed, or vanished.
    """
    entered: set[str] = set()
    pending = [root]
    while pending:
        folder = pending.pop()
        real = os.path.realpath(folder)
        if real in entered:
            continue
        entered.add(real)
        entries = _entries(folder)
        kinds = [(Path(entry.path), _kind(entry)) for entry in entries]
        yield from (path for path, kind in kinds if kind == "file")
        pending.extend(path for path, kind in reversed(kinds) if kind == "folder")


def files_in(folder: Path) -> list[Path]:
    """Return the regular files right in a folder, by name, as :func:`walk_files` has them.

    Raises
    ------
    FolderUnreadable
        ``folder-unreadable``: a folder that may not be listed, or vanished.
    """
    return [Path(entry.path) for entry in _entries(folder) if _kind(entry) == "file"]


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise FolderUnreadable(f"a folder that cannot be listed ({type(error).__name__})") from error


def _kind(entry: os.DirEntry[str]) -> str:
    if entry.name.startswith(".") or entry.name.upper() in _IGNORED_NAMES:
        return "ignored"
    try:
        mode = entry.stat(follow_symlinks=True).st_mode
    except OSError:  # broken link, link to itself, or no permission
        return "ignored"
    if stat.S_ISDIR(mode):
        return "folder"
    return "file" if stat.S_ISREG(mode) else "ignored"


def files_of(source: Path | str | Sequence[Path | str]) -> list[Path]:
    """Return the files of a folder, one file, or the files given.

    Raises
    ------
    StudyNotFound
        ``study-not-found``: the folder does not exist.
    NoImages
        ``no-images``: there is no regular file at all.
    """
    if isinstance(source, (str, os.PathLike)):
        root = Path(source)
        if not root.exists():
            raise StudyNotFound("no such folder")
        files = list(walk_files(root)) if root.is_dir() else [root]
    else:
        files = [Path(item) for item in source]
    if not files:
        raise NoImages("no regular file")
    return files
