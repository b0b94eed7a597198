"""The fields of the objects in an OpenAPI document, from the specification of OpenAPI 3.1."""

from collections.abc import Iterator
from typing import Any, Final

from jsonschema_specifications import REGISTRY

_VOCABULARIES: Final = (
    *("core", "applicator", "unevaluated", "validation"),
    *("meta-data", "format-annotation", "content"),
)
_KEYWORDS: Final = frozenset(
    keyword
    for name in _VOCABULARIES
    for keyword in REGISTRY.contents(f"https://json-schema.org/draft/2020-12/meta/{name}")[
        "properties"
    ]
)
_LISTS_OF_SCHEMAS: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
_MAPS_OF_SCHEMAS: Final = ("properties", "patternProperties", "$defs", "dependentSchemas")
_SCHEMAS: Final = (
    *("items", "contains", "additionalProperties", "propertyNames", "not", "if", "then", "else"),
    *("unevaluatedItems", "unevaluatedProperties", "contentSchema"),
)

# Each field has the name of the object that it contains. The name is "[name]" for a list of such
# objects, "{name}" for a map of them, and empty for other values.
# An asterisk marks a required field.
_OPERATIONS: Final = dict.fromkeys(
    ("get", "put", "post", "delete", "options", "head", "patch", "trace"), "operation"
)
_DESCRIBED: Final = {"summary": "", "description": ""}
_VALUE: Final = {"schema": "schema", "example": "", "examples": "{example}"}
_FIELDS: Final[dict[str, dict[str, str]]] = {
    "document": {
        "openapi*": "",
        "info*": "info",
        "paths*": "{path item}",
        "components": "components",
        "servers": "[server]",
        "security": "",
        "tags": "[tag]",
    },
    "info": {
        "title*": "",
        "version*": "",
        "summary": "",
        "description": "",
        "contact": "",
        "license": "",
        "termsOfService": "",
    },
    "server": {"url*": "", "description": "", "variables": ""},
    "tag": {"name*": "", "description": ""},
    "components": {
        "schemas": "{schema}",
        "responses": "{response}",
        "parameters": "{parameter}",
        "headers": "{header}",
        "securitySchemes": "",
        "examples": "{example}",
        "requestBodies": "{request body}",
    },
    "path item": {**_DESCRIBED, **_OPERATIONS, "parameters": "[parameter]"},
    "operation": {
        **_DESCRIBED,
        "tags": "",
        "operationId": "",
        "parameters": "[parameter]",
        "deprecated": "",
        "requestBody": "request body",
        "responses*": "{response}",
        "security": "",
    },
    "parameter": {
        "name*": "",
        "in*": "",
        "description": "",
        "required": "",
        "deprecated": "",
        "allowEmptyValue": "",
        "style": "",
        "explode": "",
        "allowReserved": "",
        **_VALUE,
        "schema*": "schema",
    },
    "header": {"description": "", "required": "", "style": "", **_VALUE, "schema*": "schema"},
    "request body": {"description": "", "content*": "{media type}", "required": ""},
    "response": {
        "description*": "",
        "headers": "{header}",
        "content": "{media type}",
        "links": "",
    },
    "media type": {**_VALUE, "schema*": "schema", "encoding": ""},
    "example": {**_DESCRIBED, "value*": ""},
}


def mistakes(document: Any) -> list[str]:
    """Returns the unknown and the missing fields, each with the path to it."""
    return [*_mistakes_of("document", document, "#")]


def _mistakes_of(kind: str, value: Any, path: str) -> Iterator[str]:
    if kind.startswith("["):
        for number, each in enumerate(value):
            yield from _mistakes_of(kind[1:-1], each, f"{path}/{number}")
    elif kind.startswith("{"):
        for name, each in value.items():
            yield from _mistakes_of(kind[1:-1], each, f"{path}/{name}")
    elif kind == "schema":
        yield from _mistakes_of_schema(value, path)
    elif kind and value.keys() != {"$ref"}:
        fields = {name.rstrip("*"): kind for name, kind in _FIELDS[kind].items()}
        required = {name.rstrip("*") for name in _FIELDS[kind] if name.endswith("*")}
        yield from (f"{path} has no {name}" for name in required - value.keys())
        for name, each in value.items():
            if name in fields:
                yield from _mistakes_of(fields[name], each, f"{path}/{name}")
            else:
                yield f"{path} has the unknown field {name}"
        if value.get("style") == "deepObject" and value.get("explode") is not True:
            yield f"{path} is a deepObject that does not explode"


def _mistakes_of_schema(schema: Any, path: str) -> Iterator[str]:
    """Also returns the required members of an object that has no description of them."""
    if isinstance(schema, bool):
        return
    yield from (f"{path} has the unknown keyword {name}" for name in schema.keys() - _KEYWORDS)
    if "properties" in schema:
        undescribed = set(schema.get("required", ())) - schema["properties"].keys()
        yield from (f"{path} does not describe {name}" for name in undescribed)
    for name in _LISTS_OF_SCHEMAS:
        yield from _mistakes_of("[schema]", schema.get(name, []), f"{path}/{name}")
    for name in _MAPS_OF_SCHEMAS:
        yield from _mistakes_of("{schema}", schema.get(name, {}), f"{path}/{name}")
    for name in _SCHEMAS:
        yield from _mistakes_of_schema(schema.get(name, True), f"{path}/{name}")
