"""A visit of an ellipse spine with known truth, made without a scanner, and what pictures of it are read by."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.figure import Figure

from t2disc.model import DiscLabels, EchoStack, Flag, NoiseEstimate, T2Map

LEVELS = ("L2/L3", "L3/L4", "L4/L5")
T2_MS = {"L2/L3": 120.0, "L3/L4": 90.0, "L4/L5": 45.0}
ECHO_TIMES_MS = np.arange(1, 9) * 12.0
SIGMA = 4.0
# sagittal, as ingest writes it: X runs backward (P), Y runs up (S), Z runs to the patient's left
AFFINE = np.array([[0, 0, -5.0, 12.0], [-0.8, 0, 0, 30.0], [0, 0.8, 0, -40.0], [0, 0, 0, 1]])


def make_visit() -> tuple[EchoStack, T2Map, DiscLabels]:
    shape = (80, 100, 7)
    x, y, z = np.indices(shape)
    posterior_mm, up_mm, left_mm = (x - 40) * 0.8, (y - 50) * 0.8, (z - 3) * 5.0
    discs, regions = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    t2_ms, s0 = np.full(shape, 70.0), np.full(shape, 400.0)
    s0[np.hypot(posterior_mm / 40, up_mm / 48) > 1] = 0  # air
    for number, level in enumerate(LEVELS, start=1):
        centre_mm = 24 - 24 * (number - 1)
        inside = (posterior_mm / 17) ** 2 + ((up_mm - centre_mm) / 5) ** 2 + (left_mm / 14) ** 2 < 1
        discs[inside] = DiscLabels.value_of(level)
        regions[inside] = np.select([posterior_mm < -10.2, posterior_mm > 10.2], [2, 3], 1)[inside]
        t2_ms[inside], s0[inside] = T2_MS[level], 800.0
    truth = s0[..., None] * np.exp(-ECHO_TIMES_MS / t2_ms[..., None])
    rng = np.random.default_rng(5)
    noise = rng.normal(0, SIGMA, (2, *truth.shape))
    stack = EchoStack(signal=np.hypot(truth + noise[0], noise[1]), echo_times_ms=ECHO_TIMES_MS, affine=AFFINE)
    flag = np.where(s0 > 0, Flag.OK, Flag.LOW_SNR).astype(np.uint8)
    flag[40:43, 50, 3] = Flag.NOT_DECAYING
    missing = np.where(flag == Flag.OK, 1.0, np.nan)
    t2map = T2Map(
        t2_ms=t2_ms * missing,
        s0=s0 * missing,
        t2_se_ms=missing,
        flag=flag,
        affine=AFFINE,
        echo_times_ms=ECHO_TIMES_MS,
        model="mono",
        noise=NoiseEstimate(sigma=SIGMA, method="given"),
    )
    return stack, t2map, DiscLabels(discs=discs, regions=regions, levels=LEVELS, affine=AFFINE)


def png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def panels(figure: Figure) -> list:
    return [axes for axes in figure.axes if len(axes.images) == 2]


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def unlabelled(discs: DiscLabels) -> DiscLabels:
    nothing = np.zeros(discs.shape, np.uint8)
    return DiscLabels(discs=nothing, regions=nothing, levels=(), affine=discs.affine)
