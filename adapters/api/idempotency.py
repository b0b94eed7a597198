"""Idempotency: a retry with the same Idempotency-Key gets the stored response."""

from collections.abc import Callable, Iterable
from typing import Final

from flask import Response

from adapters.api import http
from adapters.api.request import current_request
from adapters.jsonapi.idempotency import idempotent_request
from adapters.web.identity import request_context
from application.idempotency import run_idempotently
from application.ports import StoredResponse, Subject, UnitRunner

STORED_HEADERS: Final = ("Content-Type", "ETag", "Location", "Cache-Control")
"""The headers of a response that are stored."""

Respond = Callable[[UnitRunner], tuple[Response, Iterable[Subject]]]
"""Returns a response and the resources that it contains."""
RespondOnce = Callable[[UnitRunner, Respond, Iterable[Subject]], Response]


def idempotent(render_error: Callable[[Exception], Response]) -> RespondOnce:
    """Returns a function that executes a request at most once for each Idempotency-Key.

    That function calls `respond` or returns the stored response. The resources that the response
    contains are stored with it, so an erasure of one of them erases the response. `render_error`
    renders an error; its resources are those that the request names.
    """

    def respond_once(run: UnitRunner, respond: Respond, named: Iterable[Subject]) -> Response:
        http_request = current_request()
        environ = http_request.environ
        key = environ.get("HTTP_IDEMPOTENCY_KEY")
        if key is None:
            http.discard_body()
            return respond(run)[0]
        context = request_context()
        url = f"{environ['PATH_INFO']}?{http.query()}"
        request = idempotent_request(
            key, principal=context.principal, url=url, body=http_request.body
        )
        http.discard_body()
        stored = run_idempotently(
            run,
            request,
            context,
            lambda nested_run: _stored(*respond(nested_run)),
            lambda error: _stored(render_error(error), named),
        )
        return http.response(stored.status, stored.body, headers=stored.headers)

    return respond_once


def _stored(response: Response, subjects: Iterable[Subject]) -> StoredResponse:
    headers = {name: response.headers[name] for name in STORED_HEADERS if name in response.headers}
    return StoredResponse(response.status_code, headers, response.get_data(), frozenset(subjects))
