"""Which visits exist, in which order; the story of one visit and of a pair of visits."""

from t2disc.study.find import find_visits
from t2disc.study.layout import detect_layout
from t2disc.study.order import VisitOrder, order_visits
from t2disc.study.pair import StudySummary, order_warnings, summarise, write_summary
from t2disc.study.protocolfile import read_protocol
from t2disc.study.pseudonym import PseudonymKey, read_key, read_or_lend_key, read_or_make_key
from t2disc.study.visit import (
    Inspection,
    VisitResult,
    analyse_visit,
    inspect_visit,
    refusal_record,
    visit_files,
    visit_record,
)

__all__ = [
    "Inspection",
    "PseudonymKey",
    "StudySummary",
    "VisitOrder",
    "VisitResult",
    "analyse_visit",
    "detect_layout",
    "find_visits",
    "inspect_visit",
    "order_visits",
    "order_warnings",
    "read_key",
    "read_or_lend_key",
    "read_or_make_key",
    "read_protocol",
    "refusal_record",
    "summarise",
    "visit_files",
    "visit_record",
    "write_summary",
]
