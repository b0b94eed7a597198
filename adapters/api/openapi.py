"""The description of the API for programs (OpenAPI 3.1), out of the resources' declarations."""

from typing import Any, Final

import orjson
from flask import Blueprint, Response

from adapters.api.access import scope
from adapters.api.operations import URL as OPERATIONS
from adapters.api.schemas import (
    ERRORS,
    TYPES,
    object_of,
    operation_schemas,
    reference,
    schemas,
)
from adapters.jsonapi.atomic import EXTENSION
from adapters.jsonapi.media import JSON, JSONAPI, media_type
from adapters.jsonapi.parameters import DEFAULT_SIZE, LARGEST_SIZE
from adapters.jsonapi.resource import Kind, Resource
from adapters.resources.addresses import PREFIX
from adapters.resources.users import USERS
from application.search import Op

METHODS: Final = frozenset(("get", "post", "patch", "delete"))


def openapi(base: str, *, secured: bool) -> Blueprint:
    """/openapi.json, made once."""
    body = document(base, secured=secured)
    blueprint = Blueprint("openapi", __name__)

    @blueprint.get("/openapi.json")
    def show() -> Response:
        return Response(body, content_type=JSON)

    return blueprint


def document(base: str = "", *, secured: bool = False) -> bytes:
    """The OpenAPI document as JSON text."""
    described = description(base)
    return orjson.dumps(with_access(described) if secured else described)


