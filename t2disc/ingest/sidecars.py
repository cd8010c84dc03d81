"""What BIDS says of an image: its own JSON sidecar, and those it inherits from the folders above it.

The nearest wins, key by key. Source: BIDS 1.9.0, "The Inheritance Principle".
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from t2disc.errors import SidecarInvalid
from t2disc.ingest.scan import files_in

_MAX_BYTES = 2**20  # 1 MiB
_OF_A_DATASET = re.compile(r"^(sub-|ses-).+$|^anat$")  # folders above which a dataset goes on
_ENDING = "MESE.json"


def sidecars_above(folder: Path, images: Sequence[Path]) -> list[Path]:
    """Return the sidecars above a folder, up to the root of its dataset, that any of its images inherits.

    Raises
    ------
    FolderUnreadable
        ``folder-unreadable``: a folder above that may not be listed.
    """
    found: list[Path] = []
    at = _absolute(folder)
    while _OF_A_DATASET.match(at.name) and not (at / "dataset_description.json").is_file():
        at = at.parent
        found += [path for path in files_in(at) if path.name.endswith(_ENDING)]
    return [path for path in found if any(_applies(path, image) for image in images)]


def read_sidecar(image: Path, files: Sequence[Path]) -> dict[str, Any]:
    """Return what the sidecar beside an image, and others among ``files`` that it inherits, say of it.

    Raises
    ------
    SidecarInvalid
        ``sidecar-invalid``: there is none, one is no JSON object or larger than 1 MiB, or two of one folder apply alike
        and contradict each other.
    """
    beside = image.with_name(image.name.partition(".nii")[0] + ".json")
    own = {_absolute(path): path for path in files if path.name.endswith(_ENDING) and _applies(path, image)}
    if os.path.lexists(beside):  # whatever it is: a pipe in its place is refused, not passed over
        own[_absolute(beside)] = beside
    if not own:
        raise SidecarInvalid("a MESE echo whose JSON sidecar is absent or no JSON")
    merged: dict[str, Any] = {}
    for _, alike in groupby(sorted(own.values(), key=_rank), key=_rank):
        merged |= _agreed([_read(path) for path in alike])
    return merged


def _agreed(told: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Put sidecars together of which none is nearer than another; where two contradict each other nobody can choose."""
    merged: dict[str, Any] = {}
    for content in told:
        if any(merged.get(key, value) != value for key, value in content.items()):
            raise SidecarInvalid("two JSON sidecars of one folder that contradict each other about one echo")
        merged |= content
    return merged


def _applies(sidecar: Path, image: Path) -> bool:
    """Tell whether an image inherits a sidecar: from a folder on its way up, with no entity that it has not."""
    parts, own = sidecar.name.removesuffix(".json").split("_"), image.name.partition(".")[0].split("_")
    return set(parts) <= set(own) and _absolute(sidecar).parent in _absolute(image).parents


def _rank(sidecar: Path) -> tuple[int, int]:
    """Return how near a sidecar is: by its folder, then by how many entities it names."""
    return len(_absolute(sidecar).parts), sidecar.name.count("_")


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links


def _read(path: Path) -> dict[str, Any]:
    try:
        if not path.is_file():  # a FIFO would block
            raise FileNotFoundError
        with path.open("rb") as stream:
            content = stream.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise SidecarInvalid("a JSON sidecar of more than 1 MiB")
        told = json.loads(content.decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise SidecarInvalid("a MESE echo whose JSON sidecar is absent or no JSON") from error
    if not isinstance(told, dict):
        raise SidecarInvalid("a JSON sidecar that is no object")
    return told
