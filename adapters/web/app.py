"""The application factory, and what every request gets: an id, a deadline, a line in the log.

And where they are wanted, a place in the metrics.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from hashlib import blake2b
from json import dumps
from random import getrandbits  # which no one need be unable to guess
from secrets import token_bytes
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import structlog
from flask import Blueprint, Flask, Response, current_app
from werkzeug.exceptions import MethodNotAllowed, NotFound

from adapters.web.flask_app import App, PreparedResponse, Request, current_request
from adapters.web.metrics import ROUTE, UNKNOWN, Metrics, known_method, route_template
from adapters.web.progress import PROGRESS
from adapters.web.request_body import (
    can_be_discarded,
    discard,
    is_read,
    may_follow,
    release_body,
)
from adapters.web.security_headers import Headers, ResponseHeaders
from adapters.web.traces import trace_id
from application.deadlines import deadline

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

REQUEST_ID: Final = "roster.request_id"
"""Where the WSGI environment holds the request's id."""

_OWN_SERVER = "Granian"
"""The server that `roster serve` runs. PEP 3333 forbids an application the header Connection; this
server sends it and acts on it."""
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_log = structlog.get_logger("roster.request")

Rewrite = Callable[[str], str]
LogFields = dict[str, object]
RequestLog = Callable[[LogFields], None]
"""Takes the line of the log that a request leaves behind."""


def tell(line: LogFields) -> None:
    """Log it as any event."""
    _log.info("request", **line)


def create_app(
    blueprints: Iterable[Blueprint],
    *,
    say: Callable[[Exception], Response],
    canonical: Rewrite,
    request_seconds: float,
    body_seconds: float = 20,
    response_headers: ResponseHeaders | None = None,
    metrics: Metrics | None = None,
    tell: RequestLog = tell,
    check_host: Callable[[], None] | None = None,
    trust_request_id: bool = False,
    log_key: bytes | None = None,
    request_class: type[Request] = Request,
) -> Flask:
    """The application out of its inbound adapters.

    `say` makes the answer to whatever goes wrong; `canonical` turns the path of a request into
    the one by which it is routed; `request_seconds` is the deadline of a request; the body of one
    that is refused early is discarded for at most `body_seconds`; `response_headers` adds
    to every answer's headers; `metrics` hear of every request, and `tell` gets a line about it.
    `check_host` is the first check of a request. X-Request-ID is accepted from the client if
    `trust_request_id` is set. `log_key` is the key of the hashes that stand for principals in the
    log; without one, they differ from process to process. `request_class` has the attributes that
    the inbound adapters need.
    """
    app = App("roster", request_class)
    app.url_map.merge_slashes = False
    if check_host:
        app.before_request(check_host)
    app.before_request(_check_request)
    app.register_error_handler(Exception, say)
    for blueprint in blueprints:
        app.register_blueprint(blueprint)
    app.wsgi_app = RequestMiddleware(  # type: ignore[method-assign]
        app.wsgi_app,
        canonical,
        request_seconds,
        body_seconds,
        response_headers or ResponseHeaders(),
        metrics,
        tell,
        trust_request_id=trust_request_id,
        log_key=log_key or token_bytes(32),
    )
    return app


def _check_request() -> Response | None:
    """What comes before any route: OPTIONS is answered, other spellings are refused.

    Werkzeug takes //users for /users and delete for DELETE; a proxy that guards them doesn't.
    An encoded slash can't be told from a plain one: servers decode paths (PEP 3333).
    """
    request = current_request()
    path = request.environ["PATH_INFO"]
    if not path or path.startswith("//"):  # GET example.org:80 has no path
        raise NotFound
    if request.url_rule is None:
        return None
    if request.environ["REQUEST_METHOD"] != request.method:
        raise MethodNotAllowed(_allowed_methods(request))
    if request.method == "OPTIONS":
        return PreparedResponse(b"", 204, [("Allow", ", ".join(_allowed_methods(request)))])
    return None


def _allowed_methods(request: Request) -> list[str]:
    """The methods that the URL of the request has."""
    routes = current_app.create_url_adapter(request)
    return sorted(routes.allowed_methods()) if routes else []


