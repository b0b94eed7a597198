"""One request of the API and its answer: what the routes need from HTTP."""

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from flask import Response

from adapters.api.request import current_request
from adapters.jsonapi import atomic, parameters
from adapters.jsonapi.catalog import NO_RELATIONSHIPS, Catalog
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
from adapters.web.app import REQUEST_ID
from adapters.web.flask_app import PreparedResponse
from adapters.web.request_body import BodyMemory, begin_validation, read_body, release_body
from application.deadlines import restart_deadline
from application.ports import Context

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

UNTRANSFORMED: Final = "no-transform"
"""The Cache-Control of a response with an ETag: a proxy that compressed it would change the ETag,
which If-Match then never matches (RFC 9110 section 8.8.1)."""
PRIVATE: Final = f"private, no-cache, {UNTRANSFORMED}"
"""What is read may stay in its reader's own cache, which asks before each use if it still is so."""
READING: Final = frozenset(("GET", "HEAD"))
WITH_DOCUMENT: Final = frozenset(("POST", "PATCH"))
MAX_LINKS: Final = 10_000
"""The number of memberships that one request may change."""
_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class BodyPolicy:
    """What is taken at a URL: bodies up to so many bytes, in the words of an extension or none.

    `methods` are those that require a document.
    """

    body_limit: int
    extension: str | None = None
    methods: frozenset[str] = WITH_DOCUMENT


def request_checks(
    usual: BodyPolicy,
    unusual: Mapping[str, BodyPolicy],
    *,
    memory: BodyMemory,
    body_seconds: float,
    request_seconds: float,
    most_parameters: int,
) -> Callable[[], None]:
    """What is done before any route: negotiation, then the body; the deadline begins after it.

    And a query of more than `most_parameters` is refused. `unusual` are the receptions of those
    rules that have one of their own.
    """

    def receive() -> None:
        request = current_request()
        environ, rule = request.environ, request.url_rule
        here = unusual.get(rule.rule, usual) if rule else usual
        request.profiles = accepted_profiles(environ.get("HTTP_ACCEPT"), extension=here.extension)
        matters = request.method in here.methods
        check_content_type(
            environ.get("CONTENT_TYPE") or None,
            has_body=_has_body(environ),
            body_matters=matters,
            extension=here.extension,
        )
        if matters:
            check_content_encoding(environ.get("HTTP_CONTENT_ENCODING"))
            request.body = read_body(
                environ, limit=here.body_limit, seconds=body_seconds, memory=memory
            )
            restart_deadline(request_seconds)
        parameters.check_parameter_count(environ.get("QUERY_STRING", ""), most_parameters)

    return receive


def _has_body(environ: "WSGIEnvironment") -> bool:
    return environ.get("CONTENT_LENGTH", "0") not in ("", "0") or (
        "HTTP_TRANSFER_ENCODING" in environ
    )


def query() -> str:
    """The query string as it came."""
    return str(current_request().environ.get("QUERY_STRING", ""))


def context() -> Context:
    """The principal and the id of the request."""
    request = current_request()
    return Context(request.principal, request.environ[REQUEST_ID], MAX_LINKS)


def read_resource_object(
    resource: Resource, catalog: Catalog = NO_RELATIONSHIPS, *, resource_id: str | None = None
) -> ResourceObject:
    """The resource object in the body; problems with its fields will point into it.

    `resource_id` is the id that it must have. Raises RequestError.
    """
    request = current_request()
    begin_validation(request.environ)
    request.resource_object = read_resource(
        request.body, resource, catalog, resource_id=resource_id
    )
    return request.resource_object


def read_relationship(relationship: RelationshipField, catalog: Catalog) -> Linkage:
    """The linkage in the body; problems with it will point into it. Raises RequestError."""
    request = current_request()
    begin_validation(request.environ)
    request.linkage = read_linkage(request.body, relationship, catalog)
    return request.linkage


def read_operations(
    collections: atomic.Collections, locate: ResolveHref, catalog: Catalog = NO_RELATIONSHIPS
) -> atomic.Batch:
    """The operations in the body; refusals of them will point into it."""
    request = current_request()
    begin_validation(request.environ)
    request.batch = atomic.read(request.body, collections, locate, request.principal, catalog)
    return request.batch


