"""The few ways in which random people and fields of view are drawn."""

from __future__ import annotations

import numpy as np


def chance(rng: np.random.Generator, share: float) -> bool:
    """Return True in that share of the draws."""
    return bool(rng.random() < share)


def uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Return a number between two limits."""
    return float(rng.uniform(low, high))


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Return a number between two positive limits, every ratio equally likely."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
