"""The study's tables, written where what they are made from has changed, or they have."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from t2disc import __version__, store, study
from t2disc.batch.locked import refuse_locked
from t2disc.batch.settings import RunSettings


def write_tables(
    summary: study.StudySummary,
    records: Sequence[store.VisitRecord],
    pairs: Sequence[store.PairRecord],
    settings: RunSettings,
) -> None:
    """Write the tables and, last, the manifest of the study, unless they stand as made from these records and settings.

    A study of hundreds of visits has a million cells: it takes longer to write them than to see that they stand.

    Raises
    ------
    StoreError
        ``disk-full``, ``permission-denied`` or ``write-failed``.
    StudyLocked
        ``study-locked``: they would change, the study is locked, and no reason was given.
    """
    out, before = settings.out, store.read_study_manifest(settings.out)
    folders = {name: sha256 for name, sha256 in _folders(out, records, pairs) if sha256 is not None}
    now = store.StudyManifest(
        version=__version__,
        settings_sha256=_settings_sha256(settings),
        folders=folders,
        files={},
        settings=study.told_settings(settings.protocol),
    )
    if before is not None and replace(before, files={}) == now and _stand(before, out):
        return
    refuse_locked(out, "the tables would change", settings.reason)
    names = (*study.write_summary(out, summary), *store.LISTED)
    files = {name: sha256 for name in names if (sha256 := store.file_sha256(out / name)) is not None}
    store.write_study_manifest(out, replace(now, files=files))


def _stand(manifest: store.StudyManifest, out: Path) -> bool:
    return {*manifest.files} > {*store.LISTED} and all(
        store.file_sha256(out / name) == sha for name, sha in manifest.files.items()
    )


def _settings_sha256(settings: RunSettings) -> str:
    tables = settings.protocol.model_dump(mode="json", include={"study", "repeatability", "checks"})
    return hashlib.sha256(json.dumps(tables, sort_keys=True).encode()).hexdigest()


def _folders(
    out: Path, records: Sequence[store.VisitRecord], pairs: Sequence[store.PairRecord]
) -> Iterator[tuple[str, str | None]]:
    """Yield the folder of each visit and pair with the check sum of its manifest."""
    for record in records:
        yield record.key, store.manifest_sha256(out / record.participant_id / record.session_id)
    for pair in pairs:
        folder = store.pair_folder(out, *pair.names)
        yield folder.relative_to(out).as_posix(), store.manifest_sha256(folder)