def discard_body() -> None:
    """Free the memory of a large body, once it is valid and nothing more is read from it."""
    request = current_request()
    if release_body(request.environ):
        request.body = b""


def pointer_to(field: str) -> str | None:
    """The pointer to the field in the request's document; None if it has no document."""
    request = current_request()
    if request.linkage and field == request.linkage.field.name:
        return request.linkage.at
    sent = request.resource_object
    return sent.pointer_to(field) if sent else None


def linkages() -> Linkages:
    """The linkages in the request's document, by the names of their relationships."""
    request = current_request()
    if request.linkage:
        return {request.linkage.field.name: request.linkage}
    return request.resource_object.linkages if request.resource_object else {}


def preconditions() -> Container[int] | None:
    """The versions that the request's conditions let through; None for any.

    If-None-Match is one of them where something is to change; reading, it asks for a 304.
    """
    request = current_request()
    environ = request.environ
    unwanted = None if request.method in READING else environ.get("HTTP_IF_NONE_MATCH")
    return expected_versions(environ.get("HTTP_IF_MATCH"), unwanted)


def list_preconditions(listed: RelatedList) -> Container[str] | None:
    """The fingerprints of the list that the request's conditions let through; None for any."""
    request = current_request()
    request.changes_list = True
    environ = request.environ
    return listed.expected(environ.get("HTTP_IF_MATCH"), environ.get("HTTP_IF_NONE_MATCH"))


def wants_cursor_profile() -> bool:
    """Whether the client asked for the cursor pagination profile."""
    return CURSOR_PROFILE in current_request().profiles


def ok(
    body: bytes,
    *,
    version: int | None = None,
    list_version: str | None = None,
    profile: bool = False,
) -> Response:
    """200 with the document, or 304 where the client has it already.

    `list_version` is that of a whole list of related resources. RequestError (412) if it has no
    version and is not the one that If-Match means.
    """
    etag = entity_tag(body, version if list_version is None else list_version)
    content_type = media_type([CURSOR_PROFILE]) if profile else JSONAPI
    request = current_request()
    if request.method not in READING:
        changed = {"ETag": etag, "Cache-Control": UNTRANSFORMED}
        return response(200, body, content_type, changed)
    environ = request.environ
    if_match = environ.get("HTTP_IF_MATCH")
    if version is None and if_match is not None and not if_match_matches(if_match, etag):
        raise RequestError(precondition_failed("If-Match", unmatchable(if_match)))
    headers = {"ETag": etag, "Cache-Control": PRIVATE}
    if if_none_match_matches(environ.get("HTTP_IF_NONE_MATCH"), etag):
        return response(304, headers=headers)
    return response(200, body, content_type, headers)


def precondition_failed(header: str, detail: str | None = None) -> ErrorObject:
    """412 for a header, with the reason if it is not the state of the resource."""
    return ErrorObject(
        status=412,
        code="precondition_failed",
        detail=detail or f"{header} failed: the resource {_MATCH[header]}.",
        header=header,
    )


_MATCH: Final = {"If-Match": "does not match", "If-None-Match": "matches"}


def created(body: bytes, *, version: int, location: str) -> Response:
    """201 with the document of what was created."""
    headers = {
        "ETag": entity_tag(body, version),
        "Location": location,
        "Cache-Control": UNTRANSFORMED,
    }
    return response(201, body, headers=headers)


def operations_ok(body: bytes) -> Response:
    """200 with what came of operations."""
    return response(200, body, media_type(extension=atomic.EXTENSION))


def deleted() -> Response:
    """204."""
    return response(204)


def response(
    status: int,
    body: bytes = b"",
    content_type: str = JSONAPI,
    headers: Mapping[str, str] = _NO_HEADERS,
) -> Response:
    """The answer, typed where it has a body."""
    typed = {"Content-Type": content_type, **headers} if body else headers
    return PreparedResponse(body, status, typed.items())
