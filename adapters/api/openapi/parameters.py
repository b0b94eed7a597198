"""The OpenAPI parameters, generated from the declarations of resource types."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Final

from adapters.api.authorization import ERASE_HISTORY
from adapters.api.openapi.relationships import include_pattern
from adapters.jsonapi.catalog import EMPTY_CATALOG, Catalog
from adapters.jsonapi.cursors import CURSOR, MAX_CURSOR_LENGTH
from adapters.jsonapi.filters import (
    EMPTY,
    MAX_ALTERNATIVES,
    MAX_VALUE_LENGTH,
    MAX_WORDS,
    NULL,
)
from adapters.jsonapi.idempotency import PATTERN as IDEMPOTENCY_KEY
from adapters.jsonapi.include_paths import MAX_INCLUDED, MAX_PATHS, MAX_STEPS
from adapters.jsonapi.kinds import WHITE_SPACE, anchored
from adapters.jsonapi.parameters import (
    DEFAULT_PAGE_SIZE,
    MAX_OFFSET,
    MAX_PAGE_SIZE,
    MAX_SORT_FIELDS,
)
from adapters.jsonapi.resource import Attribute, Resource
from adapters.jsonapi.suggestions import SEARCH
from adapters.web.positions import POSITION
from application.access import Action, required_scopes
from application.inclusion import MAX_LINKED
from application.relationships import Relationship
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
SENT_POSITION: Final = _header(
    POSITION,
    "The position of a change, from its response. The read then includes the change.",
    "1-16B3748",
    minLength=1,
    maxLength=64,
)
NO_INCLUDE: Final = _query(
    "include",
    {"type": "string", "maxLength": 0},
    "The resource has no relationships, so the value must be empty.",
)


def erase(resource: Resource) -> dict[str, Any]:
    """Returns the parameter that erases the history of a deleted resource."""
    scope = required_scopes(resource.type, Action.ERASE)[-1]
    text = (
        "Also erases the personal values from the audit log and from stored responses, even if the "
        f"resource is already deleted. Requires the scope `{scope}`."
    )
    return _query(ERASE_HISTORY, {"type": "boolean", "default": False}, text)


def include(
    resource: Resource,
    catalog: Catalog,
    sources: int = 1,
    relationship: Relationship | None = None,
) -> dict[str, Any]:
    """Returns the parameter that includes related resources.

    `sources` is the number of resources that the paths start from. On a relationship URL, the paths
    begin with the `relationship`.
    """
    known = catalog.relationships_of(resource)
    if relationship:
        known = {relationship.name: relationship}
    if not known:
        return NO_INCLUDE
    text = (
        f"Paths of up to {MAX_STEPS} relationships, separated by dots; up to {MAX_PATHS} paths, "
        f"separated by commas. A list includes its first {MAX_LINKED} resources. A query that "
        f"could include more than {MAX_INCLUDED:,} resources is rejected."
    )
    pattern = include_pattern(known, catalog, sources, linked=relationship is not None)
    return _query("include", {"type": "string", "pattern": pattern}, text)


def _string(pattern: str) -> dict[str, Any]:
    return {"type": "string", "pattern": anchored(pattern)}


def _list_pattern(names: Iterable[str], quantifier: str = "*") -> str:
    """Returns the pattern of names that are separated by commas."""
    name = "|".join(names)
    return f"(?:{name})(?:,(?:{name})){quantifier}"


def fields(resource: Resource) -> dict[str, Any]:
    """Returns the parameter that selects attributes."""
    text = (
        "The fields in the response, separated by commas; an empty value selects none. The "
        "response then lacks other fields, even those that its schema and generated types require."
    )
    names = [*resource.attributes, *resource.relationships]
    return _query(f"fields[{resource.type}]", _string(f"|{_list_pattern(names)}"), text)


def fieldsets(resource: Resource, catalog: Catalog) -> list[dict[str, Any]]:
    """Returns the parameters that select the fields of all types that a document can contain."""
    return [fields(each) for each in catalog.reachable(resource).values()]


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


def _filters(attribute: Attribute, path: str = "") -> Iterator[dict[str, Any]]:
    """Yields the filters of an attribute. `path` leads to the related resources that have it."""
    name = f"filter[{path}{attribute.name}]"
    any_of = (
        "Equal to any of the values, separated by commas. "
        f"Send `{name}[]` once for each value if values contain commas."
    )
    if attribute.field.allows(Op.IN):
        yield _query(name, _values(attribute, Op.IN), any_of)
    for op in Op:
        if attribute.field.allows(op):
            compared = f"Compares by {op.value}."
            yield _query(f"{name}[{op.value}]", _values(attribute, op), compared)
    if attribute.field.allow_none:
        yield _query(
            f"{name}[{NULL}]",
            _FLAG,
            "With true, matches null. With false, matches all other values.",
        )


_FLAG: Final = {"type": "string", "enum": ["true", "false"]}


def _relationship_filters(relationship: Relationship, catalog: Catalog) -> Iterator[dict[str, Any]]:
    """Yields the filters of a relationship and of the attributes of the related resources."""
    name, target = relationship.name, catalog.target(relationship)
    ids = replace(target.filterable["id"], name=name)
    accepted = {f"filter[{name}]", *(f"filter[{name}][{op}]" for op in _RELATED_BY)}
    for each in _filters(ids):
        if each["name"] in accepted:
            yield {**each, "description": f"The ids of related resources. {each['description']}"}
    text = "With true, matches if there is no related resource. With false, if there is one."
    yield _query(f"filter[{name}][{EMPTY}]", _FLAG, text)
    for attribute in target.filterable.values():
        yield from _filters(attribute, f"{name}.")


_RELATED_BY: Final = ("eq", "ne", "in")


def _combined() -> Iterator[dict[str, Any]]:
    """Yields the filters that negate other filters or combine them as alternatives."""
    part, operator = r"\[[^\[\]]+\]", r"\[[^\[\]]*\]"
    name = "[a-z0-9]{1,8}"
    alternative = rf"\[(?:{name}\.)?{name}\]"
    for key, pattern, text in (
        (
            "not",
            rf"^{part}(?:{operator})?$",
            "Negates a filter: `filter[not][name][contains]=bot`.",
        ),
        (
            "or",
            rf"^{alternative}(?:\[not\])?{part}(?:{operator})?$",
            "Alternatives, such as `filter[or][1][role]=admin&filter[or][2][is_active]=true`. A "
            "resource must match all filters of at least one alternative. `filter[or][SET.1]…` "
            "forms several sets, and a resource must match each set. There are at most "
            f"{MAX_ALTERNATIVES} alternatives.",
        ),
    ):
        schema = {
            "type": "object",
            "patternProperties": {pattern: {"type": "string"}},
            "additionalProperties": False,
        }
        yield {**_query(f"filter[{key}]", schema, text), "style": "deepObject", "explode": True}


def _search(resource: Resource) -> Iterator[dict[str, Any]]:
    """Yields the parameter that searches for words, if the resource has searched attributes."""
    if not resource.searched:
        return
    word, space = rf"[^{WHITE_SPACE}\u0000]+", f"[{WHITE_SPACE}]"
    words = rf"{space}*{word}(?:{space}+{word}){{0,{MAX_WORDS - 1}}}{space}*"
    schema = {**_string(words), "minLength": 1, "maxLength": MAX_VALUE_LENGTH}
    attributes = " or ".join(resource.searched)
    text = (
        f"Searches for 1 to {MAX_WORDS} words, separated by spaces. Each word is part of "
        f"{attributes}, in any letter case."
    )
    yield _query(f"filter[{SEARCH}]", schema, text)


def list_parameters(
    resource: Resource,
    catalog: Catalog = EMPTY_CATALOG,
    linked_by: Relationship | None = None,
) -> list[dict[str, Any]]:
    """Returns the parameters that a collection accepts, or with `linked_by` a relationship URL."""
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
        _query(
            "page[size]",
            size,
            "The number of items. With page[after] and page[before], the default is the maximum.",
        ),
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
        *(
            parameter
            for attribute in resource.filterable.values()
            for parameter in _filters(attribute)
        ),
        *(
            parameter
            for each in catalog.relationships_of(resource).values()
            for parameter in _relationship_filters(each, catalog)
        ),
        *_combined(),
        *fieldsets(resource, catalog),
        include(resource, catalog, DEFAULT_PAGE_SIZE, linked_by),
    ]
