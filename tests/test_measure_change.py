"""The change of a disc between two visits with its uncertainty, and what happens to discs seen only once."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2disc.errors import ArgumentInvalid
from t2disc.measure import compare_visits, measure_changes, measure_discs
from t2disc.measure.floor import CORRECTED_MODELS
from t2disc.model import (
    LEVELS,
    Change,
    DiscLabels,
    DiscMatch,
    DiscMeasure,
    Flag,
    MatchedLabels,
    NoiseEstimate,
    T2Map,
    VisitMatch,
)

t2s_ms = st.floats(1, 1000)


def measured(level: str, region: str, t2_median_ms: float) -> DiscMeasure:
    return DiscMeasure(
        level=level,
        region=region,
        n_voxels=1,
        n_used=1,
        n_left_out=(0,) * len(Flag),
        volume_mm3=1.0,
        t2_mean_ms=t2_median_ms,
        t2_median_ms=t2_median_ms,
        t2_sd_ms=math.nan,
        t2_p10_ms=t2_median_ms,
        t2_p90_ms=t2_median_ms,
        t2_sem_ms=math.nan,
        s0_median=1.0,
        snr_first_echo=1.0,
    )


def test_the_change_is_follow_up_minus_baseline_in_ms_and_per_cent_of_baseline():
    (change,) = compare_visits([measured("L4/L5", "NP", 80.0)], [measured("L4/L5", "NP", 92.0)])
    assert (change.level, change.region) == ("L4/L5", "NP")
    assert (change.baseline_t2_median_ms, change.followup_t2_median_ms) == (80.0, 92.0)
    assert change.change_ms == pytest.approx(12)
    assert change.change_pct == pytest.approx(15)


@given(before=t2s_ms, after=t2s_ms)
def test_exchanging_the_visits_turns_the_sign_of_the_change(before, after):
    one, other = [measured("L4/L5", "NP", before)], [measured("L4/L5", "NP", after)]
    assert compare_visits(one, other)[0].change_ms == -compare_visits(other, one)[0].change_ms


@given(before=t2s_ms, after=t2s_ms, factor=st.floats(0.1, 10))
def test_the_per_cent_change_does_not_depend_on_the_unit_of_time(before, after, factor):
    one = compare_visits([measured("L1/L2", "AF", before)], [measured("L1/L2", "AF", after)])[0]
    scaled = compare_visits([measured("L1/L2", "AF", before * factor)], [measured("L1/L2", "AF", after * factor)])[0]
    assert scaled.change_pct == pytest.approx(one.change_pct, rel=1e-6, abs=1e-6)


def test_a_disc_seen_at_one_visit_only_keeps_its_row_with_nan():
    changes = compare_visits([measured("L3/L4", "NP", 80.0)], [measured("L4/L5", "NP", 60.0)])
    assert [c.level for c in changes] == ["L3/L4", "L4/L5"]
    upper, lower = changes
    assert upper.baseline_t2_median_ms == 80.0
    assert lower.followup_t2_median_ms == 60.0
    for value in (upper.followup_t2_median_ms, lower.baseline_t2_median_ms):
        assert math.isnan(value)
    for change in changes:
        assert math.isnan(change.change_ms)
        assert math.isnan(change.change_pct)


def test_a_region_that_could_not_be_measured_has_no_change():
    (change,) = compare_visits([measured("L4/L5", "NP", math.nan)], [measured("L4/L5", "NP", 60.0)])
    assert math.isnan(change.change_ms)
    assert math.isnan(change.change_pct)
    assert change.followup_t2_median_ms == 60.0


def test_a_baseline_of_zero_has_no_per_cent():
    (change,) = compare_visits([measured("L4/L5", "NP", 0.0)], [measured("L4/L5", "NP", 60.0)])
    assert change.change_ms == 60.0
    assert math.isnan(change.change_pct)


def test_rows_run_from_superior_to_inferior_whatever_the_order_given():
    rows = [measured(level, region, 50.0) for level in ("L5/S1", "T12/L1", "L3/L4") for region in ("AF", "disc", "NP")]
    changes = compare_visits(rows, rows[::-1])
    assert [(c.level, c.region) for c in changes] == [
        (level, region) for level in ("T12/L1", "L3/L4", "L5/S1") for region in ("disc", "NP", "AF")
    ]


def test_a_visit_with_two_rows_for_one_region_is_refused():
    doubled = [measured("L4/L5", "NP", 50.0), measured("L4/L5", "NP", 51.0)]
    with pytest.raises(ArgumentInvalid):
        compare_visits(doubled, [])


def test_nothing_measured_gives_no_change():
    assert compare_visits([], []) == ()


# ------------------------------------------------------------------------------------------------ from maps
BLOCK = (6, 16, 8)  # voxels of a disc: slices, front to back, up and down
ECHO_TIMES_MS = 10.0 * np.arange(1, 9)
AFFINE = np.array([[4.0, 0, 0, -12], [0, 0.9, 0, 5], [0, 0, 0.9, -30], [0, 0, 0, 1]])


def block_labels(levels: tuple[str, ...] = LEVELS) -> DiscLabels:
    """Return discs that are blocks, one above the other; the middle half of each is its nucleus."""
    shape = (BLOCK[0], BLOCK[1], BLOCK[2] * len(LEVELS))
    discs, regions = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    for place, level in enumerate(LEVELS):
        rows = slice(shape[2] - BLOCK[2] * (place + 1), shape[2] - BLOCK[2] * place)
        if level in levels:
            discs[:, :, rows] = DiscLabels.value_of(level)
            regions[:, :, rows] = 3
            regions[:, 8:, rows] = 2
            regions[:, 4:12, rows] = 1
    return DiscLabels(discs=discs, regions=regions, levels=levels, affine=AFFINE)


def map_of(t2_ms: np.ndarray, se_ms: float = 4.0, *, sigma: float = 1.0, s0: float = 1000.0, d=(1.0, 1, 1)) -> T2Map:
    noise = NoiseEstimate(sigma=sigma, method="given", design_effect=d)
    return T2Map(
        t2_ms=t2_ms,
        s0=np.full(t2_ms.shape, s0),
        t2_se_ms=np.full(t2_ms.shape, se_ms),
        flag=np.zeros(t2_ms.shape, np.uint8),
        affine=AFFINE,
        echo_times_ms=ECHO_TIMES_MS,
        model="mono",
        noise=noise,
    )


def own(labels: DiscLabels, after: DiscLabels | None = None) -> MatchedLabels:
    return MatchedLabels(roi="own", baseline=labels, followup=after or labels)


def unmoved(levels: tuple[str, ...] = LEVELS) -> VisitMatch:
    """Return the match of a person who lies as before."""
    discs = tuple(
        DiscMatch(level=level, motion=np.eye(4), correlation=1.0, inverse_mm=0.0, through_plane_mm=0.0)
        for level in levels
    )
    return VisitMatch(motion=np.eye(4), correlation=1.0, discs=discs)


def two_maps(seed: int, *, sigma: float = 1.0) -> tuple[T2Map, T2Map]:
    """Return T2 of mixed tissue and noise at two visits, 12 ms longer at the second."""
    rng = np.random.default_rng(seed)
    tissue_ms = rng.uniform(50, 110, block_labels().shape)
    first, second = (tissue_ms + 4 * rng.standard_normal(tissue_ms.shape) for _ in range(2))
    return map_of(first, sigma=sigma), map_of(second + 12, sigma=sigma)


def rows(changes: tuple[Change, ...]) -> dict[tuple[str, str], Change]:
    return {(change.level, change.region): change for change in changes}


def test_in_each_visits_own_regions_the_medians_are_those_of_the_visits_tables():
    (before, after), labels = two_maps(1), block_labels()
    changes = measure_changes(before, after, own(labels))
    tables = [{(m.level, m.region): m for m in measure_discs(t2map, labels)} for t2map in (before, after)]
    assert [*rows(changes)] == [*tables[0]]
    for key, change in rows(changes).items():
        assert change.baseline_t2_median_ms == tables[0][key].t2_median_ms
        assert change.followup_t2_median_ms == tables[1][key].t2_median_ms
        assert (change.baseline_n_used, change.followup_n_used) == tuple(table[key].n_used for table in tables)
        assert change.change_ms == pytest.approx(12, abs=3)
        assert math.isnan(change.place_se_ms)  # without a match no part can be followed
        assert math.isnan(change.place_se_pct)
        assert 0 < change.baseline_noise_se_ms < change.noise_se_ms
        assert change.noise_se_ms > 0


def test_the_receiver_gain_of_either_visit_leaves_every_number():
    (before, after), labels = two_maps(2, sigma=20.0), block_labels()
    louder = replace(after, s0=8 * after.s0, noise=replace(after.noise, sigma=8 * after.noise.sigma))
    one, other = (measure_changes(before, m, own(labels), unmoved()) for m in (after, louder))
    for a, b in zip(one, other, strict=True):
        assert (a.change_ms, a.noise_se_ms, a.place_se_ms) == (b.change_ms, b.noise_se_ms, b.place_se_ms)
        assert a.floor_ms == pytest.approx(b.floor_ms, rel=1e-6, abs=1e-9)
        assert a.floor_ms != 0


@pytest.mark.parametrize("factor", [0.5, 2.0, 4.0])
def test_another_unit_of_time_scales_milliseconds_and_leaves_per_cent(factor):
    (before, after), labels = two_maps(3, sigma=20.0), block_labels()
    scaled = [
        replace(m, t2_ms=factor * m.t2_ms, t2_se_ms=factor * m.t2_se_ms, echo_times_ms=factor * m.echo_times_ms)
        for m in (before, after)
    ]
    one, other = (
        measure_changes(before, after, own(labels), unmoved()),
        measure_changes(*scaled, own(labels), unmoved()),
    )
    for a, b in zip(one, other, strict=True):
        for name in ("change_ms", "noise_se_ms", "place_se_ms", "floor_ms", "se_ms"):
            assert getattr(b, name) == pytest.approx(factor * getattr(a, name), rel=1e-6, abs=1e-9)
        assert (b.change_pct, b.se_pct) == pytest.approx((a.change_pct, a.se_pct), rel=1e-6)


def test_exchanging_the_maps_turns_the_sign_and_leaves_the_error():
    (before, after), labels = two_maps(4, sigma=20.0), block_labels()
    there, back = (measure_changes(*pair, own(labels), unmoved()) for pair in ((before, after), (after, before)))
    for a, b in zip(there, back, strict=True):
        assert (b.change_ms, b.floor_ms) == pytest.approx((-a.change_ms, -a.floor_ms))
        assert (b.noise_se_ms, b.place_se_ms) == pytest.approx((a.noise_se_ms, a.place_se_ms))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_visit_stored_backwards_is_measured_the_same(axis):
    (before, after), labels = two_maps(5), block_labels()
    flipped = before.affine.copy()
    flipped[:3, 3] += flipped[:3, axis] * (labels.shape[axis] - 1)
    flipped[:3, axis] *= -1
    maps = [
        replace(
            m, affine=flipped, t2_ms=np.flip(m.t2_ms, axis), s0=np.flip(m.s0, axis), t2_se_ms=np.flip(m.t2_se_ms, axis)
        )
        for m in (before, after)
    ]
    turned = replace(labels, affine=flipped, discs=np.flip(labels.discs, axis), regions=np.flip(labels.regions, axis))
    one, other = measure_changes(before, after, own(labels), unmoved()), measure_changes(*maps, own(turned), unmoved())
    for a, b in zip(one, other, strict=True):
        assert b.change_ms == a.change_ms
        assert (b.noise_se_ms, b.place_se_ms) == pytest.approx((a.noise_se_ms, a.place_se_ms), rel=1e-9)


def test_a_level_of_one_visit_only_keeps_its_rows_with_nan():
    before, after = two_maps(6)
    labels = own(block_labels(LEVELS[:4]), block_labels(LEVELS[1:]))
    found = rows(measure_changes(before, after, labels, unmoved(LEVELS[1:4])))
    assert {level for level, _ in found} == {*LEVELS}
    for (level, _), change in found.items():
        assert math.isnan(change.baseline_t2_median_ms) == (level in LEVELS[4:])
        assert math.isnan(change.followup_t2_median_ms) == (level == LEVELS[0])
        if level in (LEVELS[0], *LEVELS[4:]):
            assert all(math.isnan(x) for x in (change.change_ms, change.se_ms, *change.interval_pct))
            assert change.exceeds_rc is None
        else:
            assert change.se_ms > 0


def test_voxels_without_t2_do_not_count_and_a_region_without_any_has_nan():
    before, after = two_maps(7)
    labels = block_labels()
    nucleus = labels.mask("L4/L5", "NP")
    flag = np.where(nucleus, np.uint8(Flag.NOT_CONVERGED), np.uint8(Flag.OK))
    holed = replace(after, t2_ms=np.where(nucleus, np.nan, after.t2_ms), flag=flag)
    found = rows(measure_changes(before, holed, own(labels), unmoved()))
    assert found["L4/L5", "NP"].followup_n_used == 0
    assert math.isnan(found["L4/L5", "NP"].change_ms)
    assert found["L4/L5", "disc"].followup_n_used == np.count_nonzero(labels.mask("L4/L5") & ~nucleus)
    assert found["L3/L4", "NP"] == rows(measure_changes(before, after, own(labels), unmoved()))["L3/L4", "NP"]


@pytest.mark.parametrize("side", ["baseline", "followup"])
def test_a_map_on_another_grid_than_its_labels_is_refused(side):
    maps = dict(zip(("baseline", "followup"), two_maps(8), strict=True))
    moved_affine = AFFINE.copy()
    moved_affine[0, 3] += 1
    maps[side] = replace(maps[side], affine=moved_affine)
    with pytest.raises(ArgumentInvalid):
        measure_changes(**maps, labels=own(block_labels()))


def test_only_a_floor_that_differs_between_visits_is_told():
    labels = block_labels()
    flat = np.full(labels.shape, 60.0)
    quiet, noisy = map_of(flat, sigma=10.0), map_of(flat, sigma=60.0)
    for (one, other), sign in (((quiet, noisy), 1), ((noisy, quiet), -1), ((quiet, quiet), 0)):
        for change in measure_changes(one, other, own(labels)):
            assert np.sign(change.floor_ms) == sign
    for model in CORRECTED_MODELS:
        corrected = [replace(m, model=model) for m in (quiet, noisy)]
        assert {change.floor_ms for change in measure_changes(*corrected, own(labels))} == {0.0}


def drowned(t2map: T2Map) -> T2Map:
    return replace(t2map, t2_ms=0.02 * t2map.t2_ms, noise=replace(t2map.noise, sigma=50.0))


@pytest.mark.parametrize("side", [0, 1], ids=["baseline", "followup"])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda t2map: replace(t2map, noise=replace(t2map.noise, sigma=math.nan)),
        drowned,
        lambda t2map: replace(t2map, model="loglinear"),
        lambda t2map: replace(t2map, model="a model registered yesterday"),
    ],
    ids=["no-sigma", "drowned", "loglinear", "another-model"],
)
def test_a_floor_that_is_not_known_is_no_floor_of_zero_and_no_interval_claims_certainty(spoil, side):
    maps = [*two_maps(10)]
    maps[side] = spoil(maps[side])
    for change in measure_changes(*maps, own(block_labels()), unmoved()):
        assert math.isnan(change.floor_ms)
        assert math.isnan(change.baseline_floor_ms) == (side == 0)
        assert all(math.isnan(x) for x in (change.se_ms, change.se_pct, *change.interval_ms, *change.interval_pct))
        assert change.noise_se_ms > 0  # what is known of the scatter is told
        assert math.isfinite(change.change_ms)


def test_without_a_floor_to_fear_a_model_that_accounts_for_it_needs_no_sigma():
    maps = [replace(m, model="rician", noise=replace(m.noise, sigma=math.nan)) for m in two_maps(11)]
    for change in measure_changes(*maps, own(block_labels()), unmoved()):
        assert (change.floor_ms, change.baseline_floor_ms) == (0.0, 0.0)
        assert change.se_ms > 0


def test_visits_compared_from_their_tables_alone_know_no_floor():
    (change,) = compare_visits([measured("L4/L5", "NP", 80.0)], [measured("L4/L5", "NP", 92.0)])
    assert math.isnan(change.floor_ms)
    assert math.isnan(change.baseline_floor_ms)
    assert math.isnan(change.se_pct)


@pytest.mark.parametrize(
    ("contrast_ms", "is_shared", "match"),
    [(0, False, None), (60, False, None), (60, True, None), (60, False, unmoved()), (0, True, unmoved())],
    ids=["uniform", "mixed", "mixed-shared", "mixed-by-parts", "uniform-shared-by-parts"],
)
def test_the_95_per_cent_interval_holds_the_true_change_in_92_to_99_of_100_discs(contrast_ms, is_shared, match):
    labels = block_labels()
    rng = np.random.default_rng(9)

    def in_pairs(values):
        """Give two neighbours in a row the same value: D is 2."""
        return np.repeat(values[:, ::2], 2, axis=1)

    holds = []
    for _ in range(50):
        tissue_ms = 80 + contrast_ms * in_pairs(rng.random(labels.shape) - 0.5)
        maps = []
        for way_ms in (0.0, 12.0):
            noise = rng.standard_normal(labels.shape)
            noise = in_pairs(noise) if is_shared else noise
            maps.append(map_of(tissue_ms + way_ms + 4 * noise, d=(1.0, 2.0 if is_shared else 1.0, 1.0)))
        intervals_ms = [c.interval_ms for c in measure_changes(*maps, own(labels), match) if c.region == "NP"]
        holds += [low <= 12.0 <= high for low, high in intervals_ms]
    assert len(holds) == 300
    assert 0.92 <= np.mean(holds) <= 0.99


@pytest.mark.parametrize("match", [None, unmoved()], ids=["noise", "parts"])
@pytest.mark.parametrize("factor", [0.5, 1.5])
def test_the_interval_in_per_cent_holds_a_large_true_change_in_92_to_99_of_100_discs(factor, match):
    labels = block_labels()
    rng = np.random.default_rng(9)
    holds = []
    for _ in range(80):
        tissue_ms = 80 + 40 * (rng.random(labels.shape) - 0.5)
        maps = [map_of(way * tissue_ms + 4 * rng.standard_normal(labels.shape)) for way in (1.0, factor)]
        intervals_pct = [c.interval_pct for c in measure_changes(*maps, own(labels), match) if c.region == "NP"]
        holds += [low <= 100 * (factor - 1) <= high for low, high in intervals_pct]
    assert len(holds) == 480
    assert 0.92 <= np.mean(holds) <= 0.99
