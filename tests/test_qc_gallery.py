"""The figures of the gallery: the numbers drawn are the numbers given, and what is missing is seen to be missing."""

from __future__ import annotations

import math
import runpy
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ellipses import AFFINE, LEVELS, T2_MS, make_visit, panels, png, texts, unlabelled
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

from t2disc import qc
from t2disc.errors import ArgumentInvalid
from t2disc.model import Change, DiscLabels, FitQuality, Flag, Repeatability, StudyChange, T2Map
from t2disc.qc.charts import INDEX
from t2disc.qc.flags import FLAG_COLOURS, FLAG_WORDS
from t2disc.qc.quality import QUALITY_RANGES

ROOT = Path(__file__).parents[1]
ALLOWED_MAPS = {"gray", "viridis", "cividis", "RdBu_r", "flags"}  # the last is the list of flags' own colours
UNITS = ("ms", "mm", "%", "a.u.", "voxels", "Visit", "1 is right", "0 is perfect")
PEOPLE = ("sub-P001", "sub-P002", "sub-P003", "sub-P004")


@pytest.fixture(scope="module")
def visit():
    return make_visit()


def quality_of(t2map: T2Map) -> FitQuality:
    judged = np.where(t2map.flag == Flag.OK, 1.0, np.nan)
    return FitQuality(
        chi2_red=1.2 * judged,
        r2=0.99 * judged,
        odd_even=0.02 * judged,
        decay_variance=0.0009 * judged,
        degrees_of_freedom=np.full(t2map.shape, 6),
        affine=t2map.affine,
        model="mono",
    )


def study_of(rc_pct: float = 12.0, **values: Any) -> list[StudyChange]:
    """Four people at two sites: index L4/L5 rises by 20 to 23 %, controls by 1 to 4 %; one control is missing."""
    out = []
    for number, person in enumerate(PEOPLE):
        for level in LEVELS:
            factor = 1.20 + number / 100 if level == "L4/L5" else 1.01 + number / 100
            is_missing = number == 3 and level == "L2/L3"
            change = Change(
                level=level,
                region="NP",
                roi="matched",
                baseline_t2_median_ms=T2_MS[level],
                followup_t2_median_ms=math.nan if is_missing else T2_MS[level] * factor,
                repeatability=Repeatability(rc_pct=rc_pct, source="Belavy 2021"),
            )
            out.append(
                StudyChange(
                    participant_id=person,
                    followup_session_id="ses-month12",
                    change=change,
                    index_level="L4/L5",
                    site=f"site-{number % 2 + 1}",
                    **values,
                )
            )
    return out


TRUE_MS = np.array([40.0, 80.0, 120.0, 160.0, 200.0, math.nan])
MEASURED_MS = np.array([43.0, 81.0, 123.0, 157.0, 201.0, 150.0])

CROWD = [replace(one, participant_id=f"sub-{n}", site=f"site-{n % 3}") for n in range(40) for one in study_of()[:3]]
FIGURES: dict[str, Callable[[Any], Figure]] = {
    "plot_t2_overlay": lambda v: qc.plot_t2_overlay(*v),
    "plot_decay": lambda v: qc.plot_decay(*v, "L3/L4"),
    "plot_disc_zoom": lambda v: qc.plot_disc_zoom(*v, "L3/L4"),
    "plot_histogram": lambda v: qc.plot_histogram(v[1], v[2]),
    "plot_profiles": lambda v: qc.plot_profiles(v[1], v[2]),
    "plot_flags": lambda v: qc.plot_flags(*v),
    "plot_quality": lambda v: qc.plot_quality(v[0], quality_of(v[1]), v[2]),
    "plot_trajectories": lambda v: qc.plot_trajectories(study_of()),
    "plot_bland_altman": lambda v: qc.plot_bland_altman(TRUE_MS, MEASURED_MS),
    "plot_cohort": lambda v: qc.plot_cohort(study_of()),
    "plot_regression": lambda v: qc.plot_regression(TRUE_MS, MEASURED_MS),
}
CROWDED: dict[str, Callable[[Any], Figure]] = {
    "one level": lambda v: qc.plot_trajectories([one for one in study_of() if one.change.level == "L4/L5"]),
    "a crowd": lambda v: qc.plot_cohort(CROWD),
    "many regions": lambda v: qc.plot_histogram(
        v[1], v[2], regions=("disc", "NP", "AF", "AF_anterior", "AF_posterior")
    ),
    "one disc": lambda v: qc.plot_profiles(v[1], v[2], levels=["L3/L4"]),
}
EMPTY: dict[str, Callable[[Any], Figure]] = {
    "plot_histogram": lambda v: qc.plot_histogram(v[1], unlabelled(v[2])),
    "plot_profiles": lambda v: qc.plot_profiles(v[1], unlabelled(v[2])),
    "plot_flags": lambda v: qc.plot_flags(v[0], v[1], unlabelled(v[2])),
    "plot_quality": lambda v: qc.plot_quality(v[0], quality_of(v[1]), unlabelled(v[2])),
    "plot_trajectories": lambda v: qc.plot_trajectories([]),
    "plot_bland_altman": lambda v: qc.plot_bland_altman([], []),
    "plot_cohort": lambda v: qc.plot_cohort([]),
    "plot_regression": lambda v: qc.plot_regression([], []),
}


