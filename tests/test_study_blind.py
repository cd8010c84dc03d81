"""Blinded reading: nothing in the set, its names, order, times or pages tells which visit came first."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from studies import broken_visit, label_map, sound_visit, tree
from test_qc_report import checked

from t2disc.batch import RunSettings, run_study
from t2disc.errors import ArgumentInvalid, ReadingSetDamaged, StudyNotFound
from t2disc.model.protocol import Protocol
from t2disc.model.ratings import Rating
from t2disc.model.report import SliceStrip
from t2disc.qc.report import own_strips
from t2disc.qc.review.pages import render_review
from t2disc.store import read_first_echo, read_ratings, read_record, read_visit
from t2disc.study import find_visits
from t2disc.study.blind import make_reading_set, tellings
from t2disc.study.desks import ReadingDesk
from t2disc.study.ratings import export_ratings

DAYS = {"baseline": "20240102", "month12": "20250102"}
WORDS = re.compile(rb"P1|P2|P3|sub-|ses-|baseline|month|2024|2025|index|treated|change", re.IGNORECASE)


@pytest.fixture(scope="module")
def out(tmp_path_factory) -> Path:
    """A study in which the two visits of a person are one and the same scan: only their names and days differ."""
    study = tmp_path_factory.mktemp("blind") / "study"
    for person in ("P1", "P2", "P3"):
        for visit, day in DAYS.items():
            sound_visit(study / person / visit, day, scanned="20240102")
            label_map(study / "labels", f"sub-{person}_ses-{visit}")
    broken_visit(study / "P3" / "month24")
    (study / "participants.tsv").write_text("participant_id\tindex_level\nP1\tL4/L5\nP2\tL5/S1\n")
    out = study.parent / "out"
    settings = RunSettings(out=out, protocol=Protocol(), labels_dir=study / "labels")
    run_study(find_visits(study, Protocol(), ignore=(out, study / "labels"), key=None), settings)
    return out


@pytest.fixture
def made(out, tmp_path) -> tuple[Path, Path]:
    folder, key = tmp_path / "reads", tmp_path / "key.json"
    make_reading_set(out, folder, key)
    return folder, key


def key_of(key: Path) -> dict[str, tuple[str, str]]:
    tree = json.loads(key.read_text())
    return {read["code"]: (read["participant_id"], read["session_id"]) for read in tree["reads"]}


# ------------------------------------------------------------------------------------------------ what is in it
def test_every_measured_visit_has_a_code_and_what_could_not_be_is_told(out, tmp_path):
    made = make_reading_set(out, tmp_path / "reads", tmp_path / "key.json", n_repeats=2)
    assert made.n_reads == 8
    assert made.left_out == ("sub-P3/ses-month24",)
    visits = key_of(tmp_path / "key.json")
    assert len(visits) == 8
    assert len(set(visits.values())) == 6
    assert (tmp_path / "key.json").stat().st_mode & 0o777 == 0o600


def test_what_may_tell_visits_apart_is_told_to_whoever_makes_the_set(out, tmp_path):
    """The labels of one visit only were given, the other's found: their outlines differ, whatever the codes."""
    made = make_reading_set(out, tmp_path / "reads", tmp_path / "key.json")
    assert made.tells == ()
    one = read_record(out, "sub-P1", "ses-baseline")
    other = replace(one, labels=replace(one.labels, kind="automatic"), levels=("L4/L5",))
    assert tellings([one, other]) == ("who made the labels", "which discs are labelled")
    other = replace(one, acquisition=replace(one.acquisition, vendor="GE", sequence="gradient-echo"))
    assert tellings([one, other]) == ("what the decay measures", "scanner")


def test_no_name_date_level_of_treatment_or_change_is_in_the_set(made):
    folder, _ = made
    codes = "|".join(ReadingDesk(folder).subjects)
    random = re.compile(rf"\b({codes}|[0-9a-f]{{32}}|[0-9a-f]{{64}})\b".encode())  # holds any two letters now and then
    for name, content in tree(folder).items():
        assert not WORDS.search(random.sub(b"", name.encode())), name
        if not name.endswith((".jpg", ".nii.gz")):
            assert not WORDS.search(random.sub(b"", content)), name


def test_slices_show_the_first_echo_and_do_not_mark_the_treated_disc(made, out):
    folder, key = made
    code, (person, session) = next(item for item in key_of(key).items() if item[1][0] == "sub-P1")
    record = read_record(out, person, session)
    assert record.index_level == "L4/L5"
    shown = pixels_of(ReadingDesk(folder).page(code).sections[0].figures[0].strips)
    visit, echo = read_visit(out, record), read_first_echo(out, record)
    np.testing.assert_array_equal(shown, pixels_of(own_strips(visit, "x", grey=echo)))
    assert (shown != pixels_of(own_strips(visit, "x", grey=echo, index_level="L4/L5"))).any()


