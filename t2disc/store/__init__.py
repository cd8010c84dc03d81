"""Every byte t2disc writes passes through here: whole or absent, never torn."""

from t2disc.store.audit import (
    AUDIT,
    Audit,
    AuditEntry,
    append_audit,
    leave_audit,
    read_audit,
    read_left_audit,
    take_up_audit,
)
from t2disc.store.bids import echo_files, map_files, quality_files, quantity_of
from t2disc.store.change_table import ChangeRow, ControlFacts
from t2disc.store.check_table import CheckRow
from t2disc.store.colours import colour_of
from t2disc.store.dataset import LISTED, dataset_files, is_own_dataset, refuse_foreign_dataset
from t2disc.store.figures import figure_file, has_figures, picture_bytes, picture_kind
from t2disc.store.files import StoredFile, update_file, write_file, write_tree
from t2disc.store.gradeback import StoredGrades, read_grades
from t2disc.store.index import INDEX, StudyIndex, VisitFacts, read_index, write_index
from t2disc.store.labelmaps import label_files, matched_files
from t2disc.store.lock import output_lock, refuse_running, shard_lock
from t2disc.store.manifest import (
    MANIFEST,
    file_sha256,
    images_sha256,
    is_intact,
    is_whole,
    listed_sha256s,
    manifest_file,
    manifest_sha256,
)
from t2disc.store.model_table import ModelRow
from t2disc.store.nifti import nifti_bytes
from t2disc.store.outdated import is_outdated, is_pair_outdated, outdated_results, refuse_outdated
from t2disc.store.pairs import (
    DiscMatchFacts,
    PairBasis,
    PairRecord,
    pair_folder,
    pair_record_file,
    pair_stem,
    read_pair_record,
    recorded_pairs,
)
from t2disc.store.places import refuse_published
from t2disc.store.provenance import Basis, LabelFacts, Provenance
from t2disc.store.qualityback import StoredQuality, read_quality
from t2disc.store.rating_table import AgreementRow, DisagreementRow, RatingRow, rating_files
from t2disc.store.ratings import KeptRatings, append_rating, read_ratings
from t2disc.store.readback import StoredVisit, read_first_echo, read_visit
from t2disc.store.reading import (
    BlindedRead,
    ReadingKey,
    ReadingSet,
    is_reading_set,
    write_reading_set,
)
from t2disc.store.records import FitFacts, RegionFacts, Status, VisitRecord, read_record, record_file, recorded_keys
from t2disc.store.stamps import files_stamp, folder_stamp
from t2disc.store.studymanifest import (
    STUDY_MANIFEST,
    StudyManifest,
    read_study_manifest,
    write_study_manifest,
)
from t2disc.store.tables import DiscRow, RoiRow, VisitRow, table_files
from t2disc.store.verify import Finding, verify_outputs
from t2disc.store.visits import publish_visit, sweep_leftovers

__all__ = [
    "AUDIT",
    "INDEX",
    "LISTED",
    "MANIFEST",
    "STUDY_MANIFEST",
    "AgreementRow",
    "Audit",
    "AuditEntry",
    "Basis",
    "BlindedRead",
    "ChangeRow",
    "CheckRow",
    "ControlFacts",
    "DisagreementRow",
    "DiscMatchFacts",
    "DiscRow",
    "Finding",
    "FitFacts",
    "KeptRatings",
    "LabelFacts",
    "ModelRow",
    "PairBasis",
    "PairRecord",
    "Provenance",
    "RatingRow",
    "ReadingKey",
    "ReadingSet",
    "RegionFacts",
    "RoiRow",
    "Status",
    "StoredFile",
    "StoredGrades",
    "StoredQuality",
    "StoredVisit",
    "StudyIndex",
    "StudyManifest",
    "VisitFacts",
    "VisitRecord",
    "VisitRow",
    "append_audit",
    "append_rating",
    "colour_of",
    "dataset_files",
    "echo_files",
    "figure_file",
    "file_sha256",
    "files_stamp",
    "folder_stamp",
    "has_figures",
    "images_sha256",
    "is_intact",
    "is_outdated",
    "is_own_dataset",
    "is_pair_outdated",
    "is_reading_set",
    "is_whole",
    "label_files",
    "leave_audit",
    "listed_sha256s",
    "manifest_file",
    "manifest_sha256",
    "map_files",
    "matched_files",
    "nifti_bytes",
    "outdated_results",
    "output_lock",
    "pair_folder",
    "pair_record_file",
    "pair_stem",
    "picture_bytes",
    "picture_kind",
    "publish_visit",
    "quality_files",
    "quantity_of",
    "rating_files",
    "read_audit",
    "read_first_echo",
    "read_grades",
    "read_index",
    "read_left_audit",
    "read_pair_record",
    "read_quality",
    "read_ratings",
    "read_record",
    "read_study_manifest",
    "read_visit",
    "record_file",
    "recorded_keys",
    "recorded_pairs",
    "refuse_foreign_dataset",
    "refuse_outdated",
    "refuse_published",
    "refuse_running",
    "shard_lock",
    "sweep_leftovers",
    "table_files",
    "take_up_audit",
    "update_file",
    "verify_outputs",
    "write_file",
    "write_index",
    "write_reading_set",
    "write_study_manifest",
    "write_tree",
]
