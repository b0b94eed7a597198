"""Examples of the API's documents, generated from the declarations of resource types."""

from typing import Any, Final

from adapters.api.openapi.relationships import example_relationships
from adapters.api.pages.error_codes import URL
from adapters.jsonapi.operation_objects import OPERATIONS, RESULTS
from adapters.jsonapi.resource import Resource
from adapters.resources.urls import PREFIX

_VERSION: Final = {"version": "1.1"}
_DESCRIBED: Final = "/openapi.json"
_CURSOR: Final = "3qGCaaCf2VQnWzFd"

ROOT: Final[dict[str, Any]] = {
    "jsonapi": _VERSION,
    "links": {"self": PREFIX, "describedby": _DESCRIBED},
    "meta": {"collections": {}},
}


def error_example(status: int, code: str, meaning: str) -> dict[str, Any]:
    """Returns an error document with one error."""
    error = {
        "status": str(status),
        "code": code,
        "title": code.replace("_", " ").capitalize(),
        "detail": meaning,
        "links": {"about": f"{URL}#{code}"},
    }
    return {"jsonapi": _VERSION, "errors": [error]}


def examples(resource: Resource) -> dict[str, Any]:
    """Returns examples of the resource's documents, by the names of their schemas."""
    name = resource.type.capitalize()
    resource_object = _resource_object(resource)
    return {
        **_page(resource, f"{PREFIX}/{resource.type}", resource_object),
        f"{name}Creation": {"data": _new_resource(resource)},
        f"{name}Change": {
            "data": {**_identity(resource), "attributes": _changed_attributes(resource)}
        },
        f"{name}Document": {
            "jsonapi": _VERSION,
            "links": {"self": resource_object["links"]["self"], "describedby": _DESCRIBED},
            "data": resource_object,
        },
        f"{name}OrNullDocument": {
            "jsonapi": _VERSION,
            "links": {"self": resource_object["links"]["self"], "describedby": _DESCRIBED},
            "data": None,
        },
        f"{name}Identifiers": {"data": [_identity(resource)]},
        f"{name}RemovedIdentifiers": {"data": [_identity(resource)]},
        f"{name}Reference": {"data": _identity(resource)},
        **_linkage(resource),
    }


def _linkage(resource: Resource) -> dict[str, Any]:
    """Returns examples of relationship documents whose data identifies the resource."""
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
    """Returns an example of the history of a resource."""
    event_object = {**_identity(event), "attributes": _attributes(event, settable=False)}
    return _page(event, f"{PREFIX}/{resource.type}/1/history", event_object)


def _page(resource: Resource, url: str, item: dict[str, Any]) -> dict[str, Any]:
    page_links = {"first": f"{url}?page%5Bsize%5D=25", "prev": None, "next": None}
    links = {"self": url, "describedby": _DESCRIBED, **page_links}
    page_item = {**item, "meta": {"page": {"cursor": _CURSOR}}}
    page = {"jsonapi": _VERSION, "links": links, "data": [page_item]}
    return {f"{resource.type.capitalize()}Page": page}


def operation_examples(resource: Resource) -> dict[str, Any]:
    """Returns examples of the atomic extension's documents, by the names of their schemas."""
    change = {**_identity(resource), "attributes": _changed_attributes(resource)}
    result = {"data": _resource_object(resource)}
    operations = [{"op": "add", "data": _new_resource(resource)}, {"op": "update", "data": change}]
    return {
        "Operations": {OPERATIONS: operations},
        "Results": {"jsonapi": _VERSION, RESULTS: [result, result]},
    }


def _identity(resource: Resource) -> dict[str, Any]:
    return {"type": resource.type, "id": "1"}


def _attributes(resource: Resource, *, settable: bool) -> dict[str, Any]:
    attributes = resource.settable if settable else resource.attributes
    return {name: each.field.metadata["examples"][0] for name, each in attributes.items()}


def _new_resource(resource: Resource) -> dict[str, Any]:
    return {"type": resource.type, "attributes": _attributes(resource, settable=True)}


def _changed_attributes(resource: Resource) -> dict[str, Any]:
    """Returns one optional attribute; all settable attributes if all are required."""
    settable = _attributes(resource, settable=True)
    optional = [name for name in settable if not resource.settable[name].required]
    return {name: settable[name] for name in optional[:1] or settable}


def _resource_object(resource: Resource) -> dict[str, Any]:
    url, is_related = f"{PREFIX}/{resource.type}/1", bool(resource.relationships)
    return {
        **_identity(resource),
        "attributes": _attributes(resource, settable=False),
        **({"relationships": example_relationships(resource, url)} if is_related else {}),
        "links": {"self": url},
    }
