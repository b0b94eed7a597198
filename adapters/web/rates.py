"""How often one and the same may ask."""

from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from math import ceil
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Final

from limits import RateLimitItem, parse_many

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
    windows = _Windows(allowed.get_expiry())

    def check(environ: "WSGIEnvironment", principal: Principal | None) -> None:
        asked, left = windows.count(_who(environ, principal))
        if asked > allowed.amount:
            raise TooManyRequests(max(1, ceil(left)))

    return check


class _Windows:
    """How often each has asked since its window began; those that are over are forgotten.

    The storage of `limits` starts a thread for that with nearly every request, and fails where
    two of them do so at once.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._windows: dict[str, tuple[float, int]] = {}
        self._sweep = monotonic() + seconds
        self._lock = Lock()

    def count(self, who: str) -> tuple[int, float]:
        """Once more: how often now, and in how many seconds that is forgotten."""
        with self._lock:
            now = monotonic()
            if now >= self._sweep:
                self._windows = {each: of for each, of in self._windows.items() if of[0] > now}
                self._sweep = now + self._seconds
            end, count = self._windows.get(who, (now, 0))
            if end <= now:
                end, count = now + self._seconds, 0
            self._windows[who] = end, count + 1
            return count + 1, end - now


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
