"""The parameters of the API's operations, as OpenAPI has them, out of the declarations."""

from typing import Any, Final

from adapters.jsonapi.parameters import DEFAULT_SIZE, LARGEST_SIZE
from adapters.jsonapi.resource import Resource
from application.search import Op


def query(name: str, schema: dict[str, Any], text: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, "description": text}


def header(name: str, text: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "schema": {"type": "string"}, "description": text}


KEY: Final = header(
    "Idempotency-Key", "Repetitions of the request get its answer again, for 24 hours."
)
IF_NONE_MATCH: Final = header("If-None-Match", "Nothing new: 304.")
INCLUDE: Final = query("include", {"type": "string"}, "No relationship exists yet.")


def fields(resource: Resource) -> dict[str, Any]:
    text = "The attributes to show, with commas; none for an empty value."
    return query(f"fields[{resource.type}]", {"type": "string"}, text)


def list_parameters(resource: Resource) -> list[dict[str, Any]]:
    string = {"type": "string"}
    whole = {"type": "integer", "minimum": 1}
    size = {**whole, "maximum": LARGEST_SIZE, "default": DEFAULT_SIZE}
    any_of = (
        "Equal to any of the values, which commas separate. Given as `filter[{}][]`, once for each"
        " value, commas belong to the values."
    )
    filters = [
        query(f"filter[{attribute.name}]{suffix}", string, text)
        for attribute in resource.sortable.values()
        for suffix, text in (
            ("", any_of.format(attribute.name)),
            *((f"[{op.value}]", f"Compared by {op.value}.") for op in Op if attribute.allows(op)),
        )
    ]
    return [
        query("page[size]", size, "How many items; in a range, at most the maximum."),
        query("page[after]", string, "A cursor: the items after it."),
        query("page[before]", string, "A cursor: the items before it."),
        query("page[number]", whole, "A page by its number, instead of cursors."),
        query("sort", string, f"With commas, - for descending: {', '.join(resource.sortable)}."),
        *filters,
        fields(resource),
        INCLUDE,
    ]
