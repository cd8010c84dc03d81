"""Fixtures that every test file may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("t2disc", deadline=None, derandomize=True)
settings.load_profile("t2disc")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of real images beside the checkout, or skip where a user's clone has none."""
    folder = Path(os.environ.get("T2DISC_SHARED", Path(__file__).parents[2] / "shared"))
    if not (folder / "real_dicom" / "truth.json").is_file():
        pytest.skip("the shared folder with real images is not here (set T2DISC_SHARED to its place)")
    return folder
