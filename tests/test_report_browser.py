"""The reports in a real browser: slices scroll, visits flicker, ratings by key and click come back from their file."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from t2disc.model.report import IndexPage, IndexRow
from t2disc.qc.report import render_index, render_participant
from tests.test_qc_report import Visit, match_of, page_of

selenium = pytest.importorskip("selenium", reason="selenium is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no chromium and chromedriver here")


@pytest.fixture
def browser(tmp_path) -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-webgl", "--window-size=1366,768"):
        options.add_argument(word)
    options.add_experimental_option("prefs", {"download.default_directory": str(tmp_path / "downloads")})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


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


def test_the_index_filters_and_sorts(browser, tmp_path):
    from selenium.webdriver.common.by import By

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
    assert listed() == ["sub-3", "sub-1", "sub-2"]


def test_a_page_is_no_wider_than_a_phone(browser, tmp_path):
    browser.set_window_size(500, 844)
    open_page(browser, tmp_path / "report.html", report_page())
    assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