def description(base: str = "") -> dict[str, Any]:
    """The OpenAPI document; `base` is what comes before the paths in every URL."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Roster",
            "version": "1",
            "summary": "A directory of users as a JSON:API 1.1 service.",
        },
        "servers": [{"url": base or "/"}],
        "paths": {**_root_path(), **_paths(USERS), **_operations_path(), **_other_paths()},
        "components": {
            "schemas": {**ERRORS, **schemas(USERS), **operation_schemas([USERS])},
            "responses": {"Problem": _content("What went wrong.", "Errors")},
        },
    }


def with_access(described: dict[str, Any]) -> dict[str, Any]:
    """The description of a service that wants a token for every path under the prefix."""
    bearer = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    described["components"]["securitySchemes"] = {"bearer": bearer}
    for path, item in described["paths"].items():
        if path == PREFIX or path.startswith(f"{PREFIX}/"):
            for method in METHODS & item.keys():
                needed = scope(path, method.upper())
                item[method]["security"] = [{"bearer": [needed] if needed else []}]
                item[method]["responses"] |= {
                    "401": _UNAUTHENTICATED,
                    **({"403": _PROBLEM} if needed else {}),
                }
    return described


def _content(text: str, schema: str, **more: Any) -> dict[str, Any]:
    return {"description": text, "content": {JSONAPI: {"schema": reference(schema)}}, **more}


_ETAG: Final = {"ETag": {"schema": {"type": "string"}, "description": "For If-Match."}}
_NOT_MODIFIED: Final = {"304": {"description": "As the client has it."}}
_PAGE: Final = {
    "description": "This description, for people.",
    "content": {"text/html": {"schema": {"type": "string"}}},
}
_METRICS: Final = {
    "description": "Counts and durations for Prometheus, where they are not switched off.",
    "content": {"text/plain": {"schema": {"type": "string"}}},
}
_PROBLEM: Final = {"$ref": "#/components/responses/Problem"}
_UNAUTHENTICATED: Final = _content(
    "No valid token.", "Errors", headers={"WWW-Authenticate": {"schema": {"type": "string"}}}
)


def _query(name: str, schema: dict[str, Any], text: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, "description": text}


def _header(name: str, text: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "schema": {"type": "string"}, "description": text}


_KEY: Final = _header(
    "Idempotency-Key", "Repetitions of the request get its answer again, for 24 hours."
)
_IF_NONE_MATCH: Final = _header("If-None-Match", "Nothing new: 304.")
_INCLUDE: Final = _query("include", {"type": "string"}, "No relationship exists yet.")


def _fields(resource: Resource) -> dict[str, Any]:
    text = "The attributes to show, with commas; none for an empty value."
    return _query(f"fields[{resource.type}]", {"type": "string"}, text)


def _list_parameters(resource: Resource) -> list[dict[str, Any]]:
    string = {"type": "string"}
    whole = {"type": "integer", "minimum": 1}
    size = {**whole, "maximum": LARGEST_SIZE, "default": DEFAULT_SIZE}
    filters = [
        _query(f"filter[{attribute.name}]{suffix}", string, text)
        for attribute in resource.sortable.values()
        for suffix, text in (
            ("", "Equal to any of the values, which commas separate."),
            *((f"[{op.value}]", f"Compared by {op.value}.") for op in Op if attribute.allows(op)),
        )
    ]
    repeated = [
        _query(f"filter[{name}][]", {"type": "array", "items": string}, "Equal to any of them.")
        for name in resource.sortable
    ]
    return [
        _query("page[size]", size, "How many items; in a range, at most the maximum."),
        _query("page[after]", string, "A cursor: the items after it."),
        _query("page[before]", string, "A cursor: the items before it."),
        _query("page[number]", whole, "A page by its number, instead of cursors."),
        _query("sort", string, f"With commas, - for descending: {', '.join(resource.sortable)}."),
        *filters,
        *repeated,
        _fields(resource),
        _INCLUDE,
    ]


def _problems(*statuses: int) -> dict[str, Any]:
    return {str(status): _PROBLEM for status in (*statuses, 500)}


def _body(schema: str) -> dict[str, Any]:
    described = {"schema": reference(schema)}
    return {"required": True, "content": {JSONAPI: described, JSON: described}}


def _paths(resource: Resource) -> dict[str, Any]:
    name, url = resource.type.capitalize(), f"{PREFIX}/{resource.type}"
    document, fields = f"{name}Document", _fields(resource)
    if_match = _header("If-Match", "Only if it still is at the version of this ETag.")
    location = {"Location": {"schema": {"type": "string"}}}
    return {
        url: {
            "get": {
                "operationId": f"list_{resource.type}",
                "parameters": [*_list_parameters(resource), _IF_NONE_MATCH],
                "responses": {
                    "200": _content("A page.", f"{name}Page", headers=_ETAG),
                    **_NOT_MODIFIED,
                    **_problems(400, 406, 415, 503),
                },
            },
            "post": {
                "operationId": f"create_{resource.type}",
                "parameters": [fields, _INCLUDE, _KEY],
                "requestBody": _body(f"{name}Creation"),
                "responses": {
                    "201": _content("Created.", document, headers={**location, **_ETAG}),
                    **_problems(400, 403, 406, 408, 409, 413, 415, 422, 503),
                },
            },
        },
        f"{url}/{{id}}": {
            "parameters": [
                {"name": "id", "in": "path", "required": True, "schema": TYPES[Kind.KEY]}
            ],
            "get": {
                "operationId": f"show_{resource.type}",
                "parameters": [fields, _INCLUDE, _IF_NONE_MATCH, if_match],
                "responses": {
                    "200": _content("As it stands.", document, headers=_ETAG),
                    **_NOT_MODIFIED,
                    **_problems(400, 404, 406, 412, 415, 503),
                },
            },
            "patch": {
                "operationId": f"change_{resource.type}",
                "parameters": [fields, _INCLUDE, if_match],
                "requestBody": _body(f"{name}Change"),
                "responses": {
                    "200": _content("As it stands now.", document, headers=_ETAG),
                    **_problems(400, 403, 404, 406, 408, 409, 412, 413, 415, 422, 503),
                },
            },
            "delete": {
                "operationId": f"delete_{resource.type}",
                "parameters": [if_match],
                "responses": {
                    "204": {"description": "Gone."},
                    **_problems(400, 404, 406, 412, 415, 503),
                },
            },
        },
    }


def _root_path() -> dict[str, Any]:
    collections = {"type": "object", "additionalProperties": {"type": "string"}}
    schema = object_of(["meta"], meta=object_of(["collections"], collections=collections))
    content = {JSONAPI: {"schema": schema}}
    found = {"description": "The collections.", "content": content, "headers": _ETAG}
    responses = {"200": found, **_NOT_MODIFIED, **_problems(400, 406, 415)}
    shown = {"operationId": "show_root", "parameters": [_IF_NONE_MATCH], "responses": responses}
    return {PREFIX: {"get": shown}}


def _operations_path() -> dict[str, Any]:
    def content(schema: str) -> dict[str, Any]:
        return {media_type(extension=EXTENSION): {"schema": reference(schema)}}

    done = {"description": "What came of each.", "content": content("Results")}
    performed = {
        "operationId": "perform_operations",
        "parameters": [_KEY],
        "requestBody": {"required": True, "content": content("Operations")},
        "responses": {
            "200": done,
            **_problems(400, 403, 404, 406, 408, 409, 412, 413, 415, 422, 503),
        },
    }
    return {f"{PREFIX}{OPERATIONS}": {"post": performed}}


def _other_paths() -> dict[str, Any]:
    status = object_of(["status"], status={"type": "string"})
    return {
        "/healthz": _plain("healthz", "The process lives.", status),
        "/readyz": _plain("readyz", "It can serve.", status, **_problems(503)),
        "/metrics": {
            "get": {
                "operationId": "metrics",
                "responses": {"200": _METRICS, **_problems(404)},
            }
        },
        "/openapi.json": _plain("openapi", "This description.", object_of(["openapi"])),
        "/docs": {"get": {"operationId": "docs", "responses": {"200": _PAGE}}},
    }


def _plain(name: str, text: str, schema: dict[str, Any], **problems: Any) -> dict[str, Any]:
    found = {"description": text, "content": {JSON: {"schema": schema}}}
    return {"get": {"operationId": name, "responses": {"200": found, **problems}}}
