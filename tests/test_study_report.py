"""Reports of a study from its outputs alone: whose pages there are, what they say, what they never hold."""

from __future__ import annotations

import base64
import io
import math
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from matplotlib.figure import Figure
from PIL import Image
from studies import broken_visit, small_study, sound_visit, tree
from test_qc_report import checked

from t2disc.batch import RunSettings, run_study
from t2disc.cli import main
from t2disc.errors import NoVisits, OutputsDamaged, ParticipantsInvalid, StudyNotFound
from t2disc.model import MatchCode
from t2disc.model.checks import GRADES
from t2disc.model.protocol import FitSettings, Protocol, RepeatabilitySettings, StudySettings
from t2disc.store import picture_bytes
from t2disc.store.figures import TITLE_IN
from t2disc.study import draw_plot, expected_visits, find_visits, plot_title, read_key, read_protocol, write_reports
from t2disc.study.pseudonym import KEY_VARIABLE, pseudonym
from t2disc.study.report.gather import gather, in_order, read_maps
from t2disc.study.report.index import index_rows
from t2disc.study.report.made import fit_line
from t2disc.study.report.words import OTHER_GRADES, number

CANARY = "CANARY<b>"
KEPT = """
SOPClassUID SOPInstanceUID StudyInstanceUID SeriesInstanceUID FrameOfReferenceUID Modality ImageType MRAcquisitionType
PhotometricInterpretation ScanningSequence SequenceVariant PatientID StudyDate AcquisitionDate SpecificCharacterSet
Manufacturer ManufacturerModelName SoftwareVersions ReceiveCoilName
"""  # elements that decide what a file is and whose it is, and those that outputs may name (SECURITY.md)
TEXT = {"PN", "LO", "SH", "ST", "LT", "UT", "CS", "UC"}


def marked(folder: Path) -> None:
    """Put the canary into every free text element of every file below a folder, present or usual."""
    for path in folder.rglob("scan/*"):
        ds = pydicom.dcmread(path)
        for element in ds:
            if element.VR in TEXT and element.keyword not in KEPT.split():
                element.value = CANARY.upper()[:16] if element.VR == "CS" else CANARY
        ds.PatientName, ds.InstitutionName, ds.SeriesDescription, ds.ProtocolName = (CANARY,) * 4
        ds.ReferringPhysicianName, ds.StudyDescription, ds.ImageComments = (CANARY,) * 3
        ds.save_as(path)


def measure(study: Path, out: Path, **fit: object) -> Path:
    protocol = Protocol(fit=FitSettings(**fit))
    settings = RunSettings(
        out=out, protocol=protocol, labels_dir=study / "labels", corrections_dir=study / "corrections"
    )
    ignore = (out, study / "labels")
    run_study(find_visits(study, protocol, ignore=ignore, key=None), settings)
    return out


@pytest.fixture(scope="module")
def out(tmp_path_factory) -> Path:
    study = small_study(tmp_path_factory.mktemp("reports") / "study")
    marked(study)
    broken_visit(study / "P1" / "month24")
    return measure(study, study.parent / "out", compare=("rician",))


def test_there_is_a_page_for_each_participant_and_an_index_of_all_visits(out):
    pages = [path.as_posix() for path in write_reports(out)]
    assert pages == ["sub-P1/sub-P1_report.html", "index.html"]
    html = (out / pages[0]).read_text()
    checker = checked(html)
    assert {"visit-baseline-slices", "change-month12-slices", "change-month12-intervals"} <= set(checker.ids)
    assert "60.0" in html  # T2 of the factory's slices
    assert "quarantined [slice-missing]" in html
    assert "T2 by signal model" in html
    assert "rician" in html
    index = checked((out / "index.html").read_text())
    assert index.addresses.count("sub-P1/sub-P1_report.html") == 3
    assert (out / pages[0]).stat().st_size < 3e6


def test_nothing_of_a_header_reaches_a_page(out):
    write_reports(out)
    for name, content in tree(out).items():
        assert b"CANARY" not in content, name


