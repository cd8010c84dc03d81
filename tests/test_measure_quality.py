"""Goodness of fit per disc and region: medians, the share beyond the law's 99 % point, and what is missing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import chdtri

from t2disc.errors import ArgumentInvalid
from t2disc.measure import measure_quality
from t2disc.model import DiscLabels, DiscQuality, FitQuality

SHAPE = (100, 40, 2)
AFFINE = np.diag([-0.5, 0.8, 4.0, 1.0])


def quality_of(chi2_red: np.ndarray, *, left: np.ndarray | int = 6, affine=AFFINE) -> FitQuality:
    return FitQuality(
        chi2_red=chi2_red,
        r2=1 - chi2_red / 1000,
        odd_even=chi2_red / 100,
        decay_variance=chi2_red / 2500,
        degrees_of_freedom=np.broadcast_to(np.uint8(left), SHAPE),
        affine=affine,
        model="mono",
    )


def make_discs() -> DiscLabels:
    """Two discs, one per Z slice; a fifth of each is annulus at either end."""
    discs = np.full(SHAPE, DiscLabels.value_of("L3/L4"), np.uint8)
    discs[:, :, 1] = DiscLabels.value_of("L4/L5")
    regions = np.ones(SHAPE, np.uint8)
    regions[:20], regions[-20:] = 2, 3
    return DiscLabels(discs=discs, regions=regions, levels=("L3/L4", "L4/L5"), affine=AFFINE)


def row(rows: tuple[DiscQuality, ...], level: str, region: str) -> DiscQuality:
    (found,) = [r for r in rows if (r.level, r.region) == (level, region)]
    return found


def drawn(left: np.ndarray | int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).chisquare(left, SHAPE) / left


def test_each_level_and_region_has_its_medians():
    chi2_red = drawn()
    rows = measure_quality(quality_of(chi2_red), make_discs())
    assert [r.region for r in rows if r.level == "L4/L5"] == ["disc", "NP", "AF", "AF_anterior", "AF_posterior"]
    nucleus = row(rows, "L4/L5", "NP")
    median = float(np.median(chi2_red[20:-20, :, 1]))
    assert nucleus.n_judged == 60 * 40
    of_law = chdtri(6, 0.5) / 6
    assert nucleus.chi2_red_median == pytest.approx(median / of_law, rel=1e-6)
    assert nucleus.r2_median == pytest.approx(1 - median / 1000)
    assert nucleus.odd_even_median == pytest.approx(median / 100)
    assert nucleus.decay_variance_median == pytest.approx(median / 2500)


@pytest.mark.parametrize("left", [1, 6, 14])
def test_where_the_model_holds_a_hundredth_of_the_voxels_lies_beyond_the_point(left):
    found = row(measure_quality(quality_of(drawn(left), left=left), make_discs()), "L3/L4", "disc")
    assert found.poor_fit_share == pytest.approx(0.01, abs=0.006)
    assert found.chi2_red_median == pytest.approx(1.0, abs=0.08)


def test_every_voxel_is_held_against_the_law_of_its_own_degrees_of_freedom():
    left = np.where(np.arange(SHAPE[0])[:, None, None] % 2, 2, 14)
    share = row(measure_quality(quality_of(drawn(left), left=left), make_discs()), "L3/L4", "disc").poor_fit_share
    assert share == pytest.approx(0.01, abs=0.006)
    exact = np.full(SHAPE, 2.81)  # the 99 % point with 6 is 16.812 / 6 = 2.802
    assert row(measure_quality(quality_of(exact), make_discs()), "L3/L4", "disc").poor_fit_share == 1
    assert row(measure_quality(quality_of(exact - 0.02), make_discs()), "L3/L4", "disc").poor_fit_share == 0


def test_voxels_without_quality_count_nowhere_and_a_region_without_any_is_nan():
    chi2_red = drawn()
    chi2_red[::2, :, 0] = np.nan
    chi2_red[:, :, 1] = np.nan
    rows = measure_quality(quality_of(chi2_red), make_discs())
    half, none = row(rows, "L3/L4", "disc"), row(rows, "L4/L5", "disc")
    assert half.n_judged == 50 * 40
    median = float(np.nanmedian(chi2_red[:, :, 0]))
    assert half.chi2_red_median == pytest.approx(median / (chdtri(6, 0.5) / 6), rel=1e-6)
    assert none.n_judged == 0
    assert all(math.isnan(v) for v in (none.chi2_red_median, none.r2_median, none.odd_even_median, none.poor_fit_share))


def test_without_sigma_there_is_no_share_and_voxels_are_judged_all_the_same():
    known = quality_of(drawn())
    unknown = FitQuality(
        chi2_red=np.full(SHAPE, np.nan),
        r2=known.r2,
        odd_even=known.odd_even,
        decay_variance=known.decay_variance,
        degrees_of_freedom=known.degrees_of_freedom,
        affine=AFFINE,
        model="mono",
    )
    found = row(measure_quality(unknown, make_discs()), "L3/L4", "disc")
    assert found.n_judged == 4000
    assert math.isnan(found.poor_fit_share)
    assert found.r2_median == pytest.approx(0.9991, abs=1e-3)


def test_maps_are_read_only_of_one_shape_and_of_the_discs_grid():
    quality = quality_of(drawn())
    with pytest.raises(ValueError, match="read-only"):
        quality.r2[0] = 0
    assert "judged=8000 voxels" in repr(quality)
    with pytest.raises(ArgumentInvalid):
        measure_quality(quality_of(drawn(), affine=2 * np.eye(4)), make_discs())
    with pytest.raises(ArgumentInvalid):
        FitQuality(
            chi2_red=np.ones(SHAPE),
            r2=np.ones((2, 2, 2)),
            odd_even=np.ones(SHAPE),
            decay_variance=np.ones(SHAPE),
            degrees_of_freedom=np.ones(SHAPE),
            affine=AFFINE,
            model="mono",
        )
