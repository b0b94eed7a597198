"""The root of the API, and the canonical form of its URLs."""

from collections.abc import Iterable

import orjson
from flask import Blueprint, Response

from adapters.api import http
from adapters.jsonapi import parameters
from adapters.jsonapi.resource import Resource
from adapters.resources.urls import PREFIX, Urls


def canonical(path: str) -> str:
    """Returns a path under the prefix without a trailing slash and without the suffix .json.

    Other paths are unchanged. Early clients of this API use URLs such as /users.json.
    """
    if not path.startswith(PREFIX):
        return path
    canonical_path = path.removesuffix("/").removesuffix(".json")
    is_under_prefix = canonical_path == PREFIX or canonical_path.startswith(f"{PREFIX}/")
    return canonical_path if is_under_prefix else path


def root(api: Blueprint, urls: Urls, resources: Iterable[Resource]) -> None:
    """Registers the route of the document that lists the collections."""
    body = orjson.dumps(
        {
            "jsonapi": {"version": "1.1"},
            "links": {"self": urls.root, "describedby": urls.openapi},
            "meta": {"collections": {r.type: urls.collection(r) for r in resources}},
        }
    )

    @api.get("")
    def show_root() -> Response:
        parameters.no_parameters(http.query())
        return http.ok(body)