def test_a_page_asks_for_nothing_from_outside(out):
    write_reports(out)
    for page in (out / "index.html", out / "sub-P1" / "sub-P1_report.html"):
        html = page.read_text()
        assert not re.search(r"https?://|url\((?!\"data:)", html)


def test_reports_written_again_are_the_same_and_a_map_that_is_lost_is_told(out, tmp_path):
    copy = tmp_path / "out"
    shutil.copytree(out, copy)
    write_reports(copy)
    before = tree(copy)
    write_reports(copy)
    assert tree(copy) == before
    (copy / "sub-P1/ses-baseline/anat/sub-P1_ses-baseline_T2map.nii.gz").write_bytes(b"")
    write_reports(copy)
    assert "its maps cannot be read back" in (copy / "sub-P1" / "sub-P1_report.html").read_text()


def test_grades_and_open_checks_stand_in_the_pages_where_the_protocol_expects_anything(out, tmp_path):
    copy = tmp_path / "out"
    shutil.copytree(out, copy)
    (tmp_path / "p.toml").write_text("[checks.scan]\nfield_strength_t = { expected = 7.0 }\n")
    write_reports(copy, read_protocol(tmp_path / "p.toml"))
    html = (copy / "sub-P1" / "sub-P1_report.html").read_text()
    assert "Checks at ses-baseline: " in html
    assert "scan.field_strength_t" in html
    word = html.split("<caption>Checks at ses-baseline: ")[1].split("<")[0]
    assert word in GRADES
    assert word != "optimal", "no scan of 7 T is among them"
    assert (copy / "index.html").read_text().count(f">{word}</td>") >= 2
    assert OTHER_GRADES in html, "the outputs hold none"
    write_reports(copy)
    assert "Checks at" not in (copy / "sub-P1" / "sub-P1_report.html").read_text()
    assert OTHER_GRADES not in (copy / "sub-P1" / "sub-P1_report.html").read_text()
    assert (copy / "index.html").read_text().count(f">{word}</td>") <= 1  # the refused visit is graded anyhow


# ------------------------------------------------------------------------------------------------ grades
FIELD = "[checks.scan]\nfield_strength_t = { expected = 7.0 }\n"
HARMLESS = '[checks.scan]\nfield_strength_t = { expected = 7.0, severity = "minor" }\n'


@pytest.fixture(scope="module")
def judged(out, tmp_path_factory) -> Path:
    """Outputs whose tables hold grades: every visit is non-evaluable, for no scan is of 7 T."""
    copy = tmp_path_factory.mktemp("judged") / "out"
    shutil.copytree(out, copy)
    for table, heading, row in (
        ("visits", "grade", lambda cells: "non-evaluable"),
        ("visits", "grade_reasons", lambda cells: "field_strength_t deviates (major); n_echoes deviates (minor)"),
    ):
        lines = (copy / f"{table}.tsv").read_text().splitlines()
        place = lines[0].split("\t").index(heading)
        rows = [line.split("\t") for line in lines[1:]]
        written = [[*cells[:place], row(cells), *cells[place + 1 :]] for cells in rows]
        (copy / f"{table}.tsv").write_text("\n".join([lines[0], *map("\t".join, written)]) + "\n")
    heads = (copy / "checks.tsv").read_text().splitlines()[0]
    checks = "".join(
        f"sub-P1\tses-{visit}\tn/a\tn/a\tscan\tfield_strength_t\tmajor\tdeviation\t7 T\t3 T\n"
        for visit in ("baseline", "month12")
    )
    (copy / "checks.tsv").write_text(f"{heads}\n{checks}")
    return copy


def test_without_a_protocol_grades_and_checks_are_those_of_the_outputs(judged, tmp_path):
    copy = tmp_path / "out"
    shutil.copytree(judged, copy)
    write_reports(copy)
    html, index = (copy / "sub-P1/sub-P1_report.html").read_text(), (copy / "index.html").read_text()
    assert "Checks at ses-baseline: non-evaluable" in html
    assert OTHER_GRADES not in html + index
    assert index.count(">non-evaluable</td>") == 3
    write_reports(copy, Protocol())
    assert (copy / "index.html").read_text() == index, "a protocol that asks nothing of visits gives no grade"
    (tmp_path / "p.toml").write_text(HARMLESS)
    write_reports(copy, read_protocol(tmp_path / "p.toml"))
    for page in (copy / "sub-P1/sub-P1_report.html", copy / "index.html"):
        assert OTHER_GRADES in page.read_text()


