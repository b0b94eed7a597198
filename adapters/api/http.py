"""HTTP for the routes of the API: requests, preconditions and responses."""

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from flask import Response

from adapters.api.request import current_request
from adapters.jsonapi import atomic, parameters
from adapters.jsonapi.catalog import EMPTY_CATALOG, Catalog
from adapters.jsonapi.content_negotiation import (
    CURSOR_PROFILE,
    JSONAPI,
    accepted_profiles,
    check_content_encoding,
    check_content_type,
    media_type,
)
from adapters.jsonapi.errors import ErrorObject, RequestError
from adapters.jsonapi.etags import (
    RelatedList,
    entity_tag,
    expected_versions,
    if_match_matches,
    if_none_match_matches,
    unmatchable,
)
from adapters.jsonapi.linkage import Linkage, Linkages
from adapters.jsonapi.operation_objects import ResolveHref
from adapters.jsonapi.resource import RelationshipField, Resource
from adapters.jsonapi.resource_objects import ResourceObject, read_linkage, read_resource
from adapters.web.flask_app import PreparedResponse
from adapters.web.request_body import (
    RequestLimits,
    begin_validation,
    end_validation,
    release_body,
)
from application.search import Slice

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

UNTRANSFORMED: Final = "no-transform"
"""The Cache-Control of a response with an ETag. A proxy that compressed the response would change
the ETag, and If-Match would never match it (RFC 9110 section 8.8.1)."""
PRIVATE: Final = f"private, no-cache, {UNTRANSFORMED}"
"""The Cache-Control of a read: only the client may cache the response, and must revalidate it."""
READING: Final = frozenset(("GET", "HEAD"))
"""The methods that change nothing."""
WITH_DOCUMENT: Final = frozenset(("POST", "PATCH"))
"""The methods that require a document, except at a relationship URL."""
_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class BodyPolicy:
    """The rules for the bodies of a URL: the maximum size in bytes, and the required extension.

    Without `max_bytes`, the limit of all requests applies. `methods` are those that require a
    document.
    """

    max_bytes: int | None = None
    extension: str | None = None
    methods: frozenset[str] = WITH_DOCUMENT


_ANY_URL: Final = BodyPolicy()
_NO_POLICIES: Final[Mapping[str, BodyPolicy]] = MappingProxyType({})


def request_checks(
    limits: RequestLimits, policies: Mapping[str, BodyPolicy] = _NO_POLICIES
) -> Callable[[], None]:
    """Returns the check for every route: content negotiation, the body, the query's length.

    `policies` are those of URL rules that differ from the default.
    """

    def check_request() -> None:
        request = current_request()
        environ, rule = request.environ, request.url_rule
        policy = policies.get(rule.rule, _ANY_URL) if rule else _ANY_URL
        request.profiles = accepted_profiles(environ.get("HTTP_ACCEPT"), extension=policy.extension)
        uses_body = request.method in policy.methods
        check_content_type(
            environ.get("CONTENT_TYPE") or None,
            has_body=_has_body(environ),
            uses_body=uses_body,
            extension=policy.extension,
        )
        if uses_body:
            check_content_encoding(environ.get("HTTP_CONTENT_ENCODING"))
            request.body = limits.read_body(environ, max_bytes=policy.max_bytes)
        parameters.check_parameter_count(environ.get("QUERY_STRING", ""), limits.parameters)

    return check_request


def _has_body(environ: "WSGIEnvironment") -> bool:
    return environ.get("CONTENT_LENGTH", "0") not in ("", "0") or (
        "HTTP_TRANSFER_ENCODING" in environ
    )


def query() -> str:
    """Returns the query string of the request, unchanged."""
    return str(current_request().environ.get("QUERY_STRING", ""))


def read_resource_object(
    resource: Resource, catalog: Catalog = EMPTY_CATALOG, *, resource_id: str | None = None
) -> ResourceObject:
    """Returns the resource object in the body, and stores it for the pointers of errors.

    `resource_id` is the id that it must have. Raises RequestError if its structure is invalid.
    """
    request = current_request()
    begin_validation(request.environ)
    request.resource_object = read_resource(
        request.body, resource, catalog, resource_id=resource_id
    )
    return request.resource_object


def read_relationship(relationship: RelationshipField, catalog: Catalog) -> Linkage:
    """Returns the linkage in the body. The pointers of later errors refer to it.

    Raises RequestError if the linkage is invalid.
    """
    request = current_request()
    begin_validation(request.environ)
    request.linkage = read_linkage(request.body, relationship, catalog)
    return request.linkage


def read_operations(
    collections: atomic.Collections, resolve_href: ResolveHref, catalog: Catalog
) -> atomic.Batch:
    """Returns the operations in the body. The pointers of later errors refer to them."""
    request = current_request()
    begin_validation(request.environ)
    request.batch = atomic.parse_batch(
        request.body, collections, resolve_href, request.principal, catalog
    )
    return request.batch


def keep_body() -> None:
    """Ends the validation of a large body, whose values are still needed and keep their memory.

    Call it before anything that may wait. Otherwise no other large body can be validated meanwhile.
    """
    end_validation(current_request().environ)


