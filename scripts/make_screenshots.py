#!/usr/bin/env python3
"""Show reports and review of a simulated study in headless Chromium, and keep the pictures for the docs.

``python scripts/make_screenshots.py [--keep FOLDER]`` writes ``docs/images/report*.png`` and ``review*.png`` at 1366 x
768 and at a phone's 390 x 844. It needs the extras ``browser`` and ``review``, Chromium and chromedriver. ``--keep``
as in ``bench_report.py``.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench_report import measured

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
IMAGES = ROOT / "docs" / "images"
MOST_BYTES = 250_000
N_COLOURS = 256
PROTOCOL = """
[study]
visit_order = ["baseline", "month12", "month24"]
[checks.scan]
field_strength_t = { expected = 3.0 }
[checks.signal]
flagged_pct = { any = { most = 1 } }
[checks.pair]
match = {}
"""


def main() -> None:
    """Make the study, its reports, and the four pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = reports(asked.keep or Path(folder))
        import pages as tools

        with tools.chromium() as browser:
            report, index = out / "sub-P001" / "sub-P001_report.html", out / "index.html"
            keep("report", shot(browser, report, tools.DESKTOP, "change-month12-slices"))
            keep("report_phone", shot(browser, report, tools.PHONE, "change-month12-slices"))
            keep("report_index", shot(browser, index, tools.DESKTOP))
            keep("report_index_phone", shot(browser, index, tools.PHONE))
        review(out)


def reports(folder: Path) -> Path:
    """Return outputs with reports; a third visit is expected and never came."""
    study, out, protocol = folder / "study", folder / "out", folder / "protocol.toml"
    protocol.parent.mkdir(parents=True, exist_ok=True)
    protocol.write_text(PROTOCOL)
    if not (out / "visits.tsv").exists():
        measured(["simulate", str(study), "--participants", "6", "--size", "full"])
        measured(["fit", str(study), "-o", str(out), "--protocol", str(protocol)])
    measured(["report", str(out), "--protocol", str(protocol)])
    return out


def shot(browser: Any, page: Path, size: tuple[int, int], place: str = "") -> bytes:
    """Return what a window of some size shows of a page, from a place on."""
    import pages as tools

    tools.show_at(browser, size)
    browser.get(page.resolve().as_uri())
    if place:
        browser.execute_script("document.getElementById(arguments[0]).scrollIntoView()", place)
    return bytes(browser.get_screenshot_as_png())


def review(out: Path) -> None:
    """Keep pictures of the review page with a visit open in three planes."""
    import pages as tools

    from t2disc.qc.review import serve_review
    from t2disc.study import StudyDesk

    with serve_review(StudyDesk(out)) as running, tools.chromium(words=tools.SOFT_WEBGL) as browser:
        browser.get(running.address)
        for name, size in (("review", tools.DESKTOP), ("review_phone", tools.PHONE)):
            tools.show_at(browser, size)
            browser.get(f"http://127.0.0.1:{running.port}/read/sub-P001")
            keep(name, opened(browser))


def opened(browser: Any) -> bytes:
    """Open the first visit of the page that is shown; return what is seen."""
    from selenium.webdriver import ActionChains
    from selenium.webdriver.support.wait import WebDriverWait

    browser.execute_script("document.querySelector('button.open-visit').click()")
    state = browser.find_element("id", "planes-state")
    WebDriverWait(browser, 120).until(lambda _: "Loading" not in state.text and "Choose" not in state.text)
    browser.execute_script("document.getElementById('planes').scrollIntoView()")
    canvas = browser.find_element("css selector", "#planes-stage canvas")
    ActionChains(browser).move_to_element(canvas).pause(1).perform()
    return bytes(browser.get_screenshot_as_png())


def keep(name: str, content: bytes) -> None:
    """Write a picture; with few colours where all of them take too much room."""
    from PIL import Image

    picture, stream = Image.open(io.BytesIO(content)).convert("RGB"), io.BytesIO()
    picture.save(stream, "PNG", optimize=True)
    if stream.tell() > MOST_BYTES:
        stream = io.BytesIO()
        few = picture.quantize(N_COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        few.save(stream, "PNG", optimize=True)
    if stream.tell() > MOST_BYTES:
        sys.exit(f"{name}: {stream.tell()} bytes, more than {MOST_BYTES}")
    (IMAGES / f"{name}.png").write_bytes(stream.getvalue())
    print(f"{name}.png  {picture.width} x {picture.height}, {stream.tell() / 1000:.0f} kB")


if __name__ == "__main__":
    main()