def test_without_a_protocol_controls_bands_and_planned_visits_are_those_of_the_tables(tmp_path):
    study, out = small_study(tmp_path / "study"), tmp_path / "out"
    protocol = Protocol(
        study=StudySettings(control_levels=("L1/L2",), visit_order=("baseline", "month12", "month36")),
        repeatability=RepeatabilitySettings(rc_pct={"NP": 7.5}),
    )
    settings = RunSettings(out=out, protocol=protocol, labels_dir=study / "labels")
    run_study(find_visits(study, protocol, ignore=(out, study / "labels")), settings)
    write_reports(out, protocol)
    given = {path.name: path.read_text() for path in out.rglob("*.html")}
    assert "7.5" in given["sub-P1_report.html"]
    assert "ses-month36: not done" in given["sub-P1_report.html"]
    write_reports(out)
    assert {path.name: path.read_text() for path in out.rglob("*.html")} == given
    write_reports(out, Protocol())
    assert {path.name: path.read_text() for path in out.rglob("*.html")} != given
    manifest = out / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"L1/L2"', '"L9/L2"'))
    with pytest.raises(OutputsDamaged):
        write_reports(out)


@pytest.mark.parametrize(
    ("table", "old", "new"),
    [("visits", "non-evaluable", "splendid"), ("checks", "deviation", "whatever"), ("checks", "severity", "s")],
)
def test_a_table_that_was_changed_into_something_else_is_told(judged, tmp_path, table, old, new):
    copy = tmp_path / "out"
    shutil.copytree(judged, copy)
    (copy / f"{table}.tsv").write_text((copy / f"{table}.tsv").read_text().replace(old, new))
    with pytest.raises(OutputsDamaged, match=f"{table}.tsv"):
        write_reports(copy)


def test_outputs_without_tables_have_pages_without_grades(out, tmp_path):
    copy = tmp_path / "out"
    shutil.copytree(out, copy)
    for name in ("visits.tsv", "checks.tsv"):
        (copy / name).unlink()
    write_reports(copy)
    assert "quarantined [slice-missing]; non-evaluable" in (copy / "sub-P1/sub-P1_report.html").read_text()


def test_why_a_visit_is_non_evaluable_stands_in_its_row_and_at_the_top_of_its_page(judged, tmp_path):
    copy = tmp_path / "out"
    shutil.copytree(judged, copy)
    write_reports(copy)
    reasons = "field_strength_t deviates (major); n_echoes deviates (minor)"
    rows = re.findall(r"<tr data-grade.*?</tr>", (copy / "index.html").read_text(), re.DOTALL)
    assert all(reasons in row for row in rows)
    top = (copy / "sub-P1/sub-P1_report.html").read_text().split("</ul>")[0]
    assert f"non-evaluable ({reasons})" in top
    assert "ses-month12 since ses-baseline" in top
    assert "ses-baseline and ses-month12 are non-evaluable" in top


def test_what_speaks_against_a_match_stands_in_the_row_of_the_later_visit(out):
    (participant,) = gather(out).participants
    (pair,) = participant.pairs
    facts = replace(pair.matches[0], codes=(MatchCode.POOR_FIT,))
    doubtful = replace(participant, pairs=(replace(pair, matches=(facts, *pair.matches[1:])),))
    by_visit = {row.session_id: row for row in index_rows(doubtful, {})}
    assert MatchCode.POOR_FIT.value in by_visit["ses-month12"].review
    assert MatchCode.POOR_FIT.value not in by_visit["ses-baseline"].review
    failed = replace(participant, pairs=(replace(pair, code="levels-slipped"),))
    assert "levels-slipped" in index_rows(failed, {})[1].review


