"""From a folder of files to one checked multi-echo volume, or a coded refusal."""

from t2disc.ingest.header import read_identity
from t2disc.ingest.labels import load_labels
from t2disc.ingest.load import load_stack, take_inventory
from t2disc.ingest.scan import walk_files

__all__ = ["load_labels", "load_stack", "read_identity", "take_inventory", "walk_files"]
