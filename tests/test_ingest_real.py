"""Real scanner output against what dcm2niix makes of it (``../shared/real_dicom/truth.json``)."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from t2disc import T2DiscError, find_discs, fit_t2, load_stack
from t2disc.ingest.grid import lay_out
from t2disc.ingest.header import read_frames
from t2disc.ingest.pixels import read_signal
from t2disc.ingest.scan import walk_files
from t2disc.ingest.series import Group
from t2disc.qc import plot_t2_overlay

MULTI_ECHO = [
    "ge_mese_knee_8echo_be",
    "siemens_xa30_enhanced_2echo",
    "siemens_fieldmap_2echo_dup_instance_number",
]
ONE_ECHO = ["compressed_j2k", "compressed_rle"]


def truth_of(shared: Path, name: str) -> list[dict]:
    images = json.loads((shared / "real_dicom" / "truth.json").read_text())[name]["images"]
    return [image for image in images if "P" not in image["image_type"]]


def corners(affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    ends = itertools.product(*[(0, n - 1) for n in shape])
    return np.array([affine @ [*index, 1] for index in ends])[:, :3]


def compare(signal: np.ndarray, affine: np.ndarray, truth: dict) -> None:
    assert list(signal.shape) == truth["shape"]
    assert signal.astype(float).sum() == truth["sum"]
    assert (signal.min(), signal.max()) == (truth["min"], truth["max"])
    expected = corners(np.array(truth["affine_ras"]), signal.shape)
    np.testing.assert_allclose(corners(affine, signal.shape), expected, atol=0.05)


@pytest.mark.parametrize("name", MULTI_ECHO)
def test_every_multi_echo_series_equals_its_truth(shared, name):
    stack = load_stack(shared / "real_dicom" / name, require_spin_echo=False)
    truth = truth_of(shared, name)
    np.testing.assert_allclose(stack.echo_times_ms, [image["echo_time_ms"] for image in truth], atol=1e-9)
    for e, image in enumerate(truth):
        compare(stack.signal[..., e], stack.affine, image)


@pytest.mark.parametrize("name", ONE_ECHO)
def test_compressed_pixels_equal_their_truth_though_one_echo_is_refused(shared, name):
    folder = shared / "real_dicom" / name
    layout = lay_out(Group(tuple(frame for path in walk_files(folder) for frame in read_frames(path))))
    signal = read_signal(layout.frames, [[(1.0, 0.0)] * 4])
    compare(signal[..., 0], layout.affine, truth_of(shared, name)[0])
    with pytest.raises(T2DiscError) as refusal:
        load_stack(folder)
    assert refusal.value.code == "no-multi-echo-series"


def test_two_orientations_under_one_series_are_refused(shared):
    with pytest.raises(T2DiscError) as refusal:
        load_stack(shared / "real_dicom" / "philips_2te_mixed_orientation_FAILS", require_spin_echo=False)
    assert refusal.value.code == "two-orientations"


@pytest.mark.parametrize("name", MULTI_ECHO[1:])
def test_gradient_echo_series_are_refused_unless_asked_for(shared, name):
    with pytest.raises(T2DiscError) as refusal:
        load_stack(shared / "real_dicom" / name)
    assert refusal.value.code == "gradient-echo"


def test_the_phase_file_is_left_out_and_said(shared):
    stack = load_stack(shared / "real_dicom" / "siemens_xa30_enhanced_2echo", require_spin_echo=False)
    assert [(item.what, item.n_images, item.series_number) for item in stack.left_out] == [("phase", 33, 9)]


def test_the_real_knee_is_fitted_and_drawn(shared):
    """Truth made elsewhere: at 3 T muscle is near 32 ms and marrow fat near 133 ms (Gold et al., AJR 2004)."""
    stack = load_stack(shared / "real_dicom" / "ge_mese_knee_8echo_be")
    t2map = fit_t2(stack)
    assert t2map.noise.method == "residual"  # this scanner blanks the air
    assert 0.5 < (t2map.flag == 0).mean() < 0.6  # the rest is air
    muscle, marrow = t2map.t2_ms[170:190, 20:60, 6], t2map.t2_ms[110:155, 110:155, 6]
    assert 28 < np.nanmedian(muscle) < 36
    assert 115 < np.nanmedian(marrow) < 160
    figure = plot_t2_overlay(stack, t2map, find_discs(stack), slices=[6, 12, 18])
    assert len(figure.axes) == 4  # three slices and the colour bar


def test_placeholder_dates_of_de_identified_images_are_no_dates(shared):
    facts = load_stack(shared / "real_dicom" / "ge_mese_knee_8echo_be").acquisition
    assert (facts.acquisition_date, facts.acquisition_time) == (None, None)
    assert (facts.vendor, facts.slice_gap_mm) == ("GE", 1.0)
