"""From a folder of files to one checked multi-echo volume, or a coded refusal."""

from t2disc.ingest.header import read_identity
from t2disc.ingest.labels import is_label_file, load_labels
from t2disc.ingest.load import files_read, load_stack, take_inventory
from t2disc.ingest.scan import walk_files
from t2disc.ingest.schemes import SCHEME_NAMES

__all__ = [
    "SCHEME_NAMES",
    "files_read",
    "is_label_file",
    "load_labels",
    "load_stack",
    "read_identity",
    "take_inventory",
    "walk_files",
]
