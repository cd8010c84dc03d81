"""What measuring twice gives: known scatter comes back as its coefficient, and only enough people replace others'."""

from __future__ import annotations

import math

import numpy as np
import pytest

from t2disc.measure import given_repeatability, literature_repeatability, measured_repeatability
from t2disc.model import LEVELS, Change

LUMBAR = LEVELS[1:]


def retest(level: str, log_ratio: float, region: str = "NP", before_ms: float = 80.0) -> Change:
    """Return a disc measured twice, the logarithms of both medians differing by so much."""
    after_ms = before_ms * math.exp(log_ratio)
    return Change(
        level=level, region=region, roi="matched", baseline_t2_median_ms=before_ms, followup_t2_median_ms=after_ms
    )


def people(n: int, levels=LUMBAR, log_ratio: float = 0.1) -> dict[str, list[Change]]:
    """Return people whose discs all differ by so much, every other one downwards."""
    return {f"sub-{k}": [retest(level, log_ratio * (-1) ** k) for level in levels] for k in range(n)}


@pytest.mark.parametrize("wcv", [0.02, 0.05, 0.1])
def test_a_known_within_subject_scatter_comes_back_as_its_coefficient(wcv):
    rng = np.random.default_rng(1)
    retests = {
        f"sub-{k}": [retest(level, rng.normal(0, wcv) - rng.normal(0, wcv), before_ms=40.0 + k) for level in LUMBAR]
        for k in range(400)
    }
    found = measured_repeatability(retests, literature_repeatability)("L4/L5", "NP")
    assert found.rc_pct == pytest.approx(100 * 1.96 * math.sqrt(2) * wcv, rel=0.1)
    assert (found.n_participants, found.n_pairs) == (400, 400)
    assert found.source == "test-retest of this study"


def test_the_coefficient_is_2_77_within_subject_sd_of_the_logarithms():
    found = measured_repeatability(people(10, log_ratio=0.1), literature_repeatability)("L4/L5", "NP")
    assert found.rc_pct == pytest.approx(100 * 2.77 * 0.1 / math.sqrt(2), rel=1e-12)


@pytest.mark.parametrize("n", [2, 9])
def test_many_discs_of_few_people_do_not_replace_what_others_measured(n):
    retests = people(n)
    assert sum(map(len, retests.values())) >= 10
    given = given_repeatability({"NP": 11.0})
    assert measured_repeatability(retests, given)("L4/L5", "NP") == given("L4/L5", "NP")
    assert measured_repeatability(retests, literature_repeatability)("L4/L5", "NP").source == "Belavy 2021"


def test_one_person_measured_twice_more_than_once_is_one_person():
    retests = people(9)
    retests["sub-0"] = retests["sub-0"] * 20
    assert measured_repeatability(retests, literature_repeatability)("L4/L5", "NP").source == "Belavy 2021"


def test_a_level_with_ten_people_has_its_own_and_the_others_share_that_of_all():
    retests = people(12, levels=("L4/L5",), log_ratio=0.05)
    for k in range(3):
        retests[f"sub-{k}"].append(retest("L5/S1", 0.4))
    coefficient = measured_repeatability(retests, literature_repeatability)
    own, shared = coefficient("L4/L5", "NP"), coefficient("L5/S1", "NP")
    assert (own.n_participants, own.n_pairs) == (12, 12)
    assert (shared.n_participants, shared.n_pairs) == (12, 15)
    assert own.rc_pct == pytest.approx(277 * 0.05 / math.sqrt(2))
    assert shared.rc_pct == pytest.approx(277 * math.sqrt((12 * 0.05**2 + 3 * 0.4**2) / 15 / 2))
    assert coefficient("L1/L2", "NP") == shared  # measured twice by nobody


def test_people_who_share_a_region_but_no_level_count_together():
    retests = {f"sub-{k}": [retest(LUMBAR[k % 5], 0.1)] for k in range(10)}
    found = measured_repeatability(retests, literature_repeatability)("L1/L2", "NP")
    assert (found.n_participants, found.n_pairs) == (10, 10)


def test_a_region_that_was_not_measured_twice_keeps_what_others_measured():
    coefficient = measured_repeatability(people(12), literature_repeatability)
    assert coefficient("L4/L5", "disc") == literature_repeatability("L4/L5", "disc")
    assert math.isnan(coefficient("L4/L5", "AF").rc_pct)


@pytest.mark.parametrize("lost_ms", [math.nan, 0.0])
def test_a_disc_without_both_medians_tells_nothing_and_its_person_does_not_count(lost_ms):
    retests = people(10, levels=("L4/L5",))
    lost = Change(level="L4/L5", region="NP", baseline_t2_median_ms=80.0, followup_t2_median_ms=lost_ms)
    retests["sub-0"] = [lost]
    assert measured_repeatability(retests, literature_repeatability)("L4/L5", "NP").source == "Belavy 2021"
