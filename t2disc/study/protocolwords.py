"""What is wrong with a protocol file, in words of ours: which key, what was found there, and what was expected."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args, get_origin

from t2disc.errors import ProtocolInvalid

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError
    from pydantic.fields import FieldInfo

_TODO = "correct the protocol file; docs/protocol.md tells every key"
_MOST_SHOWN = 40  # characters of a value, or of a part of a key
_PLAIN_KEY = re.compile(rf"[A-Za-z0-9_-]{{1,{_MOST_SHOWN}}}")
_A_TABLE = "a table"
_KEY_ITSELF = "[key]"  # the last part of a place, where it is no value but the key that cannot be


@dataclass(frozen=True, slots=True, kw_only=True)
class _Problem:
    key: str
    found: str
    expected: str


def as_refusal(error: ValidationError, protocol: type[BaseModel]) -> ProtocolInvalid:
    """Return the refusal of a protocol that did not validate, with every key that is wrong.

    Parameters
    ----------
    error
        What pydantic found; its own words are not repeated, those of our validators are.
    protocol
        The model of the whole file.
    """
    problems = [_problem(each, protocol) for each in error.errors(include_url=False)]
    if len(problems) == 1:
        return ProtocolInvalid(problems[0].found, expected=problems[0].expected, todo=_TODO)
    expected = "; ".join(f"{problem.key}: {problem.expected}" for problem in problems)
    return ProtocolInvalid("; ".join(problem.found for problem in problems), expected=expected, todo=_TODO)


def _problem(each: Mapping[str, Any], protocol: type[BaseModel]) -> _Problem:
    kind, place, limits = each["type"], tuple(each["loc"]), each.get("ctx", {})
    is_key = place[-1:] == (_KEY_ITSELF,)
    place = place[:-1] if is_key else place
    key, value = _key(place), _value(each["input"])
    if kind == "extra_forbidden":
        known = ", ".join(_keys_of(protocol, place[:-1]))
        return _Problem(key=key, found=f"{key}, a key that is not known there", expected=f"one of {known}")
    meaning = f" ({told})" if (told := _meaning(protocol, place)) else ""
    if kind == "missing":
        return _Problem(key=key, found=f"no {key}", expected=f"a value{meaning}")
    words = _EXPECTED[kind](limits) if kind in _EXPECTED else ""
    if is_key:
        return _Problem(key=key, found=f"{key}, a key that is not known there", expected=words)
    why = f": {limits['error']}" if kind == "value_error" else ""
    given = key if why and value == _A_TABLE else f"{key} = {value}"
    return _Problem(key=key, found=f"{given}{why}", expected=words or f"a value that can be{meaning}")


def _told(words: str) -> Callable[[Mapping[str, Any]], str]:
    """Return what makes words of the limits that a value did not keep."""
    return lambda limits: words.format_map(limits)


_EXPECTED = {
    kind: _told(words)
    for words, kinds in {
        "a whole number": ("int_type", "int_parsing", "int_from_float", "int_parsing_size"),
        "a number": ("float_type", "float_parsing"),
        "a number that is neither nan nor infinite": ("finite_number",),
        "true or false": ("bool_type", "bool_parsing"),
        "a text in quotation marks": ("string_type",),
        "a text of at least {min_length} characters": ("string_too_short",),
        "a text of at most {max_length} characters": ("string_too_long",),
        "a list": ("tuple_type", "list_type"),
        "at least {min_length} entries": ("too_short",),
        "at most {max_length} entries": ("too_long",),
        "a table": ("dict_type", "model_type", "model_attributes_type"),
        "one of {expected}": ("literal_error", "enum"),
        "more than {gt:g}": ("greater_than",),
        "{ge:g} or more": ("greater_than_equal",),
        "less than {lt:g}": ("less_than",),
        "{le:g} or less": ("less_than_equal",),
    }.items()
    for kind in kinds
}
"""What was expected, by pydantic's name of the fault; where none stands here, the key's description is told."""


def _key(place: Sequence[str | int]) -> str:
    """Return a place in the file as it is written there: ``checks.scan.voxel_size_mm.expected, entry 2``."""
    keys = ".".join(part if _PLAIN_KEY.fullmatch(part) else _quoted(part) for part in place if isinstance(part, str))
    return keys + "".join(f", entry {part + 1}" for part in place if isinstance(part, int))


def _value(value: object) -> str:
    """Return a value as it is written in the file, if it is short; files are the lab's own, and hold no patient."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, Mapping):
        return _A_TABLE
    if isinstance(value, Sequence):
        text = f"[{', '.join(map(_value, value[:_MOST_SHOWN]))}]"
        return text if len(text) <= _MOST_SHOWN else f"a list of {len(value)}"
    text = str(value)
    return text if len(text) <= _MOST_SHOWN else f"a number of {len(text)} digits"


def _quoted(text: str) -> str:
    if len(text) > _MOST_SHOWN:
        return f"a text of {len(text)} characters"
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _keys_of(protocol: type[BaseModel], place: Sequence[str | int]) -> Iterator[str]:
    """Yield the keys that a table of the file may hold."""
    table = protocol if not place else _table_in(_field(protocol, place))
    for name, field in table.model_fields.items() if table else ():
        yield field.alias or name


def _meaning(protocol: type[BaseModel], place: Sequence[str | int]) -> str:
    """Return what a key means: its description, or the first line on the table that stands under it."""
    field = _field(protocol, place)
    if field is None or field.description:
        return field.description or "" if field else ""
    table = _table_in(field)
    return (table.__doc__ or "").split("\n", maxsplit=1)[0].rstrip(".") if table else ""


def _field(protocol: type[BaseModel], place: Sequence[str | int]) -> FieldInfo | None:
    """Return the field of a place; what a list or a table of free keys holds belongs to its field."""
    table: type[BaseModel] | None = protocol
    field: FieldInfo | None = None
    is_free = False
    for part in place:
        if is_free or isinstance(part, int):
            is_free = False
            continue
        found = {other.alias or name: other for name, other in table.model_fields.items()} if table else {}
        if part not in found:
            return field
        field = found[part]
        table, is_free = _table_in(field), get_origin(field.annotation) is dict
    return field


def _table_in(field: FieldInfo | None) -> type[BaseModel] | None:
    """Return the table that stands under a key, or under each free key below it."""
    from pydantic import BaseModel

    annotation = field.annotation if field else None
    kinds = (annotation, *get_args(annotation))
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
