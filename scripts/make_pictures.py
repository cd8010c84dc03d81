#!/usr/bin/env python3
"""Draw the pictures of the docs from sample_data/: ``python scripts/make_pictures.py``."""

from __future__ import annotations

from pathlib import Path

import t2disc
from t2disc.qc import plot_decay, plot_t2_overlay

ROOT = Path(__file__).resolve().parents[1]
VISIT = "sub-P001/ses-baseline/anat/sub-P001_ses-baseline_desc-discs_dseg.nii.gz"


def main() -> None:
    """Write docs/images/overlay.png and docs/images/decay.png."""
    stack = t2disc.load_stack(ROOT / "sample_data" / "P001" / "baseline")
    discs = t2disc.find_discs(stack, t2disc.load_labels(ROOT / "sample_data" / "labels" / VISIT))
    t2map = t2disc.fit_t2(stack)
    images = ROOT / "docs" / "images"
    images.mkdir(exist_ok=True)
    plot_t2_overlay(stack, t2map, discs, slices=[1, 2, 3]).savefig(images / "overlay.png", dpi=80)
    plot_decay(stack, t2map, discs, "L4/L5").savefig(images / "decay.png", dpi=80)


if __name__ == "__main__":
    main()
