"""With what a visit's result was made, told so that it can be made again: settings in, settings out."""

from __future__ import annotations

import platform
import zlib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2disc.errors import OutputsDamaged, ProtocolInvalid
from t2disc.store import PairBasis, Provenance, read_study_manifest
from t2disc.study.basis import FOR_NO_VISIT
from t2disc.study.protocolfile import valid_protocol

if TYPE_CHECKING:
    from t2disc.model.protocol import Protocol

_WITHHELD = (("ingest", "series_description"),)  # a pattern that may be the words of a header
_TOLD: dict[str, Any] = {"study": {"visit_order", "control_levels"}, "repeatability": True}
_LIBRARIES = (
    *("numpy", "scipy", "pydicom", "pylibjpeg", "pylibjpeg-openjpeg", "pyjpegls", "nibabel", "onnxruntime"),
    *("SimpleITK", "scikit-image", "matplotlib", "pillow"),
)


def visit_provenance(protocol: Protocol) -> Provenance:
    """Return with what a visit is measured by this protocol, on this machine."""
    settings: dict[str, Any] = protocol.model_dump(mode="json", by_alias=True, exclude=FOR_NO_VISIT)
    withheld = [(table, key) for table, key in _WITHHELD if settings[table].pop(key) is not None]
    return Provenance(
        settings=settings, withheld=tuple(f"{table}.{key}" for table, key in withheld), software=software_versions()
    )


def protocol_of(provenance: Provenance, given: Protocol) -> Protocol:
    """Return the protocol by which a visit was measured.

    Parameters
    ----------
    provenance
        As the visit's record tells it.
    given
        The study's protocol: what the record withholds is taken from it, and the tables on which no visit depends.

    Raises
    ------
    ProtocolInvalid
        ``protocol-invalid``: the record tells of settings that this version does not know.
    """
    settings: dict[str, Any] = {name: dict(table) for name, table in provenance.settings.items()}
    own = given.model_dump(mode="json", by_alias=True)
    for table, key in _WITHHELD:
        if f"{table}.{key}" in provenance.withheld:
            settings.setdefault(table, {})[key] = own[table][key]
    return valid_protocol({**own, **settings})


def protocol_of_pair(basis: PairBasis, given: Protocol) -> Protocol:
    """Return the protocol by which a pair was compared: ``given``, with the coefficients of the pair's record."""
    if basis.rc_pct is None:
        return given
    repeatability = given.repeatability.model_copy(update={"rc_pct": dict(basis.rc_pct)})
    return given.model_copy(update={"repeatability": repeatability})


def told_settings(protocol: Protocol) -> dict[str, Any]:
    """Return the settings of a study's tables that its manifest tells: names of visits and levels, and coefficients."""
    return protocol.model_dump(mode="json", include=_TOLD)


def published_protocol(out: Path) -> Protocol | None:
    """Return the protocol by which the tables in ``out`` were made, as far as their manifest tells it.

    ``None`` where it does not. What visits were measured by stands in their records, and their grades in the tables.

    Raises
    ------
    OutputsDamaged
        ``outputs-damaged``: the manifest tells settings that no protocol has: defaults would contradict the tables.
    """
    manifest = read_study_manifest(out)
    if manifest is None or not manifest.settings:
        return None
    try:
        return valid_protocol(manifest.settings)
    except ProtocolInvalid:
        raise OutputsDamaged("a manifest of the study with settings that no protocol has") from None


@cache
def software_versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries on which numbers and bytes depend, and the kind of machine."""
    own = {"python": platform.python_version(), "zlib": zlib.ZLIB_RUNTIME_VERSION}
    return {**own, **{name: _version(name) for name in _LIBRARIES}, "machine": platform.machine()}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"
