"""Stamps of files: what the system knows of them without reading them, by which unchanged ones are known again."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Iterable
from pathlib import Path

_FRESH_NS = 2_000_000_000  # a file this young may change again without its times telling (coarse clocks, network disks)


def files_stamp(files: Iterable[Path]) -> str | None:
    """Return one check sum over name, size, inode, and times of change of every file; nothing is read.

    Where it is the same as once before, so are the files. It is not the same after a copy, or on another disk: then
    the files are read. ``None`` where a file is no regular one, cannot be asked, or has changed within two seconds.
    """
    return _stamp((path.as_posix(), path) for path in files)


def folder_stamp(folder: Path) -> str | None:
    """Return the stamp of all files below a folder of outputs, hidden ones too; names count below the folder.

    ``None`` as :func:`files_stamp`, where there is nothing, or where the folder or anything in it is a symbolic link.
    """
    if folder.is_symlink() or folder.parent.is_symlink():
        return None
    found = [Path(at, name) for at, _, names in os.walk(folder) for name in names]
    return _stamp((path.relative_to(folder).as_posix(), path) for path in found) if found else None


def _stamp(named: Iterable[tuple[str, Path]]) -> str | None:
    newest_ns = 0
    parts = []
    for name, path in named:
        try:
            told = path.lstat()
        except OSError:
            return None
        if not stat.S_ISREG(told.st_mode):
            return None
        newest_ns = max(newest_ns, told.st_ctime_ns, told.st_mtime_ns)
        parts.append(f"{name}\0{told.st_size}\0{told.st_ino}\0{told.st_mtime_ns}\0{told.st_ctime_ns}")
    if time.time_ns() - newest_ns < _FRESH_NS:
        return None
    return hashlib.sha256("\n".join(sorted(parts)).encode(errors="surrogateescape")).hexdigest()
