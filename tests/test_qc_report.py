"""Reports: whole in one file, every word escaped, nothing asked for from outside, the numbers those of the record."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from t2disc.errors import ArgumentInvalid
from t2disc.model import DiscLabels, DiscMatch, NoiseEstimate, T2Map, VisitMatch
from t2disc.model.report import (
    IndexPage,
    IndexRow,
    ParticipantPage,
    Picture,
    ReportFigure,
    ReportSection,
    ReportTable,
    SliceStrip,
)
from t2disc.qc.report import (
    followup_strips,
    own_strips,
    reading_guide,
    render_index,
    render_participant,
    still,
    thumbnail,
)
from tests.pages import html_errors

VOID = {"meta", "input", "img", "br", "link"}
SCRIPT = "<script>alert('x')</script>"


class Visit:
    """A visit with two discs: T2 of 100 ms in one, 50 ms in the other, one voxel without."""

    def __init__(self, shift: int = 0) -> None:
        shape, affine = (8, 60, 70), np.diag([4.0, 1.0, 1.0, 1.0])
        discs, regions = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
        t2_ms, flag = np.full(shape, 80.0, np.float32), np.zeros(shape, np.uint8)
        for level, low, value in (("L4/L5", 20, 100.0), ("L3/L4", 40, 50.0)):
            where = np.s_[2:6, 20 + shift : 45 + shift, low : low + 9]
            discs[where], regions[where], t2_ms[where] = DiscLabels.value_of(level), 2, value
            regions[2:6, 27 + shift : 38 + shift, low : low + 9] = 1
        t2_ms[3, 30 + shift, 24], flag[3, 30 + shift, 24] = np.nan, 4
        self.discs = DiscLabels(discs=discs, regions=regions, levels=("L3/L4", "L4/L5"), affine=affine)
        self.t2map = T2Map(
            t2_ms=t2_ms,
            s0=np.where(np.isfinite(t2_ms), 1000.0, np.nan),
            t2_se_ms=t2_ms / 50,
            flag=flag,
            affine=affine,
            echo_times_ms=np.arange(10.0, 90.0, 10.0),
            model="mono",
            noise=NoiseEstimate(sigma=5.0, method="background"),
        )


def match_of(shift_mm: float) -> VisitMatch:
    motion = np.eye(4)
    motion[1, 3] = shift_mm
    disc = {"motion": motion, "correlation": 0.9, "inverse_mm": 0.1, "through_plane_mm": 0.0}
    discs = tuple(DiscMatch(level=level, **disc) for level in ("L3/L4", "L4/L5"))
    return VisitMatch(motion=motion, correlation=0.9, discs=discs)


def pixels(strip: SliceStrip) -> np.ndarray:
    """The slices of a strip, ``(n, rows, columns, 3)``."""
    whole = np.asarray(Image.open(io.BytesIO(strip.picture.content))).astype(int)
    return whole.reshape(len(strip.captions), strip.height_px, strip.width_px, 3)


def page_of(**changes: object) -> ParticipantPage:
    strips = own_strips(Visit(), "ses-1")
    figure = ReportFigure(name="visit-1", title="T2", strips=strips, levels=("L3/L4", "L4/L5"))
    still = ReportFigure(name="still", title="Still", picture=strips[0].picture)
    table = ReportTable(title="Discs", columns=("level", "T2 (ms)"), rows=(("L4/L5", "100.0"), ("L3/L4", "n/a")))
    section = ReportSection(name="one", title="Visit", figures=(figure, still), tables=(table,))
    facts = {"participant_id": "sub-1", "summary": ("measured",), "sections": (section,), "version": "0.1.0"}
    return ParticipantPage(**facts | changes)


class Checker(HTMLParser):
    """Remembers what is opened and never closed, identities, and every address."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.unlabelled: list[str] = []

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        if tag not in VOID:
            self.open.append(tag)
        if "id" in named:
            self.ids.append(named["id"])
        self.addresses += [named[name] for name in ("src", "href", "action") if named.get(name)]
        if tag == "img" and not named.get("alt"):
            self.unlabelled.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def checked(html: str) -> Checker:
    checker = Checker()
    checker.feed(html)
    assert not checker.open
    assert len(set(checker.ids)) == len(checker.ids)
    assert not checker.unlabelled
    return checker


