"""Constraints on valid requests that a schema cannot express.

With them, Schemathesis can require that the service accepts every valid request.
"""

import json
import os
import re
import unicodedata
from urllib.request import Request, urlopen
from uuid import uuid4

import schemathesis
from schemathesis.specs.openapi import checks

MAX_FILTERS = 20
MAX_IDENTIFIERS = 1000
MAX_NAME_LENGTH = 250
COMBINED = re.compile(r"filter\[(?:or|not)\]")
NAME = re.compile(r"filter\[(?:\w+\.)?(?:name|description)\](?:\[(eq|ne|in)\])?")


ACCOUNT = os.environ.get("ACCOUNT_EMAIL")
"""The email of an administrator, if accounts are on."""
STRONG_PASSWORD = "violet anchors drift past nine"


class Tokens:
    """Logs in, and again after the session has ended."""

    current = None

    def get(self, case, ctx):
        if Tokens.current is None:
            attributes = {"email": ACCOUNT, "password": os.environ["ACCOUNT_PASSWORD"]}
            body = json.dumps({"data": {"type": "sessions", "attributes": attributes}}).encode()
            headers = {"Content-Type": "application/vnd.api+json"}
            url = os.environ["ACCOUNT_URL"] + "/api/v1/sessions"
            with urlopen(Request(url, body, headers)) as response:
                Tokens.current = json.load(response)["data"]["meta"]["access_token"]
        return Tokens.current

    def set(self, case, data, ctx):
        case.headers = case.headers or {}
        case.headers["Authorization"] = f"Bearer {data}"


if ACCOUNT:
    schemathesis.auth(refresh_interval=None)(Tokens)


@schemathesis.hook
def after_call(context, case, response):
    """Forgets the token of a session that may have ended."""
    if response.status_code == 401 or (case.method == "DELETE" and "/sessions" in case.path):
        Tokens.current = None


def _use_strong_password(body):
    """Replaces a new password, because a schema cannot express that one is easy to guess."""
    data = _member(body, "data")
    attributes = _member(data, "attributes")
    if _member(data, "type") in ("confirmations", "passwords") and "password" in attributes:
        attributes["password"] = STRONG_PASSWORD


@schemathesis.hook
def before_call(context, case, kwargs):
    """Applies constraints between parameters, and between requests, to valid requests."""
    query = case.query or {}
    # The schemas of responses require the members that a valid `fields` leaves out, so that the
    # types that are generated from them have these members.
    for name in [name for name in query if re.fullmatch(r"fields\[\w+\]", name)]:
        if re.fullmatch(r"[\w,]*", str(query[name])):
            del query[name]
    _make_long_lists_distinct(case.body)
    if not (case.meta and case.meta.generation.mode.is_positive):
        return
    _use_strong_password(case.body)
    if "include" in query:
        # The number of included resources is limited. It depends on all paths and the page size.
        query["include"] = str(query["include"]).split(",")[0]
        query.pop("page[size]", None)
    if _is_list(case.operation):
        _make_list_valid(query)
    if isinstance(case.body, dict) and "atomic:operations" in case.body:
        _use_known_lids(case.body["atomic:operations"])
    if key := (case.headers or {}).get("Idempotency-Key"):
        case.headers["Idempotency-Key"] = _unused(key)


def _make_long_lists_distinct(body):
    """Gives each identifier of a list with too many of them another id.

    Duplicates count once, but a schema cannot limit the number of different items.
    """
    operations = _member(body, "atomic:operations")
    for owner in [body, *(operations if isinstance(operations, list) else ())]:
        data = _member(owner, "data")
        relationships = _member(data, "relationships")
        linkages = [*relationships.values()] if isinstance(relationships, dict) else []
        for linkage in (owner, *linkages):
            identifiers = _member(linkage, "data")
            if isinstance(identifiers, list) and len(identifiers) > MAX_IDENTIFIERS:
                linkage["data"] = [
                    {**each, "id": str(position)} if isinstance(each, dict) else each
                    for position, each in enumerate(identifiers, 1)
                ]


def _is_list(operation):
    return any(parameter.name == "page[after]" for parameter in operation.query)


