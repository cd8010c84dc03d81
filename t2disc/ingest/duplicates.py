"""Copies of one image: the same twice is harmless and said; the same identity with other content is refused."""

from __future__ import annotations

from collections.abc import Sequence

from t2disc.errors import DuplicateConflict
from t2disc.ingest.frames import Frame
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
    for frame in frames:
        other = kept.setdefault((frame.sop_uid, frame.index), frame) if frame.sop_uid else frame
        if other is not frame:
            _same_content(other, frame)
            n_copies += 1
    unnamed = [frame for frame in frames if not frame.sop_uid]
    copies = LeftOut(what="duplicate", n_images=n_copies, why="the same image stored twice")
    return [*kept.values(), *unnamed], (copies,) if n_copies else ()


def _same_content(one: Frame, other: Frame) -> None:
    if (one.echo, one.plane, one.rescale) != (other.echo, other.plane, other.rescale):
        raise DuplicateConflict("two images with one SOP Instance UID and different headers")
    if payload_digest(one.source) != payload_digest(other.source):
        raise DuplicateConflict("two images with one SOP Instance UID and different pixels")