def test_grey_is_the_first_echo_where_every_visit_has_one_and_made_of_t2_else(out, tmp_path):
    copy = tmp_path / "out"
    shutil.copytree(out, copy)
    write_reports(copy)
    whole = (copy / "sub-P1/sub-P1_report.html").read_text()
    assert whole.count("grey is the first echo.") == 2
    assert "Grey is the first echo." in whole
    (echo,) = (copy / "sub-P1/ses-month12/anat").glob("*_echo-1_*.nii.gz")
    for damage in (lambda: echo.write_bytes(b""), echo.unlink):
        damage()
        write_reports(copy)
        html = (copy / "sub-P1/sub-P1_report.html").read_text()
        assert html.count("grey is made from S0 and T2") == 2, "the baseline too: grey in one way"
        assert "rey is the first echo" not in html
    (participant,) = gather(copy).participants
    assert [visit.echo for visit in read_maps(copy, participant).values()] == [None, None]


# ------------------------------------------------------------------------------------------------ words
def footer(html: str) -> str:
    return re.sub(r"<.*?>", "", html.split("<footer>")[1]).replace("&amp;", "&")


def test_the_foot_of_a_page_claims_no_more_than_the_records_tell(out, judged, tmp_path):
    for source, told in ((out, ""), (judged, " --protocol PROTOCOL")):
        copy = tmp_path / source.name / told.strip()
        shutil.copytree(source, copy)
        write_reports(copy, command="t2disc report OUT")
        models = "--models mono,rician"
        for page in (copy / "index.html", copy / "sub-P1/sub-P1_report.html"):
            line = f"t2disc fit STUDY -o OUT --labels LABELS {models}{told} && t2disc report OUT"
            assert line in footer(page.read_text())
            assert "in general form" in footer(page.read_text())
    gathered = gather(out)
    (one,) = gathered.participants
    rows = [
        replace(
            row, record=replace(row.record, model_sensitivity=(), labels=replace(row.record.labels, kind="automatic"))
        )
        for row in one.visits
    ]
    assert fit_line(replace(gathered, participants=(replace(one, visits=tuple(rows)),))) == "t2disc fit STUDY -o OUT"


def test_numbers_have_no_sign_before_0_and_what_is_missing_is_na():
    assert number(-0.04, 1) == number(0.0004, 3, sign=True)[:3] == "0.0"
    assert number(0.0004, 3, sign=True) == "0.000"
    assert number(-0.06, 1) == "-0.1"
    assert number(math.nan, 1) == "n/a"


def test_the_table_of_changes_tells_repeatability_and_voxels(placed):
    html = (placed / "OUT/sub-P1/sub-P1_report.html").read_text()
    table = html.split("<caption>Change of median T2</caption>")[1].split("</table>")[0]
    heads = re.findall(r"<th .*?>(.*?)</th>", table)
    cells = dict(zip(heads, re.findall(r"<td>(.*?)</td>", table), strict=False))
    assert cells["exceeds it"] == "no"
    assert float(cells["repeatability (%)"]) > 0
    assert int(cells["voxels at baseline"]) > 100
    assert int(cells["at follow-up"]) > 100
    assert "<td>-</td>" not in html
    assert "Interval: of the change, for noise" in html


def test_checks_that_all_passed_are_a_sentence_and_no_table_of_headings(out, tmp_path):
    (tmp_path / "p.toml").write_text("[checks.scan]\nfield_strength_t = { expected = 3.0, tolerance = 9.0 }\n")
    copy = tmp_path / "out"
    shutil.copytree(out, copy)
    write_reports(copy, read_protocol(tmp_path / "p.toml"))
    html = (copy / "sub-P1" / "sub-P1_report.html").read_text()
    assert "Checks at ses-baseline" not in html
    assert "1 of 1 checks passed: optimal." in html


def test_a_folder_without_outputs_is_refused(tmp_path):
    with pytest.raises(StudyNotFound):
        write_reports(tmp_path)


# ------------------------------------------------------------------------------------------------ plots by name
def commands_of(html: str) -> list[str]:
    """The lines below the figures of a page."""
    return re.findall(r"Again: <code>(.*?)</code>", html)


@pytest.fixture(scope="module")
def placed(out, tmp_path_factory) -> Path:
    """A folder in which the outputs are called OUT, as the lines below figures say, with their reports."""
    folder = tmp_path_factory.mktemp("lines")
    shutil.copytree(out, folder / "OUT")
    write_reports(folder / "OUT")
    return folder


