"""docs/codes.md is the error tree and nothing else."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_page_of_codes_is_what_the_script_writes():
    page = runpy.run_path(str(ROOT / "scripts" / "make_codes.py"))["page"]()
    written = (ROOT / "docs" / "codes.md").read_text(encoding="utf-8")
    assert page == written, "run python scripts/make_codes.py"
