"""Slice profiles: across a slice the pulses turn by less at its edges than in its middle."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from t2disc.errors import ArgumentInvalid
from t2disc.model.fitting import SliceProfile

Floats = NDArray[np.float64]
Complex = NDArray[np.complex128]

N_STEPS = 128  # of constant field in a pulse
N_POSITIONS = 41
REACH = 1.5  # positions reach so many half slice thicknesses from the middle
TIME_BANDWIDTH = {"gauss": 1.6, "sinc": 4.0}
LEAST_EXCITED = 0.01  # of the middle: less counts as outside the slice


@lru_cache(maxsize=8)
def named_profile(pulse: str, refocusing_width: float = 1.0) -> SliceProfile:
    """Return the profile of a pulse shape by name, excitation 90 and refocusing 180 degrees of the same shape.

    ``ideal``: one angle. ``gauss``: a Gaussian of time-bandwidth product 1.6, as in fast trains of short pulses.
    ``sinc``: a Hamming-windowed sinc of time-bandwidth product 4. ``refocusing_width`` is how much thicker a slice the
    refocusing pulses select than the excitation.
    """
    if pulse == "ideal":
        return SliceProfile(excitation=np.ones(1), refocusing=np.ones(1))
    time = (np.arange(N_STEPS) + 0.5) / N_STEPS - 0.5
    bandwidth = TIME_BANDWIDTH[pulse]
    if pulse == "gauss":
        return slice_profile(np.exp(-((np.pi * bandwidth * time) ** 2) / (4 * np.log(2))), bandwidth, refocusing_width)
    waveform = np.sinc(bandwidth * time) * (0.54 + 0.46 * np.cos(2 * np.pi * time))
    return slice_profile(waveform, bandwidth, refocusing_width)


def slice_profile(waveform: Floats, time_bandwidth: float, refocusing_width: float = 1.0) -> SliceProfile:
    """Return how far a pulse turns across the slice, by the Bloch equations.

    Parameters
    ----------
    waveform
        ``(N,)`` amplitude of the pulse at equal time steps, any unit; scaled to 90 and 180 degrees in the middle.
    time_bandwidth
        Duration times bandwidth: the gradient turns the slice's two edges apart by so many cycles in the pulse.
    refocusing_width
        Thickness of the slice that is refocused over that which is excited.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: a waveform that turns nothing, or a product or width that is not above 0.

    Notes
    -----
    Each step is a rotation, kept as Cayley-Klein parameters; the angle is ``2 asin|beta|``. Relaxation during the pulse
    is left out.

    Source: Pauly et al. 1991, IEEE Trans Med Imaging 10:53, eqs. 10 to 16.
    """
    places = np.linspace(0.0, REACH, N_POSITIONS)  # in half slice thicknesses; the profile is the same on both sides
    if not (time_bandwidth > 0 and refocusing_width > 0 and np.isfinite(waveform).all() and waveform.sum() > 0):
        raise ArgumentInvalid(
            f"a pulse of time-bandwidth product {time_bandwidth} and refocusing width {refocusing_width}",
            expected="a waveform with a positive area, a product and a width above 0",
        )
    excitation = _turned(waveform, time_bandwidth, np.pi / 2, places) / (np.pi / 2)
    refocusing = _turned(waveform, time_bandwidth, np.pi, places / refocusing_width) / np.pi
    excited = excitation > LEAST_EXCITED
    return SliceProfile(excitation=excitation[excited], refocusing=refocusing[excited])


def _turned(waveform: Floats, time_bandwidth: float, angle: float, places: Floats) -> Floats:
    """Return the flip angle at every place, radians."""
    turns = waveform * (angle / waveform.sum())
    off = np.pi * time_bandwidth * places / waveform.size  # precession in a step
    alpha, beta = np.ones(places.size, np.complex128), np.zeros(places.size, np.complex128)
    for turn in turns:
        total = np.hypot(turn, off)
        part = np.sinc(total / 2 / np.pi) / 2  # sin(total / 2) / total
        a = np.cos(total / 2) - 1j * off * part
        b = -1j * turn * part
        alpha, beta = a * alpha - np.conj(b) * beta, b * alpha + np.conj(a) * beta
    flip: Floats = 2 * np.arcsin(np.minimum(np.abs(beta), 1.0))
    return flip