def test_every_line_below_a_figure_runs_as_it_stands_and_makes_that_figure(placed, monkeypatch):
    monkeypatch.chdir(placed)
    html = (placed / "OUT/sub-P1/sub-P1_report.html").read_text()
    blocks = re.findall(r'<figure id="(.*?)".*?</figure>', html, re.DOTALL)
    lines = commands_of(html)
    assert len(lines) == len(blocks), "every figure has its line"
    assert sum("quality" in line for line in lines) == 2
    pattern = r'<div class="still".*?src="data:image/\w+;base64,(.*?)".*?Again: <code>(.*?)</code>'
    pictures = re.findall(pattern, html, re.DOTALL)
    for picture, line in pictures:
        words = line.split()
        with pytest.raises(SystemExit) as stop:
            main(words[1:])
        assert stop.value.code == 0, line
        shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")).astype(float)
        drawn = np.asarray(Image.open(words[words.index("-o") + 1]).convert("RGB")).astype(float)
        title_px = round(110 * TITLE_IN)
        assert shown.shape == drawn[title_px:].shape, line
        assert np.abs(shown - drawn[title_px:]).mean() < 4, line
    assert len(pictures) >= 7


def test_no_page_tells_where_the_study_lies(placed):
    for page in (placed / "OUT").rglob("*.html"):
        assert str(placed) not in page.read_text()
        assert "/tmp" not in page.read_text()


def test_changes_in_a_report_have_the_band_of_repeatability(out):
    (participant,) = gather(out).participants
    changes = participant.changes_of(participant.pairs[0])
    assert changes
    assert {change.roi for change in changes} == {"matched"}
    assert all(math.isfinite(change.repeatability.rc_pct) for change in changes if change.region == "NP")


@pytest.mark.parametrize("name", ["overlay", "flags"])
def test_plots_that_a_page_leaves_out_can_be_drawn_too(placed, monkeypatch, name):
    monkeypatch.chdir(placed)
    with pytest.raises(SystemExit) as stop:
        main(["plot", "OUT", "sub-P1/ses-baseline", name, "-o", f"{name}.svg"])
    assert stop.value.code == 0
    assert (placed / f"{name}.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("where", "name", "file", "said"),
    [
        ("sub-P1/ses-baseline", "cohort", "a.png", "an unknown plot"),
        ("P1", "overlay", "a.png", "an unknown place"),
        ("sub-P9", "trajectories", "a.png", "no participant of this name in the outputs - expected one of sub-P1"),
        ("sub-P1/ses-baseline", "change", "a.png", "ses-baseline, which is the baseline and has no change"),
        ("sub-P1/ses-month9", "change", "a.png", "no visit that was compared"),
        ("sub-P1/ses-month9", "overlay", "a.png", "expected one of ses-baseline, ses-month12, ses-month24"),
        ("ses-month99", "cohort", "a.png", "no visit with changes of this name in the outputs - expected one of ses-m"),
        ("study", "overlay", "a.png", "expected one of trajectories for study -"),
        ("sub-P1/ses-baseline", "overlay", "nowhere/a.png", "no folder of this name"),
        ("sub-P1/ses-baseline", "overlay", "a.gif", "a picture of another kind"),
        ("sub-P1/ses-month24", "overlay", "a.png", "without maps"),
    ],
)
def test_a_plot_that_cannot_be_drawn_is_refused_in_words(placed, capfd, where, name, file, said):
    with pytest.raises(SystemExit) as stop:
        main(["plot", str(placed / "OUT"), where, name, "-o", str(placed / file)])
    assert stop.value.code not in (0, 1)
    assert said in capfd.readouterr().err
    assert not (placed / file).exists()


@pytest.mark.parametrize(("name", "levels"), [("histogram", ""), ("histogram", "L4/L5,"), ("overlay", "L4/L5")])
def test_levels_that_are_none_or_mean_nothing_are_refused(placed, capfd, name, levels):
    with pytest.raises(SystemExit) as stop:
        main(
            ["plot", str(placed / "OUT"), "sub-P1/ses-baseline", name, "-o", str(placed / "l.png"), "--levels", levels]
        )
    assert stop.value.code == 2
    assert "evels" in capfd.readouterr().err
    assert not (placed / "l.png").exists()


