"""Limits the rate of requests from each client."""

import json
from collections.abc import Callable
from math import ceil
from typing import TYPE_CHECKING, Final

from throttled import MemoryStore, Quota, RateLimiterType, Throttled
from throttled.exceptions import DataError
from throttled.rate_limiter.quota_parser import parse
from werkzeug.exceptions import HTTPException

from adapters.web.addresses import network_of
from adapters.web.flask_app import current_request
from adapters.web.hosts import ForeignHost
from application.access import Principal

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from flask import Response

RateLimiter = Callable[["WSGIEnvironment", Principal | None], None]
"""Counts a request of a client. Raises TooManyRequests if it is over the limit."""

_COUNTED: Final = "roster.counted"
"""The key in the WSGI environment that is set when a limit has counted the request."""


class TooManyRequests(Exception):
    """The client has sent too many requests. It may send the next one after `seconds`."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"too many requests; {seconds} s to wait")
        self.seconds = seconds


def rate(text: str) -> Quota:
    """Parses a rate such as 100/minute, 10 per second or 600/hour burst 20.

    The burst is the number of requests that may arrive at the same time; by default, all of them.
    Raises ValueError if the text is not a rate, or if the rate permits no requests.
    """
    try:
        (quota,) = parse(text)
    except (DataError, OverflowError) as error:
        raise ValueError(text) from error
    if quota.burst < 1:
        raise ValueError("permits no requests")
    return quota


def rate_limiter(allowed: Quota, max_clients: int = 100_000) -> RateLimiter:
    """Limits the requests of each client that this process counts: a burst, then a steady rate.

    A client is a principal, or an address if it is not authenticated. Above `max_clients`, the
    count of the client with the oldest request is dropped.
    """
    throttled = Throttled(
        using=RateLimiterType.GCRA.value,
        quota=allowed,
        store=MemoryStore(options={"MAX_SIZE": max_clients}),
    )

    def check(environ: "WSGIEnvironment", principal: Principal | None) -> None:
        environ[_COUNTED] = True
        result = throttled.limit(_client(environ, principal))
        if result.limited:
            raise TooManyRequests(max(1, ceil(result.state.retry_after)))

    return check


def counting_errors(
    respond: Callable[[Exception], "Response"], limit: RateLimiter
) -> Callable[[Exception], "Response"]:
    """Returns an error handler that counts errors, and responds with 429 beyond the limit.

    The routes of the API count their own requests. This handler counts the requests that match no
    route, by the client's address: those with an unknown URL, host or method.
    """

    def handle(error: Exception) -> "Response":
        environ = current_request().environ
        if isinstance(error, HTTPException | ForeignHost) and _COUNTED not in environ:
            try:
                limit(environ, None)
            except TooManyRequests as limited:
                return respond(limited)
        return respond(error)

    return handle


def _client(environ: "WSGIEnvironment", principal: Principal | None) -> str:
    if principal and principal.subject is not None:
        return f"principal {json.dumps(principal.identity)}"
    return f"address {network_of(environ.get('REMOTE_ADDR', ''))}"
