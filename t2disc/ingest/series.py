"""Which planes are the multi-echo series, and what everything else in the folder is.

Planes are grouped by series, kind, orientation and matrix, the recipe by which dcm2niix's result is reproduced; the
one group with several echo times is the series to measure. Study UIDs are not used: some exports split them.
"""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from t2disc.errors import (
    EchoTimeMissing,
    EchoTimeNotANumber,
    EchoTimesAllEqual,
    GradientEcho,
    GridMismatch,
    NoMultiEchoSeries,
    SequenceUnknown,
    SeriesNotFound,
    SeveralMultiEchoSeries,
    T2DiscError,
    TwoOrientations,
    TwoPatients,
    TwoVisits,
)
from t2disc.ingest.frames import MAGNITUDE, Frame
from t2disc.model import LeftOut

if TYPE_CHECKING:
    from t2disc.model.protocol import IngestSettings

ECHO_TIME_TOLERANCE_MS = 0.02  # echo times closer than this are one echo, written with other roundings
_DIRECTION_TOLERANCE = 2e-3  # difference of a direction cosine within one orientation, 0.1 degree


@dataclass(frozen=True, slots=True)
class Group:
    """Magnitude planes of one series, one orientation and one matrix."""

    frames: tuple[Frame, ...]

    @property
    def echo_times_ms(self) -> tuple[float, ...]:
        """Distinct echo times, rising; planes whose echo time is no number add none."""
        return distinct([f.echo.time_ms for f in self.frames if f.echo.time_ms is not None], ECHO_TIME_TOLERANCE_MS)

    @property
    def n_slices(self) -> int:
        """Distinct slice positions."""
        return len({f.plane.position_mm for f in self.frames})

    @property
    def series_uid(self) -> str:
        """Series the planes belong to."""
        return self.frames[0].series.uid

    @property
    def sequence(self) -> str:
        """Sequence kind; gradient echo as soon as one plane says so."""
        kinds = {f.sequence for f in self.frames}
        return next(kind for kind in ("gradient-echo", "unknown", "spin-echo") if kind in kinds)

    def describe(self) -> str:
        """Return the group in numbers, free of header text."""
        first, te = self.frames[0], self.echo_times_ms
        number = "without number" if first.series.number is None else str(first.series.number)
        times = f"{te[0]:g}-{te[-1]:g} ms" if te else "no echo time"
        return f"series {number}: {len(te)} echoes ({times}), {self.n_slices} slices of {_matrix(first)}"


