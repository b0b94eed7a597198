"""What goes wrong, as JSON:API error objects (jsonapi.org/format/1.1/#error-objects)."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from application.access import InsufficientScope, SubjectRequired, Unauthenticated
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
}
"""The status of each kind of refusal; a new refusal derives from a kind and edits nothing here."""

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
"""The header at fault, of the kinds of refusal that are for one."""

RETRY_AFTER_SECONDS: Final = 1

MAX_ERRORS: Final = 1000
"""How many problems an answer tells; a body may hold a million of them. The rest is counted."""

_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorObject:
    """One problem. `code` is stable; the title follows from it, and never changes with the case.

    At most one of pointer, parameter and header says where in the request it lies.
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
        """The error object; `about` is the page that has a section for its code."""
        written: dict[str, Any] = {"status": str(self.status), "code": self.code}
        if self.id is not None:
            written = {"id": self.id, **written}
        written["title"] = self.code.replace("_", " ").capitalize()
        written["detail"] = self.detail
        for where in ("pointer", "parameter", "header"):
            if (place := getattr(self, where)) is not None:
                written["source"] = {where: _encodable(place) if where == "pointer" else place}
        links = {"about": f"{about}#{self.code}" if about else None, "type": self.type_link}
        if any(links.values()):
            written["links"] = {name: link for name, link in links.items() if link}
        if self.meta:
            written["meta"] = dict(self.meta)
        return written


def _encodable(pointer: str) -> str:
    """The pointer; one to a member that no UTF-8 can name leads to what holds the member."""
    found = _LONE_SURROGATE.search(pointer)
    return pointer[: pointer.rindex("/", 0, found.start())] if found else pointer


class RequestError(Exception):
    """A request that the format refuses before anything is done: all problems of one check.

    `errors` are the first MAX_ERRORS of them; `omitted` counts the others.
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
        """The status of its problems, or 400 where they differ."""
        found = {error.status for error in self.errors}
        return found.pop() if len(found) == 1 else 400


def status_of(error: type[RosterError]) -> int:
    """The status of the kind to which the error belongs."""
    return next(status for kind, status in STATUS.items() if issubclass(error, kind))


def to_request_error(error: RosterError, pointer_to: Callable[[str], str | None]) -> RequestError:
    """A refusal of the domain, said in this format.

    `pointer_to` tells where in the request's document an attribute stands.
    """
    status = status_of(type(error))
    if isinstance(error, Invalid):
        listed = error.violations[:MAX_ERRORS]
        return RequestError(
            *(_broken_rule(each, status, pointer_to) for each in listed),
            omitted=error.omitted + len(error.violations) - len(listed),
        )
    attribute = error.attribute
    found = ErrorObject(
        status=status,
        code=error.code,
        detail=error.detail,
        pointer=pointer_to(attribute) if attribute else None,
        header=next((name for kind, name in _HEADER.items() if isinstance(error, kind)), None),
        meta={"attribute": attribute} if attribute else {},
    )
    seconds = _retry_after(error)
    return RequestError(found, headers={"Retry-After": str(seconds)} if seconds else {})


def _retry_after(error: RosterError) -> int | None:
    """The number of seconds after which a repetition may succeed."""
    if isinstance(error, TooManyStoredResponses):
        return error.retry_after
    return RETRY_AFTER_SECONDS if isinstance(error, Unavailable) else None


def _broken_rule(
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


def error_document(refused: RequestError, *, about: str | None = None) -> bytes:
    """The document of its errors.

    What a client sent may be quoted in it, lone surrogates too, which no UTF-8 can hold: they
    become U+FFFD.
    """
    document: dict[str, Any] = {"jsonapi": {"version": "1.1"}}
    document["errors"] = [error.as_json(about) for error in refused.errors]
    if refused.omitted:
        document["meta"] = {"omitted": refused.omitted}
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return _LONE_SURROGATE.sub("\ufffd", text).encode()
