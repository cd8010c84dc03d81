"""What a review server answers: pages, volumes, scripts and ratings, each under an address it knows beforehand."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from t2disc.errors import ArgumentInvalid, StoreError, T2DiscError
from t2disc.model.ratings import READER_RULE, Rating, is_reader
from t2disc.qc.ratings import current_ratings, disagreements
from t2disc.qc.review.desk import VOLUMES, Desk
from t2disc.qc.review.guard import Gate, Request, is_entrance
from t2disc.qc.review.pages import render_differences, render_list, render_message, render_review, script
from t2disc.qc.review.viewer import niivue_script

_MOST_PAGES = 8
_MOST_VOLUMES = 12
_STRICT = "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
_PAGES = f"{_STRICT}; script-src 'self'; img-src 'self' data: blob:; connect-src 'self' data: blob:; font-src data:"
HEADERS = {
    "Content-Security-Policy": _PAGES,
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Of every response: nothing is kept, framed, guessed, or sent on; scripts and data come from this server alone."""
_SCRIPTS = ("report.js", "review.js", "list.js", "planes.js")
_JAVASCRIPT = "text/javascript; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A status, a body and its type, and headers beside :data:`HEADERS`."""

    status: int = 200
    body: bytes = field(default=b"", repr=False)
    media_type: str = "text/html; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