def distinct(values: Iterable[float], tolerance: float) -> tuple[float, ...]:
    """Return the rising centres of clusters of values that lie closer than ``tolerance`` to their neighbour."""
    clusters: list[list[float]] = []
    for value in sorted(values):
        if clusters and value - clusters[-1][-1] <= tolerance:
            clusters[-1].append(value)
        else:
            clusters.append([value])
    return tuple(cluster[len(cluster) // 2] for cluster in clusters)


def choose_series(
    frames: Sequence[Frame], settings: IngestSettings | None, *, require_spin_echo: bool
) -> tuple[Group, tuple[LeftOut, ...]]:
    """Return the planes of the one multi-echo series, and a summary of all others.

    Raises
    ------
    SeriesError
        ``two-patients``, ``two-visits``, ``no-multi-echo-series``, ``several-multi-echo-series``,
        ``series-not-found``, ``gradient-echo``, ``sequence-unknown``.
    EchoError, GeometryError, PixelError
        ``echo-times-all-equal``, ``echo-time-missing``, ``echo-time-not-a-number``, ``two-orientations``,
        ``grid-mismatch``, when that is why no series qualifies.
    """
    _one_patient(frames)
    groups = split_groups([frame for frame in frames if frame.component == MAGNITUDE])
    candidates = [group for group in groups if len(group.echo_times_ms) > 1]
    if not candidates:
        raise _why_none(groups)
    chosen = _only(_of_wanted_sequence(_named(candidates, settings), require_spin_echo=require_spin_echo))
    _whole_series(chosen, groups)
    return chosen, _left_out(frames, groups, chosen)


def split_groups(frames: Sequence[Frame]) -> list[Group]:
    """Split planes by series, orientation and matrix; the order does not depend on that of the files."""
    members: dict[tuple[object, ...], list[list[Frame]]] = {}
    for frame in sorted(frames, key=lambda f: (f.series.uid, f.sop_uid, f.index)):
        spacing_mm = tuple(round(value, 4) for value in frame.plane.spacing_mm or ())
        key = (frame.series.uid, frame.source.rows, frame.source.columns, spacing_mm)
        clusters = members.setdefault(key, [])
        home = next((c for c in clusters if _same_orientation(c[0], frame)), None)
        if home is None:
            clusters.append([frame])
        else:
            home.append(frame)
    return [Group(tuple(cluster)) for clusters in members.values() for cluster in clusters]


def _same_orientation(a: Frame, b: Frame) -> bool:
    one, other = a.plane.orientation, b.plane.orientation
    if one is None or other is None:
        return one is other
    return bool(np.abs(np.subtract(one, other)).max() <= _DIRECTION_TOLERANCE)


def _one_patient(frames: Iterable[Frame]) -> None:
    patients = {frame.series.patient_id for frame in frames} - {""}
    if len(patients) > 1:
        raise TwoPatients(f"images of {len(patients)} patients")


def _why_none(groups: Sequence[Group]) -> T2DiscError:
    """Return the error that says best why no group has two echo times."""
    for group in sorted(groups, key=lambda g: (-len(g.frames), g.series_uid)):
        if len(group.frames) < 2 * group.n_slices:
            continue
        faults = Counter(frame.echo.fault for frame in group.frames)
        if faults["missing"]:
            return EchoTimeMissing(f"{faults['missing']} of {len(group.frames)} images without an echo time")
        if faults["text"]:
            return EchoTimeNotANumber(f"{faults['text']} of {len(group.frames)} images whose echo time is no number")
        return EchoTimesAllEqual(f"{len(group.frames)} images of {group.n_slices} slices, all at one echo time")
    for a, b in pairwise(sorted(groups, key=lambda g: g.series_uid)):
        if a.series_uid == b.series_uid and a.echo_times_ms != b.echo_times_ms:
            return TwoOrientations("one series with two orientations or matrices, each at its own echo time")
    return NoMultiEchoSeries(f"{len(groups)} magnitude series, each with one echo time at most")


def _named(candidates: list[Group], settings: IngestSettings | None) -> list[Group]:
    """Keep the candidates that fit what the protocol file says of the series."""
    if settings is None:
        return candidates
    kept = [group for group in candidates if _fits(group, settings)]
    if not kept:
        raise SeriesNotFound(_listed(candidates) + "; none fits the protocol file")
    return kept


def _fits(group: Group, settings: IngestSettings) -> bool:
    series, pattern = group.frames[0].series, settings.series_description
    return (
        settings.series_number in (None, series.number)
        and (pattern is None or fnmatch.fnmatchcase(series.description.lower(), pattern.lower()))
        and settings.fits_train(group.echo_times_ms)
    )


def _of_wanted_sequence(candidates: list[Group], *, require_spin_echo: bool) -> list[Group]:
    if not require_spin_echo:
        return candidates
    spin_echo = [group for group in candidates if group.sequence == "spin-echo"]
    if spin_echo:
        return spin_echo
    if any(group.sequence == "unknown" for group in candidates):
        raise SequenceUnknown(_listed(candidates) + "; the header does not name the sequence")
    raise GradientEcho(_listed(candidates) + "; a gradient echo")


def _only(candidates: list[Group]) -> Group:
    if len(candidates) == 1:
        return candidates[0]
    if len({group.series_uid for group in candidates}) == 1:
        raise TwoOrientations(_listed(candidates) + "; several orientations or matrices in one series")
    if len({group.frames[0].series.study_date for group in candidates}) > 1:
        raise TwoVisits(_listed(candidates) + "; of different days")
    raise SeveralMultiEchoSeries(_listed(candidates))


def _whole_series(chosen: Group, groups: Iterable[Group]) -> None:
    """Refuse stray planes of the chosen series: a slice turned or of another matrix is a slice missing elsewhere."""
    for other in groups:
        if other is not chosen and other.series_uid == chosen.series_uid:
            if _same_orientation(other.frames[0], chosen.frames[0]):
                raise GridMismatch(f"matrices {_matrix(chosen.frames[0])} and {_matrix(other.frames[0])} in one series")
            raise TwoOrientations(f"{len(other.frames)} of the series' images in another orientation")


def _left_out(frames: Sequence[Frame], groups: Sequence[Group], chosen: Group) -> tuple[LeftOut, ...]:
    reasons = {id(f): _why_not(group, chosen) for group in groups if group is not chosen for f in group.frames}
    counts = Counter(
        (
            frame.series.number,
            "other series" if frame.component == MAGNITUDE else frame.component,
            reasons.get(id(frame)),
        )
        for frame in frames
        if frame.component != MAGNITUDE or id(frame) in reasons
    )
    ordered = sorted(counts.items(), key=lambda item: (-1 if item[0][0] is None else item[0][0], item[0][1]))
    return tuple(
        LeftOut(what=what, n_images=n, why=why or "not a magnitude image of one echo", series_number=number)
        for (number, what, why), n in ordered
    )


def _why_not(group: Group, chosen: Group) -> str:
    if len(group.echo_times_ms) < 2:
        return "one echo time"
    if group.sequence != chosen.sequence:
        return f"{group.sequence} sequence"
    return "not the series that the protocol file names"


def _listed(candidates: Iterable[Group]) -> str:
    return "; ".join(group.describe() for group in candidates)


def _matrix(frame: Frame) -> str:
    return f"{frame.source.columns} x {frame.source.rows}"
