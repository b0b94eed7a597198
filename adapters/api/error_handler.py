"""Converts every exception to a JSON:API response."""

import json
from collections.abc import Callable
from http import HTTPStatus
from uuid import uuid4

import structlog
from flask import Response, current_app
from werkzeug.exceptions import BadHost, HTTPException, MethodNotAllowed

from adapters.api import http
from adapters.api.did_you_mean import suggest_url
from adapters.api.pages.error_codes import URL
from adapters.api.request import current_request
from adapters.jsonapi.content_negotiation import CURSOR_PROFILE, JSONAPI, media_type
from adapters.jsonapi.errors import (
    RETRY_AFTER_SECONDS,
    ErrorObject,
    RequestError,
    error_document,
    to_request_error,
)
from adapters.jsonapi.etags import expected_versions, names_list, names_version, unmatchable
from adapters.jsonapi.linkage import related_not_found
from adapters.jsonapi.unknown_names import MAX_QUOTED
from adapters.web.app import REQUEST_ID
from adapters.web.bearer import challenge, refusal_fields
from adapters.web.hosts import ForeignHost, ForeignOrigin
from adapters.web.rate_limit import TooManyRequests
from adapters.web.request_body import BodyIncomplete, BodyMemoryExceeded, BodyTooLarge, BodyTooSlow
from application.access import InsufficientScope, InvalidToken, Unauthenticated
from application.operations import OperationRefused
from application.ports import Unavailable
from application.relationships import RelatedNotFound
from domain.errors import RosterError, Stale, shortened

_log = structlog.get_logger("roster.fault")

_BODY_ERRORS = {
    BodyTooLarge: ErrorObject(
        status=413, code="body_too_large", detail="The body is too large for this URL."
    ),
    BodyIncomplete: ErrorObject(
        status=400, code="incomplete_body", detail="The body is incomplete."
    ),
    BodyTooSlow: ErrorObject(
        status=408, code="body_too_slow", detail="The body did not arrive in time."
    ),
}
_OVERLOADED = ErrorObject(
    status=503,
    code="overloaded",
    detail="No memory is left for request bodies. Send the request again later, or a smaller body.",
)
_HOST = ErrorObject(
    status=400,
    code="bad_request",
    detail="A request must have one Host header, with the name or the address of a host.",
    header="Host",
)
_TOO_MANY = ErrorObject(
    status=429,
    code="too_many_requests",
    detail="Too many requests. Retry after the seconds in Retry-After.",
)


def error_handler(base: str) -> Callable[[Exception], Response]:
    """Returns a function that creates the response for an error.

    `base` precedes the path in every URL.
    """
    about = f"{base}{URL}"

    def render_error(error: Exception) -> Response:
        request_error = convert_error(error, base)
        body = error_document(request_error, about=about)
        content_type = _content_type(request_error)
        response = Response(body, request_error.status, content_type=content_type)
        response.headers["Cache-Control"] = "no-store"
        response.headers.update(request_error.headers)
        return response

    return render_error


def _content_type(request_error: RequestError) -> str:
    """Returns the Content-Type of the document. It names the profile that defines an error type."""
    has_type = any(error.type_link for error in request_error.errors)
    return media_type([CURSOR_PROFILE]) if has_type and http.wants_cursor_profile() else JSONAPI


