"""The pages of a review: the reports' own, with a way from one to the next, a viewer, and ratings that are kept."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from t2disc.model.report import ParticipantPage
from t2disc.qc.ratings import Disagreement
from t2disc.qc.report.pages import page_environment
from t2disc.qc.review.desk import VOLUMES, ViewedVisit

if TYPE_CHECKING:
    from jinja2 import Environment

_HOMES = {"report.js": "t2disc.qc.report"}  # of scripts that are not this room's own


def render_list(title: str, subjects: Sequence[str], with_differences: bool) -> str:
    """Return the page of everything there is to read."""
    template = _environment().get_template("list.html")
    return template.render(title=title, subjects=subjects, with_differences=with_differences)


def render_review(
    page: ParticipantPage, *, visits: Sequence[ViewedVisit], before: str, after: str, has_viewer: bool
) -> str:
    """Return the page of one subject: its report, with everything that a server adds.

    Parameters
    ----------
    page
        What its report shows.
    visits
        Visits that can be opened in three planes.
    before, after
        Neighbours in the order of reading; empty at the ends.
    has_viewer
        Whether NiiVue is installed; the page says so where it is not.
    """
    facts = {"subject": page.participant_id, "volumes": VOLUMES, "visits": [_facts(visit) for visit in visits]}
    template = _environment().get_template("review.html")
    return template.render(page=page, facts=facts, before=before, after=after, has_viewer=has_viewer)


def render_differences(title: str, differences: Sequence[Disagreement]) -> str:
    """Return the page of what readers differ on."""
    return _environment().get_template("differences.html").render(title=title, differences=differences)


def render_message(words: str) -> str:
    """Return a page of one sentence; it needs no template, for it also stands where all else was refused."""
    text = escape(words)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>t2disc</title></head><p>{text}</p></html>'
    )


def script(name: str) -> bytes:
    """Return one of the scripts of the pages."""
    return files(_HOMES.get(name, "t2disc.qc.review")).joinpath("templates", name).read_bytes()


def _facts(visit: ViewedVisit) -> dict[str, object]:
    levels = [{"name": name, "value": value, "colour": colour} for name, value, colour in visit.levels]
    return {"name": visit.name, "levels": levels}


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return page_environment("t2disc.qc.review")
