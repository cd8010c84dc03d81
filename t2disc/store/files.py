"""Single files, written whole or not at all; the one place where the system's write errors become coded ones."""

from __future__ import annotations

import errno
import json
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from t2disc.errors import ArgumentInvalid, DiskFull, PermissionDenied, StoreError, WriteFailed

_FULL = frozenset({errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)})
_DENIED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file to be written: its place below the folder it goes to, and its bytes."""

    path: PurePosixPath
    content: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if self.path.is_absolute() or not self.path.parts or ".." in self.path.parts:
            raise ArgumentInvalid("a file name that leaves its folder", expected="a relative path without '..'")


def json_file(path: str, tree: dict[str, Any]) -> StoredFile:
    """Return a file of JSON, indented for people; what is missing is ``None`` in it, never NaN."""
    content = (json.dumps(tree, indent=2, allow_nan=False) + "\n").encode()
    return StoredFile(path=PurePosixPath(path), content=content)


@contextmanager
def storing(what: str) -> Iterator[None]:
    """Turn the system's refusals while ``what`` is stored into coded ones.

    Raises
    ------
    DiskFull
        ``disk-full``: no space, quota used up, or file size limit reached.
    PermissionDenied
        ``permission-denied``: no right to write, or a read-only file system.
    WriteFailed
        ``write-failed``: any other refusal.
    """
    try:
        yield
    except OSError as error:
        raise _coded(error, what) from None


def _coded(error: OSError, what: str) -> StoreError:
    reason = errno.errorcode.get(error.errno or 0, type(error).__name__)
    found = f"{reason} while writing {what}"
    if error.errno in _FULL:
        return DiskFull(found)
    if error.errno in _DENIED:
        return PermissionDenied(found)
    return WriteFailed(found)


def write_file(path: Path, content: bytes, *, is_private: bool = False, is_durable: bool = True) -> None:
    """Write ``content`` under ``path`` so that the name holds the old bytes or the new ones, never a part.

    A temporary name in the same folder is written, flushed, checked for its size and renamed.

    Parameters
    ----------
    path
        Final name; missing folders are made.
    content
        All bytes of the file.
    is_private
        Readable by the owner alone (mode 0600 where the system knows modes).
    is_durable
        Wait until the bytes are on the disk. Off for material that can be made again, such as simulated studies.

    Raises
    ------
    StoreError
        ``disk-full``, ``permission-denied`` or ``write-failed``; what stood under the name before is untouched.
    """
    with storing(path.name):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        try:
            _write_all(temporary, content, mode=0o600 if is_private else 0o666, is_durable=is_durable)
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        if is_durable:
            flush_folder(path.parent)


def _write_all(path: Path, content: bytes, *, mode: int, is_durable: bool) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        if is_durable:
            os.fsync(stream.fileno())
        n_written = os.fstat(stream.fileno()).st_size
    if n_written != len(content):
        raise OSError(errno.EIO, "short write")


def flush_folder(folder: Path) -> None:
    """Put a rename on the disk, where the system allows a folder to be flushed (Windows does not)."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def update_file(path: Path, content: bytes) -> bool:
    """Write ``content`` under ``path`` unless it stands there already; tell whether anything was written."""
    with storing(path.name):
        is_same = path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content
    if not is_same:
        write_file(path, content)
    return not is_same


def keep_file(old: Path, new: Path, content: bytes) -> bool:
    """Give the file ``old`` the further name ``new`` where it holds exactly ``content``; tell whether it does.

    A hard link costs no byte and keeps the file's times. Where the disk knows no links, a copy with the same time of
    change stands in. A symbolic link on the way to ``old`` is not followed.

    Raises
    ------
    StoreError
        ``disk-full``, ``permission-denied`` or ``write-failed``.
    """
    with storing(new.name):
        if not _holds(old, content):
            return False
        new.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(old, new)
        except OSError:
            write_file(new, content)
            times = old.stat()
            os.utime(new, ns=(times.st_atime_ns, times.st_mtime_ns))
        flush_folder(new.parent)
    return True


def _holds(path: Path, content: bytes) -> bool:
    if path.is_symlink() or path.parent.is_symlink() or not path.is_file():
        return False
    return path.stat().st_size == len(content) and path.read_bytes() == content


def write_tree(folder: Path, files: Iterable[StoredFile], *, is_durable: bool = True) -> int:
    """Write files below ``folder``, each whole or absent, and return how many."""
    n_files = 0
    for file in files:
        write_file(folder.joinpath(*file.path.parts), file.content, is_durable=is_durable)
        n_files += 1
    return n_files
