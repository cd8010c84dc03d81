#!/usr/bin/env python3
"""Make CPMG trains with epyg, a simulator that shares nothing with t2disc.

python epyg_trains.py golden > tests/epyg_trains.json
python epyg_trains.py FILE.npz TRAINS.npy

Runs in an environment that holds epyg 0.2.0, which wants numpy below 2 and so cannot live beside t2disc. ``golden``
prints the trains that the tests hold their own simulator against. Otherwise FILE holds ``t2_ms`` and ``b1`` (V),
``t1_ms``, ``spacing_ms`` and ``n_echoes``, and the trains (V, E) are written for unit magnetisation.
"""

from __future__ import annotations

import json
import math
import sys
from itertools import product

import numpy as np
from epyg.EpyG import epg
from epyg.Operators import Epsilon, Shift, Transform

GOLDEN = {
    "t2_ms": (30.0, 45.0, 70.0, 100.0, 140.0, 200.0),
    "b1": (0.75, 0.85, 0.95, 1.0),
    "t1_ms": (1000.0, 1200.0),
}
N_ECHOES, SPACING_MS = 16, 10.0


def main(arguments: list[str]) -> None:
    if arguments == ["golden"]:
        print(golden())
        return
    source, target = arguments
    with np.load(source) as given:
        pairs = zip(given["t2_ms"], given["b1"], strict=True)
        fixed = {"t1_ms": float(given["t1_ms"]), "spacing_ms": float(given["spacing_ms"])}
        np.save(target, [train(t2_ms, b1, int(given["n_echoes"]), **fixed) for t2_ms, b1 in pairs])


def golden() -> str:
    rows = [
        json.dumps([t2_ms, b1, t1_ms, *np.round(train(t2_ms, b1, N_ECHOES, t1_ms=t1_ms, spacing_ms=SPACING_MS), 10)])
        for t2_ms, b1, t1_ms in product(*GOLDEN.values())
    ]
    about = "epyg 0.2.0: CPMG, perfect excitation, 180 x b1 deg refocusing; rows of t2_ms, b1, t1_ms, echoes"
    return f'{{"about": "{about}", "spacing_ms": {SPACING_MS}, "trains": [\n' + ",\n".join(rows) + "\n]}"


def train(t2_ms: float, b1: float, n_echoes: int, *, t1_ms: float, spacing_ms: float) -> list[float]:
    """Return each echo's magnitude after a perfect 90 deg pulse and refocusing by 180 b1 deg about the spins' axis."""
    spins = epg(initial_size=2 * n_echoes + 2)
    Transform(alpha=math.pi / 2, phi=math.pi / 2).apply(spins)
    refocus, gradient = Transform(alpha=math.pi * b1, phi=0.0), Shift(1)
    relax = Epsilon(spacing_ms / 2 / t1_ms, spacing_ms / 2 / t2_ms)
    echoes = []
    for _ in range(n_echoes):
        for operator in (relax, gradient, refocus, relax, gradient):
            operator.apply(spins)
        echoes.append(float(abs(spins.get_f(0))))
    return echoes


if __name__ == "__main__":
    main(sys.argv[1:])
