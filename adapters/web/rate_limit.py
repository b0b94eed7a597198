"""How often one and the same may ask."""

import json
from collections.abc import Callable
from ipaddress import IPv6Address
from math import ceil
from typing import TYPE_CHECKING, Final

from throttled import MemoryStore, Quota, RateLimiterType, Throttled
from throttled.exceptions import DataError
from throttled.rate_limiter.quota_parser import parse
from werkzeug.exceptions import HTTPException

from adapters.web.addresses import parse_address
from adapters.web.flask_app import current_request
from adapters.web.hosts import ForeignHost
from application.access import Principal

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from flask import Response

RateLimiter = Callable[["WSGIEnvironment", Principal | None], None]
"""Counts a request for whoever asks, or raises TooManyRequests."""

_COUNTED: Final = "roster.counted"
"""Where the WSGI environment says that a limit has counted the request."""
_IPV6_OF_ONE: Final = 64
"""How many bits of an IPv6 address a network hands out to one customer as a whole."""


class TooManyRequests(Exception):
    """Whoever asks has asked too often lately; `seconds` until they may again."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"too many requests; {seconds} s to wait")
        self.seconds = seconds


def rate(text: str) -> Quota:
    """100/minute, 10 per second, 600/hour burst 20: so many in a time, so many of them at once.

    Without a burst all of them may come at once. ValueError for what is none, or would let
    nothing through.
    """
    try:
        (found,) = parse(text)
    except (DataError, OverflowError) as unread:
        raise ValueError(text) from unread
    if found.burst < 1:
        raise ValueError("nothing would be let through")
    return found


def rate_limiter(allowed: Quota, askers: int = 100_000) -> RateLimiter:
    """At most so many requests, as this process counts them: a burst, and then one by one.

    Principals are counted by their names, others by their addresses. Of more askers than that,
    whoever has not asked for longest is forgotten.
    """
    throttled = Throttled(
        using=RateLimiterType.GCRA.value,
        quota=allowed,
        store=MemoryStore(options={"MAX_SIZE": askers}),
    )

    def check(environ: "WSGIEnvironment", principal: Principal | None) -> None:
        environ[_COUNTED] = True
        result = throttled.limit(_who(environ, principal))
        if result.limited:
            raise TooManyRequests(max(1, ceil(result.state.retry_after)))

    return check


def counting_refusals(
    respond: Callable[[Exception], "Response"], limit: RateLimiter
) -> Callable[[Exception], "Response"]:
    """An error handler that counts refusals for the client's address, and responds with 429 beyond
    the limit.

    The routes of the API count their own requests. What HTTP refuses (an unknown URL or host, a
    method that the URL lacks) reaches none of them.
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


def _who(environ: "WSGIEnvironment", principal: Principal | None) -> str:
    if principal and principal.subject is not None:
        return f"principal {json.dumps(principal.identity)}"
    return f"address {_network(environ.get('REMOTE_ADDR', ''))}"


def _network(address: str) -> str:
    """The address; of IPv6 its network, all of whose addresses one client may use at will."""
    known = parse_address(address)
    if known is None:  # a unix socket's
        return address
    if isinstance(known, IPv6Address):
        return f"{int(known) >> (128 - _IPV6_OF_ONE):x}::/{_IPV6_OF_ONE}"
    return str(known)
