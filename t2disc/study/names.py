"""Folder names as BIDS labels: letters and digits only, and never two folders under one label."""

from __future__ import annotations

import re
from collections.abc import Sequence

from t2disc.errors import LayoutUnclear, NameCollision

_NOT_ALPHANUMERIC = re.compile(r"[^A-Za-z0-9]")
_MAX_LENGTH = 64  # of a label; twice that and the endings stay below the 255 bytes of a file name
_SHOWN = 12  # characters of a label that is too long


def bids_label(name: str, prefix: str) -> str:
    """Return ``<prefix><label>`` for a folder name: ``P 01`` -> ``sub-P01``; a prefix that is there is kept once.

    Raises
    ------
    LayoutUnclear
        ``layout-unclear``: no letter or digit is left, or more than 64 of them.
    """
    label = _NOT_ALPHANUMERIC.sub("", name.removeprefix(prefix))
    if not label:
        raise LayoutUnclear(
            "a folder name without any letter or digit",
            expected=f"names that can become {prefix}<letters and digits>",
            todo="rename the folder",
        )
    if len(label) > _MAX_LENGTH:
        raise LayoutUnclear(
            f"a name of {len(label)} letters and digits",
            expected=f"at most {_MAX_LENGTH}",
            todo="shorten it",
            where=f"{prefix}{label[:_SHOWN]}...",
        )
    return prefix + label


def plain_name(name: str) -> str:
    """Return a name with nothing but letters, digits, dot, underscore and hyphen, to be shown in a line of a log."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name)[:_MAX_LENGTH]


def refuse_collisions(labels: Sequence[str], *, where: str = "") -> None:
    """Refuse two folders that become one label; case does not tell them apart, as on many disks.

    Raises
    ------
    NameCollision
        ``name-collision``: names the label concerned.
    """
    seen: set[str] = set()
    for label in labels:
        if label.casefold() in seen:
            raise NameCollision(f"two folders that both become {label}", where=where)
        seen.add(label.casefold())
