"""The review server: the standard library's, on this machine's own address only."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from t2disc.errors import ArgumentInvalid
from t2disc.qc.review.desk import Desk
from t2disc.qc.review.guard import Gate, Request, refuse_early
from t2disc.qc.review.site import HEADERS, Response, ReviewSite, message

_HOST = "127.0.0.1"
_TIMEOUT_S = 30.0  # of a connection that says nothing
_N_TOKEN_BYTES = 32
_TICKET = "ticket"  # its name in an address
_MOST_FIELDS = 20  # of a query


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningReview:
    """A server that answers until its block ends."""

    port: int
    address: str = field(repr=False)  # with its token: for the reader's eyes
    once: str = field(repr=False)  # opens once: for a browser's command line, which others on this machine may see
    thread: Thread = field(repr=False)


@contextmanager
def serve_review(desk: Desk, *, port: int = 0, with_differences: bool = False) -> Iterator[RunningReview]:
    """Serve a desk on 127.0.0.1 for the length of a ``with`` block.

    Parameters
    ----------
    desk
        What is read, and where ratings are kept.
    port
        A free one is taken for 0.
    with_differences
        As in :class:`~t2disc.qc.review.site.ReviewSite`.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: the port is taken.
    """
    server = _listening(port)
    gate = Gate(port=server.server_port, token=secrets.token_urlsafe(_N_TOKEN_BYTES))
    server.ticket = _Ticket()
    server.gate, server.site = gate, ReviewSite(desk, gate, with_differences=with_differences)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        home = f"http://{_HOST}:{gate.port}/"
        address, once = f"{home}?token={gate.token}", f"{home}?{_TICKET}={server.ticket.word}"
        yield RunningReview(port=gate.port, address=address, once=once, thread=thread)
    finally:
        server.shutdown()
        server.server_close()


class _Ticket:
    """A word that stands for the token once: a browser's command line shows its address to all users of a machine."""

    def __init__(self) -> None:
        self.word = secrets.token_urlsafe(_N_TOKEN_BYTES)
        self._is_spent, self._turn = False, Lock()

    def spend(self, word: str) -> bool:
        """Tell whether ``word`` is the ticket and was not spent before."""
        if not hmac.compare_digest(word.encode("utf-8", "replace"), self.word.encode()):
            return False
        with self._turn:
            is_good, self._is_spent = not self._is_spent, True
        return is_good


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = False  # two servers must not share a port
    gate: Gate
    ticket: _Ticket
    site: ReviewSite

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that went away is no news, and a traceback may quote what it sent."""


def _listening(port: int) -> _Server:
    try:
        return _Server((_HOST, port), _Handler)
    except (OSError, OverflowError):
        raise ArgumentInvalid(
            f"port {port}, which cannot be listened on", expected="a free port", todo="leave --port out for a free one"
        ) from None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"  # a connection for each request: none outlives the server, none can hide a second
    server_version, sys_version = "t2disc", ""
    timeout = _TIMEOUT_S
    server: _Server

    def __getattr__(self, name: str) -> Any:
        """Answer every method the same way: the guard refuses what it does not know."""
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def _answer(self) -> None:
        request = _admitted(_request(self), self.server)
        if refusal := refuse_early(request, self.server.gate):
            return self._send(message(refusal.status, refusal.words))  # its body, if any, is not read
        if request.method == "POST":
            request = replace(request, body=self._body(int(request.headers["content-length"])))
        return self._send(self.server.site.answer(request))

    def _body(self, length: int) -> bytes:
        try:
            return self.rfile.read(length)
        except TimeoutError:
            return b""

    def _send(self, response: Response) -> None:
        with suppress(ConnectionError, TimeoutError):
            self.send_response(response.status)
            for name, value in {**HEADERS, **response.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Type", response.media_type)
            self.send_header("Content-Length", str(len(response.body)))
            self.send_header("Connection", "close")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(response.body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is no HTTP without repeating any of it."""
        del message, explain
        self.close_connection = True
        with suppress(ConnectionError, TimeoutError):
            self.wfile.write(f"HTTP/1.0 {code} Refused\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: addresses carry the token once."""


def _admitted(request: Request, server: _Server) -> Request:
    """Return a request that spends the ticket as one that brings the token, and any other as it is."""
    is_first = server.ticket.spend(request.query.get(_TICKET, "")) if request.path == "/" else False
    return replace(request, query={"token": server.gate.token}) if is_first else request


def _request(handler: BaseHTTPRequestHandler) -> Request:
    headers = {name.lower(): value for name, value in handler.headers.items()}
    for name in [name for name in headers if len(handler.headers.get_all(name, [])) > 1]:
        del headers[name]  # a request that says two things says neither
    try:
        parts = urlsplit(handler.path)
        path, query = parts.path, dict(parse_qsl(parts.query, max_num_fields=_MOST_FIELDS))
    except ValueError:
        path, query = "", {}  # an address that is none leads nowhere
    return Request(method=handler.command, path=path, query=query, headers=headers)
