"""The network's eyes: grids, orientation, shading, threads, its weights; and what it sees in people it never saw."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2disc import EchoStack, find_discs, load_stack
from t2disc.errors import ArgumentInvalid, WeightsDamaged
from t2disc.model import ReviewCode
from t2disc.model.protocol import SegmentSettings
from t2disc.segment import label_structures, network
from t2disc.segment.slices import grid_shape, neighbour_step, to_planes, to_volume, unshaded, with_neighbours
from t2disc.simulate import draw_scene

ROOT = Path(__file__).parents[1]
SPACING_MM = (4.0, 1.0, 1.0)


def smooth_volume(shape: tuple[int, int, int]) -> np.ndarray:
    x, y, z = np.indices(shape)
    return (2 + np.sin(y / 9) * np.cos(z / 7) + 0.1 * x).astype(np.float32)


def seen(scene) -> np.ndarray:
    """Return a T2-weighted volume ``(X, Y, Z)`` of a scene at 1 mm."""
    table = scene.tissue_table
    signal = table.proton_density * (1 - np.exp(-2500 / table.t1_ms)) * np.exp(-90 / table.t2_ms)
    return halved(signal[scene.tissues]).transpose(0, 2, 1)[:, ::-1, ::-1]


def halved(images: np.ndarray) -> np.ndarray:
    slices, rows, columns = images.shape
    return images.reshape(slices, rows // 2, 2, columns // 2, 2).mean(axis=(2, 4))


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * np.count_nonzero(one & other) / (np.count_nonzero(one) + np.count_nonzero(other))


# ------------------------------------------------------------------------------------------------ grids
def test_rows_run_from_superior_and_columns_from_anterior():
    volume = np.zeros((1, 20, 30))
    volume[0, 19, 29] = 1  # most anterior, most superior
    assert to_planes(volume, SPACING_MM)[0, 0, 0] == 1


@given(y_mm=st.floats(0.4, 1.9), z_mm=st.floats(0.4, 1.9))
def test_there_and_back_again_leaves_smooth_images_as_they_are(y_mm, z_mm):
    volume = smooth_volume((1, 60, 70))
    planes = to_planes(volume, (4.0, y_mm, z_mm))
    assert planes.shape[1:] == grid_shape(volume.shape, (4.0, y_mm, z_mm))
    back = to_volume(planes[0], (60, 70), (4.0, y_mm, z_mm))
    inner = (slice(4, -4), slice(4, -4))
    assert np.abs(back[inner] - volume[0][inner]).max() < 0.12


def test_shading_is_divided_out():
    rng = np.random.default_rng(0)
    image = 1 + 0.3 * rng.random((1, 120, 120), np.float32)
    shade = np.exp(np.linspace(-1, 1, 120, dtype=np.float32))[None, None]
    assert np.abs(unshaded(image * shade) / unshaded(image) - 1)[0, 20:-20, 20:-20].max() < 0.15


def test_a_slice_at_the_end_is_its_own_neighbour():
    late = np.arange(3, dtype=np.float32)[:, None, None] * np.ones((3, 16, 20), np.float32)
    assert [with_neighbours(late, late + 10, x, 1)[0, :, 0, 0].tolist() for x in (0, 1, 2)] == [
        [0, 0, 1, 10],
        [0, 1, 2, 11],
        [1, 2, 2, 12],
    ]
    assert with_neighbours(late, late, 1, 1).shape == (1, 4, 16, 32)


@pytest.mark.parametrize(("slice_mm", "step"), [(0.9, 4), (3.5, 1), (4.4, 1), (6.0, 1), (2.0, 2)])
def test_neighbours_lie_about_four_millimetres_away(slice_mm, step):
    assert neighbour_step(slice_mm) == step


# ------------------------------------------------------------------------------------------------ weights
def test_weights_are_small_and_verified():
    assert len(network.weights_bytes()) <= 6e6


def test_other_weights_are_refused(monkeypatch):
    monkeypatch.setattr(network, "WEIGHTS_SHA256", "0" * 64)
    with pytest.raises(WeightsDamaged):
        network.weights_bytes()


# ------------------------------------------------------------------------------------------------ labels
def test_any_number_of_threads_gives_the_same_bytes():
    volume = seen(draw_scene(5))
    first, second = (label_structures(volume, SPACING_MM, n_threads=n).tobytes() for n in (1, 2))
    assert first == second


@given(exponent=st.integers(-12, 12))
def test_scale_does_not_matter(exponent):
    volume = seen(draw_scene(6))[2:3]
    np.testing.assert_array_equal(
        label_structures(volume * 2.0**exponent, SPACING_MM), label_structures(volume, SPACING_MM)
    )


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 200, 3), (3, 2, 250), (2, 17, 33)])
def test_any_shape_has_labels_of_its_own_shape(shape):
    labels = label_structures(np.ones(shape), (3.0, 0.7, 1.3))
    assert labels.shape == shape
    assert labels.dtype == np.uint8


def test_values_that_are_not_finite_do_no_harm():
    volume = seen(draw_scene(7))[2:3].copy()
    volume[0, :5, :5] = np.nan
    volume[0, -3:, -3:] = np.inf
    assert (label_structures(volume, SPACING_MM) == 2).any()


@pytest.mark.parametrize("spacing_mm", [(4, 0, 1), (4, 1, -1), (np.nan, 1, 1), (1, 1)])
def test_a_spacing_that_is_none_is_refused(spacing_mm):
    with pytest.raises(ArgumentInvalid):
        label_structures(np.ones((1, 9, 9)), spacing_mm)


def test_a_volume_of_another_number_of_dimensions_is_refused():
    with pytest.raises(ArgumentInvalid):
        label_structures(np.ones((9, 9)), SPACING_MM)


def test_simulated_spines_never_seen_in_training():
    scores = []
    for seed in range(900, 912):
        scene = draw_scene(seed)
        truth = (halved((scene.structures == 2).astype(float)) > 0.5).transpose(0, 2, 1)[:, ::-1, ::-1]
        if truth.sum() > 2000:
            labels = label_structures(seen(scene), (scene.slice_step_mm, 1.0, 1.0))
            scores.append(dice(labels == 2, truth))
    assert len(scores) >= 8
    assert np.median(scores) > 0.88


@pytest.mark.parametrize("kind", ["noise", "ball", "nothing"])
def test_what_is_no_spine_has_no_discs(kind):
    rng = np.random.default_rng(1)
    volume = rng.random((2, 200, 220)).astype(np.float32)
    if kind == "ball":
        _, y, z = np.indices(volume.shape)
        volume = 0.1 * volume + (np.hypot(y - 100, z - 110) < 70) * (1 + 0.3 * np.sin(y / 6) * np.sin(z / 5))
    if kind == "nothing":
        volume[:] = 0
    assert np.count_nonzero(label_structures(volume, SPACING_MM) == 2) < 60


def test_real_people_never_seen_in_training(shared):
    """Every third slice of the six held-out people; the whole figures stand in docs/model_card.md."""
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        pytest.importorskip("PIL")
        from evaluate_segmenter import _labelled, _volume, score
        from segmenter.real import slice_files, split
    finally:
        sys.path.pop(0)
    files = slice_files(shared / "real_lumbar")
    scores = [score(*_judged(_volume(files[name][::3]), _labelled)) for name in split(list(files))[1]]
    assert np.mean([one.dice[1] for one in scores]) >= 0.87
    assert sum(one.n_found for one in scores) / sum(one.n_discs for one in scores) >= 0.98
    assert sum(one.n_false for one in scores) / sum(one.n_slices for one in scores) <= 0.1


def _judged(volume, labelled):
    images, drawn = volume
    return drawn, labelled(images, single=False)


# ------------------------------------------------------------------------------------------------ whole stacks
def stack_of(scene, step_mm: float = 4.0) -> EchoStack:
    """Return a stack of eight echoes as a scene's tissues decay, on a sagittal grid."""
    table = scene.tissue_table
    echo_times_ms = 12.0 * np.arange(1, 9)
    amplitude = table.proton_density * (1 - np.exp(-2500 / table.t1_ms))
    signal = amplitude[:, None] * np.exp(-echo_times_ms / table.t2_ms[:, None])
    echoes = np.stack([halved(echo[scene.tissues]) for echo in signal.T], axis=-1)
    affine = np.array([[0, 0, step_mm, 0], [-1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 0, 1]])
    return EchoStack(signal=echoes[:, ::-1].transpose(2, 1, 0, 3), echo_times_ms=echo_times_ms, affine=affine)