@pytest.mark.parametrize(
    ("where", "words"),
    [("sub-P1/ses-baseline", "sub-P1, ses-baseline"), ("ses-month12", "all participants, ses-month12")],
)
def test_a_picture_that_leaves_its_page_says_whose_it_is(where, words):
    assert plot_title(where) == words
    figure = Figure(figsize=(3, 2), facecolor="black")
    figure.subplots().plot([0, 1], label="line")
    figure.legend(loc="upper left")
    plain = np.asarray(Image.open(io.BytesIO(picture_bytes(figure, "png"))).convert("RGB")).astype(int)
    told = np.asarray(Image.open(io.BytesIO(picture_bytes(figure, "png", words))).convert("RGB")).astype(int)
    strip = told[: len(told) - len(plain)]
    assert len(strip) == round(110 * TITLE_IN)
    assert np.abs(told[len(strip) :] - plain).mean() < 0.1, "nothing else has moved"
    assert strip.max() > 200
    assert strip.min() == 0
    assert words.encode() in picture_bytes(figure, "svg", words).replace(b"<!-- ", b"")


def test_the_treated_disc_is_marked_in_plots_with_a_row_for_each_disc(out):
    for name in ("histogram", "profiles"):
        figure = draw_plot(out, "sub-P1/ses-baseline", name)
        marked = [
            axes.get_ylabel().split("\n")[0] for axes in figure.axes if axes.get_title(loc="left") == "treated disc"
        ]
        assert marked == ["L4/L5"]


def test_levels_of_a_plot_are_those_asked_for(out):
    figure = draw_plot(out, "sub-P1/ses-baseline", "profiles", levels=("L5/S1",))
    assert [axes.get_ylabel().split("\n")[0] for axes in figure.axes if axes.get_ylabel()] == ["L5/S1"]


def test_figures_of_the_whole_stand_in_the_index_where_there_is_a_cohort(out, tmp_path):
    copy = tmp_path / "out"
    shutil.copytree(out, copy)
    write_reports(copy)
    assert "cohort" not in (copy / "index.html").read_text(), "one participant is none"
    for path in sorted((copy / "sub-P1").rglob("*")):
        told = copy / path.relative_to(copy).as_posix().replace("sub-P1", "sub-P2")
        if path.is_dir():
            told.mkdir(parents=True, exist_ok=True)
        else:
            told.parent.mkdir(parents=True, exist_ok=True)
            content = path.read_bytes()
            told.write_bytes(content.replace(b"sub-P1", b"sub-P2") if path.suffix == ".json" else content)
    write_reports(copy)
    html = (copy / "index.html").read_text()
    assert "t2disc plot OUT ses-month12 cohort -o cohort.png" in commands_of(html)
    assert "t2disc plot OUT study trajectories -o trajectories.png" in commands_of(html)
    figure = draw_plot(copy, "ses-month12", "cohort")
    assert "2 participants" in figure.axes[0].get_title(loc="left")


# ------------------------------------------------------------------------------------------------ who never came
def test_visits_that_were_expected_and_never_came_are_not_done(out, tmp_path):
    copy, study = tmp_path / "out", tmp_path / "study"
    shutil.copytree(out, copy)
    (study / "P1").mkdir(parents=True)
    (study / "participants.tsv").write_text("participant_id\tindex_level\nP1\tL4/L5\np7\tn/a\n")
    protocol = Protocol(study=StudySettings(visit_order=("Baseline", "month12", "month24", "ses-month36")))
    write_reports(copy, protocol, expected=expected_visits(protocol, study))
    index = (copy / "index.html").read_text()
    rows = re.findall(r'<tr data-grade="(.*?)">(.*?)</tr>', index, re.DOTALL)
    not_done = [re.sub(r"<.*?>", " ", cells).split() for grade, cells in rows if grade == "not done"]
    assert [words[:2] for words in not_done] == [
        ["sub-P1", "ses-month36"],
        *(["sub-p7", f"ses-{visit}"] for visit in ("Baseline", "month12", "month24", "month36")),
    ]
    assert all("never came" in " ".join(words) for words in not_done)
    assert "not done (5)" in index
    html = (copy / "sub-P1/sub-P1_report.html").read_text()
    assert "ses-month36: not done; it was expected and never came" in html
    assert "Visit ses-month36: not done" in html
    assert not (copy / "sub-p7").exists(), "nobody has a page without a visit"
    write_reports(copy)
    assert "never came" not in (copy / "index.html").read_text()


