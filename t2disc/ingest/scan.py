"""Which files a folder holds: regular files only, each once, in an order that does not depend on the disk."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from t2disc.errors import NoImages, StudyNotFound

_IGNORED_NAMES = frozenset({"DICOMDIR"})  # an index written by media exporters; its paths are not to be trusted


def walk_files(root: Path) -> Iterator[Path]:
    """Yield every regular file below ``root``, sorted by name within each folder.

    Links are followed, each folder is entered once (so loops end), and FIFOs, devices, sockets, broken links, hidden
    names and DICOMDIR are passed over: opening them could block, or lead anywhere.
    """
    entered: set[tuple[int, int]] = set()
    pending = [root]
    while pending:
        folder = pending.pop()
        info = folder.stat()
        if (info.st_dev, info.st_ino) in entered:
            continue
        entered.add((info.st_dev, info.st_ino))
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        kinds = [(Path(entry.path), _kind(entry)) for entry in entries]
        yield from (path for path, kind in kinds if kind == "file")
        pending.extend(path for path, kind in reversed(kinds) if kind == "folder")


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


def files_of(source: Path | str | Sequence[Path]) -> list[Path]:
    """Return the files of a folder, or the files given.

    Raises
    ------
    StudyNotFound
        ``study-not-found``: the folder does not exist.
    NoImages
        ``no-images``: there is no regular file at all.
    """
    if isinstance(source, (str, os.PathLike)):
        root = Path(source)
        if not root.is_dir():
            raise StudyNotFound("no such folder")
        files = list(walk_files(root))
    else:
        files = list(source)
    if not files:
        raise NoImages("no regular file")
    return files
