"""The description of the API for programs (OpenAPI 3.1), out of the resources' declarations."""

from typing import Any, Final

import orjson
from flask import Blueprint, Response

from adapters.api.root import PREFIX
from adapters.jsonapi.media import JSON, JSONAPI
from adapters.jsonapi.parameters import DEFAULT_SIZE, LARGEST_SIZE
from adapters.jsonapi.resource import Attribute, Kind, Resource
from adapters.resources.users import USERS
from application.search import Op

_TYPES: Final[dict[Kind, dict[str, Any]]] = {
    Kind.TEXT: {"type": "string"},
    Kind.TRUTH: {"type": "boolean"},
    Kind.INSTANT: {"type": "string", "format": "date-time"},
    Kind.KEY: {"type": "string", "pattern": "^[1-9][0-9]*$"},
}
_LINK: Final = {"type": ["string", "object", "null"]}


def openapi(base: str) -> Blueprint:
    """/openapi.json, made once."""
    body = orjson.dumps(description(base))
    blueprint = Blueprint("openapi", __name__)

    @blueprint.get("/openapi.json")
    def show() -> Response:
        return Response(body, content_type=JSON)

    return blueprint


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
        "paths": {**_root_path(), **_paths(USERS), **_health_paths()},
        "components": {
            "schemas": {**_ERROR_SCHEMAS, **_schemas(USERS)},
            "responses": {"Problem": _content("What went wrong.", "Errors")},
        },
    }


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _content(text: str, schema: str, **more: Any) -> dict[str, Any]:
    return {"description": text, "content": {JSONAPI: {"schema": _reference(schema)}}, **more}


_ETAG: Final = {"ETag": {"schema": {"type": "string"}, "description": "For If-Match."}}
_PROBLEM: Final = {"$ref": "#/components/responses/Problem"}

_ERROR_SCHEMAS: Final[dict[str, Any]] = {
    "Errors": {
        "type": "object",
        "required": ["errors"],
        "properties": {
            "jsonapi": {"type": "object"},
            "errors": {"type": "array", "minItems": 1, "items": _reference("Error")},
        },
    },
    "Error": {
        "type": "object",
        "required": ["status", "code", "title", "detail"],
        "properties": {
            "id": {"type": "string"},
            "status": {"type": "string", "pattern": "^[1-5][0-9]{2}$"},
            "code": {"type": "string", "pattern": "^[a-z][a-z0-9_]*$"},
            "title": {"type": "string"},
            "detail": {"type": "string"},
            "source": {
                "type": "object",
                "properties": {
                    "pointer": {"type": "string"},
                    "parameter": {"type": "string"},
                    "header": {"type": "string"},
                },
            },
            "links": {"type": "object"},
            "meta": {"type": "object"},
        },
    },
}


def _value(attribute: Attribute, *, default: bool = False) -> dict[str, Any]:
    """What its values are. A default belongs to what is created: in a change or an answer it
    would seem that silence sets it."""
    described = {**_TYPES[attribute.kind], **attribute.description}
    return {key: value for key, value in described.items() if default or key != "default"}


def _settable(resource: Resource, *, whole: bool) -> dict[str, Any]:
    settable = [a for a in resource.attributes.values() if not a.read_only]
    required = [a.name for a in settable if a.required] if whole else []
    return {
        "type": "object",
        "properties": {a.name: _value(a, default=whole) for a in settable},
        "additionalProperties": False,
        **({"required": required} if required else {}),
    }


def _schemas(resource: Resource) -> dict[str, Any]:
    name = resource.type.capitalize()
    kind = {"type": "string", "const": resource.type}
    identity = {"type": kind, "id": _TYPES[Kind.KEY]}
    read = {
        "type": "object",
        "required": list(identity),
        "properties": {
            **identity,
            "attributes": {
                "type": "object",
                "properties": {a.name: _value(a) for a in resource.attributes.values()},
            },
            "links": {"type": "object", "properties": {"self": {"type": "string"}}},
            "meta": {"type": "object"},
        },
    }
    create = _object(["type", "attributes"], type=kind, attributes=_settable(resource, whole=True))
    change = _object(["type", "id"], **identity, attributes=_settable(resource, whole=False))
    page_links = dict.fromkeys(("self", "first", "prev", "next", "last", "describedby"), _LINK)
    return {
        name: read,
        f"{name}Document": _document(_reference(name)),
        f"{name}Page": _document(
            {"type": "array", "items": _reference(name)},
            links={"type": "object", "required": ["prev", "next"], "properties": page_links},
        ),
        f"{name}Creation": _object(["data"], data=create),
        f"{name}Change": _object(["data"], data=change),
    }


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties}


