"""What a run needs to know beside its visits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from t2disc import study

if TYPE_CHECKING:
    from t2disc.model.protocol import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """What a run needs to know beside its visits."""

    out: Path
    protocol: Protocol
    labels_dir: Path | None = None
    corrections_dir: Path | None = None  # its label maps come before those of labels_dir
    with_figures: bool = False

    @property
    def label_folders(self) -> study.LabelFolders:
        """Where label maps are looked for."""
        return study.LabelFolders(corrections=self.corrections_dir, given=self.labels_dir)