@cache
def drawn(name: str) -> Figure:
    """A figure that tests only look at."""
    figure = (FIGURES | CROWDED)[name](make_visit())
    FigureCanvasAgg(figure).draw()
    return figure


def labels_of(figure: Figure) -> list[str]:
    """Every label of an axis that is shown, and those of the whole figure."""
    own = [text for axes in figure.axes if axes.axison for text in (axes.get_xlabel(), axes.get_ylabel())]
    return [text for text in [*own, figure.get_supylabel(), figure.get_supxlabel()] if text]


def words_of(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.findobj(Text))


def line_of(figure: Figure, label: str) -> np.ndarray:
    return next(line.get_xydata() for axes in figure.axes for line in axes.lines if line.get_label() == label)


# ------------------------------------------------------------------------------------------------ every figure
def test_every_public_plot_is_tested_here_or_on_its_own():
    assert set(FIGURES) | {"plot_change"} == {name for name in qc.__all__ if name.startswith("plot_")}


@pytest.mark.parametrize("name", FIGURES)
def test_the_same_data_give_the_same_bytes(visit, name):
    assert png(FIGURES[name](visit)) == png(FIGURES[name](make_visit()))


@pytest.mark.parametrize("name", FIGURES)
def test_every_axis_tells_its_unit(name):
    figure = drawn(name)
    found = labels_of(figure)
    assert found
    assert not [text for text in found if not any(unit in text.replace("Voxels", "voxels") for unit in UNITS)]


@pytest.mark.parametrize("name", FIGURES)
def test_every_axis_with_numbers_has_a_label(name):
    figure = drawn(name)
    shared = bool(figure.get_supylabel())
    for axes in figure.axes:
        numbers = [tick.get_text() for tick in axes.get_yticklabels() if tick.get_visible() and tick.get_text()]
        if axes.axison and numbers and not axes.get_ylabel() and not shared:
            assert not any(text.replace("−", "").replace(".", "").isdigit() for text in numbers)
            assert axes.get_xlabel()


@pytest.mark.parametrize("name", FIGURES)
def test_colour_maps_come_from_the_list_of_those_that_every_reader_can_tell_apart(name):
    maps = {image.get_cmap().name for axes in drawn(name).axes for image in axes.images}
    assert maps <= ALLOWED_MAPS


@pytest.mark.parametrize("name", [*FIGURES, *CROWDED])
def test_no_word_leaves_the_picture(name):
    figure = drawn(name)
    wide, high = figure.bbox.size
    for text in written_in(figure):
        box = text.get_window_extent()
        assert box.x0 > -2, text
        assert box.y0 > -2, text
        assert box.x1 < wide + 2, text
        assert box.y1 < high + 2, text


def written_in(figure: Figure) -> list[Text]:
    """Every text that is seen, but for the numbers of axes."""
    found = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    for axes in figure.axes:
        found += [*axes.texts, axes.title, axes._left_title, axes._right_title]
        found += [axes.xaxis.label, axes.yaxis.label] if axes.axison else []
        found += axes.get_legend().get_texts() if axes.get_legend() else []
    return [text for text in found if text.get_visible() and text.get_text().strip()]


@pytest.mark.parametrize("name", ["plot_t2_overlay", "plot_flags", "plot_disc_zoom", "plot_quality"])
def test_no_word_in_a_panel_covers_another(name):
    figure = drawn(name)
    for axes in panels(figure):
        boxes = [text.get_window_extent() for text in axes.texts]
        assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


@pytest.mark.parametrize("name", ["plot_t2_overlay", "plot_flags", "plot_disc_zoom", "plot_quality"])
def test_every_picture_of_the_body_marks_its_sides(name):
    figure = drawn(name)
    for axes in panels(figure):
        assert {"A", "P", "S", "I"} <= {text.get_text() for text in axes.texts}
    assert any(text.startswith(("R ", "L ")) and text.endswith(" mm") for text in texts(figure))


@pytest.mark.parametrize("name", EMPTY)
def test_where_there_is_nothing_the_picture_says_so(visit, name):
    figure = EMPTY[name](visit)
    assert any(word in words_of(figure) for word in ("no ", "No "))
    assert png(figure)


@pytest.mark.parametrize("name", FIGURES)
def test_a_picture_fits_a_page_800_pixels_wide(name):
    figure = drawn(name)
    smallest = min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text().strip())
    assert smallest * 800 / figure.get_figwidth() / 72 >= 8  # pixels of the smallest letters' height


