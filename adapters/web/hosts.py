"""The hosts and origins that a service without access control accepts.

Such a service is protected only by the network, but any web page can use a browser in the network.
With DNS rebinding, a page of another site becomes a page of this host. A page cannot forge the
headers Host and Origin, however.
"""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from werkzeug.exceptions import BadHost

from adapters.web.addresses import parse_address
from adapters.web.flask_app import MAX_HOST_LENGTH, current_request

PROBES: Final = frozenset(("/healthz", "/readyz"))
"""The paths that accept any Host, because a probe may use any address of the service."""
_SAFE: Final = frozenset(("GET", "HEAD", "OPTIONS"))
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}


class ForeignHost(Exception):
    """The request is for a host that the service does not accept."""


class ForeignOrigin(Exception):
    """The request may change something, and comes from a page of another origin."""


class OpenAccess:
    """Checks the requests to a service without access control.

    Accepted hosts are loopback addresses, localhost, the host of `public_url` and `hosts`.
    Accepted origins are the service's own and `origins`.
    """

    def __init__(
        self, *, public_url: str = "", hosts: Iterable[str] = (), origins: Iterable[str] = ()
    ) -> None:
        public = urlsplit(public_url)
        accepted = [*hosts, public.netloc] if public_url else hosts
        self._hosts = frozenset(("localhost", *map(host_name, accepted)))
        self._origins = frozenset(origins)
        if public_url:
            authority = _authority(public.scheme, public.netloc)
            self._origins |= {f"{public.scheme}://{authority}"}
        self._accepts = lru_cache(256)(self._is_accepted)

    def check_host(self) -> None:
        """Raises ForeignHost if the request is for another host, and is not a probe.

        A request without Host (HTTP/1.0) is accepted, because browsers do not send any. An invalid
        Host is ignored here: the routing rejects it.
        """
        request = current_request()
        host = request.environ.get("HTTP_HOST", "")
        if not host or (len(host) <= MAX_HOST_LENGTH and self._accepts(host)):
            return
        if isinstance(request.routing_exception, BadHost):
            return
        if request.environ["PATH_INFO"] not in PROBES:
            raise ForeignHost(host)

    def check_origin(self) -> None:
        """Raises ForeignOrigin if the request may change something and its Origin is not accepted.

        The service's own origin has the authority in Host. Its scheme is not compared: behind a
        proxy that terminates TLS, the service sees http where the browser sees https.
        """
        request = current_request()
        origin = request.environ.get("HTTP_ORIGIN")
        if origin is None or request.method in _SAFE or origin in self._origins:
            return
        scheme, _, authority = origin.partition("://")
        host = request.environ.get("HTTP_HOST", "")
        own = host and _authority(scheme, authority) == _authority(scheme, host)
        if not (own and scheme in _DEFAULT_PORTS):
            raise ForeignOrigin(origin)

    def _is_accepted(self, host: str) -> bool:
        name = host_name(host)
        if name in self._hosts:
            return True
        address = parse_address(name)
        return address is not None and address.is_loopback and "%" not in name


def host_name(authority: str) -> str:
    """The normalized host of an authority (RFC 3986 section 3.2).

    It is in lower case, without a port and a final dot. An IPv6 address is compressed, without
    brackets.
    """
    if authority.startswith("["):
        name = authority[1:].partition("]")[0]
    elif authority.count(":") == 1:
        name = authority.partition(":")[0]
    else:
        name = authority
    name = name.removesuffix(".").lower()
    try:
        return str(ip_address(name))
    except ValueError:
        return name


def _authority(scheme: str, authority: str) -> str:
    """Normalizes an authority as browsers do: lower case, without the scheme's default port."""
    return authority.lower().removesuffix(_DEFAULT_PORTS.get(scheme, ":"))
