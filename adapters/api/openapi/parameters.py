"""The parameters of the API's operations, as OpenAPI has them, out of the declarations."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from adapters.api.authorization import ERASE_HISTORY
from adapters.jsonapi.cursors import CURSOR, MAX_CURSOR_LENGTH
from adapters.jsonapi.filters import MAX_VALUE_LENGTH, MAX_WORDS
from adapters.jsonapi.idempotency import PATTERN as IDEMPOTENCY_KEY
from adapters.jsonapi.kinds import anchored
from adapters.jsonapi.parameters import (
    DEFAULT_PAGE_SIZE,
    MAX_OFFSET,
    MAX_PAGE_SIZE,
    MAX_SORT_FIELDS,
)
from adapters.jsonapi.resource import Attribute, Resource
from adapters.jsonapi.suggestions import SEARCH
from application.search import Op


def _query(name: str, schema: dict[str, Any], text: str) -> dict[str, Any]:
    separated = {"explode": False} if schema["type"] == "array" else {}
    return {"name": name, "in": "query", "schema": schema, "description": text, **separated}


def _header(name: str, text: str, example: str, **schema: Any) -> dict[str, Any]:
    described = {"type": "string", **schema, "examples": [example]}
    return {"name": name, "in": "header", "schema": described, "description": text}


_BY_NUMBER: Final = (
    "A page by its number, instead of cursors. At most "
    f"{MAX_OFFSET} items may come before it, which depends on page[size]."
)

_TOTAL: Final = (
    "Adds the total of the filtered list to a page by cursor, as meta.page.total. Counting takes "
    "time. A page by number always has the total."
)

KEY: Final = _header(
    "Idempotency-Key",
    "Repetitions of the request get its answer again, for 24 hours.",
    "8e03978e-40d5-43dd-bc93-6894a57f9324",
    pattern=f"^(?:{IDEMPOTENCY_KEY})$",
)
IF_MATCH: Final = _header(
    "If-Match",
    "An ETag, several separated by commas, or *. 412 if the current version has none of them.",
    "*",
)
IF_NONE_MATCH: Final = _header(
    "If-None-Match",
    "An ETag, several separated by commas, or *. 304 if the current version has one of them.",
    '"1-0123456789abcdef"',
)
UNLESS_MATCH: Final = _header(
    "If-None-Match",
    "An ETag, several separated by commas, or *. 412 if the current version has one of them.",
    '"1-0123456789abcdef"',
)
ERASE: Final = _query(
    ERASE_HISTORY,
    {"type": "boolean", "default": False},
    "Whether to erase the personal values from the audit log and from stored responses as well, "
    "also of one that was deleted before. Requires the scope `users:erase`.",
)
INCLUDE: Final = _query(
    "include", {"type": "string", "maxLength": 0}, "No relationship exists yet: only empty."
)


def _of(pattern: str) -> dict[str, Any]:
    return {"type": "string", "pattern": anchored(pattern)}


def _some_of(names: Iterable[str], most: str = "") -> str:
    name = "|".join(names)
    return f"(?:{name})(?:,(?:{name})){most or '*'}"


def fields(resource: Resource) -> dict[str, Any]:
    """The parameter that selects attributes."""
    text = (
        "The attributes in the response, separated by commas; an empty value selects none. The "
        "response lacks attributes that its schema requires and that generated types have."
    )
    return _query(f"fields[{resource.type}]", _of(f"|{_some_of(resource.attributes)}"), text)


def _values(attribute: Attribute, op: Op) -> dict[str, Any]:
    """The schema of what an attribute is compared with in that way; by IN several, with commas.

    Lists are patterns of text where they can be, since generated clients would repeat the
    parameter for each member of an array.
    """
    one = attribute.field.parameter_schema(op)
    if op is not Op.IN:
        return one
    pattern = attribute.field.listed_pattern()
    if pattern is None or "format" in one:
        return {"type": "array", "items": one, "minItems": 1}
    return _of(rf"(?:{pattern})(?:,(?:{pattern}))*")


def _filters(attribute: Attribute) -> Iterator[dict[str, Any]]:
    name = f"filter[{attribute.name}]"
    any_of = (
        "Equal to any of the values, separated by commas. "
        f"Send `{name}[]` once for each value if values contain commas."
    )
    if attribute.field.allows(Op.IN):
        yield _query(name, _values(attribute, Op.IN), any_of)
    for op in Op:
        if attribute.field.allows(op):
            compared = f"Compared by {op.value}."
            yield _query(f"{name}[{op.value}]", _values(attribute, op), compared)


def _search(resource: Resource) -> Iterator[dict[str, Any]]:
    """The parameter that searches for words, if the resource has one."""
    if not resource.searched:
        return
    word = r"[^\s\u0000]+"
    words = rf"\s*{word}(?:\s+{word}){{0,{MAX_WORDS - 1}}}\s*"
    schema = {**_of(words), "minLength": 1, "maxLength": MAX_VALUE_LENGTH}
    attributes = " or ".join(resource.searched)
    text = (
        f"Searches for 1 to {MAX_WORDS} words, separated by spaces. Each word is part of "
        f"{attributes}, in any letter case."
    )
    yield _query(f"filter[{SEARCH}]", schema, text)


def list_parameters(resource: Resource) -> list[dict[str, Any]]:
    """The parameters that a collection takes."""
    cursor = {
        "type": "string",
        "pattern": f"^{CURSOR}$",
        "minLength": 1,
        "maxLength": MAX_CURSOR_LENGTH,
    }
    whole = {"type": "integer", "minimum": 1}
    number = {**whole, "maximum": MAX_OFFSET + 1}
    size = {**whole, "maximum": MAX_PAGE_SIZE, "default": DEFAULT_PAGE_SIZE}
    names = (f"-?{name}" for name in resource.sortable)
    order = _of("|" + _some_of(names, f"{{0,{MAX_SORT_FIELDS - 1}}}"))
    return [
        _query("page[size]", size, "How many items; in a range, at most the maximum."),
        _query("page[after]", cursor, "A cursor: the items after it."),
        _query("page[before]", cursor, "A cursor: the items before it."),
        _query("page[number]", number, _BY_NUMBER),
        _query("page[total]", {"type": "boolean", "const": True}, _TOTAL),
        _query(
            "sort",
            order,
            f"Attributes, separated by commas, - for descending: {', '.join(resource.sortable)}.",
        ),
        *_search(resource),
        *(found for attribute in resource.filterable.values() for found in _filters(attribute)),
        fields(resource),
        INCLUDE,
    ]
