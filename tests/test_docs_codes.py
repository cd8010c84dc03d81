"""Pages that scripts write are what the scripts write."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]


def test_the_page_of_codes_is_what_the_script_writes():
    page = runpy.run_path(str(ROOT / "scripts" / "make_codes.py"))["page"]()
    written = (ROOT / "docs" / "codes.md").read_text(encoding="utf-8")
    assert page == written, "run python scripts/make_codes.py"


def test_the_page_of_methods_tells_how_noise_biases_each_model():
    """Fewer voxels than the page's, and a tolerance of what that costs."""
    script = runpy.run_path(str(ROOT / "scripts" / "bias_by_model.py"))
    page = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    table = page.split("by SNR of the first echo\n\n")[1].split("\n\n")[0].splitlines()
    assert table[0] == "| model | 10 | 20 | 50 | 100 |"
    written = {
        name: [float(cell) for cell in cells] for name, *cells in (r.strip("| ").split(" | ") for r in table[2:])
    }
    assert list(written) == [fit.name for fit in script["FITS"]]
    for fit in script["FITS"]:
        again = script["noise_biases_pct"](fit, 4000)
        np.testing.assert_allclose(again, written[fit.name], atol=2.0, rtol=0.05, err_msg=fit.name)
