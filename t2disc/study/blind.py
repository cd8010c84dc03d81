"""Making a reading set: every measured visit under a random code, and the key that tells which is which."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from t2disc import store
from t2disc.errors import ArgumentInvalid, OutputsDamaged, StudyNotFound
from t2disc.study.planes import centred, plane_volume

_LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # none that is taken for another
_N_LETTERS = 6
_N_NONCE_BYTES = 32
_WHEN = "this visit"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingSetMade:
    """How many reads there are, and which visits are not among them: not measured, or not to be read back.

    ``tells`` names what is not the same throughout the study, and may tell visits apart though they are blinded.
    """

    n_reads: int
    left_out: tuple[str, ...] = ()
    tells: tuple[str, ...] = ()


def make_reading_set(out: Path, folder: Path, key_file: Path, *, n_repeats: int = 0) -> ReadingSetMade:
    """Write every measured visit of a study into ``folder`` under a random read code, and the key beside nothing of it.

    Codes come from the system's source of randomness; reads lie in alphabetical order of their codes, so that the order
    of reading is random as well. A code stands for one visit alone: that two reads are of one participant is not told
    either. No date, visit name, treated level, arm or change is in the set.

    Parameters
    ----------
    out
        Outputs of ``t2disc fit``.
    folder
        New or empty folder for the set.
    key_file
        New file for the key, outside ``folder``.
    n_repeats
        So many visits, drawn at random, are read twice, to tell how far a reader agrees with himself.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: the folder is in use, the key would lie in it or replace another file, or more repeats are
        asked for than there are visits.
    StudyNotFound
        ``study-not-found``: no visit can be read.
    RecordsOutdated
        ``records-outdated``: a visit or pair has a record of another version.
    """
    _refuse_places(out, folder, key_file)
    store.refuse_outdated(out)
    readable, left_out = _readable(out)
    if not readable:
        raise StudyNotFound("a folder without measured visits", expected="the outputs of t2disc fit")
    if not 0 <= n_repeats <= len(readable):
        raise ArgumentInvalid(f"{n_repeats} repeats of {len(readable)} visits", expected="at most one repeat a visit")
    drawn = [*readable, *secrets.SystemRandom().sample(readable, n_repeats)]
    coded = dict(zip(_codes(len(drawn)), drawn, strict=True))
    visits = {code: (record.participant_id, record.session_id) for code, record in coded.items()}
    key = store.ReadingKey(visits=visits, nonce=secrets.token_hex(_N_NONCE_BYTES))
    store.write_reading_set(folder, key_file, key, _reads(out, coded))
    return ReadingSetMade(n_reads=len(coded), left_out=tuple(left_out), tells=tellings(readable))


def tellings(records: Sequence[store.VisitRecord]) -> tuple[str, ...]:
    """Return what readers can see and not all visits share: in blinded images, it may stand for before and after."""
    return tuple(name for name, seen in _SEEN.items() if len({seen(record) for record in records}) > 1)


_SEEN: dict[str, Callable[[store.VisitRecord], object]] = {
    "who made the labels": lambda record: record.labels.kind,
    "which discs are labelled": lambda record: record.levels,
    "what the decay measures": lambda record: record.acquisition and record.acquisition.quantity,
    "scanner": lambda record: record.acquisition and (record.acquisition.vendor, record.acquisition.scanner_model),
    "signal model": lambda record: record.fit and record.fit.model,
    "voxel grid": lambda record: record.fit and (record.fit.shape, record.fit.voxel_size_mm),
}


def _refuse_places(out: Path, folder: Path, key_file: Path) -> None:
    out, folder, key_file = out.resolve(), folder.resolve(), key_file.resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ArgumentInvalid("a folder for the reading set that is in use", expected="a new or empty folder")
    if folder.is_relative_to(out) or out.is_relative_to(folder):
        raise ArgumentInvalid("a reading set within the outputs it hides", expected="a folder of its own")
    if key_file.is_relative_to(folder):
        raise ArgumentInvalid("a key within the reading set", expected="a place that its readers do not see")
    store.refuse_published(key_file.parent, "a key")
    if key_file.exists():
        raise ArgumentInvalid("a file in the place of the key", expected="a new file: keys are not replaced")


def _readable(out: Path) -> tuple[list[store.VisitRecord], list[str]]:
    records = [store.read_record(out, *key.split("/")) for key in store.recorded_keys(out)]
    readable, left_out = [], []
    for record in records:
        if record is None:
            continue
        try:
            if not record.is_done:
                raise OutputsDamaged("a visit that was not measured")
            store.read_visit(out, record)
            readable.append(record)
        except OutputsDamaged:
            left_out.append(record.key)
    return readable, left_out


def _codes(n_codes: int) -> list[str]:
    codes: set[str] = set()
    while len(codes) < n_codes:
        codes.add("".join(secrets.choice(_LETTERS) for _ in range(_N_LETTERS)))
    drawn = list(codes)
    secrets.SystemRandom().shuffle(drawn)  # a set's own order must not decide who gets which
    return drawn


def _reads(out: Path, coded: dict[str, store.VisitRecord]) -> Iterator[store.BlindedRead]:
    """Yield reads in the order of their codes; every one shows S0 where one visit of the study has no first echo."""
    from t2disc.qc.report import own_strips

    has_echoes = all(store.read_first_echo(out, record) is not None for record in coded.values())
    for code, record in sorted(coded.items()):
        visit, echo = store.read_visit(out, record), store.read_first_echo(out, record) if has_echoes else None
        affine = centred(visit.discs.affine, visit.t2map.shape)
        yield store.BlindedRead(
            code=code,
            levels=record.levels,
            strips=own_strips(replace(visit, discs=replace(visit.discs, affine=affine)), _WHEN, grey=echo),
            volumes={name: plane_volume(visit, echo, name, affine) for name in ("echo", "T2", "discs")},
        )
