"""One request of the API and its answer: what the routes need from HTTP."""

from collections.abc import Callable
from typing import Final

from flask import Response, g, request
from flask.globals import request_ctx

from adapters.jsonapi.etags import entity_tag, expected_versions, unchanged
from adapters.jsonapi.media import (
    CURSOR_PROFILE,
    JSONAPI,
    accepted_profiles,
    check_content_type,
    media_type,
)
from adapters.jsonapi.resource_objects import ResourceObject, read_resource
from adapters.web.app import REQUEST_ID
from adapters.web.limits import read_body
from application.deadlines import anew
from application.ports import Context

WITH_DOCUMENT: Final = frozenset(("POST", "PATCH"))


def receiver(*, body_limit: int, body_seconds: float, request_seconds: float) -> Callable[[], None]:
    """What is done before any route: negotiation, then the body; the deadline begins after it."""

    def receive() -> None:
        environ = request.environ
        g.profiles = accepted_profiles(environ.get("HTTP_ACCEPT"))
        matters = request.method in WITH_DOCUMENT
        check_content_type(
            environ.get("CONTENT_TYPE") or None, has_body=_has_body(), body_matters=matters
        )
        if matters:
            g.body = read_body(environ, limit=body_limit, seconds=body_seconds)
            anew(request_seconds)

    return receive


def _has_body() -> bool:
    environ = request.environ
    return environ.get("CONTENT_LENGTH", "0") not in ("", "0") or (
        "HTTP_TRANSFER_ENCODING" in environ
    )


def query() -> str:
    """The query string as it came."""
    return str(request.environ.get("QUERY_STRING", ""))


def context() -> Context:
    """On whose behalf the request is."""
    return Context(request_id=request.environ[REQUEST_ID])


def received(*, id_required: bool) -> ResourceObject:
    """The resource object in the body; problems with its fields will point into it."""
    g.sent = read_resource(g.body, id_required=id_required)
    return g.sent  # type: ignore[no-any-return]


def pointer_to(field: str) -> str | None:
    """Where the request's document has the field; None where there is no document."""
    sent: ResourceObject | None = g.get("sent") if request_ctx else None
    return sent.pointer_to(field) if sent else None


def expected() -> frozenset[int] | None:
    """The versions that If-Match allows; None for any."""
    return expected_versions(request.environ.get("HTTP_IF_MATCH"))


def profiled() -> bool:
    """Whether the client asked for the cursor pagination profile."""
    return CURSOR_PROFILE in g.profiles


def answered(body: bytes, *, version: int | None = None, profile: bool = False) -> Response:
    """200 with the document, or 304 where the client has it already."""
    etag = entity_tag(body, version)
    kept = request.method in ("GET", "HEAD")
    if kept and unchanged(request.environ.get("HTTP_IF_NONE_MATCH"), etag):
        return _response(304, b"", ETag=etag)
    content_type = media_type([CURSOR_PROFILE]) if profile else JSONAPI
    return _response(200, body, content_type, ETag=etag)


def created(body: bytes, *, version: int, location: str) -> Response:
    """201 with the document of what was created."""
    return _response(201, body, ETag=entity_tag(body, version), Location=location)


def deleted() -> Response:
    """204."""
    return _response(204, b"")


def _response(status: int, body: bytes, content_type: str = JSONAPI, **headers: str) -> Response:
    response = Response(body, status, headers)
    response.autocorrect_location_header = False
    if body:
        response.headers["Content-Type"] = content_type
    else:
        response.headers.pop("Content-Type", None)
    return response
