"""Ratings: what is confirmed is on the disk, nothing is lost between readers, and what was tampered with is found."""

from __future__ import annotations

import subprocess
import sys
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2disc.errors import ArgumentInvalid, RatingsDamaged
from t2disc.model.ratings import WORDS, Rating, is_reader
from t2disc.qc.ratings import agreements, current_ratings, disagreements, self_agreements, weighted_kappa
from t2disc.store import RatingRow, append_rating, rating_files, read_ratings
from t2disc.store.chain import append_entries

SHA256 = "a" * 64
RATING = Rating(
    subject="sub-1",
    figure="visit-1-slices",
    level="L4/L5",
    word="pass",
    reader="R1",
    rated_sha256=SHA256,
    rated_utc="2026-11-28T09:30:00.000Z",
)


def at(second: int, **changes: object) -> Rating:
    return replace(RATING, rated_utc=f"2026-11-28T09:30:{second:02d}.000Z", **changes)


# ------------------------------------------------------------------------------------------------ what a rating may be
@pytest.mark.parametrize(
    "wrong",
    [
        {"subject": "../x"},
        {"subject": ""},
        {"figure": "a/b"},
        {"level": "L9/L10"},
        {"word": "good"},
        {"comment": "x" * 401},
        {"comment": "two\nlines"},
        {"reader": ""},
        {"reader": "../R1"},
        {"reader": "x" * 41},
        {"reader": " R1"},
        {"reader": "R1\u202e"},
        {"reader": "-R1"},
        {"rated_sha256": "A" * 64},
        {"rated_utc": "yesterday"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_what_cannot_be_a_rating_is_refused(wrong):
    with pytest.raises(ArgumentInvalid, match=f"whose {next(iter(wrong))} cannot be"):
        replace(RATING, **wrong)


# ------------------------------------------------------------------------------------------------ on the disk
def test_ratings_come_back_in_order_of_time_whoever_gave_them(tmp_path):
    given_ratings = [at(2), at(1, reader="R2", comment="rim é <b>"), at(3, word="fail")]
    for rating in given_ratings:
        append_rating(tmp_path, rating)
    kept = read_ratings(tmp_path)
    assert list(kept.ratings) == sorted(given_ratings, key=lambda rating: rating.rated_utc)
    assert kept.n_torn == 0
    assert sorted(path.name for path in (tmp_path / "ratings").iterdir()) == ["r1.jsonl", "r2.jsonl"]


def test_the_later_line_is_the_later_word_though_the_clock_was_set_back(tmp_path):
    for rating in (at(30, word="fail"), at(20, reader="R2"), at(10, word="pass"), at(40, reader="R2", word="unsure")):
        append_rating(tmp_path, rating)
    kept = read_ratings(tmp_path).ratings
    assert [rating.rated_utc[17:19] for rating in kept] == ["20", "30", "10", "40"]
    assert {rating.reader: rating.word for rating in current_ratings(kept)} == {"R1": "pass", "R2": "unsure"}


def test_the_first_rating_is_on_the_disk_with_every_folder_that_was_made_for_it(tmp_path, monkeypatch):
    flushed: list[Path] = []
    monkeypatch.setattr("t2disc.store.chain.flush_folder", flushed.append)
    append_rating(tmp_path / "out" / "review", at(1))
    assert set(flushed) == {
        tmp_path / "out" / "review" / "ratings",
        tmp_path / "out" / "review",
        tmp_path / "out",
        tmp_path,
    }
    append_rating(tmp_path / "out" / "review", at(2))
    assert len(flushed) == 4


def test_a_line_of_brackets_is_counted_as_one_that_is_none(tmp_path):
    append_rating(tmp_path, at(1))
    with (tmp_path / "ratings" / "r1.jsonl").open("ab") as stream:
        stream.write(b"[" * 200_000)
    assert read_ratings(tmp_path).n_torn == 1


def test_a_reader_s_own_come_back_though_another_s_file_is_damaged(tmp_path):
    append_rating(tmp_path, at(1))
    append_rating(tmp_path, at(2, reader="R2"))
    (tmp_path / "ratings" / "r2.jsonl").write_text("[]\n")
    assert read_ratings(tmp_path, "r1").ratings == (at(1),)
    with pytest.raises(RatingsDamaged):
        read_ratings(tmp_path, "R2")
    assert read_ratings(tmp_path, "../ratings/r1").ratings == ()


@pytest.mark.parametrize("name", ["Dr A", "José", "O'Neill", "Анна", "R.1_b-c"])
def test_readers_have_names_as_people_have(tmp_path, name):
    append_rating(tmp_path, at(1, reader=name))
    append_rating(tmp_path, at(2, reader=unicodedata.normalize("NFD", name.upper())))
    (path,) = (tmp_path / "ratings").iterdir()
    assert path.name.isascii()
    assert "/" not in path.name
    assert len(read_ratings(tmp_path, name).ratings) == 2
    assert len(current_ratings(read_ratings(tmp_path).ratings)) == 1


@pytest.mark.parametrize("name", ["CON", "nul", "Aux", "prn", "COM1", "lpt9", "Con.Smith", "NUL.1.2"])
def test_a_device_of_windows_is_no_reader_and_nothing_is_kept_of_it(tmp_path, name):
    assert not is_reader(name)
    with pytest.raises(ArgumentInvalid, match="CON or NUL"):
        append_rating(tmp_path, at(1, reader=name))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["Connie", "Con Smith", "Auxilia", "COM", "COM10", "R.con", "null"])
def test_names_that_only_look_like_a_device_are_readers(tmp_path, name):
    append_rating(tmp_path, at(1, reader=name))
    assert len(read_ratings(tmp_path, name).ratings) == 1


def test_ratings_once_kept_under_a_device_s_name_can_still_be_read(tmp_path):
    append_entries(tmp_path / "ratings" / "con.jsonl", [asdict(at(1)) | {"reader": "Con"}], RatingsDamaged)
    assert [rating.reader for rating in read_ratings(tmp_path).ratings] == ["Con"]


def test_an_empty_folder_holds_no_rating(tmp_path):
    assert read_ratings(tmp_path).ratings == ()


def test_threads_lose_nothing(tmp_path):
    ratings = [at(n % 60, reader=f"R{n % 3}", figure=f"figure-{n}") for n in range(120)]
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda rating: append_rating(tmp_path, rating), ratings))
    assert set(read_ratings(tmp_path).ratings) == set(ratings)


