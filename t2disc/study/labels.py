"""The label map that belongs to a visit: a reader's correction, otherwise one that was given, otherwise none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from t2disc.errors import LabelsMissing, LabelsRepeated
from t2disc.model import LabelMap, Visit

_NOT_DISCS = re.compile(r"_desc-(regions|strips|midsagittal|posterior|matcheddiscs|matchedregions|flag)_dseg\.")
"""t2disc's own maps of regions and flags, which lie beside its map of discs, and those of pairs of visits."""
_FOUND_HERE = "discs are found automatically"
_NOT_LABELLED = "no disc is labelled"


Listing = Mapping[str, Sequence[Path]]
"""What lies in a folder itself, sorted by name, by the ``sub-X_ses-Y`` that names start with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFolders:
    """Where label maps are looked for: the study's ``corrections``, which come first, and the ``--labels`` folder.

    ``listings`` tells what lies in them where that was looked up once for many visits, see :meth:`listed`.
    """

    corrections: Path | None = field(default=None, repr=False)
    given: Path | None = field(default=None, repr=False)
    listings: Mapping[Path, Listing] = field(default_factory=dict, repr=False, compare=False)

    def listed(self) -> LabelFolders:
        """Return the same folders with what lies in them at this moment, to decide of many visits at once."""
        folders = (folder for folder in (self.corrections, self.given) if folder is not None and folder.is_dir())
        return replace(self, listings={folder: listing_of(folder) for folder in folders})


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFile:
    """The label map to use for a visit, and whether it is a correction."""

    path: Path = field(repr=False)
    kind: Literal["given", "correction"]
    beside: Sequence[Path] | None = field(default=None, repr=False)  # files of its visit, where its folder was listed

    @property
    def companions(self) -> tuple[Path, ...]:
        """The files of the same name with other endings, such as the table that names the map's values; sorted."""
        stem = label_stem(self.path)
        others = self.path.parent.iterdir() if self.beside is None else self.beside
        beside = (path for path in others if label_stem(path) == stem and path != self.path)
        return tuple(sorted(path for path in beside if path.is_file()))


def find_label_file(visit: Visit, folders: LabelFolders) -> LabelFile | None:
    """Return the label map to use for a visit; ``None`` where its discs are to be found automatically.

    A map is named ``sub-X/ses-Y/**/*_dseg.nii[.gz]`` or ``sub-X_ses-Y*_dseg.nii[.gz]`` in either folder; for other
    kinds of files see :func:`t2disc.ingest.is_label_file`.

    Raises
    ------
    LabelsRepeated
        ``labels-repeated``: several label maps for one visit in one folder.
    """
    return _label_file(visit, folders, "correction", "in corrections") or _label_file(
        visit, folders, "given", "in the folder given with --labels"
    )


def _label_file(
    visit: Visit, folders: LabelFolders, kind: Literal["given", "correction"], where: str
) -> LabelFile | None:
    folder = folders.corrections if kind == "correction" else folders.given
    if folder is None:
        return None
    listing = folders.listings.get(folder)
    path = _only(label_maps(visit, folder, listing), visit, where)
    if path is None:
        return None
    beside = listing.get(visit.stem, ()) if listing is not None and path.parent == folder else None
    return LabelFile(path=path, kind=kind, beside=beside)


def _only(found: Iterator[Path], visit: Visit, where: str) -> Path | None:
    paths = list(found)
    if len(paths) > 1:
        raise LabelsRepeated(
            f"{len(paths)} label maps for one visit {where}",
            expected="one *_dseg.nii.gz per visit",
            todo="keep the one to use, and move the others away",
            where=visit.key,
        )
    return paths[0] if paths else None


def read_labels(file: LabelFile) -> LabelMap:
    """Read a visit's label map and keep where it comes from, with the SHA-256 of the file.

    Raises
    ------
    LabelError
        As :func:`t2disc.ingest.load_labels`.
    """
    from t2disc.ingest import load_labels

    labels = load_labels(file.path)
    return replace(labels, source=replace(labels.source, kind=file.kind))


def label_warnings(visits: Sequence[Visit], folders: LabelFolders, *, automatic: bool = True) -> Iterator[str]:
    """Tell, before anything is measured, for which visits the folder given with ``--labels`` has no label map.

    Parameters
    ----------
    visits, folders
        The study's visits, and where their label maps are.
    automatic
        Whether the discs of the others are found automatically, see ``[segment]`` of the protocol file.

    Raises
    ------
    LabelsMissing
        ``labels-missing``: it has none for any visit, so that the folder is not that of this study's labels.
    """
    if folders.given is None:
        return
    listings = folders.listed().listings
    given, corrections = (listings.get(folder) if folder else None for folder in (folders.given, folders.corrections))
    without = [visit for visit in visits if not any(label_maps(visit, folders.given, given))]
    if len(without) == len(visits):
        raise LabelsMissing(
            f"a folder of labels without a label map for any of {len(visits)} visits",
            expected="sub-X/ses-Y/**/*_dseg.nii.gz or sub-X_ses-Y*_dseg.nii.gz, named as t2disc check names the visits",
        )
    instead = _FOUND_HERE if automatic else _NOT_LABELLED
    for visit in without:
        if not any(label_maps(visit, folders.corrections, corrections)):
            yield f"{visit.key}: no label map for this visit: {instead}"


def label_maps(visit: Visit, folder: Path | None, listing: Listing | None = None) -> Iterator[Path]:
    """Yield the label maps of a visit in a folder, sorted by name; there should be one at most.

    ``listing`` tells what lies in the folder where many visits are asked for: thousands of visits with thousands of
    files in one folder would be looked up for minutes.
    """
    if folder is None or not folder.is_dir():
        return
    nested = folder / visit.participant_id / visit.session_id
    if nested.is_dir():
        yield from (path for path in sorted(nested.rglob("*")) if is_label_map(path))
    for path in sorted(folder.iterdir()) if listing is None else listing.get(visit.stem, ()):
        if path.name.startswith(f"{visit.stem}_") and is_label_map(path):
            yield path


def listing_of(folder: Path) -> Listing:
    """Look up what lies in a folder itself, for :func:`label_maps` of many visits."""
    listing: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        listing.setdefault("_".join(path.name.split("_", 2)[:2]), []).append(path)
    return listing


def is_label_map(path: Path) -> bool:
    """Tell by its name whether a file is a map of discs; the hidden copies that some systems make are none."""
    from t2disc.ingest import is_label_file

    return is_label_file(path) and not is_region_map(path) and not path.name.startswith(".")


def is_region_map(path: Path) -> bool:
    """Tell by its name whether a file is one of t2disc's own maps of the regions of discs, or of flags."""
    return _NOT_DISCS.search(path.name) is not None


def label_stem(path: Path) -> str:
    """Return what a label map and the table that names its values have in common: the name up to the first dot."""
    return path.name.split(".", 1)[0]
