"""Who may ask a review server for anything: pure rules on a request, each with its refusal."""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

MOST_BODY_BYTES = 2**20
METHODS = ("GET", "POST")
_OWN_SITES = ("same-origin", "none")  # this server's own pages, and the reader's own typing


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as it arrived. ``headers`` by lower-case name; ``body`` was read only after :func:`refuse_early`."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What a server asks of a request: that it is meant for this server, and brings its token."""

    port: int
    token: str = field(repr=False)

    @property
    def cookie(self) -> str:
        """Name of the cookie that carries the token; browsers share cookies between the ports of a machine."""
        return f"t2disc-{self.port}"

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names under which the server answers; any other is another site's, pointed here (DNS rebinding)."""
        return f"127.0.0.1:{self.port}", f"localhost:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A status and what to say; nothing of the request is repeated."""

    status: int
    words: str


def refuse_early(request: Request, gate: Gate) -> Refusal | None:
    """Return why a request is refused before its body is read, or ``None``.

    A request must name this server as its host, use GET or POST, bring the token (in the address once, in the cookie
    after that), and send a body of at most 1 MiB whose length it states. What changes anything must come from a page
    of this very server: its origin says so, and its cookie is never sent by another site's page (``SameSite``). To a
    browser, other ports of this machine are the same site: what their pages fetch is refused by ``Sec-Fetch-Site``.

    Source: OWASP Cross-Site Request Forgery Prevention Cheat Sheet (origin check, SameSite, content type).
    """
    if request.headers.get("host") not in gate.hosts:
        return Refusal(status=421, words="This server answers to its own address only.")
    if (
        request.headers.get("sec-fetch-site", "none") not in _OWN_SITES
        and request.headers.get("sec-fetch-mode") != "navigate"
    ):
        return Refusal(status=403, words="Pages of other servers get nothing.")
    if request.method not in METHODS:
        return Refusal(status=405, words="GET and POST only.")
    if not _brings_token(request, gate):
        return Refusal(status=403, words="Open the address that t2disc review printed: it carries a token.")
    return _refuse_post(request) if request.method == "POST" else None


def is_entrance(request: Request, gate: Gate) -> bool:
    """Tell whether a request comes with the right token in its address, as the first one does."""
    return request.method == "GET" and request.path == "/" and _is_token(request.query.get("token"), gate)


def _brings_token(request: Request, gate: Gate) -> bool:
    if is_entrance(request, gate):
        return True
    return any(_is_token(value, gate) for value in _cookies(request, gate.cookie))


def _cookies(request: Request, name: str) -> Iterator[str]:
    """Yield the values of a cookie; what other servers of this machine call theirs, however odd, does not matter.

    Source: RFC 6265, section 4.2.1 (pairs ``name=value`` between semicolons).
    """
    for pair in request.headers.get("cookie", "").split(";"):
        found, _, value = pair.strip().partition("=")
        if found == name:
            yield value


def _is_token(text: str | None, gate: Gate) -> bool:
    return text is not None and hmac.compare_digest(text.encode("utf-8", "replace"), gate.token.encode())


def _refuse_post(request: Request) -> Refusal | None:
    headers = request.headers
    is_own = headers.get("origin") == f"http://{headers['host']}"
    if not is_own or headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return Refusal(status=403, words="Ratings are taken from the pages of this server only.")
    if headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        return Refusal(status=415, words="A rating is sent as application/json.")
    length = headers.get("content-length", "")
    if "transfer-encoding" in headers or not (length.isascii() and length.isdigit() and len(length) < 20):
        return Refusal(status=411, words="A body must state its length.")
    if int(length) > MOST_BODY_BYTES:
        return Refusal(status=413, words="A body holds at most 1 MiB.")
    return None
