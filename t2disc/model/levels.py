"""Names of the lumbar disc levels, written one way everywhere."""

from __future__ import annotations

import re

from t2disc.errors import LabelsLevelUnknown

LEVELS: tuple[str, ...] = ("T12/L1", "L1/L2", "L2/L3", "L3/L4", "L4/L5", "L5/S1")
"""Disc levels t2disc knows, from superior to inferior."""
CONTROL_LEVELS: tuple[str, ...] = LEVELS[1:]
"""Lumbar discs: those that can be controls of a treated one, unless the protocol names others."""

_DISC_PREFIX = re.compile(r"^(intervertebral[\s_-]*)?(disc|disk|ivd)[\s_:-]+", re.IGNORECASE)
_DISC_SUFFIX = re.compile(r"[\s_-]+(intervertebral[\s_-]*)?(disc|disk|ivd)$", re.IGNORECASE)
_SPELLING = re.compile(r"^(T12|L[1-5])\s*[/\-_]?\s*(L[1-5]|S1)$", re.IGNORECASE)


def parse_level(text: str) -> str:
    """Return the canonical name of a disc level (``L4/L5``) from the spellings labs use (``L4-L5``, ``L4L5``).

    Raises
    ------
    LabelsLevelUnknown
        ``labels-level-unknown``: the text names no pair of neighbouring vertebrae from T12 to S1.
    """
    match = _SPELLING.match(text.strip())
    level = "/".join(match.groups()).upper() if match else ""
    if level not in LEVELS:
        raise LabelsLevelUnknown("a name that is no disc level")
    return level


def without_disc(text: str) -> str:
    """Return a name without the word disc before or after it: ``disc_L4_L5`` -> ``L4_L5``."""
    return _DISC_SUFFIX.sub("", _DISC_PREFIX.sub("", text.strip()))


def level_or_none(text: str) -> str | None:
    """Return the level that the name of a disc stands for (``disc_L4_L5`` -> ``L4/L5``); None for other names."""
    try:
        return parse_level(without_disc(text))
    except LabelsLevelUnknown:
        return None
