"""What the tables are made of: columns with their descriptions, and the words that several tables share."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Generic, TypeVar

from t2disc.model import LEVELS
from t2disc.store.files import StoredFile

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """A column: its name, what it tells, where its value comes from; its unit, decimals and words if it has any."""

    name: str
    description: str
    value: Callable[[Row], Any]
    units: str = ""
    decimals: int | None = None
    levels: Mapping[str, str] | None = None  # every word that may stand in the column, and what it means

    def entry(self) -> dict[str, Any]:
        """Return the column's entry in the data dictionary."""
        words = {"Description": self.description, "Units": self.units, "Levels": dict(self.levels or {})}
        return {key: text for key, text in words.items() if text}


PARTICIPANT = "Participant, as named by the study folder (or pseudonym)"
LEVEL = "Disc, by its two vertebrae"
LEVEL_WORDS = {level: f"Disc between {level.replace('/', ' and ')}" for level in LEVELS}
REGION = "Region of the disc"
REGION_WORDS = {
    "disc": "Whole disc",
    "NP": "Nucleus pulposus",
    "AF": "Annulus fibrosus; prefer the median: the inner edge holds some nucleus",
    "AF_anterior": "Annulus fibrosus, front part",
    "AF_posterior": "Annulus fibrosus, back part",
    "strip1": "First fifth of the disc from the front, by length along its mid-surface",
    "strip2": "Second fifth from the front",
    "strip3": "Third fifth: the centre",
    "strip4": "Fourth fifth from the front",
    "strip5": "Last fifth: the back",
    "disc_mid": "Mid-sagittal slices of the whole disc",
    "NP_mid": "Mid-sagittal slices of the nucleus pulposus",
    "AF_mid": "Mid-sagittal slices of the annulus fibrosus",
    "posterior": "Posterior end of the disc, 10 % of its length unless the protocol says otherwise",
}
SCHEME = "The scheme that defines the region"
SCHEME_WORDS = {
    "np-af": "Primary: annulus at the front and back end, nucleus between",
    "strips": "Five strips of equal length from front to back",
    "mid-sagittal": "np-af in the slices about the disc's middle only",
    "posterior": "The posterior end of the disc",
}
ROLE = "What the disc is to the study"
ROLE_WORDS = {
    "index": "Treated disc, as participants.tsv names it",
    "control": "Any other disc among [study] control_levels of a participant whose treated disc is named",
    "other": "A disc that is neither: T12/L1, unless the protocol names other control_levels",
    "unknown": "No treated disc is named for the participant",
}


def table(name: str, columns: Sequence[Column[Row]], rows: Iterable[Row]) -> tuple[StoredFile, StoredFile]:
    """Return a table as ``<name>.tsv``, and its data dictionary as ``<name>.json``."""
    lines = ["\t".join(column.name for column in columns)]
    lines += ["\t".join(cell(column.value(row), column.decimals) for column in columns) for row in rows]
    dictionary = {column.name: column.entry() for column in columns}
    return (
        StoredFile(path=PurePosixPath(f"{name}.tsv"), content=("\n".join(lines) + "\n").encode()),
        StoredFile(path=PurePosixPath(f"{name}.json"), content=(json.dumps(dictionary, indent=2) + "\n").encode()),
    )


def cell(value: object, decimals: int | None = None) -> str:
    """Return a value as the tables write it: ``n/a`` when missing, fixed decimals, no tab or line break.

    Source: BIDS 1.9.0, "Tabular files" (missing values are ``n/a``).
    """
    if value is None or value == "" or (isinstance(value, float) and not math.isfinite(value)):
        return "n/a"
    if isinstance(value, float) and decimals is not None:
        text = f"{value:.{decimals}f}"
        return text.removeprefix("-") if float(text) == 0 else text
    return " ".join(str(value).split())