def test_processes_of_one_reader_lose_nothing(tmp_path):
    code = (
        "import sys; from dataclasses import replace; from pathlib import Path\n"
        "from t2disc.model.ratings import Rating; from t2disc.store import append_rating\n"
        "for n in range(25):\n"
        "    append_rating(Path(sys.argv[1]), Rating(subject='sub-1', figure=f'f{sys.argv[2]}-{n}', word='pass',"
        f" reader='R1', rated_sha256={SHA256!r}, rated_utc='2026-11-28T09:30:00Z'))"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(n)]) for n in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert len({rating.figure for rating in read_ratings(tmp_path).ratings}) == 75


def test_a_line_that_a_crash_cut_off_is_counted_and_the_next_one_stands_after_it(tmp_path):
    append_rating(tmp_path, at(1))
    path = tmp_path / "ratings" / "r1.jsonl"
    whole = path.read_bytes()
    for n_bytes in range(1, len(whole) - 1, 40):
        path.write_bytes(whole + whole[:n_bytes])
        append_rating(tmp_path, at(2))
        kept = read_ratings(tmp_path)
        assert (kept.ratings, kept.n_torn) == ((at(1), at(2)), 1)


def test_a_line_that_lacks_only_its_end_counts(tmp_path):
    append_rating(tmp_path, at(1))
    path = tmp_path / "ratings" / "r1.jsonl"
    path.write_bytes(path.read_bytes()[:-1])
    append_rating(tmp_path, at(2))
    assert read_ratings(tmp_path).ratings == (at(1), at(2))


