"""What a reader of a visit's numbers has to know of them, in a sentence each."""

from __future__ import annotations

from collections.abc import Iterator

from t2disc.model import Acquisition, T2Map

T2_STAR = "gradient echo: the maps and the numbers are T2*, not T2"


def acquisition_notes(acquisition: Acquisition) -> Iterator[str]:
    """Tell where it is not sure that T2 is what the series measures."""
    if acquisition.quantity == "T2*":
        yield T2_STAR
    elif acquisition.sequence == "unknown":
        yield "the header does not name the sequence: T2 if it is spin echo"


def fit_notes(t2map: T2Map) -> Iterator[str]:
    """Tell what the data could not give: a noise sigma, or residuals to tell a standard error from."""
    if t2map.noise.method == "none":
        yield "noise unknown: SNR not tested"
    if t2map.echo_times_ms.size == 2:
        yield "2 echoes: no standard error"
