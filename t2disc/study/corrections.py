"""The folder in which readers put their corrections, and what lies in it to no purpose."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from t2disc.errors import LabelsRepeated
from t2disc.model import Visit
from t2disc.study.labels import is_region_map, label_maps, listing_of
from t2disc.study.layout import CORRECTIONS, list_folder

_IMAGES = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd", ".dcm")
_OWN_MAPS = re.compile(r"_(T2map|T2starmap|S0map|TB1map|fitmap|desc-preproc_ME(SE|GRE))\.nii\.gz$")
"""Other maps of t2disc's outputs: they come along when a whole folder of outputs is copied to be corrected."""
_VISIT = re.compile(r"(?:^|/)(sub-[A-Za-z0-9]+)[_/](ses-[A-Za-z0-9]+)[_/]")


def corrections_folder(study_dir: Path) -> Path | None:
    """Return the study's folder ``corrections``, case aside; ``None`` where it has none.

    Raises
    ------
    LabelsRepeated
        ``labels-repeated``: two folders that case alone tells apart.
    """
    found = [path for path in list_folder(study_dir) if path.name.lower() == CORRECTIONS and path.is_dir()]
    if len(found) > 1:
        raise LabelsRepeated(f"{len(found)} folders of corrections", expected="one folder named corrections")
    return found[0] if found else None


def correction_warnings(visits: Sequence[Visit], folder: Path | None) -> Iterator[str]:
    """Tell of images among the corrections that are used for no visit: of a visit that is not there, or misnamed.

    Names are told where they are those of a visit, ``sub-X/ses-Y``; in a heap, where people may have used a PatientID,
    only how many there are.
    """
    if folder is None:
        return
    listing = listing_of(folder) if folder.is_dir() else {}
    used = {path for visit in visits for path in label_maps(visit, folder, listing)}
    idle = [path.relative_to(folder).as_posix() for path in _images(folder) if path not in used]
    if not idle:
        return
    is_heap = any(visit.files for visit in visits)
    whose = Counter("" if is_heap else _visit_of(name) for name in idle)
    n_others = whose.pop("", 0)
    named = [*sorted(whose), *([f"{n_others} others" if whose else f"{n_others} files"] if n_others else [])]
    yield (
        f"corrections that are not used, since their visit is not in the study or they are not named "
        f"sub-X_ses-Y*_dseg.nii.gz: {', '.join(named)}"
    )


def _images(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        is_own = is_region_map(path) or _OWN_MAPS.search(path.name)
        if path.name.endswith(_IMAGES) and not path.name.startswith(".") and not is_own:
            yield path


def _visit_of(name: str) -> str:
    found = _VISIT.search(name)
    return f"{found[1]}/{found[2]}" if found else ""
