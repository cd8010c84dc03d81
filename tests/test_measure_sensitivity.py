"""How far definitions of the nucleus, and of the disc, disagree."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2disc.measure import compare_schemes, measure_discs
from t2disc.model import COMPARED_REGIONS, SCHEME_OF, DiscLabels, DiscMeasure, Flag, NoiseEstimate, RegionMap, T2Map

t2s_ms = st.floats(1, 1000)


def measured(region: str, t2_median_ms: float, level: str = "L4/L5") -> DiscMeasure:
    numbers = dict.fromkeys(
        ["volume_mm3", "t2_mean_ms", "t2_sd_ms", "t2_p10_ms", "t2_p90_ms", "t2_sem_ms", "s0_median", "snr_first_echo"],
        math.nan,
    )
    return DiscMeasure(
        level=level,
        region=region,
        n_voxels=1,
        n_used=1,
        n_left_out=(0,) * len(Flag),
        t2_median_ms=t2_median_ms,
        **numbers,
    )


def test_the_spread_is_greatest_minus_smallest_and_in_per_cent_of_the_primary_definition():
    nucleus = [measured("NP", 80.0), measured("NP_mid", 84.0), measured("strip3", 90.0), measured("AF", 20.0)]
    (found,) = compare_schemes([*nucleus, measured("disc", 50.0), measured("disc_mid", 48.0)])
    assert (found.level, found.np_spread_ms, found.np_spread_pct) == ("L4/L5", 10.0, 12.5)
    assert (found.disc_spread_ms, found.disc_spread_pct) == (2.0, 4.0)


@given(values=st.lists(t2s_ms, min_size=3, max_size=3), factor=st.floats(0.1, 10))
def test_the_spread_scales_with_t2_and_its_per_cent_does_not(values, factor):
    once, scaled = (
        compare_schemes([measured(r, k * t2) for r, t2 in zip(COMPARED_REGIONS["NP"], values, strict=True)])[0]
        for k in (1, factor)
    )
    assert scaled.np_spread_ms == pytest.approx(factor * once.np_spread_ms, rel=1e-6, abs=1e-6)
    assert scaled.np_spread_pct == pytest.approx(once.np_spread_pct, rel=1e-6, abs=1e-6)


def test_one_definition_alone_has_no_spread_and_zero_is_not_said():
    (found,) = compare_schemes([measured("NP", 80.0), measured("NP_mid", math.nan), measured("disc", 50.0)])
    assert math.isnan(found.np_spread_ms)
    assert math.isnan(found.disc_spread_pct)


def test_each_level_has_one_row_and_no_measure_has_none():
    levels = ("L3/L4", "L4/L5")
    found = compare_schemes([measured(region, 1.0, level) for level in levels for region in ("disc", "NP")])
    assert tuple(sensitivity.level for sensitivity in found) == levels
    assert compare_schemes([]) == ()


def test_every_region_of_every_scheme_that_the_discs_carry_is_measured():
    shape, affine = (10, 4, 2), np.diag([0.5, 0.8, 4.0, 1.0])
    ones = np.ones(shape, np.float32)
    t2_ms = ones * (10 + np.arange(10, dtype=np.float32))[:, None, None]
    t2map = T2Map(
        t2_ms=t2_ms,
        s0=ones,
        t2_se_ms=ones,
        flag=np.zeros(shape, np.uint8),
        affine=affine,
        echo_times_ms=np.array([10.0, 20.0]),
        model="mono",
        noise=NoiseEstimate(sigma=1.0, method="given"),
    )
    strips = (np.arange(10, dtype=np.uint8) // 2 + 1)[:, None, None] * np.ones(shape, np.uint8)
    discs = DiscLabels(discs=np.full(shape, 5), regions=ones, levels=("L4/L5",), affine=affine)
    divided = replace(discs, schemes=(RegionMap(scheme="strips", values=strips),))
    regions = ["disc", "NP", "AF", "AF_anterior", "AF_posterior"]
    assert [m.region for m in measure_discs(t2map, discs)] == regions
    rows = {m.region: m for m in measure_discs(t2map, divided)}
    assert list(rows) == [*regions, *(f"strip{n}" for n in range(1, 6))] == [r for r in SCHEME_OF if r in rows]
    assert [rows[f"strip{n}"].t2_median_ms for n in range(1, 6)] == [10.5, 12.5, 14.5, 16.5, 18.5]
    assert sum(rows[f"strip{n}"].n_voxels for n in range(1, 6)) == rows["disc"].n_voxels == 80
