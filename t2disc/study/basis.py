"""Check sums of everything a visit's result is made from, by which a run again tells what has changed."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from t2disc.errors import T2DiscError
from t2disc.model import InputFacts, Visit
from t2disc.store import Basis, files_stamp
from t2disc.study.labels import LabelFolders, find_label_file

if TYPE_CHECKING:
    from t2disc.model.protocol import Protocol

_FOR_MAPS = {"ingest", "registration", "fit"}  # tables of the protocol file on which maps depend
FOR_NO_VISIT = {"study", "repeatability", "checks"}  # how visits are found, put in order, compared and judged
_NAMED = (".nii", ".nii.gz", ".json")  # BIDS tells echoes, and which sidecar is whose, by names


def visit_basis(
    visit: Visit, protocol: Protocol, folders: LabelFolders, known: Mapping[str, InputFacts] | None = None
) -> Basis | None:
    """Return the check sums of a visit's files, of its labels and of the settings.

    The files' contents are read, about a tenth of a second per visit, for names must not matter and times do not
    survive a copy; where ``known`` tells what files of this very stamp held, they are not. ``None`` where something
    cannot be read, or it is not clear which labels to use: what that means is for the visit's own story to say.
    """
    try:
        return Basis(
            images_sha256=_known_images(visit, known or {}) or _of_images(visit),
            labels_sha256=_of_labels(visit, folders),
            maps_settings_sha256=_of_settings(protocol, include=_FOR_MAPS),
            labels_settings_sha256=_of_settings(protocol, exclude=_FOR_MAPS | FOR_NO_VISIT),
        )
    except (T2DiscError, OSError):
        return None


def is_as_found(visit: Visit) -> bool:
    """Tell whether the visit's files are the very ones that were found, unchanged: by their stamp, nothing is read."""
    from t2disc.ingest import files_read

    try:
        return visit.stamp is not None and files_stamp(visit.files or files_read(visit.folder)) == visit.stamp
    except T2DiscError:
        return False


def _known_images(visit: Visit, known: Mapping[str, InputFacts]) -> str | None:
    facts = known.get(visit.stamp) if visit.stamp else None
    return facts.images_sha256 if facts else None


def _of_images(visit: Visit) -> str:
    from t2disc.ingest import files_read

    return _of_all(sorted(_named_sha256(path, visit.folder) for path in visit.files or files_read(visit.folder)))


def _named_sha256(path: Path, folder: Path) -> str:
    name = Path(os.path.relpath(path, folder)).as_posix() if path.name.endswith(_NAMED) else ""
    return _of_all((name, _sha256(path)))


def _of_labels(visit: Visit, folders: LabelFolders) -> str:
    from t2disc.segment.network import WEIGHTS_SHA256

    file = find_label_file(visit, folders)
    if file is None:
        return _of_all(("automatic", WEIGHTS_SHA256))
    beside = (part for path in file.companions for part in (path.name, _sha256(path)))
    return _of_all((file.kind, file.path.name, _sha256(file.path), *beside))


def _of_settings(protocol: Protocol, *, include: set[str] | None = None, exclude: set[str] | None = None) -> str:
    """Return the check sum of some tables of a protocol; whatever means the same has the same."""
    settings = protocol.model_dump(mode="json", include=include, exclude=exclude)
    if "fit" in settings:
        settings["fit"]["compare"] = list(protocol.fit.others)  # the model of the maps is not compared with itself
    return _of_all((json.dumps(settings, sort_keys=True),))


def _of_all(parts: Iterator[str] | tuple[str, ...] | list[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()


def _sha256(path: Path) -> str:
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError("no regular file")  # a pipe would be waited for
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
