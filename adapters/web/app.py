"""Creates the Flask application. Each request gets an id, a deadline and a log entry.

If metrics are on, each request is also counted.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from hashlib import blake2b
from json import dumps
from random import getrandbits  # request ids may be guessable
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
"""The key of the request's id in the WSGI environment."""

_OWN_SERVER = "Granian"
"""The server that `roster serve` runs. PEP 3333 does not permit applications to send the header
Connection, but this server sends it and closes the connection."""
_VALID_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_log = structlog.get_logger("roster.request")

Rewrite = Callable[[str], str]
LogFields = dict[str, object]
RequestLog = Callable[[LogFields], None]
"""Logs a request, given the fields of its log entry."""


def log_request(fields: LogFields) -> None:
    """Logs a request with structlog."""
    _log.info("request", **fields)


def create_app(
    blueprints: Iterable[Blueprint],
    *,
    render_error: Callable[[Exception], Response],
    canonical: Rewrite,
    request_seconds: float,
    body_seconds: float = 20,
    response_headers: ResponseHeaders | None = None,
    metrics: Metrics | None = None,
    log_request: RequestLog = log_request,
    check_host: Callable[[], None] | None = None,
    trust_request_id: bool = False,
    log_key: bytes | None = None,
    request_class: type[Request] = Request,
) -> Flask:
    """Creates the application from the blueprints of its inbound adapters.

    - `render_error` makes the response for an exception.
    - `canonical` returns the path by which a request is routed.
    - `request_seconds` is the deadline of a request.
    - `body_seconds` limits the time for discarding the rest of a body after an early response.
    - `response_headers` adds the headers common to all responses.
    - `metrics` counts each request, and `log_request` logs it.
    - `check_host` is the first check of a request.
    - `trust_request_id` accepts X-Request-ID from the client.
    - `log_key` is the key of the hashes that replace principals in the log. Without it, they
      differ between processes.
    - `request_class` has the attributes that the inbound adapters need.
    """
    app = App("roster", request_class)
    app.url_map.merge_slashes = False
    if check_host:
        app.before_request(check_host)
    app.before_request(_check_request)
    app.register_error_handler(Exception, render_error)
    for blueprint in blueprints:
        app.register_blueprint(blueprint)
    app.wsgi_app = RequestMiddleware(  # type: ignore[method-assign]
        app.wsgi_app,
        canonical,
        request_seconds,
        body_seconds,
        response_headers or ResponseHeaders(),
        metrics,
        log_request,
        trust_request_id=trust_request_id,
        log_key=log_key or token_bytes(32),
    )
    return app


def _check_request() -> Response | None:
    """Handles OPTIONS, and rejects other spellings of paths and methods, before any route.

    Werkzeug treats //users as /users and delete as DELETE, but a proxy that restricts access does
    not. An encoded slash can't be distinguished: servers decode paths (PEP 3333).
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
    """The methods of the request's URL."""
    routes = current_app.create_url_adapter(request)
    return sorted(routes.allowed_methods()) if routes else []


class RequestMiddleware:
    """Wraps the application: sets deadlines and headers, logs and counts each request.

    A log entry contains no text that the client chose: neither the query nor the body. It has the
    route instead of the path, and a keyed hash instead of the principal.
    """

    def __init__(
        self,
        app: "WSGIApplication",
        canonical: Rewrite,
        seconds: float,
        body_seconds: float,
        response_headers: ResponseHeaders,
        metrics: Metrics | None,
        log_request: RequestLog,
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
        self._log_request = log_request
        self._trust_request_id = trust_request_id
        self._pseudonym = lru_cache(1024)(partial(_pseudonym, log_key))

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        start = perf_counter()
        PROGRESS.begin(environ)
        if self._metrics:
            self._metrics.request_started(environ)
        environ["PATH_INFO"] = self._canonical(environ["PATH_INFO"])
        client_id = environ.get("HTTP_X_REQUEST_ID", "") if self._trust_request_id else ""
        request_id = environ[REQUEST_ID] = _request_id(client_id)
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
            # Servers send a list with one part in a single write.
            if is_read(environ) or not may_follow(environ):
                return [response]
            return self._and_discard(response, environ)
        finally:
            PROGRESS.end(environ)
            release_body(environ)
            status, request = started[-1] if started else ("500", None)
            self._log(environ, request, int(status[:3]), perf_counter() - start)

    def _and_discard(self, response: bytes, environ: "WSGIEnvironment") -> Iterator[bytes]:
        """Yields the response, then discards the rest of the request body.

        If a response ends before its request has been read, the server closes the connection. The
        client then cannot send the rest, and may miss the response (RFC 9112 section 9.3).
        """
        try:
            yield response
        finally:  # the server closes the iterator early if the response has no body
            discard(environ, seconds=self._body_seconds)

    def _log(
        self, environ: "WSGIEnvironment", request: Request | None, status: int, seconds: float
    ) -> None:
        if self._metrics:
            self._metrics.request_finished(environ, status, seconds)
        fields = {
            "method": known_method(environ),
            "route": route_template(environ.get(ROUTE, UNKNOWN)),
            "status": status,
            "duration_ms": round(seconds * 1000, 3),
            "request_id": environ[REQUEST_ID],
        }
        if request and request.principal:
            fields["principal"] = self._pseudonym(request.principal.identity)
        if traceparent := environ.get("HTTP_TRACEPARENT"):
            fields |= _trace(traceparent)
        if request and request.log_fields:
            fields |= request.log_fields
        self._log_request(fields)


def _pseudonym(key: bytes, identity: tuple[str | None, ...]) -> str:
    """Returns a keyed hash of a principal: always the same, without revealing the subject."""
    return blake2b(dumps(identity).encode(), key=key, digest_size=6).hexdigest()


def _is_own_server(environ: "WSGIEnvironment") -> bool:
    """Returns True if the server is that of `roster serve`."""
    return environ.get("SERVER_SOFTWARE") == _OWN_SERVER


def _trace(traceparent: str) -> dict[str, str]:
    """The log field for the trace that the request belongs to, if the header is valid."""
    trace = trace_id(traceparent)
    return {"trace_id": trace} if trace else {}


def _join_body(parts: Iterable[bytes]) -> bytes:
    try:
        return b"".join(parts)
    finally:
        if close := getattr(parts, "close", None):
            close()


def _request_id(client_id: str) -> str:
    if client_id and _VALID_ID.fullmatch(client_id):
        return client_id
    return f"{getrandbits(128):032x}"
