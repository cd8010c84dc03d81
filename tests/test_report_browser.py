"""The reports in a real browser: slices scroll, visits flicker, ratings by key and click come back from their file."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from t2disc.model.report import IndexPage, IndexRow
from t2disc.qc.report import render_index, render_participant
from tests.pages import (
    CHROMIUM,
    DESKTOP,
    DRIVER,
    HAS_AXE,
    PHONE,
    chromium,
    is_wider_than_window,
    requests_made,
    show_at,
    violations,
)
from tests.test_qc_report import Visit, match_of, page_of

selenium = pytest.importorskip("selenium", reason="selenium is not installed")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no chromium and chromedriver here")


@pytest.fixture
def browser(tmp_path) -> Iterator[Any]:
    with chromium(str(tmp_path / "downloads")) as driver:
        yield driver


def open_page(browser: Any, path: Path, html: str) -> None:
    path.write_text(html, encoding="utf-8")
    browser.get(path.as_uri())


def report_page() -> str:
    from t2disc.model.report import ReportFigure, ReportSection
    from t2disc.qc.report import followup_strips, own_strips

    before, after = Visit(), Visit(shift=4)
    strips = (*own_strips(before, "ses-1"), *followup_strips(before, after, match_of(4.0), "ses-2"))
    change = ReportFigure(name="change", title="Change", strips=strips, levels=("L3/L4", "L4/L5"))
    first = page_of().sections[0]
    section = ReportSection(name="pair", title="Pair", figures=(change,))
    return render_participant(page_of(sections=(section, first)))


def pressed(browser: Any, figure: str) -> list[str]:
    from selenium.webdriver.common.by import By

    buttons = browser.find_elements(By.CSS_SELECTOR, f"#{figure} button.rate[aria-pressed=true]")
    return [f"{button.get_attribute('data-disc')}:{button.get_attribute('data-word')}" for button in buttons]


def downloaded(tmp_path: Path) -> Path:
    from selenium.webdriver.support.wait import WebDriverWait

    folder = tmp_path / "downloads"
    WebDriverWait(folder, 10).until(lambda f: f.is_dir() and list(f.glob("*.json")))
    return next(folder.glob("*.json"))


def test_slices_scroll_visits_flicker_and_ratings_come_back(browser, tmp_path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.wait import WebDriverWait

    html = report_page()
    open_page(browser, tmp_path / "report.html", html)

    def where() -> str:
        return browser.find_element(By.CSS_SELECTOR, "#change output.where").text

    def shown() -> str:
        return browser.find_element(By.CSS_SELECTOR, "#change .layer.shown").get_attribute("data-name")

    body = browser.find_element(By.TAG_NAME, "body")
    assert where().startswith("slice 4 of 8")
    place = browser.execute_script("return document.querySelector('#change .shown').style.backgroundPosition")
    body.send_keys(Keys.ARROW_RIGHT)
    assert where().startswith("slice 3 of 8")
    moved = browser.execute_script("return document.querySelector('#change .shown').style.backgroundPosition")
    assert moved != place

    assert shown() == "T2 at ses-1"
    browser.find_element(By.CSS_SELECTOR, "#change button.flicker").click()
    WebDriverWait(browser, 5).until(lambda _: shown() == "T2 at ses-2")
    WebDriverWait(browser, 5).until(lambda _: shown() == "T2 at ses-1")
    browser.find_element(By.CSS_SELECTOR, "#change button.flicker").click()
    browser.find_element(By.CSS_SELECTOR, "#change .layer-button[data-layer='0']").click()
    assert shown() == "anatomy at ses-1"

    body.send_keys("3")
    assert pressed(browser, "change") == [":fail"]
    browser.find_element(By.CSS_SELECTOR, "#change button[data-disc='L4/L5'][data-word='unsure']").click()
    browser.find_element(By.CSS_SELECTOR, "#change input.comment").send_keys("1 rim <b>")
    assert pressed(browser, "change") == [":fail", "L4/L5:unsure"], "a digit in a comment is no rating"
    body.send_keys(Keys.ALT, Keys.ARROW_DOWN)
    assert browser.find_element(By.CSS_SELECTOR, "figure.current").get_attribute("id") == "visit-1"
    browser.find_element(By.ID, "save").click()
    assert "who reads" in browser.find_element(By.ID, "state").text
    assert not list((tmp_path / "downloads").glob("*.json"))
    assert browser.switch_to.active_element.get_attribute("id") == "reader"
    browser.find_element(By.ID, "reader").send_keys("R1")
    browser.find_element(By.ID, "save").click()
    kept = downloaded(tmp_path)
    tree = json.loads(kept.read_text())
    assert (tree["participant"], tree["reader"]) == ("sub-1", "R1")
    kept_change = tree["ratings"]["change"]
    sha256 = kept_change.pop("sha256")
    assert kept_change == {"figure": "fail", "discs": {"L4/L5": "unsure"}, "comment": "1 rim <b>"}
    assert re.fullmatch(r"[0-9a-f]{64}", sha256)
    assert f'data-sha256="{sha256}"' in html

    open_page(browser, tmp_path / "report.html", html)
    assert pressed(browser, "change") == []
    browser.find_element(By.ID, "load").send_keys(str(kept))
    WebDriverWait(browser, 5).until(lambda _: pressed(browser, "change") == [":fail", "L4/L5:unsure"])
    assert browser.find_element(By.CSS_SELECTOR, "#change input.comment").get_attribute("value") == "1 rim <b>"
    assert "1 of 3" in browser.find_element(By.ID, "state").text
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_ratings_of_another_participant_are_not_taken(browser, tmp_path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.wait import WebDriverWait

    open_page(browser, tmp_path / "report.html", report_page())
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"format": "t2disc-ratings-1", "participant": "sub-2", "reader": "", "ratings": {}}))
    browser.find_element(By.ID, "load").send_keys(str(other))
    WebDriverWait(browser, 5).until(lambda b: "Not loaded" in b.find_element(By.ID, "state").text)


def test_the_index_filters_by_words_and_grade_and_sorts(browser, tmp_path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.select import Select

    facts = {"status": "done", "review": "", "n_discs": "5", "index_change": "", "report": ""}
    rows = tuple(
        IndexRow(participant_id=f"sub-{n}", session_id="ses-1", grade=grade, index_t2=t2, **facts)
        for n, grade, t2 in ((1, "optimal", "100.5"), (2, "sub-optimal", "9.5"), (3, "optimal", ""))
    )
    open_page(browser, tmp_path / "index.html", render_index(IndexPage(rows=rows)))

    def listed() -> list[str]:
        found = browser.find_elements(By.CSS_SELECTOR, "#visits tbody tr")
        return [row.find_elements(By.TAG_NAME, "td")[1].text for row in found if row.is_displayed()]

    browser.find_element(By.ID, "filter").send_keys("sub-optimal")
    assert listed() == ["sub-2"]
    assert browser.find_element(By.ID, "count").text == "1 of 3 visits"
    browser.find_element(By.ID, "filter").clear()
    browser.execute_script("document.getElementById('filter').dispatchEvent(new Event('input'))")
    headings = browser.find_elements(By.CSS_SELECTOR, "#visits th[aria-sort] button")
    t2 = next(button for button in headings if button.text.startswith("T2"))
    t2.click()
    assert listed() == ["sub-2", "sub-1", "sub-3"]
    t2.click()
    assert listed() == ["sub-1", "sub-2", "sub-3"], "what is missing stands last, either way"
    Select(browser.find_element(By.ID, "grade")).select_by_value("optimal")
    assert listed() == ["sub-1", "sub-3"]
    browser.find_element(By.ID, "filter").send_keys("sub-3")
    assert listed() == ["sub-3"], "words and grade narrow together"


def index_page() -> str:
    """An index with every part it can have."""
    from t2disc.qc.report import thumbnail

    still = page_of().sections[0].figures[1]
    facts = {"status": "done", "review": "low-confidence", "n_discs": "5", "index_t2": "54.7", "index_change": "+8.0"}
    rows = tuple(
        IndexRow(
            participant_id=f"sub-P{n:03}",
            session_id="ses-month12",
            grade=("optimal", "not done", "")[n % 3],
            report=f"sub-P{n:03}/sub-P{n:03}_report.html",
            reasons="snr of every disc deviates (major); field_strength_t cannot be checked (minor)" if n % 3 else "",
            thumbnail=thumbnail(Visit()) if n % 2 else None,
            **facts,
        )
        for n in range(250)
    )
    command = "t2disc plot OUT ses-month12 cohort -o cohort.png"
    return render_index(
        IndexPage(rows=rows, figures=(replace(still, command=command),), note="Other grades.", version="0.1.0")
    )


PAGES = {"report": report_page, "index": index_page}


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desk", "phone"])
def test_no_page_is_wider_than_its_window(browser, tmp_path, name, size):
    open_page(browser, tmp_path / f"{name}.html", PAGES[name]())
    show_at(browser, size)
    assert not is_wider_than_window(browser)
    browser.execute_script("document.body.insertAdjacentHTML('beforeend', '<div style=\"width: 2000px\">x</div>')")
    assert is_wider_than_window(browser), "the test would see it"


@pytest.mark.skipif(not HAS_AXE, reason="axe-core is not installed")
@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desk", "phone"])
def test_axe_has_nothing_against_a_page(browser, tmp_path, name, size):
    show_at(browser, size)
    open_page(browser, tmp_path / f"{name}.html", PAGES[name]())
    assert violations(browser) == []
    browser.execute_script("document.querySelector('h1').style.color = '#ddd'")
    assert any(one.startswith("color-contrast") for one in violations(browser)), "the test would see it"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_nothing_of_any_network(browser, tmp_path, name):
    requests_made(browser)
    open_page(browser, tmp_path / f"{name}.html", PAGES[name]())
    assert requests_made(browser) == []


def test_the_log_of_requests_holds_one_that_is_made(browser, tmp_path):
    html = '<!DOCTYPE html><html lang="en"><title>t</title><img src="http://127.0.0.1:9/x.png" alt=""></html>'
    open_page(browser, tmp_path / "asks.html", html)
    assert requests_made(browser) == ["http://127.0.0.1:9/x.png"]


def test_a_page_prints_with_its_slices_and_without_its_buttons(browser, tmp_path):
    open_page(browser, tmp_path / "report.html", report_page())
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    shown = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
    assert browser.execute_script(shown, ".rating", "display") == "none"
    assert browser.execute_script(shown, "#change .layer.shown", "printColorAdjust") == "exact"
    told = browser.execute_script("return document.querySelector('#change .printed').innerText")
    assert told.startswith("T2 at ses-1, slice 4 of 8"), "which slice and layer is on the paper"

    def printed_bytes() -> int:
        printed = browser.execute_cdp_cmd("Page.printToPDF", {"paperWidth": 8.27, "paperHeight": 11.69})
        return len(base64.b64decode(printed["data"]))

    whole = printed_bytes()
    browser.execute_script("document.querySelectorAll('.layer').forEach(layer => layer.remove())")
    assert whole > printed_bytes() + 4_000, "the slices are among what is printed"


def test_on_a_phone_the_index_is_a_list_of_cards_that_still_sorts(browser, tmp_path):
    from selenium.webdriver.common.by import By

    show_at(browser, PHONE)
    open_page(browser, tmp_path / "index.html", index_page())
    first = browser.find_element(By.CSS_SELECTOR, "#visits tbody tr")
    assert first.value_of_css_property("display") == "grid"
    browser.find_elements(By.CSS_SELECTOR, "#visits th button")[0].click()
    browser.find_elements(By.CSS_SELECTOR, "#visits th button")[0].click()
    assert "sub-P249" in browser.find_element(By.CSS_SELECTOR, "#visits tbody tr").text
