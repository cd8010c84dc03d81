"""Pictures of an ellipse spine with known truth: what is drawn, where, and that it repeats."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
from dataclasses import replace
from itertools import combinations, permutations, product

import numpy as np
import pytest
from ellipses import AFFINE, ECHO_TIMES_MS, LEVELS, SIGMA, T2_MS, make_visit, panels, png, texts, unlabelled
from matplotlib.figure import Figure
from PIL import Image

from t2disc.errors import ArgumentInvalid
from t2disc.model import Acquisition, DiscLabels, EchoStack, Flag, NoiseEstimate, Region, T2Map
from t2disc.qc import plot_decay, plot_t2_overlay
from t2disc.qc.views import outline, sagittal_view


@pytest.fixture(scope="module")
def visit() -> tuple[EchoStack, T2Map, DiscLabels]:
    return make_visit()


def reordered(visit, order, flips):
    """The same visit in the world, with its voxel axes exchanged and turned round."""
    stack, t2map, discs = visit
    back = np.zeros((4, 4))
    back[3, 3] = 1
    for new, old in enumerate(order):
        back[old, new] = -1 if flips[new] else 1
        back[old, 3] = stack.shape[old] - 1 if flips[new] else 0
    affine = AFFINE @ back

    def turn(volume):
        return np.flip(volume.transpose(*order, *range(3, volume.ndim)), [a for a in range(3) if flips[a]])

    return (
        EchoStack(signal=turn(stack.signal), echo_times_ms=stack.echo_times_ms, affine=affine),
        T2Map(
            t2_ms=turn(t2map.t2_ms),
            s0=turn(t2map.s0),
            t2_se_ms=turn(t2map.t2_se_ms),
            flag=turn(t2map.flag),
            affine=affine,
            echo_times_ms=t2map.echo_times_ms,
            model=t2map.model,
            noise=t2map.noise,
        ),
        DiscLabels(discs=turn(discs.discs), regions=turn(discs.regions), levels=discs.levels, affine=affine),
    )


# ------------------------------------------------------------------------------------------------ views
def test_anterior_is_left_and_superior_is_up_for_every_order_of_axes():
    marker = np.zeros((80, 100, 7), np.uint8)
    marker[2, 97, 3] = 1  # far in front and far up, see AFFINE
    for order, flips in product(permutations(range(3)), product((False, True), repeat=3)):
        back = np.zeros((4, 4))
        back[3, 3] = 1
        for new, old in enumerate(order):
            back[old, new] = -1 if flips[new] else 1
            back[old, 3] = marker.shape[old] - 1 if flips[new] else 0
        view = sagittal_view(AFFINE @ back)
        shown = view.turn(np.flip(marker.transpose(order), [a for a in range(3) if flips[a]]))
        assert shown.shape == (7, 100, 80)
        assert np.argwhere(shown).tolist() == [[3, 2, 2]]


def test_a_slice_says_how_far_right_it_lies():
    view = sagittal_view(AFFINE)
    assert [view.side_mm(index, (80, 100, 7)) for index in (0, 2, 6)] == pytest.approx([12, 2, -18])


def test_an_outline_runs_along_the_outer_edges_of_pixels():
    inside = np.zeros((5, 6), bool)
    inside[1:3, 2:5] = True
    segments = np.array(outline(inside))
    assert np.abs(segments[:, 1] - segments[:, 0]).sum() == 2 * (2 + 3)
    assert segments[..., 0].min() == 1.5
    assert segments[..., 0].max() == 4.5
    assert segments[..., 1].min() == 0.5
    assert segments[..., 1].max() == 2.5


# ------------------------------------------------------------------------------------------------ overlay
def test_a_notebook_shows_a_figure_without_pyplot(visit):
    stack, t2map, discs = visit
    shown = plot_decay(stack, t2map, discs, LEVELS[0])._repr_png_()
    assert shown.startswith(b"\x89PNG")
    assert Image.open(io.BytesIO(shown)).size[0] > 300


def test_the_same_data_give_the_same_bytes(visit):
    one, two = png(plot_t2_overlay(*visit)), png(plot_t2_overlay(*make_visit()))
    assert hashlib.sha256(one).digest() == hashlib.sha256(two).digest()
    assert png(plot_decay(*visit, "L3/L4")) == png(plot_decay(*make_visit(), "L3/L4"))


@pytest.mark.parametrize(
    ("order", "flips"),
    [((1, 0, 2), (False, False, False)), ((2, 0, 1), (False, True, True)), ((0, 1, 2), (True, False, False))],
)
def test_the_picture_does_not_depend_on_the_order_of_voxel_axes(visit, order, flips):
    turned = plot_t2_overlay(*reordered(visit, order, flips), slices=[3])
    straight = plot_t2_overlay(*visit, slices=[3])
    for one, other in zip(panels(straight)[0].images, panels(turned)[0].images, strict=True):
        np.testing.assert_allclose(one.get_array().filled(-1), other.get_array().filled(-1), atol=1e-6)
    assert sorted(texts(straight)) == sorted(texts(turned))


def test_every_panel_marks_its_sides_its_slice_and_every_level(visit):
    figure = plot_t2_overlay(*visit)
    assert len(panels(figure)) == 5  # the discs cross five of seven slices
    for axes in panels(figure):
        shown = [text.get_text() for text in axes.texts]
        assert {"S", "I", "A", "P", *LEVELS} <= set(shown)
    assert [axes.texts[-2].get_text() for axes in panels(figure)][1:] == ["R 2 mm", "L 3 mm", "L 8 mm", "L 13 mm"]


def test_a_level_is_written_in_front_of_its_own_disc(visit):
    axes = panels(plot_t2_overlay(*visit, slices=[3]))[0]
    heights = {text.get_text(): text.get_position() for text in axes.texts if text.get_text() in LEVELS}
    t2_ms = axes.images[1].get_array()
    for level, (x, row) in heights.items():
        at_height = np.ma.masked_invalid(t2_ms[round(row)])
        assert np.ma.median(at_height) == pytest.approx(T2_MS[level])
        assert x < np.flatnonzero(~at_height.mask).min()


def test_no_word_in_a_panel_covers_another(visit):
    figure = plot_t2_overlay(*visit)
    figure.canvas.draw()
    for axes in panels(figure):
        boxes = [text.get_window_extent() for text in axes.texts]
        assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def test_colour_is_t2_in_ms_where_a_disc_was_fitted_and_nothing_elsewhere(visit):
    _, t2map, discs = visit
    axes = panels(plot_t2_overlay(*visit, slices=[3]))[0]
    shown = np.ma.masked_invalid(axes.images[1].get_array())
    expected = t2map.t2_ms[:, :, 3][(discs.discs[:, :, 3] > 0) & (t2map.flag[:, :, 3] == 0)]
    assert shown.count() == expected.size
    np.testing.assert_array_equal(np.sort(shown.compressed()), np.sort(expected))


def test_panels_have_the_proportions_of_the_body(visit):
    stack, t2map, discs = visit
    flat = AFFINE @ np.diag([1, 2.0, 1, 1])  # voxels twice as high as long
    flat_visit = (
        stack.replace(affine=flat),
        replace(t2map, affine=flat),
        DiscLabels(discs=discs.discs, regions=discs.regions, levels=LEVELS, affine=flat),
    )
    for shown, ratio in ((visit, 1.0), (flat_visit, 2.0)):
        figure = plot_t2_overlay(*shown, slices=[2, 3])
        figure.canvas.draw()
        axes = panels(figure)[0]
        (x0, y0), (x1, y1) = axes.transData.transform([(0, 0), (10, 10)])
        assert abs(y1 - y0) / abs(x1 - x0) == pytest.approx(ratio)


def test_pictures_of_a_gradient_echo_say_t2_star(visit):
    stack, t2map, discs = visit
    gradient = stack.replace(acquisition=Acquisition(sequence="gradient-echo"))
    bars = [axes.get_ylabel() for axes in plot_t2_overlay(gradient, t2map, discs).axes]
    assert bars[-1] == "T2* (ms)"
    assert "median T2* " in plot_decay(gradient, t2map, discs, "L3/L4").axes[0].get_title(loc="left")


def test_the_colour_scale_is_the_same_for_every_visit_unless_asked_otherwise(visit):
    stack, t2map, discs = visit
    for asked, expected in (({}, (0, 200)), ({"t2_range_ms": (20, 90)}, (20, 90))):
        figure = plot_t2_overlay(stack, t2map, discs, **asked)
        assert {axes.images[1].get_clim() for axes in panels(figure)} == {expected}
        assert "T2 (ms)" in [axes.get_ylabel() for axes in figure.axes]


def test_without_discs_t2_is_shown_wherever_it_was_fitted(visit):
    stack, t2map, discs = visit
    figure = plot_t2_overlay(stack, t2map, unlabelled(discs))
    assert len(panels(figure)) == 6
    assert not set(LEVELS) & set(texts(figure))
    shown = np.ma.masked_invalid(
        panels(plot_t2_overlay(stack, t2map, unlabelled(discs), slices=[3]))[0].images[1].get_array()
    )
    assert shown.count() == np.count_nonzero(t2map.flag[:, :, 3] == 0)


def test_a_visit_of_a_single_slice_can_be_shown():
    stack, t2map, discs = make_visit()
    one = [np.asarray(volume)[:, :, 3:4] for volume in (t2map.t2_ms, t2map.s0, t2map.t2_se_ms, t2map.flag)]
    figure = plot_t2_overlay(
        stack.replace(signal=stack.signal[:, :, 3:4]),
        T2Map(
            **dict(zip(("t2_ms", "s0", "t2_se_ms", "flag"), one, strict=True)),
            affine=AFFINE,
            echo_times_ms=ECHO_TIMES_MS,
            model="mono",
            noise=t2map.noise,
        ),
        DiscLabels(discs=discs.discs[:, :, 3:4], regions=discs.regions[:, :, 3:4], levels=LEVELS, affine=AFFINE),
    )
    assert len(panels(figure)) == 1
    assert len(png(figure)) > 1000


def test_signal_that_is_not_finite_does_not_blacken_the_picture(visit):
    stack, t2map, discs = visit
    signal = stack.signal.copy()
    signal[0, 0] = np.nan
    signal[1, 1] = np.inf
    grey = panels(plot_t2_overlay(stack.replace(signal=signal), t2map, discs))[0].images[0].get_array()
    assert np.isfinite(grey).all()
    assert grey.max() > grey.min()


@pytest.mark.parametrize("slices", [[], [7], [-1], [2, 90]])
def test_a_slice_that_does_not_exist_is_refused(visit, slices):
    with pytest.raises(ArgumentInvalid, match="slices"):
        plot_t2_overlay(*visit, slices=slices)


@pytest.mark.parametrize("t2_range_ms", [(100, 100), (150, 0), (0, np.nan)])
def test_a_colour_range_that_does_not_rise_is_refused(visit, t2_range_ms):
    with pytest.raises(ArgumentInvalid, match="range"):
        plot_t2_overlay(*visit, t2_range_ms=t2_range_ms)


def test_data_of_two_grids_are_refused(visit):
    stack, t2map, discs = visit
    moved = AFFINE.copy()
    moved[0, 3] += 1
    with pytest.raises(ArgumentInvalid, match="mm apart"):
        plot_t2_overlay(stack.replace(affine=moved), t2map, discs)
    with pytest.raises(ArgumentInvalid, match="mm apart"):
        plot_decay(stack.replace(affine=moved), t2map, discs, "L3/L4")


def test_no_fact_of_the_header_is_in_the_picture(visit):
    stack, t2map, discs = visit
    named = stack.replace(acquisition=Acquisition(scanner_model="CANARY", receive_coil="CANARY"), notes=("CANARY",))
    for figure in (plot_t2_overlay(named, t2map, discs), plot_decay(named, t2map, discs, "L3/L4")):
        assert b"CANARY" not in png(figure)
        assert "CANARY" not in "".join(texts(figure))


# ------------------------------------------------------------------------------------------------ decay
def lines(figure: Figure) -> dict[str, np.ndarray]:
    return {line.get_label(): line.get_xydata() for line in figure.axes[0].lines}


def test_the_curve_of_a_uniform_nucleus_is_its_exponential(visit):
    times_ms, signal = lines(plot_decay(*visit, "L3/L4"))["mean of fitted curves"].T
    np.testing.assert_allclose(signal, 800 * np.exp(-times_ms / 90), rtol=1e-6)


def test_points_are_the_mean_signal_of_the_fitted_voxels(visit):
    stack, t2map, discs = visit
    inside = discs.mask("L3/L4") & (discs.regions == Region.NP) & (t2map.flag == 0)
    times_ms, signal = lines(plot_decay(*visit, "L3/L4"))["mean of voxels"].T
    np.testing.assert_allclose(times_ms, ECHO_TIMES_MS)
    np.testing.assert_allclose(signal, [stack.signal[..., echo][inside].mean() for echo in range(8)], rtol=1e-5)


def test_the_curve_of_a_mixed_region_is_the_mean_of_the_voxels_curves_and_not_that_of_the_mean_t2(visit):
    stack, t2map, discs = visit
    t2_ms = np.where(np.arange(80)[:, None, None] < 40, 40.0, 160.0) + 0 * t2map.t2_ms
    mixed = replace(t2map, t2_ms=t2_ms)
    inside = discs.mask("L2/L3") & (t2map.flag == 0)
    share = np.count_nonzero(inside[:40]) / np.count_nonzero(inside)
    times_ms, signal = lines(plot_decay(stack, mixed, discs, "L2/L3", "disc"))["mean of fitted curves"].T
    expected = 800 * (share * np.exp(-times_ms / 40) + (1 - share) * np.exp(-times_ms / 160))
    np.testing.assert_allclose(signal, expected, rtol=1e-6)


def test_residuals_are_per_cent_of_the_fitted_first_echo(visit):
    stack, t2map, discs = visit
    lifted = stack.signal.copy()
    first_echo = 800 * np.exp(-12 / 90)
    lifted[..., 5] = 0.1 * first_echo + 800 * np.exp(-72 / 90)
    figure = plot_decay(stack.replace(signal=lifted), t2map, discs, "L3/L4")
    residual_pct = figure.axes[1].lines[-1].get_ydata()
    assert residual_pct[5] == pytest.approx(10, abs=0.01)
    assert np.abs(np.delete(residual_pct, 5)).max() < 0.5


def test_the_noise_floor_is_the_mean_of_rayleigh_noise(visit):
    rng = np.random.default_rng(2)
    pure_noise = np.hypot(*rng.normal(0, SIGMA, (2, 400_000)))
    floor = lines(plot_decay(*visit, "L3/L4"))["mean of noise alone"][0, 1]
    assert floor == pytest.approx(pure_noise.mean(), rel=0.005)


def test_without_a_noise_level_no_floor_is_drawn(visit):
    stack, t2map, discs = visit
    silent = NoiseEstimate(sigma=np.nan, method="none")
    unknown = replace(t2map, noise=silent)
    assert "mean of noise alone" not in lines(plot_decay(stack, unknown, discs, "L3/L4"))


def test_echoes_that_the_fit_skipped_are_drawn_apart(visit):
    stack, t2map, discs = visit
    skipping = replace(t2map, echo_times_ms=ECHO_TIMES_MS[2:])
    drawn = lines(plot_decay(stack, skipping, discs, "L3/L4"))
    np.testing.assert_allclose(drawn["not fitted"][:, 0], ECHO_TIMES_MS[:2])
    np.testing.assert_allclose(drawn["mean of voxels"][:, 0], ECHO_TIMES_MS[2:])


def test_a_region_without_t2_says_so(visit):
    stack, t2map, discs = visit
    lost = np.full(discs.shape, Flag.LOW_SNR, np.uint8)
    nothing = replace(t2map, flag=lost)
    figure = plot_decay(stack, nothing, discs, "L3/L4")
    assert "no voxel with a T2 (0 of 1217 voxels)" in figure.axes[0].get_title(loc="left")
    assert len(png(figure)) > 1000


def test_the_heading_tells_level_region_t2_and_voxels(visit):
    title = plot_decay(*visit, "L4/L5").axes[0].get_title(loc="left")
    assert title.startswith("L4/L5 NP: median T2 45.0 ms (")


def test_the_picture_of_a_level_or_region_that_is_not_there_is_refused(visit):
    with pytest.raises(ArgumentInvalid, match="L2/L3, L3/L4, L4/L5"):
        plot_decay(*visit, "L5/S1")
    with pytest.raises(ArgumentInvalid, match="disc, NP, AF"):
        plot_decay(*visit, "L4/L5", "nucleus")


def test_the_curve_of_a_model_of_any_name_is_the_exponential_of_its_s0_and_t2(visit):
    stack, t2map, discs = visit
    other = replace(t2map, model="a model registered yesterday")
    drawn = lines(plot_decay(stack, other, discs, "L4/L5"))["mean of fitted curves"]
    np.testing.assert_allclose(drawn[:, 1], 800 * np.exp(-drawn[:, 0] / 45), rtol=1e-6)


def test_drawing_leaves_pyplot_alone():
    code = "import sys, t2disc.qc; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
