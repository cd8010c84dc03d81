"""How outputs like these are made: a command line in general form, with nothing in it that the records do not tell."""

from __future__ import annotations

from collections.abc import Sequence

from t2disc.model import ModelSensitivity
from t2disc.model.protocol import FitSettings
from t2disc.study.report.gather import Gathered


def fit_line(gathered: Gathered) -> str:
    """Return the line of ``t2disc fit`` that the records tell; in capitals what stands for a path.

    Labels are named where a label folder gave any; corrections lie in the study. The model is named where one other
    than that of a run without options made all maps, and models set beside it where all visits have the same. A
    protocol file is named where the outputs hold grades, which nothing else gives; other settings stand in the records.
    """
    measured = [row for one in gathered.participants for row in one.visits if row.record.is_done]
    words = ["t2disc fit STUDY -o OUT"]
    if any(row.record.labels.kind == "given" for row in measured):
        words.append("--labels LABELS")
    model = _only([row.record.fit.model for row in measured if row.record.fit])
    compared = _only([_models(row.record.model_sensitivity) for row in measured])
    if model and model != FitSettings().model:
        words.append(f"--model {model}")
    if compared:
        words.append(f"--models {compared}")
    if gathered.has_stored_grades:
        words.append("--protocol PROTOCOL")
    return " ".join(words)


def _models(sensitivities: Sequence[ModelSensitivity]) -> str:
    return ",".join(median.model for median in sensitivities[0].medians) if sensitivities else ""


def _only(values: Sequence[str]) -> str:
    """Return the one value that all share; empty where they differ, or there is none."""
    first, *others = dict.fromkeys(values) or ("",)
    return "" if others else first