def test_a_knee_has_no_lumbar_disc(shared):
    found = find_discs(load_stack(shared / "real_dicom" / "ge_mese_knee_8echo_be"))
    assert found.levels == ()
    assert [reason.code for reason in found.reasons] == [ReviewCode.NO_DISC_FOUND]


def test_noise_and_a_single_slice_never_crash_and_say_why():
    rng = np.random.default_rng(0)
    affine = np.array([[0, 0, 4.0, 0], [-1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 0, 1]])
    for shape in ((160, 180, 3, 4), (160, 180, 1, 4)):
        noise = rng.random(shape).astype(np.float32)
        found = find_discs(EchoStack(signal=noise, echo_times_ms=10.0 * np.arange(1, 5), affine=affine))
        assert found.levels == ()
        assert found.needs_review


def test_slices_that_are_not_sagittal_are_not_labelled_and_say_so():
    noise = np.ones((40, 40, 5, 4), np.float32)
    found = find_discs(EchoStack(signal=noise, echo_times_ms=10.0 * np.arange(1, 5), affine=np.diag([1, 1, 5, 1])))
    assert "not sagittal" in found.reasons[0].detail


def test_the_network_is_not_asked_where_the_protocol_forbids_it():
    found = find_discs(stack_of(draw_scene(900)), segment=SegmentSettings(automatic=False))
    assert (found.levels, found.source.kind) == ((), "none")


def test_erosion_takes_the_rim_and_nothing_else():
    stack = stack_of(draw_scene(900))
    whole, less = (find_discs(stack, segment=SegmentSettings(erosion_mm=mm)).discs for mm in (0.0, 1.0))
    assert whole.any()
    assert 0 < np.count_nonzero(less) < np.count_nonzero(whole)
    np.testing.assert_array_equal(less[less > 0], whole[less > 0])


def test_without_s1_in_the_image_no_level_is_sure_and_the_visit_says_so():
    stack = stack_of(draw_scene(900))
    whole = find_discs(stack)
    assert whole.levels[-1] == "L5/S1"
    assert max(whole.confidences) > 0.5
    lowest = np.argwhere(whole.mask("L4/L5"))[:, 1].min() - 3
    rows = stack.signal[:, lowest:]
    found = find_discs(EchoStack(signal=rows, echo_times_ms=stack.echo_times_ms, affine=stack.affine))
    assert found.levels
    assert max(found.confidences) < 0.5
    assert {ReviewCode.SACRUM_NOT_SEEN, ReviewCode.NAMING_UNCERTAIN} & {reason.code for reason in found.reasons}
