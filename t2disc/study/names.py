"""Folder names as BIDS labels: letters and digits only, and never two folders under one label."""

from __future__ import annotations

import re
from collections.abc import Sequence

from t2disc.errors import LayoutUnclear, NameCollision

_NOT_ALPHANUMERIC = re.compile(r"[^A-Za-z0-9]")


def bids_label(name: str, prefix: str) -> str:
    """Return ``<prefix><label>`` for a folder name: ``P 01`` -> ``sub-P01``; a prefix that is there is kept once.

    Raises
    ------
    LayoutUnclear
        ``layout-unclear``: no letter or digit is left.
    """
    label = _NOT_ALPHANUMERIC.sub("", name.removeprefix(prefix))
    if not label:
        raise LayoutUnclear(
            "a folder name without any letter or digit",
            expected=f"names that can become {prefix}<letters and digits>",
            todo="rename the folder",
        )
    return prefix + label


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
