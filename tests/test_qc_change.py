"""The picture of a change: two ellipse spines whose discs moved, each by a motion of its own that is known."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from itertools import combinations, permutations, product

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from t2disc.errors import ArgumentInvalid
from t2disc.model import LEVELS as ALL_LEVELS
from t2disc.model import (
    Change,
    DiscLabels,
    DiscMatch,
    Flag,
    MatchCode,
    NoiseEstimate,
    Repeatability,
    T2Map,
    VisitMatch,
)
from t2disc.qc import plot_change
from t2disc.qc.carried import carried_slice, own_slice
from t2disc.qc.forest import CODE_WORDS, spread_in
from t2disc.qc.views import sagittal_view

LEVELS = ("L2/L3", "L3/L4", "L4/L5")
CENTRE_UP_MM = {"L2/L3": 24.0, "L3/L4": 0.0, "L4/L5": -24.0}
T2_MS = {"L2/L3": 120.0, "L3/L4": 90.0, "L4/L5": 50.0}
CHANGE_MS = {"L2/L3": 0.0, "L3/L4": -9.0, "L4/L5": 10.0}
INDEX = "L4/L5"
# sagittal, as ingest writes it: X runs backward (P), Y runs up (S), Z runs to the patient's left
AFFINE = np.array([[0, 0, -5.0, 10.0], [-1.0, 0, 0, 30.0], [0, 1.0, 0, -40.0], [0, 0, 0, 1]])
SHAPE = (60, 80, 5)


@dataclass(frozen=True)
class Seen:
    t2map: T2Map
    discs: DiscLabels


def turned(angle_deg: float, shift_mm: tuple[float, float, float]) -> np.ndarray:
    """A turn within the sagittal plane and a shift, RAS+ mm."""
    angle = np.deg2rad(angle_deg)
    motion = np.eye(4)
    motion[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    motion[:3, 3] = shift_mm
    return motion


MOTIONS = {
    "L2/L3": turned(4, (0, 3.0, 2.0)),
    "L3/L4": turned(1, (0, 1.0, 3.0)),
    "L4/L5": turned(-3, (0, -2.0, 4.0)),
}
STILL = dict.fromkeys(LEVELS, np.eye(4))


def spine(motions=STILL, change_ms=None, affine=AFFINE, shape=SHAPE, levels=LEVELS) -> Seen:
    """Elliptic discs, each after a motion of its own, in bone of 70 ms."""
    places = np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    discs, regions, t2_ms, s0 = np.zeros(shape), np.zeros(shape), np.full(shape, 70.0), np.full(shape, 400.0)
    for level in levels:
        back = np.linalg.inv(motions[level])
        right, forward, up = np.moveaxis(places @ back[:3, :3].T + back[:3, 3], -1, 0)
        inside = (forward / 17) ** 2 + ((up - CENTRE_UP_MM[level]) / 6) ** 2 + (right / 14) ** 2 < 1
        discs[inside] = DiscLabels.value_of(level)
        regions[inside] = np.select([forward > 10, forward < -10], [2, 3], 1)[inside]
        t2_ms[inside], s0[inside] = T2_MS[level] + (change_ms or {}).get(level, 0.0), 800.0
    labels = DiscLabels(discs=discs.astype(np.uint8), regions=regions.astype(np.uint8), levels=levels, affine=affine)
    return Seen(t2_map(t2_ms, s0, affine), labels)


def t2_map(t2_ms, s0, affine) -> T2Map:
    return T2Map(
        t2_ms=t2_ms,
        s0=s0,
        t2_se_ms=np.ones(t2_ms.shape),
        flag=np.where(np.isfinite(t2_ms), Flag.OK, Flag.LOW_SNR).astype(np.uint8),
        affine=affine,
        echo_times_ms=np.arange(1, 9) * 12.0,
        model="mono",
        noise=NoiseEstimate(sigma=4.0, method="given"),
    )


def match_of(motions=MOTIONS, **codes) -> VisitMatch:
    """The true motions; ``codes`` by level, written L4_L5."""
    return VisitMatch(
        motion=np.eye(4),
        correlation=0.9,
        discs=tuple(
            DiscMatch(
                level=level,
                motion=motion,
                correlation=0.9,
                inverse_mm=0.1,
                through_plane_mm=0.1,
                codes=codes.get(level.replace("/", "_"), ()),
            )
            for level, motion in motions.items()
        ),
    )


def change_of(level, region="NP", roi="matched", rc_pct=11.0, **values) -> Change:
    given = {
        "baseline_n_used": 90,
        "followup_n_used": 90,
        "baseline_t2_median_ms": T2_MS[level],
        "followup_t2_median_ms": T2_MS[level] + CHANGE_MS[level],
        "noise_se_ms": 1.0,
        "baseline_noise_se_ms": 0.7,
        "place_se_ms": 0.5,
        "place_se_pct": 0.5,
        "floor_ms": 0.0,
        "baseline_floor_ms": 0.0,
        "repeatability": Repeatability(rc_pct=rc_pct, source="Belavy 2021"),
    }
    return Change(level=level, region=region, roi=roi, **{**given, **values})


CHANGES = tuple(change_of(level) for level in LEVELS)


@pytest.fixture(scope="module")
def pair() -> tuple[Seen, Seen]:
    return spine(), spine(MOTIONS, CHANGE_MS)


@pytest.fixture(scope="module")
def figure(pair) -> Figure:
    return plot_change(*pair, match_of(), CHANGES, index_level=INDEX)


def png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def panels(figure: Figure) -> list:
    return figure.axes[:3]


def rows(figure: Figure):
    return next(axes for axes in figure.axes if "% of baseline" in axes.get_xlabel())


def words(axes) -> list[str]:
    return [text.get_text() for text in axes.texts if text.get_text()]


def levels_of(axes) -> list[str]:
    return [name.get_text().split("\n")[0] for name in axes.get_yticklabels()]


def dots(axes) -> dict[str, tuple[float, str]]:
    """Change in % and the marker of each level with a dot."""
    at = dict(zip(np.round(axes.get_yticks(), 6), levels_of(axes), strict=True))
    marked = [line for line in axes.lines if line.get_marker() not in ("None", None)]
    return {at[round(line.get_ydata()[0], 6)]: (line.get_xdata()[0], line.get_marker()) for line in marked}


def colours(axes) -> np.ndarray:
    return np.ma.masked_invalid(axes.images[1].get_array())


def reordered(seen: Seen, order, flips) -> Seen:
    """The same visit in the world, with its voxel axes exchanged and turned round."""
    back = np.zeros((4, 4))
    back[3, 3] = 1
    for new, old in enumerate(order):
        back[old, new] = -1 if flips[new] else 1
        back[old, 3] = seen.discs.shape[old] - 1 if flips[new] else 0
    affine = seen.discs.affine @ back

    def turn(volume):
        return np.flip(volume.transpose(order), [a for a in range(3) if flips[a]])

    labels = DiscLabels(
        discs=turn(seen.discs.discs), regions=turn(seen.discs.regions), levels=seen.discs.levels, affine=affine
    )
    return Seen(t2_map(turn(seen.t2map.t2_ms), turn(seen.t2map.s0), affine), labels)


def without_discs(seen: Seen) -> Seen:
    nothing = np.zeros(seen.discs.shape, np.uint8)
    return Seen(seen.t2map, DiscLabels(discs=nothing, regions=nothing, levels=(), affine=seen.discs.affine))


# ------------------------------------------------------------------------------------------------ places
def test_pixels_lie_where_their_voxels_lie_for_every_order_of_axes():
    shape = (6, 8, 5)
    places = np.moveaxis(np.indices(shape), 0, -1) @ AFFINE[:3, :3].T + AFFINE[:3, 3]
    for order, flips in product(permutations(range(3)), product((False, True), repeat=3)):
        back = np.zeros((4, 4))
        back[3, 3] = 1
        for new, old in enumerate(order):
            back[old, new] = -1 if flips[new] else 1
            back[old, 3] = shape[old] - 1 if flips[new] else 0
        turned_places = np.flip(places.transpose(*order, 3), [a for a in range(3) if flips[a]])
        view = sagittal_view(AFFINE @ back)
        box = (slice(1, 7), slice(2, 5))
        shown = view.places_mm(3, box, turned_places.shape[:3])
        np.testing.assert_allclose(shown, view.turn(turned_places)[3][box], atol=1e-9)


# ------------------------------------------------------------------------------------------------ pictures
OBLIQUE = turned(7, (0.5, 4.0, -3.0)) @ AFFINE @ np.diag([0.8, 1.3, 0.7, 1])
GRIDS = {
    "same": lambda: spine(MOTIONS, CHANGE_MS),
    "other axes": lambda: reordered(spine(MOTIONS, CHANGE_MS), (2, 0, 1), (True, False, True)),
    "other matrix, oblique": lambda: spine(MOTIONS, CHANGE_MS, OBLIQUE, (80, 64, 7)),
}


@pytest.mark.parametrize("grid", GRIDS)
def test_the_follow_up_lies_on_the_baseline_whatever_its_grid(pair, grid):
    first, second, _ = panels(plot_change(pair[0], GRIDS[grid](), match_of(), CHANGES))
    before, after = colours(first), colours(second)
    for level in LEVELS:
        here = np.isclose(before.filled(0), T2_MS[level])
        there = np.isclose(after.filled(0), T2_MS[level] + CHANGE_MS[level], atol=0.01)
        assert 2 * np.count_nonzero(here & there) / (here.sum() + there.sum()) > 0.93, level


@pytest.mark.parametrize("grid", GRIDS)
def test_the_difference_is_the_change_in_ms_within_discs_and_nothing_elsewhere(pair, grid):
    first, _, third = panels(plot_change(pair[0], GRIDS[grid](), match_of(), CHANGES))
    before, difference = colours(first), colours(third)
    assert not np.any(before.mask & ~difference.mask)
    for level in LEVELS:
        shown = difference[np.isclose(before.filled(0), T2_MS[level])]
        assert shown.count() > 0.9 * shown.size
        np.testing.assert_allclose(shown.compressed(), CHANGE_MS[level], atol=0.01)


def test_grey_is_the_images_that_are_given_and_their_gain_is_no_change(pair):
    places = np.indices(SHAPE).astype(np.float32)
    image = 300 + 100 * np.sin(places[0] / 5) * np.sin(places[1] / 7)
    shown = plot_change(pair[0], pair[0], match_of(STILL), CHANGES, greys=(image, 3 * image))
    first, second, third = (axes.images[0].get_array() for axes in panels(shown))
    assert np.ptp(first) > 0.9
    np.testing.assert_allclose(first, second, atol=0.02)
    np.testing.assert_allclose(third, 0.55 * first, atol=0.01)
    made = panels(plot_change(pair[0], pair[0], match_of(STILL), CHANGES))[0].images[0].get_array()
    assert np.abs(made - first).mean() > 0.1


def test_the_colours_of_the_difference_are_the_same_to_both_sides(pair, figure):
    assert panels(figure)[2].images[1].get_clim() == (-30, 30)
    wide = plot_change(*pair, match_of(), CHANGES, change_range_ms=80)
    assert panels(wide)[2].images[1].get_clim() == (-80, 80)
    assert {"T2 (ms)", "Change of T2 (ms)"} <= {axes.get_xlabel() for axes in figure.axes}


def test_every_picture_has_the_proportions_of_the_body_and_the_same_scale(pair, figure):
    flat = spine(affine=AFFINE @ np.diag([1, 2.0, 1, 1]), shape=(60, 40, 5))
    for shown, ratio in ((figure, 1.0), (plot_change(flat, pair[1], match_of(), CHANGES), 2.0)):
        shown.draw_without_rendering()
        steps = [np.abs(np.diff(axes.transData.transform([(0, 0), (10, 10)]), axis=0))[0] for axes in panels(shown)]
        assert [y / x for x, y in steps] == pytest.approx([ratio] * 3)
        np.testing.assert_allclose(steps, [steps[0]] * 3)


def test_every_picture_marks_its_sides_and_says_what_it_is(figure):
    for axes in panels(figure):
        assert {"S", "I", "A", "P"} <= set(words(axes))
    assert {*LEVELS, "R 0 mm", "3/5", "20 mm"} <= set(words(panels(figure)[0]))
    titles = [axes.get_title() for axes in panels(figure)]
    assert titles[0] == "Baseline"
    assert "carried to\nbaseline for viewing only" in titles[1]
    assert "minus baseline" in titles[2]


def test_between_two_discs_the_picture_passes_smoothly_from_one_motion_to_the_other():
    before = spine()
    motions = {**STILL, "L3/L4": turned(0, (0, 0, 6.0))}
    up_mm = np.broadcast_to(np.arange(80.0)[None, :, None] - 40, SHAPE)
    ramp = t2_map(np.full(SHAPE, 30.0), np.e * (100 + up_mm), AFFINE)  # the signal at 30 ms is the height, plus 100
    view, box = sagittal_view(AFFINE), (slice(0, 80), slice(0, 60))
    shown = own_slice(before, view, 2, box)
    places_mm = view.places_mm(2, box, SHAPE)
    after = carried_slice(Seen(ramp, before.discs), match_of(motions), shown, places_mm, (1.0, 1.0))
    moved_mm = (after.signal - 100 - places_mm[..., 2])[12:66]  # where the follow-up's field holds all
    for level, expected_mm in (("L2/L3", 0), ("L3/L4", 6), ("L4/L5", 0)):
        np.testing.assert_allclose(moved_mm[shown.discs[12:66] == DiscLabels.value_of(level)], expected_mm, atol=1e-3)
    assert moved_mm.min() > -1e-3
    assert moved_mm.max() < 6 + 1e-3
    assert np.abs(np.diff(moved_mm, axis=0)).max() < 1.5  # mm from one row to the next, of six in twelve rows


def test_a_voxel_without_t2_stays_clear_and_is_not_mixed_into_its_neighbours(pair):
    t2_ms = pair[1].t2map.t2_ms.copy()
    t2_ms[25:35, 38:48, 2] = np.nan
    gap = Seen(t2_map(t2_ms, pair[1].t2map.s0, AFFINE), pair[1].discs)
    full, holed = (colours(panels(plot_change(pair[0], after, match_of(), CHANGES))[2]) for after in (pair[1], gap))
    assert 20 < full.count() - holed.count() < 110
    np.testing.assert_allclose(holed.compressed()[:, None] - list(CHANGE_MS.values()), 0, atol=20)
    assert np.isin(np.round(holed.compressed(), 1), list(CHANGE_MS.values())).all()


def test_the_slice_that_cuts_every_disc_best_is_shown_unless_asked_otherwise(pair):
    aside = turned(0, (-9.0, 0, 0))
    leaning = spine({**STILL, "L2/L3": aside, "L4/L5": aside})
    assert "2/5" not in words(panels(plot_change(*pair, match_of(), CHANGES))[0])
    assert "4/5" in words(panels(plot_change(leaning, pair[1], match_of(), CHANGES))[0])
    assert "2/5" in words(panels(plot_change(*pair, match_of(), CHANGES, slice_index=1))[0])


# ------------------------------------------------------------------------------------------------ rows
def test_dots_intervals_and_bands_are_the_changes_in_per_cent(figure):
    axes = rows(figure)
    assert levels_of(axes) == list(LEVELS)
    shown = dots(axes)
    intervals = [tuple(line.get_xdata()) for line in axes.lines if len(line.get_xdata()) == 2][1:]
    for change in CHANGES:
        assert shown[change.level][0] == pytest.approx(change.change_pct)
        assert any(np.allclose(interval, change.interval_pct) for interval in intervals)
    bands = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert [(band.get_x(), band.get_width()) for band in bands] == [(-11, 22)] * 3


def test_levels_run_down_from_superior_to_inferior_beside_their_discs(figure):
    figure.draw_without_rendering()
    axes = rows(figure)
    first = panels(figure)[0]
    t2_ms = colours(first)
    heights = []
    for level, down_in in zip(levels_of(axes), axes.get_yticks(), strict=True):
        row = np.argwhere(np.isclose(t2_ms.filled(0), T2_MS[level]))[:, 0].mean()
        beside = axes.transData.transform((0, down_in))[1]
        assert first.transData.transform((0, row))[1] == pytest.approx(beside, abs=2)
        heights.append(beside)
    assert heights == sorted(heights, reverse=True)


def test_the_index_disc_is_told_by_word_shape_and_colour(pair, figure):
    assert [name.get_text() for name in rows(figure).get_yticklabels()][2] == "L4/L5\nindex disc"
    assert [marker for _, marker in dots(rows(figure)).values()] == ["o", "o", "D"]
    plain = rows(plot_change(*pair, match_of(), CHANGES))
    assert not any("index" in name.get_text() for name in plain.get_yticklabels())


def test_without_a_coefficient_there_is_no_band_and_it_is_said(pair):
    changes = [change_of(level, rc_pct=np.nan) for level in LEVELS]
    figure = plot_change(*pair, match_of(), changes)
    assert not rows(figure).patches
    assert "repeatability not known: no band" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_the_legend_says_who_measured_the_repeatability(figure):
    legend = " ".join(text.get_text().replace("\n", " ") for text in figure.legends[0].get_texts())
    assert "95 % of repeats without a change (Belavy 2021)" in legend


def test_the_numbers_stand_beside_the_dots(figure):
    shown = words(rows(figure))
    assert "50.0 → 60.0" in shown
    assert "+20.0 (+15.7 to +24.3)" in shown
    assert "0.0 (−1.6 to +1.6)" in shown


def test_only_changes_of_the_region_and_outlines_asked_for_are_shown(pair):
    others = [change_of(level, "AF", followup_t2_median_ms=1.0) for level in LEVELS]
    own = [change_of(level, roi="own", followup_t2_median_ms=2.0 * T2_MS[level]) for level in LEVELS]
    every = [*others, *CHANGES, *own]
    assert dots(rows(plot_change(*pair, match_of(), every)))[INDEX][0] == pytest.approx(20)
    figure = plot_change(*pair, match_of(), every, roi="own")
    assert dots(rows(figure))[INDEX][0] == pytest.approx(100)
    assert "each visit's own outlines" in rows(figure).get_title(loc="left")


def test_a_change_beyond_the_axis_is_an_arrow_at_its_edge(pair):
    far = [change_of("L2/L3", followup_t2_median_ms=480.0), change_of("L3/L4"), change_of("L4/L5")]
    axes = rows(plot_change(*pair, match_of(), far))
    assert dots(axes)["L2/L3"] == (100, ">")
    assert axes.get_xlim()[1] < 110


def test_a_change_without_an_interval_is_a_dot_alone(pair):
    bare = [change_of(level, noise_se_ms=np.nan, place_se_ms=np.nan, place_se_pct=np.nan) for level in LEVELS]
    axes = rows(plot_change(*pair, match_of(), bare))
    assert len(dots(axes)) == 3
    assert "+20.0 (interval not known)" in words(axes)


def test_every_code_of_a_match_has_words():
    assert set(CODE_WORDS) == set(MatchCode)


def test_what_speaks_against_a_match_is_written_beside_its_row(pair):
    match = match_of(L3_L4=(MatchCode.POOR_FIT, MatchCode.OUT_OF_FIELD))
    alone = replace(match, discs=(replace(match.discs[0], is_fallback=True), *match.discs[1:]))
    shown = [text.replace("\n", " ") for text in words(rows(plot_change(*pair, alone, CHANGES)))]
    assert "pictures fit poorly; partly outside the follow-up's field of view" in shown
    assert "own motion not found, its neighbours' used" in shown


def test_no_word_covers_another_even_where_everything_speaks_against_every_match(pair):
    every = tuple(MatchCode)[1:]
    match = match_of(**{level.replace("/", "_"): every for level in LEVELS})
    low = spine(affine=AFFINE @ np.diag([1, 1.6, 1, 1]), shape=(60, 50, 5))
    for before in (pair[0], low):
        figure = plot_change(before, pair[1], match, CHANGES, index_level=INDEX)
        figure.draw_without_rendering()
        axes = rows(figure)
        texts = [text for text in axes.texts if text.get_text()]
        ticks = [tick for tick in axes.get_xticklabels() if abs(tick.get_position()[0]) <= axes.get_xlim()[1]]
        drawn = [*texts, *ticks, *axes.get_yticklabels(), axes.xaxis.label, *figure.legends]
        titles = [panel.title for panel in panels(figure)]
        boxes = [item.get_window_extent() for item in (*drawn, *titles)]
        assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
        page = figure.bbox
        assert all(page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1 for box in boxes)


def test_rows_keep_apart_and_in_order_where_discs_lie_close_or_are_not_seen():
    crowded = spread_in(ALL_LEVELS, dict.fromkeys(ALL_LEVELS, 5.1), 5.2, 0.6)
    assert np.diff(crowded).min() >= 0.6 - 1e-9
    assert crowded[-1] <= 5.2 - 0.3 + 1e-9
    beside = {"L2/L3": 2.0, "L4/L5": 3.6}
    np.testing.assert_allclose(spread_in(ALL_LEVELS[1:], beside, 5.2, 0.6), [1.2, 2.0, 2.8, 3.6, 4.4])
    np.testing.assert_allclose(spread_in(LEVELS, {}, 5.2, 0.6), [5.2 / 6, 5.2 / 2, 5.2 * 5 / 6])
    assert spread_in([], {}, 5.2, 0.6) == []


# ------------------------------------------------------------------------------------------------ what is missing
def test_a_level_of_one_visit_has_a_row_without_a_dot_and_says_why(pair):
    after = spine(MOTIONS, CHANGE_MS, levels=LEVELS[:2])
    match = replace(match_of({level: MOTIONS[level] for level in LEVELS[:2]}), missing=("L4/L5",))
    lost = change_of("L4/L5", followup_n_used=0, followup_t2_median_ms=np.nan)
    figure = plot_change(pair[0], after, match, [*CHANGES[:2], lost], index_level=INDEX)
    assert set(dots(rows(figure))) == set(LEVELS[:2])
    assert levels_of(rows(figure)) == list(LEVELS)
    assert "not found at follow-up" in words(rows(figure))
    backward = plot_change(after, pair[0], match, CHANGES[:2], index_level=INDEX)
    assert "not found at baseline" in words(rows(backward))
    assert len(png(backward)) > 1000


def test_an_index_disc_that_nobody_found_keeps_its_row(pair):
    figure = plot_change(*pair, match_of(), CHANGES, index_level="L5/S1")
    assert levels_of(rows(figure)) == [*LEVELS, "L5/S1"]
    assert "not found at either visit" in words(rows(figure))


def test_a_region_without_t2_says_at_which_visit(pair):
    lost = change_of("L4/L5", followup_n_used=0, followup_t2_median_ms=np.nan)
    shown = words(rows(plot_change(*pair, match_of(), [*CHANGES[:2], lost])))
    assert "no voxel with a T2 at follow-up" in shown
    assert "not measured" in words(rows(plot_change(*pair, match_of(), CHANGES[:2])))


def test_without_a_match_the_pictures_that_need_one_say_why(pair):
    own = [change_of(level, roi="own") for level in LEVELS]
    figure = plot_change(*pair, None, own, roi="own", reason="levels-slipped: one level too low")
    for axes in panels(figure)[1:]:
        assert not axes.images
        assert " ".join(words(axes)[0].split()) == "levels-slipped: one level too low"
    assert len(dots(rows(figure))) == 3
    unsaid = plot_change(*pair, None, own, roi="own")
    assert words(panels(unsaid)[1]) == ["The two visits were not matched."]
    assert len(png(figure)) > 1000


def test_without_a_dot_nothing_is_said_of_repeatability(pair):
    assert not plot_change(*pair, match_of(), []).legends[0].get_texts()


def test_visits_without_discs_can_be_shown(pair):
    bare = [without_discs(seen) for seen in pair]
    figure = plot_change(*bare, replace(match_of(), discs=()), [])
    assert levels_of(rows(figure)) == []
    assert all(colours(axes).count() == 0 for axes in panels(figure))
    assert len(png(figure)) > 1000


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 1), (60, 80, 1)])
def test_tiny_images_and_single_slices_can_be_shown(shape):
    affine = AFFINE.copy()
    affine[:3, 3] = -AFFINE[:3, :3] @ ((np.array(shape) - 1) / 2)
    seen = spine(affine=affine, shape=shape)
    figure = plot_change(seen, seen, match_of(STILL), CHANGES)
    assert colours(panels(figure)[2]).count() > 0
    assert len(png(figure)) > 1000


def test_a_follow_up_that_shows_another_part_of_the_body_is_black(pair):
    far = {level: turned(0, (0, 0, 500.0)) for level in LEVELS}
    figure = plot_change(*pair, match_of(far), CHANGES)
    second, third = panels(figure)[1:]
    assert not second.images[0].get_array().any()
    assert colours(second).count() == colours(third).count() == 0


# ------------------------------------------------------------------------------------------------ face
def test_the_same_data_give_the_same_bytes(figure):
    again = plot_change(spine(), spine(MOTIONS, CHANGE_MS), match_of(), CHANGES, index_level=INDEX)
    assert png(figure) == png(again)


def test_a_picture_of_a_gradient_echo_says_t2_star(pair):
    figure = plot_change(*pair, match_of(), CHANGES, quantity="T2*")
    labels = [axes.get_xlabel() for axes in figure.axes]
    assert {"T2* (ms)", "Change of T2* (ms)", "Change of median T2* of NP (% of baseline)"} <= set(labels)


@pytest.mark.parametrize(
    "wrong",
    [
        {"region": "nucleus"},
        {"roi": "mine"},
        {"index_level": "C5/C6"},
        {"slice_index": 5},
        {"slice_index": -1},
        {"t2_range_ms": (100, 100)},
        {"change_range_ms": 0},
        {"change_range_ms": np.nan},
    ],
)
def test_what_does_not_exist_is_refused(pair, wrong):
    with pytest.raises(ArgumentInvalid):
        plot_change(*pair, match_of(), CHANGES, **wrong)


def test_a_map_on_another_grid_than_its_discs_is_refused(pair):
    moved = AFFINE.copy()
    moved[0, 3] += 1
    apart = Seen(replace(pair[1].t2map, affine=moved), pair[1].discs)
    for visits in ((pair[0], apart), (apart, pair[1])):
        with pytest.raises(ArgumentInvalid, match="mm apart"):
            plot_change(*visits, match_of(), CHANGES)
