"""What each code of an error means: the sections of the page that errors' `about` links name."""

from collections.abc import Mapping
from typing import Final

from flask import Blueprint, Response

from adapters.api.pages import page, text

URL: Final = "/docs/errors"

ERRORS: Final[Mapping[str, tuple[str, str]]] = {
    # The request as HTTP.
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
    "body_too_slow": ("408", "The body did not come in time. Send it again."),
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
    # The query.
    "unknown_parameter": ("400", "No parameter of this URL is named so."),
    "repeated_parameter": ("400", "Only filter[...][] may be given more than once."),
    "invalid_parameter": ("400", "The parameter's value can't be understood; the detail says why."),
    "unknown_attribute": (
        "400, 422",
        "No attribute is named so: in a parameter (400) or among the attributes sent (422).",
    ),
    "malformed_query": ("400", "A parameter's name has NUL or bytes that are not UTF-8."),
    "too_many_parameters": ("400", "The query has more parameters than are read."),
    "unknown_relationship": ("400", "include names a relationship that there is not."),
    "max_size_exceeded": ("400", "A page can't be so large; meta.page.maxSize says how large."),
    "invalid_cursor": (
        "400",
        "The cursor is damaged, or of a list with another sort or other filters. Begin anew.",
    ),
    "page_too_deep": ("400", "Numbered pages end here; go on with page[after]."),
    # The document.
    "malformed_json": ("400", "The body is no JSON in UTF-8; it begins without a byte order mark."),
    "duplicate_member": ("400", "An object has two members of the same name."),
    "too_deep": ("400", "The body is nested too deeply."),
    "number_too_long": ("400", "A number has more digits than are read."),
    "number_out_of_range": ("400", "A number is too large for a floating-point number."),
    "invalid_document": (
        "400",
        "The document is not built as JSON:API says; the pointer shows where.",
    ),
    "missing_member": ("400", "The document lacks a member that it must have."),
    "wrong_json_type": ("400", "A member has the wrong JSON type, such as a string for an object."),
    "too_many_operations": ("400", "One request may have at most 100 operations."),
    "unknown_lid": ("400", "No earlier operation of the request gives a resource this lid."),
    "invalid_idempotency_key": ("400", "An Idempotency-Key is 1 to 255 characters of ASCII."),
    "client_generated_id": ("403", "Roster gives the ids; send the resource without one."),
    "type_mismatch": ("409", "The collection holds no resources of this type."),
    "id_mismatch": ("409", "The id in the document is not the one in the URL."),
    # The attributes.
    "missing": ("422", "The attribute is required."),
    "wrong_type": ("422", "The attribute wants a value of another type."),
    "blank": ("422", "The attribute must have something that can be seen."),
    "too_long": ("422", "The attribute's value is too long; lengths count code points."),
    "control_character": ("422", "The attribute is one line, without control characters."),
    "forbidden_character": ("422", "No string may hold NUL or a lone surrogate."),
    "invalid_format": ("422", "The value has characters that the attribute does not take."),
    "invalid_email": ("422", "The value is no e-mail address by its syntax."),
    "read_only": ("403", "The service sets the attribute. Leave it out, or send it as it stands."),
    # The directory.
    "user_not_found": ("404", "There is no such user, or not any more."),
    "email_taken": ("409", "Another user has this email, whatever the case of its letters."),
    "stale_version": ("412", "The resource has changed since. Read it again, then change that."),
    "precondition_failed": (
        "412",
        "What is at the URL is not as If-Match or If-None-Match want it.",
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
    "unsupported_server": ("503", "The database is too old for Roster."),
    "outcome_unknown": (
        "503",
        "The database's answer to a commit was lost: all of it happened or nothing. Look, or ask "
        "again under the same Idempotency-Key.",
    ),
    "internal_error": ("500", "A fault of Roster. Its log has the reason under the error's id."),
}
"""The statuses that a code comes with, and what it means."""


def errors() -> Blueprint:
    """The page of the errors' meanings."""
    blueprint = Blueprint("errors", __name__)
    body = page("Errors of the Roster API", "".join(map(_section, ERRORS)))

    @blueprint.get(URL)
    def show_errors() -> Response:
        return body()

    return blueprint


def _section(code: str) -> str:
    status, meaning = ERRORS[code]
    return (
        f'<section id="{code}"><h2><code>{code}</code> <small>{status}</small></h2>'
        f"<p>{text(meaning)}</p></section>\n"
    )