def _make_list_valid(query):
    """Removes what only a certain list accepts, and what exceeds a limit of all parameters."""
    for name in [name for name in query if not _can_match(name, query[name])]:
        del query[name]
    filters = [name for name in query if name.startswith("filter[")]
    # The service creates cursors for one list, one sort order and one set of filters.
    for name in ("page[after]", "page[before]", *filters[MAX_FILTERS:]):
        query.pop(name, None)
    if "page[number]" in query:
        query["page[size]"] = 1  # number × size is limited


def _unused(key):
    """A new key of the same form, because a used key is bound to its body."""
    if key[0] != '"':
        return f"{key[:200]}{uuid4()}"
    return '"{}{}"'.format("".join(re.findall(r"\\?.", key[1:-1])[:200]), uuid4())


@schemathesis.check
def use_after_removal(ctx, response, case):
    """The check use_after_free, except for what remains after a deletion.

    These are the histories of users, and the list of sessions, of which DELETE ends all.
    """
    remains = case.operation.path.endswith(("/history", "/sessions"))
    return None if remains else checks.use_after_free(ctx, response, case)


@schemathesis.check
def documented_status(ctx, response, case):
    """The check status_code_conformance, except for what the server rejects without a body."""
    if response.status_code in (414, 431) and not response.content:
        return None
    return checks.status_code_conformance(ctx, response, case)


@schemathesis.hook
def filter_body(context, body):
    """Excludes impossible names, and local ids of new resources that are repeated."""
    if not isinstance(body, dict):
        return True
    operations = body.get("atomic:operations", [body])
    if not isinstance(operations, list):
        return True
    data = [part for o in operations if isinstance(part := _member(o, "data"), dict)]
    lids = [repr(d["lid"]) for d in data if "lid" in d]
    return len(set(lids)) == len(lids) and all(map(_has_possible_names, data))


def _has_possible_names(data):
    names = (_member(data.get("attributes"), name) for name in ("name", "description"))
    return all(not isinstance(name, str) or _is_possible(name) for name in names)


def _member(value, name):
    return value.get(name) if isinstance(value, dict) else None


def _use_known_lids(operations):
    """Replaces each local id that no earlier operation created with one that is known or an id.

    A schema cannot express that an operation depends on an earlier one.
    """
    known = {}
    for operation in operations:
        for identity in _identities(operation):
            if "lid" in identity and "id" not in identity:
                if lid := known.get(identity["type"]):
                    identity["lid"] = lid
                else:
                    del identity["lid"]
                    identity["id"] = "1"
        data = operation.get("data")
        if operation["op"] == "add" and isinstance(data, dict) and "lid" in data:
            known[data["type"]] = data["lid"]


def _identities(operation):
    """Yields the identities of existing resources in an operation."""
    data = operation.get("data")
    yield from filter(None, [operation.get("ref")])
    if isinstance(data, list):
        yield from data
    elif data is not None:
        if operation["op"] == "update":
            yield data
        for relationship in data.get("relationships", {}).values():
            linkage = _member(relationship, "data")
            yield from linkage if isinstance(linkage, list) else filter(None, [linkage])


def _is_possible(name):
    """Returns True if the text has a visible character, and is not too long when it is folded."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return len(folded) <= max(MAX_NAME_LENGTH, len(name)) and any(map(_is_visible, name))


def _is_visible(character):
    code = ord(character)
    # These characters beyond U+FFFF are invisible, and a pattern cannot contain their ranges.
    ignorable = (
        0x1BCA0 <= code <= 0x1BCA3 or 0x1D173 <= code <= 0x1D17A or 0xE0000 <= code <= 0xE0FFF
    )
    return not ignorable and unicodedata.category(character)[0] not in "ZC"


def _can_match(parameter, value):
    """Returns True unless the parameter contains other filters, or compares an impossible name."""
    if COMBINED.match(parameter):
        return False
    if not (match := NAME.fullmatch(parameter)):
        return True
    names = [value] if match[1] in ("eq", "ne") else value.split(",")
    return all(len(name) <= MAX_NAME_LENGTH and _is_possible(name) for name in names)
