"""The review server: only its own pages, on its own address, with its token, may see or change anything."""

from __future__ import annotations

import http.client
import json
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from t2disc.errors import ArgumentInvalid
from t2disc.model.ratings import Rating
from t2disc.model.report import ParticipantPage, ReportFigure, ReportSection
from t2disc.qc.report import own_strips
from t2disc.qc.review import RunningReview, ViewedVisit, serve_review
from t2disc.qc.review.guard import MOST_BODY_BYTES, Gate, Request, is_entrance, refuse_early
from tests.test_qc_report import SCRIPT, Visit, checked

GATE = Gate(port=8000, token="right-token")
COOKIE = {"cookie": "other=1; t2disc-8000=right-token"}
HOST = {"host": "127.0.0.1:8000"}
POST = HOST | COOKIE | {"origin": "http://127.0.0.1:8000", "content-type": "application/json", "content-length": "9"}


def asked(method: str = "GET", path: str = "/", query: dict[str, str] | None = None, **headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(method=method, path=path, query=query or {}, headers=HOST | COOKIE | named)


# ------------------------------------------------------------------------------------------------ the rules
@pytest.mark.parametrize(
    "request_",
    [
        asked(),
        asked(host="localhost:8000"),
        asked(cookie='prefs={"a": 1, [b]=c@d; é; t2disc-8000=right-token; x="y'),
        asked(cookie="t2disc-8000=another's; t2disc-8000=right-token"),
        asked(sec_fetch_site="none", sec_fetch_mode="navigate"),
        asked(sec_fetch_site="same-origin", sec_fetch_mode="cors"),
        asked(sec_fetch_site="cross-site", sec_fetch_mode="navigate"),
        Request(method="GET", path="/", query={"token": "right-token"}, headers=HOST),
        Request(method="POST", path="/ratings", headers=POST),
        Request(method="POST", path="/ratings", headers=POST | {"content-type": "application/json; charset=utf-8"}),
        Request(method="POST", path="/ratings", headers=POST | {"sec-fetch-site": "same-origin"}),
        Request(method="POST", path="/ratings", headers=POST | {"content-length": str(MOST_BODY_BYTES)}),
    ],
)
def test_the_server_s_own_pages_may_ask(request_):
    assert refuse_early(request_, GATE) is None


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (asked(host="evil.example:8000"), 421),
        (asked(host="127.0.0.1"), 421),
        (asked(host="127.0.0.1:8001"), 421),
        (Request(method="GET", path="/", query={"token": "right-token"}, headers={}), 421),
        (asked(sec_fetch_site="same-site", sec_fetch_mode="no-cors"), 403),
        (asked(sec_fetch_site="cross-site", sec_fetch_mode="cors"), 403),
        (asked("PUT"), 405),
        (asked("HEAD"), 405),
        (asked("OPTIONS"), 405),
        (Request(method="GET", path="/", headers=HOST), 403),
        (Request(method="GET", path="/", query={"token": "wrong"}, headers=HOST), 403),
        (Request(method="GET", path="/read/x", query={"token": "right-token"}, headers=HOST), 403),
        (asked(cookie="t2disc-8000=wrong"), 403),
        (asked(cookie="t2disc-8001=right-token"), 403),
        (asked(cookie="t2disc-8000=right-token\xe9"), 403),
        (asked(cookie="\x00;;==,"), 403),
        (Request(method="POST", path="/", query={"token": "right-token"}, headers=HOST), 403),
        (Request(method="POST", path="/ratings", headers=POST | {"origin": "http://evil.example"}), 403),
        (Request(method="POST", path="/ratings", headers=POST | {"origin": "null"}), 403),
        (Request(method="POST", path="/ratings", headers={k: v for k, v in POST.items() if k != "origin"}), 403),
        (Request(method="POST", path="/ratings", headers=POST | {"sec-fetch-site": "cross-site"}), 403),
        (Request(method="POST", path="/ratings", headers=POST | {"content-type": "text/plain"}), 415),
        (Request(method="POST", path="/ratings", headers=POST | {"content-length": ""}), 411),
        (Request(method="POST", path="/ratings", headers=POST | {"content-length": "-1"}), 411),
        (Request(method="POST", path="/ratings", headers=POST | {"content-length": "٣"}), 411),
        (Request(method="POST", path="/ratings", headers=POST | {"transfer-encoding": "chunked"}), 411),
        (Request(method="POST", path="/ratings", headers=POST | {"content-length": str(MOST_BODY_BYTES + 1)}), 413),
        (Request(method="POST", path="/ratings", headers=POST | {"content-length": "9" * 19}), 413),
    ],
)
def test_whatever_else_asks_is_refused(request_, status):
    refusal = refuse_early(request_, GATE)
    assert refusal is not None
    assert refusal.status == status


