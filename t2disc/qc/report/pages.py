"""Pages from what was gathered: templates that escape every word, everything they need inside the one file."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

from t2disc.model.report import IndexPage, ParticipantPage, Picture

if TYPE_CHECKING:
    from jinja2 import Environment


def render_participant(page: ParticipantPage) -> str:
    """Return the report of one participant as one HTML file; it asks for nothing from anywhere."""
    return _environment().get_template("participant.html").render(page=page)


def render_index(page: IndexPage) -> str:
    """Return the index of a study as one HTML file."""
    return _environment().get_template("index.html").render(page=page)


def _layers(page: ParticipantPage) -> Iterator[tuple[str, Picture]]:
    """Yield each picture of slices once, with the layers that show it, as a style sheet selects them."""
    shown: dict[bytes, tuple[list[str], Picture]] = {}
    for figure in (figure for section in page.sections for figure in section.figures):
        for place, strip in enumerate(figure.strips):
            selectors, _ = shown.setdefault(strip.picture.content, ([], strip.picture))
            selectors.append(f"#{figure.name} .layer-{place}")
    yield from ((", ".join(selectors), picture) for selectors, picture in shown.values())


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return page_environment()


def page_environment(*rooms: str) -> Environment:
    """Return the templates of the reports, and of further rooms that build on them; every word is escaped."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    loader = ChoiceLoader([PackageLoader(room) for room in (*rooms, "t2disc.qc.report")])
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["address"] = _address
    environment.filters["layers"] = _layers
    environment.globals["style"] = _asset("style.css")
    environment.globals["script"] = _asset("report.js")
    environment.globals["index_script"] = _asset("index.js")
    return environment


def _asset(name: str) -> str:
    return files("t2disc.qc.report").joinpath("templates", name).read_text(encoding="utf-8")


def _address(picture: Picture) -> str:
    """Return a picture as an address that holds it."""
    return f"data:{picture.media_type};base64,{base64.b64encode(picture.content).decode('ascii')}"
