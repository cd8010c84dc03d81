"""The manifest of a study: check sums of every visit's and pair's manifest and of the tables made from them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from t2disc.store.files import update_file

STUDY_MANIFEST = "manifest.json"
_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyManifest:
    """What a study's tables were made from, and what was made.

    Attributes
    ----------
    version
        Of t2disc.
    settings_sha256
        Of the protocol's tables on which only the study's tables depend.
    folders
        SHA-256 of the manifest of each visit (``sub-X/ses-Y``) and pair (``sub-X/pairs/ses-A_ses-B``), and so of all
        its files.
    files
        SHA-256 of each table and data dictionary, and of what describes the dataset.
    settings
        Those of the settings that name visits, levels and coefficients, named as in a protocol file: by them a report
        shows what the tables say. Empty in manifests older than it.
    """

    version: str
    settings_sha256: str
    folders: Mapping[str, str]
    files: Mapping[str, str]
    settings: Mapping[str, Any] = field(default_factory=dict)


def read_study_manifest(out: Path) -> StudyManifest | None:
    """Read the manifest of a study; ``None`` where there is none as t2disc writes it."""
    try:
        tree = json.loads((out / STUDY_MANIFEST).read_bytes())
        if tree.pop("study_manifest_version") != _VERSION:
            return None
        folders = {str(name): str(sha256) for name, sha256 in tree.pop("folders").items()}
        files = {str(name): str(sha256) for name, sha256 in tree.pop("files").items()}
        settings = {str(name): dict(table) for name, table in tree.pop("settings", {}).items()}
        return StudyManifest(**tree, folders=folders, files=files, settings=settings)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def write_study_manifest(out: Path, manifest: StudyManifest) -> bool:
    """Write the manifest of a study; tell whether it has changed.

    Raises
    ------
    StoreError
        ``disk-full``, ``permission-denied`` or ``write-failed``.
    """
    tree = {"study_manifest_version": _VERSION, **asdict(manifest)}
    return update_file(out / STUDY_MANIFEST, (json.dumps(tree, indent=1, sort_keys=True) + "\n").encode())