def test_the_token_opens_only_the_entrance():
    entrance = Request(method="GET", path="/", query={"token": "right-token"}, headers=HOST)
    assert is_entrance(entrance, GATE)
    assert not is_entrance(replace(entrance, path="/read/x"), GATE)
    assert "right-token" not in repr(GATE)


# ------------------------------------------------------------------------------------------------ a desk
class Shelf:
    """A desk of two subjects with one visit each; ratings in memory."""

    title = f"Test {SCRIPT}"
    subjects = ("sub-1", "sub-2")

    def __init__(self) -> None:
        self.kept: list[Rating] = []
        self.pages = 0

    def page(self, subject: str) -> ParticipantPage:
        self.pages += 1
        figure = ReportFigure(name="slices", title="T2", strips=own_strips(Visit(), "ses-1"), levels=("L4/L5",))
        section = ReportSection(name="one", title=f"Visit {SCRIPT}", figures=(figure,))
        return ParticipantPage(participant_id=subject, summary=(SCRIPT,), sections=(section,))

    def visits(self, subject: str) -> tuple[ViewedVisit, ...]:
        return (ViewedVisit(name="ses-1", levels=(("L4/L5", 5, (1, 2, 3)),)),)

    def volume(self, subject: str, visit: str, name: str) -> bytes:
        return f"{subject} {visit} {name}".encode()

    def ratings(self, reader: str = "") -> tuple[Rating, ...]:
        return tuple(one for one in self.kept if reader.casefold() in ("", one.reader.casefold()))

    def keep(self, rating: Rating) -> None:
        self.kept.append(rating)


class Client:
    """A browser's part: the cookie, and where a page came from."""

    def __init__(self, running: RunningReview) -> None:
        self.port, self.host = running.port, f"127.0.0.1:{running.port}"
        entrance = urlsplit(running.address)
        self.token = entrance.query.removeprefix("token=")
        self.cookie = ""
        status, headers, _ = self.get(f"/?{entrance.query}")
        assert (status, headers["Location"]) == (303, "/")
        self.cookie = headers["Set-Cookie"].split(";")[0]
        assert {"HttpOnly", "SameSite=Strict"} <= {part.strip() for part in headers["Set-Cookie"].split(";")}

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        return self.ask("GET", path, None, headers)

    def post(self, body: object, path: str = "/ratings", **headers: str) -> tuple[int, dict[str, str], bytes]:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        own = {"Origin": f"http://{self.host}", "Content-Type": "application/json"}
        return self.ask("POST", path, content, own | headers)

    def ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        sent = {"Host": self.host, "Cookie": self.cookie} | headers
        connection.putrequest(method, path, skip_host=True)
        for name, value in (sent | ({"Content-Length": str(len(body))} if body is not None else {})).items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        found = answer.status, dict(answer.getheaders()), answer.read()
        connection.close()
        return found

    def shown(self, subject: str = "sub-1") -> str:
        """Open a page as a reader does; return the check sum of its figure."""
        return re.search(r'data-sha256="([0-9a-f]{64})"', self.get(f"/read/{subject}")[2].decode())[1]

    def rating(self, **changes: str) -> dict[str, str]:
        told = {"subject": "sub-1", "figure": "slices", "level": "", "word": "pass", "comment": "", "reader": "R1"}
        return told | {"sha256": self.shown()} | changes


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def client(shelf) -> Iterator[Client]:
    with serve_review(shelf) as running:
        yield Client(running)


# ------------------------------------------------------------------------------------------------ seen from outside
def test_a_reader_gets_pages_volumes_and_scripts(client):
    status, headers, body = client.get("/")
    assert status == 200
    assert b"/read/sub-2" in body
    assert SCRIPT.encode() not in body
    assert checked(body.decode())
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    status, _, body = client.get("/read/sub-1")
    assert status == 200
    assert SCRIPT.encode() not in body
    assert b'href="/read/sub-2"' in body
    assert client.get("/volume/sub-1/ses-1/T2.nii.gz")[2] == b"sub-1 ses-1 T2"
    for name in ("report.js", "review.js", "list.js", "planes.js"):
        assert client.get(f"/script/{name}")[0] == 200