def test_a_visit_that_never_came_stands_where_the_study_planned_it(out, tmp_path):
    copy = tmp_path / "out"
    shutil.copytree(out, copy)
    protocol = Protocol(study=StudySettings(visit_order=("baseline", "month6", "month12", "month36", "month24")))
    write_reports(copy, protocol)
    planned = ["ses-baseline", "ses-month6", "ses-month12", "ses-month36", "ses-month24"]
    assert re.findall(r'<td data-title="Visit">(.*?)</td>', (copy / "index.html").read_text()) == planned
    html = (copy / "sub-P1/sub-P1_report.html").read_text()
    assert re.findall(r"<h2>Visit (ses-\w+)", html) == planned
    assert re.findall(r"<li>(ses-\w+): ", html) == planned
    for where in ("sub-P1", "study"):
        axes = draw_plot(copy, where, "trajectories", protocol).axes[0]
        ticks = [tick.get_text() for tick in axes.get_xticklabels()]
        assert ticks == [name.removeprefix("ses-") for name in planned]
    values = axes.lines[-1].get_ydata()
    assert [math.isfinite(value) for value in values] == [True, False, True, False, False]


def test_visits_that_never_came_stand_between_those_that_did():
    order = ("baseline", "month3", "month6", "month12")
    assert in_order(["ses-baseline", "ses-extra", "ses-month12"], ["ses-month3", "ses-month6"], order) == (
        "ses-baseline",
        "ses-extra",
        "ses-month3",
        "ses-month6",
        "ses-month12",
    )
    assert in_order(["ses-month3"], ["ses-any"], ()) == ("ses-month3", "ses-any")


def test_a_participant_who_never_came_has_a_row_though_no_visit_is_named(tmp_path):
    (tmp_path / "P1").mkdir()
    (tmp_path / "participants.tsv").write_text("participant_id\tindex_level\nP1\tn/a\nP2\tn/a\n")
    expected = expected_visits(None, tmp_path)
    assert expected.absent(["ses-baseline"]) == ()
    assert expected.never_seen(["sub-p1"]) == ("sub-P2",)
    assert expected.absent([]) == ("ses-any",)


def test_in_a_heap_nobody_is_told_by_the_name_in_participants_tsv(tmp_path, monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, "a secret that is long enough")
    sound_visit(tmp_path / "a")
    for path in (tmp_path / "a" / "scan").iterdir():
        path.rename(tmp_path / path.name)
    shutil.rmtree(tmp_path / "a")
    (tmp_path / "participants.tsv").write_text("participant_id\tindex_level\n4711\tn/a\n")
    expected = expected_visits(None, tmp_path)
    assert expected.participant_ids == (pseudonym("4711", read_key(tmp_path)),)
    assert "4711" not in repr(expected)


def test_a_list_of_participants_does_without_its_images(tmp_path):
    table = "participant_id\tindex_level\nP1\tL4/L5\nP7\tn/a\n"
    (tmp_path / "participants.tsv").write_text(table)
    expected = expected_visits(None, tmp_path)
    assert expected.never_seen(["sub-P1"]) == ("sub-P7",)
    with pytest.raises(ParticipantsInvalid, match="may name PatientIDs") as refused:
        expected.never_seen(["sub-0123456789", "sub-abcdef0123"])
    assert "P7" not in str(refused.value)
    (tmp_path / "participants.tsv").unlink()
    with pytest.raises(NoVisits):
        expected_visits(None, tmp_path)


def test_the_command_writes_them(out, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["report", str(out)])
    assert stop.value.code == 0
    assert "1 report and" in capsys.readouterr().out
