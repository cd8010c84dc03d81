"""The curves of a train tabulated over T2 and B1, close enough to be known between the nodes to 1e-7.

At each node stand the curve and its derivatives to third order in y = ln T2 and b, the refocusing efficiency (B1 over
nominal): anywhere else the curve is the Taylor series about the nearest node. The nodes are also the atoms of the
dictionary that finds where to start.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from t2disc.errors import TrainUnsuited
from t2disc.fit.epg import cosine_coefficients
from t2disc.fit.pulses import named_profile
from t2disc.fit.train import EchoTrain
from t2disc.model import ModelOptions, SliceProfile

Floats = NDArray[np.float64]

STEP_LOG_T2 = 0.05
STEP_B1 = 0.005
B1_FITTED = (0.5, 1.0)
"""Where B1 is looked for: b and 2 - b give nearly the same curve, so that it is folded to 1 and below."""
B1_GIVEN = (0.4, 1.4)
"""What a B1 map may hold."""
SPACING_TOLERANCE = 0.02  # of the spacing: echo n of a CPMG train lies at n spacings
_PAD = 4  # nodes beyond the edges, for the derivatives
_ORDERS = ((0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2), (3, 0), (2, 1), (1, 2), (0, 3))
# central differences of eighth order: Fornberg 1988, Math Comp 51:699, table 1 (third: sixth order)
_DIFFERENCES = {
    0: np.array([0, 0, 0, 0, 1, 0, 0, 0, 0.0]),
    1: np.array([1 / 280, -4 / 105, 1 / 5, -4 / 5, 0, 4 / 5, -1 / 5, 4 / 105, -1 / 280]),
    2: np.array([-1 / 560, 8 / 315, -1 / 5, 8 / 5, -205 / 72, 8 / 5, -1 / 5, 8 / 315, -1 / 560]),
    3: np.array([-7 / 240, 3 / 10, -169 / 120, 61 / 30, 0, -61 / 30, 169 / 120, -3 / 10, 7 / 240]),
}
_FACTORIAL = (1.0, 1.0, 2.0, 6.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EpgTable:
    """Taylor coefficients of the used echoes at every node.

    Attributes
    ----------
    coefficients
        ``(10, E, N)`` by order in (y, b), factorials divided out: 00 10 01 20 11 02 30 21 12 03; node ``iy n_b1 + ib``.
    log_t2, b1
        ``(n_t2,)``, ``(n_b1,)`` the nodes.
    spacing_ms, last_ms
        Echo spacing, and last echo time of the acquired train, ms.
    """

    coefficients: Floats
    log_t2: Floats
    b1: Floats
    spacing_ms: float
    last_ms: float

    def first(self, n_echoes: int) -> EpgTable:
        """Return the table of the first echoes only."""
        return replace(self, coefficients=self.coefficients[:, :n_echoes])

    @property
    def curves(self) -> Floats:
        """The curves themselves, ``(E, n_t2, n_b1)``."""
        curves: Floats = self.coefficients[0].reshape(-1, self.log_t2.size, self.b1.size)
        return curves


def epg_table(train: EchoTrain, options: ModelOptions, *, is_b1_given: bool) -> EpgTable:
    """Return the table of a train, made once.

    Raises
    ------
    TrainUnsuited
        ``train-unsuited``: echo times that are not those of a CPMG train.
    """
    gaps = np.diff(train.acquired_ms, prepend=0.0)
    if np.abs(gaps / gaps.mean() - 1).max() > SPACING_TOLERANCE:
        raise TrainUnsuited(
            f"echo times {np.round(train.acquired_ms, 2).tolist()} ms",
            expected="a CPMG train, echo n at n times the echo spacing, for a model of stimulated echoes",
            todo="fit the model mono, or give every echo of the train and choose among them by their numbers",
        )
    return _table(train, options.t1_ms, options.refocusing_deg, options.pulse, options.refocusing_width, is_b1_given)


@lru_cache(maxsize=8)
def _table(
    train: EchoTrain,
    t1_ms: float,
    refocusing_deg: float,
    pulse: str | SliceProfile,
    refocusing_width: float,
    is_b1_given: bool,
) -> EpgTable:
    low, high = np.log(train.shortest_t2_ms), np.log(train.longest_t2_ms)
    log_t2 = _nodes(low - STEP_LOG_T2, high + STEP_LOG_T2, STEP_LOG_T2)
    b1 = _nodes(*(B1_GIVEN if is_b1_given else B1_FITTED), STEP_B1)
    profile = named_profile(pulse, refocusing_width) if isinstance(pulse, str) else pulse
    spacing_ms = float(train.acquired_ms[-1]) / train.acquired_ms.size
    cosines = cosine_coefficients(train.numbers[-1], spacing_ms, t1_ms, np.exp(_padded(log_t2)))
    weights = _profile_weights(cosines.shape[1], profile, refocusing_deg, _padded(b1))
    curves = np.einsum("ekt,kb->etb", cosines[train.rows], weights)
    return EpgTable(
        coefficients=_taylor(curves),
        log_t2=log_t2,
        b1=b1,
        spacing_ms=spacing_ms,
        last_ms=float(train.acquired_ms[-1]),
    )


def _nodes(low: float, high: float, step: float) -> Floats:
    nodes: Floats = low + step * np.arange(round((high - low) / step) + 1, dtype=np.float64)
    return nodes


def _padded(nodes: Floats) -> Floats:
    step = nodes[1] - nodes[0]
    padded: Floats = nodes[0] + step * np.arange(-_PAD, nodes.size + _PAD)
    return padded


def _profile_weights(n_cosines: int, profile: SliceProfile, refocusing_deg: float, b1: Floats) -> Floats:
    """Return ``(K, B)``: the mean over the slice of ``cos(k a)``, weighted by what was excited."""
    excited = np.sin(np.pi / 2 * b1[:, None] * profile.excitation)
    angles = np.deg2rad(refocusing_deg) * b1[:, None] * profile.refocusing
    mean = [(excited * np.cos(k * angles)).sum(axis=1) for k in range(n_cosines)]
    return np.stack(mean) / np.asarray(excited.sum(axis=1), dtype=np.float64)


def _taylor(curves: Floats) -> Floats:
    """Return ``(10, E, N)`` Taylor coefficients from curves on padded nodes, ``(E, n_t2, n_b1)``."""
    n_echoes = len(curves)
    rows = []
    for by_y, by_b in _ORDERS:
        along_y = _differentiated(curves, by_y, STEP_LOG_T2, axis=1)
        both = _differentiated(along_y, by_b, STEP_B1, axis=2)
        rows.append(both.reshape(n_echoes, -1) / (_FACTORIAL[by_y] * _FACTORIAL[by_b]))
    return np.stack(rows)


def _differentiated(values: Floats, order: int, step: float, *, axis: int) -> Floats:
    size = values.shape[axis] - 2 * _PAD
    shifted = (np.take(values, np.arange(k, k + size), axis=axis) for k in range(2 * _PAD + 1))
    total: Floats = sum(w * part for w, part in zip(_DIFFERENCES[order], shifted, strict=True) if w)
    return total / step**order