# ------------------------------------------------------------------------------------------------ mosaic
@pytest.mark.parametrize("plot", [qc.plot_t2_overlay, qc.plot_flags])
def test_the_mosaic_shows_every_slice_that_crosses_a_disc_however_many(plot):
    stack, t2map, discs = make_visit()
    thick = [np.repeat(volume, 3, axis=2) for volume in (discs.discs, discs.regions)]
    affine = AFFINE @ np.diag([1, 1, 1 / 3, 1])
    many = DiscLabels(discs=thick[0], regions=thick[1], levels=LEVELS, affine=affine)
    maps = {name: np.repeat(getattr(t2map, name), 3, axis=2) for name in ("t2_ms", "s0", "t2_se_ms", "flag")}
    signal = np.repeat(stack.signal, 3, axis=2)
    figure = plot(stack.replace(signal=signal, affine=affine), replace(t2map, affine=affine, **maps), many)
    assert len(panels(figure)) == 15
    FigureCanvasAgg(figure).draw()
    for axes in panels(figure):
        boxes = [text.get_window_extent() for text in axes.texts]
        assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    assert figure.get_figwidth() <= 10


# ------------------------------------------------------------------------------------------------ zoom
def test_the_zoom_shows_the_disc_asked_for_and_crosses_out_what_has_no_t2(visit):
    _, t2map, discs = visit
    figure = qc.plot_disc_zoom(*visit, "L3/L4", slice_index=3)
    t2_ms = np.ma.masked_invalid(panels(figure)[0].images[1].get_array())
    inside = discs.mask("L3/L4")[:, :, 3]
    assert t2_ms.count() == np.count_nonzero(inside & (t2map.flag[:, :, 3] == 0))
    np.testing.assert_array_equal(
        np.sort(t2_ms.compressed()), np.sort(t2map.t2_ms[:, :, 3][inside & (t2map.flag[:, :, 3] == 0)])
    )
    crosses = line_of(figure, "no T2")
    assert len(crosses) == 3
    assert all(np.ma.getmaskarray(t2_ms)[int(row), int(column)] for column, row in crosses)
    assert panels(figure)[0].images[1].get_clim() == (0, 200)


def test_the_zoom_tells_the_medians_of_all_slices_and_what_they_rest_on(visit):
    _, t2map, discs = visit
    inside = discs.mask("L3/L4", "NP")
    used = np.count_nonzero(inside & (t2map.flag == 0))
    words = words_of(qc.plot_disc_zoom(*visit, "L3/L4"))
    assert f"NP 90.0 ms ({used} of {np.count_nonzero(inside)} voxels)" in words
    empty = replace(t2map, t2_ms=np.full(t2map.shape, np.nan), flag=np.full(t2map.shape, Flag.LOW_SNR))
    assert "NP none (0 of " in words_of(qc.plot_disc_zoom(visit[0], empty, discs, "L3/L4"))


def test_the_zoom_refuses_what_is_not_there(visit):
    with pytest.raises(ArgumentInvalid, match="level"):
        qc.plot_disc_zoom(*visit, "L1/L2")
    with pytest.raises(ArgumentInvalid, match="slice 7"):
        qc.plot_disc_zoom(*visit, "L3/L4", slice_index=7)
    with pytest.raises(ArgumentInvalid, match="range"):
        qc.plot_disc_zoom(*visit, "L3/L4", t2_range_ms=(9, 9))


# ------------------------------------------------------------------------------------------------ histogram
def test_the_histogram_counts_every_voxel_once(visit):
    _, t2map, discs = visit
    values = np.where(np.arange(80)[:, None, None] < 40, t2map.t2_ms, 250.0)
    figure = qc.plot_histogram(replace(t2map, t2_ms=values), discs, levels=["L3/L4"], regions=("NP",))
    left, right = figure.axes[:2]
    inside = discs.mask("L3/L4", "NP")
    found = values[inside]
    counts = next(patch.get_data() for patch in left.patches if patch.get_label() == "NP")
    np.testing.assert_array_equal(counts.values, np.histogram(found, bins=40, range=(0, 200))[0])
    assert (counts.edges[0], counts.edges[-1], len(counts.values)) == (0, 200, 40)
    beside = [bar.get_height() for bar in right.patches]
    assert beside == [np.count_nonzero(found > 200), np.count_nonzero(~np.isfinite(found))]
    assert counts.values.sum() + sum(beside) == np.count_nonzero(inside)


def test_voxels_without_t2_are_counted_and_are_not_at_0_ms(visit):
    _, _, discs = visit
    figure = qc.plot_histogram(visit[1], discs, levels=["L3/L4"], regions=("NP",))
    counts = next(patch.get_data() for patch in figure.axes[0].patches if patch.get_label() == "NP")
    assert counts.values[0] == 0
    assert [bar.get_height() for bar in figure.axes[1].patches] == [0, 3]
    assert [tick.get_text() for tick in figure.axes[1].get_xticklabels()] == ["> 200\nms", "no\nT2"]
    cut = qc.plot_histogram(visit[1], discs, levels=["L3/L4"], t2_range_ms=(50.0, 100.0))
    assert next(tick.get_text() for tick in cut.axes[1].get_xticklabels()) == "< 50\nms"


