"""Motion between echoes: found where a body was moved, absent where it lay still, undone beyond the threshold."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from t2disc import fit_t2, load_stack
from t2disc.errors import ProtocolInvalid
from t2disc.model import EchoMotion, EchoShift, EchoStack, EchoState, Flag, Visit
from t2disc.model.protocol import Protocol, RegisterSettings
from t2disc.register import align_echoes
from t2disc.register.inplane import _interpolated
from t2disc.simulate import SIZES, PoseRecipe, Scan, default_study, simulate_scan
from t2disc.simulate.grid import rotation
from t2disc.store.tables import VISIT_COLUMNS, VisitRow
from t2disc.study import analyse_visit, read_protocol, visit_record

STILL = PoseRecipe()
MOVED = {
    "0.3 mm": PoseRecipe(shift_mm=(0.0, 0.3, 0.0)),
    "0.5 mm and 0.3 degrees": PoseRecipe(shift_mm=(0.0, 0.0, 0.5), rotation_deg=(0.3, 0.0, 0.0)),
    "3 mm and 2 degrees": PoseRecipe(shift_mm=(0.0, -2.1, 2.1), rotation_deg=(-2.0, 0.0, 0.0)),
}
LATE = (3, 9, 15)  # echoes that are moved: 40, 100 and 160 ms
ECHO_TIMES_MS = np.arange(1, 17) * 10.0


# ------------------------------------------------------------------------------------------------ what is measured
@cache
def scanned(pose: PoseRecipe) -> Scan:
    """What a clinical protocol sees of one body without noise, in every third of its slices."""
    participant = default_study(size="full", seed=3, snr=float("inf")).participants[0]
    acquisition = replace(SIZES["full"], n_slices=5, gap_mm=8.05, snr=float("inf"), phase_echoes=1)
    return simulate_scan(participant, replace(participant.visits[0], pose=pose, acquisition=acquisition))


def signal_of(pose: PoseRecipe) -> np.ndarray:
    """The echoes ``(X, Y, Z, E)``."""
    return np.ascontiguousarray(scanned(pose).magnitude[:, :, ::-1].transpose(3, 2, 1, 0))


def nuclei() -> np.ndarray:
    return np.asarray(scanned(STILL).grid.to_nifti_order(scanned(STILL).truth.regions == 1))


def scan_in_which(pose: PoseRecipe, echoes: tuple[int, ...], snr: float) -> EchoStack:
    """A stack of which some echoes see the body in another pose; magnitude noise as a first echo of that SNR has it."""
    signal = signal_of(STILL).copy()
    signal[..., list(echoes)] = signal_of(pose)[..., list(echoes)]
    sigma = float(signal_of(STILL)[nuclei(), 0].mean()) / snr
    noise = np.random.default_rng(4).standard_normal((2, *signal.shape), np.float32) * sigma
    affine = scanned(STILL).grid.affine
    return EchoStack(signal=np.hypot(signal + noise[0], noise[1]), echo_times_ms=ECHO_TIMES_MS, affine=affine)


def greatest_error_mm(stack: EchoStack, found: EchoShift, pose: PoseRecipe) -> float:
    """The greatest distance, within the image plane, of a voxel of the body from where it was said to be."""
    middle = stack.affine[:3, :3] @ ((np.array(stack.shape) - 1) / 2) + stack.affine[:3, 3]
    columns, rows = (stack.affine[:3, :2] / np.array(stack.voxel_size_mm[:2])).T
    body = np.argwhere(signal_of(STILL)[..., 2, 0] > 400)
    places = (body - (np.array(stack.shape[:2]) - 1) / 2) @ stack.affine[:3, :2].T
    truth = (middle + places) @ rotation(*pose.rotation_deg).T + pose.shift_mm - middle
    angle = np.deg2rad(found.rotation_deg)
    x, y = places @ columns, places @ rows
    said_x = np.cos(angle) * x - np.sin(angle) * y + np.dot(found.translation_mm, columns)
    said_y = np.sin(angle) * x + np.cos(angle) * y + np.dot(found.translation_mm, rows)
    return float(np.hypot(said_x - truth @ columns, said_y - truth @ rows).max())


@pytest.mark.parametrize("name", MOVED)
def test_the_motion_of_a_simulated_body_is_found(name):
    stack = scan_in_which(MOVED[name], LATE, snr=40)
    _, motion = align_echoes(stack)
    for number, echo in enumerate(motion.echoes[1:], start=1):
        assert echo.is_measured
        assert greatest_error_mm(stack, echo, MOVED[name] if number in LATE else STILL) < 0.15


@pytest.mark.parametrize("snr", [15, 40])
def test_a_body_that_lies_still_measures_still_at_every_echo(snr):
    stack = scan_in_which(STILL, (), snr)
    aligned, motion = align_echoes(stack)
    assert aligned is stack
    assert [echo.state for echo in motion.echoes] == ["reference"] + ["left"] * 15
    assert motion.largest_mm < 0.1


def test_motion_through_thick_slices_is_not_taken_for_motion_within_them():
    stack = scan_in_which(PoseRecipe(shift_mm=(1.0, 0.0, 0.0)), LATE, snr=40)
    assert align_echoes(stack)[1].largest_mm < 0.2


def test_the_simultaneous_echoes_of_a_real_scanner_measure_still(shared):
    for name, most_mm in (("ge_mese_knee_8echo_be", 0.25), ("siemens_xa30_enhanced_2echo", 0.1)):
        stack = load_stack(shared / "real_dicom" / name, require_spin_echo=False)
        aligned, motion = align_echoes(stack)
        assert aligned is stack
        assert motion.largest_mm < most_mm
        assert len(motion.numbers(EchoState.LEFT)) == stack.n_echoes - 1


# ------------------------------------------------------------------------------------------------ drawn images
def drawn(n_echoes: int = 4, shape: tuple[int, int, int] = (80, 96, 3), snr: float = 50.0) -> EchoStack:
    """Blobs of several tissues, each with a T2 of its own, with noise."""
    rng = np.random.default_rng(11)
    signal = np.zeros((*shape, n_echoes))
    echo_times_ms = np.arange(1, n_echoes + 1) * 12.0
    for t2_ms in (30.0, 60.0, 120.0):
        share = ndimage.gaussian_filter(rng.standard_normal(shape[:2]), 4) > 0.02
        share = ndimage.gaussian_filter(share.astype(float), 0.8)
        signal += 400 * share[..., None, None] * np.exp(-echo_times_ms / t2_ms)
    noise = rng.standard_normal((2, *signal.shape)) * 400 / snr
    affine = np.diag([1.2, 1.2, 5.0, 1.0])
    return EchoStack(signal=np.hypot(signal + noise[0], noise[1]), echo_times_ms=echo_times_ms, affine=affine)


def shifted(stack: EchoStack, echo: int, shift: tuple[float, float]) -> EchoStack:
    """A stack of which one echo lies elsewhere, by so many voxels along X and Y."""
    signal = stack.signal.copy()
    for z in range(stack.shape[2]):
        signal[..., z, echo] = ndimage.shift(signal[..., z, echo], shift, order=3, mode="nearest")
    return stack.replace(signal=signal)


def same(one: EchoMotion, other: EchoMotion, tolerance_mm: float = 2e-3) -> bool:
    return [echo.state for echo in one.echoes] == [echo.state for echo in other.echoes] and np.allclose(
        [echo.translation_mm for echo in one.echoes],
        [echo.translation_mm for echo in other.echoes],
        atol=tolerance_mm,
        equal_nan=True,
    )


@given(st.floats(-2.5, 2.5), st.floats(-2.5, 2.5))
def test_any_shift_in_the_plane_is_found(x, y):
    _, motion = align_echoes(shifted(drawn(), 2, (x, y)))
    assert motion.echoes[2].translation_mm == pytest.approx((1.2 * x, 1.2 * y, 0.0), abs=0.15)


def test_the_scale_of_the_images_does_not_matter_nor_that_of_one_echo():
    stack = shifted(drawn(), 2, (1.0, -0.7))
    motion = align_echoes(stack)[1]
    assert same(align_echoes(stack.replace(signal=stack.signal * 1e-4))[1], motion)
    assert same(align_echoes(stack.replace(signal=stack.signal * np.array([1, 1, 3, 1], np.float32)))[1], motion)


def test_it_does_not_matter_along_which_axis_the_slices_follow_each_other():
    stack = shifted(drawn(), 2, (1.0, -0.7))
    signal, affine = stack.signal.transpose(2, 0, 1, 3), stack.affine[:, [2, 0, 1, 3]]
    aligned, motion = align_echoes(stack)
    turned, of_turned = align_echoes(stack.replace(signal=signal, affine=affine))
    assert of_turned == motion
    np.testing.assert_array_equal(turned.signal.transpose(1, 2, 0, 3), aligned.signal)


def test_each_echo_is_measured_by_itself():
    stack = shifted(drawn(), 2, (1.0, -0.7))
    part = stack.replace(signal=stack.signal[..., [0, 2]], echo_times_ms=stack.echo_times_ms[[0, 2]])
    assert align_echoes(part)[1].echoes[1] == align_echoes(stack)[1].echoes[2]


def test_the_same_bytes_come_from_every_run_and_any_number_of_threads():
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import hashlib, test_register_echoes as t\n"
        "aligned, motion = t.align_echoes(t.shifted(t.drawn(), 2, (1.0, -0.7)))\n"
        "print(hashlib.sha256(aligned.signal.tobytes()).hexdigest(), motion)"
    )
    here = str(Path(__file__).parent)
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    told = {
        subprocess.run(
            [sys.executable, "-c", code, here],
            env={**os.environ, **dict.fromkeys(names, n)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for n in ("1", "2", "2")
    }
    assert len(told) == 1
    assert "CORRECTED" in told.pop()


# ------------------------------------------------------------------------------------------------ correction
def test_what_is_beyond_the_threshold_is_moved_back_and_the_first_echo_is_not_touched():
    pose = MOVED["3 mm and 2 degrees"]
    stack = scan_in_which(pose, LATE, snr=40)
    aligned, motion = align_echoes(stack)
    assert motion.numbers(EchoState.CORRECTED) == tuple(echo + 1 for echo in LATE)
    for echo in set(range(16)) - set(LATE):
        np.testing.assert_array_equal(aligned.signal[..., echo], stack.signal[..., echo])
    assert align_echoes(aligned)[1].largest_mm < 0.15
    where = nuclei()
    still, moved, back = (
        np.nanmedian(fit_t2(each).t2_ms[where]) for each in (scan_in_which(STILL, (), 40), stack, aligned)
    )
    assert abs(back / still - 1) < 0.02
    assert abs(back / still - 1) < abs(moved / still - 1)


def test_what_comes_from_outside_the_field_has_no_value_and_no_t2():
    stack = shifted(drawn(), 2, (2.0, 0.0))
    aligned, _ = align_echoes(stack)
    missing = np.isnan(aligned.signal)
    assert missing[-2:, :, :, 2].all()
    assert not missing[1:-4, 1:-1].any()
    assert not missing[..., [0, 1, 3]].any()
    assert (fit_t2(aligned).flag[-2:] == Flag.NOT_FINITE).all()
    assert np.nanmin(aligned.signal) >= 0


def test_the_protocol_says_from_where_on_echoes_are_corrected():
    stack = shifted(drawn(), 2, (0.6, 0.0))  # 0.72 mm
    assert align_echoes(stack, RegisterSettings(echo_threshold_mm=0.5))[1].echoes[2].state is EchoState.CORRECTED
    aligned, motion = align_echoes(stack, RegisterSettings(echo_threshold_mm=0.9))
    assert aligned is stack
    assert motion.echoes[2].state is EchoState.LEFT
    assert motion.threshold_mm == 0.9
    assert align_echoes(stack)[1].threshold_mm == Protocol().registration.echo_threshold_mm == 0.5


@pytest.mark.parametrize("threshold", ["0.1", "16", "nan", '"x"'])
def test_thresholds_that_cannot_be_are_refused(tmp_path, threshold):
    (tmp_path / "p.toml").write_text(f"[register]\necho_threshold_mm = {threshold}\n")
    with pytest.raises(ProtocolInvalid, match="register"):
        read_protocol(tmp_path / "p.toml")


# ------------------------------------------------------------------------------------------------ not measured
def nothing_like(stack: EchoStack, kind: str) -> np.ndarray:
    noise = np.random.default_rng(8).standard_normal((2, *stack.shape)).astype(np.float32)
    return {
        "empty": np.zeros(stack.shape, np.float32),
        "noise": 8 * np.hypot(*noise),
        "a tenth of its signal": np.hypot(0.02 * stack.signal[..., 0] + 8 * noise[0], 8 * noise[1]),
        "another body": stack.signal[::-1, ::-1, :, 0],
        "missing": np.full(stack.shape, np.nan, np.float32),
    }[kind]


@pytest.mark.parametrize("kind", ["empty", "noise", "a tenth of its signal", "another body", "missing"])
def test_an_echo_that_cannot_be_measured_has_no_numbers_and_is_left_alone(kind):
    stack = drawn()
    signal = stack.signal.copy()
    signal[..., 3] = nothing_like(stack, kind)
    stack = stack.replace(signal=signal)
    aligned, motion = align_echoes(stack)
    assert aligned is stack
    echo = motion.echoes[3]
    assert echo.state in (EchoState.UNSURE, EchoState.UNSETTLED)
    assert np.isnan([*echo.translation_mm, echo.rotation_deg, echo.displacement_mm, echo.standard_error_mm]).all()


@pytest.mark.parametrize("shape", [(1, 1, 1, 2), (3, 2, 1, 2), (40, 30, 1, 2), (6, 40, 5, 3), (17, 1, 9, 4)])
@pytest.mark.parametrize("value", [0.0, 7.0, np.nan, np.inf])
def test_images_without_any_structure_are_told_apart_from_images_that_lie_still(shape, value):
    stack = EchoStack(
        signal=np.full(shape, value, np.float32), echo_times_ms=np.arange(1, shape[3] + 1), affine=np.eye(4)
    )
    aligned, motion = align_echoes(stack)
    assert aligned is stack
    assert np.isnan(motion.largest_mm)


def test_two_echoes_of_one_slice_are_enough():
    stack = shifted(drawn(n_echoes=2, shape=(96, 96, 1)), 1, (1.0, 0.0))
    assert align_echoes(stack)[1].echoes[1].translation_mm == pytest.approx((1.2, 0.0, 0.0), abs=0.15)


def test_voxels_without_a_value_are_left_out_and_stay_without():
    stack = drawn()
    signal = stack.signal.copy()
    signal[20:24, 30:60, :, 2] = np.nan
    signal[50:53, 10:20, 1, 0] = np.inf
    stack = shifted(stack, 2, (1.0, 0.0))
    holed = stack.replace(signal=np.where(np.isfinite(signal), stack.signal, signal))
    aligned, motion = align_echoes(holed)
    assert motion.echoes[2].translation_mm == pytest.approx((1.2, 0.0, 0.0), abs=0.15)
    assert motion.echoes[1].displacement_mm < 0.15
    missing = np.isnan(aligned.signal[..., 2])
    assert missing[20:22, 31:59].all()
    assert missing.sum() < 3 * (6 * 32 + 3 * 96)


# ------------------------------------------------------------------------------------------------ the visit
def test_the_visit_is_measured_on_aligned_echoes_and_its_record_says_so(monkeypatch, tmp_path):
    stack = shifted(drawn(), 2, (1.0, 0.0))
    monkeypatch.setattr("t2disc.study.visit.load_visit", lambda *_: stack)
    visit = Visit(participant_id="sub-1", session_id="ses-1", folder=tmp_path)
    off = Protocol.model_validate({"segment": {"automatic": False}})
    result = analyse_visit(visit, off)
    assert np.isnan(result.stack.signal).any()
    assert (result.t2map.flag[-1] == Flag.NOT_FINITE).all()
    record = visit_record(result)
    assert record.motion == align_echoes(stack)[1]
    assert "moved back onto the first echo, from up to 1.3 mm: echo 3" in record.notes
    cells = {c.name: c.value(VisitRow(record=record, number=1, ordered_by="single")) for c in VISIT_COLUMNS}
    assert cells["echo_motion_mm"] == pytest.approx(1.2, abs=0.15)
    assert cells["echoes_corrected"] == 1
    protocol = off.model_copy(update={"registration": RegisterSettings(echo_threshold_mm=15)})
    assert not np.isnan(analyse_visit(visit, protocol).stack.signal).any()


def test_echoes_that_could_not_be_measured_are_noted(monkeypatch, tmp_path):
    signal = drawn().signal.copy()
    signal[..., 2:] = 0
    monkeypatch.setattr("t2disc.study.visit.load_visit", lambda *_: drawn().replace(signal=signal))
    visit = Visit(participant_id="sub-1", session_id="ses-1", folder=tmp_path)
    notes = visit_record(analyse_visit(visit, Protocol.model_validate({"segment": {"automatic": False}}))).notes
    assert "motion against the first echo could not be measured: echoes 3, 4" in notes


# ------------------------------------------------------------------------------------------------ interpolation
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)),
    turn=st.floats(-1.0, 1.0),
    shift=st.tuples(st.floats(-12, 12), st.floats(-12, 12)),
    seed=st.integers(0, 99),
)
def test_images_are_interpolated_as_scipy_does_it(shape, turn, shift, seed):
    images = np.random.default_rng(seed).random(shape, dtype=np.float32)
    c, s = np.cos(turn), np.sin(turn)
    matrix, start = np.array([[c, -s], [s, c]]), np.array(shift)
    x, y = np.ogrid[: shape[1], : shape[2]]
    places = [matrix[row, 0] * x + matrix[row, 1] * y + start[row] for row in (0, 1)]
    for image, found in zip(images, _interpolated(images, places), strict=True):
        expected = ndimage.affine_transform(image, matrix, start, order=1, mode="nearest", output=np.float32)
        np.testing.assert_allclose(found, expected, atol=2e-6)
