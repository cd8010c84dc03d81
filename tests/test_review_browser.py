"""A review in a real browser: three planes with WebGL, slices without, ratings that are kept and come back."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from pages import (
    CHROMIUM,
    DESKTOP,
    DRIVER,
    HAS_AXE,
    PHONE,
    SOFT_WEBGL,
    chromium,
    html_errors,
    is_wider_than_window,
    requests_made,
    severe,
    show_at,
    violations,
)
from test_study_blind import out, rated  # noqa: F401 - the fixture

from t2disc.errors import DiskFull
from t2disc.model.ratings import Rating
from t2disc.qc.review import serve_review
from t2disc.study import ReadingDesk, make_reading_set

selenium = pytest.importorskip("selenium", reason="selenium is not installed")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no chromium and chromedriver here")
needs_viewer = pytest.mark.skipif(find_spec("ipyniivue") is None, reason="ipyniivue is not installed")


@pytest.fixture
def desk(out, tmp_path) -> ReadingDesk:  # noqa: F811
    make_reading_set(out, tmp_path / "reads", tmp_path / "key.json")
    return ReadingDesk(tmp_path / "reads")


def until(browser: Any, is_so: Callable[[Any], object], seconds: int = 20) -> None:
    from selenium.webdriver.support.wait import WebDriverWait

    WebDriverWait(browser, seconds).until(is_so)


def find(browser: Any, selector: str) -> Any:
    from selenium.webdriver.common.by import By

    return browser.find_element(By.CSS_SELECTOR, selector)


def press(browser: Any, selector: str) -> None:
    """Click on something where it is seen, above the bar at the bottom."""
    one = find(browser, selector)
    browser.execute_script("arguments[0].scrollIntoView({ block: 'center' })", one)
    one.click()


def name_reader(browser: Any, name: str) -> None:
    from selenium.webdriver.common.keys import Keys

    find(browser, "#reader").clear()
    find(browser, "#reader").send_keys(name, Keys.TAB)


def test_ratings_by_key_and_click_are_kept_and_come_back_to_their_reader_alone(desk):
    with serve_review(desk) as running, chromium() as browser:
        browser.get(running.address)
        assert "token" not in browser.current_url
        name_reader(browser, "R1")
        press(browser, "#next")
        code = desk.subjects[0]
        assert browser.current_url.endswith(f"/read/{code}")
        find(browser, "body").send_keys("3")
        until(browser, lambda b: "Kept at" in find(b, "#state").text)
        press(browser, "button.rate[data-disc='L4/L5'][data-word='unsure']")
        find(browser, "input.comment").send_keys("1 rim <b>")
        press(browser, "#slices figcaption")
        until(browser, lambda _: len(desk.ratings()) == 3)
        assert [(r.level, r.word, r.comment) for r in desk.ratings()] == [
            ("", "fail", ""),
            ("L4/L5", "unsure", ""),
            ("", "fail", "1 rim <b>"),
        ]
        browser.refresh()
        until(browser, lambda b: find(b, "input.comment").get_attribute("value") == "1 rim <b>")
        assert find(browser, "button.rate[data-disc=''][aria-pressed=true]").text == "3 fail"
        name_reader(browser, "R2")
        until(browser, lambda b: find(b, "input.comment").get_attribute("value") == "")
        find(browser, "body").send_keys("1")
        until(browser, lambda _: len(desk.ratings()) == 4)
        assert {r.reader for r in desk.ratings()} == {"R1", "R2"}
        press(browser, "nav.way a")
        until(browser, lambda b: "1 of 6 begun" in find(b, "#state").text)
        assert severe(browser) == []


def test_a_rating_without_a_reader_waits_for_the_name_and_one_that_cannot_be_sent_for_the_server(desk):
    with chromium() as browser:
        with serve_review(desk) as running:
            browser.get(running.address)
            browser.get(f"http://127.0.0.1:{running.port}/read/{desk.subjects[0]}")
            find(browser, "body").send_keys("1")
            until(browser, lambda b: "reader's name first" in find(b, "#state").text)
            assert desk.ratings() == ()
            name_reader(browser, "R1")
            until(browser, lambda _: [r.word for r in desk.ratings()] == ["pass"])
        press(browser, "#slices figcaption")
        find(browser, "body").send_keys("2")
        until(browser, lambda b: "1 waiting" in find(b, "#state").text)
        assert len(desk.ratings()) == 1


def test_a_rating_that_was_refused_is_told_and_does_not_look_kept_though_the_next_one_is(desk, monkeypatch):
    """The disk is full for the first of two quick ratings: the second must not cover that up."""
    keep = desk.keep

    def keep_second(rating: Any) -> None:
        if rating.word == "pass":
            raise DiskFull("ENOSPC while writing r1.jsonl")
        keep(rating)

    monkeypatch.setattr(desk, "keep", keep_second)
    with serve_review(desk) as running, chromium() as browser:
        browser.get(running.address)
        name_reader(browser, "R1")
        press(browser, "#next")
        whole, disc = "button.rate[data-disc=''][data-word=pass]", "button.rate[data-disc='L4/L5'][data-word=unsure]"
        browser.execute_script(f'for (const one of ["{whole}", "{disc}"]) document.querySelector(one).click()')
        until(browser, lambda b: "Kept at" in find(b, "#state").text)
        assert "1 not kept" in find(browser, "#state").text
        assert "ENOSPC" in find(browser, "#state").text
        until(browser, lambda b: find(b, whole).get_attribute("aria-pressed") == "false")
        until(browser, lambda b: find(b, disc).get_attribute("aria-pressed") == "true")
        assert [(r.level, r.word) for r in desk.ratings()] == [("L4/L5", "unsure")]
        monkeypatch.setattr(desk, "keep", keep)
        press(browser, whole)
        until(browser, lambda b: find(b, "#state").text.startswith("Kept at"))


def test_a_rating_of_an_earlier_picture_stands_out(desk):
    code = desk.subjects[0]
    told = {"subject": code, "figure": "slices", "word": "pass", "reader": "R1", "rated_utc": "2026-11-28T09:00:00Z"}
    desk.keep(Rating(**told, rated_sha256="0" * 64))
    with serve_review(desk) as running, chromium() as browser:
        browser.get(running.address)
        name_reader(browser, "R1")
        browser.get(f"http://127.0.0.1:{running.port}/read/{code}")
        until(browser, lambda b: "rated an earlier picture" in find(b, "#slices").text)
        find(browser, "body").send_keys("1")
        until(browser, lambda b: find(b, "#state").text.startswith("Kept at"))
        browser.refresh()
        until(browser, lambda b: find(b, "button.rate[data-word=pass]").get_attribute("aria-pressed") == "true")
        assert "earlier picture" not in find(browser, "#slices").text


def test_whether_a_rating_is_kept_is_seen_wherever_one_reads(desk):
    with serve_review(desk) as running, chromium() as browser:
        browser.get(running.address)
        name_reader(browser, "R1")
        browser.get(f"http://127.0.0.1:{running.port}/read/{desk.subjects[0]}")
        browser.execute_script("window.scrollTo(0, document.body.scrollHeight)")
        press(browser, "button.rate[data-disc='L5/S1'][data-word='fail']")
        until(browser, lambda b: "Kept at" in find(b, "#state").text)
        where = browser.execute_script("return document.getElementById('state').getBoundingClientRect().toJSON()")
        assert 0 <= where["top"] < where["bottom"] <= browser.execute_script("return window.innerHeight")


def test_without_webgl_the_page_says_so_and_the_slices_scroll(desk):
    from selenium.webdriver.common.keys import Keys

    with serve_review(desk) as running, chromium() as browser:
        browser.get(running.address)
        browser.get(f"http://127.0.0.1:{running.port}/read/{desk.subjects[0]}")
        told = find(browser, "#planes-state").text
        assert "no WebGL 2" in told or "not installed" in told
        before = find(browser, "output.where").text
        find(browser, "body").send_keys(Keys.ARROW_LEFT)
        assert find(browser, "output.where").text != before
        assert severe(browser) == []


@needs_viewer
def test_a_visit_opens_in_three_planes_and_a_click_on_a_disc_tells_its_t2(desk):
    from selenium.webdriver import ActionChains

    with serve_review(desk) as running, chromium(words=SOFT_WEBGL) as browser:
        browser.get(running.address)
        browser.get(f"http://127.0.0.1:{running.port}/read/{desk.subjects[0]}")
        press(browser, "button.open-visit")
        until(browser, lambda b: "is open" in find(b, "#planes-state").text, seconds=60)
        canvas = find(browser, "#planes-stage canvas")
        told = set()
        for x in range(-300, 301, 60):
            for y in (-100, -40, 20, 80):
                ActionChains(browser).move_to_element_with_offset(canvas, x, y).click().perform()
                told.add(find(browser, "#planes-state").text.split(" at ")[0])
        assert {"L4/L5, T2 60.0 ms", "L5/S1, T2 60.0 ms"} & told, told
        asked = requests_made(browser)
        assert f"http://127.0.0.1:{running.port}/volume/{desk.subjects[0]}/{desk.subjects[0]}/T2.nii.gz" in asked
        assert [address for address in asked if f"//127.0.0.1:{running.port}/" not in address] == []
        assert severe(browser) == []


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_pages_are_valid_accessible_and_no_wider_than_the_window(desk, size):
    for subject in desk.subjects[:2]:
        desk.keep(rated(desk, subject, reader="R1"))
        desk.keep(rated(desk, subject, reader="R2", word="fail"))
    with serve_review(desk, with_differences=True) as running, chromium() as browser:
        show_at(browser, size)
        browser.get(running.address)
        for path in ("", f"read/{desk.subjects[0]}", "differences"):
            browser.get(f"http://127.0.0.1:{running.port}/{path}")
            assert not is_wider_than_window(browser)
            fetched = "const done = arguments[0]; fetch(location.href).then(r => r.text()).then(done)"
            assert html_errors(browser.execute_async_script(fetched)) == []
            if HAS_AXE:
                assert violations(browser) == []


def test_a_page_of_another_site_can_neither_read_nor_rate(desk, tmp_path: Path):
    """The other site is a page on the same machine under another name, which browsers take for another site."""
    with serve_review(desk) as running, chromium() as browser:
        browser.get(running.address)
        browser.get("data:text/html,<title>evil</title>")
        script = """
        const done = arguments[arguments.length - 1], at = arguments[0];
        const asks = [fetch(at + "ratings", {method: "POST", body: "{}", mode: "no-cors", credentials: "include"}),
                      fetch(at + "ratings?reader=R1", {credentials: "include"})];
        Promise.allSettled(asks).then(function (all) { done(all.map(function (one) { return one.status; })); });
        """
        browser.set_script_timeout(10)
        statuses = browser.execute_async_script(script, f"http://127.0.0.1:{running.port}/")
        assert statuses[1] == "rejected"  # no such page may read the answer
        assert desk.ratings() == ()
