"""The API's root, and the one form in which its URLs are routed."""

from collections.abc import Iterable

import orjson
from flask import Blueprint, Response

from adapters.api import http
from adapters.jsonapi import parameters
from adapters.jsonapi.resource import Resource
from adapters.resources.addresses import PREFIX, Urls


def canonical(path: str) -> str:
    """The path by which a URL under the prefix is routed: one trailing slash, then one .json less.

    /users.json is how this API's URLs were once written, and clients still write them.
    """
    if not path.startswith(PREFIX):
        return path
    shorter = path.removesuffix("/").removesuffix(".json")
    under = shorter == PREFIX or shorter.startswith(f"{PREFIX}/")
    return shorter if under else path


def root(api: Blueprint, addresses: Urls, resources: Iterable[Resource]) -> None:
    """Give the API the document that names its collections."""
    body = orjson.dumps(
        {
            "jsonapi": {"version": "1.1"},
            "links": {"self": addresses.root, "describedby": addresses.openapi},
            "meta": {"collections": {r.type: addresses.collection(r) for r in resources}},
        }
    )

    @api.get("")
    def show_root() -> Response:
        parameters.no_parameters(http.query())
        return http.ok(body)
