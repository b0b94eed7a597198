"""POST /operations: performs many operations, or none if one of them fails."""

from collections.abc import Container
from typing import Final
from urllib.parse import unquote, urljoin

from flask import Blueprint, Response

from adapters.api import http
from adapters.api.idempotency import RespondOnce
from adapters.api.root import canonical
from adapters.jsonapi import atomic, parameters
from adapters.jsonapi.catalog import Catalog
from adapters.jsonapi.operation_objects import ResolveHref
from adapters.resources.urls import PREFIX, Urls
from adapters.web.identity import request_context
from application.operations import Operations
from application.ports import Subject, UnitRunner

URL: Final = "/operations"
MAX_HREF_LENGTH: Final = 2048
"""No resource has a longer URL."""


def operations(
    api: Blueprint,
    run: UnitRunner,
    perform: Operations,
    collections: atomic.Collections,
    urls: Urls,
    respond_once: RespondOnce,
    catalog: Catalog,
) -> None:
    """Registers the route for operations."""
    resolve_href = href_resolver(urls, collections.keys())

    @api.post(URL)
    def perform_operations() -> Response:
        parameters.no_parameters(http.query())
        batch = http.read_operations(collections, resolve_href, catalog)

        def respond(run: UnitRunner) -> tuple[Response, set[Subject]]:
            results = perform(batch.operations, run, request_context())
            body = atomic.results_document(batch, results, collections)
            return http.operations_ok(body), batch.subjects(results)

        return respond_once(run, respond, batch.subjects())


def href_resolver(urls: Urls, types: Container[str]) -> ResolveHref:
    """Returns a function that resolves the URLs in operations.

    A URL may begin with the public URL, be relative to the URL of the operations, or have no host.
    """
    public = urls.root.removesuffix(PREFIX)

    def resolve_href(href: str) -> tuple[str, str | None] | None:
        # Checked before urljoin, which normalizes a host name in time proportional to the square
        # of its length, and caches the URLs that it has resolved.
        if len(href) > MAX_HREF_LENGTH or not href.isascii():
            return None
        if " " in href or not href.isprintable():  # urljoin would remove the characters.
            return None
        for base, url in ((public, _resolve(f"{urls.root}{URL}", href)), ("", href)):
            path = canonical(unquote(url.removeprefix(base)))
            resource_type, slash, resource_id = path.removeprefix(f"{PREFIX}/").partition("/")
            if url.startswith(f"{base}{PREFIX}/") and resource_type in types:
                return resource_type, resource_id if slash else None
        return None

    return resolve_href


def _resolve(base: str, reference: str) -> str:
    """Resolves a URL reference (RFC 3986 section 5). Returns an invalid one unchanged."""
    try:
        return urljoin(base, reference)
    except ValueError:
        return reference
