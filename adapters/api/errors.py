"""The error codes, with their statuses and their meaning."""

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Final

from adapters.jsonapi.errors import status_of
from application.entities import AnyType

ERRORS: Final[Mapping[str, tuple[str, str]]] = {
    # The request as HTTP.
    "misdirected_request": (
        "421",
        "The service does not serve the host in Host. Without access control, it accepts loopback "
        "addresses, localhost, and the hosts of ROSTER_PUBLIC_URL and ROSTER_HOSTS.",
    ),
    "not_found": ("404", "There is nothing at this URL. An id is a number without leading zeros."),
    "method_not_allowed": (
        "405",
        "The URL does not support the method. Allow lists the supported methods.",
    ),
    "not_acceptable": (
        "406",
        "Accept must allow application/vnd.api+json or application/json. The former may have only "
        "the parameters profile and ext, and ext may name only the extension of the URL.",
    ),
    "unsupported_media_type": (
        "415",
        "The Content-Type of a body must be application/vnd.api+json or application/json. For "
        "operations, its parameter ext must name the atomic extension.",
    ),
    "body_too_large": ("413", "The body is too large for this service. Send several requests."),
    "body_too_slow": ("408", "The body did not arrive in time. Send it again, in larger chunks."),
    "incomplete_body": ("400", "The body ended before its Content-Length. Send it again."),
    "too_many_requests": (
        "429",
        "There were too many requests. Retry after the seconds in Retry-After.",
    ),
    "bad_request": ("400", "The headers of the request are malformed, such as an invalid Host."),
    "invalid_position": (
        "400",
        "Roster-Position is not a value that the service has sent. Send the header of the response "
        "to a change unchanged, or omit it.",
    ),
    # Access.
    "missing_token": ("401", "Send Authorization: Bearer and a token."),
    "invalid_token": ("401", "The token is damaged, expired, or not for this service."),
    "insufficient_scope": ("403", "The token lacks the scopes that WWW-Authenticate names."),
    "subject_required": (
        "403",
        "A token with neither `sub` nor `client_id` can read but not change anything.",
    ),
    "foreign_origin": (
        "403",
        "Without access control, only pages of the service's own origin and of those in "
        "ROSTER_CORS_ORIGINS may change anything.",
    ),
    # Accounts.
    "invalid_credentials": (
        "401",
        "The email or the password is wrong, or the user is not active or has no password. Try "
        "again, or request a new password with POST /api/v1/recoveries.",
    ),
    "not_a_user": (
        "403",
        "The URL requires the access token of a session. Log in with POST /api/v1/sessions.",
    ),
    "wrong_password": (
        "403",
        "The password is not the user's current password. After too many wrong passwords, further "
        "requests get 429.",
    ),
    "link_invalid": ("403", "The link is unknown, was used, or has expired. Request a new one."),
    "signup_closed": (
        "403",
        "The service does not accept sign-ups. An operator can send an invitation.",
    ),
    "session_not_found": (
        "404",
        "The user has no such session, or it has ended. GET /api/v1/sessions lists the sessions.",
    ),
    "email_domain": (
        "422",
        "The service accepts sign-ups from certain email domains only. Use another address.",
    ),
    "too_short": (
        "422",
        "The password has too few characters. The detail states the minimum. Spaces count.",
    ),
    "guessable": ("422", "The password is common or easy to guess. Choose a longer one."),
    "too_many_failures": (
        "429",
        "There were too many wrong passwords. Retry after the seconds in Retry-After.",
    ),
    "invalid_grant": (
        "400",
        "The refresh token is unknown or was used before, or its session has ended. Log in with "
        "POST /api/v1/sessions. Only /oauth/token returns this code.",
    ),
    "invalid_scope": (
        "400",
        "The user does not have all of the scopes in `scope`. Request fewer. Only /oauth/token "
        "returns this code.",
    ),
    "busy": ("503", "Too many passwords are being checked. Retry after a few seconds."),
    # The query.
    "unknown_parameter": (
        "400",
        "The URL has no parameter with this name. The detail lists those that exist.",
    ),
    "repeated_parameter": ("400", "Only filter[ATTRIBUTE][] can occur more than once."),
    "invalid_parameter": (
        "400",
        "The parameter's value is not valid. The detail states the reason and the accepted form.",
    ),
    "unknown_attribute": (
        "400, 422",
        "No attribute or relationship has this name: in a parameter (400) or in the body (422). "
        "Or the list cannot be sorted or filtered by it. The detail lists the accepted names.",
    ),
    "malformed_query": ("400", "A parameter's name contains NUL or bytes that are not UTF-8."),
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
    "malformed_json": ("400", "The body must be JSON in UTF-8 without a byte order mark."),
    "duplicate_member": ("400", "An object has two members of the same name."),
    "too_deep": ("400", "The body is nested too deeply."),
    "too_many_members": (
        "400",
        "A document has at most 25,000 members and elements in all its objects and arrays. A "
        "document with operations has at most 50,000. Roster counts the commas and opening "
        "brackets outside of strings.",
    ),
    "too_many_escapes": (
        "400",
        "The strings of a document have at most 20,000 backslashes. With operations, they have "
        "at most 200,000.",
    ),
    "number_too_long": ("400", "A number has too many digits."),
    "number_out_of_range": ("400", "A number is too large for a floating-point number."),
    "invalid_document": (
        "400",
        "The structure of the document violates JSON:API. The pointer shows where.",
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
        "The list is only a part of the relationship, because a page link next to it is not null. "
        "It cannot replace the complete list. Send the complete list, or omit data.",
    ),
    # The attributes.
    "missing": ("422", "The attribute is required."),
    "wrong_type": ("422", "The value has the wrong type or is null."),
    "blank": ("422", "The attribute must contain at least one visible character."),
    "too_long": (
        "422",
        "The attribute's value is too long. The length is the number of code points.",
    ),
    "control_character": ("422", "The attribute must be one line without control characters."),
    "forbidden_character": ("422", "No string may contain NUL or a lone surrogate."),
    "invalid_format": ("422", "The value contains characters that the attribute does not accept."),
    "out_of_range": (
        "422",
        "The number is too small or too large. The detail states the valid range.",
    ),
    "invalid_email": ("422", "The value is not a syntactically valid email address."),
    "read_only": (
        "403",
        "The service sets the attribute, or users cannot change it themselves with PATCH "
        "/api/v1/me. Omit it, or send its current value.",
    ),
    # The directory.
    "related_not_found": (
        "404",
        "A related resource that the request names does not exist. Nothing has changed.",
    ),
    "replacement_too_large": (
        "403",
        "The relationship has more than 1000 resources, which one request cannot replace. Add and "
        "remove them with POST and DELETE, or use the roster command.",
    ),
    "too_many_memberships": (
        "409",
        "One request changes at most 10,000 memberships. The memberships and ownerships that a "
        "deletion removes also count. Nothing has changed. Send several requests, or use the "
        "roster command.",
    ),
    "stale_version": ("412", "The resource has changed. Read it again, then repeat the change."),
    "precondition_failed": (
        "412",
        "If-Match or If-None-Match failed. The detail states the reason. If-Match requires a "
        "strong ETag, exactly as Roster sent it. A proxy that compresses responses changes ETags.",
    ),
    "idempotency_key_reused": (
        "422",
        "The Idempotency-Key was used for another request. Send a new key.",
    ),
    "response_erased": (
        "409",
        "The request with this Idempotency-Key was executed before. Its response contained a "
        "resource that has been erased since. Read the resources to see their state.",
    ),
    "too_many_stored_responses": (
        "429",
        "The responses stored for the principal's Idempotency-Keys of the last 24 hours take all "
        "the space that one principal has. Nothing has changed. Retry-After is the number of "
        "seconds until the oldest response expires.",
    ),
    "idempotency_key_in_use": ("409", "Another request with the key is in progress. Retry later."),
    # The service.
    "unavailable": ("503", "The database is unreachable. Nothing has changed. Retry."),
    "overtaken": ("503", "Other requests changed the same data. Nothing has changed. Retry."),
    "writes_refused": ("503", "The database is currently read-only. Nothing has changed. Retry."),
    "not_migrated": (
        "503",
        "The database is not migrated. The operator must run roster db upgrade.",
    ),
    "not_permitted": (
        "503",
        "Roster lacks a privilege in its database. Nothing has changed. Contact the operator.",
    ),
    "unknown_revision": (
        "503",
        "The database has a revision that this release does not know. Contact the operator.",
    ),
    "foreign_table": (
        "503",
        "The database has a table of another application with the name of a Roster table.",
    ),
    "unsupported_server": ("503", "Roster does not support its database server."),
    "unsupported_encoding": ("503", "The encoding of the database is not UTF-8."),
    "outcome_unknown": (
        "503",
        "The connection was lost during a commit, so either all changes were applied or none. "
        "Check, or retry with the same Idempotency-Key.",
    ),
    "overloaded": (
        "503",
        "The bodies of all requests together have reached their memory limit. The request was not "
        "processed. Retry after the seconds in Retry-After, or send a smaller body.",
    ),
    "internal_error": (
        "500",
        "An internal error. The log has the reason under the id of the error.",
    ),
}
"""Maps the codes that every service has to their statuses and their meaning."""


def error_codes(types: Iterable[AnyType]) -> Mapping[str, tuple[str, str]]:
    """Maps all codes to their statuses and their meaning: ERRORS, and the codes of the types.

    If several errors have the same code, it has the statuses and the meanings of all of them.
    """
    codes = dict(ERRORS)
    for error in chain.from_iterable(each.errors for each in types):
        status, meaning = codes.get(error.code, ("", ""))
        statuses = [*filter(None, status.split(", "))]
        if (own := str(status_of(error))) not in statuses:
            statuses.append(own)
        if error.meaning not in meaning:
            meaning = f"{meaning} {error.meaning}".lstrip()
        codes[error.code] = ", ".join(statuses), meaning
    return codes
