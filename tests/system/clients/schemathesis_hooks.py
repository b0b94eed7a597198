"""Constraints on valid requests that a schema cannot express.

With them, Schemathesis can require that the service accepts every valid request.
"""

import re
import unicodedata
from uuid import uuid4

import schemathesis
from schemathesis.specs.openapi import checks

MOST_FILTERS = 20
LONGEST_NAME = 250
HISTORY = "GET /api/v1/users/{id}/history"
LISTS = ("GET /api/v1/users", HISTORY)


@schemathesis.hook
def before_call(context, case, kwargs):
    """Applies constraints between parameters, and between requests, to valid requests."""
    # The schemas of responses require the attributes that a valid `fields` leaves out.
    for name in ("fields[users]", "fields[groups]", "fields[events]"):
        if name in (case.query or {}) and re.fullmatch(r"[\w,]*", str(case.query[name])):
            case.query.pop(name)
    if not (case.meta and case.meta.generation.mode.is_positive):
        return
    # The number of resources that `include` may add is limited, whatever the paths.
    (case.query or {}).pop("include", None)
    if case.operation.label in LISTS:
        for name in [
            name
            for name in case.query or {}
            if _has_own_rules(name) or not _names_are_visible(name, case.query[name])
        ]:
            case.query.pop(name)
        filters = [name for name in case.query or {} if name.startswith("filter[")]
        # The service creates cursors for one sort order and one set of filters.
        for name in ("page[after]", "page[before]", *filters[MOST_FILTERS:]):
            case.query.pop(name, None)
        if "page[number]" in (case.query or {}):
            case.query["page[size]"] = 1  # number × size is limited
    if key := (case.headers or {}).get("Idempotency-Key"):
        case.headers["Idempotency-Key"] = _unused(key)


def _has_own_rules(name):
    """Returns True for filters whose names contain others, and for those of related resources."""
    return bool(re.match(r"filter\[(?:or|not|\w+\.\w+)\]", name))


def _unused(key):
    """A new key of the same form, because a used key is bound to its body."""
    if key[0] != '"':
        return f"{key[:200]}{uuid4()}"
    return '"{}{}"'.format("".join(re.findall(r"\\?.", key[1:-1])[:200]), uuid4())


@schemathesis.check
def use_after_removal(ctx, response, case):
    """The check use_after_free, except for histories, which remain after the user."""
    return None if case.operation.label == HISTORY else checks.use_after_free(ctx, response, case)


@schemathesis.check
def documented_status(ctx, response, case):
    """The check status_code_conformance, except for what the server rejects without a body."""
    if response.status_code in (414, 431) and not response.content:
        return None
    return checks.status_code_conformance(ctx, response, case)


@schemathesis.hook
def filter_body(context, body):
    """Excludes invisible names, and local ids that are unknown or repeated."""
    if not isinstance(body, dict):
        return True
    operations = body.get("atomic:operations", [body])
    if not isinstance(operations, list):
        return True
    data = [o["data"] for o in operations if isinstance(o, dict) and "data" in o]
    lids = [repr(d["lid"]) for d in data if isinstance(d, dict) and "lid" in d]
    return len(set(lids)) == len(lids) and all(map(_is_independent, operations))


def _is_independent(operation):
    if not isinstance(operation, dict):
        return True
    parts = [operation.get("ref"), operation.get("data")]
    ref, data = [part if isinstance(part, dict) else {} for part in parts]
    attributes = data.get("attributes")
    name = attributes.get("name") if isinstance(attributes, dict) else None
    by_identity = "lid" in ref or (operation.get("op") == "update" and "lid" in data)
    return not by_identity and (not isinstance(name, str) or _can_be_seen(name))


def _can_be_seen(name):
    return any(map(_is_visible, name))


def _is_visible(character):
    code = ord(character)
    # These characters beyond U+FFFF are invisible, and a pattern cannot contain their ranges.
    ignorable = (
        0x1BCA0 <= code <= 0x1BCA3 or 0x1D173 <= code <= 0x1D17A or 0xE0000 <= code <= 0xE0FFF
    )
    return not ignorable and unicodedata.category(character)[0] not in "ZC"


def _names_are_visible(parameter, value):
    """Returns True unless the filter compares names with an impossible name."""
    if parameter in ("filter[name][eq]", "filter[name][ne]"):
        return _can_be_seen(value)
    if parameter in ("filter[name]", "filter[name][in]"):
        return all(len(name) <= LONGEST_NAME and _can_be_seen(name) for name in value.split(","))
    return True
