"""JSON:API error objects (jsonapi.org/format/1.1/#error-objects)."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from application.access import InsufficientScope, SubjectRequired, Unauthenticated
from application.accounts.errors import InvalidCredentials, TooManyFailures
from application.ports import (
    KeyInUse,
    KeyReused,
    ResponseErased,
    TooManyStoredResponses,
    Unavailable,
)
from domain.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    RosterError,
    Stale,
    Violation,
    shortened,
)

STATUS: Final[Mapping[type[RosterError], int]] = {
    Unauthenticated: 401,
    InsufficientScope: 403,
    SubjectRequired: 403,
    Invalid: 422,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    Stale: 412,
    Unavailable: 503,
    KeyReused: 422,
    TooManyStoredResponses: 429,
    TooManyFailures: 429,
}
"""The status of each kind of error. A new error derives from a kind and needs no entry."""

_HEADER: Final[Mapping[type[RosterError], str]] = {
    Unauthenticated: "Authorization",
    InsufficientScope: "Authorization",
    SubjectRequired: "Authorization",
    Stale: "If-Match",
    KeyReused: "Idempotency-Key",
    KeyInUse: "Idempotency-Key",
    ResponseErased: "Idempotency-Key",
    TooManyStoredResponses: "Idempotency-Key",
}
"""The header that causes the error, for the kinds that have one."""

RETRY_AFTER_SECONDS: Final = 1

MAX_ERRORS: Final = 1000
"""The maximum number of errors in a response. Others are only counted: there may be a million."""

_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorObject:
    """One error.

    `code` is stable, and the title follows from it. At most one of `pointer`, `parameter` and
    `header` names the part of the request that causes the error. `type_link` is the URI of an error
    type that a profile defines.
    """

    status: int
    code: str
    detail: str
    pointer: str | None = None
    parameter: str | None = None
    header: str | None = None
    type_link: str | None = None
    meta: Mapping[str, object] = field(default_factory=dict)
    id: str | None = None

    def as_json(self, about: str | None = None) -> dict[str, Any]:
        """Returns the error object. `about` is the URL of the page that explains the codes."""
        json_object: dict[str, Any] = {"status": str(self.status), "code": self.code}
        if self.id is not None:
            json_object = {"id": self.id, **json_object}
        json_object["title"] = self.code.replace("_", " ").capitalize()
        json_object["detail"] = self.detail
        for name in ("pointer", "parameter", "header"):
            if (source := getattr(self, name)) is not None:
                json_object["source"] = {name: _encodable(source) if name == "pointer" else source}
        links = {"about": f"{about}#{self.code}" if about else None, "type": self.type_link}
        if any(links.values()):
            json_object["links"] = {name: link for name, link in links.items() if link}
        if self.meta:
            json_object["meta"] = dict(self.meta)
        return json_object


def _encodable(pointer: str) -> str:
    """Returns the pointer, or one to the owner of a member whose name UTF-8 cannot encode."""
    surrogate = _LONE_SURROGATE.search(pointer)
    return pointer[: pointer.rindex("/", 0, surrogate.start())] if surrogate else pointer


class RequestError(Exception):
    """A request that violates JSON:API, with all errors of one check.

    `errors` lists the first MAX_ERRORS; `omitted` is the number of the others. `headers` are those
    of the response.
    """

    def __init__(
        self, *errors: ErrorObject, headers: Mapping[str, str] | None = None, omitted: int = 0
    ) -> None:
        self.errors = errors[:MAX_ERRORS]
        self.omitted = omitted + len(errors) - len(self.errors)
        super().__init__("; ".join(error.detail for error in self.errors))
        self.headers = dict(headers or {})

    @property
    def status(self) -> int:
        """The status that all errors have in common; else 400."""
        statuses = {error.status for error in self.errors}
        return statuses.pop() if len(statuses) == 1 else 400


def status_of(error: type[RosterError]) -> int:
    """Returns the status of the error's kind."""
    return next(status for kind, status in STATUS.items() if issubclass(error, kind))


def to_request_error(error: RosterError, pointer_to: Callable[[str], str | None]) -> RequestError:
    """Converts an error of the application or the domain.

    `pointer_to` returns the JSON Pointer of an attribute in the request's document, if any.
    """
    status = status_of(type(error))
    if isinstance(error, Invalid):
        violations = error.violations[:MAX_ERRORS]
        return RequestError(
            *(_violation_error(each, status, pointer_to) for each in violations),
            omitted=error.omitted + len(error.violations) - len(violations),
        )
    seconds = _retry_after(error)
    return RequestError(
        *(_error_object(each, status, pointer_to) for each in (error, *error.others)),
        headers={"Retry-After": str(seconds)} if seconds else {},
    )


def _error_object(
    error: RosterError, status: int, pointer_to: Callable[[str], str | None]
) -> ErrorObject:
    attribute = error.attribute
    return ErrorObject(
        status=status,
        code=error.code,
        detail=error.detail,
        pointer=pointer_to(attribute) if attribute else None,
        header=_header(error),
        meta={"attribute": attribute} if attribute else {},
    )


def _header(error: RosterError) -> str | None:
    """Returns the header that causes the error, if any."""
    if isinstance(error, InvalidCredentials):
        return None
    return next((name for kind, name in _HEADER.items() if isinstance(error, kind)), None)


def _retry_after(error: RosterError) -> int | None:
    """Returns the number of seconds after which a retry may succeed; None if unknown."""
    if isinstance(error, TooManyStoredResponses | TooManyFailures):
        return error.retry_after
    return RETRY_AFTER_SECONDS if isinstance(error, Unavailable) else None


def _violation_error(
    violation: Violation, status: int, pointer_to: Callable[[str], str | None]
) -> ErrorObject:
    name = shortened(violation.attribute)
    return ErrorObject(
        status=status,
        code=violation.problem.code,
        detail=f"{name} {violation.problem.detail}.",
        pointer=pointer_to(violation.attribute),
        meta={"attribute": name},
    )


def error_document(error: RequestError, *, about: str | None = None) -> bytes:
    """Returns the error document as JSON text.

    `about` is the URL of the page that explains the codes. Errors may quote lone surrogates, which
    UTF-8 cannot encode: they become U+FFFD.
    """
    document: dict[str, Any] = {"jsonapi": {"version": "1.1"}}
    document["errors"] = [each.as_json(about) for each in error.errors]
    if error.omitted:
        document["meta"] = {"omitted": error.omitted}
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return _LONE_SURROGATE.sub("\ufffd", text).encode()
