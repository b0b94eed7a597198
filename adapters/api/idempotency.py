"""Idempotency: a request that is repeated under its Idempotency-Key gets the first response."""

from collections.abc import Callable, Iterable
from typing import Final

from flask import Response

from adapters.api import http
from adapters.api.request import current_request
from adapters.jsonapi.idempotency import idempotent_request
from application.idempotency import run_idempotently
from application.ports import StoredResponse, Subject, UnitRunner

STORED_HEADERS: Final = ("Content-Type", "ETag", "Location", "Cache-Control")
"""The headers of a response that are stored with it."""

Respond = Callable[[UnitRunner], tuple[Response, Iterable[Subject]]]
"""Creates the response, and names the resources that it contains."""
RespondOnce = Callable[[UnitRunner, Respond, Iterable[Subject]], Response]


def idempotent(render_error: Callable[[Exception], Response]) -> RespondOnce:
    """Returns the response that `respond` creates; under an Idempotency-Key, the first one.

    The resources that the response contains are stored with it, so that it can be erased with
    any of them. An error, which `render_error` renders, is about those that the request names.
    """

    def respond_once(run: UnitRunner, respond: Respond, named: Iterable[Subject]) -> Response:
        sent = current_request()
        environ = sent.environ
        key = environ.get("HTTP_IDEMPOTENCY_KEY")
        if key is None:
            http.discard_body()
            return respond(run)[0]
        context = http.context()
        url = f"{environ['PATH_INFO']}?{http.query()}"
        request = idempotent_request(key, principal=context.principal, url=url, body=sent.body)
        http.discard_body()
        answer = run_idempotently(
            run,
            request,
            context,
            lambda joined: _stored(*respond(joined)),
            lambda refusal: _stored(render_error(refusal), named),
        )
        return http.response(answer.status, answer.body, headers=answer.headers)

    return respond_once


def _stored(response: Response, subjects: Iterable[Subject]) -> StoredResponse:
    headers = {name: response.headers[name] for name in STORED_HEADERS if name in response.headers}
    return StoredResponse(response.status_code, headers, response.get_data(), frozenset(subjects))
