"""Examples of the API's documents, out of the resources' declarations."""

from typing import Any, Final

from adapters.api.errors import URL
from adapters.api.openapi.relationships import example_relationships
from adapters.jsonapi.operation_objects import OPERATIONS, RESULTS
from adapters.jsonapi.resource import Resource
from adapters.resources.addresses import PREFIX

_VERSION: Final = {"version": "1.1"}
_DESCRIBED: Final = "/openapi.json"
_CURSOR: Final = "3qGCaaCf2VQnWzFd"

ROOT: Final[dict[str, Any]] = {
    "jsonapi": _VERSION,
    "links": {"self": PREFIX, "describedby": _DESCRIBED},
    "meta": {"collections": {}},
}


def refusal(status: int, code: str, meaning: str) -> dict[str, Any]:
    """Of a document of errors: one of this status and code."""
    error = {
        "status": str(status),
        "code": code,
        "title": code.replace("_", " ").capitalize(),
        "detail": meaning,
        "links": {"about": f"{URL}#{code}"},
    }
    return {"jsonapi": _VERSION, "errors": [error]}


def examples(resource: Resource) -> dict[str, Any]:
    """Of a resource's documents, by the names of their schemas."""
    name = resource.type.capitalize()
    read = _read(resource)
    return {
        **_page(resource, f"{PREFIX}/{resource.type}", read),
        f"{name}Creation": {"data": _created(resource)},
        f"{name}Change": {"data": {**_identity(resource), "attributes": _changed(resource)}},
        f"{name}Document": {
            "jsonapi": _VERSION,
            "links": {"self": read["links"]["self"], "describedby": _DESCRIBED},
            "data": read,
        },
        f"{name}OrNullDocument": {
            "jsonapi": _VERSION,
            "links": {"self": read["links"]["self"], "describedby": _DESCRIBED},
            "data": None,
        },
        f"{name}Identifiers": {"data": [_identity(resource)]},
        f"{name}Reference": {"data": _identity(resource)},
        **_linkage(resource),
    }


def _linkage(resource: Resource) -> dict[str, Any]:
    """Of the documents of relationships whose data names the resource."""
    name, url = resource.type.capitalize(), f"{PREFIX}/{resource.type}/1"
    page = {"first": url, "prev": None, "next": None}
    links = {"self": url, "related": url, "describedby": _DESCRIBED}
    listed = {**_identity(resource), "meta": {"page": {"cursor": _CURSOR}}}
    return {
        f"{name}IdentifierPage": {
            "jsonapi": _VERSION,
            "links": {**links, **page},
            "data": [listed],
        },
        f"{name}ReferenceDocument": {
            "jsonapi": _VERSION,
            "links": links,
            "data": _identity(resource),
        },
    }


def history_examples(resource: Resource, event: Resource) -> dict[str, Any]:
    """Of the history of one of the resources."""
    happened = {**_identity(event), "attributes": _attributes(event, settable=False)}
    return _page(event, f"{PREFIX}/{resource.type}/1/history", happened)


def _page(resource: Resource, url: str, item: dict[str, Any]) -> dict[str, Any]:
    around = {"first": f"{url}?page%5Bsize%5D=25", "prev": None, "next": None}
    links = {"self": url, "describedby": _DESCRIBED, **around}
    listed = {**item, "meta": {"page": {"cursor": _CURSOR}}}
    page = {"jsonapi": _VERSION, "links": links, "data": [listed]}
    return {f"{resource.type.capitalize()}Page": page}


def operation_examples(resource: Resource) -> dict[str, Any]:
    """Of the atomic extension's documents, by the names of their schemas."""
    change = {**_identity(resource), "attributes": _changed(resource)}
    made = {"data": _read(resource)}
    operations = [{"op": "add", "data": _created(resource)}, {"op": "update", "data": change}]
    return {
        "Operations": {OPERATIONS: operations},
        "Results": {"jsonapi": _VERSION, RESULTS: [made, made]},
    }


def _identity(resource: Resource) -> dict[str, Any]:
    return {"type": resource.type, "id": "1"}


def _attributes(resource: Resource, *, settable: bool) -> dict[str, Any]:
    shown = resource.settable if settable else resource.attributes
    return {name: each.field.metadata["examples"][0] for name, each in shown.items()}


def _created(resource: Resource) -> dict[str, Any]:
    return {"type": resource.type, "attributes": _attributes(resource, settable=True)}


def _changed(resource: Resource) -> dict[str, Any]:
    """One attribute that is not required: it suits whatever else the resource is."""
    settable = _attributes(resource, settable=True)
    free = [name for name in settable if not resource.settable[name].required]
    return {name: settable[name] for name in free[:1] or settable}


def _read(resource: Resource) -> dict[str, Any]:
    url, is_related = f"{PREFIX}/{resource.type}/1", bool(resource.relationships)
    return {
        **_identity(resource),
        "attributes": _attributes(resource, settable=False),
        **({"relationships": example_relationships(resource, url)} if is_related else {}),
        "links": {"self": url},
    }
