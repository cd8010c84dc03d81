"""Places among outputs where nothing may be put beside what was published."""

from __future__ import annotations

from pathlib import Path

from t2disc.errors import ArgumentInvalid
from t2disc.store.manifest import listed_sha256s


def refuse_published(place: Path, what: str) -> None:
    """Refuse to put ``what`` into the folder of a visit or pair, of whichever study: its manifest would not list it.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``.
    """
    whole = place.resolve()
    if any(_is_published(folder) for folder in (whole, *whole.parents)):
        raise ArgumentInvalid(
            f"{what} within a visit or pair that t2disc fit published",
            expected="a folder whose files no manifest lists, such as one outside the outputs",
        )


def _is_published(folder: Path) -> bool:
    participant = folder.parents[1] if folder.parent.name == "pairs" else folder.parent
    is_named = folder.name.startswith("ses-") and participant.name.startswith("sub-")
    return is_named and bool(listed_sha256s(folder))
