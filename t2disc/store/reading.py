"""A reading set: visits under read codes, with nothing in names, times or order that tells which is which."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from t2disc import __version__
from t2disc.errors import ArgumentInvalid, ReadingSetDamaged
from t2disc.model import LEVELS
from t2disc.model.report import Picture, SliceStrip
from t2disc.store.files import storing, write_file
from t2disc.store.padding import padded_gzip, padded_jpeg

READS = "reads.json"
_FORMAT = "t2disc-reading-set-1"
_KEY_FORMAT = "t2disc-reading-key-1"
_STRIPS = ("anatomy", "T2")
_VOLUMES = ("echo", "T2", "discs")
_N_SALT_BYTES = 16
_ONE_TIME_S = 946_684_800  # 2000-01-01: when every file of a reading set says it was made


@dataclass(frozen=True, slots=True, kw_only=True)
class BlindedRead:
    """One visit as a blinded reader gets it.

    Attributes
    ----------
    code
        Read code, the only name.
    levels
        Discs that are labelled.
    strips
        Slices: anatomy, and T2 on the discs.
    volumes
        Gzipped NIfTI by name: ``echo``, ``T2`` in ms on the discs, ``discs``.
    """

    code: str
    levels: tuple[str, ...]
    strips: tuple[SliceStrip, ...]
    volumes: dict[str, bytes] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingKey:
    """Which visit each read code stands for; kept away from the readers until all is read."""

    visits: dict[str, tuple[str, str]] = field(repr=False)  # code: participant, session
    nonce: str = field(repr=False)  # makes the check sum of the key say nothing of what is in it

    @property
    def content(self) -> bytes:
        """The bytes of the key's file, codes in alphabetical order."""
        reads = [{"code": code, "participant_id": p, "session_id": s} for code, (p, s) in sorted(self.visits.items())]
        return (json.dumps({"format": _KEY_FORMAT, "nonce": self.nonce, "reads": reads}, indent=1) + "\n").encode()


def write_reading_set(folder: Path, key_file: Path, key: ReadingKey, reads: Iterable[BlindedRead]) -> None:
    """Write a reading set and, somewhere else, its key; the list of reads comes last and makes the set one.

    ``reads`` come in alphabetical order of their codes, one at a time. Every file and folder carries one and the same
    time. The set holds the key's SHA-256, so that another key cannot take its place once the reading is done. Files are
    filled up with random bytes that no viewer shows: a visit that is read twice is not told by equal sizes or sums.

    Raises
    ------
    StoreError
        ``disk-full``, ``permission-denied`` or ``write-failed``: there is no list, so nothing is taken for a set.
    """
    files: dict[str, str] = {}
    codes = []
    for read in reads:
        codes.append(read.code)
        for name, content in _files(read):
            write_file(folder / read.code / name, content, is_durable=False)
            files[f"{read.code}/{name}"] = hashlib.sha256(content).hexdigest()
    tree = {
        "format": _FORMAT,
        "version": __version__,
        "key_sha256": hashlib.sha256(key.content).hexdigest(),
        "reads": codes,
        "files": files,
    }
    write_file(key_file, key.content, is_private=True)
    write_file(folder / READS, (json.dumps(tree, indent=1) + "\n").encode())
    with storing("the times of a reading set"):
        for path in (*folder.rglob("*"), folder):
            os.utime(path, (_ONE_TIME_S, _ONE_TIME_S))


def _files(read: BlindedRead) -> Iterable[tuple[str, bytes]]:
    first = read.strips[0]
    told = {
        "levels": read.levels,
        "captions": first.captions,
        "width_px": first.width_px,
        "height_px": first.height_px,
        "salt": secrets.token_hex(_N_SALT_BYTES),
    }
    yield "read.json", (json.dumps(told) + "\n").encode()
    for name, strip in zip(_STRIPS, read.strips, strict=True):
        yield f"{name}.jpg", padded_jpeg(strip.picture.content)
    for name in _VOLUMES:
        yield f"{name}.nii.gz", padded_gzip(read.volumes[name])


# ------------------------------------------------------------------------------------------------ reading back
def is_reading_set(folder: Path) -> bool:
    """Tell whether a folder holds a reading set."""
    return (folder / READS).is_file()


def is_reading_key(path: Path) -> bool:
    """Tell whether a file says that it is the key of a reading set."""
    try:
        tree = json.loads(path.read_bytes()) if path.is_file() else None
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(tree, dict) and tree.get("format") == _KEY_FORMAT


class ReadingSet:
    """A reading set on disk. Each file is checked against the list as it is read.

    Raises
    ------
    ReadingSetDamaged
        ``reading-set-damaged``: the list is not one of t2disc, or names what cannot be.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            tree = json.loads((folder / READS).read_bytes())
            self.codes = tuple(str(code) for code in tree["reads"])
            self._files = {str(path): str(sha256) for path, sha256 in tree["files"].items()}
            self._key_sha256 = str(tree["key_sha256"])
            is_known = tree["format"] == _FORMAT
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            raise ReadingSetDamaged("a list of reads that cannot be read") from None
        if not is_known or not all(code.isalnum() and code.isascii() for code in self.codes):
            raise ReadingSetDamaged("a list of reads of another kind")

    def strips(self, code: str) -> tuple[SliceStrip, ...]:
        """Return the slices of a read: anatomy, and T2 on the discs."""
        told = self._told(code)
        return tuple(
            SliceStrip(
                name=name,
                picture=Picture(
                    content=self._content(code, f"{name}.jpg"), media_type="image/jpeg", alternative=f"{name} slices"
                ),
                captions=tuple(map(str, told["captions"])),
                width_px=int(told["width_px"]),
                height_px=int(told["height_px"]),
            )
            for name in _STRIPS
        )

    def levels(self, code: str) -> tuple[str, ...]:
        """Return the discs that are labelled in a read, from superior to inferior."""
        told = self._told(code)["levels"]
        return tuple(level for level in LEVELS if level in told)

    def volume(self, code: str, name: str) -> bytes:
        """Return ``echo``, ``T2`` or ``discs`` as gzipped NIfTI."""
        return self._content(code, f"{name}.nii.gz")

    def read_key(self, key_file: Path) -> ReadingKey:
        """Read the key of this very set.

        Raises
        ------
        ReadingSetDamaged
            ``reading-set-damaged``: it is not the key that was made with the set, or it was changed.
        ArgumentInvalid
            ``argument-invalid``: there is no such file.
        """
        try:
            content = key_file.read_bytes()
        except OSError as error:
            raise ArgumentInvalid(f"a key that cannot be read ({type(error).__name__})") from None
        if hashlib.sha256(content).hexdigest() != self._key_sha256:
            raise ReadingSetDamaged("a key that is not the one made with this set, or was changed since")
        tree = json.loads(content)
        visits = {read["code"]: (read["participant_id"], read["session_id"]) for read in tree["reads"]}
        return ReadingKey(visits=visits, nonce=tree["nonce"])

    def _told(self, code: str) -> dict[str, Any]:
        try:
            told = json.loads(self._content(code, "read.json"))
        except ValueError:
            told = None
        if not isinstance(told, dict):
            raise ReadingSetDamaged("a read that does not tell what it holds")
        return told

    def _content(self, code: str, name: str) -> bytes:
        path = f"{code}/{name}"
        try:
            content = (self._folder / code / name).read_bytes() if path in self._files else b""
        except OSError:
            content = b""
        if hashlib.sha256(content).hexdigest() != self._files.get(path):
            raise ReadingSetDamaged(f"a file of read {code} that is not as it was written")
        return content
