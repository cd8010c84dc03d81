"""What the receiver makes of a signal: how likely a measured magnitude is, and which way the signal should move.

All quantities are in units of sigma, the noise standard deviation in each channel. Of the magnitude of one channel pair
(``n_channels`` 1, Rician) or the root sum of squares of several (non-central chi), with true signal ``f``::

    p(m | f) = m (m / f)**(L - 1) exp(-(m**2 + f**2) / 2) I_{L-1}(m f),        L = n_channels
    d ln p / df     = m r - f,                             r = I_L(z) / I_{L-1}(z) at z = m f
    -d2 ln p / df2  = 1 - m**2 r',                         r' = 1 - (2 L - 1) r / z - r**2

``r`` runs from 0 (nothing but noise) to 1 (noise does not matter); where it is 1, this is least squares.

Source: Rice 1944; Gudbjartsson and Patz 1995, Magn Reson Med 34:910; Constantinides et al. 1997, Magn Reson Med 38:852
(non-central chi); Sijbers et al. 1998, IEEE Trans Med Imaging 17:357 (maximum likelihood).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from t2disc.fit.backend import Backend, Namespace

Rows = Any
"""Numbers of B voxels, ``(B,)``, in the arrays of any namespace."""

NODES = 2048
"""Intervals of the tables; cubic between their nodes, they are good to 1e-11 (64 channels: 1e-7)."""
_LEAST_Z = 1e-9
SERIES = 120  # terms
SUMMED_POWER = 450.0
"""Greatest ``f**2 / 2`` at which the mean magnitude is summed term by term."""


class Observer(Protocol):
    """A pass over the echoes of one block."""

    def score(self, measured: Rows, signal: Rows) -> tuple[Rows, Rows | None]:
        """Return ``d ln p / df`` and ``1 + d2 ln p / df2`` of one echo, ``(B,)`` each.

        The second is the share of the information that noise hides; ``None`` where that is 0.
        """

    def cost(self, residual: Rows) -> Rows:
        """Return the negative log-likelihood of the echoes seen, but for a constant; ``residual``: squared scores."""


class Likelihood(Protocol):
    """How a measured signal depends on the true one."""

    def observer(self) -> Observer:
        """Begin a pass over the echoes."""


class Gaussian:
    """Noise of the same size whatever the signal: maximum likelihood is least squares."""

    def observer(self) -> Gaussian:
        """Begin a pass: nothing has to be remembered from echo to echo."""
        return self

    def score(self, measured: Rows, signal: Rows) -> tuple[Rows, None]:
        """Return what is left over, and that nothing is hidden."""
        return measured - signal, None

    def cost(self, residual: Rows) -> Rows:
        """Return half the sum of squares."""
        return 0.5 * residual


class Magnitude:
    """Rician noise, or non-central chi noise of several channels; ``measured`` and ``signal`` in units of sigma."""

    def __init__(self, n_channels: int, backend: Backend) -> None:
        self.order = 2 * n_channels - 1
        self.table = tuple(backend.asarray(row) for row in _ratio_table(n_channels))
        self.log_table = tuple(backend.asarray(row) for row in _log_table(n_channels))
        self.xp = backend.xp

    def observer(self) -> _MagnitudeObserver:
        """Begin a pass over the echoes."""
        return _MagnitudeObserver(self)


class _MagnitudeObserver:
    def __init__(self, law: Magnitude) -> None:
        self._law = law
        self._product: Rows = 1.0  # of 1 + z over the echoes: one logarithm for all
        self._cost: Rows = 0.0

    def score(self, measured: Rows, signal: Rows) -> tuple[Rows, Rows]:
        """Return ``m r - f`` and ``m**2 r'``."""
        law, xp = self._law, self._law.xp
        z = xp.maximum(measured * signal, xp.full_like(signal, _LEAST_Z))
        place = NODES / (1.0 + z)
        node = xp.astype(place, xp.int64)
        place = place - xp.astype(node, z.dtype)
        w = 1.0 / (1.0 + z)
        lack, by_place = _cubic_with_slope(law.table, node, place, xp)
        ratio = 1.0 - w * lack
        self._product = self._product * (1.0 + z)
        self._cost = self._cost + 0.5 * signal * signal - z - _cubic(law.log_table, node, place, xp)
        seen = measured * w
        return measured * ratio - signal, seen * seen * (lack + NODES * w * by_place)

    def cost(self, residual: Rows) -> Rows:  # noqa: ARG002 - the protocol's signature
        """Return ``sum f**2 / 2 - ln(I_{L-1}(z) / z**(L-1))``."""
        return self._cost + 0.5 * self._law.order * self._law.xp.log(self._product)


def _cubic(table: tuple[Rows, ...], node: Rows, place: Rows, xp: Namespace) -> Rows:
    c0, c1, c2, c3 = (xp.take(row, node) for row in table)
    return ((c3 * place + c2) * place + c1) * place + c0


def _cubic_with_slope(table: tuple[Rows, ...], node: Rows, place: Rows, xp: Namespace) -> tuple[Rows, Rows]:
    c0, c1, c2, c3 = (xp.take(row, node) for row in table)
    return ((c3 * place + c2) * place + c1) * place + c0, (3.0 * c3 * place + 2.0 * c2) * place + c1


