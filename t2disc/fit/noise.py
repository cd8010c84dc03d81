"""How noisy a stack is: from the air around the body where there is some, else from what the fit leaves over."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from t2disc.errors import ArgumentInvalid
from t2disc.fit.models import Problem, find_model
from t2disc.fit.signal import mono_signal
from t2disc.fit.train import EchoTrain, echo_train
from t2disc.model import EchoChoice, EchoStack, Flag, ModelOptions, NoiseEstimate

SAMPLE = 200_000  # voxels looked at; a sigma from a tenth of them is good to 0.2 %
RESIDUAL_SAMPLE = 20_000
TAIL = 0.05  # of air voxels left out by the selection, half at each end
STARTS = 24  # first guesses of sigma
LEAST_AIR_FRACTION = 0.01  # of the voxels looked at
LEAST_AIR_VOXELS = 400
LEAST_BRIGHT_VOXELS = 100
RAYLEIGH_TOLERANCE = 0.03  # of mean**2 / mean square of pure noise, for one channel
FLATNESS_TOLERANCE = 0.05  # of the mean, between echoes
FLOOR_SNR = 5.0  # of the last echo: below it, the noise floor changes the residual
FLOOR_SAMPLE = 4_000  # voxels
FLOOR_ROUNDS = 8
FLOOR_SETTLED = 0.003
SOURCES = ("auto", "background", "residual")
BRIGHT_FRACTION = 0.5  # of the voxels with signal, brightest first, used for the residual


def estimate_sigma(stack: EchoStack, *, source: str = "auto", n_channels: int = 1) -> NoiseEstimate:
    """Noise standard deviation of a stack, in each of the two channels of its magnitude signal.

    Air is found as in PIESNO: voxels whose mean square over the echoes is that of noise alone. Where the scanner has
    blanked or filtered the air, or there is too little of it, sigma is taken from the residual of mono-exponential
    fits to bright voxels instead; there it includes what that model does not describe.

    Parameters
    ----------
    source
        ``auto``, or only one of ``background`` and ``residual``.
    n_channels
        Receive channels behind a root-sum-of-squares magnitude.

    Returns
    -------
    NoiseEstimate
        ``method`` is ``background``, ``residual``, or ``none`` (then ``sigma`` is NaN); ``n_voxels`` it rests on.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: another source.

    Notes
    -----
    Source: Koay, Özarslan & Pierpaoli 2009, J Magn Reson 199:94 (PIESNO); Gudbjartsson & Patz 1995, Magn Reson Med
    34:910 (Rayleigh noise).
    """
    if source not in SOURCES:
        raise ArgumentInvalid(f"noise source {source!r}", expected="one of " + ", ".join(SOURCES))
    sample = _thinned(stack.signal, SAMPLE)
    found = None if source == "residual" else _from_background(sample, n_channels)
    if found is None and source != "background":
        found = _from_residual(sample, stack.echo_times_ms, n_channels)
    return found or _unknown()


def _unknown() -> NoiseEstimate:
    return NoiseEstimate(sigma=float("nan"), method="none")


def _thinned(signal: NDArray[Any], n_voxels: int) -> NDArray[np.float32]:
    """Return ``(E, V)`` of about ``n_voxels`` voxels, evenly spread over the volume; finite ones only."""
    step = max(1, int(np.ceil((signal[..., 0].size / n_voxels) ** (1 / 2))))
    part = signal[::step, ::step].reshape(-1, signal.shape[3])
    kept: NDArray[np.float32] = part[np.isfinite(part).all(axis=1)].T
    return kept


# ------------------------------------------------------------------------------------------------ air
class _Gamma(NamedTuple):
    """The law of t = mean square over E echoes / (2 L sigma**2) in air of L channels: gamma, mean 1, shape E L."""

    low: float
    high: float
    mean_between: float

    @classmethod
    def of(cls, shape: int) -> _Gamma:
        from scipy.special import gammainc, gammaincinv

        low, high = gammaincinv(shape, [TAIL / 2, 1 - TAIL / 2])
        inside = gammainc(shape + 1, high) - gammainc(shape + 1, low)
        return cls(low / shape, high / shape, inside / (1 - TAIL))


def _from_background(sample: NDArray[np.float32], n_channels: int) -> NoiseEstimate | None:
    """PIESNO: of many first guesses, the sigma that most voxels agree with and that is borne out by air."""
    mean_square = _mean_square(sample) / n_channels
    ranked = np.sort(mean_square[mean_square > 0])
    if ranked.size < LEAST_AIR_VOXELS:
        return None
    law = _Gamma.of(sample.shape[0] * n_channels)
    guesses = np.unique(np.quantile(ranked, np.linspace(0.005, 0.9, STARTS))) / 2
    for n_air, variance in sorted({_settle(ranked, guess, law) for guess in guesses}, reverse=True):
        if n_air < max(LEAST_AIR_VOXELS, LEAST_AIR_FRACTION * sample.shape[1]):
            return None
        ratio = mean_square / (2 * variance)
        if _is_air(sample[:, (ratio >= law.low) & (ratio <= law.high)], n_channels):
            return NoiseEstimate(sigma=float(np.sqrt(variance)), method="background", n_voxels=n_air)
    return None


def _mean_square(sample: NDArray[np.float32]) -> NDArray[np.float64]:
    mean_square: NDArray[np.float64] = np.einsum("ev,ev->v", sample, sample, dtype=np.float64) / sample.shape[0]
    return mean_square


def _is_air(sample: NDArray[np.float32], n_channels: int) -> bool:
    """Tell whether voxels are noise: Rayleigh (chi) in shape, and as bright in the last echo as in the first."""
    echo_means = sample.mean(axis=1, dtype=np.float64)
    mean = echo_means.mean()
    shape = mean**2 / _mean_square(sample).mean()
    flat = np.abs(echo_means / mean - 1).max() <= FLATNESS_TOLERANCE
    return bool(flat and abs(shape - _chi_ratio(n_channels)) <= RAYLEIGH_TOLERANCE / n_channels)


def _chi_ratio(n_channels: int) -> float:
    """Return mean**2 / mean square of pure noise: pi / 4 of one channel, nearer to 1 the more there are."""
    from scipy.special import poch

    return float(poch(n_channels, 0.5)) ** 2 / n_channels


def _settle(mean_square: NDArray[np.float64], variance: float, law: _Gamma) -> tuple[int, float]:
    """Repeat: choose the voxels that agree with the variance, and take the variance they show.

    ``mean_square`` is sorted.
    """
    total = np.concatenate([[0.0], np.cumsum(mean_square)])
    n_air = 0
    for _ in range(100):
        first, last = np.searchsorted(mean_square, 2 * variance * np.array([law.low, law.high]))
        n_air = int(last - first)
        if n_air == 0:
            break
        before, variance = variance, float((total[last] - total[first]) / n_air / 2 / law.mean_between)
        if abs(variance - before) <= 1e-6 * before:
            break
    return n_air, variance


# ------------------------------------------------------------------------------------------------ residual
def _from_residual(
    sample: NDArray[np.float32], echo_times_ms: NDArray[np.float64], n_channels: int
) -> NoiseEstimate | None:
    """The median over bright voxels of the residual sum of squares, over the median of its chi-square law.

    The first echo, which stimulated echoes set apart from the rest, is left out where enough echoes remain. Where the
    last echoes sink into the noise floor that law does not hold: see :func:`_without_floor`.
    """
    skip_first = 1 if echo_times_ms.size >= 5 else 0
    if echo_times_ms.size - skip_first < 3:
        return None
    train = echo_train(echo_times_ms, n_signals=sample.shape[0], echoes=EchoChoice(skip_first=skip_first))
    bright = _bright(sample)[skip_first:].astype(np.float64)
    residual = _residual(train, bright)
    if residual.size < LEAST_BRIGHT_VOXELS:
        return None
    from scipy.special import chdtri

    sigma = float(np.sqrt(np.median(residual) / chdtri(train.n_echoes - 2, 0.5)))
    if not sigma > 0:
        return None
    if np.median(bright[-1]) < FLOOR_SNR * sigma:
        sigma = _without_floor(train, bright, np.median(residual), sigma, n_channels)
    return NoiseEstimate(sigma=sigma, method="residual", n_voxels=residual.size)


def _without_floor(
    train: EchoTrain, bright: NDArray[np.float64], median: float, sigma: float, n_channels: int
) -> float:
    """Return the sigma whose simulated magnitudes leave the residual that was found.

    Magnitudes scatter less about the noise floor than about a strong signal, and the mono-exponential curve cannot
    follow it: both change the residual. With a first sigma the voxels are fitted by ``rician``, magnitudes of these
    fits simulated and fitted as the data were, and sigma is corrected by the ratio of the medians, until that is 1: a
    parametric bootstrap.

    Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, ch. 6.
    """
    part = np.ascontiguousarray(bright[:, :: max(1, bright.shape[1] // FLOOR_SAMPLE)])
    noise = np.random.default_rng(0).standard_normal((2 * n_channels, *part.shape))
    options = ModelOptions(n_channels=n_channels)
    for _ in range(FLOOR_ROUNDS):
        problem = Problem(train=train, width=part.shape[1], sigma=sigma, options=options)
        with np.errstate(all="ignore"):
            found = find_model("rician").solver(problem)(part, None)
        ok = found.flag == Flag.OK
        clean = mono_signal(train.echo_times_ms, found.t2_ms[ok], found.s0[ok]).T / np.sqrt(n_channels)
        channels = noise[:, :, ok] * sigma
        channels[::2] += clean
        simulated = _residual(train, np.sqrt(np.square(channels).sum(axis=0)))
        if simulated.size < LEAST_BRIGHT_VOXELS:
            return sigma
        ratio = float(np.sqrt(median / np.median(simulated)))
        sigma *= min(max(ratio, 0.5), 2.0)
        if abs(ratio - 1) < FLOOR_SETTLED:
            break
    return sigma


def _bright(sample: NDArray[np.float32]) -> NDArray[np.float32]:
    first = sample[0]
    lit = first[first > 0]
    if not lit.size:
        return sample[:, :0]
    chosen = np.flatnonzero(first >= np.quantile(lit, 1 - BRIGHT_FRACTION))
    return sample[:, chosen[:: max(1, chosen.size // RESIDUAL_SAMPLE)]]


def _residual(train: EchoTrain, signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the residual sums of squares of mono-exponential fits, for the voxels that have one."""
    if not signal.shape[1]:
        return np.empty(0)
    with np.errstate(all="ignore"):
        found = find_model("mono").solver(Problem(train=train, width=signal.shape[1]))(signal, None)
    ok = found.flag == Flag.OK
    fitted = mono_signal(train.echo_times_ms, found.t2_ms[ok], found.s0[ok])
    residual: NDArray[np.float64] = np.square(signal[:, ok].T - fitted).sum(axis=1)
    return residual
