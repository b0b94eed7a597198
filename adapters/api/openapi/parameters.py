"""The OpenAPI parameters, generated from the declarations of resource types."""

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
    style = {"explode": False} if schema["type"] == "array" else {}
    return {"name": name, "in": "query", "schema": schema, "description": text, **style}


def _header(name: str, text: str, example: str, **schema: Any) -> dict[str, Any]:
    string = {"type": "string", **schema, "examples": [example]}
    return {"name": name, "in": "header", "schema": string, "description": text}


_NUMBER: Final = (
    "The number of a page, instead of a cursor. At most "
    f"{MAX_OFFSET} items may precede the page, which depends on page[size]."
)

_TOTAL: Final = (
    "Adds the total of the filtered list to a page by cursor, as meta.page.total. Counting takes "
    "time. A numbered page always has the total."
)

KEY: Final = _header(
    "Idempotency-Key",
    "A retry with the same key within 24 hours gets the stored response.",
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
    "Also erases the personal values from the audit log and from stored responses, even if the "
    "resource is already deleted. Requires the scope `users:erase`.",
)
INCLUDE: Final = _query(
    "include",
    {"type": "string", "maxLength": 0},
    "Must be empty, because no relationship exists yet.",
)


def _string(pattern: str) -> dict[str, Any]:
    return {"type": "string", "pattern": anchored(pattern)}


def _list_pattern(names: Iterable[str], quantifier: str = "*") -> str:
    """Returns the pattern of names that are separated by commas."""
    name = "|".join(names)
    return f"(?:{name})(?:,(?:{name})){quantifier}"


def fields(resource: Resource) -> dict[str, Any]:
    """Returns the parameter that selects attributes."""
    text = (
        "The attributes in the response, separated by commas. An empty value selects no "
        "attributes. The response lacks the other attributes, although its schema and generated "
        "types require them."
    )
    return _query(
        f"fields[{resource.type}]", _string(f"|{_list_pattern(resource.attributes)}"), text
    )


def _values(attribute: Attribute, op: Op) -> dict[str, Any]:
    """Returns the schema of the values of a filter. For IN, commas separate the values.

    The schema of a list is a pattern if possible, because generated clients repeat the parameter
    for each element of an array.
    """
    value = attribute.field.parameter_schema(op)
    if op is not Op.IN:
        return value
    pattern = attribute.field.listed_pattern()
    if pattern is None or "format" in value:
        return {"type": "array", "items": value, "minItems": 1}
    return _string(rf"(?:{pattern})(?:,(?:{pattern}))*")


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
            text = f"Compares by {op.value}."
            yield _query(f"{name}[{op.value}]", _values(attribute, op), text)


def _search(resource: Resource) -> Iterator[dict[str, Any]]:
    """Yields the parameter that searches for words, if the resource has searched attributes."""
    if not resource.searched:
        return
    word = r"[^\s\u0000]+"
    words = rf"\s*{word}(?:\s+{word}){{0,{MAX_WORDS - 1}}}\s*"
    schema = {**_string(words), "minLength": 1, "maxLength": MAX_VALUE_LENGTH}
    attributes = " or ".join(resource.searched)
    text = (
        f"Searches for 1 to {MAX_WORDS} words, separated by spaces. Each word is part of "
        f"{attributes}, in any letter case."
    )
    yield _query(f"filter[{SEARCH}]", schema, text)


def list_parameters(resource: Resource) -> list[dict[str, Any]]:
    """Returns the parameters of a collection."""
    cursor = {
        "type": "string",
        "pattern": f"^{CURSOR}$",
        "minLength": 1,
        "maxLength": MAX_CURSOR_LENGTH,
    }
    positive = {"type": "integer", "minimum": 1}
    number = {**positive, "maximum": MAX_OFFSET + 1}
    size = {**positive, "maximum": MAX_PAGE_SIZE, "default": DEFAULT_PAGE_SIZE}
    names = (f"-?{name}" for name in resource.sortable)
    order = _string("|" + _list_pattern(names, f"{{0,{MAX_SORT_FIELDS - 1}}}"))
    return [
        _query("page[size]", size, "The number of items. The default of a range is the maximum."),
        _query("page[after]", cursor, "A cursor. The page starts after it."),
        _query("page[before]", cursor, "A cursor. The page ends before it."),
        _query("page[number]", number, _NUMBER),
        _query("page[total]", {"type": "boolean", "const": True}, _TOTAL),
        _query(
            "sort",
            order,
            f"Attributes, separated by commas: {', '.join(resource.sortable)}. Prefix an attribute "
            "with - for descending order.",
        ),
        *_search(resource),
        *(each for attribute in resource.filterable.values() for each in _filters(attribute)),
        fields(resource),
        INCLUDE,
    ]