def test_the_dashed_line_is_the_median_and_the_range_is_the_same_for_all_discs(visit):
    figure = qc.plot_histogram(visit[1], visit[2])
    for axes, level in zip(figure.axes[::2], LEVELS, strict=True):
        assert axes.get_xlim() == (0, 200)
        medians = {line.get_label(): line.get_xdata()[0] for line in axes.lines}
        assert medians["median of NP"] == pytest.approx(T2_MS[level])


# ------------------------------------------------------------------------------------------------ profiles
def gradient(t2map: T2Map, discs: DiscLabels) -> T2Map:
    """T2 that rises by 1 ms for each mm backward, and by 4 ms for each mm downward."""
    x, y, _ = np.indices(discs.shape)
    t2_ms = 100 + (x - 40) * 0.8 - 4 * ((y - 50) * 0.8)
    return replace(t2map, t2_ms=np.where(t2map.flag == 0, t2_ms, np.nan))


def test_profiles_run_from_front_to_back_and_from_top_to_bottom(visit):
    _, t2map, discs = visit
    figure = qc.plot_profiles(gradient(t2map, discs), discs, levels=["L3/L4"])
    along, across = (axes.lines[0].get_xydata() for axes in figure.axes[:2])
    np.testing.assert_allclose(np.polyfit(*along.T, 1), [1, 100], atol=0.3)
    np.testing.assert_allclose(np.polyfit(*across.T, 1), [4, 100], atol=0.3)
    assert [text.get_text() for text in figure.axes[0].texts] == ["A", "P"]
    assert [text.get_text() for text in figure.axes[1].texts] == ["S", "I"]
    assert figure.axes[0].get_ylim() == (0, 200)


@pytest.mark.parametrize("flips", [(0,), (1,), (2,), (0, 1, 2)])
def test_profiles_do_not_depend_on_how_the_grid_runs(visit, flips):
    _, t2map, discs = visit
    sloped = gradient(t2map, discs)
    back = np.eye(4)
    for axis in flips:
        back[axis, axis], back[axis, 3] = -1, discs.shape[axis] - 1
    affine = AFFINE @ back

    def turn(volume):
        return np.flip(volume, flips)

    turned = T2Map(
        **{name: turn(getattr(sloped, name)) for name in ("t2_ms", "s0", "t2_se_ms", "flag")},
        affine=affine,
        echo_times_ms=sloped.echo_times_ms,
        model="mono",
        noise=sloped.noise,
    )
    labels = DiscLabels(discs=turn(discs.discs), regions=turn(discs.regions), levels=LEVELS, affine=affine)
    for one, other in zip(qc.plot_profiles(sloped, discs).axes, qc.plot_profiles(turned, labels).axes, strict=True):
        np.testing.assert_allclose(one.lines[0].get_xydata(), other.lines[0].get_xydata(), atol=1e-4)


def test_a_tilted_disc_has_the_profile_of_a_level_one(visit):
    _, t2map, discs = visit
    slope = math.tan(math.radians(35))
    affine = AFFINE.copy()
    affine[2, 0] = -0.8 * slope  # further back lies lower: the same voxels, tilted in the world
    tilted = replace(t2map, affine=affine)
    labels = DiscLabels(discs=discs.discs, regions=discs.regions, levels=LEVELS, affine=affine)
    level = qc.plot_profiles(t2map, discs, levels=["L4/L5"]).axes[0].lines[0].get_xydata()
    steep = qc.plot_profiles(tilted, labels, levels=["L4/L5"]).axes[0].lines[0].get_xydata()
    assert np.ptp(steep[:, 0]) > 1.1 * np.ptp(level[:, 0])  # the disc is as long as it is, not as its shadow
    np.testing.assert_allclose(steep[:, 1], T2_MS["L4/L5"])


def test_a_gap_in_a_profile_is_a_gap_and_is_marked(visit):
    _, t2map, discs = visit
    flag = np.array(t2map.flag)
    flag[50:54][:, discs.mask("L4/L5")[50:54].any(axis=(0, 2))] = Flag.LOW_SNR
    t2_ms = np.where(flag == 0, t2map.t2_ms, np.nan)
    axes = qc.plot_profiles(replace(t2map, t2_ms=t2_ms, flag=flag), discs, levels=["L4/L5"]).axes[0]
    median, _, crosses = (line.get_xydata() for line in axes.lines)
    missing = median[np.isnan(median[:, 1]), 0]
    assert missing.size == 4
    assert set(missing) <= set(crosses[:, 0])
    assert not (median[:, 1] == 0).any()


