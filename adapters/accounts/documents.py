"""Request and response documents of accounts."""

from collections.abc import Mapping
from typing import Any, Final

import orjson
from flask import Response

from adapters.api import http
from adapters.jsonapi import parameters
from adapters.jsonapi.resource import Resource
from adapters.jsonapi.resource_objects import expect_new
from application.accounts.sessions import IssuedTokens
from domain.attributes import ReadOnly
from domain.errors import Invalid, Violation
from domain.text import storable

NO_STORE: Final = {"Cache-Control": "no-store"}


def read_attributes(resource: Resource) -> dict[str, Any]:
    """Returns the attributes of the resource object in the body.

    Raises RequestError if the structure or the type is wrong, or if there is an id. Raises Invalid
    if an attribute is missing, unknown, not text, or contains NUL or a lone surrogate. Raises
    ReadOnly if a read-only attribute has a value.
    """
    resource_object = http.read_resource_object(resource)
    expect_new(resource_object, resource)
    attributes, read_only = resource_object.load(resource, partial=False)
    problems = ((name, storable(value)) for name, value in attributes.items())
    if violations := [Violation(name, problem) for name, problem in problems if problem]:
        raise Invalid(violations)
    if sent := [name for name, value in read_only.items() if value is not None]:
        raise ReadOnly(*sent)
    http.keep_body()
    return attributes


def tokens_meta(issued: IssuedTokens) -> dict[str, Any]:
    """Returns the members of a token response (RFC 6749, section 5.1)."""
    return {
        "access_token": issued.access_token,
        "token_type": "Bearer",
        "expires_in": issued.expires_in,
        "refresh_token": issued.refresh_token,
        "scope": " ".join(issued.scopes),
    }


def document(data: Mapping[str, Any], url: str, described_by: str) -> bytes:
    """Returns the document of one resource object."""
    links = {"self": url, "describedby": described_by}
    return orjson.dumps({"jsonapi": {"version": "1.1"}, "links": links, "data": data})


def accepted() -> Response:
    """Returns status 202 with a document that reveals nothing."""
    body = orjson.dumps({"jsonapi": {"version": "1.1"}, "meta": {"status": "accepted"}})
    return http.response(202, body, headers=NO_STORE)


def no_parameters() -> None:
    """Raises RequestError (400) if the query has a parameter."""
    parameters.no_parameters(http.query())
