"""POST /operations: many operations on the collections, all of them or none."""

from collections.abc import Container
from typing import Final
from urllib.parse import unquote, urljoin

from flask import Blueprint, Response

from adapters.api import exchange
from adapters.api.repetition import AnswerOnce
from adapters.api.root import canonical
from adapters.jsonapi import atomic, parameters
from adapters.jsonapi.operation_objects import Locate
from adapters.resources.addresses import PREFIX, Addresses
from application.operations import Operations
from application.ports import Run, Subject

URL: Final = "/operations"
LONGEST_HREF: Final = 2048
"""No URL of a resource is longer."""


def operations(
    api: Blueprint,
    run: Run,
    perform: Operations,
    collections: atomic.Collections,
    addresses: Addresses,
    answered_once: AnswerOnce,
) -> None:
    """Give the API its route for operations."""
    locate = locator(addresses, collections.keys())

    @api.post(URL)
    def perform_operations() -> Response:
        parameters.none(exchange.query())
        batch = exchange.received_operations(collections, locate)

        def answer(run: Run) -> tuple[Response, set[Subject]]:
            came = perform(batch.meant, run, exchange.context())
            body = atomic.results(batch, came, collections)
            return exchange.performed(body), batch.subjects(came)

        return answered_once(run, answer, batch.subjects())


def locator(addresses: Addresses, types: Container[str]) -> Locate:
    """Reads the URLs that operations name, in every form in which the API answers them.

    They are below the public URL, or relative to that of the operations, or without any host.
    """
    public = addresses.root.removesuffix(PREFIX)

    def locate(href: str) -> tuple[str, str | None] | None:
        # Checked before urljoin, which normalizes host names in time that grows with the square
        # of their length, and remembers the URLs that it has resolved.
        if len(href) > LONGEST_HREF or not href.isascii():
            return None
        if " " in href or not href.isprintable():  # urljoin would leave them out
            return None
        for below, url in ((public, _resolved(f"{addresses.root}{URL}", href)), ("", href)):
            path = canonical(unquote(url.removeprefix(below)))
            named, slash, key = path.removeprefix(f"{PREFIX}/").partition("/")
            if url.startswith(f"{below}{PREFIX}/") and named in types:
                return named, key if slash else None
        return None

    return locate


def _resolved(base: str, reference: str) -> str:
    """The URL that a reference means (RFC 3986 section 5); the reference itself if it is none."""
    try:
        return urljoin(base, reference)
    except ValueError:
        return reference
