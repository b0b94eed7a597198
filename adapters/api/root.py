"""The API's root, and the one form in which its URLs are routed."""

from collections.abc import Mapping
from typing import Final

import orjson
from flask import Blueprint, Response

from adapters.api import exchange
from adapters.jsonapi import parameters

PREFIX: Final = "/api/v1"


def canonical(path: str) -> str:
    """The path by which a URL under the prefix is routed: one trailing slash, then one .json less.

    /users.json is how this API's URLs were once written, and clients still write them.
    """
    if not path.startswith(PREFIX):
        return path
    shorter = path.removesuffix("/").removesuffix(".json")
    under = shorter == PREFIX or shorter.startswith(f"{PREFIX}/")
    return shorter if under else path


def root(api: Blueprint, url: str, collections: Mapping[str, str], *, described_by: str) -> None:
    """Give the API the document that names its collections."""
    body = orjson.dumps(
        {
            "jsonapi": {"version": "1.1"},
            "links": {"self": url, "describedby": described_by},
            "meta": {"collections": collections},
        }
    )

    @api.get("")
    def show_root() -> Response:
        parameters.none(exchange.query())
        return exchange.answered(body)
