"""The list of a visit's files with their check sums: written last, it is the mark that the visit is complete."""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from t2disc.store.files import StoredFile

MANIFEST = "manifest.json"


def manifest_file(files: Sequence[StoredFile]) -> StoredFile:
    """Return the manifest of ``files``: path, SHA-256 and size in bytes of each, sorted by path."""
    entries = [
        {"path": str(file.path), "sha256": hashlib.sha256(file.content).hexdigest(), "size_bytes": len(file.content)}
        for file in sorted(files, key=lambda file: str(file.path))
    ]
    text = json.dumps({"manifest_version": 1, "files": entries}, indent=2) + "\n"
    return StoredFile(path=PurePosixPath(MANIFEST), content=text.encode())


def is_intact(folder: Path, manifest: StoredFile) -> bool:
    """Tell whether ``folder`` holds exactly the files of ``manifest``, byte for byte."""
    try:
        return (folder / MANIFEST).read_bytes() == manifest.content and _is_as_listed(folder, manifest.content)
    except OSError:
        return False


def is_whole(folder: Path) -> bool:
    """Tell whether a visit's folder, no symbolic link, holds exactly the files of its own manifest, byte for byte."""
    try:
        is_link = folder.is_symlink() or folder.parent.is_symlink()
        return not is_link and _is_as_listed(folder, (folder / MANIFEST).read_bytes())
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return False


def images_sha256(folder: Path) -> str | None:
    """Return one check sum over all images that a visit's manifest lists; ``None`` where there is no manifest."""
    listed = listed_sha256s(folder)
    if not listed:
        return None
    images = [f"{path} {sha256}" for path, sha256 in listed.items() if path.endswith(".nii.gz")]
    return hashlib.sha256("\n".join(images).encode()).hexdigest()


def listed_sha256s(folder: Path) -> dict[str, str]:
    """Return the check sum of each file that a folder's manifest lists; none where there is no manifest."""
    try:
        entries = json.loads((folder / MANIFEST).read_bytes())["files"]
        return {str(entry["path"]): str(entry["sha256"]) for entry in entries}
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return {}


def manifest_sha256(folder: Path) -> str | None:
    """Return the check sum of a folder's manifest, and so of all its files; ``None`` where there is none."""
    return file_sha256(folder / MANIFEST)


def file_sha256(path: Path) -> str | None:
    """Return the check sum of a file; ``None`` where it cannot be read, or is a pipe or the like."""
    try:
        return _sha256(path)
    except OSError:
        return None


def is_entry(path: Path) -> bool:
    """Tell whether a path is something that a manifest must list: all but plain folders."""
    return path.is_symlink() or not path.is_dir()


def _is_as_listed(folder: Path, manifest: bytes) -> bool:
    entries = json.loads(manifest)["files"]
    on_disk = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if is_entry(path)}
    return on_disk == {entry["path"] for entry in entries} | {MANIFEST} and all(
        _sha256(folder / entry["path"]) == entry["sha256"] for entry in entries
    )


def _sha256(path: Path) -> str:
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError("no regular file")  # a pipe would be waited for
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
