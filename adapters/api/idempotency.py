"""Idempotency: a request that is repeated under its Idempotency-Key gets the first response."""

from collections.abc import Callable, Iterable
from typing import Final

from flask import Response, g

from adapters.api import http
from adapters.jsonapi.idempotency import keyed
from adapters.web.flask_app import asked
from application.idempotency import once
from application.ports import Answer, Run, Subject

KEPT: Final = ("Content-Type", "ETag", "Location", "Cache-Control")
"""The headers of a response that are stored with it."""

Answering = Callable[[Run], tuple[Response, Iterable[Subject]]]
"""Creates the response, and names the resources that it contains."""
AnswerOnce = Callable[[Run, Answering, Iterable[Subject]], Response]


def answering_once(say: Callable[[Exception], Response]) -> AnswerOnce:
    """Returns the response that `answering` creates; under an Idempotency-Key, the first one.

    The resources that the response contains are stored with it, so that it can be erased with
    any of them. A refusal, which `say` writes, is about those that the request names: `named`.
    """

    def answered_once(run: Run, answering: Answering, named: Iterable[Subject]) -> Response:
        environ = asked().environ
        key = environ.get("HTTP_IDEMPOTENCY_KEY")
        if key is None:
            http.discard_body()
            return answering(run)[0]
        context = http.context()
        url = f"{environ['PATH_INFO']}?{http.query()}"
        request = keyed(key, principal=context.principal, url=url, body=g.body)
        http.discard_body()
        answer = once(
            run,
            request,
            context,
            lambda joined: _stored(*answering(joined)),
            lambda refusal: _stored(say(refusal), named),
        )
        return http.response(answer.status, answer.body, headers=answer.headers)

    return answered_once


def _stored(response: Response, subjects: Iterable[Subject]) -> Answer:
    headers = {name: response.headers[name] for name in KEPT if name in response.headers}
    return Answer(response.status_code, headers, response.get_data(), frozenset(subjects))