def _document(data: dict[str, Any], **more: Any) -> dict[str, Any]:
    common = {
        "jsonapi": {"type": "object"},
        "links": {"type": "object"},
        "meta": {"type": "object"},
    }
    return _object(["jsonapi", "links", "data"], **{**common, **more, "data": data})


def _query(name: str, schema: dict[str, Any], text: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, "description": text}


def _header(name: str, text: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "schema": {"type": "string"}, "description": text}


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
    return [
        _query("page[size]", size, "How many items; in a range, at most the maximum."),
        _query("page[after]", string, "A cursor: the items after it."),
        _query("page[before]", string, "A cursor: the items before it."),
        _query("page[number]", whole, "A page by its number, instead of cursors."),
        _query("sort", string, f"With commas, - for descending: {', '.join(resource.sortable)}."),
        *filters,
        _fields(resource),
        _query("include", string, "No relationship exists yet."),
    ]


def _problems(*statuses: int) -> dict[str, Any]:
    return {str(status): _PROBLEM for status in statuses}


def _body(schema: str) -> dict[str, Any]:
    described = {"schema": _reference(schema)}
    return {"required": True, "content": {JSONAPI: described, JSON: described}}


def _paths(resource: Resource) -> dict[str, Any]:
    name, url = resource.type.capitalize(), f"{PREFIX}/{resource.type}"
    document, fields = f"{name}Document", _fields(resource)
    if_match = _header("If-Match", "Only if it still is at the version of this ETag.")
    if_none_match = _header("If-None-Match", "Nothing new: 304.")
    location = {"Location": {"schema": {"type": "string"}}}
    not_modified = {"304": {"description": "As the client has it."}}
    return {
        url: {
            "get": {
                "operationId": f"list_{resource.type}",
                "parameters": [*_list_parameters(resource), if_none_match],
                "responses": {
                    "200": _content("A page.", f"{name}Page", headers=_ETAG),
                    **not_modified,
                    **_problems(400, 406, 503),
                },
            },
            "post": {
                "operationId": f"create_{resource.type}",
                "parameters": [fields],
                "requestBody": _body(f"{name}Creation"),
                "responses": {
                    "201": _content("Created.", document, headers={**location, **_ETAG}),
                    **_problems(400, 403, 406, 408, 409, 413, 415, 422, 503),
                },
            },
        },
        f"{url}/{{id}}": {
            "parameters": [
                {"name": "id", "in": "path", "required": True, "schema": _TYPES[Kind.KEY]}
            ],
            "get": {
                "operationId": f"show_{resource.type}",
                "parameters": [fields, if_none_match, if_match],
                "responses": {
                    "200": _content("As it stands.", document, headers=_ETAG),
                    **not_modified,
                    **_problems(400, 404, 406, 412, 503),
                },
            },
            "patch": {
                "operationId": f"change_{resource.type}",
                "parameters": [fields, if_match],
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
    schema = _object(["meta"], meta=_object(["collections"], collections=collections))
    found = {"description": "The collections.", "content": {JSONAPI: {"schema": schema}}}
    responses = {"200": found, **_problems(400, 406)}
    return {PREFIX: {"get": {"operationId": "show_root", "responses": responses}}}


def _health_paths() -> dict[str, Any]:
    schema = _object(["status"], status={"type": "string"})

    def found(text: str) -> dict[str, Any]:
        return {"description": text, "content": {JSON: {"schema": schema}}}

    return {
        "/healthz": {
            "get": {"operationId": "healthz", "responses": {"200": found("The process lives.")}}
        },
        "/readyz": {
            "get": {
                "operationId": "readyz",
                "responses": {"200": found("It can serve."), **_problems(503)},
            }
        },
    }
