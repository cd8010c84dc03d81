"""t2disc: quantitative T2 of lumbar discs, from multi-echo DICOM to disc change.

The names below are loaded when they are first used, so that ``import t2disc`` and ``t2disc --help`` cost nothing.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from t2disc.errors import T2DiscError
    from t2disc.fit import fit_t2, fit_voxels
    from t2disc.ingest import load_labels, load_stack
    from t2disc.measure import measure_discs
    from t2disc.model import (
        Acquisition,
        DiscLabels,
        DiscMeasure,
        EchoChoice,
        EchoStack,
        Flag,
        LabelMap,
        ModelOptions,
        T2Map,
        Visit,
    )
    from t2disc.segment import find_discs
    from t2disc.study import find_visits

__version__ = "0.1.0"

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # onnxruntime would tell its maker of every use, and mark the computer

_HOME = {
    "Acquisition": "model",
    "DiscLabels": "model",
    "DiscMeasure": "model",
    "EchoChoice": "model",
    "EchoStack": "model",
    "Flag": "model",
    "LabelMap": "model",
    "ModelOptions": "model",
    "T2DiscError": "errors",
    "T2Map": "model",
    "Visit": "model",
    "find_discs": "segment",
    "find_visits": "study",
    "fit_t2": "fit",
    "fit_voxels": "fit",
    "load_labels": "ingest",
    "load_stack": "ingest",
    "measure_discs": "measure",
}

__all__ = [
    "Acquisition",
    "DiscLabels",
    "DiscMeasure",
    "EchoChoice",
    "EchoStack",
    "Flag",
    "LabelMap",
    "ModelOptions",
    "T2DiscError",
    "T2Map",
    "Visit",
    "__version__",
    "find_discs",
    "find_visits",
    "fit_t2",
    "fit_voxels",
    "load_labels",
    "load_stack",
    "measure_discs",
]


_ROOMS = frozenset(
    {"batch", "errors", "fit", "ingest", "measure", "model", "qc", "register", "segment", "simulate", "store", "study"}
)


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"t2disc.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 't2disc' has no attribute {name!r}")
    return getattr(import_module(f"t2disc.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*__all__, *_ROOMS})
