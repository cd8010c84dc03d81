"""What a reader of a visit's numbers has to know of them, in a sentence each."""

from __future__ import annotations

from collections.abc import Iterator

from t2disc.model import Acquisition, DiscLabels, EchoMotion, EchoState, T2Map

T2_STAR = "gradient echo: the maps and the numbers are T2*, not T2"
NO_LABELS = "no label map for this visit: no disc was labelled"
AUTOMATIC = "no label map for this visit: its discs were found automatically"
NO_DISC = "no label map for this visit, and no disc was found automatically"


def acquisition_notes(acquisition: Acquisition) -> Iterator[str]:
    """Tell where it is not sure that T2 is what the series measures."""
    if acquisition.quantity == "T2*":
        yield T2_STAR
    elif acquisition.sequence == "unknown":
        yield "the header does not name the sequence: T2 if it is spin echo"


def motion_notes(motion: EchoMotion) -> Iterator[str]:
    """Tell which echoes were moved, and of which it is not known whether they should have been."""
    if moved := motion.numbers(EchoState.CORRECTED):
        yield f"moved back onto the first echo, from up to {motion.largest_mm:.1f} mm: {_echoes(moved)}"
    if unknown := motion.numbers(EchoState.UNSURE, EchoState.UNSETTLED):
        yield f"motion against the first echo could not be measured: {_echoes(unknown)}"


def _echoes(numbers: tuple[int, ...]) -> str:
    return f"echo{'es' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"


def fit_notes(t2map: T2Map) -> Iterator[str]:
    """Tell what the data could not give: a noise sigma, or residuals to tell a standard error from."""
    if t2map.noise.method == "none":
        yield "noise unknown: SNR not tested"
    if t2map.echo_times_ms.size == 2:
        yield "2 echoes: no standard error"


def label_notes(discs: DiscLabels) -> Iterator[str]:
    """Tell who labelled the discs where no reader did, and what was noticed of the labels."""
    if discs.source.kind == "automatic":
        yield AUTOMATIC if discs.levels else NO_DISC
    elif not discs.levels:
        yield NO_LABELS
    yield from discs.notes