def test_a_median_beyond_the_axis_is_an_arrow_at_its_edge(visit):
    _, t2map, discs = visit
    axes = qc.plot_profiles(replace(t2map, t2_ms=t2map.t2_ms * 2), discs, levels=["L2/L3"]).axes[0]
    arrows = axes.lines[1].get_xydata()
    assert len(arrows) == len(axes.lines[0].get_xydata())
    assert (arrows[:, 1] == 200).all()


@pytest.mark.parametrize("core_share", [0, 1.5, math.nan])
def test_a_core_that_is_no_share_is_refused(visit, core_share):
    with pytest.raises(ArgumentInvalid, match="core"):
        qc.plot_profiles(visit[1], visit[2], core_share=core_share)


# ------------------------------------------------------------------------------------------------ flags and quality
def test_flags_are_drawn_where_they_are_and_counted_by_level(visit):
    stack, t2map, discs = visit
    flag = np.array(t2map.flag)
    inside = np.argwhere(discs.mask("L4/L5"))
    flag[tuple(inside[:10].T)] = Flag.LOW_SNR
    figure = qc.plot_flags(stack, replace(t2map, flag=flag), discs)
    shown = np.concatenate([np.ma.masked_invalid(axes.images[1].get_array()).compressed() for axes in panels(figure)])
    assert sorted(shown) == [Flag.LOW_SNR] * 10 + [Flag.NOT_DECAYING] * 3
    bars = next(axes for axes in figure.axes if axes.get_xlabel().startswith("Voxels without T2"))
    widths = {c.get_label(): [bar.get_width() for bar in c] for c in bars.containers}
    assert widths[FLAG_WORDS[Flag.LOW_SNR]] == pytest.approx([0, 0, 1000 / len(inside)])
    assert widths[FLAG_WORDS[Flag.NOT_DECAYING]] == pytest.approx([0, 300 / np.count_nonzero(discs.mask("L3/L4")), 0])
    assert f"{FLAG_WORDS[Flag.LOW_SNR]}: 10" in words_of(figure)


def test_each_flag_has_a_colour_and_words_of_its_own():
    reasons = {flag for flag in Flag if flag is not Flag.OK}
    assert set(FLAG_COLOURS) == set(FLAG_WORDS) == reasons
    assert len(set(FLAG_COLOURS.values())) == len(set(FLAG_WORDS.values())) == len(reasons)


def test_a_colour_of_the_map_of_flags_is_that_of_its_legend(visit):
    figure = qc.plot_flags(*visit)
    image = panels(figure)[0].images[1]
    for flag, colour in FLAG_COLOURS.items():
        assert to_hex(image.to_rgba(np.array([[float(flag)]]))[0, 0]) == colour


def test_a_visit_without_missing_voxels_says_so(visit):
    stack, t2map, discs = visit
    whole = replace(t2map, flag=np.zeros(t2map.shape, np.uint8))
    assert "every voxel has a T2" in words_of(qc.plot_flags(stack, whole, discs))


def test_the_maps_of_quality_are_those_given_in_fixed_ranges(visit):
    stack, t2map, discs = visit
    figure = qc.plot_quality(stack, quality_of(t2map), discs, slice_index=3)
    shown = [axes.images[1] for axes in panels(figure)]
    inside = (discs.discs[:, :, 3] > 0) & (t2map.flag[:, :, 3] == 0)
    for image, expected, ends in zip(shown, (1.2, 0.01, 2.0, 3.0), QUALITY_RANGES.values(), strict=True):
        values = np.ma.masked_invalid(image.get_array()).compressed()
        assert values.size == np.count_nonzero(inside)
        np.testing.assert_allclose(values, expected, rtol=1e-5)
        assert image.get_clim() == ends
    labels = [axes.get_xlabel() for axes in figure.axes if axes.get_xlabel()]
    assert [("yellow: worse" in label) for label in labels] == [True, True, False, True]
    n = np.count_nonzero(discs.discs[:, :, 3])
    assert f"not judged: 3 of {n} voxels" in panels(figure)[0].get_title()


# ------------------------------------------------------------------------------------------------ trajectories
def test_a_line_is_a_disc_in_per_cent_of_its_baseline():
    figure = qc.plot_trajectories(study_of())
    for axes, level in zip(figure.axes, LEVELS, strict=True):
        lines = [line.get_ydata() for line in axes.lines if len(line.get_xdata()) == 2 and line.get_marker() != "None"]
        expected = 20.0 if level == "L4/L5" else 1.0
        assert [line[0] for line in lines] == [0] * 4
        known = [line[1] for line in lines if math.isfinite(line[1])]
        np.testing.assert_allclose(known, expected + np.arange(len(known)), rtol=1e-6)


def test_index_discs_have_their_colour_and_their_mark():
    figure = qc.plot_trajectories(study_of())
    for axes, level in zip(figure.axes, LEVELS, strict=True):
        drawn = {(line.get_color(), line.get_marker()) for line in axes.lines if line.get_marker() != "None"}
        assert ((INDEX, "D") in drawn) == (level == "L4/L5")
        assert len(drawn) == 1


