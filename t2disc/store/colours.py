"""One colour per disc level and region, the same at every visit, and the files by which viewers know them.

Source of the colours: Okabe and Ito 2008, told apart by readers of any colour vision. Of the files: ITK-SNAP, "Label
description file"; 3D Slicer, vtkMRMLColorTableStorageNode (``.ctbl``); BIDS 1.9.0, column ``color`` of ``dseg.tsv``.
"""

from __future__ import annotations

from collections.abc import Sequence

from t2disc.model import LEVELS

Row = tuple[int, str]  # value in the label map, name

_ORANGE, _SKY, _GREEN, _YELLOW = (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66)
_BLUE, _VERMILION, _PURPLE, _GREY = (0, 114, 178), (213, 94, 0), (204, 121, 167), (153, 153, 153)
_COLOURS = {
    **dict(zip(LEVELS, (_PURPLE, _SKY, _YELLOW, _GREEN, _ORANGE, _BLUE), strict=True)),
    **{"NP": _SKY, "AF_anterior": _ORANGE, "AF_posterior": _VERMILION, "posterior": _VERMILION},
    **{"NP_mid": _SKY, "AF_mid": _ORANGE},
    **{f"strip{n}": rgb for n, rgb in enumerate((_ORANGE, _YELLOW, _SKY, _GREEN, _VERMILION), start=1)},
}


def colour_of(name: str) -> tuple[int, int, int]:
    """Return the colour ``(r, g, b)`` of a level, a region or a part of a disc, 0 to 255."""
    return _COLOURS.get(name, _GREY)


def names_table(rows: Sequence[Row]) -> bytes:
    """Return the ``dseg.tsv`` of a label map."""
    lines = (f"{index}\t{name}\t#{''.join(f'{part:02X}' for part in colour_of(name))}" for index, name in rows)
    return _text("index\tname\tcolor", *lines)


def snap_description(rows: Sequence[Row]) -> bytes:
    """Return the label description of a label map for ITK-SNAP."""
    head = ("# ITK-SnAP Label Description File", "# IDX  R  G  B  A  VIS  MESH  LABEL")
    lines = (f'{index} {_numbers(name)} 1 1 1 "{name}"' for index, name in rows)
    return _text(*head, '0 0 0 0 0 0 0 "Clear Label"', *lines)


def slicer_colours(rows: Sequence[Row]) -> bytes:
    """Return the colour table of a label map for 3D Slicer, in which a name is one word."""
    lines = (f"{index} {name.replace(' ', '_')} {_numbers(name)} 255" for index, name in rows)
    return _text("# Color table file: index name R G B A", "0 background 0 0 0 0", *lines)


def _numbers(name: str) -> str:
    return " ".join(map(str, colour_of(name)))


def _text(*lines: str) -> bytes:
    return "\n".join((*lines, "")).encode()
