"""Print what goodness of fit shows of each kind of misfit: the table of docs/methods.md, "Goodness of fit".

Usage: python scripts/goodness_figures.py
"""

from __future__ import annotations

import numpy as np
from scipy.special import chdtri

from t2disc.fit import fit_t2, judge_fit
from t2disc.model import EchoStack
from t2disc.simulate.epg import cpmg_echoes

N_VOXELS = 20_000
SNR = 50.0
SIGMA = 20.0
ECHO_TIMES_MS = 10.0 * np.arange(1, 9)
AFFINE = np.diag([0.5, 0.5, 4.0, 1.0])


def decay(t2_ms: float) -> np.ndarray:
    """Return ``(E,)`` of one pool."""
    return np.exp(-ECHO_TIMES_MS / t2_ms)


def train(t2_ms: float, b1: float) -> np.ndarray:
    """Return ``(E,)`` of a CPMG train whose refocusing pulses turn by 180 b1 degrees."""
    return cpmg_echoes(8, 10.0, 1000.0, t2_ms, 180 * b1)


CASES = {
    "one pool, T2 100 ms": decay(100),
    "one pool, T2 35 ms": decay(35),
    "refocusing at B1 0.9, T2 100 ms": train(100, 0.9),
    "refocusing at B1 0.8, T2 100 ms": train(100, 0.8),
    "two pools, 30 and 150 ms": decay(30) + decay(150),
    "two pools, 40 and 120 ms": decay(40) + decay(120),
    "echo 5 a tenth too low": decay(100) * np.where(np.arange(8) == 4, 0.9, 1.0),
}


def noisy_stack(curve: np.ndarray) -> EchoStack:
    """Return many voxels of one curve in Rician noise, all of one SNR at the first echo."""
    rng = np.random.default_rng(0)
    clean = np.broadcast_to(SNR * SIGMA * curve / curve[0], (N_VOXELS, curve.size))
    signal = np.hypot(clean + rng.normal(0, SIGMA, clean.shape), rng.normal(0, SIGMA, clean.shape))
    return EchoStack(
        signal=signal.reshape(-1, 10, 10, curve.size).astype(np.float32), echo_times_ms=ECHO_TIMES_MS, affine=AFFINE
    )


def figures(stack: EchoStack, model: str) -> list[str]:
    """Return mean chi-square, share beyond its 99 % point, median R2, index and decay variance."""
    quality = judge_fit(stack, fit_t2(stack, model=model, sigma=SIGMA))
    known = np.isfinite(quality.chi2_red)
    chi2_red, left = quality.chi2_red[known], quality.degrees_of_freedom[known].astype(float)
    return [
        f"{chi2_red.mean():.2f}",
        f"{100 * np.mean(chi2_red > chdtri(left, 0.01) / left):.0f} %",
        f"{np.nanmedian(quality.r2):.3f}",
        f"{np.nanmedian(quality.odd_even):+.3f}",
        f"{1e4 * np.nanmedian(quality.decay_variance):.1f}",
    ]


def main() -> None:
    """Print the table in Markdown."""
    print("| signal | model | chi2 | beyond 99 % | R2 | odd/even | decay variance x 10^4 |")
    print("|---|---|---|---|---|---|---|")
    for name, curve in CASES.items():
        stack = noisy_stack(curve)
        for model in ("mono", "epg"):
            print("| " + " | ".join([name, f"`{model}`", *figures(stack, model)]) + " |")


if __name__ == "__main__":
    main()