def test_a_missing_visit_breaks_the_line_and_is_counted():
    figure = qc.plot_trajectories(study_of())
    lines = [line.get_ydata() for line in figure.axes[0].lines if line.get_marker() != "None"]
    assert sum(math.isnan(line[1]) for line in lines) == 1
    assert not any(line[1] == 0 for line in lines)
    assert figure.axes[0].get_title(loc="right") == "4 discs, 1 value missing"


def band_of(axes) -> tuple[float, float]:
    heights = axes.collections[0].get_paths()[0].vertices[:, 1]
    return heights.min(), heights.max()


def test_the_band_is_the_repeatability_about_0_or_about_the_baseline():
    one = [change for change in study_of() if change.participant_id == "sub-P001"]
    assert band_of(qc.plot_trajectories(study_of()).axes[0]) == pytest.approx((-12, 12))
    assert band_of(qc.plot_trajectories(one, unit="ms").axes[0]) == pytest.approx((120 * 0.88, 120 * 1.12))
    unknown = qc.plot_trajectories(study_of(rc_pct=math.nan))
    assert not unknown.axes[0].collections
    assert "repeatability not known" in words_of(unknown)


def test_in_milliseconds_a_line_is_the_medians():
    one = [change for change in study_of() if change.participant_id == "sub-P001"]
    figure = qc.plot_trajectories(one, unit="ms")
    assert figure.get_supylabel() == "Median T2, NP (ms)"
    for axes, level in zip(figure.axes, LEVELS, strict=True):
        (line,) = [line.get_ydata() for line in axes.lines]
        factor = 1.20 if level == "L4/L5" else 1.01
        np.testing.assert_allclose(line, [T2_MS[level], T2_MS[level] * factor])


def test_further_visits_stand_in_their_order_and_discs_that_are_not_comparable_are_missing():
    first = study_of()
    later = [replace(one, followup_session_id="ses-month24") for one in first]
    other = [replace(one, change=replace(one.change, is_comparable=False)) for one in later]
    figure = qc.plot_trajectories([*first, *other])
    line = next(line.get_ydata() for line in figure.axes[2].lines if line.get_marker() != "None")
    np.testing.assert_allclose(line, [0, 20, np.nan])
    FigureCanvasAgg(figure).draw()
    assert [tick.get_text() for tick in figure.axes[2].get_xticklabels()] == ["baseline", "month12", "month24"]
    assert figure.axes[2].get_title(loc="right") == "4 discs, 4 values missing"


@pytest.mark.parametrize("wrong", [{"region": "core"}, {"roi": "mine"}, {"unit": "s"}])
def test_trajectories_of_what_does_not_exist_are_refused(wrong):
    with pytest.raises(ArgumentInvalid, match="unknown"):
        qc.plot_trajectories(study_of(), **wrong)


# ------------------------------------------------------------------------------------------------ Bland-Altman
def test_bland_altman_draws_differences_over_means_with_their_limits():
    rng = np.random.default_rng(1)
    first = rng.uniform(50, 150, 40)
    second = first + rng.normal(3, 5, 40)
    figure = qc.plot_bland_altman(first, second, names=("reader 1", "reader 2"))
    np.testing.assert_allclose(line_of(figure, "pairs"), np.stack([(first + second) / 2, second - first], axis=1))
    difference = second - first
    sd = difference.std(ddof=1)
    assert line_of(figure, "bias")[0, 1] == pytest.approx(difference.mean())
    assert line_of(figure, "+1.96 SD")[0, 1] == pytest.approx(difference.mean() + 1.96 * sd)
    assert line_of(figure, "−1.96 SD")[0, 1] == pytest.approx(difference.mean() - 1.96 * sd)
    bars = [bar.lines[2][0].get_segments()[0] for bar in figure.axes[0].containers]
    half = 2.0227 * sd / math.sqrt(40)  # t of 39 degrees of freedom
    np.testing.assert_allclose(bars[0][:, 1], [difference.mean() - half, difference.mean() + half], rtol=1e-4)
    assert len({bar[0, 0] for bar in bars}) == 3, "side by side, for they may overlap"
    assert not figure.axes[0].patches
    assert "95 % interval" in figure.axes[0].get_legend().get_texts()[0].get_text()
    assert qc.plot_bland_altman(first, second, what="NP").axes[0].get_title(loc="left") == "NP\n40 pairs"
    assert figure.axes[0].get_ylabel() == "reader 2 minus reader 1, T2 (ms)"


def test_the_limits_hold_95_per_cent_of_many_differences():
    rng = np.random.default_rng(2)
    figure = qc.plot_bland_altman(np.full(20_000, 80.0), 80 + rng.normal(0, 4, 20_000))
    difference = line_of(figure, "pairs")[:, 1]
    low, high = line_of(figure, "−1.96 SD")[0, 1], line_of(figure, "+1.96 SD")[0, 1]
    assert np.mean((difference > low) & (difference < high)) == pytest.approx(0.95, abs=0.005)


