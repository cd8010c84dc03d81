"""Label maps of discs and regions, with the tables by which other tools know their names and colours."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2disc.model import SCHEME_PARTS, DiscLabels, LabelSource, RegionMap
from t2disc.model.regions import Scheme
from t2disc.store.bids import image_files
from t2disc.store.colours import names_table, slicer_colours, snap_description
from t2disc.store.files import StoredFile

Rows = tuple[tuple[int, str], ...]
"""Values of a label map and what they are called."""

_PLACED = "resampled by nearest neighbour onto the T2 map's grid"
_LABEL_SOURCES = {
    "none": "nobody",
    "automatic": "found by t2disc in the multi-echo series of this visit",
    "given": f"label map given for this visit, {_PLACED}",
    "correction": f"reader's correction for this visit, {_PLACED}",
}


def label_files(stem: str, discs: DiscLabels) -> tuple[StoredFile, ...]:
    """Return the disc and region label maps with their ``_dseg.tsv`` tables; nothing where no disc is labelled.

    Beside each lie a label description for ITK-SNAP and a colour table for 3D Slicer, see
    :mod:`t2disc.store.colours`.

    Source: BIDS 1.9.0, "Imaging derivatives: discrete segmentations" (columns ``index``, ``name`` and ``color``).
    """
    if not discs.levels:
        return ()
    sources = {"SourceDescription": _source_text(discs.source)}
    disc_text = {"Description": "Discs by level; see the dseg.tsv"}
    region_text = {"Description": "Regions of each disc by disc-relative position; see the dseg.tsv"}
    return (
        *_label_map(f"{stem}_desc-discs_dseg", discs.discs, discs, disc_text | sources, _level_rows(discs)),
        *_label_map(f"{stem}_desc-regions_dseg", discs.regions, discs, region_text | sources, _part_rows("np-af")),
        *(file for scheme in discs.schemes for file in _scheme_files(stem, discs, scheme, region_text | sources)),
    )


def matched_files(stem: str, discs: DiscLabels) -> tuple[StoredFile, ...]:
    """Return the discs and regions of one visit that both visits' outlines agree on, for a reader to look at."""
    text = {"Description": "Part of each disc that the outlines of both visits agree on, each disc moved rigidly"}
    return (
        *_label_map(f"{stem}_desc-matcheddiscs_dseg", discs.discs, discs, text, _level_rows(discs)),
        *_label_map(f"{stem}_desc-matchedregions_dseg", discs.regions, discs, text, _part_rows("np-af")),
    )


def _source_text(source: LabelSource) -> str:
    """Return who drew the discs, by which tool's values they were named, and the check sum of the file or network."""
    scheme = f"; values read as those of {source.scheme}" if source.scheme else ""
    whose = "the network's weights" if source.kind == "automatic" else "the map"
    sha256 = f"; SHA-256 of {whose} {source.sha256}" if source.sha256 else ""
    return f"{_LABEL_SOURCES[source.kind]}{scheme}{sha256}"


def _scheme_files(stem: str, discs: DiscLabels, scheme: RegionMap, text: dict[str, Any]) -> tuple[StoredFile, ...]:
    """Return the map of one further scheme, ``desc-strips_dseg`` and so on, and the table that names its parts."""
    name = f"{stem}_desc-{scheme.scheme.replace('-', '')}_dseg"
    return _label_map(name, scheme.values, discs, text, _part_rows(scheme.scheme))


def _part_rows(scheme: Scheme) -> Rows:
    """Return the values of a scheme's map, each named after the region that is that part alone, as in ``discs.tsv``."""
    parts = {int(values[0]): region for region, values in SCHEME_PARTS[scheme].items() if len(values) == 1}
    return tuple(sorted(parts.items()))


def _level_rows(discs: DiscLabels) -> Rows:
    return tuple((discs.value_of(level), level) for level in discs.levels)


def _label_map(
    name: str, values: NDArray[np.uint8], discs: DiscLabels, text: dict[str, Any], rows: Rows
) -> tuple[StoredFile, ...]:
    """Return a label map with its sidecar and table, and what ITK-SNAP and 3D Slicer know names and colours by."""
    tables = {"tsv": names_table(rows), "label.txt": snap_description(rows), "ctbl": slicer_colours(rows)}
    return (
        *image_files(name, values, discs, text),
        *(
            StoredFile(path=PurePosixPath("anat", f"{name}.{ending}"), content=content)
            for ending, content in tables.items()
        ),
    )
