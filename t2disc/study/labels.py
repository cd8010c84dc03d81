"""The label map that belongs to a visit, in the folder given with ``--labels``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from t2disc.errors import LabelsRepeated
from t2disc.model import Visit

_ENDINGS = ("_dseg.nii.gz", "_dseg.nii")
_NOT_DISCS = "_desc-regions_"  # t2disc's own region maps may lie beside its disc maps


def find_label_map(visit: Visit, labels_dir: Path | None) -> Path | None:
    """Return the visit's label map: ``sub-X/ses-Y/**/*_dseg.nii[.gz]`` or ``sub-X_ses-Y*_dseg.nii[.gz]``.

    Raises
    ------
    LabelsRepeated
        ``labels-repeated``: several label maps for one visit.
    """
    if labels_dir is None:
        return None
    found = [path for path in _candidates(visit, labels_dir) if _NOT_DISCS not in path.name]
    if len(found) > 1:
        raise LabelsRepeated(
            f"{len(found)} label maps for one visit",
            expected="one *_dseg.nii.gz per visit",
            todo="keep the one to use in the folder given with --labels",
            where=visit.key,
        )
    return found[0] if found else None


def _candidates(visit: Visit, labels_dir: Path) -> Iterator[Path]:
    nested = labels_dir / visit.participant_id / visit.session_id
    if nested.is_dir():
        yield from sorted(path for path in nested.rglob("*") if path.name.endswith(_ENDINGS))
    if labels_dir.is_dir():
        for path in sorted(labels_dir.iterdir()):
            if path.name.startswith(f"{visit.stem}_") and path.name.endswith(_ENDINGS):
                yield path