# ------------------------------------------------------------------------------------------------ pages
def test_a_page_is_whole_names_nothing_twice_and_asks_for_nothing_from_outside():
    html = render_participant(page_of())
    checker = checked(html)
    assert all(address.startswith(("data:image/", "#")) for address in checker.addresses)
    words = re.sub(r"base64,[A-Za-z0-9+/=]*", "base64,", html)  # among which two strokes and a letter may stand
    assert not re.search(r"https?:|//[a-z]|url\((?!\"data:)|@import", words)
    assert "default-src 'none'" in html
    assert {"one", "visit-1", "still"} <= set(checker.ids)


def test_a_strict_parser_has_nothing_against_a_page():
    pytest.importorskip("html5lib", reason="html5lib is not installed")
    row = {"participant_id": SCRIPT, "session_id": "ses-1", "status": "done", "grade": "optimal", "review": ""}
    facts = {"n_discs": "5", "index_t2": "60.0", "index_change": "", "report": "sub-1/sub-1_report.html"}
    figure = page_of().sections[0].figures[1]
    index = IndexPage(rows=(IndexRow(**row, **facts, thumbnail=thumbnail(Visit())),), figures=(figure,))
    for html in (render_participant(page_of()), render_index(index)):
        assert html_errors(html) == []
        assert html_errors(html.replace("</main>", "</section>", 1)), "the test would see it"


def test_slices_that_two_figures_show_are_in_the_page_once():
    figure = page_of().sections[0].figures[0]
    section = ReportSection(name="two", title="Again", figures=(replace(figure, name="again"),))
    html = render_participant(page_of(sections=(page_of().sections[0], section)))
    layer = base64.b64encode(figure.strips[1].picture.content).decode()
    assert html.count(layer) == 1
    assert "#visit-1 .layer-1, #again .layer-1 {" in html


def test_the_guide_stands_beside_the_slices_and_its_pictures_are_small():
    guide = reading_guide()
    assert [example.title for example in guide.examples] == ["Good", "Bad"]
    assert sum(len(example.picture.content) for example in guide.examples) < 60_000
    good, bad = (np.asarray(Image.open(io.BytesIO(e.picture.content))).astype(int) for e in guide.examples)
    assert np.ptp(good, axis=-1).max() > 60, "T2 is in colour"
    yellow = np.abs(bad - (250, 230, 40)).max(axis=-1) < 40
    assert yellow.sum() > 100, "the bright rim"
    assert not (np.abs(good - (250, 230, 40)).max(axis=-1) < 40).any()
    figure = replace(page_of().sections[0].figures[0], guide=guide)
    html = render_participant(page_of(sections=(ReportSection(name="s", title="S", figures=(figure,)),)))
    assert html.count('class="example"') == 2
    assert html_errors(html) == []


def test_a_chart_becomes_a_picture_of_few_colours_and_anatomy_a_jpeg():
    chart, dark = Figure(figsize=(4, 3)), Figure(figsize=(4, 3), facecolor="black")
    chart.subplots().plot([0, 1], [0, 1])
    one, two = still(chart, "a line"), still(dark, "dark")
    assert (one.media_type, two.media_type) == ("image/png", "image/jpeg")
    picture = Image.open(io.BytesIO(one.content))
    assert picture.mode == "P"
    assert picture.size == (440, 330)
    assert one.content == still(chart, "a line").content
    assert picture.info.keys() <= {"transparency"}


