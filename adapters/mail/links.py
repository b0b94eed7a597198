"""The URLs of links in emails."""

from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from domain.accounts import Purpose

LinkUrls = Callable[[Purpose, str | None], str]
"""Returns the URL of a link with a purpose and a token. None is a page without a token."""

_TOKEN: Final = "{token}"
_PURPOSE: Final = "{purpose}"


def application_links(link_url: str) -> LinkUrls:
    """Links to the page of an application. The URL contains {token} and, optionally, {purpose}.

    Raises ValueError if the URL is invalid.
    """
    check_link_url(link_url)

    def url(purpose: Purpose, token: str | None) -> str:
        return link_url.replace(_PURPOSE, purpose).replace(_TOKEN, token or "")

    return url


def account_links(base_url: str) -> LinkUrls:
    """Links to Roster's own page. `base_url` is that of the service, such as its public URL."""
    page = f"{base_url.rstrip('/')}/account"

    def url(purpose: Purpose, token: str | None) -> str:
        # The fragment is not sent to servers, so the token is in no log.
        return f"{page}#token={token}&for={purpose}" if token else page

    return url


def check_link_url(link_url: str) -> None:
    """Raises ValueError if it is not an http or https URL with {token} exactly once."""
    rest = link_url.replace(_PURPOSE, "")
    if rest.count(_TOKEN) != 1:
        raise ValueError("must contain {token} exactly once")
    rest = rest.replace(_TOKEN, "")
    if "{" in rest or "}" in rest:
        raise ValueError("must not contain braces except {token} and {purpose}")
    if not rest.isascii() or not rest.isprintable() or any(c in " \"'<>\\" for c in rest):
        raise ValueError("must be a URL without spaces, quotation marks and non-ASCII characters")
    try:
        parts = urlsplit(link_url)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if not valid or _TOKEN in parts.netloc or _PURPOSE in parts.netloc:
        raise ValueError("must be an http or https URL, with {token} after the host")