def pixels_of(strips: tuple[SliceStrip, ...]) -> np.ndarray:
    return np.stack([np.asarray(Image.open(io.BytesIO(strip.picture.content))) for strip in strips])


def test_images_carry_no_text_no_time_and_no_place_in_the_scanner(made):
    folder, _ = made
    for path in folder.rglob("*.nii.gz"):
        assert path.read_bytes()[3:8] == b"\4" + bytes(4)  # gzip: no name, no time; random bytes to fill it up
        image = nib.load(path)
        header = image.header
        texts = [header[name].tobytes() for name in ("descrip", "aux_file", "intent_name", "db_name", "data_type")]
        assert not any(any(text) for text in texts)
        assert len(header.extensions) == 0
        middle = image.affine @ [*((np.array(image.shape) - 1) / 2), 1]
        np.testing.assert_allclose(middle[:3], 0, atol=1e-4)
    for path in folder.rglob("*.jpg"):
        content = path.read_bytes()
        assert b"Exif" not in content[:20]
        told = Image.open(io.BytesIO(content)).info
        assert set(told) == {"comment", "jfif", "jfif_version", "jfif_unit", "jfif_density"}  # nothing but JFIF's own
        assert len(set(told["comment"])) > 10  # random bytes that fill it up, as the sizes below show


def test_two_scans_that_are_the_same_are_the_same_in_everything_but_their_code(made):
    """Whatever the set adds to an image would show here, where baseline and follow-up are one image."""
    folder, key = made
    desk = ReadingDesk(folder)
    reads: dict[str, set[str]] = {}
    for code, (person, _) in key_of(key).items():
        files = {path.name: unpadded(path) for path in (folder / code).iterdir()}
        page = render_review(desk.page(code), visits=desk.visits(code), before="", after="", has_viewer=True)
        page = re.sub(r"[0-9a-f]{64}|data:image/jpeg;base64,[^\"]*", "", page)  # pictures are compared as files
        pieces = [*sorted(files.items()), ("page", page.replace(code, "CODE").encode())]
        reads.setdefault(person, set()).add(hashlib.sha256(repr(pieces).encode()).hexdigest())
    assert {person: len(kinds) for person, kinds in reads.items()} == {"sub-P1": 1, "sub-P2": 1, "sub-P3": 1}


def unpadded(path: Path) -> bytes:
    """Return what a file shows, without the random bytes that fill it up."""
    content = path.read_bytes()
    if path.suffix == ".gz":
        return gzip.decompress(content)
    if path.suffix == ".jpg":
        return Image.open(io.BytesIO(content)).tobytes()
    return json.dumps(json.loads(content) | {"salt": ""}).encode()


def test_a_visit_that_is_read_twice_is_not_told_by_equal_sums_or_sizes(out, tmp_path):
    folder, key = tmp_path / "reads", tmp_path / "key.json"
    make_reading_set(out, folder, key, n_repeats=6)
    listed = json.loads((folder / "reads.json").read_text())
    assert len(set(listed["files"].values())) == len(listed["files"]) == 12 * 6
    desk = ReadingDesk(folder)
    assert len({desk.page(code).sections[0].figures[0].sha256 for code in desk.subjects}) == 12
    sizes = {path.stat().st_size for path in folder.rglob("*") if path.suffix in (".jpg", ".gz")}
    assert all(size % 2**15 == 0 for size in sizes)


def test_captions_do_not_tell_where_in_the_scanner_the_patient_lay(out, tmp_path):
    """A patient who lay 40 mm further to the left shows the same captions."""
    moved = tmp_path / "moved"
    shutil.copytree(out, moved)
    for path in moved.rglob("*.nii.gz"):
        image = nib.load(path)
        affine = image.affine.copy()
        affine[0, 3] += 40
        nib.save(nib.Nifti1Image(np.asarray(image.dataobj), affine), path)
    captions = []
    for place in (out, moved):
        make_reading_set(place, tmp_path / f"reads-{place.name}", tmp_path / f"key-{place.name}")
        desk = ReadingDesk(tmp_path / f"reads-{place.name}")
        strips = [desk.page(code).sections[0].figures[0].strips for code in desk.subjects]
        captions.append({one.captions for pair in strips for one in pair})
    assert captions[0] == captions[1]


def test_where_one_visit_lacks_its_first_echo_all_show_s0(out, tmp_path):
    """Else those measured by an older version would be told from those measured since."""
    older = tmp_path / "older"
    shutil.copytree(out, older)
    for path in older.glob("sub-P1/ses-baseline/anat/*echo-1*"):
        path.unlink()
    make_reading_set(older, tmp_path / "reads", tmp_path / "key.json")
    desk = ReadingDesk(tmp_path / "reads")
    visits = key_of(tmp_path / "key.json")
    shown = {gzip.decompress(desk.volume(code, code, "echo")) for code in desk.subjects if visits[code][0] == "sub-P1"}
    assert len(shown) == 1