def test_every_word_is_shown_as_text():
    table = ReportTable(title=SCRIPT, columns=(SCRIPT,), rows=((SCRIPT,),), note=SCRIPT)
    figure = ReportFigure(name="f", title=SCRIPT, caption=SCRIPT, strips=own_strips(Visit(), SCRIPT))
    section = ReportSection(name="s", title=SCRIPT, text=SCRIPT, tables=(table,), figures=(figure,))
    html = render_participant(page_of(sections=(section,), summary=(SCRIPT,), command=SCRIPT, version=SCRIPT))
    assert html.count("<script>") == 1  # the page's own
    assert "alert('x')" not in html
    row = IndexRow(**dict.fromkeys(IndexRow.__slots__, SCRIPT) | {"report": "sub-1/x.html", "thumbnail": None})
    assert render_index(IndexPage(rows=(row,), command=SCRIPT)).count("<script>") == 1


def test_the_same_data_give_the_same_page():
    assert render_participant(page_of()) == render_participant(page_of())


def test_an_index_links_the_reports_and_shows_what_is_missing_as_missing():
    facts = {"participant_id": "sub-1", "status": "done", "grade": "optimal", "review": "", "n_discs": "5"}
    row = IndexRow(
        session_id="ses-1",
        index_t2="55.2",
        index_change="",
        report="sub-1/sub-1_report.html",
        thumbnail=thumbnail(Visit()),
        **facts,
    )
    html = render_index(IndexPage(rows=(row,)))
    checker = checked(html)
    assert "sub-1/sub-1_report.html" in checker.addresses
    assert "55.2" in html


@pytest.mark.parametrize("cells", [("L4/L5",), ("L4/L5", "1", "2")])
def test_a_row_of_another_length_is_refused(cells):
    with pytest.raises(ArgumentInvalid):
        ReportTable(title="t", columns=("level", "T2 (ms)"), rows=(cells,))


def test_a_figure_has_strips_of_one_size_or_one_picture():
    strips = own_strips(Visit(), "a")
    picture = Picture(content=b"", media_type="image/png", alternative="x")
    with pytest.raises(ArgumentInvalid):
        ReportFigure(name="f", title="t")
    with pytest.raises(ArgumentInvalid):
        ReportFigure(name="f", title="t", strips=strips, picture=picture)


# ------------------------------------------------------------------------------------------------ slices
def test_strips_show_every_slice_with_a_disc_once_and_say_where_it_lies():
    anatomy, t2 = own_strips(Visit(), "ses-1")
    assert (anatomy.name, t2.name) == ("anatomy at ses-1", "T2 at ses-1")
    assert len(t2.captions) == 4
    assert t2.captions[0].startswith("slice 6 of 8, R 20 mm")  # from the patient's right to left
    assert pixels(t2).shape == (4, t2.height_px, t2.width_px, 3)


def test_colour_is_t2_on_the_scale_of_every_report_and_grey_where_there_is_none():
    anatomy, t2 = (pixels(strip) for strip in own_strips(Visit(), "ses-1"))
    assert np.ptp(anatomy[0], axis=-1).max() <= 3  # grey, but for the coder's rounding
    coloured = np.ptp(t2[0], axis=-1) > 40
    viridis = np.array([[33, 144, 140], [58, 82, 139]])  # at 100 and at 50 of 200 ms
    found = t2[0][coloured]
    for colour in viridis:
        assert (np.abs(found - colour).max(axis=1) < 12).sum() > 1000


def test_a_follow_up_that_only_moved_lies_where_the_baseline_does():
    before, after = Visit(), Visit(shift=4)
    own = pixels(own_strips(before, "a")[1])
    carried = pixels(followup_strips(before, after, match_of(4.0), "b")[1])
    unmoved = pixels(followup_strips(before, after, match_of(0.0), "b")[1])
    coloured = np.ptp(own, axis=-1) > 40
    assert np.abs(own - carried)[coloured].mean() < 0.2 * np.abs(own - unmoved)[coloured].mean()


