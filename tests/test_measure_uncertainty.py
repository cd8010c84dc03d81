"""How sure a change is: every standard error against the spread that simulated noise really gives."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

from t2disc.fit import fit_voxels
from t2disc.measure.floor import floor_bias_ms
from t2disc.measure.parts import change_se_by_parts
from t2disc.measure.uncertainty import median_se_ms
from t2disc.model import Change, Repeatability

TEXTBOOK = math.sqrt(math.pi / 2)


def told_and_true_ms(t2_ms: np.ndarray, se_ms: np.ndarray, n_times: int = 300) -> tuple[float, float]:
    """Measure a region again and again: the standard error it tells of itself on average, and its medians' SD."""
    noise = np.random.default_rng(1).standard_normal((n_times, t2_ms.size))
    measured = t2_ms + noise * se_ms
    told = [median_se_ms(once, se_ms) for once in measured]
    return float(np.mean(told)), float(np.median(measured, axis=1).std(ddof=1))


# ------------------------------------------------------------------------------------------------ median
@pytest.mark.parametrize("n", [20, 50, 200, 2000])
def test_in_a_uniform_region_the_error_is_the_textbooks(n):
    told_ms, true_ms = told_and_true_ms(np.full(n, 60.0), np.full(n, 4.0))
    assert told_ms == pytest.approx(TEXTBOOK * 4.0 / math.sqrt(n), rel=0.1)
    assert true_ms == pytest.approx(TEXTBOOK * 4.0 / math.sqrt(n), rel=0.15)


@pytest.mark.parametrize("n", [20, 50])
def test_few_voxels_of_mixed_tissue_are_told_rightly_on_average_over_discs(n):
    rng = np.random.default_rng(12)
    discs = [told_and_true_ms(80 + 15 * rng.standard_normal(n), np.full(n, 5.0), n_times=60) for _ in range(25)]
    told_ms, true_ms = np.sqrt(np.square(discs).mean(axis=0))
    assert told_ms == pytest.approx(true_ms, rel=0.3)


@pytest.mark.parametrize("n", [50, 200, 2000])
def test_where_tissue_differs_more_than_noise_the_error_is_the_one_that_noise_gives(n):
    t2_ms = 80 + 15 * np.random.default_rng(2).standard_normal(n)
    told_ms, true_ms = told_and_true_ms(t2_ms, np.full(n, 5.0))
    assert told_ms == pytest.approx(true_ms, rel=0.25)
    assert told_ms < 0.8 * TEXTBOOK * t2_ms.std() / math.sqrt(n)  # not that of a sample of the tissue


@pytest.mark.parametrize("n", [200, 2000])
def test_a_long_tail_of_t2_with_noise_in_proportion_is_told_rightly(n):
    t2_ms = 80 * np.exp(0.4 * np.random.default_rng(3).standard_normal(n))
    told_ms, true_ms = told_and_true_ms(t2_ms, 0.06 * t2_ms)
    assert told_ms == pytest.approx(true_ms, rel=0.25)


@pytest.mark.parametrize("n", [200, 2000])
def test_voxels_of_unequal_noise_are_told_rightly(n):
    rng = np.random.default_rng(4)
    se_ms = rng.permutation(np.resize([2.0, 8.0], n))
    told_ms, true_ms = told_and_true_ms(60 + 10 * rng.standard_normal(n), se_ms)
    assert told_ms == pytest.approx(true_ms, rel=0.25)


@pytest.mark.parametrize("share", [0.3, 0.4, 0.6, 0.7])
@pytest.mark.parametrize("n", [20, 200, 2000])
def test_a_region_of_two_tissues_is_never_told_to_be_surer_than_it_is(n, share):
    told_ms, true_ms = told_and_true_ms(*two_tissues(n, share))
    assert told_ms > 0.85 * true_ms
    assert told_ms < (2.0 if n >= 200 else 4.0) * true_ms  # few voxels: the kernel smears both peaks into one


@pytest.mark.parametrize("n", [20, 200])
def test_a_median_in_the_gap_between_two_tissues_has_the_noise_of_the_voxels_beside_the_gap(n):
    told_ms, true_ms = told_and_true_ms(*two_tissues(n, 0.5))
    assert true_ms > 1.5
    assert 0.9 * true_ms < told_ms < 2 * true_ms


