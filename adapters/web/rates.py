"""How often one and the same may ask."""

from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from math import ceil
from time import time
from typing import TYPE_CHECKING, Final

from limits import RateLimitItem, parse_many
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

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


def rate(text: str) -> RateLimitItem:
    """100/minute, 10 per 5 seconds: a number of requests in a time. ValueError for others."""
    (found,) = parse_many(text)
    if found.amount < 1:
        raise ValueError("nothing would be let through")
    return found


def limit(allowed: RateLimitItem) -> Limit:
    """At most so many requests from the first on for so long, as this process counts them.

    Principals are counted by their names, others by their addresses.
    """
    counts = FixedWindowRateLimiter(MemoryStorage())

    def check(environ: "WSGIEnvironment", principal: Principal | None) -> None:
        who = _who(environ, principal)
        if not counts.hit(allowed, who):
            until = counts.get_window_stats(allowed, who).reset_time
            raise TooManyRequests(max(1, ceil(until - time())))

    return check


def _who(environ: "WSGIEnvironment", principal: Principal | None) -> str:
    if principal and principal.subject is not None:
        return f"subject {principal.subject}"
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
