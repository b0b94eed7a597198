"""The application factory, and what every request gets: an id, a deadline, a line in the log."""

import re
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import structlog
from flask import Blueprint, Flask, Response, current_app, request

from application.deadlines import within

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

REQUEST_ID: Final = "roster.request_id"
"""Where the WSGI environment holds the request's id."""

_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_log = structlog.get_logger("roster.request")

Rewrite = Callable[[str], str]


def create_app(
    blueprints: Iterable[Blueprint],
    *,
    say: Callable[[Exception], Response],
    canonical: Rewrite,
    request_seconds: float,
) -> Flask:
    """The application out of its inbound adapters.

    `say` makes the answer to whatever goes wrong; `canonical` turns the path of a request into
    the one by which it is routed; `request_seconds` is the deadline of a request.
    """
    app = Flask("roster", static_folder=None, template_folder=None)
    app.url_map.merge_slashes = False
    app.before_request(_answer_options)
    app.after_request(_vary)
    app.register_error_handler(Exception, say)
    for blueprint in blueprints:
        app.register_blueprint(blueprint)
    app.wsgi_app = Exchange(app.wsgi_app, canonical, request_seconds)  # type: ignore[method-assign]
    return app


def _answer_options() -> Response | None:
    if request.method != "OPTIONS" or request.url_rule is None:
        return None
    response = current_app.make_default_options_response()
    response.status_code = 204
    del response.headers["Content-Type"]
    return response


def _vary(response: Response) -> Response:
    response.headers["Vary"] = "Accept"
    return response


class Exchange:
    """One request and its answer, around the whole application.

    The log gets one line, without the query and the body: they are the users' own.
    """

    def __init__(self, app: "WSGIApplication", canonical: Rewrite, seconds: float) -> None:
        self._app = app
        self._canonical = canonical
        self._seconds = seconds

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        began = perf_counter()
        path = environ["PATH_INFO"]
        environ["PATH_INFO"] = self._canonical(path)
        request_id = environ[REQUEST_ID] = _request_id(environ.get("HTTP_X_REQUEST_ID", ""))
        answered: list[str] = []

        def starting(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            answered.append(status)
            headers.append(("X-Request-ID", request_id))
            return start_response(status, headers, *exc_info)

        with within(self._seconds):
            body = _whole(self._app(environ, starting))
        _log.info(
            "request",
            method=environ["REQUEST_METHOD"],
            path=path.encode("latin-1").decode("utf-8", "replace"),
            status=int(answered[-1][:3]),
            duration_ms=round((perf_counter() - began) * 1000, 3),
            request_id=request_id,
        )
        # A list of one is what servers send in one go.
        return [body]


def _whole(parts: Iterable[bytes]) -> bytes:
    try:
        return b"".join(parts)
    finally:
        if close := getattr(parts, "close", None):
            close()


def _request_id(sent: str) -> str:
    return sent if _SANE_ID.fullmatch(sent) else uuid4().hex