def discard_body() -> None:
    """Frees the memory of a large body. Call it when the body is valid and no longer needed."""
    request = current_request()
    if release_body(request.environ):
        request.body = b""
        for each in (request.resource_object, request.batch):
            if each:
                each.forget_values()


def pointer_to(field: str) -> str | None:
    """Returns the pointer to the field in the request's document, or None if it has no document."""
    request = current_request()
    if request.linkage and field == request.linkage.field.name:
        return request.linkage.pointer
    resource_object = request.resource_object
    return resource_object.pointer_to(field) if resource_object else None


def linkages() -> Linkages:
    """Returns the linkages in the request's document, by the names of their relationships."""
    request = current_request()
    if request.linkage:
        return {request.linkage.field.name: request.linkage}
    return request.resource_object.linkages if request.resource_object else {}


def preconditions() -> Container[int] | None:
    """Returns the versions for which the request's preconditions hold; None for any.

    If-None-Match is a precondition only of a change. For a read, it can lead to status 304.
    """
    request = current_request()
    environ = request.environ
    if_none_match = None if request.method in READING else environ.get("HTTP_IF_NONE_MATCH")
    return expected_versions(environ.get("HTTP_IF_MATCH"), if_none_match)


def list_preconditions(listed: RelatedList) -> Container[str] | None:
    """Returns the fingerprints of the list that the conditions accept, or None for any."""
    request = current_request()
    request.changes_list = True
    environ = request.environ
    return listed.expected(environ.get("HTTP_IF_MATCH"), environ.get("HTTP_IF_NONE_MATCH"))


def check_preconditions(read: Callable[[], bytes]) -> None:
    """Checks the preconditions of a change of a resource without a version.

    `read` returns the document that a read of the same URL returns. Raises RequestError (412) if
    If-Match lacks its ETag, or If-None-Match has it.
    """
    environ = current_request().environ
    if_match, if_none_match = environ.get("HTTP_IF_MATCH"), environ.get("HTTP_IF_NONE_MATCH")
    if if_match is None and if_none_match is None:
        return
    etag = entity_tag(read())
    if if_match is not None and not if_match_matches(if_match, etag):
        raise RequestError(precondition_failed("If-Match", unmatchable(if_match)))
    if if_none_match_matches(if_none_match, etag):
        raise RequestError(precondition_failed("If-None-Match"))


def wants_cursor_profile() -> bool:
    """Returns True if the client requests the cursor pagination profile."""
    return CURSOR_PROFILE in current_request().profiles


def uses_cursor_profile(query: parameters.CollectionQuery) -> bool:
    """Returns True if the client requests the profile, and the page has cursors."""
    return wants_cursor_profile() and isinstance(query.search.place, Slice)


def ok(
    body: bytes,
    *,
    version: int | None = None,
    list_version: str | None = None,
    profile: bool = False,
) -> Response:
    """Returns status 200 with the document, or 304 if If-None-Match names its ETag.

    `list_version` is that of a complete list of related resources. Raises RequestError (412) if a
    document without a version does not match If-Match.
    """
    etag = entity_tag(body, version if list_version is None else list_version)
    content_type = media_type([CURSOR_PROFILE]) if profile else JSONAPI
    request = current_request()
    if request.method not in READING:
        return response(200, body, content_type, {"ETag": etag, "Cache-Control": UNTRANSFORMED})
    environ = request.environ
    if_match = environ.get("HTTP_IF_MATCH")
    if version is None and if_match is not None and not if_match_matches(if_match, etag):
        raise RequestError(precondition_failed("If-Match", unmatchable(if_match)))
    headers = {"ETag": etag, "Cache-Control": PRIVATE}
    if if_none_match_matches(environ.get("HTTP_IF_NONE_MATCH"), etag):
        return response(304, headers=headers)
    return response(200, body, content_type, headers)


def precondition_failed(header: str, detail: str | None = None) -> ErrorObject:
    """Returns the error (412) for a header. The default detail is the state of the resource."""
    return ErrorObject(
        status=412,
        code="precondition_failed",
        detail=detail or f"{header} failed: the resource {_MATCH[header]}.",
        header=header,
    )


_MATCH: Final = {"If-Match": "does not match", "If-None-Match": "matches"}


def created(body: bytes, *, version: int, location: str) -> Response:
    """Returns status 201 with the document of the new resource."""
    headers = {
        "ETag": entity_tag(body, version),
        "Location": location,
        "Cache-Control": UNTRANSFORMED,
    }
    return response(201, body, headers=headers)


def operations_ok(body: bytes) -> Response:
    """Returns status 200 with the results of operations."""
    return response(200, body, media_type(extension=atomic.EXTENSION))


def deleted() -> Response:
    """Returns status 204."""
    return response(204)


def response(
    status: int,
    body: bytes = b"",
    content_type: str = JSONAPI,
    headers: Mapping[str, str] = _NO_HEADERS,
) -> Response:
    """Returns a response. It has a Content-Type only if it has a body."""
    all_headers = {"Content-Type": content_type, **headers} if body else headers
    return PreparedResponse(body, status, all_headers.items())