class _Kept:
    """The latest few of what takes long to make; one is made at a time, and never twice at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[Any, Any] = OrderedDict()
        self._making = threading.Lock()

    def get(self, key: Any, make: Callable[[], Any]) -> Any:
        with self._making:
            if key not in self._values:
                self._values[key] = make()
            self._values.move_to_end(key)
            while len(self._values) > self._most:
                self._values.popitem(last=False)
            return self._values[key]


class ReviewSite:
    """Answers requests that :mod:`t2disc.qc.review.guard` let pass.

    Parameters
    ----------
    desk
        What is read, and where ratings are kept.
    gate
        The server's port and token.
    with_differences
        Show what readers differ on, each reader's word beside it: for a consensus meeting, not for reading.
    """

    def __init__(self, desk: Desk, gate: Gate, *, with_differences: bool = False) -> None:
        self._desk, self._gate, self._with_differences = desk, gate, with_differences
        self._pages, self._volumes = _Kept(_MOST_PAGES), _Kept(_MOST_VOLUMES)
        self._shown: dict[str, dict[str, dict[str, tuple[str, ...]]]] = {}  # discs by subject, figure, check sum

    def answer(self, request: Request) -> Response:
        """Return the response to a request; what is not known is not there."""
        try:
            return self._keep(request) if request.method == "POST" else self._show(request)
        except StoreError as error:
            return _told(500, error)
        except T2DiscError as error:
            return _told(400, error)

    # -------------------------------------------------------------------------------------------- showing
    def _show(self, request: Request) -> Response:
        if is_entrance(request, self._gate):
            cookie = f"{self._gate.cookie}={self._gate.token}; Path=/; HttpOnly; SameSite=Strict"
            return Response(status=303, headers={"Location": "/", "Set-Cookie": cookie})
        match request.path.split("/")[1:]:
            case [""]:
                return _html(render_list(self._desk.title, self._desk.subjects, self._with_differences))
            case ["read", subject] if subject in self._desk.subjects:
                return _html(self._page(subject))
            case ["volume", subject, visit, name]:
                return self._volume(subject, visit, name)
            case ["ratings"]:
                return self._ratings_of(request.query.get("reader", ""))
            case ["differences"] if self._with_differences:
                return _html(render_differences(self._desk.title, disagreements(self._desk.ratings())))
            case ["script", name]:
                return self._script(name)
        return not_there()

    def _page(self, subject: str) -> str:
        return str(self._pages.get(subject, lambda: self._rendered(subject)))

    def _rendered(self, subject: str) -> str:
        page = self._desk.page(subject)
        shown = self._shown.setdefault(subject, {})
        for section in page.sections:
            for figure in section.figures:
                shown.setdefault(figure.name, {})[figure.sha256] = figure.levels
        at, subjects = self._desk.subjects.index(subject), self._desk.subjects
        return render_review(
            page,
            visits=self._desk.visits(subject) if niivue_script() else (),
            before=subjects[at - 1] if at else "",
            after=subjects[at + 1] if at + 1 < len(subjects) else "",
            has_viewer=niivue_script() is not None,
        )

    def _volume(self, subject: str, visit: str, name: str) -> Response:
        """Return a volume by names that are known beforehand, so that none can lead anywhere else."""
        kind = name.removesuffix(".nii.gz")
        if subject not in self._desk.subjects or kind not in VOLUMES or not name.endswith(".nii.gz"):
            return not_there()
        if visit not in [one.name for one in self._desk.visits(subject)]:
            return not_there()
        body = self._volumes.get((subject, visit, kind), lambda: self._desk.volume(subject, visit, kind))
        return Response(body=body, media_type="application/octet-stream")

    def _script(self, name: str) -> Response:
        if name == "niivue.js" and (path := niivue_script()) is not None:
            return Response(body=path.read_bytes(), media_type=_JAVASCRIPT)
        return Response(body=script(name), media_type=_JAVASCRIPT) if name in _SCRIPTS else not_there()

    def _ratings_of(self, reader: str) -> Response:
        """Return a reader's own latest words, by subject and figure; other readers' stay unseen.

        ``seen`` has the check sum of what each was said of, by disc (empty for the figure): pages tell what is old.
        """
        if reader and not is_reader(reader):
            raise ArgumentInvalid("a name that no reader can have", expected=READER_RULE, todo="type another name")
        own = self._desk.ratings(reader) if reader else ()
        tree: dict[str, dict[str, dict[str, Any]]] = {}
        for one in current_ratings(own):
            figures = tree.setdefault(one.subject, {})
            figure = figures.setdefault(one.figure, {"figure": "", "discs": {}, "comment": "", "seen": {}})
            figure["seen"][one.level] = one.rated_sha256
            if one.level:
                figure["discs"][one.level] = one.word
            else:
                figure |= {"figure": one.word, "comment": one.comment}
        return _json(200, {"ratings": tree})

    # -------------------------------------------------------------------------------------------- keeping
    def _keep(self, request: Request) -> Response:
        if request.path != "/ratings":
            return not_there()
        rating = _parsed(request.body)
        levels = self._shown.get(rating.subject, {}).get(rating.figure, {}).get(rating.rated_sha256)
        if levels is None or rating.level not in ("", *levels):
            words = "This figure is not what the server shows: load the page again."
            return _json(409, {"words": words})
        self._desk.keep(rating)
        return _json(200, {"kept": rating.rated_utc})


_FIELDS = ("subject", "figure", "level", "word", "comment", "reader", "sha256")


def _parsed(body: bytes) -> Rating:
    """Return the rating of a request's body, with the server's own time.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: it is none.
    """
    try:
        tree = json.loads(body)
    except (ValueError, RecursionError):
        raise ArgumentInvalid("a body that is no JSON") from None
    if not isinstance(tree, dict) or set(tree) != set(_FIELDS) or not all(isinstance(v, str) for v in tree.values()):
        raise ArgumentInvalid("a rating with other fields", expected=f"texts under {', '.join(_FIELDS)}")
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    told = {name: tree[name].strip() for name in _FIELDS if name != "sha256"}
    return Rating(**told, rated_sha256=tree["sha256"], rated_utc=now)


def not_there() -> Response:
    """Return the response to an address that leads nowhere."""
    return message(404, "There is nothing under this address.")


def message(status: int, words: str) -> Response:
    """Return a page of one sentence."""
    return Response(status=status, body=render_message(words).encode())


def _told(status: int, error: T2DiscError) -> Response:
    return _json(status, {"code": error.code, "words": str(error)})


def _html(text: str) -> Response:
    return Response(body=text.encode())


def _json(status: int, tree: dict[str, Any]) -> Response:
    return Response(status=status, body=json.dumps(tree).encode(), media_type="application/json")