def with_fluid(visit: Visit) -> np.ndarray:
    """Make a column behind the discs fluid without a T2; return the first echo, in which it is bright."""
    t2_ms, flag = visit.t2map.t2_ms.copy(), visit.t2map.flag.copy()
    t2_ms[:, 5:12], flag[:, 5:12] = np.nan, 4
    visit.t2map = replace(visit.t2map, t2_ms=t2_ms, flag=flag, s0=np.where(np.isfinite(t2_ms), 1000.0, np.nan))
    echo = np.full(t2_ms.shape, 600.0, np.float32)
    echo[:, 5:12], echo[:, 50:] = 1000.0, 200.0
    return echo


def test_fluid_is_bright_where_the_first_echo_is_shown_and_black_where_grey_is_made_of_t2():
    visit = Visit()
    echo = with_fluid(visit)
    made, shown = (pixels(own_strips(visit, "a", grey=grey)[0])[1] for grey in (None, echo))
    wide = made.shape[1]
    fluid = np.s_[100:140, round(0.84 * wide) : round(0.9 * wide)]
    assert made[fluid].max() < 20
    assert shown[fluid].min() > 235
    small = np.asarray(Image.open(io.BytesIO(thumbnail(visit, echo).content)))
    wide = small.shape[1]
    assert small[20:30, round(0.84 * wide) : round(0.9 * wide)].min() > 200


def test_a_scanner_that_amplifies_more_at_the_follow_up_is_no_change_of_grey():
    before, after = Visit(), Visit(shift=4)
    echo = with_fluid(before)
    echo += np.random.default_rng(3).normal(0, 5, echo.shape).astype(np.float32)
    moved = np.roll(echo, 4, axis=1) * np.float32(2.5)
    own = pixels(own_strips(before, "a", grey=echo)[0])
    carried = pixels(followup_strips(before, after, match_of(4.0), "b", greys=(echo, moved))[0])
    inside = np.s_[:, 20:-20, 40:-20]
    assert np.abs(own - carried)[inside].mean() < 4


def test_every_disc_has_its_name_in_front_of_it_and_the_treated_one_is_marked_only_when_asked():
    visit = Visit()
    picture = pixels(own_strips(visit, "a")[0])[0]
    white = (picture > 245).all(axis=-1)
    px_per_mm = 460 / (33 + 2 * 16)  # discs and the margins about them, mm
    for low, high in ((16, 26), (36, 50)):  # the upper and the lower disc, mm from the top
        rows = slice(round(low * px_per_mm), round(high * px_per_mm))
        assert white[rows, : round(20 * px_per_mm)].sum() > 60, "letters left of the disc"
    marked = own_strips(visit, "a", index_level="L4/L5")
    plain = own_strips(visit, "a")
    changed = np.abs(pixels(marked[0])[0] - pixels(plain[0])[0]).max(axis=-1) > 60
    assert changed.any()
    assert not changed[: 460 // 2].any(), "the other disc is named as before"
    assert own_strips(visit, "a", index_level="T12/L1") == plain


def test_a_bar_in_the_corner_is_10_mm_long():
    picture = pixels(own_strips(Visit(), "a")[0])[0]
    white = (picture > 240).all(axis=-1)[-20:, :200]
    rows = np.flatnonzero(white.sum(axis=1) > 20)
    px_per_mm = picture.shape[0] / (29 + 2 * 16)
    assert rows.size == 3
    assert white[rows].sum(axis=1) == pytest.approx(10 * px_per_mm, abs=2)


def test_pictures_hold_nothing_but_the_picture():
    content = own_strips(Visit(), "ses-1")[0].picture.content
    assert Image.open(io.BytesIO(content)).info.keys() <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert base64.b64encode(content).decode() in render_participant(page_of())


def test_a_visit_without_discs_shows_its_slices():
    visit = Visit()
    nothing = np.zeros_like(visit.discs.discs)
    visit.discs = DiscLabels(discs=nothing, regions=nothing, levels=(), affine=visit.discs.affine)
    assert len(own_strips(visit, "ses-1")[0].captions) == 8
