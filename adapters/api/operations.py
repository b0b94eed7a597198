"""POST /operations: many operations on the collections, all of them or none."""

from collections.abc import Container
from typing import Final
from urllib.parse import unquote, urljoin

from flask import Blueprint, Response

from adapters.api import http
from adapters.api.idempotency import RespondOnce
from adapters.api.root import canonical
from adapters.jsonapi import atomic, parameters
from adapters.jsonapi.catalog import NO_RELATIONSHIPS, Catalog
from adapters.jsonapi.operation_objects import ResolveHref
from adapters.resources.addresses import PREFIX, Urls
from application.operations import Operations
from application.ports import Subject, UnitRunner

URL: Final = "/operations"
LONGEST_HREF: Final = 2048
"""No URL of a resource is longer."""


def operations(
    api: Blueprint,
    run: UnitRunner,
    perform: Operations,
    collections: atomic.Collections,
    addresses: Urls,
    respond_once: RespondOnce,
    catalog: Catalog = NO_RELATIONSHIPS,
) -> None:
    """Give the API its route for operations."""
    locate = href_resolver(addresses, collections.keys())

    @api.post(URL)
    def perform_operations() -> Response:
        parameters.no_parameters(http.query())
        batch = http.read_operations(collections, locate, catalog)

        def answer(run: UnitRunner) -> tuple[Response, set[Subject]]:
            came = perform(batch.operations, run, http.context())
            body = atomic.results(batch, came, collections)
            return http.operations_ok(body), batch.subjects(came)

        return respond_once(run, answer, batch.subjects())


def href_resolver(addresses: Urls, types: Container[str]) -> ResolveHref:
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
