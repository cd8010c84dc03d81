"""Which visits exist, in which order; the story of one visit and of a pair of visits."""

from t2disc.study.basis import is_as_found, visit_basis
from t2disc.study.blind import ReadingSetMade, make_reading_set
from t2disc.study.checks import check_record, inspection_checks
from t2disc.study.corrections import correction_warnings, corrections_folder
from t2disc.study.desks import ReadingDesk, StudyDesk, desk_of
from t2disc.study.expected import Expected, expected_visits
from t2disc.study.find import find_visits
from t2disc.study.labels import LabelFolders, label_warnings
from t2disc.study.layout import detect_layout
from t2disc.study.missing import participant_warnings, retest_warnings
from t2disc.study.notes import T2_STAR
from t2disc.study.order import VisitOrder, order_visits
from t2disc.study.outputs import refuse_misplaced_out
from t2disc.study.pair import (
    Pair,
    PairResult,
    analyse_pair,
    failed_pair_record,
    pair_basis,
    pair_figures,
    pair_files,
    pair_record,
)
from t2disc.study.protocolfile import protocol_schema, read_protocol
from t2disc.study.provenance import (
    protocol_of,
    protocol_of_pair,
    published_protocol,
    software_versions,
    told_settings,
    visit_provenance,
)
from t2disc.study.pseudonym import PseudonymKey, read_key, read_or_lend_key, read_or_make_key
from t2disc.study.ratings import RatingsExported, export_ratings
from t2disc.study.report import draw_plot, plot_names, plot_title, write_reports
from t2disc.study.summary import StudySummary, order_warnings, pairs_of, summarise, write_summary
from t2disc.study.visit import (
    Inspection,
    VisitResult,
    analyse_visit,
    inspect_visit,
    refusal_record,
    visit_figures,
    visit_files,
    visit_record,
)

__all__ = [
    "T2_STAR",
    "Expected",
    "Inspection",
    "LabelFolders",
    "Pair",
    "PairResult",
    "PseudonymKey",
    "RatingsExported",
    "ReadingDesk",
    "ReadingSetMade",
    "StudyDesk",
    "StudySummary",
    "VisitOrder",
    "VisitResult",
    "analyse_pair",
    "analyse_visit",
    "check_record",
    "correction_warnings",
    "corrections_folder",
    "desk_of",
    "detect_layout",
    "draw_plot",
    "expected_visits",
    "export_ratings",
    "failed_pair_record",
    "find_visits",
    "inspect_visit",
    "inspection_checks",
    "is_as_found",
    "label_warnings",
    "make_reading_set",
    "order_visits",
    "order_warnings",
    "pair_basis",
    "pair_figures",
    "pair_files",
    "pair_record",
    "pairs_of",
    "participant_warnings",
    "plot_names",
    "plot_title",
    "protocol_of",
    "protocol_of_pair",
    "protocol_schema",
    "published_protocol",
    "read_key",
    "read_or_lend_key",
    "read_or_make_key",
    "read_protocol",
    "refusal_record",
    "refuse_misplaced_out",
    "retest_warnings",
    "software_versions",
    "summarise",
    "told_settings",
    "visit_basis",
    "visit_figures",
    "visit_files",
    "visit_provenance",
    "visit_record",
    "write_reports",
    "write_summary",
]