def test_every_file_says_the_same_time(made):
    folder, _ = made
    times = {(path.stat().st_mtime, path.stat().st_atime) for path in (folder, *folder.rglob("*")) if path.is_file()}
    assert len({mtime for mtime, _ in times}) == 1


def features(folder: Path) -> dict[str, list[str]]:
    """Read codes by everything by which a reader might sort them."""
    codes = json.loads((folder / "reads.json").read_text())["reads"]
    paths = {code: folder / code for code in codes}
    return {
        "the list": codes,
        "the desk": list(ReadingDesk(folder).subjects),
        "names": sorted(codes),
        "the folder as the system lists it": [path.name for path in folder.iterdir() if path.is_dir()],
        "when it was changed": sorted(codes, key=lambda code: (paths[code].stat().st_mtime_ns, code)),
        "when its entry was made": sorted(codes, key=lambda code: (paths[code].stat().st_ctime_ns, code)),
        "where it lies on the disk": sorted(codes, key=lambda code: paths[code].stat().st_ino),
        "how large it is": sorted(codes, key=lambda c: (sum(p.stat().st_size for p in paths[c].iterdir()), c)),
        "its check sums": list(json.loads((folder / "reads.json").read_text())["files"]),
    }


N_RUNS = 60
N_PERSONS = 3


def test_no_feature_of_many_sets_tells_which_visit_came_first(out, tmp_path):
    """Baseline comes before the follow-up of its person half of the times, by whatever one sorts.

    In 180 pairs, 90 +- 6.7 are expected; the bound of 5 standard deviations is passed once in 2 million runs by
    chance, and by any order that tells.
    """
    first: Counter[str] = Counter()
    foremost: Counter[str] = Counter()
    for n in range(N_RUNS):
        folder, key = tmp_path / f"reads{n}", tmp_path / f"key{n}.json"
        make_reading_set(out, folder, key)
        visits = key_of(key)
        for name, order in features(folder).items():
            codes = list(dict.fromkeys(entry.split("/")[0] for entry in order))
            place = {visits[code]: at for at, code in enumerate(codes)}
            for person in ("sub-P1", "sub-P2", "sub-P3"):
                first[name] += place[person, "ses-baseline"] < place[person, "ses-month12"]
            foremost[name] += visits[codes[0]][0] == "sub-P1"
        shutil.rmtree(folder)
    n_pairs = N_RUNS * N_PERSONS
    deviation = 5 * (n_pairs / 4) ** 0.5
    for name, n_first in first.items():
        assert abs(n_first - n_pairs / 2) < deviation, f"{name}: baseline first {n_first} of {n_pairs} times"
    for name, n_foremost in foremost.items():  # persons are in random order, too: a third each
        assert abs(n_foremost - N_RUNS / 3) < 5 * (N_RUNS * 2 / 9) ** 0.5, name


def test_codes_are_never_the_same_twice(out, tmp_path):
    codes = []
    for n in range(3):
        make_reading_set(out, tmp_path / f"r{n}", tmp_path / f"k{n}")
        codes += list(key_of(tmp_path / f"k{n}"))
    assert len(set(codes)) == len(codes)


# ------------------------------------------------------------------------------------------------ at the desk
def test_a_read_shows_its_slices_and_discs_and_nothing_else(made):
    folder, _ = made
    desk = ReadingDesk(folder)
    code = desk.subjects[0]
    page = desk.page(code)
    assert page.participant_id == code
    assert page.sections[0].figures[0].levels == ("L4/L5", "L5/S1")
    assert page.sections[0].tables == ()
    html = render_review(page, visits=desk.visits(code), before="", after="", has_viewer=True)
    assert checked(html)
    text = re.sub(r"<(style|script).*?</\1>", "", html, flags=re.DOTALL)
    assert not WORDS.search(re.sub(r'tabindex="-1"', "", text).encode())
    t2 = nib.Nifti1Image.from_bytes(gzip.decompress(desk.volume(code, code, "T2")))
    values = np.asarray(t2.dataobj)
    assert np.median(values[values > 0]) == pytest.approx(60.0, rel=1e-3)


def rated(desk: ReadingDesk, code: str, **changes: str) -> Rating:
    told = {"subject": code, "figure": "slices", "word": "pass", "reader": "R1", "rated_utc": "2026-11-28T09:00:00Z"}
    return Rating(**told | {"rated_sha256": desk.page(code).sections[0].figures[0].sha256} | changes)


