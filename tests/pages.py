"""Real tools that judge a page: an HTML parser that forgives nothing, axe-core, and the browser's own network log."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from importlib.util import find_spec
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
HAS_AXE = find_spec("axe_core_python") is not None
DESKTOP, PHONE = (1366, 768), (390, 844)
NO_WEBGL = ("--disable-gpu", "--disable-webgl", "--disable-3d-apis")
SOFT_WEBGL = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist")
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]


def html_errors(html: str) -> list[str]:
    """Return what a strict HTML5 parser has against a page."""
    import html5lib

    parser = html5lib.HTMLParser(tree=html5lib.getTreeBuilder("etree"))
    parser.parse(html)
    return [f"line {line}: {code}" for (line, _), code, _ in parser.errors]


@contextmanager
def chromium(downloads: str | None = None, words: Sequence[str] = NO_WEBGL) -> Iterator[Any]:
    """Open a headless Chromium, without WebGL unless ``words`` bring it, that keeps its logs."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for word in ("--headless=new", "--no-sandbox", "--window-size=1366,768", *words):
        options.add_argument(word)
    if downloads:
        options.add_experimental_option("prefs", {"download.default_directory": downloads})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


def show_at(browser: Any, size: tuple[int, int]) -> None:
    """Give the page a window of some size; a headless window cannot be as narrow as a phone by itself."""
    width, height = size
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def is_wider_than_window(browser: Any) -> bool:
    """Tell whether a page must be scrolled to the side."""
    return bool(browser.execute_script("return document.documentElement.scrollWidth > window.innerWidth"))


def severe(browser: Any) -> list[str]:
    """Return what the page's scripts and requests failed at since the log was last read."""
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def requests_made(browser: Any) -> list[str]:
    """Return the addresses that were asked for since the log was last read, but for what a page holds in itself."""
    asked = []
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            asked.append(message["params"]["request"]["url"])
    return [address for address in asked if not address.startswith(("data:", "file:", "blob:", "about:", "chrome:"))]


def violations(browser: Any) -> list[str]:
    """Return what axe-core has against the page that is open, by the rules of WCAG 2.1 A and AA."""
    browser.execute_script(files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
    found = browser.execute_async_script(
        "const done = arguments[1];"
        "axe.run(document, { runOnly: { type: 'tag', values: arguments[0] } }).then("
        "r => done({ passed: r.passes.map(p => p.id), failed: r.violations.map("
        "v => v.id + ': ' + v.nodes.slice(0, 3).map(n => n.target.join(' ')).join(' | ')) }));",
        _RULES,
    )
    if "color-contrast" not in found["passed"] + [one.split(":")[0] for one in found["failed"]]:
        raise AssertionError("axe-core judged no contrast")
    return list(found["failed"])
