"""How often one and the same may ask."""

import json
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from math import ceil
from typing import TYPE_CHECKING, Final

from throttled import MemoryStore, Quota, RateLimiterType, Throttled
from throttled.exceptions import DataError
from throttled.rate_limiter.quota_parser import parse

from application.access import Principal

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Limit = Callable[["WSGIEnvironment", Principal | None], None]
"""Counts a request for whoever asks, or raises TooManyRequests."""

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


def limit(allowed: Quota, askers: int = 100_000) -> Limit:
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
        asked = throttled.limit(_who(environ, principal))
        if asked.limited:
            raise TooManyRequests(max(1, ceil(asked.state.retry_after)))

    return check


def _who(environ: "WSGIEnvironment", principal: Principal | None) -> str:
    if principal and principal.subject is not None:
        return f"principal {json.dumps(principal.identity)}"
    return f"address {_network(environ.get('REMOTE_ADDR', ''))}"


def _network(address: str) -> str:
    """The address; of IPv6 its network, all of whose addresses one client may use at will."""
    try:
        known = ip_address(address.partition("%")[0])
    except ValueError:  # a unix socket's, or a proxy's idea of one
        return address
    if isinstance(known, IPv6Address) and known.ipv4_mapped is None:
        return f"{int(known) >> (128 - _IPV6_OF_ONE):x}::/{_IPV6_OF_ONE}"
    return str(known)