def convert_error(error: Exception, base: str) -> RequestError:
    """Returns the errors, the status and the headers of the response, in any format.

    `base` precedes the path in every URL. An unexpected error is logged, and its response has only
    the id of the log entry.
    """
    if isinstance(error, RequestError):
        return error
    if isinstance(error, Stale) and (failed := _failed_precondition(error)):
        return RequestError(failed)
    if isinstance(error, RelatedNotFound):
        return RequestError(*related_not_found(error, http.linkages()))
    if isinstance(error, RosterError):
        _log_reason(error)
        request_error = to_request_error(error, http.pointer_to)
        if isinstance(error, Unauthenticated | InsufficientScope):
            request_error.headers["WWW-Authenticate"] = challenge(error)
        return request_error
    if isinstance(error, OperationRefused) and (batch := current_request().batch):
        return batch.to_request_error(error)
    if isinstance(error, HTTPException):
        return _to_http_error(error, base)
    if isinstance(error, BodyMemoryExceeded):
        return RequestError(_OVERLOADED, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
    if type(error) in _BODY_ERRORS:
        return RequestError(_BODY_ERRORS[type(error)])
    if isinstance(error, ForeignHost):
        return RequestError(_foreign_host(error))
    if isinstance(error, ForeignOrigin):
        return RequestError(_foreign_origin(error))
    if isinstance(error, TooManyRequests):
        return RequestError(_TOO_MANY, headers={"Retry-After": str(error.seconds)})
    return _internal_error(error)


def _failed_precondition(error: Stale) -> ErrorObject | None:
    """Returns the error of the failed precondition; None for If-Match of another version.

    If-Match is evaluated first (RFC 9110 section 13.2.2).
    """
    if_match = current_request().environ.get("HTTP_IF_MATCH")
    if current_request().changes_list:
        return _failed_list_precondition(if_match)
    expected = expected_versions(if_match)
    if if_match is None or expected is None or error.version in expected:
        return http.precondition_failed("If-None-Match")
    if names_version(if_match):
        return None
    detail = (
        unmatchable(if_match) or "If-Match has no ETag of this resource. Read the resource again."
    )
    return http.precondition_failed("If-Match", detail)


def _failed_list_precondition(if_match: str | None) -> ErrorObject | None:
    """Returns the error for conditions on the list of a to-many relationship."""
    if if_match is None or if_match.strip() == "*":
        return http.precondition_failed("If-None-Match")
    if names_list(if_match):
        return None
    detail = unmatchable(if_match) or (
        "If-Match must be the ETag of a page of this URL that shows the whole list: without "
        "filters, and with links.prev and links.next null."
    )
    return http.precondition_failed("If-Match", detail)


def _foreign_host(error: ForeignHost) -> ErrorObject:
    return ErrorObject(
        status=421,
        code="misdirected_request",
        detail=f"This service does not serve the host {_quote(error)}. Without access control it "
        "accepts loopback addresses, localhost, and the hosts of ROSTER_PUBLIC_URL and "
        "ROSTER_HOSTS.",
        header="Host",
    )


def _foreign_origin(error: ForeignOrigin) -> ErrorObject:
    return ErrorObject(
        status=403,
        code="foreign_origin",
        detail=f"Pages of the origin {_quote(error)} must not change anything in this service. The "
        "service accepts its own origin and those in ROSTER_CORS_ORIGINS.",
        header="Origin",
    )


def _quote(error: Exception) -> str:
    """Quotes the start of the header's value, which is the error's message."""
    return json.dumps(shortened(str(error), MAX_QUOTED), ensure_ascii=False)


def _log_reason(error: RosterError) -> None:
    """Logs why the database is unavailable or a token is invalid. The response has no reason."""
    if isinstance(error, Unavailable) and (error.reason or error.__cause__):
        reason = error.reason or type(error.__cause__).__name__
        request_id = current_request().environ.get(REQUEST_ID)
        _log.warning("unavailable", code=error.code, reason=reason, request_id=request_id)
    elif isinstance(error, InvalidToken):
        current_request().log_fields = refusal_fields(error)


def _to_http_error(error: HTTPException, base: str) -> RequestError:
    if isinstance(error, MethodNotAllowed):
        allowed = ", ".join(sorted(error.valid_methods or ()))
        detail = f"This URL supports {allowed}."
        error_object = ErrorObject(status=405, code="method_not_allowed", detail=detail)
        return RequestError(error_object, headers={"Allow": allowed})
    if isinstance(error, BadHost):
        return RequestError(_HOST)
    status = HTTPStatus(error.code or 500)
    if status is HTTPStatus.NOT_FOUND:
        return RequestError(_not_found(base))
    code = status.phrase.lower().replace(" ", "_").replace("-", "_")
    return RequestError(ErrorObject(status=status, code=code, detail=f"{status.phrase}."))


def _not_found(base: str) -> ErrorObject:
    detail = "There is nothing at this URL."
    path = suggest_url(current_request().path, current_app.url_map)
    if path is None:
        return ErrorObject(status=404, code="not_found", detail=detail)
    url = f"{base}{path}"
    detail += f" Did you mean {url}?"
    return ErrorObject(status=404, code="not_found", detail=detail, meta={"suggestion": url})


def _internal_error(error: Exception) -> RequestError:
    fault_id = uuid4().hex
    request_id = current_request().environ.get(REQUEST_ID)
    _log.error("fault", id=fault_id, request_id=request_id, exc_info=error)
    detail = "An internal error occurred. The log has the reason under the id of this error."
    return RequestError(ErrorObject(status=500, code="internal_error", detail=detail, id=fault_id))
