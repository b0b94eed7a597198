"""The limits in the code -> docs/limits.md."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Final, NamedTuple

from adapters import strict_json
from adapters.api import OPERATIONS_BODY_FACTOR
from adapters.api.operations import MAX_HREF_LENGTH
from adapters.files.reading import MAX_NAME_LENGTH
from adapters.jsonapi import (
    atomic,
    cursors,
    errors,
    filters,
    idempotency,
    include_paths,
    linkage,
    operation_objects,
    parameters,
    resource_objects,
)
from adapters.jsonapi.unknown_names import MAX_QUOTED
from adapters.mail import smtp
from adapters.passwords import bounded_threads, formats
from adapters.tabular import jsonl
from adapters.tabular.lines import MAX_RECORD_BYTES
from adapters.tokens import key_sets, verifier
from adapters.web.identity import MAX_LINKS
from application.access import MAX_SUBJECT_LENGTH
from application.accounts import guessing, sessions
from application.inclusion import MAX_LINKED
from application.relationship_commands import LINKS_AT_ONCE
from domain import passwords
from domain.errors import MAX_QUOTED_LENGTH
from entrypoints.settings import Settings

_BEGINNING: Final = """# Limits

This page lists the limits that clients and operators may reach.
If a limit names a setting, its number is the default of the setting.
A request beyond a limit changes nothing.
The last column has the `code` of the error, which the [reference](reference.md#errors) explains.

The [reference](reference.md) has the maximum lengths of attributes.
A command of `roster` can change any number of memberships.

`make docs` generates this page from the code.
"""


class Limit(NamedTuple):
    """A limit: its subject, its value with a unit, and what follows beyond it."""

    subject: str
    value: str
    effect: str


def page() -> str:
    """The page, with a table for each kind of limit."""
    tables = (
        ("Requests", _requests()),
        ("Lists and searches", _searches()),
        ("Relationships and operations", _changes()),
        ("Accounts and tokens", _accounts()),
        ("Files", _files()),
    )
    return "\n".join((_BEGINNING, *(_table(heading, limits) for heading, limits in tables)))


def _requests() -> Iterator[Limit]:
    members = f"{resource_objects.MAX_MEMBERS:,}; with operations {atomic.MAX_MEMBERS:,}"
    escapes = strict_json.ESCAPES_PER_MEMBER * atomic.MAX_MEMBERS
    yield Limit("request line and headers", _setting("ROSTER_HEADER_BYTES"), "431")
    number = _setting("ROSTER_QUERY_PARAMETERS")
    yield Limit("parameters of a query", number, "`too_many_parameters`")
    body = f"{_setting('ROSTER_BODY_BYTES')}; {OPERATIONS_BODY_FACTOR} times as many for operations"
    yield Limit("body", body, "`body_too_large`")
    yield Limit("time for a body to arrive", _setting("ROSTER_BODY_SECONDS"), "`body_too_slow`")
    yield Limit("levels of JSON", f"{strict_json.MAX_DEPTH}", "`too_deep`")
    yield Limit("members and elements of JSON", members, "`too_many_members`")
    backslashes = f"{resource_objects.MAX_ESCAPES:,}; with operations {escapes:,}"
    yield Limit("backslashes in strings of JSON", backslashes, "`too_many_escapes`")
    yield Limit("digits of a number", f"{strict_json.MAX_DIGITS}", "`number_too_long`")
    yield Limit(
        "characters of an `Idempotency-Key`",
        f"{idempotency.MAX_LENGTH}",
        "`invalid_idempotency_key`",
    )
    yield Limit(
        "responses stored for the keys of one principal in 24 hours",
        _setting("ROSTER_IDEMPOTENCY_BYTES"),
        "`too_many_stored_responses`",
    )
    yield Limit("errors in a response", f"{errors.MAX_ERRORS:,}", "The others are only counted.")
    omitted = "The rest is omitted."
    yield Limit("characters of a quoted name", f"{MAX_QUOTED_LENGTH}", omitted)
    yield Limit("characters of a quoted parameter or header", f"{MAX_QUOTED}", omitted)


def _searches() -> Iterator[Limit]:
    size = f"{parameters.MAX_PAGE_SIZE:,} (default {parameters.DEFAULT_PAGE_SIZE})"
    invalid = "`invalid_parameter`"
    yield Limit("items per page", size, "`max_size_exceeded`")
    yield Limit("items before a numbered page", f"{parameters.MAX_OFFSET:,}", "`page_too_deep`")
    yield Limit("characters of a cursor", f"{cursors.MAX_CURSOR_LENGTH:,}", "`invalid_cursor`")
    yield Limit("attributes to sort by", f"{parameters.MAX_SORT_FIELDS}", invalid)
    yield Limit("filters", f"{filters.MAX_FILTERS}", invalid)
    yield Limit("values of all filters", f"{filters.MAX_FILTER_VALUES}", invalid)
    yield Limit("characters of a value", f"{filters.MAX_VALUE_LENGTH:,}", invalid)
    yield Limit("alternatives of `filter[or]`", f"{filters.MAX_ALTERNATIVES}", invalid)
    yield Limit("words of `filter[q]`", f"{filters.MAX_WORDS}", invalid)
    included = "`too_much_included`"
    yield Limit("paths of `include`", f"{include_paths.MAX_PATHS}", included)
    yield Limit("relationships of a path", f"{include_paths.MAX_STEPS}", included)
    yield Limit("resources that can be included", f"{include_paths.MAX_INCLUDED:,}", included)
    yield Limit(
        "included resources of each relationship",
        f"{MAX_LINKED}",
        "`links.next` of the relationship leads to the others.",
    )


def _changes() -> Iterator[Limit]:
    yield Limit(
        "operations of a request", f"{operation_objects.MAX_OPERATIONS}", "`too_many_operations`"
    )
    yield Limit("identifiers of a list", f"{linkage.MAX_IDENTIFIERS:,}", "`too_many_identifiers`")
    yield Limit("resources that a list replaces", f"{LINKS_AT_ONCE:,}", "`replacement_too_large`")
    yield Limit("memberships that a request changes", f"{MAX_LINKS:,}", "`too_many_memberships`")
    invalid = "`invalid_document`"
    yield Limit("characters of a `lid`", f"{resource_objects.MAX_LID_LENGTH}", invalid)
    version = f"{operation_objects.MAX_VERSION_LENGTH:,}"
    yield Limit("characters of an `href`", f"{MAX_HREF_LENGTH:,}", "`not_found`")
    yield Limit("characters of `meta.version`", version, invalid)


def _accounts() -> Iterator[Limit]:
    yield Limit("characters of a password", f"{passwords.MAX_LENGTH}", "`too_long`")
    yield Limit(
        "sessions of a user",
        f"{sessions.MAX_SESSIONS}",
        "A new one replaces the one that is unused for longest.",
    )
    yield Limit(
        "emails to one address in an hour, if no token is required",
        f"{guessing.MAX_EMAILS}",
        "No further email is sent.",
    )
    rejected, unused = "The hash is rejected.", "The set is not used."
    yield Limit("characters of an imported hash", f"{formats.MAX_LENGTH}", rejected)
    yield Limit("memory of an imported hash", f"{formats.MAX_MEMORY // 1024**2} MiB", rejected)
    yield Limit("rounds of an imported hash", f"{formats.MAX_ROUNDS:,}", rejected)
    yield Limit("cost of a bcrypt hash", f"{formats.MAX_BCRYPT_COST}", rejected)
    work = f"{formats.MAX_ARGON2_WORK:,}"
    yield Limit("product of the KiB and the passes of an argon2 hash", work, rejected)
    yield Limit("lanes of an argon2 hash", f"{formats.MAX_LANES}", rejected)
    work = f"{formats.MAX_SCRYPT_WORK:,}"
    yield Limit("product of N, r and p of an scrypt hash", work, rejected)
    yield Limit(
        "requests that wait for the verification of a password in a process",
        f"{bounded_threads.MAX_WAITING}",
        "`busy`",
    )
    yield Limit("time that they wait", f"{bounded_threads.MAX_WAIT_SECONDS:g} seconds", "`busy`")
    yield Limit(
        "time to deliver an email",
        f"{smtp.SECONDS:g} seconds",
        "The email is sent again later.",
    )
    invalid = "`invalid_token`"
    yield Limit("bytes of a token", f"{verifier.MAX_LENGTH:,}", invalid)
    yield Limit("characters of a subject", f"{MAX_SUBJECT_LENGTH}", invalid)
    yield Limit("bytes of a key set", f"{key_sets.MAX_BYTES:,}", unused)
    yield Limit("time to fetch a key set", f"{key_sets.FETCH_SECONDS:g} seconds", unused)
    yield Limit(
        "use of a withdrawn key, if the key set can be read",
        f"{key_sets.REFRESH_SECONDS:g} seconds",
        invalid,
    )


def _files() -> Iterator[Limit]:
    yield Limit("bytes of a record", f"{MAX_RECORD_BYTES:,}", "`record_too_long`")
    yield Limit(
        "members and elements of a JSON record", f"{jsonl.MAX_MEMBERS}", "`too_many_members`"
    )
    yield Limit("characters of a quoted name", f"{MAX_NAME_LENGTH}", "The rest is omitted.")


def _setting(name: str) -> str:
    """The default of a setting, and its name."""
    (default,) = (
        each.metadata["default"] for each in fields(Settings) if each.metadata["name"] == name
    )
    unit = {"SECONDS": " seconds", "BYTES": " bytes"}.get(name.rpartition("_")[2], "")
    return f"{int(default):,}{unit} (`{name}`)"


def _table(heading: str, limits: Iterator[Limit]) -> str:
    rows = "".join(f"| {subject} | {value} | {effect} |\n" for subject, value, effect in limits)
    return f"## {heading}\n\n| | at most | beyond the limit |\n| --- | --- | --- |\n{rows}"