def tampered(path: Path, how: str) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    if how == "another word":
        lines[1] = lines[1].replace(b'"pass"', b'"fail"')
    elif how == "another last word":
        lines[2] = lines[2].replace(b'"pass"', b'"fail"')
    elif how == "taken out":
        del lines[1]
    elif how == "made unreadable":
        lines[1] = lines[1][3:]
    elif how == "swapped":
        lines[0], lines[1] = lines[1], lines[0]
    elif how == "another kind":
        lines[1] = b"[1, 2]\n"
    path.write_bytes(b"".join(lines))


@pytest.mark.parametrize(
    "how", ["another word", "another last word", "taken out", "made unreadable", "swapped", "another kind"]
)
def test_a_line_that_was_tampered_with_is_found_and_nothing_is_added(tmp_path, how):
    for second in range(3):
        append_rating(tmp_path, at(second))
    path = tmp_path / "ratings" / "r1.jsonl"
    tampered(path, how)
    before = path.read_bytes()
    with pytest.raises(RatingsDamaged):
        read_ratings(tmp_path)
    with pytest.raises(RatingsDamaged):
        append_rating(tmp_path, at(9))
    assert path.read_bytes() == before


def test_a_line_whose_check_sum_is_right_and_that_is_no_rating_is_found(tmp_path):
    from t2disc.store.chain import append_entries

    for wrong in ({**asdict(RATING), "word": "good"}, {"word": "pass"}, {**asdict(RATING), "reader": 5}):
        (tmp_path / "ratings" / "r1.jsonl").unlink(missing_ok=True)
        append_entries(tmp_path / "ratings" / "r1.jsonl", [wrong], RatingsDamaged)
        with pytest.raises(RatingsDamaged, match="other fields"):
            read_ratings(tmp_path)


# ------------------------------------------------------------------------------------------------ what they say
def test_the_latest_word_counts_for_each_reader_and_disc():
    ratings = [at(1), at(2, word="fail"), at(3, reader="R2"), at(4, level="")]
    assert current_ratings(ratings) == (ratings[1], ratings[2], ratings[3])


def test_readers_differ_only_where_their_latest_words_do():
    ratings = [at(1), at(2, reader="R2", word="fail"), at(3, level="", word="unsure"), at(4, level="", reader="R2")]
    found = disagreements(ratings)
    assert [(one.level, one.words, one.is_wide) for one in found] == [
        ("", (("r1", "unsure"), ("r2", "pass")), False),
        ("L4/L5", (("r1", "pass"), ("r2", "fail")), True),
    ]
    assert disagreements([*ratings, at(5, word="fail"), at(6, level="", word="pass")]) == ()


def test_a_comment_alone_is_no_word_to_differ_from():
    assert disagreements([at(1), at(2, reader="R2", word="", comment="blurred")]) == ()


def test_agreement_is_counted_on_what_both_rated():
    ratings = [at(1), at(2, reader="R2"), at(3, figure="other"), at(4, reader="R3", figure="third")]
    found = {one.readers: (one.n_common, one.n_equal) for one in agreements(ratings)}
    assert found == {("r1", "r2"): (1, 1), ("r1", "r3"): (0, 0), ("r2", "r3"): (0, 0)}


def test_what_two_readers_saw_in_different_pictures_is_counted_apart():
    other = "b" * 64
    ratings = [at(1), at(2, reader="R2", rated_sha256=other), at(3, figure="f"), at(4, figure="f", reader="R2")]
    (found,) = agreements(ratings)
    assert (found.n_common, found.n_unlike) == (2, 1)
    assert [one.n_unlike for one in agreements([at(1), at(2, reader="R2")])] == [0]


