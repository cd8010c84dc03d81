"""Copies of one image: the same twice is harmless and said; the same identity with other content is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from t2disc.errors import DuplicateConflict
from t2disc.ingest.frames import Frame, PixelSource
from t2disc.ingest.pixels import payload_digest
from t2disc.model import LeftOut


def drop_copies(frames: Sequence[Frame]) -> tuple[list[Frame], tuple[LeftOut, ...]]:
    """Keep one of each set of planes with the same SOP Instance UID (0008,0018), and say how many were copies.

    Raises
    ------
    DuplicateConflict
        ``duplicate-conflict``: one UID, two contents.
    """
    kept: dict[tuple[str, int], Frame] = {}
    n_copies = 0
    digest = cache(payload_digest)
    for frame in frames:
        other = kept.setdefault((frame.sop_uid, frame.index), frame) if frame.sop_uid else frame
        if other is not frame:
            _same_content(other, frame, digest)
            n_copies += 1
    unnamed = [frame for frame in frames if not frame.sop_uid]
    copies = LeftOut(what="duplicate", n_images=n_copies, why="the same image stored twice")
    return [*kept.values(), *unnamed], (copies,) if n_copies else ()


def _storage(source: PixelSource) -> PixelSource:
    """Return how pixels are stored, apart from where."""
    return replace(source, path=Path(), offset=0, file_bytes=0)


def _same_content(one: Frame, other: Frame, digest: Callable[[PixelSource], str]) -> None:
    if replace(one, source=other.source) != other or _storage(one.source) != _storage(other.source):
        raise DuplicateConflict("two images with one SOP Instance UID and different headers")
    if digest(one.source) != digest(other.source):
        raise DuplicateConflict("two images with one SOP Instance UID and different pixels")