@lru_cache(maxsize=8)
def _ratio_table(n_channels: int) -> tuple[NDArray[np.float64], ...]:
    """Return the cubic coefficients of ``g = (1 - r) / w`` over ``w = 1 / (1 + z)``.

    ``r' = w**2 (g + w dg/dw)``, in which nothing cancels: at high SNR, r is too near 1 to be told from it.
    """
    z = _nodes_of_z()
    lower, upper = _scaled_bessel(n_channels - 1, z), z * _scaled_bessel(n_channels, z)
    return _spline(np.concatenate([[n_channels - 0.5], (lower - upper) / lower * (1.0 + z), [1.0]]))


@lru_cache(maxsize=8)
def _log_table(n_channels: int) -> tuple[NDArray[np.float64], ...]:
    """Return the cubic coefficients of ``ln(exp(-z) I_{L-1}(z) / z**(L-1)) + (L - 1/2) ln(1 + z)`` over w."""
    z, degree = _nodes_of_z(), n_channels - 1
    between = np.log(_scaled_bessel(degree, z)) + (n_channels - 0.5) * np.log1p(z)
    at_infinity, at_zero = -0.5 * np.log(2 * np.pi), np.log(_scaled_bessel(degree, np.zeros(1))[0])
    return _spline(np.concatenate([[at_infinity], between, [at_zero]]))


def _scaled_bessel(degree: int, z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``exp(-z) I_n(z) / z**n``: of a small z by its series, for ``I_n`` of many channels is too small to hold.

    Source: Abramowitz and Stegun 1964, eq. 9.6.10.
    """
    from scipy.special import gammaln, ive

    scaled: NDArray[np.float64] = np.empty_like(z)
    near = z <= degree + 1
    term = np.exp(-degree * np.log(2.0) - gammaln(degree + 1) - z[near])
    total = term
    for k in range(1, SERIES):
        term = term * z[near] ** 2 / (4.0 * k * (k + degree))
        total = total + term
    scaled[near] = total
    scaled[~near] = ive(degree, z[~near]) / z[~near] ** degree
    return scaled


def _nodes_of_z() -> NDArray[np.float64]:
    z: NDArray[np.float64] = 1.0 / np.linspace(0.0, 1.0, NODES + 1)[1:-1] - 1.0
    return z


def _spline(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Return four coefficients ``(NODES + 1,)`` of values at equal steps; the argument counts from each node."""
    from scipy.interpolate import CubicSpline

    rows = [np.append(row, 0.0) for row in CubicSpline(np.arange(NODES + 1.0), values).c[::-1]]
    rows[0][-1] = values[-1]
    return tuple(rows)


def magnitude_mean(signal: NDArray[np.float64], n_channels: int = 1) -> NDArray[np.float64]:
    """Return the mean of the magnitude of a true signal, both in units of sigma.

    ``M = sqrt(pi / 2) L_{1/2}^{(L-1)}(-f**2 / 2)`` with the generalised Laguerre function, which is the confluent
    hypergeometric ``1F1(-1/2; L; -f**2 / 2)`` times its value at 0. SciPy's fails for weak signals of 50 channels and
    more; up to ``f**2 / 2 = 450`` the law is summed as what it is, central chi laws of ``2 (L + k)`` degrees of freedom
    with the weights of a Poisson law of mean ``f**2 / 2``, all terms positive.

    Source: Koay and Basser 2006, J Magn Reson 179:317, eqs. 6 and A.8; Abramowitz and Stegun 1964, 26.4.25.
    """
    from scipy.special import gammaln, hyp1f1

    at_zero = np.sqrt(2.0) * np.exp(gammaln(n_channels + 0.5) - gammaln(n_channels))
    power = 0.5 * np.square(signal)
    strong = np.maximum(power, SUMMED_POWER)
    near = _mean_by_sum(np.minimum(power, SUMMED_POWER), n_channels, at_zero)
    return np.where(power > SUMMED_POWER, at_zero * hyp1f1(-0.5, n_channels, -strong), near)


def _mean_by_sum(power: NDArray[np.float64], n_channels: int, at_zero: float) -> NDArray[np.float64]:
    weight, of_chi, mean = np.exp(-power), at_zero, np.zeros_like(power)
    for k in range(int(SUMMED_POWER + 14 * SUMMED_POWER**0.5)):
        mean += weight * of_chi
        weight *= power / (k + 1)
        of_chi *= (n_channels + k + 0.5) / (n_channels + k)
    return mean


def magnitude_moments(signal: NDArray[Any], n_channels: int = 1) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return mean and variance of the magnitude of a true signal, in units of sigma and its square, from a table.

    The sign of the signal does not matter. With ``lift`` what noise adds to the mean, the variance is
    ``2 L + f**2 - (f + lift)**2 = 2 L - lift (2 f + lift)``.

    Source: Constantinides et al. 1997, Magn Reson Med 38:852 (``E[m**2] = f**2 + 2 L sigma**2``); the mean as
    :func:`magnitude_mean`, from which the table differs by less than 1e-9.
    """
    signal = np.abs(signal)
    place = NODES / (1.0 + signal)
    node = place.astype(np.int64)
    lift = _cubic(_lift_table(n_channels), node, place - node, np)
    return signal + lift, 2.0 * n_channels - lift * (2.0 * signal + lift)


@lru_cache(maxsize=8)
def _lift_table(n_channels: int) -> tuple[NDArray[np.float64], ...]:
    """Return the cubic coefficients of ``magnitude_mean(f) - f`` over ``w = 1 / (1 + f)``."""
    signal = np.append(_nodes_of_z(), 0.0)
    return _spline(np.concatenate([[0.0], magnitude_mean(signal, n_channels) - signal]))