def test_ratings_unblind_with_the_key_alone(made, tmp_path):
    folder, key = made
    desk = ReadingDesk(folder)
    for code in desk.subjects:
        desk.keep(rated(desk, code))
    desk.keep(rated(desk, desk.subjects[0], reader="R2", word="fail"))
    done = export_ratings(folder)
    assert (done.n_ratings, done.n_readers, len(done.differences)) == (7, 2, 1)
    blinded = (folder / "ratings.tsv").read_text()
    assert not re.search("sub-|ses-", blinded)
    export_ratings(folder, tmp_path / "open", key)
    rows = [line.split("\t") for line in (tmp_path / "open" / "ratings.tsv").read_text().splitlines()]
    visits = key_of(key)
    assert {row[0]: (row[1], row[2]) for row in rows[1:]} == visits
    assert "R1 pass, R2 fail".lower() in (tmp_path / "open" / "disagreements.tsv").read_text()


def test_visits_that_were_read_twice_tell_how_far_a_reader_agrees_with_himself(out, tmp_path):
    folder, key = tmp_path / "reads", tmp_path / "key.json"
    make_reading_set(out, folder, key, n_repeats=2)
    desk = ReadingDesk(folder)
    for code in desk.subjects:
        desk.keep(rated(desk, code))
    assert export_ratings(folder).agreements == ()
    (own,) = export_ratings(folder, tmp_path / "open", key).agreements
    assert (own.readers, own.n_common, own.n_equal) == (("r1", "r1"), 2, 2)
    rows = (tmp_path / "open" / "agreement.tsv").read_text().splitlines()
    assert rows[1].split("\t")[:4] == ["r1", "r1", "2", "2"]


def test_unblinded_tables_do_not_go_where_readers_look(made):
    folder, key = made
    for place in (None, folder, folder / "sub"):
        with pytest.raises(ArgumentInvalid, match="place of their own"):
            export_ratings(folder, place, key)


def test_another_key_or_a_changed_one_is_refused(made, out, tmp_path):
    folder, key = made
    make_reading_set(out, tmp_path / "other", tmp_path / "other.json")
    with pytest.raises(ReadingSetDamaged):
        export_ratings(folder, tmp_path / "open", tmp_path / "other.json")
    key.write_text(key.read_text().replace("baseline", "month12", 1))
    with pytest.raises(ReadingSetDamaged):
        export_ratings(folder, tmp_path / "open", key)
    with pytest.raises(ArgumentInvalid):
        export_ratings(folder, tmp_path / "open", tmp_path / "none.json")
    assert not (tmp_path / "open").exists()


def test_a_key_for_what_is_not_blinded_is_refused(out, made, tmp_path):
    with pytest.raises(ArgumentInvalid, match="not blinded"):
        export_ratings(out, tmp_path / "open", made[1])


# ------------------------------------------------------------------------------------------------ faults
def test_places_that_would_unblind_or_overwrite_are_refused(out, tmp_path):
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "x").touch()
    (tmp_path / "there").touch()
    for folder, key in (
        (tmp_path / "used", tmp_path / "k"),
        (tmp_path / "there", tmp_path / "k"),
        (out / "reads", tmp_path / "k"),
        (tmp_path / "r", tmp_path / "r" / "key"),
        (tmp_path / "r", tmp_path / "there"),
    ):
        with pytest.raises(ArgumentInvalid):
            make_reading_set(out, folder, key)
    with pytest.raises(ArgumentInvalid, match="7 repeats"):
        make_reading_set(out, tmp_path / "r", tmp_path / "k", n_repeats=7)
    with pytest.raises(StudyNotFound):
        make_reading_set(tmp_path / "used", tmp_path / "r", tmp_path / "k")
    assert not (tmp_path / "r").exists()
    assert not (tmp_path / "k").exists()


def test_a_set_that_was_tampered_with_is_found(made):
    folder, _ = made
    code = ReadingDesk(folder).subjects[0]
    for name in ("read.json", "T2.jpg", "anatomy.jpg"):
        content = (folder / code / name).read_bytes()
        (folder / code / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(ReadingSetDamaged):
            ReadingDesk(folder).page(code)
        (folder / code / name).write_bytes(content)
    (folder / code / "echo.nii.gz").unlink()
    with pytest.raises(ReadingSetDamaged):
        ReadingDesk(folder).volume(code, code, "echo")
    listed = json.loads((folder / "reads.json").read_text())
    for wrong in ("[]", "{", json.dumps(listed | {"format": "x"}), json.dumps(listed | {"reads": ["../x"]})):
        (folder / "reads.json").write_text(wrong)
        with pytest.raises(ReadingSetDamaged):
            ReadingDesk(folder)


def test_ratings_of_a_study_lie_in_its_outputs(out, tmp_path):
    assert read_ratings(out / "review").ratings == ()
    done = export_ratings(out, tmp_path / "tables")
    assert done.n_ratings == 0
    assert (tmp_path / "tables" / "ratings.tsv").read_text().startswith("subject\tparticipant_id")
