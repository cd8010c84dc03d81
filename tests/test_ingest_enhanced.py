"""Enhanced multi-frame objects of two vendors, made by the simulator, and what can be wrong with them."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import FileDataset

from t2disc import T2DiscError, load_stack
from t2disc.simulate import default_study, simulate_study

ENHANCED = "1.2.840.10008.5.1.4.1.1.4.1"


@pytest.fixture(scope="module", params=["siemens_xa", "philips_enhanced"])
def visit(request) -> list[FileDataset]:
    files = simulate_study(default_study(1, (request.param,), size="tiny"))
    return [dcmread(BytesIO(f.content)) for f in files if f.path.parts[:2] == ("P001", "baseline")]


def write(folder: Path, datasets: list[FileDataset]) -> Path:
    folder.mkdir()
    for n, ds in enumerate(datasets):
        ds.save_as(folder / f"{n:03d}", enforce_file_format=True)
    return folder


def copies(visit: list[FileDataset]) -> list[FileDataset]:
    buffers = [BytesIO() for _ in visit]
    for ds, buffer in zip(visit, buffers, strict=True):
        ds.save_as(buffer, enforce_file_format=True)
    return [dcmread(BytesIO(buffer.getvalue())) for buffer in buffers]


def is_multi_echo(ds: FileDataset) -> bool:
    return ds.SOPClassUID == ENHANCED and len(ds.PerFrameFunctionalGroupsSequence) > 3 and "PRIMARY" in ds.ImageType


def test_frames_become_one_stack(tmp_path, visit):
    stack = load_stack(write(tmp_path / "v", visit))
    assert stack.shape == (96, 96, 5)
    np.testing.assert_allclose(stack.echo_times_ms, 10.0 * np.arange(1, 9))
    assert stack.acquisition.sequence == "spin-echo"
    assert {item.what for item in stack.left_out} >= {"phase", "scanner map"}


def test_frames_that_the_functional_groups_do_not_describe_are_not_lost_silently(tmp_path, visit):
    datasets = copies(visit)
    for ds in datasets:
        if is_multi_echo(ds):
            ds.PerFrameFunctionalGroupsSequence = ds.PerFrameFunctionalGroupsSequence[:-1]
    with pytest.raises(T2DiscError) as refusal:
        load_stack(write(tmp_path / "v", datasets))
    assert refusal.value.code == "dicom-unreadable"


def test_a_matrix_smaller_than_the_pixels_is_refused(tmp_path, visit):
    datasets = copies(visit)
    for ds in datasets:
        ds.Rows = ds.Rows // 2
    with pytest.raises(T2DiscError) as refusal:
        load_stack(write(tmp_path / "v", datasets))
    assert refusal.value.code == "pixels-truncated"
