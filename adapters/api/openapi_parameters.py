"""The parameters of the API's operations, as OpenAPI has them, out of the declarations."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from adapters.api.access import ERASE_HISTORY
from adapters.api.schemas import TYPES
from adapters.jsonapi.parameters import DEEPEST_OFFSET, DEFAULT_SIZE, LARGEST_SIZE, MOST_SORT_FIELDS
from adapters.jsonapi.resource import EQUALITY, Attribute, Kind, Resource
from adapters.jsonapi.resource import KEY as ANY_KEY
from application.search import Op


def _query(name: str, schema: dict[str, Any], text: str) -> dict[str, Any]:
    separated = {"explode": False} if schema["type"] == "array" else {}
    return {"name": name, "in": "query", "schema": schema, "description": text, **separated}


def _header(name: str, text: str, example: str, **schema: Any) -> dict[str, Any]:
    described = {"type": "string", **schema, "examples": [example]}
    return {"name": name, "in": "header", "schema": described, "description": text}


_NO_NUL: Final = r"[^\u0000]*"
_VALUES: Final[dict[Kind, str]] = {
    Kind.TEXT: _NO_NUL,
    Kind.TRUTH: "true|false",
    Kind.KEY: ANY_KEY,
}

KEY: Final = _header(
    "Idempotency-Key",
    "Repetitions of the request get its answer again, for 24 hours.",
    "8e03978e-40d5-43dd-bc93-6894a57f9324",
    pattern="^[!#-~]{1,255}$",
)
IF_MATCH: Final = _header("If-Match", "Only if it still is at the version of this ETag.", "*")
IF_NONE_MATCH: Final = _header("If-None-Match", "Nothing new: 304.", '"1-0123456789abcdef"')
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
    return {"type": "string", "pattern": f"^(?:{pattern})$"}


def _some_of(names: Iterable[str], most: str = "") -> str:
    name = "|".join(names)
    return f"(?:{name})(?:,(?:{name})){most or '*'}"


def fields(resource: Resource) -> dict[str, Any]:
    """The parameter that trims attributes."""
    text = "The attributes to show, with commas; none for an empty value."
    return _query(f"fields[{resource.type}]", _of(f"|{_some_of(resource.attributes)}"), text)


def _values(attribute: Attribute, op: Op) -> dict[str, Any]:
    """The schema of what an attribute is compared with in that way; by IN several, with commas.

    Lists are patterns of text where they can be, since generated clients would repeat the
    parameter for each member of an array.
    """
    several = op is Op.IN
    if attribute.kind is Kind.INSTANT:
        instant = TYPES[Kind.INSTANT]
        return {"type": "array", "items": instant, "minItems": 1} if several else instant
    pattern = (attribute.values if op in EQUALITY else None) or _VALUES[attribute.kind]
    return _of(rf"(?:{pattern})(?:,(?:{pattern}))*" if several else pattern)


def _filters(attribute: Attribute) -> Iterator[dict[str, Any]]:
    name = f"filter[{attribute.name}]"
    any_of = (
        "Equal to any of the values, which commas separate. "
        f"Given as `{name}[]`, once for each value, commas belong to the values."
    )
    yield _query(name, _values(attribute, Op.IN), any_of)
    for op in Op:
        if attribute.allows(op):
            compared = f"Compared by {op.value}."
            yield _query(f"{name}[{op.value}]", _values(attribute, op), compared)


def list_parameters(resource: Resource) -> list[dict[str, Any]]:
    """The parameters that a collection takes."""
    cursor = {"type": "string", "pattern": "^[A-Za-z0-9_-]+$"}
    whole = {"type": "integer", "minimum": 1}
    number = {**whole, "maximum": DEEPEST_OFFSET + 1}
    size = {**whole, "maximum": LARGEST_SIZE, "default": DEFAULT_SIZE}
    names = (f"-?{name}" for name in resource.sortable)
    order = _of(_some_of(names, f"{{0,{MOST_SORT_FIELDS - 1}}}"))
    return [
        _query("page[size]", size, "How many items; in a range, at most the maximum."),
        _query("page[after]", cursor, "A cursor: the items after it."),
        _query("page[before]", cursor, "A cursor: the items before it."),
        _query("page[number]", number, "A page by its number, instead of cursors."),
        _query("sort", order, f"With commas, - for descending: {', '.join(resource.sortable)}."),
        *(found for attribute in resource.sortable.values() for found in _filters(attribute)),
        fields(resource),
        INCLUDE,
    ]