def test_a_wrong_token_sees_nothing(client):
    client.cookie = f"t2disc-{client.port}=wrong"
    for path in ("/", "/read/sub-1", "/volume/sub-1/ses-1/T2.nii.gz", "/script/report.js", "/ratings?reader=R1"):
        status, _, body = client.get(path)
        assert status == 403
        assert b"sub-1" not in body
    assert client.get("/?token=wrong")[0] == 403
    assert client.post({})[0] == 403


def test_another_host_is_refused(client):
    for host in ("evil.example", f"evil.example:{client.port}", "127.0.0.1", ""):
        assert client.get("/", Host=host)[0] == 421


PATHS = [
    "/../../etc/passwd",
    "/read/../../../etc/passwd",
    "/read/..%2f..%2fetc%2fpasswd",
    "/volume/sub-1/ses-1/../../../../etc/passwd",
    "/volume/sub-1/../ses-1/T2.nii.gz",
    "/volume/../sub-1/ses-1/T2.nii.gz",
    "/volume/sub-1/ses-9/T2.nii.gz",
    "/volume/sub-1/ses-1/manifest.json",
    "/volume/sub-1/ses-1/T2",
    "/volume/sub-1/ses-1/T2.nii.gz/",
    "/script/../site.py",
    "/script/%2e%2e/site.py",
    "/script/participant.html",
    "/script//etc/passwd",
    "//etc/passwd",
    "/read/sub-1%00",
    "/read/sub-3",
    "/differences",
    "/[::1",
]


@pytest.mark.parametrize("path", PATHS)
def test_no_address_leads_out_of_what_is_shown(client, path):
    assert client.get(path)[0] == 404


def test_ratings_are_kept_with_the_server_s_time_and_what_was_seen(client, shelf):
    status, _, body = client.post(client.rating(comment=" rim <b> ", level=""))
    assert status == 200
    (kept,) = shelf.kept
    assert (kept.subject, kept.figure, kept.word, kept.comment, kept.reader) == (
        "sub-1",
        "slices",
        "pass",
        "rim <b>",
        "R1",
    )
    assert json.loads(body)["kept"] == kept.rated_utc
    assert kept.rated_sha256 == client.shown()
    client.post(client.rating(level="L4/L5", word="fail"))
    tree = json.loads(client.get("/ratings?reader=r1")[2])["ratings"]
    words = {"figure": "pass", "comment": "rim <b>", "discs": {"L4/L5": "fail"}}
    seen = {"": kept.rated_sha256, "L4/L5": kept.rated_sha256}
    assert tree == {"sub-1": {"slices": words | {"seen": seen}}}
    assert json.loads(client.get("/ratings?reader=R2")[2])["ratings"] == {}, "a reader sees no one else's"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"sha256": "0" * 64}, 409),
        ({"figure": "other"}, 409),
        ({"subject": "sub-2"}, 409),
        ({"level": "L1/L2"}, 409),
        ({"word": "great"}, 400),
        ({"reader": ""}, 400),
        ({"comment": "x" * 401}, 400),
        ({"more": "1"}, 400),
        ({"level": 5}, 400),
    ],
)
def test_a_rating_that_cannot_be_is_not_kept(client, shelf, changes, status):
    assert client.post(client.rating() | changes)[0] == status
    assert shelf.kept == []


def test_a_name_that_no_reader_can_have_is_told_before_anything_is_rated(client):
    status, _, body = client.get("/ratings?reader=%20%2F")
    assert status == 400
    assert "letters, digits, spaces" in json.loads(body)["words"]
    status, _, body = client.get("/ratings?reader=nul")
    assert status == 400
    assert "CON or NUL" in json.loads(body)["words"]
    assert client.get("/ratings?reader=Jos%C3%A9%20B")[0] == 200


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000])
def test_a_body_that_is_no_rating_is_refused(client, shelf, body):
    assert client.post(body)[0] == 400
    assert shelf.kept == []


def test_cross_site_posts_are_refused(client, shelf):
    rating = client.rating()
    assert client.post(rating, Origin="http://evil.example")[0] == 403
    assert client.post(rating, Origin="null")[0] == 403
    assert client.post(rating, **{"Sec-Fetch-Site": "cross-site"})[0] == 403
    assert client.post(rating, **{"Content-Type": "text/plain"})[0] == 415
    client.cookie = ""
    assert client.post(rating)[0] == 403
    assert shelf.kept == []


