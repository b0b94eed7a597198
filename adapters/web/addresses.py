"""Parses the addresses of clients, so that they can be compared."""

import re
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_MAX_LENGTH: Final = 100
"""The maximum length of an address with brackets, zone, quotation marks and port."""
_BRACKETED: Final = re.compile(r"\[([^\]]*)\](?::[A-Za-z0-9._-]{1,20})?")
_IPV6_PREFIX_BITS: Final = 64
"""The length of the IPv6 prefix that a network usually assigns to one customer."""
_WITH_PORT: Final = re.compile(r"([^:]*):[A-Za-z0-9._-]{1,20}")


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """Parses a text such as 203.0.113.7:50001 or [2001:db8::1]:50001; None if it is invalid.

    Brackets, a port, a zone (RFC 4007) and quotation marks (RFC 7239 section 4) are ignored. An
    IPv4-mapped IPv6 address becomes the IPv4 address.
    """
    if len(text) > _MAX_LENGTH:
        return None
    text = text.strip(" \t").removeprefix('"').removesuffix('"')
    if match := _BRACKETED.fullmatch(text) or _WITH_PORT.fullmatch(text):
        text = match[1]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def address_of(text: str) -> str:
    """Returns the address in its normal form (see parse_address). Other texts are unchanged."""
    parsed = parse_address(text)
    return text if parsed is None else str(parsed)


def network_of(address: str) -> str:
    """Returns the IPv4 address, or the /64 of an IPv6 address: one client can use all of it.

    Any other text, such as the path of a unix socket, is its own network.
    """
    parsed = parse_address(address)
    if parsed is None:
        return address
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((int(parsed), _IPV6_PREFIX_BITS), strict=False))
    return str(parsed)


class TrustedProxies:
    """Middleware that reads the client's address from X-Forwarded-For behind `count` proxies.

    Each proxy appends the address of its peer, so the client is the `count`-th address from the
    end. The client chose the text before it. If that address is missing or invalid, the address of
    the peer remains.
    """

    def __init__(self, app: "WSGIApplication", count: int) -> None:
        self._app = app
        self._count = count

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> "Iterable[bytes]":
        """Replaces REMOTE_ADDR, then calls the application."""
        parts = environ.get("HTTP_X_FORWARDED_FOR", "").rsplit(",", self._count)
        if len(parts) >= self._count and (address := parse_address(parts[-self._count])):
            environ["REMOTE_ADDR"] = str(address)
        return self._app(environ, start_response)
