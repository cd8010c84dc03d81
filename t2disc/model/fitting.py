"""What a fit may be told: which echoes it uses, and what a model assumes of tissue, pulses and receiver."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from numbers import Integral, Real

import numpy as np
from numpy.typing import NDArray

from t2disc.errors import ArgumentInvalid
from t2disc.model._arrays import frozen

LEAST_T1_MS, MOST_T1_MS = 50, 20_000  # of anything that is scanned; 1.2 is a T1 in seconds
PULSES = ("ideal", "gauss", "sinc")
"""Named pulse shapes: the same angle across the whole slice, a soft profile, a sharp one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EchoChoice:
    """The rule by which echoes of a train are used. Several may hold together; echoes count from 1.

    Attributes
    ----------
    skip_first
        Echoes left out at the start of the train.
    even_only
        Only echoes 2, 4, 6 ...: with imperfect refocusing they lie on a smoother decay than the odd ones.
    numbers
        An explicit list, rising; ``None`` for all.
    drop_below
        In each voxel, echoes from the first one below this multiple of sigma on are left out; ``None`` keeps all.
    """

    skip_first: int = 0
    even_only: bool = False
    numbers: tuple[int, ...] | None = None
    drop_below: float | None = None

    def __post_init__(self) -> None:
        if not (is_whole_number(self.skip_first) and self.skip_first >= 0):
            raise ArgumentInvalid(f"skip_first={self.skip_first!r}", expected="0 or more echoes left out")
        if self.numbers is not None and not _are_rising_numbers(self.numbers):
            raise ArgumentInvalid(f"echoes {self.numbers!r}", expected="rising echo numbers from 1 on")
        if self.drop_below is not None and not (is_finite_number(self.drop_below) and self.drop_below > 0):
            raise ArgumentInvalid(f"drop_below={self.drop_below!r}", expected="a multiple of sigma above 0")

    def of(self, n_echoes: int) -> tuple[int, ...]:
        """Return the numbers of the echoes used in a train of ``n_echoes``, the same in every voxel.

        Raises
        ------
        ArgumentInvalid
            ``argument-invalid``: a number beyond the train, or fewer than 2 echoes left.
        """
        asked = range(1, n_echoes + 1) if self.numbers is None else self.numbers
        if max(asked) > n_echoes:
            raise ArgumentInvalid(f"echo {max(asked)} asked for", expected=f"echoes from 1 to {n_echoes}")
        used = tuple(n for n in asked if n > self.skip_first and not (self.even_only and n % 2))
        if len(used) < 2:
            raise ArgumentInvalid(
                f"{len(used)} of {n_echoes} echoes left ({self})", expected="at least 2 echoes left to fit two unknowns"
            )
        return used

    def __str__(self) -> str:
        """Say the rule in words, for sidecars and records."""
        parts = [
            f"the first {self.skip_first} left out" if self.skip_first else "",
            "even echoes only" if self.even_only else "",
            f"echoes {', '.join(map(str, self.numbers))}" if self.numbers is not None else "",
            f"in each voxel none from the first below {self.drop_below:g} sigma on" if self.drop_below else "",
        ]
        return "; ".join(part for part in parts if part) or "all echoes"


def is_whole_number(value: object) -> bool:
    """Tell whether something is one whole number, of Python or NumPy."""
    return isinstance(value, Integral)


def is_finite_number(value: object) -> bool:
    """Tell whether something is one finite real number; neither text nor an array is."""
    return isinstance(value, Real) and bool(np.isfinite(float(value)))


def _are_rising_numbers(numbers: object) -> bool:
    if not isinstance(numbers, (tuple, list)) or not numbers or not all(map(is_whole_number, numbers)):
        return False
    return min(numbers) >= 1 and all(a < b for a, b in pairwise(numbers))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SliceProfile:
    """How far pulses turn across the slice, relative to its middle; ``(Z,)`` each, at equal steps through the slice.

    Attributes
    ----------
    excitation, refocusing
        Flip angle over the nominal one; positions that are hardly excited may be left out.
    """

    excitation: NDArray[np.float64]
    refocusing: NDArray[np.float64]

    def __post_init__(self) -> None:
        for name in ("excitation", "refocusing"):
            values = frozen(getattr(self, name), name, ndim=1, dtype=np.float64)
            if not (np.isfinite(values).all() and values.size and values.max() > 0 and values.min() >= 0):
                raise ArgumentInvalid(f"a slice profile with {name} out of range", expected="finite numbers from 0 up")
            object.__setattr__(self, name, values)
        if self.excitation.size != self.refocusing.size:
            raise ArgumentInvalid("a slice profile of two lengths", expected="both pulses at the same positions")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """What models assume beyond the signal.

    Attributes
    ----------
    t1_ms
        T1 of tissue, ms (``epg``): it matters little, see docs/methods.md.
    refocusing_deg
        Nominal angle of the refocusing pulses (``epg``).
    pulse
        Shape of both pulses, a name of :data:`PULSES`, or a measured :class:`SliceProfile` (``epg``).
    refocusing_width
        How much thicker a slice the refocusing pulses select than the excitation (``epg``, named pulses).
    n_channels
        Receive channels behind a root-sum-of-squares magnitude (``rician``): 1 for adaptive combination.
    """

    t1_ms: float = 1000.0
    refocusing_deg: float = 180.0
    pulse: str | SliceProfile = "ideal"
    refocusing_width: float = 1.0
    n_channels: int = 1

    def __post_init__(self) -> None:
        if not LEAST_T1_MS <= self.t1_ms <= MOST_T1_MS:
            raise ArgumentInvalid(f"t1_ms={self.t1_ms}", expected=f"a T1 in ms, from {LEAST_T1_MS} to {MOST_T1_MS}")
        if not 90 <= self.refocusing_deg <= 180:
            raise ArgumentInvalid(f"refocusing_deg={self.refocusing_deg}", expected="an angle from 90 to 180 degrees")
        if isinstance(self.pulse, str) and self.pulse not in PULSES:
            raise ArgumentInvalid(f"pulse {self.pulse!r}", expected="one of " + ", ".join(PULSES))
        if not 0.5 <= self.refocusing_width <= 4:
            raise ArgumentInvalid(f"refocusing_width={self.refocusing_width}", expected="a ratio from 0.5 to 4")
        if self.n_channels != int(self.n_channels) or not 1 <= self.n_channels <= 64:
            raise ArgumentInvalid(f"n_channels={self.n_channels}", expected="from 1 to 64 receive channels")


ALL_ECHOES = EchoChoice()
DEFAULT_OPTIONS = ModelOptions()