def test_a_body_over_1_mib_is_refused_before_it_is_read(client, shelf):
    head = (
        f"POST /ratings HTTP/1.1\r\nHost: {client.host}\r\nCookie: {client.cookie}\r\nOrigin: http://{client.host}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {MOST_BODY_BYTES + 1}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", client.port), timeout=10) as connection:
        connection.sendall(head.encode())  # and not a byte of the body
        answer = connection.recv(4096)
    assert answer.startswith(b"HTTP/1.0 413")
    assert b"Connection: close" in answer
    assert shelf.kept == []


def test_what_is_no_http_is_refused_without_an_echo(client):
    for line in (b"CANARY / HTTP/1.1", b"GET CANARY", b"\x16\x03CANARY", b"GET / HTTP/9.9 CANARY"):
        with socket.create_connection(("127.0.0.1", client.port), timeout=10) as connection:
            connection.sendall(line + b"\r\n\r\n")
            answer = connection.recv(4096)
        assert b"CANARY" not in answer
        assert b" 200 " not in answer.split(b"\r\n")[0]


def test_a_header_that_is_given_twice_counts_for_nothing(client):
    with socket.create_connection(("127.0.0.1", client.port), timeout=10) as connection:
        twice = f"Host: {client.host}\r\nHost: evil.example\r\nCookie: {client.cookie}\r\n"
        connection.sendall(f"GET / HTTP/1.1\r\n{twice}\r\n".encode())
        assert connection.recv(64).startswith(b"HTTP/1.0 421")


def test_two_readers_at_once_lose_nothing(client, shelf):
    sha256 = client.shown()
    ratings = [client.rating(reader=f"R{n % 2}", comment=f"comment {n}", sha256=sha256) for n in range(40)]
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda rating: client.post(rating)[0], ratings))
    assert statuses == [200] * 40
    assert {rating.comment for rating in shelf.kept} == {f"comment {n}" for n in range(40)}


def test_a_page_is_made_once_for_many_readers(client, shelf):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: client.shown(), range(16)))
    assert shelf.pages == 1


def test_what_readers_differ_on_is_shown_in_a_meeting_only(shelf):
    with serve_review(shelf, with_differences=True) as running:
        client = Client(running)
        assert b"agree on everything" in client.get("/differences")[2]
        client.post(client.rating())
        client.post(client.rating(reader="R2", word="fail"))
        page = client.get("/differences")[2].decode()
        assert "r1: pass" in page
        assert "r2: fail" in page
        assert checked(page)


def test_every_server_has_a_token_of_its_own_and_listens_on_this_machine_alone(shelf):
    with serve_review(shelf) as one, serve_review(shelf) as other:
        assert Client(one).token != Client(other).token
        assert len(Client(one).token) >= 43
        assert one.address.startswith("http://127.0.0.1:")
        assert Client(one).token not in repr(one)
        with pytest.raises(ArgumentInvalid, match=f"port {one.port}"), serve_review(shelf, port=one.port):
            pass


def test_what_a_browser_is_started_with_opens_once(shelf):
    """Every user of a machine may read its command lines."""
    with serve_review(shelf) as running:
        client = Client(running)
        assert client.token not in running.once
        client.cookie = ""
        path = running.once.removeprefix(f"http://{client.host}")
        assert client.get(path.replace("/?", "/read/sub-1?"))[0] == 403
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: client.get(path), range(16)))
        assert sorted(status for status, _, _ in answers) == [303] + [403] * 15
        (cookie,) = [headers["Set-Cookie"] for status, headers, _ in answers if status == 303]
        client.cookie = cookie.split(";")[0]
        assert client.get("/")[0] == 200
        assert client.get("/?ticket=wrong%ff", Cookie="")[0] == 403
        assert "ticket" not in repr(running)


def test_a_server_is_gone_with_its_block(shelf):
    with serve_review(shelf) as running:
        port = running.port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=2)


def test_without_the_viewer_the_page_says_so_and_shows_the_slices(client, monkeypatch):
    monkeypatch.setattr("t2disc.qc.review.viewer.PACKAGE", "no_such_package")
    page = client.get("/read/sub-2")[2].decode()
    assert "is not installed here" in page
    assert "planes.js" not in page
    assert 'class="stage"' in page
    assert client.get("/script/niivue.js")[0] == 404
