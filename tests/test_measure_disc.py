"""Numbers per disc: against Python's own statistics, under the symmetries they must obey, and when nothing is left."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2disc.errors import ArgumentInvalid
from t2disc.measure import measure_discs
from t2disc.model import DiscLabels, DiscMeasure, Flag, NoiseEstimate, T2Map

SHAPE = (10, 4, 2)
AFFINE = np.diag([-0.5, 0.8, 4.0, 1.0])
SIGMA = 5.0
FIRST_ECHO_MS = 12.0
STATISTICS = (
    "t2_mean_ms",
    "t2_median_ms",
    "t2_sd_ms",
    "t2_p10_ms",
    "t2_p90_ms",
    "t2_sem_ms",
    "s0_median",
    "snr_first_echo",
)


def make_map(t2_ms: np.ndarray, *, s0=1000.0, flag=None, affine=AFFINE, sigma=SIGMA) -> T2Map:
    flag = np.zeros(t2_ms.shape, np.uint8) if flag is None else flag
    missing = np.where(flag == Flag.OK, 1.0, np.nan)
    return T2Map(
        t2_ms=t2_ms * missing,
        s0=s0 * missing,
        t2_se_ms=missing,
        flag=flag,
        affine=affine,
        echo_times_ms=FIRST_ECHO_MS * np.arange(1, 9),
        model="mono",
        noise=NoiseEstimate(sigma=sigma, method="given"),
    )


def make_discs(affine=AFFINE) -> DiscLabels:
    """Two discs of 40 voxels, one per Z slice: 8 + 8 annulus, 24 nucleus."""
    discs = np.full(SHAPE, DiscLabels.value_of("L3/L4"), np.uint8)
    discs[:, :, 1] = DiscLabels.value_of("L4/L5")
    regions = np.ones(SHAPE, np.uint8)
    regions[:2], regions[-2:] = 2, 3
    return DiscLabels(discs=discs, regions=regions, levels=("L3/L4", "L4/L5"), affine=affine)


def row(measures: tuple[DiscMeasure, ...], level: str, region: str) -> DiscMeasure:
    (found,) = [m for m in measures if (m.level, m.region) == (level, region)]
    return found


def random_t2_ms(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).uniform(30, 150, SHAPE).astype(np.float32)


@pytest.mark.parametrize("spelling", ["L4-L5", "l4l5", "L4_L5", "L4/L5"])
def test_a_disc_answers_to_the_spellings_that_label_tables_may_have(spelling):
    np.testing.assert_array_equal(make_discs().mask(spelling, "NP"), make_discs().mask("L4/L5", "NP"))
    assert DiscLabels.value_of(spelling) == 5


@pytest.mark.parametrize("name", ["L9", "L4/S1", "", None, 5])
def test_what_names_no_disc_is_refused(name):
    for asked in (DiscLabels.value_of, make_discs().mask):
        with pytest.raises(ArgumentInvalid, match=r"one of T12/L1, .*L5/S1"):
            asked(name)


# ------------------------------------------------------------------------------------------------ numbers
def test_each_level_and_region_has_one_row_from_superior_to_inferior():
    measures = measure_discs(make_map(random_t2_ms()), make_discs())
    assert [(m.level, m.region) for m in measures] == [
        (level, region)
        for level in ("L3/L4", "L4/L5")
        for region in ("disc", "NP", "AF", "AF_anterior", "AF_posterior")
    ]
    assert [m.n_voxels for m in measures] == [40, 24, 16, 8, 8] * 2


def test_statistics_are_those_of_pythons_own_library():
    t2_ms = random_t2_ms()
    nucleus = row(measure_discs(make_map(t2_ms), make_discs()), "L4/L5", "NP")
    values = [float(v) for v in t2_ms[2:-2, :, 1].ravel()]
    deciles = statistics.quantiles(values, n=10, method="inclusive")
    assert nucleus.t2_mean_ms == pytest.approx(statistics.fmean(values))
    assert nucleus.t2_median_ms == pytest.approx(statistics.median(values))
    assert nucleus.t2_sd_ms == pytest.approx(statistics.stdev(values))
    assert nucleus.t2_sem_ms == pytest.approx(statistics.stdev(values) / math.sqrt(24))
    assert (nucleus.t2_p10_ms, nucleus.t2_p90_ms) == pytest.approx((deciles[0], deciles[-1]))


def test_the_volume_is_the_number_of_voxels_times_the_voxels_volume():
    assert row(measure_discs(make_map(random_t2_ms()), make_discs()), "L3/L4", "NP").volume_mm3 == pytest.approx(
        24 * 0.5 * 0.8 * 4.0
    )


def test_turning_the_scanner_changes_no_volume():
    turn = np.eye(4)
    turn[:2, :2] = [[math.cos(0.4), -math.sin(0.4)], [math.sin(0.4), math.cos(0.4)]]
    oblique = turn @ AFFINE
    measures = measure_discs(make_map(random_t2_ms(), affine=oblique), make_discs(oblique))
    assert measures[0].volume_mm3 == pytest.approx(40 * 1.6)


def test_the_snr_is_that_of_the_fitted_first_echo():
    t2_ms = np.full(SHAPE, 60.0)
    measured = row(measure_discs(make_map(t2_ms, s0=800.0), make_discs()), "L3/L4", "disc")
    assert measured.snr_first_echo == pytest.approx(800 * math.exp(-12 / 60) / 5)
    assert measured.s0_median == pytest.approx(800)


@pytest.mark.parametrize("sigma", [np.nan, 0.0])
def test_without_a_noise_level_the_snr_is_missing_and_the_rest_is_not(sigma):
    measured = measure_discs(make_map(random_t2_ms(), sigma=sigma), make_discs())[0]
    assert math.isnan(measured.snr_first_echo)
    assert measured.t2_mean_ms > 0


# ------------------------------------------------------------------------------------------------ symmetries
@given(factor=st.floats(0.1, 10))
@settings(max_examples=20, deadline=None)
def test_t2_times_a_factor_scales_every_time_and_no_count(factor):
    t2_ms = random_t2_ms().astype(np.float64)
    once, scaled = measure_discs(make_map(t2_ms), make_discs()), measure_discs(make_map(t2_ms * factor), make_discs())
    for a, b in zip(once, scaled, strict=True):
        for name in STATISTICS[:6]:
            assert getattr(b, name) == pytest.approx(factor * getattr(a, name), rel=1e-5)
        assert (a.n_used, a.volume_mm3) == (b.n_used, b.volume_mm3)


@given(seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_exchanging_voxels_within_a_region_changes_nothing(seed):
    t2_ms = random_t2_ms()
    exchanged = t2_ms.copy()
    exchanged[2:-2] = np.random.default_rng(seed).permuted(t2_ms[2:-2].reshape(24, 2), axis=0).reshape(6, 4, 2)
    before, after = (measure_discs(make_map(values), make_discs()) for values in (t2_ms, exchanged))
    for a, b in zip(before, after, strict=True):
        assert [getattr(b, name) for name in STATISTICS] == pytest.approx([getattr(a, name) for name in STATISTICS])


# ------------------------------------------------------------------------------------------------ what is left out
def test_voxels_without_t2_are_left_out_and_counted_by_reason():
    t2_ms = np.full(SHAPE, 80.0)
    t2_ms[5, :, 0] = 1e6  # would be seen in every mean if it were used
    flag = np.zeros(SHAPE, np.uint8)
    flag[5, :3, 0], flag[5, 3, 0] = Flag.LOW_SNR, Flag.NOT_DECAYING
    measured = row(measure_discs(make_map(t2_ms, flag=flag), make_discs()), "L3/L4", "disc")
    assert (measured.n_voxels, measured.n_used) == (40, 36)
    assert measured.n_left_out[Flag.LOW_SNR] == 3
    assert measured.n_left_out[Flag.NOT_DECAYING] == 1
    assert sum(measured.n_left_out) == 4
    assert measured.t2_mean_ms == pytest.approx(80)
    assert measured.volume_mm3 == pytest.approx(40 * 1.6)


def test_a_region_in_which_nothing_could_be_fitted_is_nan_with_its_counts_and_never_zero():
    flag = np.full(SHAPE, Flag.NO_SIGNAL, np.uint8)
    for measured in measure_discs(make_map(random_t2_ms(), flag=flag), make_discs()):
        assert all(math.isnan(getattr(measured, name)) for name in STATISTICS)
        assert measured.n_left_out[Flag.NO_SIGNAL] == measured.n_voxels > 0


def test_a_region_without_voxels_is_nan_with_counts_of_zero():
    labels = make_discs()
    all_nucleus = DiscLabels(discs=labels.discs, regions=np.ones(SHAPE, np.uint8), levels=labels.levels, affine=AFFINE)
    annulus = row(measure_discs(make_map(random_t2_ms()), all_nucleus), "L3/L4", "AF")
    assert (annulus.n_voxels, annulus.n_used, annulus.volume_mm3) == (0, 0, 0)
    assert all(math.isnan(getattr(annulus, name)) for name in STATISTICS)


def test_a_single_voxel_has_a_mean_and_no_spread():
    flag = np.full(SHAPE, Flag.LOW_SNR, np.uint8)
    flag[4, 2, 0] = Flag.OK
    measured = row(measure_discs(make_map(np.full(SHAPE, 70.0), flag=flag), make_discs()), "L3/L4", "NP")
    assert (measured.t2_mean_ms, measured.t2_median_ms, measured.t2_p10_ms) == pytest.approx((70, 70, 70))
    assert math.isnan(measured.t2_sd_ms)
    assert math.isnan(measured.t2_sem_ms)


def test_without_discs_there_are_no_rows():
    nothing = np.zeros(SHAPE, np.uint8)
    labels = DiscLabels(discs=nothing, regions=nothing, levels=(), affine=AFFINE)
    assert measure_discs(make_map(random_t2_ms()), labels) == ()


# ------------------------------------------------------------------------------------------------ refusals
def test_labels_of_another_place_are_refused():
    moved = AFFINE.copy()
    moved[1, 3] = 0.1
    with pytest.raises(ArgumentInvalid, match=r"0\.1 mm apart"):
        measure_discs(make_map(random_t2_ms()), make_discs(moved))


def test_labels_of_another_matrix_are_refused():
    with pytest.raises(ArgumentInvalid, match="grids of"):
        measure_discs(make_map(np.full((10, 4, 3), 50.0)), make_discs())


def test_an_affine_rewritten_with_a_rounding_error_is_the_same_place():
    assert len(measure_discs(make_map(random_t2_ms()), make_discs(AFFINE + 1e-6 * np.eye(4)))) == 10


def test_a_map_that_calls_a_missing_t2_fitted_is_refused():
    good = make_map(random_t2_ms())
    hollow = good.t2_ms.copy()
    hollow[0, 0, 0] = np.nan
    broken = replace(good, t2_ms=hollow)
    with pytest.raises(ArgumentInvalid, match="1 voxels flagged as fitted"):
        measure_discs(broken, make_discs())


def test_a_flag_that_no_reason_stands_for_is_refused():
    flag = np.zeros(SHAPE, np.uint8)
    flag[0, 0, 0] = 200
    with pytest.raises(ArgumentInvalid, match="flag 200"):
        measure_discs(make_map(random_t2_ms(), flag=flag), make_discs())
