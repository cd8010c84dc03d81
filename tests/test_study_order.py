"""Which visit came first: by date, by the protocol file, by name; never by a guess."""

from __future__ import annotations

from itertools import permutations

import pytest

from t2disc.errors import VisitOrderUnknown
from t2disc.study import order_visits
from t2disc.study.order import usual_day


def order(visits: dict[str, str | None], *listed: str) -> tuple[tuple[str, ...], str]:
    found = order_visits(visits, listed)
    return found.session_ids, found.ordered_by


@pytest.mark.parametrize("sessions", list(permutations(["ses-baseline", "ses-month3", "ses-month12"])))
def test_names_order_visits_whatever_order_they_are_found_in(sessions):
    expected = ("ses-baseline", "ses-month3", "ses-month12")
    assert order(dict.fromkeys(sessions)) == (expected, "name")


@pytest.mark.parametrize(
    ("first", "second"),
    [("bl", "M06"), ("M0", "M12"), ("baseline", "12months"), ("pre", "m3"), ("M2", "M10"), ("01", "02"), ("V2", "V10")],
)
def test_the_spellings_of_visits_are_understood(first, second):
    assert order({f"ses-{second}": None, f"ses-{first}": None})[0] == (f"ses-{first}", f"ses-{second}")


def test_dates_win_over_names_and_the_contradiction_is_told():
    found = order_visits({"ses-baseline": "2024-05-01", "ses-month12": "2023-05-01"})
    assert found.session_ids == ("ses-month12", "ses-baseline")
    assert found.ordered_by == "date"
    assert found.contradicted_by == "names"


def test_dates_that_agree_with_names_are_no_contradiction():
    assert not order_visits({"ses-baseline": "2023-05-01", "ses-month12": "2024-05-01"}).contradicted_by


@pytest.mark.parametrize(
    ("listed", "against"),
    [
        (["red", "blue", "M3"], "visit_order"),
        (["M3", "red"], "visit_order"),
        (["blue", "red"], ""),
        (["ses-blue", "ses-red", "ses-M3"], ""),
        (["other"], ""),
    ],
    ids=["all", "some", "some that agree", "all that agree", "none"],
)
def test_dates_win_over_the_protocol_and_the_contradiction_is_told(listed, against):
    dates = {"ses-red": "2024-02-01", "ses-blue": "2024-01-01", "ses-M3": "2024-03-01"}
    found = order_visits(dates, listed)
    assert found.session_ids == ("ses-blue", "ses-red", "ses-M3")
    assert (found.ordered_by, found.contradicted_by) == ("date", against)


def test_a_protocol_that_confirms_the_dates_settles_what_the_names_say():
    dates = {"ses-month12": "2023-05-01", "ses-baseline": "2024-05-01"}
    assert order_visits(dates, ["month12", "baseline"]).contradicted_by == ""
    assert order_visits(dates, ["month12"]).contradicted_by == "names"


def test_one_missing_date_makes_names_decide():
    assert order({"ses-M12": "2020-01-01", "ses-M0": None}) == (("ses-M0", "ses-M12"), "name")


def test_equal_dates_tell_no_order():
    day = "2024-01-01"
    assert order({"ses-evening": day, "ses-morning": day}, "morning", "evening") == (
        ("ses-morning", "ses-evening"),
        "protocol",
    )


def test_the_protocol_wins_over_names():
    assert order({"ses-M0": None, "ses-M3": None}, "ses-M3", "M0") == (("ses-M3", "ses-M0"), "protocol")


def test_a_protocol_that_does_not_name_every_visit_does_not_decide():
    assert order({"ses-M0": None, "ses-M3": None}, "M3") == (("ses-M0", "ses-M3"), "name")


def test_two_names_for_the_same_month_tell_no_order():
    with pytest.raises(VisitOrderUnknown):
        order_visits({"ses-baseline": None, "ses-M0": None})


def test_names_that_mean_nothing_are_refused():
    with pytest.raises(VisitOrderUnknown) as refusal:
        order_visits({"ses-red": None, "ses-blue": None})
    assert refusal.value.code == "visit-order-unknown"


def test_a_single_visit_needs_no_order():
    assert order({"ses-red": None}) == (("ses-red",), "single")


@pytest.mark.parametrize(
    ("dates", "day"),
    [
        ([], None),
        ([None, None], None),
        ([None, "2024-01-02"], "2024-01-02"),
        (["2023-01-02", "2024-01-02", "2024-01-02"], "2024-01-02"),
        (["2025-01-02", "2024-01-02", "2024-01-02"], "2024-01-02"),
        (["2024-01-03", "2024-01-02"], "2024-01-02"),
    ],
    ids=["no file", "no date", "one", "a prior exam among them", "a later report among them", "across midnight"],
)
def test_the_day_of_a_visit_is_that_of_most_of_its_files_in_any_order(dates, day):
    assert usual_day(dates) == usual_day(dates[::-1]) == day