def two_tissues(n: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Return T2 and its noise: annulus about 50 ms, and ``share`` of the voxels nucleus about 120 ms."""
    rng = np.random.default_rng(5)
    n_nucleus = round(share * n)
    t2_ms = np.concatenate([rng.normal(50, 5, n - n_nucleus), rng.normal(120, 10, n_nucleus)])
    return t2_ms, 0.05 * t2_ms


@given(voxels_per_sample=st.floats(1, 30), seed=st.integers(0, 99))
def test_noise_that_neighbours_share_raises_the_error_by_its_root(voxels_per_sample, seed):
    rng = np.random.default_rng(seed)
    t2_ms, se_ms = 60 + 10 * rng.standard_normal(100), rng.uniform(2, 8, 100)
    alone = median_se_ms(t2_ms, se_ms)
    shared = median_se_ms(t2_ms, se_ms, voxels_per_sample=voxels_per_sample)
    assert shared == pytest.approx(alone * math.sqrt(voxels_per_sample), rel=1e-12)


def test_unknown_correlation_counts_as_none():
    rng = np.random.default_rng(6)
    t2_ms, se_ms = 60 + 5 * rng.standard_normal(50), np.full(50, 5.0)
    assert median_se_ms(t2_ms, se_ms, voxels_per_sample=math.nan) == median_se_ms(t2_ms, se_ms)


@given(factor=st.floats(0.01, 100), seed=st.integers(0, 99))
def test_the_error_scales_with_the_unit_of_time_and_does_not_know_the_order_of_voxels(factor, seed):
    rng = np.random.default_rng(seed)
    t2_ms, se_ms = 60 + 10 * rng.standard_normal(60), rng.uniform(2, 8, 60)
    order = rng.permutation(60)
    other = median_se_ms(factor * t2_ms[order], factor * se_ms[order])
    assert other == pytest.approx(factor * median_se_ms(t2_ms, se_ms), rel=1e-9)


@pytest.mark.parametrize("n", [0, 1, 4])
def test_fewer_than_five_voxels_tell_no_error(n):
    assert math.isnan(median_se_ms(np.linspace(50, 60, n), np.full(n, 3.0)))


def test_five_voxels_tell_one():
    assert median_se_ms(np.linspace(50, 60, 5), np.full(5, 3.0)) > 0


def test_without_standard_errors_there_is_none_for_the_median():
    t2_ms = np.linspace(50, 60, 30)
    for unknown in (math.nan, 0.0, math.inf):
        assert math.isnan(median_se_ms(t2_ms, np.full(30, unknown)))


def test_equal_values_tell_no_density_and_so_no_error():
    assert math.isnan(median_se_ms(np.full(30, 60.0), np.full(30, 3.0)))


# ------------------------------------------------------------------------------------------------ parts
SHAPE, STEP_MM = (7, 20, 8), np.array([4.0, 1.0, 1.0])
PLACES_MM = np.indices(SHAPE).reshape(3, -1).T * STEP_MM


def parts_ms(*args) -> float:
    """Return the error by parts in ms."""
    return change_se_by_parts(*args)[0]


def noise_ms(rng: np.random.Generator, reach: float) -> np.ndarray:
    """Return noise of 5 ms, alike over ``reach`` voxels within a slice."""
    noise = rng.standard_normal(SHAPE)
    if reach:
        noise = gaussian_filter(noise, (0, reach, reach), mode="wrap")
    return 5 * (noise / noise.std()).ravel()


@pytest.mark.parametrize("reach", [0.0, 0.7, 1.2], ids=["white", "alike", "blobs"])
@pytest.mark.parametrize(
    ("contrast_ms", "most"), [(0.0, 1.2), (10.0, 1.8)], ids=["uniform", "mixed"]
)  # of mixed tissue, leaving out a part moves the median to where other voxels' noise tells it
def test_parts_tell_the_error_of_a_change_whether_noise_is_white_or_shared(reach, contrast_ms, most):
    rng = np.random.default_rng(7)
    tissue_ms = 80 + contrast_ms * np.sin(PLACES_MM / (3, 3, 2)).sum(axis=1)
    told, changes = [], []
    for _ in range(200):
        before, after = (tissue_ms + noise_ms(rng, reach) for _ in range(2))
        told.append(parts_ms(PLACES_MM, before, PLACES_MM, after, np.eye(3)))
        changes.append(np.median(after) - np.median(before))
    assert 0.85 < np.sqrt(np.mean(np.square(told))) / np.std(changes) < most


def test_a_change_in_one_part_of_the_region_only_is_less_sure_than_one_everywhere():
    rng = np.random.default_rng(8)
    before, after = (80 + noise_ms(rng, 0) for _ in range(2))
    in_part = after + np.where(PLACES_MM[:, 0] < 8, 30, 0)
    everywhere = parts_ms(PLACES_MM, before, PLACES_MM, after + 8, np.eye(3))
    assert parts_ms(PLACES_MM, before, PLACES_MM, in_part, np.eye(3)) > 3 * everywhere


def test_a_change_of_every_voxel_alike_is_sure():
    before = 80 + noise_ms(np.random.default_rng(9), 0)
    assert parts_ms(PLACES_MM, before, PLACES_MM, before + 12, np.eye(3)) == pytest.approx(0, abs=1e-12)


def test_a_change_of_every_voxel_by_the_same_share_is_sure_in_per_cent_and_not_in_ms():
    before = 80 + noise_ms(np.random.default_rng(9), 0)
    se_ms, se_pct = change_se_by_parts(PLACES_MM, before, PLACES_MM, 1.5 * before, np.eye(3))
    assert se_pct == pytest.approx(0, abs=1e-9)
    assert se_ms > 0.05


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.5])
def test_parts_tell_the_error_of_the_percentage_however_large_the_change(factor):
    rng = np.random.default_rng(7)
    told, changes_pct = [], []
    for _ in range(300):
        before, after = 80 + noise_ms(rng, 0), 80 * factor + noise_ms(rng, 0)
        told.append(change_se_by_parts(PLACES_MM, before, PLACES_MM, after, np.eye(3))[1])
        changes_pct.append(100 * (np.median(after) / np.median(before) - 1))
    assert 0.85 < np.sqrt(np.mean(np.square(told))) / np.std(changes_pct) < 1.2


@given(
    turn=st.tuples(*[st.floats(-180, 180)] * 3), shift_mm=st.tuples(*[st.floats(-200, 200)] * 3), seed=st.integers(0, 9)
)
@settings(max_examples=50)
def test_turning_and_shifting_all_places_with_their_frame_leaves_the_error(turn, shift_mm, seed):
    rng = np.random.default_rng(seed)
    before, after = (80 + noise_ms(rng, 0) for _ in range(2))
    matrix = Rotation.from_euler("xyz", turn, degrees=True).as_matrix()
    places_mm = PLACES_MM @ matrix.T + shift_mm
    one = parts_ms(PLACES_MM, before, PLACES_MM, after, np.eye(3))
    assert parts_ms(places_mm, before, places_mm, after, matrix) == pytest.approx(one, rel=1e-9)


@given(seed=st.integers(0, 99))
@settings(max_examples=30)
def test_the_error_by_parts_does_not_know_the_order_of_voxels_and_is_the_same_both_ways(seed):
    rng = np.random.default_rng(seed)
    before, after = (80 + noise_ms(rng, 0) for _ in range(2))
    one = parts_ms(PLACES_MM, before, PLACES_MM, after, np.eye(3))
    a, b = rng.permutation(before.size), rng.permutation(before.size)
    shuffled = parts_ms(PLACES_MM[a], before[a], PLACES_MM[b], after[b], np.eye(3))
    assert shuffled == pytest.approx(one, rel=1e-12)
    assert parts_ms(PLACES_MM, after, PLACES_MM, before, np.eye(3)) == pytest.approx(one, rel=1e-12)


def test_a_region_of_one_slice_and_one_row_has_too_few_parts():
    row = PLACES_MM[(PLACES_MM[:, 0] == 0) & (PLACES_MM[:, 1] == 0)]
    values = np.linspace(50, 60, len(row))
    assert math.isnan(parts_ms(row, values, row, values, np.eye(3)))


def test_two_slices_have_four_parts_and_an_error():
    two = PLACES_MM[PLACES_MM[:, 0] < 8]
    before, after = np.random.default_rng(10).normal(80, 5, (2, len(two)))
    assert parts_ms(two, before, two, after, np.eye(3)) > 0


# ------------------------------------------------------------------------------------------------ floor
@pytest.mark.parametrize("n_echoes", [8, 16])
@pytest.mark.parametrize("t2_ms", [25.0, 40.0, 60.0, 80.0, 120.0])
@pytest.mark.parametrize("snr", [15.0, 30.0, 60.0])
def test_the_floor_lengthens_a_fitted_t2_by_what_is_told(n_echoes, t2_ms, snr):
    echo_times_ms = 10.0 * np.arange(1, n_echoes + 1)
    signal = 1000 * np.exp(-echo_times_ms / t2_ms)
    sigma = float(signal[0] / snr)
    rng = np.random.default_rng(11)
    real = rng.normal(0, sigma, (10_000, n_echoes))
    real = np.concatenate([real, -real])  # in pairs: the noise of the comparison cancels, its lift does not
    imaginary = rng.normal(0, sigma, real.shape)
    magnitude, gaussian = (
        fit_voxels(x, echo_times_ms).t2_ms for x in (np.hypot(signal + real, imaginary), signal + real)
    )
    seen_ms = np.nanmedian(magnitude) - np.nanmedian(gaussian)
    assert floor_bias_ms(t2_ms, 1000.0, sigma, echo_times_ms) == pytest.approx(seen_ms, rel=0.1, abs=0.02)


@given(t2_ms=st.floats(20, 200), snr=st.floats(5, 200), factor=st.floats(0.01, 100))
def test_the_floor_knows_no_unit_of_signal_and_scales_with_that_of_time(t2_ms, snr, factor):
    echo_times_ms = 10.0 * np.arange(1, 9)
    bias_ms = floor_bias_ms(t2_ms, 1.0, 1 / snr, echo_times_ms)
    assert floor_bias_ms(t2_ms, factor, factor / snr, echo_times_ms) == pytest.approx(bias_ms, rel=1e-6, abs=1e-9)
    scaled_ms = floor_bias_ms(factor * t2_ms, 1.0, 1 / snr, factor * echo_times_ms)
    assert scaled_ms == pytest.approx(factor * bias_ms, rel=1e-6, abs=1e-9)


def test_less_noise_lifts_less_and_hardly_any_lifts_nothing():
    echo_times_ms = 10.0 * np.arange(1, 17)
    biases_ms = [floor_bias_ms(50.0, 1000.0, sigma, echo_times_ms) for sigma in (100.0, 50.0, 20.0, 5.0, 1e-3)]
    assert biases_ms == sorted(biases_ms, reverse=True)
    assert biases_ms[-1] == pytest.approx(0, abs=1e-6)


def test_of_a_decay_that_drowns_in_the_floor_nothing_is_told():
    echo_times_ms = 10.0 * np.arange(1, 17)
    assert math.isnan(floor_bias_ms(2.0, 1000.0, 50.0, echo_times_ms))


@pytest.mark.parametrize("unknown", [math.nan, 0.0, -1.0])
@pytest.mark.parametrize("which", range(3))
def test_without_t2_amplitude_or_sigma_the_floor_is_not_known(unknown, which):
    known = [60.0, 1000.0, 20.0]
    known[which] = unknown
    assert math.isnan(floor_bias_ms(*known, 10.0 * np.arange(1, 9)))


# ------------------------------------------------------------------------------------------------ change
errors_ms = st.floats(0, 50)


def change(before: float = 80.0, after: float = 92.0, **fields) -> Change:
    """Return a change of a nucleus."""
    known = {"noise_se_ms": 1.0, "baseline_noise_se_ms": 0.7, "place_se_ms": 2.0, "place_se_pct": 2.5}
    known |= {"floor_ms": 0.0, "baseline_floor_ms": 0.0} | fields
    return Change(level="L4/L5", region="NP", baseline_t2_median_ms=before, followup_t2_median_ms=after, **known)


@given(noise=errors_ms, place=errors_ms, floor=st.floats(-20, 20))
def test_the_error_is_no_smaller_than_any_of_its_sources_nor_greater_than_their_sum(noise, place, floor):
    se_ms = change(noise_se_ms=noise, place_se_ms=place, floor_ms=floor).se_ms
    slack = 1e-9
    assert max(noise, place, abs(floor)) - slack <= se_ms <= max(noise, place) + abs(floor) + slack
    assert se_ms == change(noise_se_ms=place, place_se_ms=noise, floor_ms=-floor).se_ms


def test_of_noise_and_place_the_one_that_is_known_counts():
    assert change(noise_se_ms=1.5, place_se_ms=math.nan).se_ms == 1.5
    assert change(noise_se_ms=math.nan, place_se_ms=1.5).se_ms == 1.5
    assert math.isnan(change(noise_se_ms=math.nan, place_se_ms=math.nan).se_ms)
    assert change(noise_se_ms=math.nan).se_pct == 2.5
    assert change(place_se_pct=math.nan).se_pct == pytest.approx(100 / 80 * math.hypot(math.sqrt(0.51), 1.15 * 0.7))
    assert math.isnan(change(noise_se_ms=math.nan, place_se_pct=math.nan).se_pct)


@pytest.mark.parametrize(("before", "after"), [(60.0, 60.0), (60.0, 69.0), (60.0, 90.0), (120.0, 60.0)])
def test_the_95_per_cent_interval_in_per_cent_holds_the_true_change_however_large_it_is(before, after):
    rng = np.random.default_rng(13)
    true_pct = 100 * (after / before - 1)
    holds = []
    for _ in range(10_000):  # each visit errs by 1 ms
        known = {"noise_se_ms": math.sqrt(2), "baseline_noise_se_ms": 1.0}
        measured = change(*rng.normal((before, after), 1.0), **known, place_se_ms=math.nan, place_se_pct=math.nan)
        low, high = measured.interval_pct
        holds.append(low <= true_pct <= high)
    assert np.mean(holds) == pytest.approx(0.95, abs=0.015)


@given(factor=st.floats(0.2, 5))
def test_the_error_of_the_percentage_knows_no_unit_of_time(factor):
    one = change(60.0, 90.0, noise_se_ms=3.0, baseline_noise_se_ms=2.0)
    other = change(60 * factor, 90 * factor, noise_se_ms=3 * factor, baseline_noise_se_ms=2 * factor)
    assert other.noise_se_pct == pytest.approx(one.noise_se_pct, rel=1e-9)


def test_a_visit_without_error_leaves_that_of_the_other():
    assert change(80.0, 120.0, noise_se_ms=2.0, baseline_noise_se_ms=0.0).noise_se_pct == pytest.approx(2.5)
    assert change(80.0, 120.0, noise_se_ms=2.0, baseline_noise_se_ms=2.0).noise_se_pct == pytest.approx(3.75)


def test_a_floor_that_is_not_known_leaves_no_total_and_says_so_in_both_units():
    unknown = change(floor_ms=math.nan)
    assert all(math.isnan(x) for x in (unknown.se_ms, unknown.se_pct, *unknown.interval_ms, *unknown.interval_pct))
    assert (unknown.noise_se_ms, unknown.place_se_ms) == (1.0, 2.0)


def test_an_error_without_a_source_makes_no_interval():
    unknown = Change(level="L4/L5", region="NP", baseline_t2_median_ms=80.0, followup_t2_median_ms=90.0)
    assert math.isnan(unknown.se_ms)
    assert all(math.isnan(end) for end in (*unknown.interval_ms, *unknown.interval_pct))


@given(before=st.floats(1, 500), after=st.floats(1, 500), noise=errors_ms)
def test_the_interval_lies_about_the_change_in_ms_and_in_per_cent(before, after, noise):
    found = change(before, after, noise_se_ms=noise, baseline_noise_se_ms=noise / 2, place_se_ms=0.0, place_se_pct=0.0)
    for (low, high), middle, se in (
        (found.interval_ms, found.change_ms, found.se_ms),
        (found.interval_pct, found.change_pct, found.se_pct),
    ):
        assert (low + high) / 2 == pytest.approx(middle, rel=1e-9, abs=1e-9)
        assert (high - low) / 2 == pytest.approx(1.96 * se, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("after", "rc_pct", "exceeds"),
    [(92.0, 14.9, True), (92.0, 15.1, False), (68.0, 14.9, True), (68.0, 15.1, False), (80.0, 0.0, False)],
)
def test_a_change_exceeds_what_measuring_twice_gives_either_way_or_does_not(after, rc_pct, exceeds):
    assert change(80.0, after, repeatability=Repeatability(rc_pct=rc_pct)).exceeds_rc is exceeds


def test_whether_a_change_exceeds_an_unknown_repeatability_is_not_known():
    assert change().exceeds_rc is None
    assert change(after=math.nan, repeatability=Repeatability(rc_pct=10.0)).exceeds_rc is None


def test_a_baseline_of_zero_has_neither_per_cent_nor_a_verdict():
    found = change(0.0, 50.0, repeatability=Repeatability(rc_pct=10.0))
    assert found.change_ms == 50.0
    assert all(math.isnan(value) for value in (found.change_pct, found.se_pct, *found.interval_pct))
    assert found.exceeds_rc is None
