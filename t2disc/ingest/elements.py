"""Reading single elements of a header that may say anything: a value of the right kind, or nothing."""

from __future__ import annotations

import datetime
import math
import struct
from functools import cache
from typing import Any

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

_LAST_PLACEHOLDER = datetime.date(1900, 1, 1)
_PLAIN_VR = frozenset({"CS", "DS", "IS", "UI", "DA", "TM", "DT"})  # ASCII by definition: read here, ten times faster


def text(dataset: Dataset, keyword: str) -> str:
    """Return a text element, ``""`` when it is absent."""
    value = _value(dataset, keyword)
    return "" if value is None else str(value).strip()


def texts(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """Return all values of a text element."""
    value = _value(dataset, keyword)
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(str(item) for item in value)


def number(dataset: Dataset, keyword: str) -> float | None:
    """Return one finite number, ``None`` when the element is absent or anything else."""
    values = numbers(dataset, keyword, 1)
    return values[0] if values else None


def numbers(dataset: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    """Return exactly ``count`` finite numbers, ``None`` otherwise."""
    value = _value(dataset, keyword)
    items = [value] if isinstance(value, (str, bytes, int, float)) else list(value if value is not None else ())
    try:
        found = tuple(float(str(item).replace("_", "?")) for item in items)  # Python would read 2_5 as 25
    except (TypeError, ValueError):
        return None
    return found if len(found) == count and all(map(math.isfinite, found)) else None


def integer(dataset: Dataset, keyword: str) -> int | None:
    """Return one whole number, ``None`` when the element is absent or anything else."""
    value = number(dataset, keyword)
    return int(value) if value is not None and value == int(value) else None


def is_filled(dataset: Dataset, keyword: str) -> bool:
    """Tell whether an element is there and not empty, whatever it holds."""
    item = dataset.get_item(keyword) if keyword in dataset else None
    return item is not None and item.value not in (None, b"", "")


def date(dataset: Dataset, *keywords: str) -> str | None:
    """Return the first real date as YYYY-MM-DD."""
    found = (real_date(text(dataset, keyword)[:10]) for keyword in keywords)
    return next((day for day in found if day is not None), None)


def real_date(written: str) -> str | None:
    """Return a date written 20240102, 2024.01.02 or 2024-01-02 as the last of these; what follows is passed over.

    Dates before 1900 and its first day are placeholders of de-identification, not dates.
    """
    try:
        day = datetime.date.fromisoformat(written.replace(".", "").replace("-", "")[:8])
    except ValueError:
        return None
    return day.isoformat() if day > _LAST_PLACEHOLDER else None


def real_time(written: str) -> str | None:
    """Return a time written 101112.5 or 10:11:12.5 as HH:MM:SS."""
    digits = written.split(".")[0].replace(":", "")[:6]
    if len(digits) != 6 or not digits.isdecimal():
        return None
    return f"{digits[:2]}:{digits[2:4]}:{digits[4:]}"


def private_number(dataset: Dataset, group: int, creator: str, element: int) -> float | None:
    """Return a number from a vendor's private block, wherever the block was placed."""
    for block in range(0x10, 0x14):
        if text(dataset, str((group << 16) + block)) == creator:
            return _private(dataset, (group << 16) + (block << 8) + element)
    return None


def _private(dataset: Dataset, tag: int) -> float | None:
    value = dataset[tag].value if tag in dataset else None
    if isinstance(value, bytes) and len(value) == 4:  # VR UN: Philips' float, kept as bytes by archives
        value = struct.unpack("<f", value)[0]
    try:
        found = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


def _value(dataset: Dataset, keyword: str) -> Any:
    """Return an element's value; damaged ones, at which pydicom raises any of a dozen kinds, count as absent."""
    try:
        tag = _tag(keyword)
        item: Any = dataset.get_item(tag)  # pydicom states DataElement; raw ones come too
        if isinstance(item, RawDataElement) and item.VR in _PLAIN_VR and item.value is not None:
            return _plain(item.value)
        return None if item is None else dataset[tag].value
    except Exception:  # the one door for pydicom's conversions
        return None


def _plain(content: bytes) -> str | list[str]:
    values = content.decode("ascii", "replace").rstrip("\0 ").split("\\")
    return values[0] if len(values) == 1 else values


@cache
def _tag(keyword: str) -> BaseTag:
    return Tag(int(keyword)) if keyword.isdigit() else Tag(keyword)
