"""What may be told of a fault: refusals as they are, anything else without its text."""

from __future__ import annotations

from traceback import walk_tb

from t2disc.errors import InternalError, T2DiscError


def as_refusal(fault: Exception) -> T2DiscError:
    """Return a refusal as it is, and any other exception as an internal error.

    The text of a foreign exception may quote a header, so only its type and the place in t2disc are told.
    """
    if isinstance(fault, T2DiscError):
        return fault
    return InternalError(f"{type(fault).__name__} at {_place(fault)}")


def _place(fault: Exception) -> str:
    """Return the innermost line of t2disc that the exception passed through, as module and line number."""
    places = [
        f"{name}:{line}"
        for frame, line in walk_tb(fault.__traceback__)
        if (name := str(frame.f_globals.get("__name__", ""))).split(".")[0] == "t2disc"
    ]
    return places[-1] if places else "a place outside t2disc"
