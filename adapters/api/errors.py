"""What each code of an error means: the sections of the page that errors' `about` links name."""

from collections.abc import Iterable, Mapping
from typing import Final

from flask import Blueprint, Response

from adapters.api.pages.html import page, text
from adapters.jsonapi.errors import status_of
from application.entities import AnyType

URL: Final = "/docs/errors"

ERRORS: Final[Mapping[str, tuple[str, str]]] = {
    # The request as HTTP.
    "misdirected_request": (
        "421",
        "The service does not serve the host in Host. Without access control, it accepts loopback "
        "addresses, localhost, and the hosts of ROSTER_PUBLIC_URL and ROSTER_HOSTS.",
    ),
    "not_found": ("404", "There is nothing at this URL. An id is a number without leading zeros."),
    "method_not_allowed": ("405", "The URL does not know the method; Allow names those it knows."),
    "not_acceptable": (
        "406",
        "Accept must admit application/vnd.api+json or application/json. The first may bear no "
        "parameters other than ext, naming what the URL speaks, and profile.",
    ),
    "unsupported_media_type": (
        "415",
        "A body is application/vnd.api+json or application/json, and says so in Content-Type. "
        "Operations want the atomic extension named in ext.",
    ),
    "body_too_large": ("413", "The body is longer than this service takes; send it in parts."),
    "body_too_slow": ("408", "The body did not arrive in time. Send it again, not in tiny chunks."),
    "incomplete_body": ("400", "The body ended before its Content-Length. Send it again."),
    "too_many_requests": ("429", "You have asked too often; Retry-After says in how many seconds."),
    "bad_request": ("400", "The request's head can't be read, such as a Host that can be none."),
    # Access.
    "missing_token": ("401", "Send Authorization: Bearer and a token."),
    "invalid_token": ("401", "The token is damaged, expired, or not for this service."),
    "insufficient_scope": ("403", "The token lacks the scopes that WWW-Authenticate names."),
    "subject_required": (
        "403",
        "A token that names neither `sub` nor `client_id` can read but not change anything.",
    ),
    "foreign_origin": (
        "403",
        "Without access control, only pages of the service's own origin and of those in "
        "ROSTER_CORS_ORIGINS may change anything.",
    ),
    # The query.
    "unknown_parameter": (
        "400",
        "The URL has no parameter with this name. The detail lists those that exist.",
    ),
    "repeated_parameter": ("400", "Only filter[ATTRIBUTE][] can occur more than once."),
    "invalid_parameter": (
        "400",
        "The parameter's value is not valid. The detail says why, and what is accepted.",
    ),
    "unknown_attribute": (
        "400, 422",
        "No attribute has this name: in a parameter (400) or among the attributes sent (422). The "
        "detail lists those that exist.",
    ),
    "malformed_query": ("400", "A parameter's name has NUL or bytes that are not UTF-8."),
    "too_many_parameters": ("400", "The query has too many parameters."),
    "unknown_relationship": (
        "400",
        "include names a relationship that does not exist. The detail lists those that exist.",
    ),
    "too_much_included": (
        "400",
        "include has more than 10 paths or a path of more than 3 steps, or could include more than "
        "25,000 resources. Send fewer paths or a smaller page[size].",
    ),
    "max_size_exceeded": ("400", "The page is too large. meta.page.maxSize is the maximum."),
    "invalid_cursor": (
        "400",
        "The cursor is empty or damaged, or belongs to a list with another sort, other filters or "
        "another key. Start the list again without a cursor.",
    ),
    "page_too_deep": ("400", "Numbered pages end at this offset. Continue with page[after]."),
    # The document.
    "malformed_json": ("400", "The body is no JSON in UTF-8; it begins without a byte order mark."),
    "duplicate_member": ("400", "An object has two members of the same name."),
    "too_deep": ("400", "The body is nested too deeply."),
    "too_many_members": (
        "400",
        "A document has at most 25,000 members and elements in all its objects and arrays. One "
        "with operations has at most 50,000. Commas and opening brackets outside of strings are "
        "counted.",
    ),
    "too_many_escapes": (
        "400",
        "The strings of a document have at most 20,000 backslashes; those of one with operations "
        "have at most 200,000.",
    ),
    "number_too_long": ("400", "A number has more digits than are read."),
    "number_out_of_range": ("400", "A number is too large for a floating-point number."),
    "invalid_document": (
        "400",
        "The structure of the document is not that of JSON:API. The pointer shows where.",
    ),
    "missing_member": (
        "400",
        "The document lacks a required member. If it lacks data, the detail has an example.",
    ),
    "wrong_json_type": ("400", "A member has the wrong JSON type, such as a string for an object."),
    "too_many_operations": ("400", "One request may have at most 100 operations."),
    "unknown_lid": ("400", "No earlier operation of the request gives a resource this lid."),
    "too_many_identifiers": (
        "400",
        "A list of related resources has at most 1000 identifiers. Send several requests.",
    ),
    "invalid_idempotency_key": (
        "400",
        "An Idempotency-Key is 1 to 255 printable ASCII characters, with or without quotation "
        "marks around it.",
    ),
    "client_generated_id": ("403", "The server assigns ids. Send the resource without one."),
    "type_mismatch": (
        "409",
        "The type is not that of the collection, or not one that the relationship holds.",
    ),
    "id_mismatch": ("409", "The id in the document is not the one in the URL."),
    "partial_linkage": (
        "403",
        "A list that is only a part, next to a page link that is not null, cannot replace the "
        "whole. Send the whole list, or omit data.",
    ),
    # The attributes.
    "missing": ("422", "The attribute is required."),
    "wrong_type": ("422", "The value has the wrong type, or is null."),
    "blank": ("422", "The attribute must contain at least one visible character."),
    "too_long": ("422", "The attribute's value is too long; lengths count code points."),
    "control_character": ("422", "The attribute is one line without control characters."),
    "forbidden_character": ("422", "No string may contain NUL or a lone surrogate."),
    "invalid_format": ("422", "The value contains characters that the attribute does not accept."),
    "out_of_range": (
        "422",
        "The number is too small or too large; the detail says what is accepted.",
    ),
    "invalid_email": ("422", "The value is not a syntactically valid email address."),
    "read_only": ("403", "The service sets the attribute. Leave it out, or send it as it stands."),
    # The directory.
    "related_not_found": (
        "404",
        "A resource that the request relates to does not exist. Nothing was done.",
    ),
    "replacement_too_large": (
        "403",
        "The relationship has more than 1000 resources, which one request cannot replace. Add and "
        "remove them with POST and DELETE, or use the roster command.",
    ),
    "too_many_memberships": (
        "409",
        "One request changes at most 10,000 memberships, including those and the ownerships that a "
        "deletion removes. Nothing was done. Send several requests, or use the roster command.",
    ),
    "stale_version": ("412", "The resource has changed since. Read it again, then change that."),
    "precondition_failed": (
        "412",
        "If-Match or If-None-Match failed; the detail says why. If-Match needs a strong ETag, as "
        "Roster sent it: a proxy that compresses changes ETags.",
    ),
    "idempotency_key_reused": (
        "422",
        "The Idempotency-Key was for another request. Take a new one.",
    ),
    "response_erased": (
        "409",
        "The request with this Idempotency-Key was executed before. Its response contained a "
        "resource that has been erased since. Read the resources to see their state.",
    ),
    "too_many_stored_responses": (
        "429",
        "The responses stored for the principal's Idempotency-Keys of the last 24 hours take all "
        "the space that one principal has. Nothing was done. Retry-After gives the seconds until "
        "the oldest one expires.",
    ),
    "idempotency_key_in_use": ("409", "The first request with the key goes on. Ask again later."),
    # The service.
    "unavailable": ("503", "The database can't be reached. Nothing happened; ask again."),
    "overtaken": ("503", "Others kept changing the same thing. Nothing happened; ask again."),
    "writes_refused": ("503", "The database takes no changes now. Nothing happened; ask again."),
    "not_migrated": ("503", "The database is not migrated; its operator runs roster db upgrade."),
    "not_permitted": (
        "503",
        "Roster lacks a privilege in its database. Nothing happened; its operator grants it.",
    ),
    "unknown_revision": (
        "503",
        "The database records a version that no release of Roster has; its operator must look.",
    ),
    "foreign_table": ("503", "A table of another application is in the way of Roster's."),
    "unsupported_server": ("503", "Roster does not support its database server."),
    "unsupported_encoding": ("503", "The encoding of the database is not UTF-8."),
    "outcome_unknown": (
        "503",
        "The database's answer to a commit was lost: all of it happened or nothing. Look, or ask "
        "again under the same Idempotency-Key.",
    ),
    "overloaded": (
        "503",
        "The bodies of all requests together take as much memory as they may. The request was not "
        "processed. Send it again after Retry-After, or with a smaller body.",
    ),
    "internal_error": ("500", "A fault of Roster. Its log has the reason under the error's id."),
}
"""By code, the statuses of the codes that every service has, and their meaning."""


def error_codes(types: Iterable[AnyType]) -> Mapping[str, tuple[str, str]]:
    """By code, the statuses of all codes and their meaning: ERRORS, and those of the types."""
    own = {
        error.code: (str(status_of(error)), error.meaning)
        for each in types
        for error in each.errors
    }
    return {**ERRORS, **own}


def errors(codes: Mapping[str, tuple[str, str]]) -> Blueprint:
    """The page with the meanings of the error codes."""
    blueprint = Blueprint("errors", __name__)
    sections = (_section(code, *explained) for code, explained in codes.items())
    body = page("Errors of the Roster API", "".join(sections))

    @blueprint.get(URL)
    def show_errors() -> Response:
        return body()

    return blueprint


def _section(code: str, status: str, meaning: str) -> str:
    return (
        f'<section id="{code}"><h2><code>{code}</code> <small>{status}</small></h2>'
        f"<p>{text(meaning)}</p></section>\n"
    )
