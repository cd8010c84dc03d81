"""What every table of the protocol file has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Table(BaseModel):
    """A table of the protocol file: frozen, and unknown keys refused, so that a typing slip cannot pass."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
