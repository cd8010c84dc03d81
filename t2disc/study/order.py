"""Which visit of a participant came first."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from t2disc.errors import VisitOrderUnknown

_BASELINE = re.compile(r"^(baseline|bl|pre|m0+|month0+|screening)$", re.IGNORECASE)
_MONTH = re.compile(r"^(?:months?|mo|m)0*(\d+)$|^0*(\d+)(?:months?|mo|m)$", re.IGNORECASE)
_ORDINAL = re.compile(r"^(?:visit|v|tp|t)?0*(\d+)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitOrder:
    """Sessions of one participant, first to last, and what the order rests on."""

    session_ids: tuple[str, ...]
    ordered_by: str  # date, protocol, name or single
    contradicted_by: str = ""  # what tells another order than the dates that were followed: names or visit_order


def order_visits(dates: Mapping[str, str | None], visit_order: Sequence[str] = ()) -> VisitOrder:
    """Put the visits of one participant in order.

    By date of acquisition where every visit has one and no two share it; otherwise by the protocol file's list where
    it names every visit; otherwise by name (``baseline``, ``bl``, ``M0``, then ``month3``, ``M12``; or plain numbers).

    Parameters
    ----------
    dates
        Session (``ses-...``) to its date, ``YYYY-MM-DD`` or ``None``.
    visit_order
        ``[study] visit_order`` of the protocol file: names of visits with or without ``ses-``.

    Raises
    ------
    VisitOrderUnknown
        ``visit-order-unknown``: none of the three tells the order.
    """
    sessions = sorted(dates)
    if len(sessions) == 1:
        return VisitOrder(session_ids=tuple(sessions), ordered_by="single")
    by_name = _by_name(sessions)
    if by_date := _by_rank({session: dates[session] for session in sessions}):
        against = _contradiction(by_date, by_name, visit_order)
        return VisitOrder(session_ids=by_date, ordered_by="date", contradicted_by=against)
    if by_protocol := _by_protocol(sessions, visit_order):
        return VisitOrder(session_ids=by_protocol, ordered_by="protocol")
    if by_name:
        return VisitOrder(session_ids=by_name, ordered_by="name")
    raise VisitOrderUnknown(f"{len(sessions)} visits whose order neither dates nor names tell")


def usual_day(dates: Iterable[str | None]) -> str | None:
    """Return the day of most files of a visit, the earliest of equals: one stray file does not move the visit."""
    counts = Counter(day for day in dates if day is not None)
    return min(counts, key=lambda day: (-counts[day], day), default=None)


def _by_rank(ranks: Mapping[str, str | int | None]) -> tuple[str, ...] | None:
    """Sort sessions by their ranks, if each has one and no two the same."""
    known = {session: rank for session, rank in ranks.items() if rank is not None}
    if len(known) < len(ranks) or len(set(known.values())) < len(known):
        return None
    return tuple(sorted(known, key=lambda session: known[session]))


def _contradiction(by_date: Sequence[str], by_name: Sequence[str] | None, visit_order: Sequence[str]) -> str:
    """Tell what disagrees with the dates: the protocol file's list, even of some of the visits, or else the names."""
    places = _places(visit_order)
    listed = [places[name] for session in by_date if (name := plain_session(session)) in places]
    if listed != sorted(listed):
        return "visit_order"
    is_confirmed = len(listed) == len(by_date)
    return "" if is_confirmed or by_name in (None, by_date) else "names"


def _by_protocol(sessions: Sequence[str], visit_order: Sequence[str]) -> tuple[str, ...] | None:
    places = _places(visit_order)
    return _by_rank({session: places.get(plain_session(session)) for session in sessions})


def _places(visit_order: Sequence[str]) -> dict[str, int]:
    return {plain_session(name): place for place, name in reversed(list(enumerate(visit_order)))}


def _by_name(sessions: Sequence[str]) -> tuple[str, ...] | None:
    plain = {session: plain_session(session) for session in sessions}
    return _by_rank({s: _month(name) for s, name in plain.items()}) or _by_rank(
        {s: _ordinal(name) for s, name in plain.items()}
    )


def plain_session(name: str) -> str:
    """Return the name of a visit as visits are compared: lower case, letters and digits, without ``ses-``."""
    return re.sub(r"[^a-z0-9]", "", name.removeprefix("ses-").lower())


def _month(name: str) -> int | None:
    if _BASELINE.match(name):
        return 0
    match = _MONTH.match(name)
    return int(match.group(1) or match.group(2)) if match else None


def _ordinal(name: str) -> int | None:
    match = _ORDINAL.match(name)
    return int(match.group(1)) if match else None
