#!/usr/bin/env python3
"""Print the bias of T2 by signal model: on the T2 spheres of the NIST/ISMRM system phantom, drawn too, and by noise.

python scripts/bias_by_model.py [--voxels N] [--docs]

Trains of 16 echoes, 10 ms apart, of spheres 3 to 9 (T1 and T2 at 3 T) by extended phase graphs, at B1 1.0 and 0.85 of
nominal, with Rician noise, SNR 100 at the first echo. The simulator is that of ``t2disc.simulate``, which shares no
code with the models; they assume T1 1000 ms. Then one short T2 (35 ms, as in a degenerated disc) at B1 1 and falling
SNR: what noise alone does to each model. ``--docs`` writes the tables into docs/methods.md and the figure beside it.

Source of the spheres: Stupic et al. 2021, Magn Reson Med 86:1194, supporting information (nominal values, 20 C).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from t2disc.fit import fit_voxels
from t2disc.simulate.epg import cpmg_echoes

ROOT = Path(__file__).resolve().parents[1]
PAGE, FIGURE = ROOT / "docs" / "methods.md", ROOT / "docs" / "images" / "bias_by_model.png"
BEGIN, END = "<!-- bias-by-model: made by scripts/bias_by_model.py -->", "<!-- /bias-by-model -->"
N_ECHOES, SPACING_MS, SNR = 16, 10.0, 100.0
B1 = (1.0, 0.85)
T2_MS = np.array([278.1, 190.94, 133.27, 96.89, 64.07, 46.42, 31.97])
T1_MS = np.array([1907.0, 1604.0, 1332.0, 1044.0, 801.7, 608.6, 458.4])
NOISY_SNR, NOISY_T2_MS, NOISY_T1_MS = (10.0, 20.0, 50.0, 100.0), 35.0, 1000.0


class Fit(NamedTuple):
    """A way of fitting, and how it is drawn."""

    name: str
    model: str
    skip_first: int = 0
    style: str = "o-"
    colour: str = "#6e6e6e"


FITS = (
    Fit("mono", "mono", style="o-", colour="#d55e00"),
    Fit("mono, first echo skipped", "mono", 1, "o--", "#d55e00"),
    Fit("wls", "wls", style="s-", colour="#cc79a7"),
    Fit("loglinear", "loglinear", style="d-", colour="#cc79a7"),
    Fit("rician", "rician", style="^-", colour="#e69f00"),
    Fit("mono-offset", "mono-offset", style="v-", colour="#999999"),
    Fit("epg", "epg", style="o-", colour="#0072b2"),
    Fit("epg-rician", "epg-rician", style="^-", colour="#009e73"),
)


def main() -> int:
    """Fit every sphere with every model; print the tables, and put them into the docs where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voxels", type=int, default=20_000, help="of each sphere")
    parser.add_argument("--docs", action="store_true", help="write docs/methods.md and its figure")
    arguments = parser.parse_args()
    biases = {b1: [biases_pct(fit, b1, arguments.voxels) for fit in FITS] for b1 in B1}
    noisy = [noise_biases_pct(fit, arguments.voxels) for fit in FITS]
    text = "\n\n".join([*(table(b1, rows) for b1, rows in biases.items()), noise_table(noisy)])
    print(text)
    if arguments.docs:
        page = PAGE.read_text(encoding="utf-8")
        before, after = page.split(BEGIN)[0], page.split(END)[1]
        PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")
        draw(biases)
    return 0


def biases_pct(fit: Fit, b1: float, n_voxels: int) -> list[float]:
    """Return the median error of each sphere, %; NaN where fewer than half of its voxels get a T2."""
    return [_bias_pct(fit, b1, n_voxels, t1_ms, t2_ms) for t1_ms, t2_ms in zip(T1_MS, T2_MS, strict=True)]


def noise_biases_pct(fit: Fit, n_voxels: int) -> list[float]:
    """Return the median error of the short T2 at each SNR, %; B1 is nominal, so that noise alone is to blame."""
    return [_bias_pct(fit, 1.0, n_voxels, NOISY_T1_MS, NOISY_T2_MS, snr) for snr in NOISY_SNR]


def _bias_pct(fit: Fit, b1: float, n_voxels: int, t1_ms: float, t2_ms: float, snr: float = SNR) -> float:
    signal = _sphere(b1, n_voxels, t1_ms, t2_ms, snr)
    echo_times_ms = SPACING_MS * np.arange(1, N_ECHOES + 1)
    found = fit_voxels(signal, echo_times_ms, model=fit.model, sigma=1.0, skip_first=fit.skip_first)
    fitted = np.isfinite(found.t2_ms)
    return 100 * float(np.median(found.t2_ms[fitted]) / t2_ms - 1) if fitted.mean() >= 0.5 else np.nan


def _sphere(b1: float, n_voxels: int, t1_ms: float, t2_ms: float, snr: float) -> NDArray[np.float64]:
    """Return ``(V, E)`` magnitudes of one sphere in units of sigma; the same noise for every model."""
    clean = cpmg_echoes(N_ECHOES, SPACING_MS, t1_ms, t2_ms, 180.0 * b1)
    rng = np.random.default_rng([round(1000 * b1), round(100 * t2_ms)])
    real, imaginary = rng.standard_normal((2, n_voxels, N_ECHOES))
    return np.hypot(snr * clean / clean[0] + real, imaginary)


def table(b1: float, rows: list[list[float]]) -> str:
    """Return the biases at one B1 as Markdown."""
    return _table(f"B1 {b1:g}: median error of T2 in %, by T2 (ms)", T2_MS.tolist(), rows)


def noise_table(rows: list[list[float]]) -> str:
    """Return the biases at each SNR as Markdown."""
    return _table(f"T2 {NOISY_T2_MS:g} ms, B1 1: median error of T2 in %, by SNR of the first echo", NOISY_SNR, rows)


def _table(title: str, columns: Sequence[float], rows: list[list[float]]) -> str:
    head = "".join(f" {column:g} |" for column in columns)
    lines = [title, "", f"| model |{head}", "|---|" + "---|" * len(columns)]
    for fit, row in zip(FITS, rows, strict=True):
        lines.append(f"| {fit.name} |" + "".join(" flagged |" if np.isnan(v) else f" {v:+.1f} |" for v in row))
    return "\n".join(lines)


def draw(biases: dict[float, list[list[float]]]) -> None:
    """Write the figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.4), dpi=110, layout="constrained")
    for axes, (b1, rows) in zip(figure.subplots(1, len(biases), sharey=True), biases.items(), strict=True):
        axes.axhline(0, color="black", lw=0.8)
        for fit, row in zip(FITS, rows, strict=True):
            axes.plot(T2_MS, row, fit.style, color=fit.colour, ms=4.5, lw=1.2, label=fit.name)
        axes.set(xscale="log", xlabel="T2 of the sphere (ms)", title=f"B1 {b1:g} of nominal, SNR {SNR:g}")
        axes.set_xticks(T2_MS, [f"{t2_ms:.0f}" for t2_ms in T2_MS])
        axes.minorticks_off()
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("Median error of T2 (%)")
    figure.axes[0].legend(frameon=False, fontsize=8)
    figure.savefig(FIGURE, metadata={"Software": None})


if __name__ == "__main__":
    raise SystemExit(main())