def test_pairs_without_a_value_are_counted_and_not_drawn():
    figure = qc.plot_bland_altman(TRUE_MS, MEASURED_MS)
    assert len(line_of(figure, "pairs")) == 5
    assert figure.axes[0].get_title(loc="left") == "5 pairs; 1 without one of the two values, not drawn"


def test_two_pairs_have_no_limits():
    figure = qc.plot_bland_altman([40, 50], [41, 52])
    assert len(line_of(figure, "pairs")) == 2
    assert "fewer than 3" in figure.axes[0].get_title(loc="left")
    assert "SD" not in words_of(figure)


def test_differences_in_per_cent_are_of_each_pair_s_mean():
    figure = qc.plot_bland_altman([90.0, 45, 20], [110.0, 55, 20], unit="%")
    np.testing.assert_allclose(line_of(figure, "pairs")[:, 1], [20, 20, 0])


@pytest.mark.parametrize("plot", [qc.plot_bland_altman, qc.plot_regression])
def test_lists_of_different_lengths_are_refused(plot):
    with pytest.raises(ArgumentInvalid, match="shapes"):
        plot([1.0, 2.0], [1.0])


# ------------------------------------------------------------------------------------------------ cohort
def marks_of(figure: Figure, row: int) -> list:
    """The marks of discs in a row, each a line of one point."""
    lines = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 1 and line.get_marker() != "|"]
    return [line for line in lines if abs(line.get_ydata()[0] - row) < 0.4]


def test_the_cohort_draws_every_disc_in_the_rows_of_its_role_and_site():
    figure = qc.plot_cohort(study_of())
    names = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert names == [f"{site}\n{role}" for site in ("all sites", "site-1", "site-2") for role in ("index", "control")]
    assert sorted(mark.get_xdata()[0] for mark in marks_of(figure, 0)) == pytest.approx([20, 21, 22, 23])
    assert sorted(mark.get_xdata()[0] for mark in marks_of(figure, 1)) == pytest.approx([1, 1, 2, 2, 3, 3, 4])
    assert sorted(mark.get_xdata()[0] for mark in marks_of(figure, 2)) == pytest.approx([20, 22])
    assert {mark.get_color() for mark in marks_of(figure, 0)} != {mark.get_color() for mark in marks_of(figure, 1)} or {
        mark.get_marker() for mark in marks_of(figure, 0)
    } == {"D"}


def test_a_disc_that_is_no_control_has_a_row_of_its_own_and_is_in_no_mean_of_controls():
    study = study_of()
    thoracic = [replace(one, change=replace(one.change, level="T12/L1")) for one in study if one.role == "index"]
    alone, beside = (qc.plot_cohort(changes) for changes in (study, [*study, *thoracic]))
    names = [tick.get_text() for tick in beside.axes[0].get_yticklabels()]
    assert names[:3] == [f"all sites\n{role}" for role in ("index", "control", "no control")]
    for row in (0, 1):
        assert len(marks_of(beside, row)) == len(marks_of(alone, row))
    assert sorted(mark.get_xdata()[0] for mark in marks_of(beside, 2)) == pytest.approx([20, 21, 22, 23])


def test_full_marks_exceed_their_own_band_and_hollow_ones_do_not():
    figure = qc.plot_cohort(study_of(rc_pct=21.5))
    full = [mark.get_xdata()[0] for mark in marks_of(figure, 0) if to_hex(mark.get_markerfacecolor()) == INDEX]
    assert sorted(full) == pytest.approx([22, 23])
    assert {to_hex(mark.get_markerfacecolor()) for mark in marks_of(figure, 1)} == {"#ffffff"}
    assert "4 discs; 2 of 4 exceed" in texts(figure)


def test_missing_discs_and_means_stand_beside_the_row():
    words = texts(qc.plot_cohort(study_of()))
    assert "7 discs, 1 missing; 0 of 7 exceed" in words
    assert any(text.startswith("mean +21.5 % (") for text in words)


def test_changes_of_non_evaluable_visits_are_seen_and_counted_and_in_no_mean():
    shown = [replace(one, is_evaluable=one.participant_id != PEOPLE[0]) for one in study_of()]
    figure = qc.plot_cohort(shown)
    assert [mark.get_marker() for mark in marks_of(figure, 0)].count("x") == 1
    words = texts(figure)
    assert any(text.startswith("mean +22.0 % (") for text in words), "of 21, 22 and 23"
    assert "4 discs; 3 of 3 exceed" in words
    assert "1 of non-evaluable visits left out" in words
    assert "2 of non-evaluable visits left out" in words
    none = texts(qc.plot_cohort([replace(one, is_evaluable=False) for one in study_of()]))
    assert "no usable change" in none
    assert not any("left out" in text for text in texts(qc.plot_cohort(study_of())))