def test_a_reader_is_compared_with_himself_on_visits_that_were_read_twice():
    visits = {"AAA": ("sub-1", "ses-1"), "BBB": ("sub-1", "ses-1"), "CCC": ("sub-2", "ses-1")}
    ratings = [at(n, subject=code, word=word) for n, (code, word) in enumerate(zip(visits, WORDS, strict=True))]
    ratings += [at(9, subject=code, reader="R2") for code in visits]
    ratings += [at(10, subject="AAA", reader="R3")]
    found = self_agreements(ratings, visits)
    assert [(one.readers, one.n_common, one.n_equal) for one in found] == [(("r1", "r1"), 1, 0), (("r2", "r2"), 1, 1)]


def test_kappa_is_that_of_a_worked_example():
    # 40 items, 3 words; observed mean distance 12/40, expected from the margins 0.775: 1 - 0.3/0.775
    pairs = [("pass", "pass")] * 18 + [("pass", "unsure")] * 4 + [("unsure", "unsure")] * 6
    pairs += [("unsure", "pass")] * 2 + [("fail", "fail")] * 7 + [("fail", "unsure")] * 2 + [("fail", "pass")]
    pairs += [("pass", "fail")]
    first = {word: sum(one == word for one, _ in pairs) / len(pairs) for word in WORDS}
    second = {word: sum(other == word for _, other in pairs) / len(pairs) for word in WORDS}
    expected = sum(
        first[one] * second[other] * abs(WORDS.index(one) - WORDS.index(other)) for one in WORDS for other in WORDS
    )
    observed = (4 + 2 + 2 + 2 + 2) / len(pairs)
    assert weighted_kappa(pairs) == pytest.approx(1 - observed / expected)


words = st.sampled_from(WORDS)


@given(st.lists(st.tuples(words, words), max_size=40))
def test_kappa_is_symmetric_and_at_most_one(pairs):
    kappa, turned = weighted_kappa(pairs), weighted_kappa([(other, one) for one, other in pairs])
    assert kappa == pytest.approx(turned, nan_ok=True)
    assert not kappa > 1
    if pairs and all(one == other for one, other in pairs) and len({one for one, _ in pairs}) > 1:
        assert kappa == 1


def test_kappa_of_nothing_and_of_one_word_throughout_says_nothing():
    assert str(weighted_kappa([])) == "nan"
    assert str(weighted_kappa([("pass", "pass")] * 3)) == "nan"


# ------------------------------------------------------------------------------------------------ tables
def told_comment(comment: str) -> str:
    """Return a comment as ratings.tsv tells it."""
    table = rating_files([RatingRow(rating=replace(RATING, comment=comment))], (), ())[0].content.decode()
    heads, row = (line.split("\t") for line in table.splitlines())
    return row[heads.index("comment")]


def as_typed(told: str) -> str:
    """Undo what the data dictionary says of comments."""
    return told[1:] if told[:1] == "'" and told.lstrip("'")[:1] in set('=+-@"＝＋－＠') else told


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", '"=', " =", "＝", "'=", "''-"])
def test_no_comment_of_the_table_can_be_a_formula_of_a_spreadsheet(tmp_path, sign):
    typed = f"{sign}HYPERLINK(A1)"
    assert told_comment(typed) == f"'{typed.strip()}"
    append_rating(tmp_path, replace(RATING, comment=typed))
    assert read_ratings(tmp_path).ratings[0].comment == typed, "on record as it was typed"


@pytest.mark.parametrize("typed", ["rim of fat", "5 = 3", "'quoted'", "'", "n-1", "#1"])
def test_other_comments_stay_as_they_are(typed):
    assert told_comment(typed) == typed


@given(st.text(alphabet="'=+-@\"ab＝", min_size=1, max_size=6))
def test_every_comment_can_be_had_back_as_it_was_typed(typed):
    assert as_typed(told_comment(typed)) == typed
