"""The verbs of the room: a folder becomes a checked multi-echo volume, or an inventory of what would be read."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from t2disc.errors import DicomUnreadable, NoImages, NoMultiEchoSeries
from t2disc.ingest import bids
from t2disc.ingest.duplicates import drop_copies
from t2disc.ingest.frames import Frame
from t2disc.ingest.grid import Layout, lay_out
from t2disc.ingest.header import NotUsed, read_facts, read_frames
from t2disc.ingest.pixels import check_sources, read_signal
from t2disc.ingest.rescale import common_scale
from t2disc.ingest.scan import files_of
from t2disc.ingest.series import choose_series
from t2disc.ingest.sidecars import sidecars_above
from t2disc.model import Acquisition, EchoStack, Inventory, LeftOut

if TYPE_CHECKING:
    from t2disc.model.protocol import IngestSettings

_WHY_NOT_USED = {
    "not an image": "not a DICOM file",
    "other object": "a DICOM object that is no MR image",
    "unreadable": "damaged, of another series",
}


@dataclass(frozen=True, slots=True)
class _Plan:
    layout: Layout
    scales: list[tuple[float, float]]
    acquisition: Acquisition
    left_out: tuple[LeftOut, ...]


def load_stack(
    source: Path | str | Sequence[Path | str],
    *,
    settings: IngestSettings | None = None,
    require_spin_echo: bool | None = None,
) -> EchoStack:
    """Read the multi-echo spin-echo magnitude series of one visit from a folder, or from a list of its files.

    Headers are read first, of every file whatever its name; then the pixels of the one multi-echo series, straight
    into one float32 array on one common scale. BIDS files ``*_echo-<N>_MESE.nii[.gz]`` are read when there are any.

    Parameters
    ----------
    source
        Folder of the visit (searched below, links followed once; of BIDS echoes the sidecars above it too, up to the
        root of the dataset), or its files.
    settings
        ``[ingest]`` of the protocol file: which series, when there are several.
    require_spin_echo
        Refuse gradient-echo series, whose decay is T2*. Default: what ``settings`` say, otherwise true.

    Returns
    -------
    EchoStack
        ``signal (X, Y, Z, E)`` float32, ``echo_times_ms (E,)``, ``affine`` to RAS+ mm, allow-listed facts, and what was
        left out.

    Raises
    ------
    InputError
        With the codes listed in docs/codes.md; see :mod:`t2disc.errors`.
    """
    files, spin_echo = files_read(source), _spin_echo(settings, require_spin_echo)
    if bids.echo_files(files):
        return bids.load_echoes(files, settings, require_spin_echo=spin_echo)
    plan = _plan(files, settings, require_spin_echo=spin_echo)
    n_slices = plan.layout.shape[2]
    scales = [plan.scales[i : i + n_slices] for i in range(0, len(plan.scales), n_slices)]
    return EchoStack(
        signal=read_signal(plan.layout.frames, scales),
        echo_times_ms=np.array(plan.layout.echo_times_ms),
        affine=plan.layout.affine,
        acquisition=plan.acquisition,
        left_out=plan.left_out,
        notes=plan.layout.notes,
    )


def take_inventory(
    source: Path | str | Sequence[Path | str],
    *,
    settings: IngestSettings | None = None,
    require_spin_echo: bool | None = None,
) -> Inventory:
    """Tell from headers alone what :func:`load_stack` would read and what it would leave out.

    Raises
    ------
    InputError
        As :func:`load_stack`, but for faults that only the pixels show.
    """
    files, spin_echo = files_read(source), _spin_echo(settings, require_spin_echo)
    if bids.echo_files(files):
        return bids.take_inventory(files, settings, require_spin_echo=spin_echo)
    plan = _plan(files, settings, require_spin_echo=spin_echo)
    return Inventory(
        echo_times_ms=plan.layout.echo_times_ms,
        shape=plan.layout.shape,
        n_images=sum(map(len, plan.layout.frames)),
        acquisition=plan.acquisition,
        left_out=plan.left_out,
        notes=plan.layout.notes,
    )


def files_read(source: Path | str | Sequence[Path | str]) -> list[Path]:
    """Return every file that :func:`load_stack` may read: those of a folder, and what BIDS echoes inherit from above.

    Raises
    ------
    StudyNotFound, NoImages, FolderUnreadable
        As :func:`load_stack`.
    """
    files = files_of(source)
    if isinstance(source, (str, os.PathLike)) and (echoes := bids.echo_files(files)):
        files += sidecars_above(Path(source), echoes)
    return files


def _plan(files: Sequence[Path], settings: IngestSettings | None, *, require_spin_echo: bool) -> _Plan:
    """Decide from headers which planes to read, where each goes and on which scale."""
    frames, not_used = _read_headers(files)
    frames, copies = drop_copies(frames)
    try:
        group, left_out = choose_series(frames, settings, require_spin_echo=require_spin_echo)
    except NoMultiEchoSeries:
        _nothing_damaged(not_used)
        raise
    _nothing_damaged(not_used, group.series_uid)
    layout = lay_out(group)
    check_sources(layout.frames)
    ordered = [frame for echo in layout.frames for frame in echo]
    acquisition = read_facts(ordered[0].source.path, ordered[0], layout.step_mm)
    scales = common_scale([frame.rescale for frame in ordered])
    return _Plan(layout, scales, acquisition, (*left_out, *copies, *_other_files(not_used)))


def _read_headers(files: Sequence[Path]) -> tuple[list[Frame], list[NotUsed]]:
    frames: list[Frame] = []
    not_used: list[NotUsed] = []
    for path in files:
        found = read_frames(path)
        if isinstance(found, NotUsed):
            not_used.append(found)
        else:
            frames.extend(found)
    if not frames:
        _nothing_damaged(not_used)
        raise NoImages(f"{len(files)} files, none of them an MR image")
    return frames, not_used


def _nothing_damaged(not_used: Sequence[NotUsed], series_uid: str | None = None) -> None:
    """Refuse damaged DICOM files that may belong to the series: the volume could lack them without a trace."""
    damaged = [item for item in not_used if item.what == "unreadable"]
    n = sum(series_uid is None or item.series_uid in ("", series_uid) for item in damaged)
    if n:
        raise DicomUnreadable(f"{n} damaged DICOM files that may belong to the series")


def _other_files(not_used: Sequence[NotUsed]) -> tuple[LeftOut, ...]:
    counts = Counter(item.what for item in not_used)
    return tuple(LeftOut(what=what, n_images=n, why=_WHY_NOT_USED[what]) for what, n in sorted(counts.items()))


def _spin_echo(settings: IngestSettings | None, require_spin_echo: bool | None) -> bool:
    if require_spin_echo is not None:
        return require_spin_echo
    return settings.require_spin_echo if settings is not None else True
