"""The URLs of links in emails."""

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from domain.accounts import Purpose

LinkUrls = Callable[[Purpose, str | None], str]
"""Returns the URL of a link with a purpose and a token. None is a page without a token."""

_TOKEN: Final = "{token}"
_PURPOSE: Final = "{purpose}"
_EXCLUDED: Final = re.compile(r"[{}\s\\\"'<>]")
"""Characters that no URL contains, or that would end a link in an email."""
_BRACE: Final = re.compile("[{}]")


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
    rest = link_url.replace(_TOKEN, "").replace(_PURPOSE, "")
    try:
        parts = urlsplit(link_url)
        is_address = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_address = False
    if not (
        is_address
        and parts.username is None
        and link_url.count(_TOKEN) == 1
        and not _EXCLUDED.search(rest)
        and not _BRACE.search(parts.netloc)
        and link_url.isascii()
        and link_url.isprintable()
    ):
        raise ValueError(
            "must be an http or https URL that contains {token} exactly once, and optionally "
            "{purpose}, after the host: https://app.example.org/welcome#{token}"
        )
