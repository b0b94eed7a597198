"""Answering once: what a request asks again under its Idempotency-Key is answered as the first."""

from collections.abc import Callable
from typing import Final

from flask import Response, g

from adapters.api import exchange
from adapters.jsonapi.idempotency import keyed
from adapters.web.dispatch import asked
from application.once import once
from application.ports import Answer, Run

KEPT: Final = ("Content-Type", "ETag", "Location", "Cache-Control")
"""The headers of an answer that every repetition of it bears."""

Answering = Callable[[Run], Response]
AnswerOnce = Callable[[Run, Answering], Response]


def answering_once(say: Callable[[Exception], Response]) -> AnswerOnce:
    """Answers by what it is given; under an Idempotency-Key, by the first answer to the request.

    `say` makes the answer to a refusal.
    """

    def answered_once(run: Run, answering: Answering) -> Response:
        environ = asked().environ
        key = environ.get("HTTP_IDEMPOTENCY_KEY")
        if key is None:
            exchange.discard_body()
            return answering(run)
        context = exchange.context()
        url = f"{environ['PATH_INFO']}?{exchange.query()}"
        request = keyed(key, principal=context.principal, url=url, body=g.body)
        exchange.discard_body()
        answer = once(
            run,
            request,
            context,
            lambda joined: _kept(answering(joined)),
            lambda refusal: _kept(say(refusal)),
        )
        return exchange.response(answer.status, answer.body, headers=answer.headers)

    return answered_once


def _kept(response: Response) -> Answer:
    headers = {name: response.headers[name] for name in KEPT if name in response.headers}
    return Answer(response.status_code, headers, response.get_data())