class RequestMiddleware:
    """One request and its answer, around the whole application.

    The log gets one line. It contains no text that the client chose: not the query and the body,
    the route instead of the path, and a keyed hash instead of the principal.
    """

    def __init__(
        self,
        app: "WSGIApplication",
        canonical: Rewrite,
        seconds: float,
        body_seconds: float,
        response_headers: ResponseHeaders,
        metrics: Metrics | None,
        tell: RequestLog,
        *,
        trust_request_id: bool,
        log_key: bytes,
    ) -> None:
        self._app = app
        self._canonical = canonical
        self._seconds = seconds
        self._body_seconds = body_seconds
        self._response_headers = response_headers
        self._metrics = metrics
        self._log = tell
        self._trust_request_id = trust_request_id
        self._pseudonym = lru_cache(1024)(partial(_pseudonym, log_key))

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        began = perf_counter()
        PROGRESS.begin(environ)
        if self._metrics:
            self._metrics.request_started(environ)
        environ["PATH_INFO"] = self._canonical(environ["PATH_INFO"])
        sent_id = environ.get("HTTP_X_REQUEST_ID", "") if self._trust_request_id else ""
        request_id = environ[REQUEST_ID] = _request_id(sent_id)
        started: list[tuple[str, Request]] = []

        def starting(status: str, headers: Headers, *exc_info: Any) -> Any:
            request = current_request()
            started.append((status, request))
            headers.append(("X-Request-ID", request_id))
            self._response_headers(environ, headers)
            if not (is_read(environ) or can_be_discarded(environ)) and _is_own_server(environ):
                headers.append(("Connection", "close"))
            if request.url_rule:
                environ[ROUTE] = request.url_rule.rule
            return start_response(status, headers, *exc_info)

        try:
            with deadline(self._seconds):
                response = _join_body(self._app(environ, starting))
            # A list of one is what servers send in one go.
            if is_read(environ) or not may_follow(environ):
                return [response]
            return self._and_discard(response, environ)
        finally:
            PROGRESS.end(environ)
            release_body(environ)
            status, request = started[-1] if started else ("500", None)
            self._tell(environ, request, int(status[:3]), perf_counter() - began)

    def _and_discard(self, response: bytes, environ: "WSGIEnvironment") -> Iterator[bytes]:
        """The response, whatever becomes of the request, and then the rest of the body.

        If a response ends before its request has been read, the server closes the connection:
        the client cannot send the rest, and may not see the response (RFC 9112 section 9.3).
        """
        try:
            yield response
        finally:  # also if the server closes this early: it does for a response without a body
            discard(environ, seconds=self._body_seconds)

    def _tell(
        self, environ: "WSGIEnvironment", request: Request | None, status: int, seconds: float
    ) -> None:
        if self._metrics:
            self._metrics.request_finished(environ, status, seconds)
        line = {
            "method": known_method(environ),
            "route": route_template(environ.get(ROUTE, UNKNOWN)),
            "status": status,
            "duration_ms": round(seconds * 1000, 3),
            "request_id": environ[REQUEST_ID],
        }
        if request and request.principal:
            line["principal"] = self._pseudonym(request.principal.identity)
        if sent := environ.get("HTTP_TRACEPARENT"):
            line |= _trace(sent)
        if request and request.log_fields:
            line |= request.log_fields
        self._log(line)


def _pseudonym(key: bytes, identity: tuple[str | None, ...]) -> str:
    """Stands for a principal: the same for each of its requests, and no clue to its subject."""
    return blake2b(dumps(identity).encode(), key=key, digest_size=6).hexdigest()


def _is_own_server(environ: "WSGIEnvironment") -> bool:
    """Whether the request came by `roster serve`."""
    return environ.get("SERVER_SOFTWARE") == _OWN_SERVER


def _trace(sent: str) -> dict[str, str]:
    """What the log tells of the trace that the request is a part of, if it is one's."""
    found = trace_id(sent)
    return {"trace_id": found} if found else {}


def _join_body(parts: Iterable[bytes]) -> bytes:
    try:
        return b"".join(parts)
    finally:
        if close := getattr(parts, "close", None):
            close()


def _request_id(sent: str) -> str:
    return sent if sent and _SANE_ID.fullmatch(sent) else f"{getrandbits(128):032x}"