def test_a_study_of_one_site_has_no_rows_of_sites():
    one = [replace(change, site=None) for change in study_of()]
    assert len(qc.plot_cohort(one).axes[0].get_yticklabels()) == 2
    mixed = [*one[:6], *study_of()[6:]]
    names = [tick.get_text() for tick in qc.plot_cohort(mixed).axes[0].get_yticklabels()]
    assert names[-1] == "site not told\ncontrol"


def test_a_change_beyond_the_axis_is_an_arrow_at_its_edge():
    far = [replace(one, change=replace(one.change, followup_t2_median_ms=400.0)) for one in study_of()]
    figure = qc.plot_cohort(far)
    right = figure.axes[0].get_xlim()[1]
    assert right == 100
    assert {(mark.get_marker(), mark.get_xdata()[0]) for mark in marks_of(figure, 0)} == {(">", 98)}


def test_marks_of_like_changes_do_not_lie_on_each_other():
    same = [
        replace(one, participant_id=f"sub-{copy}")
        for copy in range(8)
        for one in study_of()
        if one.participant_id == "sub-P001"
    ]
    places = [(mark.get_xdata()[0], mark.get_ydata()[0]) for mark in marks_of(qc.plot_cohort(same), 0)]
    assert len(set(places)) == len(places) == 8


# ------------------------------------------------------------------------------------------------ regression
def test_the_regression_is_that_of_least_squares():
    known = np.isfinite(TRUE_MS)
    figure = qc.plot_regression(TRUE_MS, MEASURED_MS)
    slope, intercept = np.polyfit(TRUE_MS[known], MEASURED_MS[known], 1)
    drawn = line_of(figure, "least squares, 95 % band")
    np.testing.assert_allclose(drawn[:, 1], intercept + slope * drawn[:, 0])
    np.testing.assert_allclose(
        line_of(figure, "points, 95 % interval"), np.stack([TRUE_MS, MEASURED_MS], axis=1)[known]
    )
    agree = line_of(figure, "both agree")
    np.testing.assert_array_equal(agree[:, 0], agree[:, 1])
    assert f"slope {slope:.3f}" in figure.axes[0].get_title(loc="left")
    assert "1 without one of the two values" in figure.axes[0].get_title(loc="left")
    below = figure.axes[1].lines[-1].get_xydata()[:, 1]
    np.testing.assert_allclose(below, 100 * (MEASURED_MS / TRUE_MS - 1)[known])


def test_the_interval_of_the_slope_is_that_of_scipy():
    from scipy.stats import linregress, t

    known = np.isfinite(TRUE_MS)
    fit = linregress(TRUE_MS[known], MEASURED_MS[known])
    title = qc.plot_regression(TRUE_MS, MEASURED_MS).axes[0].get_title(loc="left")
    assert f"± {t.ppf(0.975, 3) * fit.stderr:.3f}" in title
    assert f"± {t.ppf(0.975, 3) * fit.intercept_stderr:.1f} ms" in title
    assert f"R² {fit.rvalue**2:.4f}" in title


def test_bars_are_the_standard_errors_given_and_none_where_there_is_none():
    errors = np.array([2.0, 2, 2, 2, math.nan, 2])
    figure = qc.plot_regression(TRUE_MS, MEASURED_MS, measured_se_ms=errors)
    bars = next(c for c in figure.axes[0].collections if hasattr(c, "get_segments"))
    heights = [segment[1, 1] - segment[0, 1] for segment in bars.get_segments() if len(segment) == 2]
    assert [h for h in heights if math.isfinite(h)] == pytest.approx([2 * 1.96 * 2] * 4)


def test_points_that_tell_no_line_have_none():
    figure = qc.plot_regression([80.0, 80, 80], [79.0, 80, 82])
    assert "too few, or too alike" in figure.axes[0].get_title(loc="left")
    assert "least squares" not in words_of(figure)
    with pytest.raises(ArgumentInvalid, match="0 ms"):
        qc.plot_regression([0.0, 80], [1.0, 80])


# ------------------------------------------------------------------------------------------------ page
def test_the_page_is_what_the_script_writes_and_shows_every_public_plot():
    script = runpy.run_path(str(ROOT / "scripts" / "make_gallery.py"))
    written = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    assert script["page"]() == written, "run python scripts/make_gallery.py"
    assert {one.verb for one in script["EXAMPLES"]} == {name for name in qc.__all__ if name.startswith("plot_")}
    for one in script["EXAMPLES"]:
        size = (ROOT / "docs" / "images" / "gallery" / f"{one.name}.png").stat().st_size
        assert 5_000 < size <= 150_000
    shown = {one.name for one in script["EXAMPLES"]}
    assert {path.stem for path in (ROOT / "docs" / "images" / "gallery").glob("*.png")} == shown
