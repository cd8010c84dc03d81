"""The label map that belongs to a visit, in the folder given with ``--labels``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from t2disc.errors import LabelsMissing, LabelsRepeated
from t2disc.model import Visit

NO_LABELS = "no label map for this visit: no disc was labelled"

_ENDINGS = ("_dseg.nii.gz", "_dseg.nii")
_NOT_DISCS = "_desc-regions_"  # t2disc's own region maps may lie beside its disc maps


def find_label_map(visit: Visit, labels_dir: Path | None) -> Path | None:
    """Return the visit's label map: ``sub-X/ses-Y/**/*_dseg.nii[.gz]`` or ``sub-X_ses-Y*_dseg.nii[.gz]``.

    Raises
    ------
    LabelsRepeated
        ``labels-repeated``: several label maps for one visit.
    """
    found = list(_label_maps(visit, labels_dir)) if labels_dir else []
    if len(found) > 1:
        raise LabelsRepeated(
            f"{len(found)} label maps for one visit",
            expected="one *_dseg.nii.gz per visit",
            todo="keep the one to use in the folder given with --labels",
            where=visit.key,
        )
    return found[0] if found else None


def label_warnings(visits: Sequence[Visit], labels_dir: Path | None) -> tuple[str, ...]:
    """Tell, before anything is measured, which visits have no label map in the folder given for them.

    Raises
    ------
    LabelsMissing
        ``labels-missing``: none has one, so that the folder is not that of this study's labels.
    """
    if labels_dir is None:
        return ()
    without = [visit for visit in visits if not any(_label_maps(visit, labels_dir))]
    if len(without) == len(visits):
        raise LabelsMissing(
            f"a folder of labels without a label map for any of {len(visits)} visits",
            expected="sub-X/ses-Y/**/*_dseg.nii.gz or sub-X_ses-Y*_dseg.nii.gz, named as t2disc check names the visits",
        )
    return tuple(f"{visit.key}: {NO_LABELS}" for visit in without)


def _label_maps(visit: Visit, labels_dir: Path) -> Iterator[Path]:
    return (path for path in _candidates(visit, labels_dir) if _NOT_DISCS not in path.name)


def _candidates(visit: Visit, labels_dir: Path) -> Iterator[Path]:
    nested = labels_dir / visit.participant_id / visit.session_id
    if nested.is_dir():
        yield from sorted(path for path in nested.rglob("*") if path.name.endswith(_ENDINGS))
    if labels_dir.is_dir():
        for path in sorted(labels_dir.iterdir()):
            if path.name.startswith(f"{visit.stem}_") and path.name.endswith(_ENDINGS):
                yield path
