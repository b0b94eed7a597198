"""Creates the URLs of emailed links according to the settings."""

from typing import Final

from adapters.mail.links import LinkUrls, account_links, application_links
from entrypoints.settings import Settings

_DEFAULT_ADDRESS: Final = "http://127.0.0.1:5000"
"""The URL that `roster serve` listens on by default."""


def make_link_urls(settings: Settings, address: str | None = None) -> LinkUrls:
    """Creates the URLs of links. `address` is the URL that the service listens on, if known."""
    if settings.link_url is not None:
        return application_links(settings.link_url)
    return account_links(settings.public_url or address or _DEFAULT_ADDRESS)
