"""The protocol file, read and checked before anything runs."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from t2disc.errors import ProtocolInvalid
from t2disc.study.order import plain_session
from t2disc.study.protocolwords import as_refusal
from t2disc.study.smallfile import read_small_file

if TYPE_CHECKING:
    from t2disc.model.protocol import Protocol


def read_protocol(path: Path | None, *, model: str | None = None, models: Sequence[str] = ()) -> Protocol:
    """Read a TOML protocol file; without one, return the defaults.

    Parameters
    ----------
    path
        The file, or ``None``.
    model
        Overrides ``[fit] model``.
    models
        Override ``[fit] compare``; without ``model``, the first of them is the model of the maps.

    Raises
    ------
    ProtocolInvalid
        ``protocol-invalid``: the file cannot be read, is no TOML, or holds an unknown key or a wrong value, which
        is named; or ``[study] visit_order`` names a visit twice.
    ModelUnknown
        ``model-unknown``: no model has the name asked for.
    """
    from t2disc.fit.models import find_model

    protocol = valid_protocol(_read_toml(path) if path else {})
    _refuse_repeats(protocol.study.visit_order)
    asked: dict[str, object] = {"model": models[0], "compare": tuple(models)} if models else {}
    if model is not None:
        asked["model"] = model
    fit = protocol.fit.model_copy(update=asked)
    protocol = protocol.model_copy(update={"fit": fit.model_copy(update={"compare": fit.others})})
    for name in (protocol.fit.model, *protocol.fit.compare):
        find_model(name)
    return protocol


def valid_protocol(tree: Mapping[str, object]) -> Protocol:
    """Return a protocol from its tables.

    Raises
    ------
    ProtocolInvalid
        ``protocol-invalid``: an unknown key or a wrong value, named with what was expected there.
    """
    from pydantic import ValidationError

    from t2disc.model.protocol import Protocol

    try:
        return Protocol.model_validate(tree)
    except ValidationError as error:
        raise as_refusal(error, Protocol) from None


def protocol_schema() -> str:
    """Return the JSON Schema of the protocol file, for editors and for other programs that write one."""
    from t2disc.model.protocol import Protocol

    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Protocol.model_json_schema(by_alias=True)}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _read_toml(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(read_small_file(path, ProtocolInvalid, "a file").decode("utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise ProtocolInvalid(f"a file that is no TOML ({error})") from None
    except (FileNotFoundError, ValueError, RecursionError) as error:
        raise ProtocolInvalid(f"a file that cannot be read ({type(error).__name__})") from None


def _refuse_repeats(visit_order: Sequence[str]) -> None:
    counts = Counter(plain_session(name) for name in visit_order)
    if repeated := [name for name, count in counts.items() if count > 1]:
        raise ProtocolInvalid(f"study.visit_order: visits named twice: {', '.join(repeated)}")
